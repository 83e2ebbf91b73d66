"""A day of ours as the planner's problem, and its plan as changes of ours."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

import optimizer
from app.company.models import Organization
from app.customers.models import Site
from app.infrastructure.tables import add_row
from app.kernel.calendar import day_bounds
from app.kernel.dialects import Dialect
from app.scheduling import commands, planning
from app.scheduling.models import Appointment, PlannedVisit, PlanRun
from app.scheduling.planning import Material, answer
from app.scheduling.rules import VisitChange
from app.technicians.models import Absence, Shift, Technician
from tests.app.scheduling.test_plans import planned, run_job, visits_of
from tests.app.scheduling.world import DAY, NINE, Company, booked, found, give_shift, row_of, sent, visit, work

HOUR = timedelta(hours=1)


@pytest_asyncio.fixture(loop_scope="session")
async def company(sqlite_database: Dialect) -> Company:
    """The company of the test; what is read is the same on every database."""
    return await found("Acme")


async def material_of(company: Company, day: date = DAY, zone: str = "Europe/Berlin", **values: Any) -> Material:
    run = PlanRun(
        organization_id=company.organization_id,
        day=day,
        time_zone=zone,
        requested_by="x",
        seconds=1,
        technician_ids=values.get("technician_ids"),
        work_order_ids=None,
    )
    return await planning.gather(run)


async def shifts_of(company: Company) -> list[tuple[int, int, int, tuple[tuple[int, int, int], ...]]]:
    """Ann's shifts as the planner gets them, in minutes of the day, with their breaks."""
    request = planning.request_of(await material_of(company), seconds=1, seed=0, now=NINE - 24 * HOUR)
    ann = next(one for one in request.technicians if one.id == company.ann_id)
    return [
        (
            shift.start_minute,
            shift.end_minute,
            shift.overtime_minutes_max,
            tuple((one.earliest_minute, one.latest_minute, one.duration_minutes) for one in shift.breaks),
        )
        for shift in ann.shifts
    ]


async def test_absences_cut_shifts_and_leave_the_break_where_it_fits(company: Company) -> None:
    await Shift.filter(technician_id=company.ann_id).update(
        break_minutes=30,
        break_earliest_at=NINE + 3 * HOUR,
        break_latest_at=NINE + 5 * HOUR,
        overtime_minutes_max=60,
    )
    assert await shifts_of(company) == [(480, 1020, 60, ((720, 840, 30),))]
    absence = await add_row(
        Absence,
        organization_id=company.organization_id,
        technician_id=company.ann_id,
        starts_at=NINE + HOUR,
        ends_at=NINE + 3.5 * HOUR,
        kind="SICK",
    )
    assert await shifts_of(company) == [(480, 600, 0, ()), (750, 1020, 60, ((750, 840, 30),))]
    await Absence.filter(id=absence.id).update(starts_at=NINE + 8 * HOUR, ends_at=NINE + 30 * HOUR)
    assert await shifts_of(company) == [(480, 1020, 0, ((720, 840, 30),))]
    await Absence.filter(id=absence.id).update(starts_at=NINE - 30 * HOUR)
    assert await shifts_of(company) == []


async def test_a_shift_reaches_to_the_visits_that_stay(company: Company) -> None:
    id = await visit(company)
    await commands.schedule_appointment(
        company.dispatcher,
        id,
        [company.ann_id],
        NINE + 9 * HOUR,
        pin_who=True,
        pin_when=True,
        override_reason="Agreed.",
    )
    ((start, end, _, _), (later, last, _, _)) = await shifts_of(company)
    assert (start, end) == (480, 1020)
    assert later < 18 * 60
    assert last > 19 * 60


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2027, 3, 28), 23),
        ("Europe/Berlin", date(2027, 10, 31), 25),
        ("America/New_York", date(2027, 3, 14), 23),
        ("Australia/Lord_Howe", date(2027, 4, 4), 24.5),
    ],
)
async def test_a_day_on_which_the_clocks_change_is_planned_by_the_clock(
    company: Company, zone: str, day: date, hours: float
) -> None:
    await Organization.filter(id=company.organization_id).update(time_zone=zone)
    tz = ZoneInfo(zone)
    starts, ends = day_bounds(day, tz)
    assert ends - starts == hours * HOUR
    for technician_id in (company.ann_id, company.bob_id):
        await add_row(
            Shift,
            organization_id=company.organization_id,
            technician_id=technician_id,
            starts_at=datetime(day.year, day.month, day.day, 0, 30, tzinfo=tz).astimezone(UTC),
            ends_at=datetime(day.year, day.month, day.day, 12, tzinfo=tz).astimezone(UTC),
        )
    window = [datetime(day.year, day.month, day.day, hour, tzinfo=tz).astimezone(UTC) for hour in (9, 10)]
    id = await visit(company, requested_window_start=window[0], requested_window_end=window[1])
    run = await commands_plan(company, day)
    row = (await visits_of(run))[id]
    assert row.change == "ADDED", row.reasons
    assert row.starts_at is not None
    assert window[0] <= row.starts_at <= window[1]
    assert row.starts_at.astimezone(tz).hour in (9, 10)
    await commands.commit_plan(company.dispatcher, run.id)
    assert (await row_of(id)).starts_at == row.starts_at


async def commands_plan(company: Company, day: date) -> PlanRun:
    id = await commands.plan_day(company.dispatcher, day, seconds=1)
    await run_job()
    return await PlanRun.get(id=id)


async def test_a_visit_that_cannot_be_reached_in_time_stays_and_nothing_is_put_in_its_place(
    company: Company,
) -> None:
    # Two ends of the town with no time between them: somebody decided so, and it is theirs to answer for.
    first = await sent(company)
    second = await visit(company, site_id=company.far_site_id)
    await commands.schedule_appointment(company.dispatcher, second, [company.ann_id], NINE + HOUR)
    await commands.dispatch_appointment(company.dispatcher, second)
    for _ in range(9):
        await visit(company)
    run = await planned(company, technician_ids=[company.ann_id])
    rows = await visits_of(run)
    assert {rows[id].change for id in (first, second)} == {"KEPT"}
    placed = sorted((row.starts_at, row.ends_at) for row in rows.values() if row.starts_at and row.ends_at)
    assert all(before[1] <= after[0] for before, after in pairwise(placed))
    await commands.commit_plan(company.dispatcher, run.id)


async def test_what_overlaps_with_a_kept_visit_or_leaves_the_shift_is_left_out(company: Company) -> None:
    def proposal(id: str, change: VisitChange, start: datetime) -> planning.Proposal:
        return planning.Proposal(id, "wo", change, (company.ann_id,), start, start + HOUR)

    found = answer._sound(
        await material_of(company),
        [
            proposal("new", VisitChange.ADDED, NINE + HOUR / 2),
            proposal("kept", VisitChange.KEPT, NINE),
            proposal("later", VisitChange.MOVED, NINE + HOUR),
            proposal("night", VisitChange.ADDED, NINE + 9 * HOUR),
            proposal("kept at night", VisitChange.KEPT, NINE + 10 * HOUR),
        ],
    )
    assert [(one.appointment_id, one.change) for one in found] == [
        ("new", VisitChange.UNASSIGNED),
        ("kept", VisitChange.KEPT),
        ("later", VisitChange.MOVED),
        ("night", VisitChange.UNASSIGNED),
        ("kept at night", VisitChange.KEPT),
    ]
    assert [reason["code"] for reason in found[0].reasons] == ["NO_CAPACITY_LEFT"]


async def test_says_why_in_names_and_by_the_clock(company: Company) -> None:
    material = await material_of(company)
    reason = optimizer.Reason(
        optimizer.ReasonCode.PIN_IMPOSSIBLE,
        f"It is pinned to {company.ann_id} at minute 545, not {company.skill_id}.",
    )
    assert answer._reason(material, reason)["sentence"] == "It is pinned to Ann at 09:05, not Gas fitting."


async def test_a_site_without_coordinates_or_closed_on_the_day_is_left_out_and_says_so(
    company: Company,
) -> None:
    nowhere = await add_row(
        Site,
        organization_id=company.organization_id,
        customer_id=company.customer_id,
        name="Somewhere",
        time_zone="Europe/Berlin",
    )
    unknown = await visit(company, site_id=nowhere.id)
    await Site.filter(id=company.far_site_id).update(opening_hours={"1": [["08:00", "12:00"]]})
    closed = await visit(company, site_id=company.far_site_id)
    rows = await visits_of(await planned(company))
    assert {id: [reason["code"] for reason in row.reasons] for id, row in rows.items()} == {
        unknown: ["SITE_WITHOUT_COORDINATES"],
        closed: ["WINDOW_OUTSIDE_SHIFTS"],
    }


async def test_opening_hours_hold_the_whole_visit(company: Company) -> None:
    await Site.filter(id=company.site_id).update(opening_hours={"0": [["10:00", "11:00"], ["15:00", "16:30"]]})
    first, second, third = [await visit(company) for _ in range(3)]
    rows = await visits_of(await planned(company, technician_ids=[company.ann_id]))
    starts = sorted(rows[id].starts_at for id in (first, second, third) if rows[id].starts_at)  # type: ignore[type-var]
    assert [start.astimezone(ZoneInfo("Europe/Berlin")).hour for start in starts if start] == [10, 15]


async def test_plans_what_is_left_of_today_only(company: Company) -> None:
    await visit(company)
    material = await material_of(company)
    request = planning.request_of(material, seconds=1, seed=0, now=NINE + 5 * HOUR)
    assert [one.release_minute for one in request.visits] == [14 * 60]
    request = planning.request_of(material, seconds=1, seed=0, now=NINE - 24 * HOUR)
    assert [one.release_minute for one in request.visits] == [None]


async def test_the_next_days_plan_keeps_what_a_night_shift_does_after_midnight(company: Company) -> None:
    evening = datetime.combine(DAY, NINE.timetz()) + 12 * HOUR
    await give_shift(company.organization_id, company.bob_id, DAY, starts_at=evening, ends_at=evening + 9 * HOUR)
    night = await booked(company, company.bob_id, at=evening + 5 * HOUR)
    run = await commands_plan(company, DAY + timedelta(days=1))
    assert (await visits_of(run))[night].change == VisitChange.KEPT
    await commands.commit_plan(company.dispatcher, run.id)
    assert (await row_of(night)).status == "SCHEDULED"


async def test_a_slow_technician_gets_the_time_it_takes(company: Company) -> None:
    await Technician.filter(id=company.ann_id).update(speed_factor=0.5)
    id = await visit(company)
    run = await planned(company, technician_ids=[company.ann_id])
    row = (await visits_of(run))[id]
    assert row.starts_at is not None and row.ends_at is not None
    assert row.ends_at - row.starts_at == 2 * HOUR
    await commands.commit_plan(company.dispatcher, run.id)
    assert ((await row_of(id)).duration_minutes, (await row_of(id)).ends_at) == (60, row.ends_at)


async def test_a_crew_that_is_scheduled_is_planned_as_a_crew(company: Company) -> None:
    id = await booked(company, company.bob_id, company.ann_id)
    run = await planned(company)
    rows = await PlannedVisit.filter(run_id=run.id, appointment_id=id).order_by("id")
    assert [row.technician_id for row in rows] == [company.bob_id, company.ann_id]
    assert len({row.starts_at for row in rows}) == 1
    await commands.commit_plan(company.dispatcher, run.id)
    assert (await row_of(id)).technician_ids == [company.bob_id, company.ann_id]


async def test_open_work_gets_one_visit_however_often_the_day_is_planned(company: Company) -> None:
    id = await work(company)
    await planned(company)
    await planned(company)
    assert await Appointment.filter(work_order_id=id).count() == 1


async def test_a_pin_keeps_a_technician_whom_somebody_chose_although_a_skill_is_missing(
    company: Company,
) -> None:
    id = await visit(company, required_skills={company.skill_id: 5})
    await commands.schedule_appointment(
        company.dispatcher,
        id,
        [company.bob_id],
        NINE,
        pin_who=True,
        override_reason="Ann will be on the phone.",
    )
    blocked = await booked(company, company.ann_id)
    run = await planned(company)
    rows = await visits_of(run)
    assert (rows[id].technician_id, rows[id].change == "UNASSIGNED") == (company.bob_id, False)
    await PlannedVisit.filter(id=rows[id].id).update(change="MOVED", starts_at=NINE + 5 * HOUR, ends_at=NINE + 6 * HOUR)
    await PlannedVisit.filter(id=rows[blocked].id).update(change="KEPT")
    await commands.commit_plan(company.dispatcher, run.id)
    assert (await row_of(id)).starts_at == NINE + 5 * HOUR


async def test_a_visit_of_somebody_who_left_takes_nobody_elses_time(company: Company) -> None:
    left = await booked(company, company.bob_id)
    await Technician.filter(id=company.bob_id).update(is_active=False)
    request = planning.request_of(await material_of(company), seconds=1, seed=0, now=NINE - 24 * HOUR)
    assert request.visits == ()
    rows = await visits_of(await planned(company))
    assert (rows[left].change, rows[left].technician_id) == ("KEPT", company.bob_id)
