"""PostgreSQL's row-level security as a second wall: it holds where the first one is broken, and nothing else notices it."""

import os
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg  # type: ignore[import-untyped]
import pytest
import pytest_asyncio

from app import database as db
from app.customers import commands as customers
from app.customers.models import Customer
from app.database import wall
from app.identity import queries, sign_in
from app.identity.models import User
from app.infrastructure import jobs, notes, tokens
from app.infrastructure.conditions import everything
from app.infrastructure.models import Job
from app.infrastructure.tables import find_rows
from app.kernel.actor import system_actor
from app.kernel.errors import ConfigurationError, NotFound
from app.kernel.permissions import Role
from schema.schema import api
from tests.databases import POSTGRES, create_postgres, drop_postgres, leave, require_postgres
from tests.schema.asking import ask, values_in
from tests.schema.tenants import Tenant, found, snapshot

assert api
pytestmark = pytest.mark.slow
PASSWORD = "a kettle sings at noon"
Both = tuple[Tenant, Tenant]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def walled() -> AsyncIterator[str]:
    """A database with policies, whose owner is nobody special; its address."""
    await require_postgres()
    name = f"truckroll_wall_{os.getpid()}"
    await create_postgres(name)
    server = await asyncpg.connect(POSTGRES)
    try:
        await server.execute(f'DROP ROLE IF EXISTS "{name}"')
        await server.execute(f'CREATE ROLE "{name}" LOGIN')
        await server.execute(f'ALTER DATABASE "{name}" OWNER TO "{name}"')
        address = urlsplit(POSTGRES)
        url = urlunsplit(address._replace(netloc=f"{name}@{address.hostname}:{address.port or 5432}", path=f"/{name}"))
        await db.connect(url)
        try:
            await db.build_schema()
            with pytest.raises(ConfigurationError, match="run `truckroll migrate` first"):
                await wall.require_wall(db.connection())
            await wall.build_wall(db.connection())
            await wall.require_wall(db.connection())
        finally:
            await db.disconnect()
        yield url
    finally:
        await drop_postgres(name)
        await server.execute(f'DROP ROLE IF EXISTS "{name}"')
        await server.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def both(walled: str) -> AsyncIterator[Both]:
    """Two companies, put down and at work behind the wall."""
    await db.connect(walled)
    wall.raise_wall(up=True)
    try:
        yield await found("a", 910_000), await found("b", 920_000)
    finally:
        wall.raise_wall(up=False)
        await leave()


@pytest.fixture
def no_first_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Customers are shown to everybody, of whatever company."""
    monkeypatch.setattr(Customer, "visible_to", lambda actor: everything())


@pytest_asyncio.fixture(loop_scope="session")
async def no_second_wall(both: Both) -> AsyncIterator[None]:
    await wall.take_wall_down(db.connection())
    yield
    await wall.build_wall(db.connection())


async def foreign_names(ours: Tenant, theirs: Tenant, remark: str) -> set[str]:
    """What our administrator sees of their customers: in lists, counts, facets, search and by id."""
    actor = ours.actors[Role.ADMINISTRATOR]
    asked = [
        ("{ customers(first: 100) { totalCount nodes { id name } facets { type { values { count rows { nodes { name } } } } } } }", {}),
        (f'{{ search(text: "{theirs.first.mark.text}", first: 50) {{ nodes {{ node {{ ... on Customer {{ name }} }} }} }} }}', {}),
        ("query ($id: ID!) { node(id: $id) { ... on Customer { name } } }", {"id": theirs.first.customer_id}),
        ("query ($id: ID!) { customer(id: $id) { name } }", {"id": theirs.first.customer_id}),
    ]  # fmt: skip
    seen: set[str] = set()
    for document, variables in asked:
        answer = await ask(actor, document + remark, variables)
        assert "INTERNAL" not in str(answer), answer
        seen |= {value for value in values_in(answer.get("data")) if isinstance(value, str)}
    marks = (theirs.mark, theirs.first.mark, theirs.second.mark)
    return {value for value in seen if any(mark.stands_in(value) for mark in marks)}


async def test_the_second_wall_holds_where_the_first_is_broken(both: Both, no_first_wall: None) -> None:
    ours, theirs = both
    before = await snapshot(theirs.organization_id)
    assert await foreign_names(ours, theirs, " # behind both") == set()
    with pytest.raises(NotFound):
        await customers.update_customer(ours.actors[Role.ADMINISTRATOR], theirs.first.customer_id, name="Ours now")
    assert await snapshot(theirs.organization_id) == before


async def test_without_it_a_broken_first_wall_leaks(both: Both, no_first_wall: None, no_second_wall: None) -> None:
    ours, theirs = both
    assert await foreign_names(ours, theirs, " # behind none")


async def test_a_row_of_another_organization_is_not_written(both: Both) -> None:
    ours, theirs = both

    async def write() -> None:
        await Customer.filter(id=ours.first.customer_id).update(organization_id=theirs.organization_id)

    with db.within(ours.organization_id), pytest.raises(Exception, match="row-level security"):
        await db.unit_of_work(write)


async def test_each_connection_is_told_anew_for_whom_it_reads(both: Both) -> None:
    for tenant in (*both, *both, both[0]):
        with db.within(tenant.organization_id):
            rows: list[Any] = await db.read_rows('SELECT DISTINCT "organization_id" FROM "customer"')
            assert {row[0] for row in rows} == {tenant.organization_id}
            assert {row.organization_id for row in await find_rows(Customer, everything())} == {tenant.organization_id}
            assert {
                row.organization_id for row in await db.unit_of_work(lambda: find_rows(Customer, everything()))
            } == {tenant.organization_id}
        assert {row.organization_id for row in await find_rows(Customer, everything())} == {
            one.organization_id for one in both
        }


async def test_an_unknown_connection_sees_nothing(both: Both, walled: str) -> None:
    stranger = await asyncpg.connect(walled)
    try:
        assert await stranger.fetchval('SELECT count(*) FROM "customer"') == 0
        assert await stranger.fetchval('SELECT count(*) FROM "user"') == 0
    finally:
        await stranger.close()


async def test_signing_in_and_tokens_work_behind_the_wall(both: Both) -> None:
    user = both[0].actors[Role.DISPATCHER].id
    await User.filter(id=user).update(password_hash=await tokens.hash_password(PASSWORD))
    [row] = await User.filter(id=user)
    session = await sign_in.log_in(row.email, PASSWORD, address="203.0.113.7", user_agent="pytest")
    actor = await queries.actor_of_token(session.access_token)
    assert (actor.id, actor.organization_id) == (user, both[0].organization_id)


async def test_the_system_works_behind_the_wall_for_its_own_organization(both: Both) -> None:
    ours, theirs = both
    said = "Renamed by the system"
    await customers.update_customer(system_actor(ours.organization_id), ours.second.customer_id, name=said)
    assert (await Customer.get(id=ours.second.customer_id)).name == said
    with pytest.raises(NotFound):
        await customers.update_customer(system_actor(ours.organization_id), theirs.second.customer_id, name=said)


async def test_a_job_and_notes_see_only_the_organization_that_they_are_for(both: Both) -> None:
    ours, _ = both
    seen: set[str] = set()

    async def look(context: jobs.JobContext) -> None:
        seen.update(row.organization_id for row in await find_rows(Customer, everything()))

    kind = jobs.JobKind("tests.look", look, tries=1)
    id = await jobs.enqueue(system_actor(ours.organization_id), kind.name)
    assert await jobs.Runner(kinds={kind.name: kind}).run_due() == 1
    assert ((await Job.get(id=id)).status, seen) == ("DONE", {ours.organization_id})
    notes.start()
    for tenant in both:
        notes.note_reading(tenant.actors[Role.DISPATCHER], "Site.accessInstructions", tenant.first.customer_id)
    assert await notes.flush(everything=True) == 2
    notes.stop()


async def test_the_wall_is_refused_where_it_would_bind_nobody(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    client = db.connection()

    async def unbound(sql: str) -> list[dict[str, Any]]:
        assert "pg_roles" in sql
        return [{"name": "postgres", "unbound": True}]

    monkeypatch.setattr(client, "execute_query_dict", unbound)
    with pytest.raises(ConfigurationError, match="does not bind postgres"):
        await wall.require_wall(client)


async def test_every_table_of_an_organization_has_a_policy_and_it_can_be_taken_away(both: Both) -> None:
    tables = wall.owned_tables()
    assert {"customer", "user", "journal_entry", "organization", "custom_role"} <= tables.keys()
    assert not tables.keys() & wall.OPEN_TABLES
    client = db.connection()
    await wall.take_wall_down(client)
    with pytest.raises(ConfigurationError, match="run `truckroll migrate` first"):
        await wall.require_wall(client)
    await wall.build_wall(client)
    await wall.require_wall(client)
