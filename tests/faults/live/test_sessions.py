"""A session that ends on one server closes its sockets and streams on the other within five seconds, in whatever way it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
import websockets

from tests.faults.live import chronicle
from tests.faults.live.company import MAY_FOLLOW, Audience, sign_up
from tests.faults.live.stage import Stage, broken
from tests.faults.live.writers import free_hour
from tests.servers import Api

pytestmark = [pytest.mark.slow, pytest.mark.fault]

SECONDS_MAX = 5.0
EXPIRES_SECONDS = 3
LOG_OUT = "mutation { logOut { errors { code } } }"
FOLLOW = "subscription { workOrderChanged { cursor fact workOrderId } }"
Ending = Callable[[Stage, Api], Awaitable[tuple[str, Callable[[], Awaitable[Any]]]]]


async def person(stage: Stage, administrator: Api, name: str) -> Audience:
    """Somebody of the office who has signed in at the first server."""
    return await sign_up(administrator, f"{name}@{stage.name}.example", ["DISPATCHER"])


async def key(administrator: Api, name: str, **options: Any) -> dict[str, Any]:
    """A key that may follow."""
    made = await administrator.do(
        "createApiKey", "issuedApiKey { secret apiKey { id } }", name=name, scopes=[*MAY_FOLLOW], **options
    )
    issued: dict[str, Any] = made["issuedApiKey"]
    return issued


async def logged_out(stage: Stage, administrator: Api) -> tuple[str, Callable[[], Awaitable[Any]]]:
    """They log out."""
    who = await person(stage, administrator, "lola")

    async def log_out() -> None:
        async with Api(stage.urls[0], who.token) as theirs:
            await theirs.ask(LOG_OUT)

    return who.token, log_out


async def revoked(stage: Stage, administrator: Api) -> tuple[str, Callable[[], Awaitable[Any]]]:
    """An administrator ends their sessions."""
    who = await person(stage, administrator, "rosa")
    return who.token, lambda: administrator.do("revokeAllSessions", userId=who.user_id)


async def deactivated(stage: Stage, administrator: Api) -> tuple[str, Callable[[], Awaitable[Any]]]:
    """They are shut out."""
    who = await person(stage, administrator, "dora")
    return who.token, lambda: administrator.do("deactivateUser", id=who.user_id)


async def factors_reset(stage: Stage, administrator: Api) -> tuple[str, Callable[[], Awaitable[Any]]]:
    """An administrator takes their second factors away."""
    who = await person(stage, administrator, "fred")
    return who.token, lambda: administrator.do("resetMfaMethods", userId=who.user_id)


async def given_another_password(stage: Stage, administrator: Api) -> tuple[str, Callable[[], Awaitable[Any]]]:
    """Somebody has them choose another password."""
    who = await person(stage, administrator, "paul")
    return who.token, lambda: administrator.do("resetPassword", id=who.user_id)


async def key_revoked(stage: Stage, administrator: Api) -> tuple[str, Callable[[], Awaitable[Any]]]:
    """The key is taken back."""
    issued = await key(administrator, "revoked")
    return issued["secret"], lambda: administrator.do("revokeApiKey", id=issued["apiKey"]["id"])


async def key_expired(stage: Stage, administrator: Api) -> tuple[str, Callable[[], Awaitable[Any]]]:
    """The key's time is over."""
    expires = datetime.now(UTC) + timedelta(seconds=EXPIRES_SECONDS)
    issued = await key(administrator, "expired", expiresAt=expires.isoformat())
    return issued["secret"], lambda: until_the_time_is(expires)


async def access_expired(stage: Stage, administrator: Api) -> tuple[str, Callable[[], Awaitable[Any]]]:
    """The half hour of the access token is over, which for this one is shorter."""
    who = await person(stage, administrator, "axel")
    expires = datetime.now(UTC) + timedelta(seconds=EXPIRES_SECONDS)
    connection = await asyncpg.connect(stage.database_url)
    await connection.execute("UPDATE session SET access_expires_at = $1 WHERE user_id = $2", expires, who.user_id)
    await connection.close()
    return who.token, lambda: until_the_time_is(expires)


async def until_the_time_is(moment: datetime) -> None:
    """Do nothing meanwhile."""
    await asyncio.sleep(max((moment - datetime.now(UTC)).total_seconds(), 0))


WAYS: list[Ending] = [
    logged_out, revoked, deactivated, factors_reset, given_another_password, key_revoked, key_expired, access_expired,
]  # fmt: skip


async def follow_by_socket(leaving: AsyncExitStack, url: str, token: str) -> Callable[[], Awaitable[Any]]:
    """Follow on a socket; what waits for its end and says how it was."""
    address = f"{url.replace('http', 'ws', 1)}/graphql"
    socket = await leaving.enter_async_context(websockets.connect(address, subprotocols=["graphql-transport-ws"]))
    hello = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
    await socket.send(orjson.dumps(hello).decode())
    assert orjson.loads(await socket.recv()) == {"type": "connection_ack"}
    subscribe = {"id": "1", "type": "subscribe", "payload": {"query": FOLLOW}}
    await socket.send(orjson.dumps(subscribe).decode())

    async def end() -> int | None:
        await socket.wait_closed()
        return socket.close_code

    return end


async def follow_by_stream(leaving: AsyncExitStack, url: str, token: str) -> Callable[[], Awaitable[Any]]:
    """The same with server-sent events."""
    http = await leaving.enter_async_context(httpx.AsyncClient(timeout=30))
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    response = await leaving.enter_async_context(
        http.stream("POST", f"{url}/graphql", json={"query": FOLLOW}, headers=headers)
    )
    assert response.status_code == 200

    async def end() -> list[str]:
        """The codes of the last answer, and whether it said that no more will come."""
        lines = [line async for line in response.aiter_lines() if line.startswith(("data: ", "event: complete"))]
        *_, last, complete = lines
        codes = [one["extensions"]["code"] for one in orjson.loads(last.removeprefix("data: "))["errors"]]
        return [*codes, complete.removeprefix("event: ")]

    return end


async def closed_in_time(stage: Stage, administrator: Api, way: Ending) -> list[Any]:
    """How socket and stream on the second server end of a session that ends on the first; ``TimeoutError`` if they do not."""
    async with AsyncExitStack() as leaving:
        token, finish = await way(stage, administrator)
        doors = (follow_by_socket, follow_by_stream)
        ends = [await door(leaving, stage.urls[1], token) for door in doors]
        await finish()
        async with asyncio.timeout(SECONDS_MAX):
            return list(await asyncio.gather(*(end() for end in ends)))


async def test_in_whatever_way_a_session_ends_its_sockets_and_streams_on_the_other_server_end(stage: Stage) -> None:
    async with stage.api() as administrator:
        # One after the other they would take half a minute.
        ended = await asyncio.gather(*(closed_in_time(stage, administrator, way) for way in WAYS))
    told = [4403, ["NOT_AUTHENTICATED", "complete"]]
    assert {way.__name__: how for way, how in zip(WAYS, ended, strict=True)} == {way.__name__: told for way in WAYS}


async def test_the_control_sessions_that_nobody_looks_at_again_stay_open(breakable: Stage) -> None:
    async with breakable.api() as administrator:
        with broken(breakable, "never looks again"), pytest.raises(TimeoutError):
            await closed_in_time(breakable, administrator, logged_out)


async def test_who_gets_other_roles_hears_no_more_than_these_allow_within_five_seconds_and_keeps_the_socket(
    stage: Stage,
) -> None:
    technician = stage.company.technicians[1]
    async with stage.api() as administrator:
        who = await person(stage, administrator, "ruth")
        hearer = stage.hearer(who, "appointment", await stage.now(), at=1)

        async def visit() -> str:
            made = await administrator.do(
                "createAppointment", "appointment { id }", workOrderId=stage.company.orders[0]
            )
            id: str = made["appointment"]["id"]
            return id

        async with chronicle.following([hearer]):
            before = await visit()
            async with asyncio.timeout(SECONDS_MAX):
                while not hearer.heard:
                    await asyncio.sleep(0.02)
            await administrator.do("updateUser", id=who.user_id, roles=["TECHNICIAN"], technicianId=technician)
            await asyncio.sleep(SECONDS_MAX)
            another, own = await visit(), await visit()
            why = "Nobody has a shift then."
            await administrator.do(
                "scheduleAppointment", id=own, technicianIds=[technician], startsAt=free_hour(), overrideReason=why
            )
            async with asyncio.timeout(SECONDS_MAX):
                while len(hearer.heard) < 2:
                    await asyncio.sleep(0.02)
        heard = [(told.fact, told.subject_id) for told in hearer.heard]
        assert heard == [("AppointmentCreated", before), ("AppointmentScheduled", own)], f"{another} was for others"
        assert (hearer.ended, hearer.wrong) == ({}, [])
