"""Times that customers choose, through the API: offered, kept free, confirmed, given back, over; for each kind of asker."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from app.infrastructure import journal
from app.infrastructure.tables import add_row
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import ScheduleConflict
from app.scheduling import commands, reactions
from app.scheduling.commands import booking
from app.scheduling.models import Appointment, Assignment, SlotHold
from app.technicians.models import Absence, Shift, Technician
from schema.kit import Context, execute, plain_data, problems
from schema.kit.live import hears
from schema.schema import api
from tests.app.scheduling.test_plans import planned
from tests.app.scheduling.world import DAY, NINE, Company, booked, found, give_shift, row_of, told, visit, work

HOUR = timedelta(hours=1)
SLOTS = """query ($work: ID!, $day: Date!, $days: Int! = 1, $count: Int! = 10) {
    bookableSlots(workOrderId: $work, day: $day, days: $days, count: $count) {
        windowStart windowEnd isNearby startsAt technicianIds technician { name } addedCents travelMinutes } }"""
HOLD = "slotHold { id status windowStart windowEnd expiresAt workOrder { id } appointment { id status } }"


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)


@pytest_asyncio.fixture(loop_scope="session")
async def company(database: Dialect) -> Company:
    return await found("Acme")


async def ask(actor: Actor, document: str, **variables: object) -> Mapping[str, Any]:
    """The whole answer."""
    answer: Mapping[str, Any] = plain_data(await execute(api, document, variables, None, Context(actor)))
    return answer


async def slots(actor: Actor, order: str, **more: object) -> Any:
    """The windows somebody is offered on the day."""
    answer = await ask(actor, SLOTS, work=order, day=str(DAY), **more)
    assert "errors" not in answer, answer
    return answer["data"]["bookableSlots"]


async def do(actor: Actor, name: str, selection: str, **wanted: object) -> Any:
    """A mutation's payload."""
    kind = {"confirmSlot": "ConfirmSlotInput", "releaseSlot": "ReleaseSlotInput"}.get(name, "HoldSlotInput")
    document = f"""mutation ($input: {kind}!) {{ {name}(input: $input) {{
        {selection} errors {{ code path ... on ScheduleConflict {{ conflicts {{ code }} }} }} }} }}"""
    answer = await ask(actor, document, input=wanted)
    assert "errors" not in answer, answer
    return answer["data"][name]


def window(start: datetime = NINE, hours: int = 2) -> dict[str, str]:
    return {"windowStart": start.isoformat(), "windowEnd": (start + hours * HOUR).isoformat()}


async def held(company: Company, order: str, **values: object) -> str:
    """A window that the customer has kept free; the hold's id."""
    made = await do(company.customer, "holdSlot", HOLD, workOrderId=order, **(window() | values))
    assert made["errors"] == [], made
    return str(made["slotHold"]["id"])


async def busy() -> list[tuple[str, str]]:
    """Whose time is taken, and how."""
    rows = await Assignment.filter(is_active=True).order_by("technician_id", "starts_at")
    return [(row.technician_id, row.status) for row in rows]


async def only_ann(company: Company) -> None:
    """Bob does not work on the day."""
    await Shift.filter(technician_id=company.bob_id).delete()


async def test_a_customer_chooses_a_window_has_it_kept_free_and_confirms_it(company: Company) -> None:
    order = await work(company)
    offered = await slots(company.customer, order)
    assert len(offered) == 8
    assert {(one["startsAt"], one["technician"], one["addedCents"]) for one in offered} == {(None, None, None)}
    assert all(one["technicianIds"] == [] and one["travelMinutes"] is None for one in offered)
    chosen = {name: offered[0][name] for name in ("windowStart", "windowEnd")}
    facts = await told(company, do(company.customer, "holdSlot", HOLD, workOrderId=order, **chosen))
    assert [fact.type for fact in facts] == ["AppointmentCreated", "SlotHeld"]
    hold = await SlotHold.get(work_order_id=order)
    assert [status for _, status in await busy()] == ["RESERVED"]
    assert (await row_of(hold.appointment_id)).status == "UNSCHEDULED"
    done = await do(company.customer, "confirmSlot", HOLD, id=hold.id)
    assert done["errors"] == []
    assert done["slotHold"]["status"] == "CONFIRMED"
    assert done["slotHold"]["appointment"]["status"] == "SCHEDULED"
    row = await row_of(hold.appointment_id)
    assert (row.window_start, row.window_end) == tuple(datetime.fromisoformat(each) for each in chosen.values())
    assert row.window_start <= row.starts_at <= row.window_end
    assert await busy() == [(row.technician_ids[0], "PROPOSED")]
    again = await do(company.customer, "confirmSlot", HOLD, id=hold.id)
    assert [error["code"] for error in again["errors"]] == ["ILLEGAL_TRANSITION"]


async def test_the_office_sees_who_would_come_and_what_each_window_costs_the_cheapest_first(company: Company) -> None:
    await booked(company, at=NINE + 4 * HOUR, site_id=company.far_site_id)
    order = await work(company, site_id=company.far_site_id)
    offered = await slots(company.dispatcher, order)
    costs = [one["addedCents"] for one in offered]
    assert costs == sorted(costs)
    assert offered[0]["technician"]["name"] == "Ann"
    assert offered[0]["isNearby"]
    elsewhere = await slots(company.dispatcher, await work(company))
    assert not any(one["isNearby"] for one in elsewhere)
    assert offered[0]["travelMinutes"] < elsewhere[0]["travelMinutes"]
    seen = await slots(company.customer, order)
    assert [one["windowStart"] for one in seen] == [one["windowStart"] for one in offered]


async def test_windows_are_shown_at_a_site_before_there_is_work_and_they_are_the_same_then(company: Company) -> None:
    document = """query ($site: ID!, $day: Date!, $minutes: Int!) {
        bookableSlots(siteId: $site, day: $day, durationMinutes: $minutes) { windowStart windowEnd isNearby } }"""
    wanted = {"site": company.site_id, "day": str(DAY), "minutes": 60}
    shown = (await ask(company.customer, document, **wanted))["data"]["bookableSlots"]
    later = await slots(company.customer, await work(company))
    assert shown == [{name: one[name] for name in ("windowStart", "windowEnd", "isNearby")} for one in later]
    stranger = await found("Globex")
    for actor, change, code in (
        (stranger.customer, {}, "NOT_FOUND"),
        (company.customer, {"minutes": 0}, "INVALID_INPUT"),
        (company.customer, {"day": "9999-12-31"}, "INVALID_INPUT"),
    ):
        [error] = (await ask(actor, document, **(wanted | change)))["errors"]
        assert error["extensions"]["code"] == code
    both = "query ($d: Date!, $w: ID!) { bookableSlots(day: $d, workOrderId: $w, durationMinutes: 9) { isNearby } }"
    none = "query ($d: Date!) { bookableSlots(day: $d) { isNearby } }"
    for odd, more in ((none, {}), (both, {"w": await work(company)})):
        [error] = (await ask(company.customer, odd, d=str(DAY), **more))["errors"]
        assert error["extensions"]["code"] == "INVALID_INPUT"
    assert await Appointment.all().count() == 0


async def test_who_may_choose_a_time_for_which_work(company: Company) -> None:
    stranger = await found("Globex")
    order, theirs = await work(company), await work(stranger)
    codes = {}
    for name, actor in (("ann", company.ann), ("customer", company.customer), ("dispatcher", company.dispatcher)):
        answers = [await ask(actor, SLOTS, work=one, day=str(DAY)) for one in (order, theirs)]
        codes[name] = [[one["extensions"]["code"] for one in answer.get("errors", [])] for answer in answers]
    assert codes == {
        "ann": [["NOT_PERMITTED"], ["NOT_PERMITTED"]],
        "customer": [[], ["NOT_FOUND"]],
        "dispatcher": [[], ["NOT_FOUND"]],
    }
    hold = await held(company, order)
    for actor, code in ((stranger.customer, "NOT_FOUND"), (company.ann, "NOT_PERMITTED")):
        refused = await do(actor, "confirmSlot", HOLD, id=hold)
        assert [error["code"] for error in refused["errors"]] == [code]
    shown = "query ($id: ID!) { slotHold(id: $id) { status } }"
    told_when = await ask(company.customer, "query ($id: ID!) { slotHold(id: $id) { startsAt } }", id=hold)
    assert told_when["data"] == {"slotHold": {"startsAt": None}}
    assert [one["extensions"]["code"] for one in told_when["errors"]] == ["FORBIDDEN"]
    for actor, seen in ((company.customer, True), (company.dispatcher, True), (company.ann, False)):
        answer = await ask(actor, shown, id=hold)
        assert (answer["data"]["slotHold"] is not None) is seen


async def test_what_is_kept_free_is_nobody_elses_neither_a_customers_nor_the_offices_nor_the_planners(
    company: Company,
) -> None:
    await only_ann(company)
    await held(company, await work(company, duration_minutes=420), **window(hours=1))
    other = await work(company, duration_minutes=120)
    assert await slots(company.customer, other) == []
    refused = await do(company.customer, "holdSlot", HOLD, workOrderId=other, **window())
    assert refused["slotHold"] is None
    assert refused["errors"][0]["conflicts"] == [{"code": "NO_CAPACITY"}]
    id = await visit(company, duration_minutes=120)
    with pytest.raises(ScheduleConflict):
        await commands.schedule_appointment(company.dispatcher, id, [company.ann_id], NINE + HOUR)
    run = await planned(company)
    assert run.score["changes"]["ADDED"] == 0
    assert await busy() == [(company.ann_id, "RESERVED")]


async def test_a_technician_is_not_told_of_a_time_that_may_come_to_nothing(company: Company) -> None:
    await only_ann(company)
    order = await work(company)
    before = await journal.head(company.organization_id)
    hold = await held(company, order)
    everything = "{ appointments { totalCount } assignments { totalCount } }"
    counts = (await ask(company.ann, everything))["data"]
    assert counts == {"appointments": {"totalCount": 0}, "assignments": {"totalCount": 0}}
    facts = await journal.read(company.organization_id, before)
    assert {hears(company.ann, fact) for fact in facts} == {False}
    assert [hears(company.customer, fact) for fact in facts if fact.type == "SlotHeld"] == [True]
    await commands.confirm_slot(company.customer, hold)
    counts = (await ask(company.ann, everything))["data"]
    assert counts == {"appointments": {"totalCount": 1}, "assignments": {"totalCount": 1}}


async def test_a_time_is_given_back_when_its_minutes_are_over_or_when_one_says_so(company: Company) -> None:
    order = await work(company)
    hold = await held(company, order, minutes=1)
    await reactions.expire_slots(utc_now())
    assert len(await busy()) == 1
    facts = await told(company, reactions.expire_slots(utc_now() + timedelta(minutes=2)))
    assert [fact.type for fact in facts] == ["SlotExpired"]
    assert await busy() == []
    late = await do(company.customer, "confirmSlot", HOLD, id=hold)
    assert [error["code"] for error in late["errors"]] == ["ILLEGAL_TRANSITION"]
    second = await held(company, order)
    for _ in range(2):
        back = await do(company.customer, "releaseSlot", HOLD, id=second)
        assert (back["slotHold"]["status"], back["errors"]) == ("RELEASED", [])
    assert await busy() == []
    assert await Appointment.all().count() == 1


async def test_a_time_that_is_over_is_not_confirmed_although_nobody_noticed_yet(company: Company) -> None:
    hold = await held(company, await work(company))
    await SlotHold.filter(id=hold).update(expires_at=utc_now() - timedelta(seconds=1))
    late = await do(company.customer, "confirmSlot", HOLD, id=hold)
    assert late == {"slotHold": None, "errors": [{"code": "CONFLICT", "path": ["id"]}]}
    assert (await Appointment.get()).status == "UNSCHEDULED"


async def test_who_chooses_anew_gives_back_what_was_kept_before(company: Company) -> None:
    order = await work(company)
    first = await held(company, order)
    second = await held(company, order, **window(NINE + 3 * HOUR))
    assert (await SlotHold.get(id=first)).status == "RELEASED"
    assert (await SlotHold.get(id=second)).status == "HELD"
    assert len(await busy()) == 1


async def test_an_account_keeps_a_few_times_free_at_once_and_no_more(company: Company) -> None:
    for number in range(5):
        await held(company, await work(company, duration_minutes=30), **window(NINE + number * HOUR))
    sixth = await do(company.customer, "holdSlot", HOLD, workOrderId=await work(company), **window())
    assert [error["code"] for error in sixth["errors"]] == ["LIMIT_REACHED"]
    assert await SlotHold.all().count() == 5


@pytest.mark.parametrize(
    "wrong",
    [
        window(NINE, 0),
        window(NINE, 13),
        window(NINE - 10_000 * HOUR),
        window() | {"minutes": 0},
        window() | {"minutes": 61},
    ],
)
async def test_a_window_or_a_time_to_keep_it_that_makes_no_sense_is_refused(
    company: Company, wrong: dict[str, object]
) -> None:
    refused = await do(company.customer, "holdSlot", HOLD, workOrderId=await work(company), **wrong)
    assert [error["code"] for error in refused["errors"]] == ["INVALID_INPUT"]
    assert await Appointment.all().count() == 0


async def test_the_office_goes_before_a_customer_who_is_still_choosing(company: Company) -> None:
    """What the office schedules by hand for the same work gives back what was kept free for it."""
    hold = await held(company, await work(company))
    id = (await SlotHold.get(id=hold)).appointment_id
    await commands.schedule_appointment(company.dispatcher, id, [company.bob_id], NINE + 5 * HOUR)
    assert (await SlotHold.get(id=hold)).status == "RELEASED"
    assert await busy() == [(company.bob_id, "PROPOSED")]
    late = await do(company.customer, "confirmSlot", HOLD, id=hold)
    assert [error["code"] for error in late["errors"]] == ["ILLEGAL_TRANSITION"]
    more = await do(company.customer, "holdSlot", HOLD, workOrderId=(await row_of(id)).work_order_id, **window())
    assert more["errors"] == [{"code": "CONFLICT", "path": ["workOrderId"]}]


async def test_a_technician_who_falls_ill_meanwhile_is_not_confirmed(company: Company) -> None:
    await only_ann(company)
    hold = await held(company, await work(company))
    absence = {"starts_at": NINE - HOUR, "ends_at": NINE + 9 * HOUR, "kind": "SICK"}
    await add_row(Absence, organization_id=company.organization_id, technician_id=company.ann_id, **absence)
    refused = await do(company.customer, "confirmSlot", HOLD, id=hold)
    assert [error["code"] for error in refused["errors"]] == ["SCHEDULE_CONFLICT"]
    assert await busy() == [(company.ann_id, "RESERVED")]


async def test_reserved_time_is_taken_back_by_giving_the_hold_back_alone(company: Company) -> None:
    await held(company, await work(company))
    reserved = await Assignment.get()
    document = "mutation ($input: ReleaseAssignmentInput!) { releaseAssignment(input: $input) { errors { code } } }"
    answer = await ask(company.dispatcher, document, input={"id": reserved.id})
    assert answer["data"]["releaseAssignment"]["errors"] == [{"code": "CONFLICT"}]
    assert (await Assignment.get()).is_active


async def test_a_repeated_request_keeps_one_time_free_and_is_answered_alike(company: Company) -> None:
    await only_ann(company)
    order = await work(company, duration_minutes=420)
    document = "mutation ($input: HoldSlotInput!) { holdSlot(input: $input) { slotHold { id } errors { code } } }"
    answers = []
    for _ in range(2):
        context = Context(company.customer, idempotency_key="once")
        input = {"workOrderId": order, **window(hours=1)}
        answers.append(plain_data(await execute(api, document, {"input": input}, None, context)))
    assert answers[0] == answers[1]
    assert answers[0]["data"]["holdSlot"]["errors"] == []
    assert await SlotHold.all().count() == 1


async def test_what_ended_long_ago_is_forgotten_and_what_is_held_is_not(company: Company) -> None:
    order = await work(company)
    kept, gone = await held(company, await work(company)), await held(company, order)
    await commands.release_slot(company.customer, gone)
    for days, count in ((29, 0), (31, 1)):
        await SlotHold.all().update(updated_at=utc_now() - timedelta(days=days))
        assert await commands.forget_old_holds() == count
    assert [one.id for one in await SlotHold.all()] == [kept]


async def test_a_plan_that_leaves_a_visit_out_does_not_give_away_what_was_held_for_it_meanwhile(
    company: Company,
) -> None:
    await Shift.all().delete()
    order = await work(company)
    run = await planned(company)
    assert run.score["changes"]["UNASSIGNED"] == 1
    await give_shift(company.organization_id, company.ann_id, DAY)
    hold = await held(company, order)
    await commands.commit_plan(company.dispatcher, run.id)
    assert await busy() == [(company.ann_id, "RESERVED")]
    done = await do(company.customer, "confirmSlot", HOLD, id=hold)
    assert (done["slotHold"]["status"], done["errors"]) == ("CONFIRMED", [])


async def test_a_customer_is_not_told_who_would_come_and_when_before_it_is_confirmed(company: Company) -> None:
    hold = await held(company, await work(company))
    ways = (
        "{ assignments { totalCount } }",
        "{ appointments { nodes { assignments { totalCount } } } }",
        "{ slotHolds { nodes { appointment { assignments { totalCount } } } } }",
    )

    async def counts(actor: Actor) -> list[str]:
        return [str((await ask(actor, document))["data"]) for document in ways]

    offices = await counts(company.dispatcher)
    assert all("'totalCount': 1" in one for one in offices)
    assert await counts(company.customer) == [one.replace("'totalCount': 1", "'totalCount': 0") for one in offices]
    await commands.confirm_slot(company.customer, hold)
    assert await counts(company.customer) == offices


async def test_facts_of_a_hold_say_what_it_was_before(company: Company) -> None:
    order = await work(company)
    first = await held(company, order)
    again = held(company, order, **window(NINE + 3 * HOUR))
    [released, _] = await told(company, again)
    assert (released.subject_id, released.payload["changes"]["status"]) == (first, ["HELD", "RELEASED"])
    second = await SlotHold.get(status="HELD")
    facts = await told(company, commands.confirm_slot(company.customer, second.id))
    confirmed = next(fact for fact in facts if fact.type == "SlotConfirmed")
    assert confirmed.payload["changes"]["status"] == ["HELD", "CONFIRMED"]


async def test_a_visit_that_a_hold_made_waits_with_the_window_that_its_work_asks_for(company: Company) -> None:
    asked = {"requested_window_start": NINE, "requested_window_end": NINE + 4 * HOUR}
    await commands.release_slot(company.customer, await held(company, await work(company, **asked)))
    row = await Appointment.get()
    assert (row.status, row.window_start, row.window_end) == ("UNSCHEDULED", NINE, NINE + 4 * HOUR)


async def test_of_two_holds_at_once_one_is_the_last_that_an_account_may_have(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await held(company, await work(company, duration_minutes=30), **window(NINE + number * HOUR))
    # Not the same technician, or the later one would look anew.
    await Shift.filter(technician_id=company.ann_id).update(ends_at=NINE + 5 * HOUR)
    await Shift.filter(technician_id=company.bob_id).update(starts_at=NINE + 5 * HOUR)
    require_few = booking._require_few

    async def slow(*values: Any) -> None:
        await require_few(*values)
        await asyncio.sleep(0.2)

    monkeypatch.setattr(booking, "_require_few", slow)
    orders = [await work(company, duration_minutes=30) for _ in range(2)]
    spans = (window(NINE + 4 * HOUR, 1), window(NINE + 6 * HOUR, 1))
    asked = (
        do(company.customer, "holdSlot", HOLD, workOrderId=order, **span)
        for order, span in zip(orders, spans, strict=True)
    )
    codes = [[error["code"] for error in one["errors"]] for one in await asyncio.gather(*asked)]
    assert sorted(codes) == [[], ["LIMIT_REACHED"]]


CALLERS = 4


async def rush(company: Company) -> list[list[str]]:
    """As many callers at once as there are, for the one hour that one technician has; what each was told."""
    orders = [await work(company, duration_minutes=60) for _ in range(CALLERS)]
    await Shift.filter(technician_id=company.ann_id).update(starts_at=NINE - HOUR, ends_at=NINE + 2 * HOUR)
    await only_ann(company)
    asked = (do(company.customer, "holdSlot", HOLD, workOrderId=order, **window(NINE, 1)) for order in orders)
    return [[error["code"] for error in one["errors"]] for one in await asyncio.gather(*asked)]


async def test_of_several_callers_at_once_for_the_last_hour_exactly_one_gets_it(company: Company) -> None:
    codes = await rush(company)
    assert sorted(codes) == [[], *[["SCHEDULE_CONFLICT"]] * (CALLERS - 1)]
    assert await busy() == [(company.ann_id, "RESERVED")]


async def careless(appointment: object, work_order: object, choice: commands.Choice, window: object) -> None:
    """Believes what the planner said, whatever came in between."""
    if not choice.technician_ids:
        raise ScheduleConflict([])


async def test_the_databases_own_rule_alone_gives_the_hour_to_one(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking, "_require_capacity", careless)
    codes = await rush(company)
    assert sorted(codes) == [[], *[["SCHEDULE_CONFLICT"]] * (CALLERS - 1)]


async def test_the_control_that_neither_looks_under_lock_nor_takes_the_time_gives_the_hour_to_several(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rush on a booking that is broken on purpose, or it proves nothing."""

    async def idle(model: Any, **values: Any) -> Any:
        return await add_row(model, **(values | {"is_active": False} if model is Assignment else values))

    monkeypatch.setattr(booking, "_require_capacity", careless)
    monkeypatch.setattr(booking, "add_row", idle)
    assert (await rush(company)).count([]) > 1


async def test_travel_between_two_holds_that_come_at_once_is_kept(company: Company) -> None:
    """Two callers at two ends of the town: what both would get alone is not given to both together."""
    await only_ann(company)
    near, far = await work(company), await work(company, site_id=company.far_site_id)
    await Technician.filter(id=company.bob_id).update(is_active=False)
    asked = (
        do(company.customer, "holdSlot", HOLD, workOrderId=near, **window(NINE, 3)),
        do(company.customer, "holdSlot", HOLD, workOrderId=far, **window(NINE, 3)),
    )
    made = await asyncio.gather(*asked)
    assert [one["errors"] for one in made] == [[], []]
    first, second = await SlotHold.all().order_by("starts_at")
    assert second.starts_at - first.ends_at >= timedelta(minutes=15)
