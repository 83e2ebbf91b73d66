"""The main job, by the doors that users have: a city's requests are imported, planned, dispatched and worked, all live."""

import asyncio
import contextlib

import pytest
from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport

from tests.journeys.followers import node_follower
from tests.journeys.steps import REAL_FILE, city_file, hire, plan_and_dispatch, work_to_the_end
from tests.journeys.worlds import ADMINISTRATOR
from tests.servers import Api, until

pytestmark = pytest.mark.slow

VISITS = """{ appointments(first: 100, filter: { status: { eq: DISPATCHED } }) {
  totalCount nodes { id workOrder { id number status } assignments(first: 2) { nodes { technician { id name } } } } } }"""


async def test_a_request_becomes_a_finished_visit_and_every_step_is_heard_in_order(world, tmp_path):
    file = city_file(tmp_path / "requests.csv", 12)
    imported = world.cli("import", "work-orders", str(file), "--mapping", "nyc-311", check=False)
    assert "12 created" in imported.stdout
    assert "row 14" in imported.stdout.lower()
    assert imported.returncode == 1, "a row that failed shows in the exit code"
    with contextlib.ExitStack() as running:
        servers = [running.enter_context(world.server()) for _ in range(world.servers)]
        for _ in range(world.workers):
            running.enter_context(world.worker())
        async with Api(servers[0].url) as api:
            await api.sign_in(ADMINISTRATOR)
            await hire(api, 3)
            cursor = (await api.ask("{ journalCursor }"))["journalCursor"]
            # The listener sits on the last server, the work is done through the first one.
            async with (
                node_follower(servers[-1], api.token, "appointmentChanged", "appointment", "status", cursor) as visits,
                node_follower(servers[-1], api.token, "workOrderChanged", "workOrder", "status", cursor) as orders,
            ):
                planned = await plan_and_dispatch(api)
                assert planned["visits"] + planned["summary"]["unassigned"] == 12
                dispatched = (await api.ask(VISITS))["appointments"]
                assert dispatched["totalCount"] == planned["visits"] > 0
                visit = dispatched["nodes"][0]
                await work_to_the_end(api, visit["id"], visit["workOrder"]["id"])

                async def heard_the_end():
                    return "WorkOrderCompleted" in orders.facts_about("workOrder", visit["workOrder"]["id"])

                await until(heard_the_end, what="the last fact")
                assert visits.facts_about("appointment", visit["id"]) == [
                    "AppointmentCreated",
                    "AppointmentScheduled",
                    "AppointmentDispatched",
                    "AppointmentDeparted",
                    "AppointmentArrived",
                    "AppointmentStarted",
                    "AppointmentCompleted",
                ]
                assert orders.facts_about("workOrder", visit["workOrder"]["id"])[-1] == "WorkOrderCompleted"
                cursors = [event["cursor"] for event in orders.events]
                assert len(set(cursors)) == len(cursors)
            finished = await api.ask(
                "query($id: ID!) { workOrder(id: $id) { status externalId lineItems { nodes { amount } } } }",
                id=visit["workOrder"]["id"],
            )
            assert finished["workOrder"]["status"] == "COMPLETED"
            assert finished["workOrder"]["externalId"].startswith("330000")


async def test_a_second_import_changes_nothing_and_a_dry_run_records_nothing(world, tmp_path):
    file = city_file(tmp_path / "requests.csv", 5, without_coordinates=0)
    dry = world.cli("import", "work-orders", str(file), "--mapping", "nyc-311", "--dry-run")
    assert "5 created" in dry.stdout
    with world.server() as server:
        async with Api(server.url) as api:
            await api.sign_in(ADMINISTRATOR)
            count = "{ workOrders { totalCount } customers { totalCount } journalCursor }"
            before = await api.ask(count)
            assert before["workOrders"]["totalCount"] == before["customers"]["totalCount"] == 0
            world.cli("import", "work-orders", str(file), "--mapping", "nyc-311")
            first = await api.ask(count)
            assert first["workOrders"]["totalCount"] == 5
            again = world.cli("import", "work-orders", str(file), "--mapping", "nyc-311")
            assert "5 unchanged" in again.stdout
            second = await api.ask(count)
            assert second["workOrders"] == first["workOrders"]
            assert second["customers"] == first["customers"]


async def test_the_gql_client_asks_and_listens(small):
    with small.server() as server:
        async with Api(server.url) as api:
            await api.sign_in(ADMINISTRATOR)
            cursor = (await api.ask("{ journalCursor }"))["journalCursor"]
            made = (await api.do("createCustomer", "customer { id }", name="Acme", type="ENTERPRISE"))["customer"]
            transport = WebsocketsTransport(
                url=f"ws://127.0.0.1:{server.port}/graphql",
                init_payload={"authorization": f"Bearer {api.token}"},
                subprotocols=["graphql-transport-ws"],
            )
            async with Client(transport=transport, fetch_schema_from_transport=False) as session:
                document = gql(
                    "subscription($after: String) { customerChanged(after: $after) { fact customer { id name } } }"
                )
                document.variable_values = {"after": cursor}
                async with asyncio.timeout(20):
                    async for result in session.subscribe(document):
                        assert result["customerChanged"] == {
                            "fact": "CustomerCreated",
                            "customer": {"id": made["id"], "name": "Acme"},
                        }
                        break
                answer = await session.execute(gql("{ viewer { organization { name } } }"))
                assert answer == {"viewer": {"organization": {"name": "Acme Field Service"}}}


@pytest.mark.skipif(not REAL_FILE.exists(), reason="the city's file is not here")
async def test_the_citys_own_file_is_taken_in_and_planned(world):
    imported = world.cli("import", "work-orders", str(REAL_FILE), "--mapping", "nyc-311", check=False)
    assert "116 created" in imported.stdout
    assert "1 failed" in imported.stdout
    with contextlib.ExitStack() as running:
        server = running.enter_context(world.server())
        for _ in range(world.workers):
            running.enter_context(world.worker())
        async with Api(server.url) as api:
            await api.sign_in(ADMINISTRATOR)
            await hire(api, 12)
            planned = await plan_and_dispatch(api, seconds=5)
            assert planned["visits"] + planned["summary"]["unassigned"] == 116
            assert planned["visits"] >= 60
