"""Real clients that follow while their server is killed: they come back by themselves, and hear each fact once and in order."""

import pytest

from tests.journeys.followers import gql_follower, node_follower
from tests.journeys.steps import open_account
from tests.journeys.worlds import ADMINISTRATOR, World
from tests.servers import Api, until

pytestmark = [pytest.mark.slow, pytest.mark.fault]

ROUNDS = 2
ORDERS = 5
FIELD, NOUN = "workOrderChanged", "workOrder"


async def test_graphql_ws_gql_and_an_event_source_resume_after_their_server_was_killed(world: World) -> None:
    world.environment["TRUCKROLL_COST_BUDGET"] = "off"  # three clients of one caller, again and again
    with world.server() as server:
        async with Api(server.url) as api:
            await api.sign_in(ADMINISTRATOR)
            place = await open_account(api)
            start = (await api.ask("{ journalCursor }"))["journalCursor"]
            acknowledged: list[str] = []

            async def order(count: int) -> None:
                for _ in range(count):
                    made = await api.do("createWorkOrder", "workOrder { id }", **place, summary="Heard")
                    acknowledged.append(made["workOrder"]["id"])

            async with (
                node_follower(server, api.token, FIELD, NOUN, "number", start) as by_socket,
                node_follower(server, api.token, FIELD, NOUN, "number", start, by_events=True) as by_events,
                gql_follower(server, api.token, FIELD, NOUN, start) as by_gql,
            ):
                followers = {"graphql-ws": by_socket, "EventSource": by_events, "gql": by_gql}

                async def heard_all() -> bool:
                    return all(len(one.events) >= len(acknowledged) for one in followers.values())

                await order(1)
                await until(heard_all, what="the first fact")
                for _ in range(ROUNDS):
                    await order(ORDERS)
                    server.kill()
                    server.start()
                    await order(ORDERS)
                await until(heard_all, what="every fact")
            heard = {name: [event["workOrderId"] for event in one.events] for name, one in followers.items()}
            assert heard == dict.fromkeys(followers, acknowledged)
            # The others wait before they come back: they may not see that the server was there meanwhile.
            came = [sum("connected" in one for one in follower.said) for follower in (by_socket, by_events)]
            assert came[0] == ROUNDS + 1 and came[1] > 1, came
            assert by_gql.ended > 0
