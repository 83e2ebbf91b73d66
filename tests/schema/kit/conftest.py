"""The scratch tables in both databases, and a way to ask."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio
import strawberry

from app import database as db
from app.kernel.actor import Actor, user_actor
from app.kernel.dialects import Dialect
from app.kernel.permissions import Role
from schema.kit import Context, execute, plain_data, problems
from tests import databases
from tests.schema.kit.scratch_api import make_schema

MODULES = ["app.infrastructure.models", "tests.schema.kit.scratch_models"]
ORGANIZATION = "org_01jd0000000000000000000000"
MANAGER = user_actor(ORGANIZATION, "usr_manager", frozenset({Role.OPERATIONS_MANAGER}))
CUSTOMER = user_actor(ORGANIZATION, "usr_customer", frozenset({Role.CUSTOMER_USER}), customer_id="cus_1")
STRANGER = user_actor("org_01jd0000000000000000000009", "usr_stranger", frozenset({Role.OPERATIONS_MANAGER}))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scratch_image() -> bytes:
    return await databases.sqlite_image(MODULES)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scratch_postgres() -> AsyncIterator[str]:
    await databases.require_postgres()
    name = f"truckroll_kit_{os.getpid()}"
    url = await databases.create_postgres(name)
    try:
        await db.connect(url, model_modules=MODULES)
        try:
            await db.build_schema()
        finally:
            await db.disconnect()
        yield url
    finally:
        await databases.drop_postgres(name)


@pytest_asyncio.fixture(loop_scope="session")
async def on_sqlite(scratch_image: bytes) -> AsyncIterator[Dialect]:
    await databases.connect_image(scratch_image, MODULES)
    try:
        yield Dialect.SQLITE
    finally:
        await databases.leave()


@pytest_asyncio.fixture(loop_scope="session")
async def on_postgres(scratch_postgres: str) -> AsyncIterator[Dialect]:
    await db.connect(scratch_postgres, model_modules=MODULES)
    try:
        await db.connection().execute_script(databases.EMPTY_TABLES)
        yield Dialect.POSTGRES
    finally:
        await databases.leave()


@pytest.fixture(params=["on_sqlite", "on_postgres"])
def scratch(request: pytest.FixtureRequest) -> Dialect:
    dialect: Dialect = request.getfixturevalue(request.param)
    return dialect


@pytest.fixture(scope="session")
def schema() -> Any:
    return make_schema()


@pytest.fixture(autouse=True)
def strict_problems(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(problems, "STRICT", True)
    yield


class Asking:
    """Runs documents as somebody and counts the statements."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self.schema = schema
        self.statements: list[str] = []

    async def __call__(self, document: str, actor: Actor | None = MANAGER, **variables: Any) -> Any:
        self.statements.clear()
        context = Context(actor, request_id="req_1", address="192.0.2.1")
        return plain_data(await execute(self.schema, document, variables, None, context))

    async def data(self, document: str, actor: Actor | None = MANAGER, **variables: Any) -> Any:
        answer = await self(document, actor, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]


@pytest.fixture
def ask(schema: strawberry.Schema, monkeypatch: pytest.MonkeyPatch) -> Asking:
    asking = Asking(schema)
    read: Callable[..., Any] = db.read_rows

    async def counted(sql: str, params: Any = ()) -> Any:
        asking.statements.append(sql)
        return await read(sql, params)

    monkeypatch.setattr(db, "read_rows", counted)
    return asking
