"""The simulated dispatcher: plans and dispatches the day, then takes a call every now and then and fits it in."""

import asyncio
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from app.demo.client import TROUBLE, Client, Refused, Tell
from app.demo.company import DOMAIN, SERVICES, SHIFT_HOURS, ZONE
from app.kernel.calendar import local_day, utc_now
from app.kernel.places import Point

PLAN_SECONDS = 5
FIT_IN_SECONDS = 1
FIT_IN_TRIES = 3
# A plan for few technicians is seldom overtaken by what happens on the road meanwhile.
ASKED_TECHNICIANS = 3
CALL_SECONDS = (30.0, 60.0)
OPEN_WORK_MAX = 40
CALLS_MAX = 1000
PRIORITIES = ("NORMAL",) * 5 + ("HIGH",) * 2 + ("URGENT",) * 2 + ("EMERGENCY",)

OVERDUE = """
query Overdue($before: DateTime!, $after: String) {
  appointments(first: 100, after: $after, filter: { status: { in: [SCHEDULED, DISPATCHED] }, endsAt: { lt: $before } }) {
    nodes { id }
    pageInfo { hasNextPage endCursor }
  }
}
"""
SHIFTS = """
query Shifts($from: DateTime!, $to: DateTime!) {
  shifts(first: 100, filter: { during: { from: $from, to: $to } }) { nodes { startsAt endsAt } }
}
"""
WAITING = """
query Waiting {
  appointments(filter: { status: { eq: UNSCHEDULED } }) { totalCount }
  workOrders(first: 100, filter: { status: { in: [SUBMITTED, TRIAGED] } }) {
    totalCount
    nodes { id serviceType { requiredSkills } }
  }
}
"""
OPEN_WORK = """
query OpenWork { workOrders(filter: { status: { in: [SUBMITTED, TRIAGED, SCHEDULED, IN_PROGRESS] } }) { totalCount } }
"""
PLAN = """
query Plan($id: ID!) {
  planRun(id: $id) {
    status
    error
    summary { added moved kept unassigned }
    visits(first: 100, filter: { change: { in: [ADDED, MOVED] } }) { nodes { appointment { id } } }
  }
}
"""
CAPABLE = """
query Capable($skill: ID!, $level: Int!) {
  technicians(first: 100, filter: { isActive: { eq: true }, hasSkill: { skillId: $skill, level: $level } }) { nodes { id } }
}
"""
HOMES = "{ technicians(first: 100) { nodes { id home { latitude longitude } } } }"
DEVICES = """
query Devices($name: String!) {
  equipment(first: 100, filter: { name: { eq: $name } }) { nodes { id customer { id } site { id } } }
}
"""
SERVICE_TYPES = "query ServiceTypes { serviceTypes(first: 100) { nodes { id code } } }"


class SimulatedDispatcher:
    """Sits in the office until canceled."""

    def __init__(self, url: str, random: Random, tell: Tell) -> None:
        self._client = Client(url, f"dispatcher@{DOMAIN}")
        self._random = random
        self._tell = tell

    async def close(self) -> None:
        """Go home."""
        await self._client.close()

    async def begin_the_day(self) -> None:
        """Plan what waits, what an earlier day left over included, and tell the technicians."""
        try:
            left_over = await self._take_back_overdue()
            if left_over:
                self._tell(f"  {left_over} visits of earlier are planned anew.")
            for day in await self._working_days():
                if await self._waiting_visits():
                    self._tell(f"  Planning {day:%A}, {PLAN_SECONDS} seconds …")
                    figures = (await self._plan(day, PLAN_SECONDS))["summary"]
                    visits = figures["added"] + figures["moved"] + figures["kept"]
                    self._tell(f"  Planned and dispatched: {visits} visits; {figures['unassigned']} did not fit.")
                await self._client.do("dispatchDay", day=day.isoformat())
        except (Refused, *TROUBLE) as problem:
            self._tell(f"  The day could not be planned: {problem}")

    async def find_homes(self) -> dict[str, Point]:
        """Where the technicians' days begin, by technician; phones are not told."""
        found = (await self._client.ask(HOMES))["technicians"]["nodes"]
        return {one["id"]: Point(**one["home"]) for one in found if one["home"]}

    async def take_calls(self) -> None:
        """Until canceled: a customer calls, and the work is fitted into the day. Not while enough is open already."""
        calls = 0
        while True:
            await asyncio.sleep(self._random.uniform(*CALL_SECONDS))
            try:
                if calls < CALLS_MAX and await self._open_work() < OPEN_WORK_MAX:
                    await self._take_call()
                    calls += 1
                await self._fit_in_what_waits()
            except (Refused, *TROUBLE) as problem:
                self._tell(f"  The dispatcher will try again: {problem}")

    async def _take_back_overdue(self) -> int:
        """Visits nobody set out for in their time wait for a new one."""
        before, after, ids = utc_now().isoformat(), None, []
        while True:
            page = (await self._client.ask(OVERDUE, before=before, after=after))["appointments"]
            ids += [one["id"] for one in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        for id in ids:
            await self._client.do("unscheduleAppointment", id=id, reason="Its time went by.")
        return len(ids)

    async def _working_days(self) -> list[date]:
        """The local days that the shifts of the next hours begin on."""
        now = utc_now()
        until = now + timedelta(hours=SHIFT_HOURS)
        variables = {"from": now.isoformat(), "to": until.isoformat()}
        shifts = (await self._client.ask(SHIFTS, **variables))["shifts"]["nodes"]
        return sorted({local_day(datetime.fromisoformat(one["startsAt"]), ZONE) for one in shifts})

    async def _waiting_visits(self) -> int:
        waiting = await self._client.ask(WAITING)
        return int(waiting["appointments"]["totalCount"] + waiting["workOrders"]["totalCount"])

    async def _open_work(self) -> int:
        return int((await self._client.ask(OPEN_WORK))["workOrders"]["totalCount"])

    async def _take_call(self) -> None:
        service = self._random.choice(SERVICES)
        devices = (await self._client.ask(DEVICES, name=service.device))["equipment"]["nodes"]
        types = (await self._client.ask(SERVICE_TYPES))["serviceTypes"]["nodes"]
        device = self._random.choice(devices)
        made = await self._client.do(
            "createWorkOrder",
            "workOrder { id }",
            customerId=device["customer"]["id"],
            siteId=device["site"]["id"],
            equipmentId=device["id"],
            serviceTypeId=next(one["id"] for one in types if one["code"] == service.code),
            summary=self._random.choice(service.complaints),
            category=service.name,
            priority=self._random.choice(PRIORITIES),
            channel="PHONE",
        )
        await asyncio.sleep(self._random.uniform(2, 6))
        await self._client.do("triageWorkOrder", id=made["workOrder"]["id"])

    async def _fit_in_what_waits(self) -> None:
        waiting = (await self._client.ask(WAITING))["workOrders"]["nodes"]
        for work_order in waiting[:3]:
            for _ in range(FIT_IN_TRIES):
                try:
                    if await self._fit_in(work_order):
                        break
                except Refused as problem:  # the technicians were faster than the plan: plan again
                    if "plan" not in str(problem).lower():
                        raise

    async def _fit_in(self, work_order: dict[str, Any]) -> bool:
        """Whether a visit was found for it."""
        technicians = await self._capable(work_order["serviceType"]["requiredSkills"])
        chosen = self._random.sample(technicians, min(ASKED_TECHNICIANS, len(technicians)))
        for day in await self._working_days():
            options = {"workOrderIds": [work_order["id"]], "technicianIds": chosen}
            plan = await self._plan(day, FIT_IN_SECONDS, **options)
            placed = [one["appointment"]["id"] for one in plan["visits"]["nodes"]]
            if placed:
                await self._client.do("dispatchAppointments", ids=placed)
                return True
        return False

    async def _capable(self, required: dict[str, int]) -> list[str]:
        ((skill, level),) = required.items()
        found = await self._client.ask(CAPABLE, skill=skill, level=level)
        return [one["id"] for one in found["technicians"]["nodes"]]

    async def _plan(self, day: date, seconds: int, **options: Any) -> dict[str, Any]:
        """A committed plan of a day."""
        asked = await self._client.do(
            "planDay", "planRun { id status }", day=day.isoformat(), seconds=seconds, **options
        )
        id = asked["planRun"]["id"]
        plan: dict[str, Any] = asked["planRun"]
        while plan["status"] in {"QUEUED", "RUNNING"}:
            await asyncio.sleep(0.25)
            plan = (await self._client.ask(PLAN, id=id))["planRun"]
        if plan["status"] != "READY":
            raise Refused(plan["error"] or f"the plan is {plan['status']}")
        await self._client.do("commitPlan", id=id)
        return plan
