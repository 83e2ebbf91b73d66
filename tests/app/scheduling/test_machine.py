"""Whatever people do to a few visits, in whatever order: a small model says what must be true, and it is."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.kernel.dialects import Dialect
from app.kernel.errors import Problem
from app.scheduling import commands
from app.scheduling.models import Appointment, Assignment
from app.scheduling.rules import APPOINTMENT, ENDED, AppointmentStatus, ReasonCode
from app.technicians.models import Technician
from app.work_orders.models import TimeEntry
from tests.app.scheduling.world import NINE, Company, found, snapshot, visit

VISITS = 3
# "go on" is the next step of a visit that goes well; it is there so that visits get anywhere.
STEPS = (
    "go on", "go on", "go on", "go on", "go on", "schedule", "move", "unschedule", "dispatch", "depart", "turn back",
    "arrive", "start", "pause", "resume", "complete", "give up", "cancel", "decline",
)  # fmt: skip
WELL = {
    "UNSCHEDULED": "schedule",
    "SCHEDULED": "dispatch",
    "DISPATCHED": "depart",
    "EN_ROUTE": "arrive",
    "ON_SITE": "start",
    "IN_PROGRESS": "complete",
    "PAUSED": "resume",
}
ACTIVE = ("EN_ROUTE", "ON_SITE", "IN_PROGRESS")
DOING = {"EN_ROUTE": "TRAVELLING", "ON_SITE": "WORKING", "IN_PROGRESS": "WORKING"}

actions = st.lists(
    st.tuples(
        st.sampled_from(STEPS),
        st.integers(0, VISITS - 1),
        st.integers(0, 3),
        st.sampled_from(["ann", "bob", "both"]),
    ),
    min_size=10,
    max_size=40,
)


@pytest_asyncio.fixture(loop_scope="session")
async def company(sqlite_database: Dialect) -> Company:
    """The company of the test."""
    return await found("Acme")


async def act(company: Company, step: str, id: str, half_hours: int, who: str) -> None:
    crew = {"ann": [company.ann_id], "bob": [company.bob_id], "both": [company.bob_id, company.ann_id]}[who]
    at = NINE + half_hours * timedelta(minutes=30)
    boss = company.dispatcher
    if step == "go on":
        step = WELL.get((await Appointment.get(id=id)).status, "complete")
    match step:
        case "schedule":
            await commands.schedule_appointment(boss, id, crew, at, override_reason="Try it.")
        case "move":
            await commands.reschedule_appointment(
                boss, id, technician_ids=crew, starts_at=at, override_reason="Try it."
            )
        case "unschedule":
            await commands.unschedule_appointment(boss, id)
        case "dispatch":
            await commands.dispatch_appointment(boss, id)
        case "depart":
            await commands.depart(boss, id)
        case "turn back":
            await commands.turn_back(boss, id)
        case "arrive":
            await commands.arrive(boss, id)
        case "start":
            await commands.start_work(boss, id)
        case "pause":
            await commands.pause_work(boss, id)
        case "resume":
            await commands.resume_work(boss, id)
        case "complete":
            await commands.complete_appointment(boss, id)
        case "give up":
            await commands.complete_appointment(
                boss, id, result=AppointmentStatus.CANNOT_COMPLETE, reason_code=ReasonCode.NO_ACCESS
            )
        case "cancel":
            await commands.cancel_appointment(boss, id, ReasonCode.OTHER)
        case "decline":
            held = await Assignment.filter(appointment_id=id, technician_id__in=crew).order_by("-id").first()
            if held is not None:
                await commands.decline_assignment(boss, held.id, "No.")


async def require_sense(before: dict[str, str]) -> None:
    """What is true of every schedule."""
    visits = {row.id: row for row in await Appointment.all()}
    assignments = await Assignment.all()
    for row in visits.values():
        status = AppointmentStatus(row.status)
        was = AppointmentStatus(before[row.id])
        assert status is was or status in APPOINTMENT.steps[was]
        holders = [one for one in assignments if one.appointment_id == row.id and one.is_active]
        if status in ENDED or status is AppointmentStatus.UNSCHEDULED:
            assert holders == []
        else:
            assert {one.technician_id for one in holders} == set(row.technician_ids)
            assert {(one.starts_at, one.ends_at) for one in holders} == {(row.starts_at, row.ends_at)}
            assert [one.technician_id for one in holders if one.is_lead] == row.technician_ids[:1]
        assert (row.starts_at is None) == (row.technician_ids == [])
    for technician in await Technician.all():
        mine = sorted(
            (one.starts_at, one.ends_at) for one in assignments if one.is_active and one.technician_id == technician.id
        )
        assert all(first[1] <= second[0] for first, second in pairwise(mine))
        doing = [row.status for row in visits.values() if technician.id in row.technician_ids and row.status in ACTIVE]
        assert len(doing) <= 1
        assert technician.status in ([DOING[doing[0]]] if doing else ["OFF", "AVAILABLE"])
        clocks = await TimeEntry.filter(technician_id=technician.id, ended_at=None)
        assert len(clocks) == (1 if doing and doing[0] != "ON_SITE" else 0)


async def play(company: Company, script: list[tuple[str, int, int, str]]) -> None:
    await Assignment.all().delete()
    await Appointment.all().delete()
    await TimeEntry.all().delete()
    await Technician.all().update(status="OFF")
    ids = [await visit(company) for _ in range(VISITS)]
    for step, place, half_hours, who in script:
        rows: Any = await Appointment.all().values_list("id", "status")
        before = dict(rows)
        state = await snapshot()
        try:
            await act(company, step, ids[place], half_hours, who)
        except Problem:
            assert await snapshot() == state
        await require_sense(before)


@pytest.mark.slow
async def test_the_schedule_makes_sense_after_any_steps(company: Company) -> None:
    loop = asyncio.get_running_loop()

    @settings(
        max_examples=12,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(actions)
    def explore(script: list[tuple[str, int, int, str]]) -> None:
        asyncio.run_coroutine_threadsafe(play(company, script), loop).result()

    await asyncio.to_thread(explore)
