"""The demo company with a day under way, and rows that are as the words of an example's placeholder say."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import optimizer
from app.demo import company
from app.identity.models import User
from app.identity.secret import Slip
from app.identity.sign_in import log_in
from app.infrastructure import jobs, journal
from app.infrastructure.models import Job
from app.infrastructure.tables import BY_PREFIX
from app.kernel.actor import Actor, system_actor, user_actor
from app.kernel.calendar import day_bounds, utc_now
from app.kernel.permissions import Role
from app.scheduling import commands, planning, reactions
from app.scheduling.commands.runs import JOB
from app.scheduling.models import Appointment
from app.scheduling.rules import AppointmentStatus
from app.scheduling.solver import Request, think
from app.technicians import commands as technicians
from app.technicians.models import Technician
from app.technicians.rules import ShiftTimes
from app.work_orders import commands as work_orders
from app.work_orders.models import WorkOrder
from app.work_orders.reactions import watch_due_times

SEED = 7
PLANNED = 40
STEPS: dict[str, tuple[Callable[..., Awaitable[str]], ...]] = {
    "dispatched": (),
    "en route": (commands.depart,),
    "on site": (commands.depart, commands.arrive),
    "in progress": (commands.depart, commands.arrive, commands.start_work),
}
UNDER_WAY = (AppointmentStatus.EN_ROUTE, AppointmentStatus.ON_SITE, AppointmentStatus.IN_PROGRESS)


@dataclass
class World:
    """The company's system actor; ``latest`` keeps the visit that was asked for last, which words may refer to."""

    system: Actor
    day: date
    latest: Appointment | None = None

    async def actor(self, role: Role) -> Actor:
        """Somebody of that role; the first technician for technicians."""
        email = next(one.email for one in company.logins() if one.role is role)
        row = await User.get(email=email)
        return user_actor(
            row.organization_id, row.id, frozenset({role}), technician_id=row.technician_id, customer_id=row.customer_id
        )

    async def value(self, words: str) -> Any:
        """What a placeholder stands for."""
        kind, _, state = words.partition(" ")
        match kind, state:
            case "day", _:
                return str(self.day)
            case "time", _:
                ahead = {"now": 0, "soon": 60, "later": 90, "tomorrow": 24 * 60}[state]
                return (utc_now() + timedelta(minutes=ahead)).isoformat()
            case "cursor", "start":
                return journal.cursor_at(self.system.organization_id, 0)
            case "secret", "refresh":
                signed_in = await log_in(f"dispatcher@{company.DOMAIN}", company.PASSWORD)
                return signed_in.refresh_token
            case "run", "ready":
                return await self.plan([await self.request()])
            case "slot", "start" | "end":
                window = await self.slot(await self.request())
                return window[0 if state == "start" else 1].isoformat()
            case "hold", "held":
                work = await self.request()
                return await commands.hold_slot(self.system, work, *await self.slot(work))
            case "vsh", "secret":
                slip = Slip()
                await commands.share_visit(self.system, slip, (await self.visit("dispatched")).id)
                return slip.secret
            case "wo", "submitted":
                return await self.request()
            case "wo", "triaged":
                return await work_orders.triage_work_order(self.system, await self.request())
            case "apt", "unscheduled":
                return await commands.create_appointment(self.system, await self.request())
            case (("apt" | "wo"), _) if state in STEPS:
                visit = await self.visit(state)
                return visit.id if kind == "apt" else visit.work_order_id
            case _, "any":
                return await self.any_of(kind)
        raise KeyError(words)

    async def any_of(self, prefix: str) -> str:
        """The first row of a kind; customer, site and equipment belong together."""
        first = await BY_PREFIX["site"].all().order_by("id").first()
        if prefix == "cus":
            return str(first.customer_id)
        row = await BY_PREFIX[prefix].all().order_by("id").first()
        assert row is not None, prefix
        return str(row.id)

    async def request(self) -> str:
        """New work at the first site."""
        return await work_orders.create_work_order(
            self.system,
            customer_id=await self.any_of("cus"),
            site_id=await self.any_of("site"),
            summary="Streaks on every page",
        )

    async def slot(self, work_order_id: str) -> tuple[datetime, datetime]:
        """The first window in which somebody could come."""
        first, *_ = await planning.find_slots(self.system, work_order_id, day=self.day, days=3)
        return first.window_start, first.window_end

    async def visit(self, state: str) -> Appointment:
        """A visit that stands so; the one asked for last, if it does."""
        wanted = state.upper().replace(" ", "_")
        if self.latest is not None and (await Appointment.get(id=self.latest.id)).status == wanted != "DISPATCHED":
            return self.latest
        busy = {who for row in await Appointment.filter(status__in=UNDER_WAY) for who in row.technician_ids}
        waiting = await Appointment.filter(status=AppointmentStatus.DISPATCHED).order_by("id")
        visit = next(row for row in waiting if not busy & set(row.technician_ids))
        for step in STEPS[state]:
            await step(self.system, visit.id)
        self.latest = visit
        return visit

    async def plan(self, work_order_ids: list[str]) -> str:
        """A plan of the day for some work, ready to be committed."""
        id = await commands.plan_day(self.system, self.day, seconds=1, work_order_ids=work_order_ids)
        for row in await Job.filter(kind=JOB, status="QUEUED"):
            await Job.filter(id=row.id).update(status="RUNNING", runner="test", attempts=1)
            if row.payload["run_id"] == id:
                await reactions.answer(jobs.JobContext(await Job.get(id=row.id)), id, _think_here)
        return id


async def _think_here(request: Request, *, on_progress: Any, should_stop: Any) -> optimizer.Plan:
    """The planner's first answer, in this process."""
    return think(replace(request, seconds=0), lambda progress: None)


async def _give_work_to(world: World, technician_id: str) -> None:
    """However the planner shares the work out, the technician who asks has some."""
    visits = await Appointment.filter(status=AppointmentStatus.SCHEDULED).order_by("starts_at", "id")
    if not any(technician_id in visit.technician_ids for visit in visits):
        why = "Somebody has to ask."
        await commands.reschedule_appointment(
            world.system, visits[0].id, technician_ids=[technician_id], override_reason=why
        )


async def _open_a_later_day(world: World) -> None:
    """However full the day is, there is a window to offer two days on."""
    day = world.day + timedelta(days=2)
    begins = day_bounds(day, company.ZONE)[0] + timedelta(hours=8)
    for row in await Technician.all():
        await technicians.replace_shifts_of_day(
            world.system, row.id, day, [ShiftTimes(begins, begins + timedelta(hours=8))]
        )


async def found_world() -> World:
    """The demo company on a day that has just been planned, committed and dispatched."""
    shifts = company.shifts_around(utc_now())
    longest = max(shifts, key=lambda day: shifts[day].ends_at - shifts[day].starts_at)  # late in the evening, tomorrow
    world = World(system_actor(await company.found_company()), longest)
    await company.furnish_company(world.system, SEED)
    await company.open_shifts(world.system, [row.id for row in await Technician.all()])
    await _open_a_later_day(world)
    wanted = [row.id for row in await WorkOrder.all().order_by("id").limit(PLANNED)]
    await commands.commit_plan(world.system, await world.plan(wanted))
    await _give_work_to(world, str((await world.actor(Role.TECHNICIAN)).technician_id))
    await commands.dispatch_day(world.system, world.day)
    urgent = await world.request()
    await work_orders.update_work_order(world.system, urgent, due_at=utc_now() + timedelta(hours=1))
    await watch_due_times()
    return world
