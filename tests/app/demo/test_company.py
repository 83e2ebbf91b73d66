"""The demo's company: the same every time, in New York City, with somebody for each kind of work."""

from datetime import UTC, datetime, timedelta
from typing import Any

import graphql
import orjson
import pytest
import pytest_asyncio

from app import database
from app.demo import company, dispatcher, simulator
from app.demo.running import QUERIES
from app.kernel.actor import system_actor
from app.kernel.calendar import day_bounds, local_day
from schema.kit.execution import core_of
from schema.schema import api
from tests.databases import connect_image, leave

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHAT_IS_THERE = {
    "technicians": 'SELECT "name", "home_latitude", "home_longitude" FROM "technician" ORDER BY "number"',
    "customers": 'SELECT "name", "email", "type" FROM "customer" ORDER BY "number"',
    "sites": 'SELECT "name", "address_line", "postal_code", "latitude", "longitude" FROM "site" ORDER BY "name", "id"',
    "work_orders": 'SELECT "number", "summary", "priority" FROM "work_order" ORDER BY "number"',
    "skills": 'SELECT "skill"."code", "level" FROM "technician_skill" JOIN "skill" ON "skill"."id" = "skill_id" '
    'ORDER BY "skill"."code", "level"',
    "users": 'SELECT "email", "roles" FROM "user" ORDER BY "email"',
}
# The box around the five boroughs, in degrees.
SOUTH, NORTH, WEST, EAST = 40.49, 40.92, -74.26, -73.70
MIDNIGHT = day_bounds(datetime(2026, 11, 22, tzinfo=UTC).date(), company.ZONE)[0]

Rows = dict[str, list[tuple[Any, ...]]]


async def found(image: bytes, seed: int) -> Rows:
    """Found a company in an empty database, and answer who and what is in it."""
    await connect_image(image)
    try:
        await company.furnish_company(system_actor(await company.found_company()), seed)
        return {name: [tuple(row) for row in await database.read_rows(q)] for name, q in WHAT_IS_THERE.items()}
    finally:
        await leave()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hudson(sqlite_schema: bytes) -> Rows:
    """The company of seed 7."""
    return await found(sqlite_schema, 7)


async def test_is_the_same_company_for_the_same_seed_and_another_for_another(hudson, sqlite_schema, monkeypatch):
    async def quickly(password: str) -> str:
        return "a hash"

    monkeypatch.setattr("app.infrastructure.tokens.hash_password", quickly)
    assert await found(sqlite_schema, 7) == hudson
    assert (await found(sqlite_schema, 8))["technicians"] != hudson["technicians"]


async def test_has_twelve_technicians_forty_customers_and_sixty_work_orders(hudson):
    assert [len(hudson[name]) for name in ("technicians", "customers", "work_orders")] == [12, 40, 60]
    assert len({name for name, *_ in hudson["technicians"]}) == 12
    assert len({name for name, *_ in hudson["customers"]}) == 40


async def test_every_site_and_home_lies_in_new_york_city(hudson):
    places = [row[-2:] for row in (*hudson["technicians"], *hudson["sites"])]
    assert [place for place in places if not (SOUTH < place[0] < NORTH and WEST < place[1] < EAST)] == []


async def test_every_service_has_technicians_with_the_skill_and_the_level(hudson):
    able = {
        one.code: sum(code == one.skill and level >= one.level for code, level in hudson["skills"])
        for one in company.SERVICES
    }
    assert [code for code, count in able.items() if count < 2] == []


async def test_each_printed_login_is_there_with_its_role(hudson):
    roles = {email: orjson.loads(roles) for email, roles in hudson["users"]}
    assert {one.email: roles[one.email] for one in company.logins()} == {
        one.email: [one.role] for one in company.logins()
    }


@pytest.mark.parametrize("document", [*QUERIES, *(
    getattr(module, name) for module in (dispatcher, simulator) for name in dir(module)
    if name.isupper() and isinstance(getattr(module, name), str) and "{" in getattr(module, name)
)])  # fmt: skip
async def test_each_printed_query_and_each_of_the_simulation_is_valid_against_the_schema(document):
    assert graphql.validate(core_of(api), graphql.parse(document)) == []


@pytest.mark.parametrize("minutes_before_midnight", [0, 1, 10, 5 * 60, 9 * 60, 12 * 60])
async def test_shifts_cover_the_next_hours_and_none_reaches_into_another_day(minutes_before_midnight):
    moment = MIDNIGHT - timedelta(minutes=minutes_before_midnight)
    shifts = company.shifts_around(moment)
    assert sum((one.ends_at - one.starts_at for one in shifts.values()), timedelta()) == timedelta(hours=9)
    for day, one in shifts.items():
        starts, ends = day_bounds(day, company.ZONE)
        assert starts <= one.starts_at < one.ends_at <= ends
    assert min(one.starts_at for one in shifts.values()) <= moment
    assert local_day(moment, company.ZONE) in shifts
