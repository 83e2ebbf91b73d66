"""Boards, queues, days and figures through the API, read and then followed, on both databases."""

import random
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import pytest_asyncio

from app.company.models import Territory
from app.customers.models import Site
from app.infrastructure.tables import add_row
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import Problem
from app.kernel.permissions import Permission
from app.scheduling import commands
from app.scheduling.models import Appointment
from app.scheduling.rules import ReasonCode
from app.technicians import commands as technicians
from app.technicians.models import Absence, Shift
from app.work_orders import commands as work_orders
from app.work_orders.models import WorkOrder
from schema.kit import problems
from tests.app.scheduling.world import (
    DAY,
    NINE,
    Company,
    assignments_of,
    booked,
    found,
    give_shift,
    sent,
    visit,
    work,
)
from tests.schema.asking import ask, codes, heard

HOUR = timedelta(hours=1)
TUESDAY = NINE + timedelta(days=1)

BOARD = """query($day: Date!, $territoryId: ID, $technicianIds: [ID!], $first: Int = 100, $after: String) {
  board(day: $day, territoryId: $territoryId, technicianIds: $technicianIds, first: $first, after: $after) {
    cursor startsAt endsAt hasNextPage endCursor
    nodes { rowKind rowId statusLabel severity lateMinutes appointmentId appointment { id version status }
            technicianId technician { id name } } } }"""
FOLLOW = """subscription($day: Date!, $after: String, $territoryId: ID, $technicianIds: [ID!]) {
  boardChanged(day: $day, after: $after, territoryId: $territoryId, technicianIds: $technicianIds) {
    cursor fact rowKind rowId removed reason statusLabel severity lateMinutes appointmentId
    appointment { id version status } technicianId technician { id name } } }"""
QUEUES = "{ queues { cursor sizes { queue count } } }"
QUEUE = """query($name: DispatchQueue!, $first: Int = 100, $after: String) {
  dispatchQueue(name: $name, first: $first, after: $after) {
    cursor hasNextPage endCursor nodes { rowId queues appointmentId appointment { id } workOrderId workOrder { id } } } }"""
FOLLOW_QUEUES = """subscription($after: String, $queues: [DispatchQueue!]) {
  queueChanged(after: $after, queues: $queues) {
    cursor fact rowId inQueue queues appointmentId workOrderId workOrder { id } workOrderQueues sizes { queue count } } }"""
MY_DAY = """query($day: Date!, $technicianId: ID) { myDay(day: $day, technicianId: $technicianId) {
  cursor startsAt endsAt technicianId technician { name } workMinutes travelMinutes
  visits { position appointmentId freeMinutes travelMinutes statusLabel severity
           appointment { id version site { name } workOrder { summary } } } } }"""
FOLLOW_DAY = """subscription($day: Date!, $after: String, $technicianId: ID) {
  myDay(day: $day, after: $after, technicianId: $technicianId) {
    cursor fact appointmentId removed reason order statusLabel appointment { id version } } }"""
FIGURES = """visits { status count } onTimeShare lateNow unassigned technicians { status count } utilisation
  travelMinutesMean firstResponseMinutesMean"""


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)


@pytest_asyncio.fixture(loop_scope="session")
async def company(database: Dialect) -> Company:
    return await found("Acme")


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(company: Company) -> Company:
    return await found("Globex")


async def told(actor: Actor, document: str, field: str, **variables: Any) -> Any:
    """What a query's one field answers."""
    answer = await ask(actor, document, variables)
    assert "errors" not in answer, answer
    return answer["data"][field]


async def board(actor: Actor, day: date = DAY, **more: Any) -> dict[str, Any]:
    shown: dict[str, Any] = await told(actor, BOARD, "board", day=str(day), **more)
    return shown


async def events(actor: Actor, document: str, after: str, **variables: Any) -> list[dict[str, Any]]:
    """What a subscription tells after a cursor, until it has nothing more to say."""
    found = []
    for answer in await heard(actor, document, {"after": after, **variables}):
        assert "errors" not in answer, answer
        found.extend(answer["data"].values())
    return found


async def changes(actor: Actor, after: str, day: date = DAY, **more: Any) -> list[dict[str, Any]]:
    return await events(actor, FOLLOW, after, day=str(day), **more)


def brief(event: dict[str, Any]) -> tuple[Any, ...]:
    return event["fact"], event["rowId"], event["removed"], event["reason"]


# The board


async def test_a_board_shows_its_technicians_and_the_visits_that_touch_the_day(company: Company) -> None:
    here = await booked(company)
    await give_shift(company.organization_id, company.bob_id, TUESDAY.date())
    await booked(company, company.bob_id, at=TUESDAY)
    promised = await visit(company, requested_window_start=NINE, requested_window_end=NINE + HOUR)
    await visit(company)
    canceled = await booked(company, at=NINE + 3 * HOUR)
    await commands.cancel_appointment(company.dispatcher, canceled, ReasonCode.DUPLICATE)
    shown = await board(company.dispatcher)
    assert (shown["startsAt"], shown["endsAt"]) == ("2027-02-28T23:00:00+00:00", "2027-03-01T23:00:00+00:00")
    people = [(one["rowKind"], one["rowId"], one["statusLabel"], one["severity"]) for one in shown["nodes"][:2]]
    assert people == [("TECHNICIAN", id, "Off duty", "INFO") for id in sorted((company.ann_id, company.bob_id))]
    assert [one["technician"]["name"] for one in shown["nodes"][:2]] == ["Ann", "Bob"]
    visits = {one["rowId"]: one for one in shown["nodes"][2:]}
    assert set(visits) == {here, promised}
    assert visits[here]["appointment"] == {"id": here, "version": 2, "status": "SCHEDULED"}
    assert visits[here] | {"appointment": None} == {
        "rowKind": "VISIT", "rowId": here, "statusLabel": "Planned", "severity": "INFO", "lateMinutes": 0,
        "appointmentId": here, "appointment": None, "technicianId": None, "technician": None,
    }  # fmt: skip
    assert visits[promised]["statusLabel"] == "Not planned yet"


async def test_a_board_comes_page_by_page(company: Company) -> None:
    visits = sorted([await booked(company, at=NINE + count * HOUR) for count in range(3)])
    seen: list[str] = []
    after, pages = None, 0
    while True:
        shown = await board(company.dispatcher, first=2, after=after)
        seen += [one["rowId"] for one in shown["nodes"]]
        after, pages = shown["endCursor"], pages + 1
        if not shown["hasNextPage"]:
            break
    assert seen == [*sorted((company.ann_id, company.bob_id)), *visits]
    assert pages == 3


async def test_following_from_a_boards_cursor_tells_what_came_changed_and_left(company: Company) -> None:
    moved, canceled, freed, kept = [await booked(company, at=NINE + count * HOUR) for count in range(4)]
    await give_shift(company.organization_id, company.bob_id, TUESDAY.date())
    comes = await booked(company, company.bob_id, at=TUESDAY)
    cursor = (await board(company.dispatcher))["cursor"]
    await commands.reschedule_appointment(
        company.dispatcher, moved, starts_at=TUESDAY, override_reason="The customer asked for it."
    )
    await commands.cancel_appointment(company.dispatcher, canceled, ReasonCode.WEATHER)
    await commands.unschedule_appointment(company.dispatcher, freed)
    await commands.pin_appointment(company.dispatcher, kept, when=True)
    await commands.reschedule_appointment(company.dispatcher, comes, starts_at=NINE)
    await commands.pin_appointment(company.dispatcher, moved, when=True)  # of another day by now
    found = await changes(company.dispatcher, cursor)
    assert [brief(one) for one in found] == [
        ("AppointmentRescheduled", moved, True, "MOVED_AWAY"),
        ("AppointmentCanceled", canceled, True, "CANCELED"),
        ("AppointmentUnscheduled", freed, True, "UNSCHEDULED"),
        ("AppointmentPinned", kept, False, None),
        ("AppointmentRescheduled", comes, False, None),
    ]
    assert found[3]["appointment"] == {"id": kept, "version": 3, "status": "SCHEDULED"}
    assert await changes(company.dispatcher, found[-1]["cursor"]) == []
    other_day = await changes(company.dispatcher, cursor, TUESDAY.date())
    assert [brief(one)[1:] for one in other_day] == [
        (moved, False, None), (comes, True, "MOVED_AWAY"), (moved, False, None),
    ]  # fmt: skip


async def test_a_board_of_some_technicians_hears_when_a_visit_is_given_to_others(company: Company) -> None:
    id = await booked(company)
    cursor = (await board(company.dispatcher))["cursor"]
    await commands.reschedule_appointment(company.dispatcher, id, technician_ids=[company.bob_id])
    of_ann, of_bob = [
        await changes(company.dispatcher, cursor, technicianIds=[who]) for who in (company.ann_id, company.bob_id)
    ]
    assert [brief(one)[1:] for one in of_ann] == [(id, True, "REASSIGNED")]
    assert [brief(one)[1:] for one in of_bob] == [(id, False, None)]


async def test_one_of_a_crew_who_drops_out_changes_the_board_and_the_last_one_takes_the_visit_off(
    company: Company,
) -> None:
    id = await booked(company, company.ann_id, company.bob_id)
    cursor = (await board(company.dispatcher))["cursor"]
    anns, bobs = [one.id for one in await assignments_of(id)]
    await commands.decline_assignment(company.ann, anns, "Too far")
    await commands.release_assignment(company.dispatcher, bobs)
    of_ann = await changes(company.dispatcher, cursor, technicianIds=[company.ann_id])
    assert [brief(one) for one in of_ann] == [("AssignmentDeclined", id, True, "REASSIGNED")]
    of_all = await changes(company.dispatcher, cursor)
    assert [brief(one) for one in of_all] == [("AppointmentUnscheduled", id, True, "UNSCHEDULED")]


async def test_a_board_of_a_territory_shows_and_hears_nothing_of_other_territories(company: Company) -> None:
    north, south = [
        await add_row(Territory, organization_id=company.organization_id, code=code, name=code) for code in ("N", "S")
    ]
    await Site.filter(id=company.site_id).update(territory_id=north.id)
    await Site.filter(id=company.far_site_id).update(territory_id=south.id)
    await technicians.update_technician(_manager(company), company.bob_id, territory_id=south.id)
    here = await booked(company)
    there = await booked(company, company.bob_id, site_id=company.far_site_id)
    shown = await board(company.dispatcher, territoryId=north.id)
    assert [one["rowId"] for one in shown["nodes"]] == [company.ann_id, here]
    for id in (here, there):
        await commands.cancel_appointment(company.dispatcher, id, ReasonCode.WEATHER)
    await technicians.update_technician(_manager(company), company.ann_id, territory_id=south.id)
    await technicians.update_technician(_manager(company), company.bob_id, name="Robert")
    found = await changes(company.dispatcher, shown["cursor"], territoryId=north.id)
    assert [brief(one)[1:] for one in found] == [
        (here, True, "CANCELED"), (company.ann_id, True, "OTHER_TERRITORY"),
    ]  # fmt: skip


def _manager(company: Company) -> Actor:
    return system_actor(company.organization_id)


async def test_technicians_come_with_their_status_their_shifts_and_when_they_leave(company: Company) -> None:
    cursor = (await board(company.dispatcher))["cursor"]
    await technicians.check_in(company.ann)
    manager = _manager(company)
    await technicians.create_absence(
        manager, technician_id=company.bob_id, starts_at=NINE, ends_at=NINE + HOUR, kind="SICK"
    )
    await technicians.deactivate_technician(manager, company.bob_id)
    found = await changes(company.dispatcher, cursor)
    assert [brief(one) for one in found] == [
        ("TechnicianStatusChanged", company.ann_id, False, None),
        ("TechnicianDeactivated", company.bob_id, True, "DEACTIVATED"),
    ]
    assert found[0]["statusLabel"] == "Free, outside the shift"
    assert found[-1]["reason"] == "DEACTIVATED"


async def labels(actor: Actor) -> list[tuple[str, str, str]]:
    shown = (await board(actor))["nodes"]
    return sorted(
        (one["technician"]["name"], one["statusLabel"], one["severity"])
        for one in shown
        if one["rowKind"] == "TECHNICIAN"
    )


async def test_a_board_says_of_shifts_and_absences_only_what_the_asker_may_see_and_nothing_false(
    company: Company,
) -> None:
    now = utc_now()
    mine = {"organization_id": company.organization_id, "starts_at": now - HOUR, "ends_at": now + HOUR}
    await add_row(Shift, **mine, technician_id=company.ann_id)
    await add_row(Absence, **mine, technician_id=company.bob_id, kind="SICK")
    await technicians.check_in(company.ann)
    await booked(company, company.ann_id, company.bob_id)
    unseen = [("Ann", "Free", "INFO"), ("Bob", "Off duty", "INFO")]
    assert await labels(company.dispatcher) == [("Ann", "Free", "INFO"), ("Bob", "Sick", "NOTICE")]
    scoped = replace(company.dispatcher, permissions=frozenset({Permission.VIEW_SCHEDULE}))
    assert await labels(scoped) == unseen
    assert await labels(company.bob) == [("Ann", "Free", "INFO"), ("Bob", "Sick", "NOTICE")]
    assert await labels(company.customer) == unseen
    await Shift.filter(technician_id=company.ann_id).delete()
    assert (await labels(company.dispatcher))[0] == ("Ann", "Free, outside the shift", "NOTICE")
    for actor in (scoped, company.bob, company.customer):
        assert (await labels(actor))[0] == ("Ann", "Free", "INFO")


async def test_figures_count_no_shifts_and_no_work_for_whoever_may_not_see_them(company: Company) -> None:
    await booked(company)
    await WorkOrder.all().update(submitted_at=NINE, triaged_at=NINE + HOUR)
    document = "query($day: Date!) { dispatchMetrics(day: $day) { utilisation firstResponseMinutesMean } }"
    scoped = replace(company.dispatcher, permissions=frozenset({Permission.VIEW_SCHEDULE}))
    whole = await told(company.dispatcher, document, "dispatchMetrics", day=str(DAY))
    assert whole == {"utilisation": 0.0556, "firstResponseMinutesMean": 60.0}
    part = await told(scoped, document, "dispatchMetrics", day=str(DAY))
    assert part == {"utilisation": None, "firstResponseMinutesMean": None}


async def test_each_sees_and_hears_of_their_own_visits_only(company: Company, stranger: Company) -> None:
    anns, bobs = await booked(company), await booked(company, company.bob_id)
    theirs = await booked(stranger)
    cursors = {who: (await board(getattr(company, who)))["cursor"] for who in ("dispatcher", "ann", "customer")}
    shown = {
        who: [one["rowId"] for one in (await board(getattr(company, who)))["nodes"] if one["rowKind"] == "VISIT"]
        for who in cursors
    }
    assert shown == {"dispatcher": [anns, bobs], "ann": [anns], "customer": [anns, bobs]}
    for id in (anns, bobs):
        await commands.dispatch_appointment(company.dispatcher, id)
    await commands.dispatch_appointment(stranger.dispatcher, theirs)
    heard_by = {
        who: [brief(one)[1] for one in await changes(getattr(company, who), cursor)] for who, cursor in cursors.items()
    }
    assert heard_by == {"dispatcher": [anns, bobs], "ann": [anns], "customer": [anns, bobs]}


async def test_what_a_technician_lost_leaves_their_board_and_is_not_shown(company: Company) -> None:
    id = await booked(company)
    cursor = (await board(company.ann))["cursor"]
    await commands.reschedule_appointment(company.dispatcher, id, technician_ids=[company.bob_id])
    [event] = await changes(company.ann, cursor)
    assert event | {"cursor": "", "fact": ""} == {
        "cursor": "", "fact": "", "rowKind": "VISIT", "rowId": id, "removed": True, "reason": "REASSIGNED",
        "statusLabel": None, "severity": "INFO", "lateMinutes": None, "appointmentId": id, "appointment": None,
        "technicianId": None, "technician": None,
    }  # fmt: skip


async def test_a_board_is_refused_with_ids_that_are_not_ones_own(company: Company, stranger: Company) -> None:
    for more, path in (
        ({"technicianIds": [stranger.ann_id]}, "NOT_FOUND"),
        ({"territoryId": "ter_01m80tq4r0fqx9w0e30n4n32an"}, "NOT_FOUND"),
        ({"technicianIds": [company.ann_id] * 101}, "INVALID_INPUT"),
    ):
        assert codes(await ask(company.dispatcher, BOARD, {"day": str(DAY), **more})) == [path]
        [answer] = await heard(company.dispatcher, FOLLOW, {"day": str(DAY), **more})
        assert codes(answer) == [path]
    assert codes(await ask(company.dispatcher, BOARD, {"day": str(DAY), "after": "nonsense"})) == ["INVALID_INPUT"]
    assert codes(await ask(company.dispatcher, BOARD, {"day": str(DAY), "first": 101})) == ["INVALID_INPUT"]


@pytest.mark.parametrize("seed", range(6))
async def test_a_picture_with_all_events_applied_is_the_picture_that_is_read_anew(company: Company, seed: int) -> None:
    chance = random.Random(seed)
    ids = [await booked(company, chance.choice([company.ann_id, company.bob_id]), at=NINE + count * HOUR)
           for count in range(4)]  # fmt: skip
    await give_shift(company.organization_id, company.ann_id, TUESDAY.date())
    named = [None, [company.ann_id]][seed % 2]
    picture = await board(company.dispatcher, technicianIds=named)
    rows = {one["rowId"]: one for one in picture["nodes"]}
    for _ in range(25):
        await _do_something(company, chance, ids)
    for event in await changes(company.dispatcher, picture["cursor"], technicianIds=named):
        if event["removed"]:
            rows.pop(event["rowId"], None)
        else:
            rows[event["rowId"]] = event
    anew = {one["rowId"]: one for one in (await board(company.dispatcher, technicianIds=named))["nodes"]}
    assert _kept(rows) == _kept(anew)


def _kept(rows: dict[str, Any]) -> dict[str, Any]:
    return {
        id: (one["appointment"], one["technician"], one["statusLabel"], one["severity"]) for id, one in rows.items()
    }


async def _do_something(company: Company, chance: random.Random, ids: list[str]) -> None:
    id, office = chance.choice(ids), company.dispatcher
    who = chance.sample([company.ann_id, company.bob_id], chance.randint(1, 2))
    at = chance.choice([NINE, TUESDAY]) + chance.randint(0, 6) * HOUR
    acts = [
        lambda: commands.reschedule_appointment(office, id, technician_ids=who, starts_at=at, override_reason="So"),
        lambda: commands.schedule_appointment(office, id, who, at, override_reason="So"),
        lambda: commands.unschedule_appointment(office, id),
        lambda: commands.dispatch_appointment(office, id),
        lambda: commands.depart(office, id),
        lambda: commands.arrive(office, id),
        lambda: commands.start_work(office, id),
        lambda: commands.cancel_appointment(office, id, ReasonCode.OTHER) if chance.random() < 0.3 else visit(company),
        lambda: technicians.check_in(company.ann),
    ]
    with suppress(Problem):  # what is refused did not happen
        await chance.choice(acts)()


# The queues


async def sizes(actor: Actor) -> dict[str, int]:
    return {one["queue"]: one["count"] for one in (await told(actor, QUEUES, "queues"))["sizes"]}


async def queue(actor: Actor, name: str) -> list[str]:
    return [one["rowId"] for one in (await told(actor, QUEUE, "dispatchQueue", name=name))["nodes"]]


async def test_work_goes_through_the_queues_and_each_step_is_told(company: Company) -> None:
    nothing = dict.fromkeys(("UNTRIAGED", "WITHOUT_VISIT", "UNSCHEDULED", "DECLINED", "TO_DISPATCH"), 0)
    cursor = (await told(company.dispatcher, QUEUES, "queues"))["cursor"]
    order = await work(company)
    assert await sizes(company.dispatcher) == nothing | {"UNTRIAGED": 1}
    await work_orders.triage_work_order(company.dispatcher, order)
    assert await sizes(company.dispatcher) == nothing | {"WITHOUT_VISIT": 1}
    assert await queue(company.dispatcher, "WITHOUT_VISIT") == [order]
    id = await commands.create_appointment(company.dispatcher, order)
    assert await sizes(company.dispatcher) == nothing | {"UNSCHEDULED": 1}
    await commands.schedule_appointment(company.dispatcher, id, [company.ann_id], NINE)
    assert await sizes(company.dispatcher) == nothing | {"TO_DISPATCH": 1}
    [assignment] = await assignments_of(id)
    await commands.decline_assignment(company.ann, assignment.id, "No")
    assert await sizes(company.dispatcher) == nothing | {"UNSCHEDULED": 1, "DECLINED": 1}
    assert await queue(company.dispatcher, "DECLINED") == [id] == await queue(company.dispatcher, "UNSCHEDULED")
    await commands.schedule_appointment(company.dispatcher, id, [company.bob_id], NINE)
    assert await sizes(company.dispatcher) == nothing | {"DECLINED": 1, "TO_DISPATCH": 1}
    await commands.dispatch_appointment(company.dispatcher, id)
    assert await sizes(company.dispatcher) == nothing
    found = await events(company.dispatcher, FOLLOW_QUEUES, cursor)
    assert {one["rowId"] for one in found} == {order, id}
    last = {one["rowId"]: one for one in found}
    assert [(last[one]["inQueue"], last[one]["queues"], last[one]["workOrderQueues"]) for one in (order, id)] == [
        (False, [], []), (False, [], []),
    ]  # fmt: skip
    assert all(one["workOrderId"] == order and one["workOrder"] == {"id": order} for one in found)
    assert {one["queue"]: one["count"] for one in found[-1]["sizes"]} == nothing
    facts = [one["fact"] for one in found if one["appointmentId"] == id]
    assert facts[0] == "AppointmentCreated"
    assert facts[-1] == "AppointmentDispatched"
    only = await events(company.dispatcher, FOLLOW_QUEUES, cursor, queues=["UNTRIAGED"])
    assert [(one["fact"], one["rowId"], one["inQueue"]) for one in only] == [("WorkOrderTriaged", order, False)]


async def test_a_visit_that_is_called_off_gives_its_work_back_to_the_queue_of_work_without_one(
    company: Company,
) -> None:
    order = await work(company)
    await work_orders.triage_work_order(company.dispatcher, order)
    id = await commands.create_appointment(company.dispatcher, order)
    cursor = (await told(company.dispatcher, QUEUES, "queues"))["cursor"]
    await commands.cancel_appointment(company.dispatcher, id, ReasonCode.DUPLICATE)
    [event] = await events(company.dispatcher, FOLLOW_QUEUES, cursor)
    assert (event["rowId"], event["inQueue"], event["queues"], event["workOrderQueues"]) == (
        id, False, [], ["WITHOUT_VISIT"],
    )  # fmt: skip


async def test_what_is_far_along_is_no_news_to_the_queues(company: Company) -> None:
    id = await sent(company)
    cursor = (await told(company.dispatcher, QUEUES, "queues"))["cursor"]
    await commands.depart(company.ann, id)
    await commands.arrive(company.ann, id)
    assert await events(company.dispatcher, FOLLOW_QUEUES, cursor) == []


async def test_queues_count_what_one_may_see(company: Company, stranger: Company) -> None:
    await booked(company)
    await booked(stranger)
    await visit(company)
    assert (await sizes(company.dispatcher))["TO_DISPATCH"] == 1
    assert (await sizes(company.ann))["TO_DISPATCH"] == 1
    assert (await sizes(company.ann))["UNSCHEDULED"] == 0
    assert (await sizes(company.bob))["TO_DISPATCH"] == 0


# My day


async def my_day(actor: Actor, **more: Any) -> dict[str, Any]:
    day: dict[str, Any] = await told(actor, MY_DAY, "myDay", day=str(DAY), **more)
    return day


async def test_a_technician_reads_the_visits_of_the_day_in_order_with_their_briefing(company: Company) -> None:
    later, first = await booked(company, at=NINE + 3 * HOUR), await booked(company)
    await booked(company, company.bob_id)
    await Appointment.filter(id=later).update(travel_minutes=25)
    day = await my_day(company.ann)
    assert (day["technicianId"], day["technician"], day["workMinutes"], day["travelMinutes"]) == (
        company.ann_id, {"name": "Ann"}, 120, 25,
    )  # fmt: skip
    assert [(one["position"], one["appointmentId"], one["freeMinutes"], one["travelMinutes"]) for one in day["visits"]] == [
        (1, first, None, None), (2, later, 120, 25),
    ]  # fmt: skip
    assert day["visits"][0]["appointment"] == {
        "id": first, "version": 2, "site": {"name": "Home"}, "workOrder": {"summary": "No heat"},
    }  # fmt: skip


async def test_a_day_that_is_followed_tells_what_came_moved_and_left_with_the_order(company: Company) -> None:
    one, two = await booked(company), await booked(company, at=NINE + HOUR)
    cursor = (await my_day(company.ann))["cursor"]
    third = await booked(company, at=NINE + 4 * HOUR)
    await commands.reschedule_appointment(company.dispatcher, one, starts_at=NINE + 2 * HOUR)
    await commands.reschedule_appointment(company.dispatcher, two, technician_ids=[company.bob_id])
    await commands.cancel_appointment(company.dispatcher, third, ReasonCode.WEATHER)
    found = await events(company.ann, FOLLOW_DAY, cursor, day=str(DAY))
    assert [(event["fact"], event["appointmentId"], event["removed"], event["reason"]) for event in found] == [
        ("AppointmentRescheduled", one, False, None),
        ("AppointmentRescheduled", two, True, "REASSIGNED"),
        ("AppointmentCanceled", third, True, "CANCELED"),
    ]
    assert [event["order"] for event in found] == [[one]] * len(found)
    assert found[1]["appointment"] is None
    [event] = await events(company.bob, FOLLOW_DAY, cursor, day=str(DAY))
    assert (event["appointmentId"], event["removed"], event["order"]) == (two, False, [two])


async def test_the_office_says_whose_day_and_hears_what_the_technician_hears(company: Company) -> None:
    await booked(company)
    day = await my_day(company.dispatcher, technicianId=company.ann_id)
    assert len(day["visits"]) == 1
    id = await booked(company, at=NINE + HOUR)
    mine = await events(company.ann, FOLLOW_DAY, day["cursor"], day=str(DAY))
    office = await events(company.dispatcher, FOLLOW_DAY, day["cursor"], day=str(DAY), technicianId=company.ann_id)
    assert [one["appointmentId"] for one in mine] == [id]
    # Before it was given to the technician, it was the office's alone; afterwards it is a visit of that day.
    assert [one for one in office if one["fact"] != "AppointmentCreated"] == mine
    assert codes(await ask(company.dispatcher, MY_DAY, {"day": str(DAY)})) == ["INVALID_INPUT"]


async def test_a_technician_does_not_see_the_day_of_another(company: Company) -> None:
    await booked(company)
    assert (await my_day(company.bob, technicianId=company.ann_id))["visits"] == []
    cursor = (await my_day(company.bob))["cursor"]
    await booked(company, at=NINE + HOUR)
    assert await events(company.bob, FOLLOW_DAY, cursor, day=str(DAY), technicianId=company.ann_id) == []


# The figures


async def test_the_figures_of_a_day_are_counted_from_what_one_may_see(company: Company, stranger: Company) -> None:
    await booked(company)
    await booked(company, company.bob_id, at=NINE + 2 * HOUR)
    await visit(company, requested_window_start=NINE, requested_window_end=NINE + HOUR)
    await booked(stranger)
    document = f"query($day: Date!) {{ dispatchMetrics(day: $day) {{ cursor {FIGURES} }} }}"
    made = await told(company.dispatcher, document, "dispatchMetrics", day=str(DAY))
    assert {one["status"]: one["count"] for one in made["visits"] if one["count"]} == {"SCHEDULED": 2, "UNSCHEDULED": 1}
    assert {one["status"]: one["count"] for one in made["technicians"] if one["count"]} == {"OFF": 2}
    assert (made["onTimeShare"], made["lateNow"], made["unassigned"], made["utilisation"]) == (None, 0, 1, 0.1111)
    anns = await told(company.ann, document, "dispatchMetrics", day=str(DAY))
    assert {one["status"]: one["count"] for one in anns["visits"] if one["count"]} == {"SCHEDULED": 1}


async def test_figures_are_told_at_once_and_again_when_they_differ(company: Company) -> None:
    document = f"subscription($day: Date!) {{ metrics(day: $day) {{ cursor {FIGURES} }} }}"
    [answer] = await heard(company.dispatcher, document, {"day": str(DAY)}, most=1)
    read = f"query($day: Date!) {{ dispatchMetrics(day: $day) {{ cursor {FIGURES} }} }}"
    assert answer["data"]["metrics"] == await told(company.dispatcher, read, "dispatchMetrics", day=str(DAY))


# A sign of life


async def test_a_heartbeat_says_the_time_and_where_the_journal_stands(company: Company) -> None:
    document = "subscription($seconds: Int!) { heartbeat(seconds: $seconds) { cursor at } }"
    [answer] = await heard(company.customer, document, {"seconds": 60}, most=1)
    assert answer["data"]["heartbeat"]["cursor"] == (await board(company.dispatcher))["cursor"]
    assert answer["data"]["heartbeat"]["at"].endswith(":00+00:00")
    for seconds in (4, 301):
        [answer] = await heard(company.customer, document, {"seconds": seconds}, most=1)
        assert codes(answer) == ["INVALID_INPUT"]
