"""Secrets that are sent in every way there is, then looked for where they must not be: answers, logs, the database, Redis."""

import io
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import structlog
from redis.asyncio import Redis

from app import database
from app.company import commands as company
from app.identity import commands, queries
from app.identity.secret import Secret
from app.infrastructure import limits, logs, texts
from app.kernel.actor import Actor, system_actor
from app.kernel.dialects import Dialect
from app.kernel.ids import new_id
from app.main import create_app
from app.settings import Settings
from tests.app.infrastructure.conftest import redis_url
from tests.schema.asking import ask as ask_api

__all__ = ["redis_url"]

PASSWORD, NEXT, WRONG = "planted-KETTLE-sings-at-noon", "planted-GRAVEL-under-a-ladder", "planted-WRONG-guess-at-it"
LITERAL, CARD, HEADER = "planted-LITERAL-in-a-document", "4111111111111111", "planted-HEADER-of-a-request"
LOG_IN = "mutation($input: LogInInput!) { logIn(input: $input) { signedIn { accessToken refreshToken } errors { code message } } }"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    stream = io.StringIO()
    logs.configure("INFO", json=True, stream=stream)
    try:
        yield stream
    finally:
        root.handlers[:], level = before[0], before[1]
        root.setLevel(level)
        structlog.reset_defaults()


@pytest_asyncio.fixture(loop_scope="session")
async def http(
    sqlite_database: Dialect, redis_url: str, log: io.StringIO, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    queries.forget_actors()
    app, _, _ = create_app(Settings(data_folder=tmp_path))
    await limits.start(redis_url)
    await texts.start(redis_url)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        yield client
    await texts.stop()
    await limits.stop()


async def founded() -> Actor:
    system = system_actor(new_id("org"))
    details = {"time_zone": "America/New_York", "currency": "USD", "country": "US"}
    await company.create_organization(system, name="Lamp", **details)
    await commands.create_user(
        system, email="ada@lamp.example", legal_name="Ada", roles=["ADMINISTRATOR"], password=Secret(PASSWORD)
    )
    return system


class Told:
    """Everything that came back, and the secrets that were handed out in it on purpose."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.answers: list[str] = []
        self.issued: list[str] = []

    async def __call__(self, query: str, input: Any = None, token: str = "", issues: bool = False) -> Any:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        body = {"query": query, "variables": {"input": input} if input is not None else {}}
        answer = await self.http.post(
            "/graphql", json=body, headers=headers | {"user-agent": HEADER, "x-api-key": HEADER}
        )
        if issues:
            found = next(iter(answer.json()["data"].values()))
            self.issued += [
                text for one in found.values() if isinstance(one, dict) for text in _texts(one) if len(text) > 40
            ]
        else:
            self.answers.append(answer.text)
        return answer.json()


def _texts(value: Any) -> Iterator[str]:
    for one in value.values() if isinstance(value, dict) else ():
        if isinstance(one, str):
            yield one
        else:
            yield from _texts(one)


async def everything_in_redis(url: str) -> str:
    """What is in Redis, as text."""
    redis = Redis.from_url(url)
    found: list[Any] = []
    try:
        async for key in redis.scan_iter("*", count=1000):
            kind = await redis.type(key)
            read = {b"string": redis.get, b"hash": redis.hgetall, b"zset": lambda key: redis.zrange(key, 0, -1)}.get(
                kind
            )
            found += [key, await read(key) if read else None]
    finally:
        await redis.aclose()
    return str(found)


async def dumped() -> bytes:
    """The whole database, as a backup has it."""
    connection = database.connection()._connection
    image: bytes = await connection._execute(connection._conn.serialize)
    return image


async def test_secrets_are_nowhere_but_in_the_answer_that_hands_them_out(
    http: httpx.AsyncClient, redis_url: str, log: io.StringIO
) -> None:
    await founded()
    ask = Told(http)
    email = "ada@lamp.example"
    signed_in = (await ask(LOG_IN, {"email": email, "password": PASSWORD}, issues=True))["data"]["logIn"]["signedIn"]
    token, refresh = signed_in["accessToken"], signed_in["refreshToken"]
    await ask(LOG_IN, {"email": email, "password": WRONG})
    await ask(LOG_IN, {"email": f"{WRONG}@lamp.example", "password": CARD, "nothing": LITERAL})
    for document in (
        f'mutation {{ logIn(input: {{ email: "{email}", password: "{LITERAL}" }}) {{ errors {{ code }} }} }}',
        f'mutation {{ logIn(input: {{ email: "{email}", passwort: "{LITERAL}" }}) {{ errors {{ code }} }} }}',
        f'mutation {{ logIn(input: {{ email: 1, password: "{LITERAL}" }}) {{ errors {{ code }} }} }}',
        f'mutation {{ logIn(input: {{ email: "{email}", password: "{LITERAL}" }}) {{',
        f'mutation {{ logInn(input: {{ password: "{LITERAL}" }}) {{ errors {{ code }} }} }}',
    ):
        told = await ask(document)
        assert LITERAL not in str(told)
    change = (
        "mutation($input: SetPasswordInput!) { setPassword(input: $input) { user { id } errors { code message } } }"
    )
    await ask(change, {"currentPassword": WRONG, "password": NEXT}, token)
    await ask(change, {"currentPassword": PASSWORD, "password": NEXT}, token)
    make = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { issuedApiKey { secret } errors { code } } }"
    key = await ask(make, {"name": "ERP", "scopes": ["VIEW_CUSTOMERS"]}, token, issues=True)
    await ask("{ viewer { kind } }", token=key["data"]["createApiKey"]["issuedApiKey"]["secret"])
    await ask("{ viewer { kind } }", token=f"tra_{LITERAL}")
    renew = "mutation($input: RefreshSessionInput!) { refreshSession(input: $input) { signedIn { accessToken refreshToken } errors { code } } }"
    await ask(renew, {"refreshToken": refresh}, issues=True)
    await ask(renew, {"refreshToken": refresh[:-4] + LITERAL})
    await http.get(f"/exports/exp_1?token={LITERAL}&until=1")
    assert len(ask.issued) == 5, "two pairs of tokens and a key were handed out"

    planted = [PASSWORD, NEXT, LITERAL, CARD, *ask.issued, *(part for one in ask.issued for part in one.split("."))]
    places = {
        "the log": log.getvalue(),
        "answers": "".join(ask.answers),
        "the database": (await dumped()).decode("latin-1"),
        "Redis": await everything_in_redis(redis_url),
    }
    hits = {(place, secret) for place, text in places.items() for secret in planted if secret in text}
    assert hits == set()
    assert WRONG not in places["the log"] + places["Redis"]
    assert "login refused" in places["the log"], "the control: something was logged"
    assert email in places["the database"], "the control: what is no secret is found"


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        ("mutation { logIn(input: { email: \"a\", password: 41111111 }) { errors { code } } }", {}),
        ("mutation { logIn(input: { email: \"a\", password: p41111111 }) { errors { code } } }", {}),
        ("mutation($input: LogInInput!) { logIn(input: $input) { errors { code } } }", {"input": {"email": "a", "password": 41111111}}),
        ("mutation($input: LogInInput!) { logIn(input: $input) { errors { code } } }", {"input": "41111111"}),
        ("{ customers(first: \"41111111\") { totalCount } }", {}),
        ("query($first: Int) { customers(first: $first) { totalCount } }", {"first": "41111111"}),
        ("{ customers(filter: { type: { eq: p41111111 } }) { totalCount } }", {}),
        ("query($type: CustomerType) { customers(filter: { type: { eq: $type } }) { totalCount } }", {"type": "41111111"}),
        ("{ customer(id: { a: \"41111111\" }) { id } }", {}),
    ],
)  # fmt: skip
async def test_a_value_of_the_wrong_kind_is_not_said_again(document: str, variables: dict[str, Any]) -> None:
    answer = await ask_api(None, document, variables)
    assert [one["extensions"]["code"] for one in answer["errors"]] and "41111111" not in str(answer["errors"])
