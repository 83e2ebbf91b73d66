"""The planner's advice through the API: whom to send and why, what else fits, what helps, an urgent visit's place."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

import optimizer
from app.customers.models import Site
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.scheduling import commands, planning
from app.scheduling.models import Appointment, PlanRun
from app.scheduling.planning import laid
from app.technicians.models import Technician, TechnicianSkill
from schema.kit import Context, execute, plain_data, problems
from schema.schema import api
from tests.app.scheduling.test_plans import planned, schedule_now
from tests.app.scheduling.world import DAY, NINE, Company, booked, found, row_of, sent, snapshot, visit, work

HOUR = timedelta(hours=1)
SUGGESTION = """appointmentId technicianIds startsAt durationMinutes travelMinutes travelMetres addedCents lateCents
    surplusLevels gapMinutes workloadMinutes knowsSite sentence reasons { code sentence figure unit }
    technician { name }"""
OPTION = """key technicianIds startsAt travelMinutes addedCents lateCents sentence
    moved { appointmentId technicianIds startsAt } bumped { appointmentId technicianIds startsAt }"""


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


async def data(actor: Actor, document: str, **variables: object) -> Any:
    """The answer's one field; there must be no error."""
    answer = await ask(actor, document, **variables)
    assert "errors" not in answer, answer
    [value] = answer["data"].values()
    return value


async def refusal(actor: Actor, document: str, **variables: object) -> str:
    """The code of the one error."""
    [error] = (await ask(actor, document, **variables))["errors"]
    return str(error["extensions"]["code"])


async def do(actor: Actor, name: str, selection: str, **wanted: object) -> Any:
    """A mutation's payload."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    document = f"""mutation ($input: {kind}!) {{ {name}(input: $input) {{
        {selection} errors {{ code path ... on PlanOutdated {{ moved }} }} }} }}"""
    return await data(actor, document, input=wanted)


RECOMMEND = f"""query ($day: Date!, $visit: ID, $work: ID, $limit: Int! = 5) {{
    technicianRecommendations(day: $day, appointmentId: $visit, workOrderId: $work, limit: $limit) {{ {SUGGESTION} }} }}"""


async def test_ranks_technicians_for_a_visit_with_figures_and_reasons_and_one_mutation_takes_the_best(
    company: Company,
) -> None:
    """Bob is at the cottage at ten, so the cottage at eleven is no way for him; Ann would have to drive there."""
    await booked(company, company.bob_id, at=NINE + HOUR, site_id=company.far_site_id)
    id = await visit(company, site_id=company.far_site_id)
    before = await snapshot()
    bobs, anns = await data(company.dispatcher, RECOMMEND, day=str(DAY), visit=id)
    assert await snapshot() == before
    assert (bobs["technician"], anns["technician"]) == ({"name": "Bob"}, {"name": "Ann"})
    assert bobs["travelMinutes"] == bobs["travelMetres"] == 0 < anns["travelMinutes"]
    assert bobs["addedCents"] < anns["addedCents"]
    assert bobs["workloadMinutes"] > anns["workloadMinutes"] == 0
    assert [reason["code"] for reason in anns["reasons"]] == ["LATENESS", "TRAVEL", "SKILL", "GAP", "WORKLOAD"]
    assert anns["reasons"][1]["figure"] == anns["travelMinutes"]
    assert "Ann" in anns["sentence"] and "tech_" not in anns["sentence"]
    done = await do(
        company.dispatcher,
        "scheduleAppointment",
        "appointment { startsAt }",
        id=id,
        technicianIds=bobs["technicianIds"],
        startsAt=bobs["startsAt"],
    )
    assert done == {"appointment": {"startsAt": bobs["startsAt"]}, "errors": []}


async def test_who_was_at_the_site_before_is_told_and_who_lacks_the_skill_is_not_named(company: Company) -> None:
    past = await sent(company, company.bob_id)
    for step in (commands.depart, commands.arrive, commands.start_work, commands.complete_appointment):
        await step(company.bob, past)
    id = await visit(company)
    ranked = await data(company.dispatcher, RECOMMEND, day=str(DAY), visit=id)
    assert {one["technician"]["name"]: one["knowsSite"] for one in ranked} == {"Ann": False, "Bob": True}
    await TechnicianSkill.filter(technician_id=company.bob_id).delete()
    skilled = await visit(company, required_skills={company.skill_id: 2})
    [anns] = await data(company.dispatcher, RECOMMEND, day=str(DAY), visit=skilled)
    assert (anns["technician"]["name"], anns["surplusLevels"]) == ("Ann", 1)


async def test_of_two_who_schedule_the_same_work_at_once_one_makes_its_visit(company: Company) -> None:
    order = await work(company)
    attempts = (
        commands.schedule_work(company.dispatcher, order, [id], NINE) for id in (company.ann_id, company.bob_id)
    )
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    assert sorted(type(one).__name__ for one in answers) == ["Conflict", "str"]
    assert await Appointment.all().count() == 1


async def test_work_without_a_visit_is_ranked_and_scheduled_in_one_step(company: Company) -> None:
    order = await work(company)
    first, *_ = await data(company.dispatcher, RECOMMEND, day=str(DAY), work=order)
    assert first["appointmentId"] is None
    assert await Appointment.all().count() == 0
    done = await do(
        company.dispatcher,
        "scheduleWork",
        "appointment { status startsAt workOrder { id } }",
        workOrderId=order,
        technicianIds=first["technicianIds"],
        startsAt=first["startsAt"],
    )
    assert done["errors"] == []
    assert done["appointment"] == {"status": "SCHEDULED", "startsAt": first["startsAt"], "workOrder": {"id": order}}
    again = await do(
        company.dispatcher,
        "scheduleWork",
        "appointment { id }",
        workOrderId=order,
        technicianIds=first["technicianIds"],
        startsAt=first["startsAt"],
    )
    assert again == {"appointment": None, "errors": [{"code": "CONFLICT", "path": ["workOrderId"]}]}


async def test_a_recommended_start_is_free_of_what_stands(company: Company) -> None:
    """Ann's visits follow each other without a way between them, which somebody decided: nothing is put in their place."""
    await booked(company, at=NINE)
    await booked(company, at=NINE + HOUR, site_id=company.far_site_id)
    id = await visit(company, requested_window_start=NINE, requested_window_end=NINE + HOUR)
    ranked = await data(company.dispatcher, RECOMMEND, day=str(DAY), visit=id)
    assert [one["technician"]["name"] for one in ranked] == ["Bob"]


@pytest.mark.parametrize("who", ["support", "ann", "customer"])
async def test_only_dispatchers_are_advised(company: Company, who: str) -> None:
    id = await visit(company)
    actor = getattr(company, who)
    assert await refusal(actor, RECOMMEND, day=str(DAY), visit=id) == "NOT_PERMITTED"


async def test_a_question_without_a_subject_or_with_one_that_is_not_seen_is_refused(company: Company) -> None:
    stranger = await found("Globex")
    theirs = await visit(stranger)
    assert await refusal(company.dispatcher, RECOMMEND, day=str(DAY)) == "INVALID_INPUT"
    assert await refusal(company.dispatcher, RECOMMEND, day=str(DAY), visit=theirs) == "NOT_FOUND"
    assert await refusal(company.dispatcher, RECOMMEND, day=str(DAY), visit=await visit(company), limit=51) == (
        "INVALID_INPUT"
    )
    await Site.filter(id=company.site_id).update(latitude=None)
    assert await refusal(company.dispatcher, RECOMMEND, day=str(DAY), visit=await visit(company)) == "CONFLICT"


async def test_a_day_that_is_too_large_is_refused_and_a_busy_planner_says_so(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    await booked(company)
    id = await visit(company)
    monkeypatch.setattr(laid, "VISITS_AT_ONCE_MAX", 1)
    assert await refusal(company.dispatcher, RECOMMEND, day=str(DAY), visit=id) == "LIMIT_REACHED"
    monkeypatch.setattr(laid, "VISITS_AT_ONCE_MAX", 2)
    monkeypatch.setattr(laid, "WAITING_MAX", 0)
    assert await refusal(company.dispatcher, RECOMMEND, day=str(DAY), visit=id) == "UNAVAILABLE"


async def test_the_server_goes_on_while_the_planner_thinks(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[float] = []

    def think_hard(*args: Any, **named: Any) -> tuple[()]:
        time.sleep(0.2)
        ticks.append(-1)
        return ()

    async def tick() -> None:
        while -1 not in ticks:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    monkeypatch.setattr(optimizer, "recommend", think_hard)
    id = await visit(company)
    answer, _ = await asyncio.gather(data(company.dispatcher, RECOMMEND, day=str(DAY), visit=id), tick())
    assert answer == []
    assert len(ticks) > 10


async def test_advice_is_paid_for_by_what_it_costs(company: Company) -> None:
    paid: list[float] = []

    async def pay(points: float) -> None:
        paid.append(points)

    context = Context(company.dispatcher, pay=pay)
    variables = {"day": str(DAY), "visit": await visit(company)}
    await execute(api, RECOMMEND, variables, None, context)
    assert (paid, context.spent) == ([100], 100)


EXPLAIN = f"""query ($visit: ID!, $run: ID) {{ explainAssignment(appointmentId: $visit, runId: $run) {{
    sentence technicianIds chosen {{ {SUGGESTION} }} alternatives {{ {SUGGESTION} }} }} }}"""


async def test_says_why_this_technician_in_the_schedule_and_in_a_plan(company: Company) -> None:
    await booked(company, company.bob_id, at=NINE + HOUR, site_id=company.far_site_id)
    id = await booked(company, company.ann_id, at=NINE + 3 * HOUR, site_id=company.far_site_id)
    why = await data(company.dispatcher, EXPLAIN, visit=id)
    assert why["technicianIds"] == why["chosen"]["technicianIds"] == [company.ann_id]
    [other] = why["alternatives"]
    assert other["technicianIds"] == [company.bob_id]
    assert other["travelMinutes"] < why["chosen"]["travelMinutes"]
    assert other["workloadMinutes"] > why["chosen"]["workloadMinutes"] == 0 < other["gapMinutes"]
    assert "Ann" in why["sentence"] and "Bob" in why["sentence"]
    new = await visit(company)
    run = await planned(company)
    why = await data(company.dispatcher, EXPLAIN, visit=new, run=run.id)
    assert len(why["technicianIds"]) == 1
    assert await refusal(company.dispatcher, EXPLAIN, visit=new) == "CONFLICT"


REMEDIES = """query ($run: ID!, $visit: ID!) { planRemedies(runId: $run, appointmentId: $visit) {
    code sentence addedCents change } }"""


async def test_names_what_would_let_a_left_out_visit_fit_and_it_does(company: Company) -> None:
    id = await visit(company, required_skills={company.skill_id: 5})
    run = await planned(company)
    document = "query ($id: ID!) { planRun(id: $id) { visits { nodes { reasons { code deficit unit subject } } } } }"
    [left] = (await data(company.dispatcher, document, id=run.id))["visits"]["nodes"]
    assert left["reasons"] == [
        {"code": "SKILL_LEVEL_TOO_LOW", "deficit": 2, "unit": "levels", "subject": company.skill_id}
    ]
    found = await data(company.dispatcher, REMEDIES, run=run.id, visit=id)
    train = next(one for one in found if one["code"] == "TRAIN")
    assert "Gas fitting" in train["sentence"]
    assert train["addedCents"] is not None
    [who] = train["change"]["technicians"]
    await TechnicianSkill.filter(technician_id=who).update(level=5)
    again = await planned(company)
    assert again.score["changes"]["UNASSIGNED"] == 0
    await commands.commit_plan(company.dispatcher, again.id)
    assert await refusal(company.dispatcher, REMEDIES, run=run.id, visit=id) == "PLAN_OUTDATED"
    assert await refusal(company.dispatcher, REMEDIES, run=again.id, visit=id) == "CONFLICT"


NEARBY = """query ($day: Date!, $who: ID, $lat: Float, $lng: Float, $radius: Int! = 5000) {
    nearbyWork(day: $day, technicianId: $who, latitude: $lat, longitude: $lng, radiusMetres: $radius) {
        appointmentId metres nearAppointmentId technicianIds startsAt } }"""


async def test_finds_work_near_a_route_or_a_place_and_what_waits_comes_first(company: Company) -> None:
    anns = await booked(company)
    bobs = await booked(company, company.bob_id, at=NINE + HOUR)
    waiting = await visit(company)
    far = await visit(company, site_id=company.far_site_id)
    near = await data(company.dispatcher, NEARBY, day=str(DAY), who=company.ann_id)
    assert [one["appointmentId"] for one in near] == [waiting, bobs]
    assert (near[0]["metres"], near[0]["nearAppointmentId"], near[0]["startsAt"]) == (0, anns, None)
    assert near[1]["technicianIds"] == [company.bob_id]
    there = await data(company.dispatcher, NEARBY, day=str(DAY), lat=52.6, lng=13.4)
    assert [one["appointmentId"] for one in there] == [far]
    assert await refusal(company.dispatcher, NEARBY, day=str(DAY)) == "INVALID_INPUT"
    assert await refusal(company.dispatcher, NEARBY, day=str(DAY), lat=52.6) == "INVALID_INPUT"
    assert await refusal(company.dispatcher, NEARBY, day=str(DAY), who=company.ann_id, radius=0) == "INVALID_INPUT"


GAP = f"""query ($who: ID!, $since: DateTime!, $until: DateTime!) {{
    workForGap(technicianId: $who, since: $since, until: $until) {{ {SUGGESTION} }} }}"""


async def test_finds_what_fits_into_a_gap_and_nothing_longer(company: Company) -> None:
    await booked(company, at=NINE)
    await booked(company, at=NINE + 3 * HOUR)
    short, long = await visit(company), await visit(company, duration_minutes=150)
    gap = {"who": company.ann_id, "since": (NINE + HOUR).isoformat(), "until": (NINE + 3 * HOUR).isoformat()}
    [fits] = await data(company.dispatcher, GAP, **gap)
    assert fits["appointmentId"] == short != long
    assert NINE + HOUR <= datetime.fromisoformat(fits["startsAt"]) <= NINE + 2 * HOUR
    gap["until"] = gap["since"]
    assert await refusal(company.dispatcher, GAP, **gap) == "INVALID_INPUT"


INSERT = f"""query ($visit: ID!, $day: Date!, $who: [ID!]) {{
    insertionOptions(appointmentId: $visit, day: $day, technicianIds: $who) {{ {OPTION} }} }}"""


async def crowded(company: Company) -> tuple[str, str]:
    """Ann's day is full of ordinary work; an emergency comes in. Its id, and that of the work in its way."""
    ordinary = await visit(company, duration_minutes=480)
    await commands.schedule_appointment(
        company.dispatcher, ordinary, [company.ann_id], NINE - HOUR / 2, override_reason="A long day."
    )
    urgent = await visit(
        company,
        priority="EMERGENCY",
        duration_minutes=60,
        requested_window_start=NINE + HOUR,
        requested_window_end=NINE + 3 * HOUR,
    )
    return urgent, ordinary


async def test_an_urgent_visit_takes_the_place_of_less_urgent_work_and_undo_brings_it_back(company: Company) -> None:
    urgent, ordinary = await crowded(company)
    before = await schedule_now()
    only = [company.ann_id]
    options = await data(company.dispatcher, INSERT, visit=urgent, day=str(DAY), who=only)
    bumping = next(one for one in options if one["bumped"])
    assert bumping["bumped"] == [{"appointmentId": ordinary, "technicianIds": [], "startsAt": None}]
    assert "apt_" not in bumping["sentence"]
    assert await schedule_now() == before
    wanted = {"appointmentId": urgent, "day": str(DAY), "technicianIds": only, "key": bumping["key"]}
    fields = "planRun { id kind status summary { added unassigned } }"
    done = await do(company.dispatcher, "insertUrgent", fields, **wanted)
    assert done["errors"] == []
    assert done["planRun"]["kind"] == "INSERTION"
    assert done["planRun"]["status"] == "COMMITTED"
    assert done["planRun"]["summary"] == {"added": 1, "unassigned": 1}
    assert (await row_of(urgent)).technician_ids == only
    assert (await row_of(ordinary)).status == "UNSCHEDULED"
    undone = await do(company.dispatcher, "undoPlan", "planRun { status }", id=done["planRun"]["id"])
    assert undone == {"planRun": {"status": "UNDONE"}, "errors": []}
    assert await schedule_now() == before


async def test_an_insertion_is_refused_once_the_day_moved_or_too_late_and_a_repeat_is_answered_alike(
    company: Company,
) -> None:
    urgent = await visit(company, priority="EMERGENCY")
    [option, *_] = await data(company.dispatcher, INSERT, visit=urgent, day=str(DAY))
    others = await booked(company, *option["technicianIds"])
    await commands.reschedule_appointment(company.dispatcher, others, starts_at=NINE + 2 * HOUR)
    before = await schedule_now()
    outdated = {"planRun": None, "errors": [{"code": "PLAN_OUTDATED", "path": [], "moved": [urgent]}]}
    await commands.unschedule_appointment(company.dispatcher, others)
    await commands.cancel_appointment(company.dispatcher, others, "OTHER")
    for key in ("0-x", "9999999999-x", "nonsense", option["key"][:-1] + "z"):
        wanted = {"appointmentId": urgent, "day": str(DAY), "key": key}
        assert await do(company.dispatcher, "insertUrgent", "planRun { id }", **wanted) == outdated
    assert len(before) == 2
    [option, *_] = await data(company.dispatcher, INSERT, visit=urgent, day=str(DAY))
    document = """mutation ($input: InsertUrgentInput!) { insertUrgent(input: $input) {
        planRun { id status } errors { code } } }"""
    answers = []
    for _ in range(2):
        context = Context(company.dispatcher, idempotency_key="once")
        wanted = {"appointmentId": urgent, "day": str(DAY), "key": option["key"]}
        answers.append(plain_data(await execute(api, document, {"input": wanted}, None, context)))
    assert answers[0] == answers[1]
    assert answers[0]["data"]["insertUrgent"]["planRun"]["status"] == "COMMITTED"
    assert await PlanRun.all().count() == 1


async def test_a_day_that_moves_between_the_look_and_the_lock_is_not_overwritten(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The visit is found anew when an option is taken; what comes between that and the lock is seen under it."""
    urgent = await visit(company, priority="EMERGENCY")
    [option, *_] = await data(company.dispatcher, INSERT, visit=urgent, day=str(DAY))
    look = planning.take_insertion

    async def look_and_be_slow(*args: Any, **named: Any) -> planning.Taken:
        taken = await look(*args, **named)
        await booked(company, *option["technicianIds"])
        return taken

    monkeypatch.setattr(planning, "take_insertion", look_and_be_slow)
    wanted = {"appointmentId": urgent, "day": str(DAY), "key": option["key"]}
    done = await do(company.dispatcher, "insertUrgent", "planRun { id }", **wanted)
    assert [error["code"] for error in done["errors"]] == ["PLAN_OUTDATED"]
    assert (await row_of(urgent)).status == "UNSCHEDULED"
    assert await PlanRun.all().count() == 0


async def test_a_visit_that_has_a_time_is_not_inserted(company: Company) -> None:
    id = await booked(company)
    assert await refusal(company.dispatcher, INSERT, visit=id, day=str(DAY)) == "CONFLICT"
    await Technician.filter(id=company.ann_id).update(is_active=False)
    urgent = await visit(company, priority="EMERGENCY")
    options = await data(company.dispatcher, INSERT, visit=urgent, day=str(DAY))
    assert {id for one in options for id in one["technicianIds"]} == {company.bob_id}
