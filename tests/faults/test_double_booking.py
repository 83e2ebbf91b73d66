"""Two server processes, one technician, one hour: exactly one booking wins, every time."""

import asyncio
import itertools
import signal
from datetime import UTC, datetime, timedelta

import pytest

from tests.journeys.steps import hire, open_account
from tests.journeys.worlds import ADMINISTRATOR
from tests.servers import Api

pytestmark = [pytest.mark.slow, pytest.mark.fault]

TRIES = 200
AT_ONCE = 25
SCHEDULE = """mutation($input: ScheduleAppointmentInput!) {
  scheduleAppointment(input: $input) { appointment { id } errors { code message } } }"""


async def test_of_200_concurrent_bookings_of_one_technician_over_two_processes_exactly_one_wins_each_hour(large):
    servers = [large.server().start() for _ in range(2)]
    async with Api(servers[0].url) as first, Api(servers[1].url) as second:
        await first.sign_in(ADMINISTRATOR)
        second.token = first.token
        technician = (await hire(first, 1))[0]
        place = await open_account(first)
        visits = []
        for number in range(AT_ONCE):
            order = await first.do(
                "createWorkOrder", "workOrder { id }", **place, summary=f"Job {number}", durationMinutes=45
            )
            made = await first.do("createAppointment", "appointment { id }", workOrderId=order["workOrder"]["id"])
            visits.append(made["appointment"]["id"])
        base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        answers: list[dict] = []
        for slot in range(TRIES // AT_ONCE):
            starts = (base + timedelta(hours=slot)).isoformat()
            tried = [
                (first, second)[index % 2].ask(
                    SCHEDULE, input={"id": visit, "technicianIds": [technician], "startsAt": starts}
                )
                for index, visit in enumerate(visits)
            ]
            results = [answer["scheduleAppointment"] for answer in await asyncio.gather(*tried)]
            won = [visits[index] for index, result in enumerate(results) if not result["errors"]]
            answers += results
            assert len(won) == 1
            lost = {error["code"] for result in results for error in result["errors"]}
            assert lost == {"SCHEDULE_CONFLICT"}
            visits.remove(won[0])
        booked = await first.ask(
            "query($id: ID!) { technician(id: $id) { assignments(first: 100) { nodes { startsAt endsAt isActive } } } }",
            id=technician,
        )
        active = sorted(
            (one["startsAt"], one["endsAt"]) for one in booked["technician"]["assignments"]["nodes"] if one["isActive"]
        )
        assert len(active) == TRIES // AT_ONCE
        assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(active))
    for server in servers:
        assert server.stop() in {0, -signal.SIGTERM}
