"""Travel as plans and routes use it: by road where a server tells, estimated where it does not, longer in slow hours."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

import optimizer
from app import database
from app.customers.models import Site
from app.infrastructure import roads
from app.kernel.dialects import Dialect
from app.kernel.traffic import read_slow_hours
from app.scheduling import planning, reactions, travel
from app.scheduling.estimate import MINUTES_PER_LEG, Estimate
from app.scheduling.solver import Request, SolveCanceled, solve_apart
from app.technicians.models import Technician
from tests.app.infrastructure.road_server import RoadServer, road_server
from tests.app.scheduling.test_planning import material_of
from tests.app.scheduling.test_plans import planned, visits_of
from tests.app.scheduling.test_solver import REQUEST, ignore, never
from tests.app.scheduling.world import NINE, Company, booked, found, visit

SOUTH, NORTH = optimizer.Place("south", 50.0, 8.0), optimizer.Place("north", 50.1, 8.0)
ISLAND = optimizer.Place("island", 61.0, 8.0)
MONDAY = datetime(2027, 3, 1, tzinfo=UTC)


@pytest_asyncio.fixture(loop_scope="session")
async def company(sqlite_database: Dialect) -> Company:
    return await found("Acme")


@pytest_asyncio.fixture(loop_scope="session")
async def stand_in(sqlite_database: Dialect) -> AsyncIterator[RoadServer]:
    async with road_server() as made:
        await roads.start("osrm", made.url)
        yield made
        await roads.stop()


@pytest.fixture(autouse=True)
def usual() -> Any:
    yield
    travel.configure(travel.Traffic())


async def test_without_a_server_travel_is_the_estimate() -> None:
    assert not roads.is_on()
    made = await travel.travel_between([SOUTH, NORTH])
    assert made == optimizer.estimate_travel([SOUTH, NORTH], minutes_per_leg=MINUTES_PER_LEG)


async def test_the_settings_give_the_speed_and_the_slow_hours() -> None:
    travel.configure(travel.Traffic(90.0, read_slow_hours("mo 07:00-09:00 1.5")))
    made = await travel.travel_between([SOUTH, NORTH], starts=MONDAY, ends=MONDAY, tz=ZoneInfo("Europe/Berlin"))
    assert made.slowdowns == (optimizer.Slowdown(360, 480, 1.5),)
    fast = optimizer.estimate_travel([SOUTH, NORTH], kilometres_per_hour=90, minutes_per_leg=MINUTES_PER_LEG)
    assert made.minutes == fast.minutes
    assert (await travel.travel_between([SOUTH, NORTH])).slowdowns == ()


async def test_ways_by_road_have_parking_and_what_is_not_told_is_estimated(stand_in: RoadServer) -> None:
    made = await travel.travel_between([SOUTH, NORTH, ISLAND])
    guess = Estimate().between([SOUTH, NORTH, ISLAND])
    assert tuple(made.minutes[0][:2]) == (0, 25 + MINUTES_PER_LEG) and made.minutes[1][0] == 17 + MINUTES_PER_LEG
    assert tuple(made.metres[0][:2]) == (0, 10_000)
    assert [row[2] for row in made.minutes] == [row[2] for row in guess.minutes]
    assert tuple(made.minutes[2]) == guess.minutes[2] and tuple(made.metres[2]) == guess.metres[2]


async def test_many_places_are_the_same_as_few(stand_in: RoadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    few = await travel.travel_between([SOUTH, NORTH, ISLAND])
    monkeypatch.setattr(travel, "IN_THREAD_FROM", 1)
    monkeypatch.setattr("app.infrastructure.roads.network.IN_THREAD_FROM", 1)
    assert await travel.travel_between([SOUTH, NORTH, ISLAND]) == few


async def test_nobody_waits_for_roads_inside_a_transaction(stand_in: RoadServer) -> None:
    for wrong in (travel.travel_between, travel.route_geometry):
        with pytest.raises(RuntimeError, match="transaction"):
            await database.unit_of_work(lambda wrong=wrong: wrong([SOUTH, NORTH]))
    assert stand_in.requests == []


async def test_a_route_has_lines_by_road_and_straight_ones(stand_in: RoadServer) -> None:
    by_road, by_air = await travel.route_geometry([SOUTH, NORTH, ISLAND])
    assert (by_road.minutes, by_road.metres, by_road.is_by_road) == (25 + MINUTES_PER_LEG, 10_000, True)
    assert by_road.line == ((8.0, 50.0), (8.0, 50.1))
    guess = Estimate().between([NORTH, ISLAND])
    assert by_air == travel.Leg(guess.minutes[0][1], guess.metres[0][1], ((8.0, 50.1), (8.0, 61.0)), is_by_road=False)
    assert await travel.route_geometry([SOUTH]) == await travel.route_geometry([]) == []


async def test_a_leg_of_a_route_is_slower_in_slow_hours(stand_in: RoadServer) -> None:
    travel.configure(travel.Traffic(slow_hours=read_slow_hours("mo 07:00-09:00 2")))
    at = [MONDAY.replace(hour=8), MONDAY.replace(hour=12)]
    legs = await travel.route_geometry([SOUTH, NORTH, SOUTH], departs_at=at, tz=ZoneInfo("UTC"))
    assert [leg.minutes for leg in legs] == [2 * (25 + MINUTES_PER_LEG), 17 + MINUTES_PER_LEG]


async def put_on_the_map(company: Company) -> None:
    await Site.all().update(latitude=50.1, longitude=8.0)
    await Technician.all().update(home_latitude=50.0, home_longitude=8.0)


async def test_a_plan_is_made_of_ways_by_road(company: Company, stand_in: RoadServer) -> None:
    await put_on_the_map(company)
    await visit(company)
    run = await planned(company)
    (row,) = (await visits_of(run)).values()
    assert (row.travel_minutes, row.travel_metres) == (25 + MINUTES_PER_LEG, 10_000)
    assert stand_in.requests


async def test_a_visit_that_stays_leaves_time_for_the_way_by_road(company: Company, stand_in: RoadServer) -> None:
    await put_on_the_map(company)
    await booked(company)
    await database.connection().execute_script(
        'UPDATE "appointment" SET "is_pinned_who" = TRUE, "is_pinned_when" = TRUE'
    )
    await database.connection().execute_script('DELETE FROM "shift"')
    request = await planning.ask(await material_of(company), seconds=1, seed=0, now=NINE)
    ann = next(one for one in request.technicians if one.id == company.ann_id)
    (pinned,) = request.visits
    assert pinned.pin is not None and pinned.pin.start_minute is not None
    begins, ends = pinned.pin.start_minute, pinned.pin.start_minute + pinned.duration_minutes
    assert [(one.start_minute, one.end_minute) for one in ann.shifts] == [
        (begins - 25 - MINUTES_PER_LEG, ends + 17 + MINUTES_PER_LEG)
    ]
    assert request.travel is not None and request.problem().travel is request.travel


async def test_a_server_that_is_away_costs_a_plan_nothing_but_the_roads(
    company: Company, stand_in: RoadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.infrastructure.roads.server.RETRY_SECONDS_MIN", 0.001)
    stand_in.always = "500"
    await put_on_the_map(company)
    await visit(company)
    run = await planned(company)
    (row,) = (await visits_of(run)).values()
    assert row.travel_minutes == Estimate().between([SOUTH, NORTH]).minutes[0][1]


async def test_a_plan_that_is_canceled_waits_for_no_road_server(
    company: Company, stand_in: RoadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reactions, "POLL_SECONDS", 0.02)
    stand_in.always = "slow"
    await put_on_the_map(company)
    await visit(company)
    material = await material_of(company)
    started = time.monotonic()

    async def once_it_waits() -> bool:
        return bool(stand_in.requests)

    with pytest.raises(SolveCanceled):
        await reactions._unless(once_it_waits, planning.ask(material, seconds=1, seed=0))
    assert time.monotonic() - started < 2


async def test_the_other_process_takes_the_matrix_it_is_given(stand_in: RoadServer) -> None:
    await roads.stop()
    far = optimizer.TravelMatrix(((0, 90), (30, 0)), ((0, 70_000), (20_000, 0)))
    given = Request(**{**{name: getattr(REQUEST, name) for name in REQUEST.__slots__}, "travel": far})
    plan = await solve_apart(given, on_progress=ignore, should_stop=never)
    assert plan.routes[0].stops[0].travel_minutes == 90
    slow = Request(
        **{
            **{name: getattr(REQUEST, name) for name in REQUEST.__slots__},
            "estimate": Estimate(45.0, (optimizer.Slowdown(0, 1440, 3.0),)),
        }
    )
    usual = await solve_apart(REQUEST, on_progress=ignore, should_stop=never)
    slowed = await solve_apart(slow, on_progress=ignore, should_stop=never)
    assert slowed.routes[0].stops[0].travel_minutes == 3 * usual.routes[0].stops[0].travel_minutes
