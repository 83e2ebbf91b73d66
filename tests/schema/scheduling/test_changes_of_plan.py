"""Plans of several days, of a part of the company, of one technician's day, and of what happens to one: through the API."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from app.company.models import Territory
from app.customers.models import Site
from app.infrastructure import journal
from app.infrastructure.tables import add_row
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.traffic import read_slow_hours
from app.scheduling import commands, travel
from app.scheduling.models import PlanRun
from app.scheduling.solver import solve_apart
from app.technicians.models import Technician
from schema.kit import Context, execute, plain_data, problems
from schema.schema import api
from tests.app.scheduling.test_plans import run_job, schedule_now, think_here
from tests.app.scheduling.world import (
    DAY,
    NINE,
    Company,
    assignments_of,
    booked,
    found,
    give_shift,
    row_of,
    sent,
    visit,
    work,
)

HOUR = timedelta(hours=1)
DAYS = timedelta(days=1)
SUMMARY = """score { mandatoryPoints lateCents: latenessCents wishesCents } travelMinutes travelMetres added moved kept
    unassigned movedMinutes techniciansChanged before { score { mandatoryPoints wishesCents } travelMinutes travelMetres }"""
PLAN = f"""query ($id: ID!) {{ planRun(id: $id) {{ kind day days status error keepScheduled
    policy {{ preferenceCents movedCentsPerMinute }} summary {{ {SUMMARY} }}
    visits(first: 100) {{ nodes {{ change movedMinutes startsAt appointment {{ id }} technician {{ name }}
        before {{ technicianIds startsAt }} reasons {{ code sentence }} }} }} }} }}"""


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)


@pytest_asyncio.fixture(loop_scope="session")
async def company(database: Dialect) -> Company:
    return await found("Acme")


async def ask(actor: Actor, document: str, **variables: object) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = plain_data(await execute(api, document, variables, None, Context(actor)))
    assert "errors" not in answer, answer
    data: Mapping[str, Any] = answer["data"]
    return data


async def do(actor: Actor, name: str, **wanted: object) -> Any:
    """A mutation's payload: the run, and the codes of what was wrong."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    document = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ planRun {{ id status }} errors {{ code }} }} }}"
    payload = (await ask(actor, document, input=wanted))[name]
    return payload["planRun"], [error["code"] for error in payload["errors"]]


async def answered(company: Company, name: str, **wanted: object) -> Any:
    """A run as it is shown when its plan is ready."""
    run, errors = await do(company.dispatcher, name, **wanted)
    assert errors == []
    await run_job()
    shown = (await ask(company.dispatcher, PLAN, id=run["id"]))["planRun"]
    assert shown["status"] == "READY", shown["error"]
    shown["id"] = run["id"]
    shown["by_visit"] = {node["appointment"]["id"]: node for node in shown["visits"]["nodes"]}
    return shown


async def test_plans_a_week_in_one_run_and_each_day_within_its_shifts(company: Company) -> None:
    """Two technicians and six long jobs: no day holds them all."""
    for day in range(1, 5):
        for technician_id in (company.ann_id, company.bob_id):
            await give_shift(company.organization_id, technician_id, DAY + day * DAYS)
    for _ in range(6):
        await work(company, duration_minutes=400)
    far = await visit(company, requested_window_start=NINE + 3 * DAYS, requested_window_end=NINE + 3 * DAYS + HOUR)
    plan = await answered(company, "planDay", day=str(DAY), days=5, seconds=1)
    assert (plan["kind"], plan["days"], plan["summary"]["added"], plan["summary"]["unassigned"]) == (
        "SCHEDULE",
        5,
        7,
        0,
    )
    assert plan["by_visit"][far]["startsAt"].startswith(str(DAY + 3 * DAYS))
    assert len({node["startsAt"][:10] for node in plan["visits"]["nodes"]}) >= 3
    assert (await do(company.dispatcher, "commitPlan", id=plan["id"]))[1] == []
    taken = [(one.technician_id, one.starts_at.date()) for id in plan["by_visit"] for one in await assignments_of(id)]
    assert len(taken) == 7
    other = await answered(company, "planDay", day=str(DAY), days=5, seconds=1)
    await booked(company, company.bob_id, at=NINE + 4 * DAYS)
    assert (await do(company.dispatcher, "commitPlan", id=other["id"]))[1] == ["PLAN_OUTDATED"]
    for day, days in ((DAY, 0), (DAY, 15), ("9999-12-31", 14), ("2199-12-31", 2)):
        assert (await do(company.dispatcher, "planDay", day=str(day), days=days))[1] == ["INVALID_INPUT"]


async def test_plans_the_work_and_the_people_of_a_territory_alone(company: Company) -> None:
    north = await add_row(Territory, organization_id=company.organization_id, name="North", code="N")
    south = await add_row(Territory, organization_id=company.organization_id, name="South", code="S")
    await Site.filter(id=company.far_site_id).update(territory_id=north.id)
    await Technician.filter(id=company.ann_id).update(territory_id=north.id)
    await Technician.filter(id=company.bob_id).update(territory_id=south.id)
    inside, outside = await visit(company, site_id=company.far_site_id), await visit(company)
    plan = await answered(company, "planDay", day=str(DAY), seconds=1, territoryIds=[north.id])
    assert list(plan["by_visit"]) == [inside] != [outside]
    assert plan["by_visit"][inside]["technician"] == {"name": "Ann"}
    assert (await do(company.dispatcher, "commitPlan", id=plan["id"]))[1] == []


async def test_keeps_what_has_a_time_where_that_is_asked_for(company: Company) -> None:
    """Ann's visits stand the long way round; kept, only the new one is planned, around them."""
    stands = [
        await booked(company, at=NINE + number * 2 * HOUR, site_id=site)
        for number, site in enumerate([company.site_id, company.far_site_id, company.site_id])
    ]
    new = await visit(company)
    plan = await answered(company, "planDay", day=str(DAY), seconds=1, keepScheduled=True)
    assert plan["keepScheduled"]
    assert {plan["by_visit"][id]["change"] for id in stands} == {"KEPT"}
    assert plan["by_visit"][new]["change"] == "ADDED"


async def test_the_policy_is_what_was_asked_for_and_the_planners_own_for_the_rest(company: Company) -> None:
    await visit(company)
    plan = await answered(company, "planDay", day=str(DAY), seconds=1, policy={"preferenceCents": 7})
    assert plan["policy"] == {"preferenceCents": 7, "movedCentsPerMinute": 5}
    wrong = await do(company.dispatcher, "planDay", day=str(DAY), policy={"preferenceCents": -1})
    assert wrong == (None, ["INVALID_INPUT"])
    assert await PlanRun.all().count() == 1


async def test_a_plan_is_compared_with_the_schedule_as_it_stood(company: Company) -> None:
    await booked(company)
    await visit(company)
    plan = await answered(company, "planDay", day=str(DAY), seconds=1)
    summary = plan["summary"]
    assert (summary["added"], summary["kept"] + summary["moved"]) == (1, 1)
    assert summary["before"]["score"]["mandatoryPoints"] > summary["score"]["mandatoryPoints"] == 0
    assert summary["before"]["travelMinutes"] > 0
    assert summary["movedMinutes"] == sum(abs(one["movedMinutes"] or 0) for one in plan["visits"]["nodes"])


async def test_a_schedule_that_stays_as_it_is_has_the_way_that_it_had_before(company: Company) -> None:
    await zigzag(company)
    plan = await answered(company, "planDay", day=str(DAY), seconds=1, keepScheduled=True)
    summary = plan["summary"]
    assert (summary["kept"], summary["moved"]) == (4, 0)
    ways = ("travelMinutes", "travelMetres")
    assert [summary[name] for name in ways] == [summary["before"][name] for name in ways]


async def zigzag(company: Company) -> list[str]:
    """Ann drives to and fro, with time to spare: there is a shorter way."""
    sites = [company.site_id, company.far_site_id, company.site_id, company.far_site_id]
    return [
        await booked(company, at=NINE + number * 110 * HOUR / 60, site_id=site, duration_minutes=30)
        for number, site in enumerate(sites)
    ]


async def test_one_technicians_day_is_driven_better_and_accepted_in_one_step(company: Company) -> None:
    ids = await zigzag(company)
    bobs = await booked(company, company.bob_id)
    await visit(company)
    await commands.pin_appointment(company.dispatcher, ids[0], who=True, when=True)
    before = await schedule_now()
    plan = await answered(company, "optimizeRoute", technicianId=company.ann_id, day=str(DAY))
    assert plan["kind"] == "ROUTE"
    assert set(plan["by_visit"]) == set(ids)
    summary = plan["summary"]
    assert summary["before"]["travelMinutes"] > summary["travelMinutes"] > 0
    assert summary["before"]["travelMetres"] > summary["travelMetres"] > 0
    assert (summary["unassigned"], summary["added"], summary["techniciansChanged"]) == (0, 0, 0)
    assert plan["by_visit"][ids[0]]["change"] == "KEPT"
    assert (await do(company.dispatcher, "commitPlan", id=plan["id"]))[1] == []
    after = {row[0]: row for row in await schedule_now()}
    assert [after[row[0]] for row in before if row[0] not in ids] == [row for row in before if row[0] not in ids]
    assert after[bobs][2] == NINE
    assert (await do(company.dispatcher, "undoPlan", id=plan["id"]))[1] == []
    assert await schedule_now() == before


async def test_a_technician_drops_out_and_the_others_take_over_as_much_as_they_can(company: Company) -> None:
    """Of Ann's visits one is pinned to her and one was sent off; Bob takes what fits, his own stay where they are."""
    morning = await sent(company, at=NINE + HOUR)
    pinned = await booked(company, at=NINE + 3 * HOUR)
    await commands.pin_appointment(company.dispatcher, pinned, who=True)
    skilled = await booked(company, at=NINE + 5 * HOUR, required_skills={company.skill_id: 2})
    bobs = await booked(company, company.bob_id, at=NINE + 2 * HOUR)
    await Technician.filter(id=company.bob_id).update(speed_factor=1.0)
    before = await schedule_now()
    since, until = NINE - HOUR, NINE + 8 * HOUR
    wanted = {"technicianId": company.ann_id, "since": since.isoformat(), "until": until.isoformat()}
    plan = await answered(company, "planAbsence", **wanted)
    assert plan["kind"] == "ABSENCE"
    assert {id: plan["by_visit"][id]["technician"]["name"] for id in (morning, pinned, skilled)} == dict.fromkeys(
        (morning, pinned, skilled), "Bob"
    )
    assert plan["by_visit"][bobs]["change"] == "KEPT"
    assert [plan["by_visit"][id]["movedMinutes"] for id in (morning, pinned, skilled)] == [0, 0, 0]
    assert plan["summary"]["techniciansChanged"] == 3
    assert await schedule_now() == before
    part = await do(company.dispatcher, "commitPlan", id=plan["id"], appointmentIds=[morning])
    assert part == ({"id": plan["id"], "status": "PARTLY_COMMITTED"}, [])
    row = await row_of(morning)
    assert (row.technician_ids, row.status, row.dispatched_at) == ([company.bob_id], "SCHEDULED", None)
    assert (await row_of(pinned)).technician_ids == [company.ann_id]
    assert (await do(company.dispatcher, "commitPlan", id=plan["id"]))[1] == []
    assert (await row_of(pinned)).technician_ids == [company.bob_id]
    assert (await do(company.dispatcher, "undoPlan", id=plan["id"]))[1] == []
    assert [(row[0], row[2], row[3], row[4]) for row in await schedule_now()] == [
        (row[0], row[2], row[3], row[4]) for row in before
    ]


async def test_what_nobody_can_take_over_is_left_out_with_its_reason_and_work_on_site_stays(company: Company) -> None:
    under_way = await sent(company, at=NINE)
    await commands.depart(company.ann, under_way)
    pair = await booked(company, company.ann_id, company.bob_id, at=NINE + 4 * HOUR)
    wanted = {
        "technicianId": company.ann_id,
        "since": (NINE - HOUR).isoformat(),
        "until": (NINE + 8 * HOUR).isoformat(),
    }
    plan = await answered(company, "planAbsence", **wanted)
    assert plan["by_visit"][under_way]["change"] == "KEPT"
    left = plan["by_visit"][pair]
    assert (left["change"], len(left["reasons"])) == ("UNASSIGNED", 1)
    assert "tech_" not in left["reasons"][0]["sentence"]


async def test_a_technician_who_runs_late_shifts_what_can_wait_and_hands_over_what_was_promised(
    company: Company,
) -> None:
    promised = await visit(company, requested_window_start=NINE + HOUR, requested_window_end=NINE + HOUR + HOUR / 2)
    await commands.schedule_appointment(company.dispatcher, promised, [company.ann_id], NINE + HOUR)
    can_wait = await booked(company, at=NINE + 3 * HOUR)
    first = await booked(company, at=NINE - HOUR / 2)
    plan = await answered(
        company, "planDelay", technicianId=company.ann_id, delayMinutes=150, at=(NINE - HOUR / 2).isoformat()
    )
    assert plan["kind"] == "DELAY"
    assert plan["by_visit"][promised]["technician"] == {"name": "Bob"}
    assert plan["by_visit"][promised]["movedMinutes"] <= 30
    assert plan["by_visit"][can_wait]["change"] in ("KEPT", "MOVED")
    assert plan["summary"]["unassigned"] == 0
    assert first in plan["by_visit"]
    assert (await do(company.dispatcher, "commitPlan", id=plan["id"]))[1] == []


@pytest.mark.parametrize(
    ("name", "wrong", "code"),
    [
        ("planAbsence", {"until": NINE.isoformat()}, "INVALID_INPUT"),
        ("planAbsence", {"until": (NINE + 20 * DAYS).isoformat()}, "INVALID_INPUT"),
        ("planDelay", {"delayMinutes": 0}, "INVALID_INPUT"),
        ("planDelay", {"delayMinutes": 1441}, "INVALID_INPUT"),
        ("optimizeRoute", {"day": "9999-12-31"}, "INVALID_INPUT"),
    ],
)
async def test_a_change_that_makes_no_sense_is_refused(
    company: Company, name: str, wrong: dict[str, object], code: str
) -> None:
    least: dict[str, object] = {"technicianId": company.ann_id}
    least |= {"since": NINE.isoformat()} if name == "planAbsence" else {}
    assert await do(company.dispatcher, name, **least, **wrong) == (None, [code])
    assert await PlanRun.all().count() == 0


async def test_only_planners_ask_for_changes(company: Company) -> None:
    for actor in (company.support, company.ann, company.customer):
        refused = await do(actor, "optimizeRoute", technicianId=company.ann_id, day=str(DAY))
        assert refused == (None, ["NOT_PERMITTED"])


@pytest.mark.slow
async def test_a_change_is_worked_out_in_a_process_of_its_own_and_told_as_it_goes(company: Company) -> None:
    await zigzag(company)
    before = await journal.head(company.organization_id)
    run, _ = await do(company.dispatcher, "optimizeRoute", technicianId=company.ann_id, day=str(DAY))
    await run_job(solve_apart)
    facts = [entry.type for entry in await journal.read(company.organization_id, before)]
    assert facts == ["PlanRunRequested", "PlanRunStarted", "PlanReady"]
    shown = (await ask(company.dispatcher, PLAN, id=run["id"]))["planRun"]
    assert shown["summary"]["before"]["travelMetres"] > shown["summary"]["travelMetres"]
    assert think_here is not solve_apart


ROUTE = """query ($day: Date!, $who: ID, $route: Boolean! = true) { myDay(day: $day, technicianId: $who, route: $route) {
    visits { appointmentId } legs { fromAppointmentId toAppointmentId driveMinutes driveMetres isByRoad
        line { latitude longitude } } } }"""


async def test_my_day_tells_the_way_from_home_to_each_visit_and_back(company: Company) -> None:
    near, far = await booked(company), await booked(company, at=NINE + 2 * HOUR, site_id=company.far_site_id)
    legs = (await ask(company.ann, ROUTE, day=str(DAY)))["myDay"]["legs"]
    assert [(one["fromAppointmentId"], one["toAppointmentId"]) for one in legs] == [
        (None, near), (near, far), (far, None)
    ]  # fmt: skip
    assert [one["isByRoad"] for one in legs] == [False] * 3
    assert legs[1]["line"] == [{"latitude": 52.5, "longitude": 13.4}, {"latitude": 52.6, "longitude": 13.4}]
    assert 11_000 < legs[1]["driveMetres"] < 16_000
    assert legs[1]["driveMinutes"] > 10
    assert (await ask(company.ann, ROUTE, day=str(DAY), route=False))["myDay"]["legs"] == []


async def test_the_way_from_home_is_as_slow_as_the_hour_before_the_first_visit(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first visit begins at nine in Berlin, so one drives there before nine, and home at noon."""
    await booked(company, duration_minutes=180)
    monkeypatch.setattr(travel, "_traffic", travel.Traffic(slow_hours=read_slow_hours("mo 07:00-09:05 3")))
    there, back = (await ask(company.ann, ROUTE, day=str(DAY)))["myDay"]["legs"]
    assert there["driveMinutes"] > back["driveMinutes"]


async def test_where_a_technician_lives_is_told_to_those_alone_who_may_know(company: Company) -> None:
    near, far = await booked(company), await booked(company, at=NINE + 2 * HOUR, site_id=company.far_site_id)
    told = {}
    for name in ("dispatcher", "support", "bob", "customer"):
        shown = await ask(getattr(company, name), ROUTE, day=str(DAY), who=company.ann_id)
        told[name] = [(one["fromAppointmentId"], one["toAppointmentId"]) for one in shown["myDay"]["legs"]]
    assert told == {
        "dispatcher": [(None, near), (near, far), (far, None)],
        "support": [(near, far)],
        "bob": [],
        "customer": [],
    }
