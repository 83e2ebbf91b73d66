"""Ways by road: asked for once, in blocks, understood from both kinds of servers, and unknown where they do not tell."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from app.infrastructure import metrics, roads
from app.infrastructure.models import RoadRow
from app.infrastructure.roads import lines, network, rows, server
from app.infrastructure.roads.blocks import blocks_of
from app.infrastructure.roads.osrm import Osrm
from app.infrastructure.roads.points import UNKNOWN, Away, Point, RoadProblem
from app.infrastructure.roads.provider import Provider
from app.infrastructure.roads.rows import Row, forget_old_rows
from app.infrastructure.roads.server import Circuit
from app.infrastructure.roads.valhalla import Valhalla
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from tests.app.infrastructure.road_server import RoadServer, road_server, way

SOUTH, NORTH, EAST = Point(50.0, 8.0), Point(50.1, 8.0), Point(50.0, 8.2)
ISLAND, POLE = Point(61.0, 8.0), Point(85.0, 8.0)
TOWN = [SOUTH, NORTH, EAST]
KINDS = ["osrm", "valhalla"]


@pytest_asyncio.fixture(loop_scope="session")
async def stand_in(sqlite_database: Dialect) -> AsyncIterator[RoadServer]:
    async with road_server() as made:
        yield made
        await roads.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for a second."""
    monkeypatch.setattr(server, "RETRY_SECONDS_MIN", 0.001)
    monkeypatch.setattr(server, "REST_SECONDS_MIN", 0.2)
    monkeypatch.setattr(server, "Circuit", lambda what: Circuit(what, seconds_min=0.2, seconds_max=0.2))


async def asked(points: list[Point], seconds: float = 5) -> tuple[list[list[int]], list[list[int]]]:
    table = await roads.table(points, seconds=seconds)
    assert table is not None
    return [list(row) for row in table.seconds], [list(row) for row in table.metres]


def ways(points: list[Point]) -> tuple[list[list[int]], list[list[int]]]:
    """What the stand-in's country has."""
    found = [[way(origin, destination) or (UNKNOWN, UNKNOWN) for destination in points] for origin in points]
    return [[round(one[0]) for one in row] for row in found], [[round(one[1]) for one in row] for row in found]


def counted(name: str, label: str) -> float:
    line = f"{name}{{{label}}} "
    found = [one for one in metrics.render().decode().splitlines() if one.startswith(line)]
    return float(found[0].rsplit(" ", 1)[1]) if found else 0.0


@pytest.mark.parametrize("kind", KINDS)
async def test_both_kinds_tell_seconds_and_metres_by_direction(stand_in: RoadServer, kind: str) -> None:
    await roads.start(kind, stand_in.url)
    seconds, metres = await asked(TOWN)
    assert (seconds, metres) == ways(TOWN)
    assert (seconds[0][1], seconds[1][0], metres[0][1]) == (1500, 1000, 10_000)


@pytest.mark.parametrize(("units", "verbose"), [("kilometers", True), ("miles", False), ("miles", True)])
async def test_valhalla_may_answer_in_miles_and_at_length(stand_in: RoadServer, units: str, verbose: bool) -> None:
    stand_in.units, stand_in.verbose = units, verbose
    await roads.start("valhalla", stand_in.url, profile="truck")
    seconds, metres = await asked(TOWN)
    assert seconds == ways(TOWN)[0]
    assert all(
        abs(one - other) <= 1
        for a, b in zip(metres, ways(TOWN)[1], strict=True)
        for one, other in zip(a, b, strict=True)
    )
    assert stand_in.bodies[0]["costing"] == "truck"


async def test_what_is_known_is_not_asked_for_again_also_after_a_restart(stand_in: RoadServer) -> None:
    for _ in range(2):
        await roads.start("osrm", stand_in.url)
        before = counted("truckroll_road_ways_total", 'source="kept"')
        for _ in range(2):
            assert await asked(TOWN) == ways(TOWN)
    assert stand_in.requests == [("table", 3, 3)]
    assert counted("truckroll_road_ways_total", 'source="kept"') == before + 12
    await asked([*TOWN, Point(50.3, 8.3)])
    # One new place: from everywhere to it, and from it to everywhere.
    assert stand_in.requests[1:] == [("table", 3, 1), ("table", 1, 4)]
    assert await RoadRow.all().count() == 4


async def test_each_profile_has_ways_of_its_own(stand_in: RoadServer) -> None:
    for profile in ("driving", "bike"):
        await roads.start("osrm", stand_in.url, profile=profile)
        await asked(TOWN)
    assert len(stand_in.requests) == 2


async def test_old_answers_are_asked_for_again_and_then_deleted(
    stand_in: RoadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await roads.start("osrm", stand_in.url, days=7)
    await asked(TOWN)
    now = rows.today()
    monkeypatch.setattr(rows, "today", lambda: now + 7)
    await asked(TOWN)
    assert len(stand_in.requests) == 1
    monkeypatch.setattr(rows, "today", lambda: now + 8)
    await asked(TOWN)
    assert len(stand_in.requests) == 2
    assert await forget_old_rows(7) == 0
    await RoadRow.filter(id__contains=str(SOUTH.key)).update(asked_at=utc_now() - timedelta(days=8))
    assert await forget_old_rows(7) == 1
    assert await forget_old_rows(7, rows_max=1) == 1
    assert await RoadRow.all().count() == 1


async def test_nothing_is_kept_for_no_days(stand_in: RoadServer) -> None:
    await roads.start("osrm", stand_in.url, days=0)
    await asked(TOWN)
    await asked(TOWN)
    assert len(stand_in.requests) == 2
    assert await RoadRow.all().count() == 0


async def test_ways_are_kept_on_every_database(database: Dialect) -> None:
    day = rows.today()
    first, second = (rows.KnownRoads("osrm:driving", days=1) for _ in range(2))
    await first.keep({1: {2: (10, 100, day)}, 2: {1: (20, 200, day)}})
    await second.keep({1: {3: (30, UNKNOWN, day)}})
    found = await rows.KnownRoads("osrm:driving", days=1).find([1, 2, 3])
    assert {key: row.ways() for key, row in found.items()} == {
        1: {2: (10, 100, day), 3: (30, UNKNOWN, day)},
        2: {1: (20, 200, day)},
    }
    assert await rows.KnownRoads("osrm:bike", days=1).find([1]) == {}
    assert await forget_old_rows(1, rows_max=1) == 1


async def test_memory_holds_a_bounded_number_of_ways(stand_in: RoadServer) -> None:
    known = rows.KnownRoads("osrm:driving", days=1, ways_max=10)
    day = rows.today()
    await known.keep({origin: dict.fromkeys(range(4), (1, 1, day)) for origin in range(5)})
    assert len(known) == 8
    found = await known.find(range(5))
    assert {origin: len(row) for origin, row in found.items()} == dict.fromkeys(range(5), 4)
    assert len(known) == 8


async def test_places_at_the_same_door_are_one_place(stand_in: RoadServer) -> None:
    await roads.start("osrm", stand_in.url)
    beside = Point(SOUTH.latitude + 0.00001, SOUTH.longitude)
    seconds, _ = await asked([SOUTH, beside, NORTH])
    assert seconds == [[0, 0, 1500], [0, 0, 1500], [1000, 1000, 0]]
    assert stand_in.requests == [("table", 2, 2)]
    assert await asked([]) == ([], [])
    assert await asked([SOUTH]) == ([[0]], [[0]])


@pytest.mark.parametrize("kind", KINDS)
async def test_large_tables_come_in_blocks_some_at_a_time(stand_in: RoadServer, kind: str) -> None:
    stand_in.pause_seconds = 0.01
    await roads.start(kind, stand_in.url, places_max=4, concurrency=3)
    points = [Point(50 + number / 100, 8 + number / 50) for number in range(10)]
    assert await asked(points) == ways(points)
    assert sorted(stand_in.requests) == sorted(("table", a, b) for a in (4, 4, 2) for b in (4, 4, 2))
    assert stand_in.under_way_most == 3


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_allows_less_is_asked_for_less(stand_in: RoadServer, kind: str) -> None:
    stand_in.table_max = 3
    await roads.start(kind, stand_in.url, places_max=8)
    points = [Point(50 + number / 100, 8.0) for number in range(8)]
    assert await asked(points) == ways(points)
    stand_in.requests.clear()
    await asked([Point(51 + number / 100, 8.0) for number in range(8)])
    assert max(max(a, b) for _, a, b in stand_in.requests) <= 4


@pytest.mark.parametrize("kind", KINDS)
async def test_places_without_a_way_are_unknown_and_only_they(stand_in: RoadServer, kind: str) -> None:
    await roads.start(kind, stand_in.url)
    before = counted("truckroll_road_ways_total", 'source="estimate"')
    points = [*TOWN, ISLAND, Point(61.1, 8.0), POLE]
    seconds, metres = await asked(points)
    wanted = ways(points)
    for at in range(5):
        for rows_of in wanted:
            rows_of[at][5] = rows_of[5][at] = UNKNOWN
    assert (seconds, metres) == wanted
    assert counted("truckroll_road_ways_total", 'source="estimate"') == before + 2 * (3 * 2 + 5)
    # That there is no way is known now, too.
    stand_in.requests.clear()
    assert await asked(points) == wanted
    assert stand_in.requests == []


@pytest.mark.parametrize(
    "no", ['{"code":"NoTable","message":"No table found"}', '{"code":"NoSegment","message":"Could not find"}']
)
async def test_a_single_no_is_divided_until_it_is_none(stand_in: RoadServer, no: str) -> None:
    await roads.start("osrm", stand_in.url)
    stand_in.faults = [no]
    seconds, _ = await asked(TOWN)
    if "NoTable" in no:
        assert seconds == ways(TOWN)[0]
    else:
        assert seconds[0][1] == UNKNOWN


@pytest.mark.parametrize(
    "fault",
    ["busy", "500", "502", "503", "504", "drop", "cut off", "not json", "not a table", "a number that cannot be"],
)
@pytest.mark.parametrize("kind", KINDS)
async def test_one_failure_is_tried_again(stand_in: RoadServer, kind: str, fault: str) -> None:
    if kind == "valhalla" and fault == "a number that cannot be":
        pytest.skip("its zeros are whole numbers")
    await roads.start(kind, stand_in.url)
    stand_in.faults = [fault]
    assert await asked(TOWN) == ways(TOWN)
    assert len(stand_in.requests) == 2


@pytest.mark.parametrize("fault", ["500", "busy", "not json", "drop"])
async def test_a_server_that_stays_away_is_left_alone_and_tried_later(stand_in: RoadServer, fault: str) -> None:
    await roads.start("osrm", stand_in.url, concurrency=1, places_max=2)
    stand_in.always = fault
    seconds, _ = await asked(TOWN)
    assert seconds == [[0, UNKNOWN, UNKNOWN], [UNKNOWN, 0, UNKNOWN], [UNKNOWN, UNKNOWN, 0]]
    # Three tries for the first of four blocks, none for the others.
    assert len(stand_in.requests) == 3
    await asked(TOWN)
    assert len(stand_in.requests) == 3
    stand_in.always = ""
    await asyncio.sleep(0.25)
    assert await asked(TOWN) == ways(TOWN)


async def test_what_was_told_before_the_failure_counts(stand_in: RoadServer) -> None:
    await roads.start("osrm", stand_in.url, concurrency=1, places_max=2)
    stand_in.faults = ["", *["500"] * 50]
    seconds, _ = await asked(TOWN)
    assert seconds[0][1] == 1500 and seconds[0][2] == UNKNOWN
    stand_in.faults = []
    await roads.start("osrm", stand_in.url, places_max=2)
    stand_in.requests.clear()
    assert await asked(TOWN) == ways(TOWN)
    assert ("table", 2, 2) not in stand_in.requests


@pytest.mark.parametrize(
    "fault",
    [
        '{"code":"InvalidValue","message":"Number of bearings does not match"}',
        '{"code":"InvalidUrl"}',
        "not found",
        "come back much later",
    ],
)
async def test_a_no_that_will_not_change_is_not_tried_again(stand_in: RoadServer, fault: str) -> None:
    await roads.start("osrm", stand_in.url)
    stand_in.faults = [fault]
    seconds, _ = await asked(TOWN)
    assert seconds[0][1] == UNKNOWN
    assert len(stand_in.requests) == 1


async def test_a_wrong_costing_is_not_tried_again(stand_in: RoadServer) -> None:
    await roads.start("valhalla", stand_in.url, profile="driving")
    assert (await asked(TOWN))[0][0][1] == UNKNOWN
    assert len(stand_in.bodies) == 1


async def test_a_slow_server_is_waited_for_as_long_as_said_and_no_longer(stand_in: RoadServer) -> None:
    await roads.start("osrm", stand_in.url, timeout_seconds=0.1)
    stand_in.always = "slow"
    started = time.monotonic()
    assert (await asked(TOWN))[0][0][1] == UNKNOWN
    assert 0.3 <= time.monotonic() - started < 2
    await roads.start("osrm", stand_in.url, timeout_seconds=5)
    started = time.monotonic()
    assert (await asked(TOWN, seconds=0.1))[0][0][1] == UNKNOWN
    assert time.monotonic() - started < 1
    stand_in.always = ""


async def test_who_no_longer_waits_leaves_no_request_behind(stand_in: RoadServer) -> None:
    await roads.start("osrm", stand_in.url, concurrency=1)
    stand_in.always = "slow"
    task = asyncio.create_task(asked(TOWN))
    while not stand_in.requests:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await RoadRow.all().count() == 0
    stand_in.always = ""
    assert await asked(TOWN) == ways(TOWN)


async def test_of_many_who_ask_after_a_rest_one_tries() -> None:
    now = 0.0
    circuit = Circuit("it", seconds_min=10, seconds_max=10, clock=lambda: now)
    assert circuit.may_ask(5) and circuit.may_ask(5)
    circuit.failed(Away("gone"))
    assert not circuit.may_ask(5)
    now = 11.0
    assert [circuit.may_ask(5) for _ in range(3)] == [True, False, False]
    now = 17.0
    assert [circuit.may_ask(5) for _ in range(2)] == [True, False]
    circuit.answered()
    assert [circuit.may_ask(5) for _ in range(2)] == [True, True]


@pytest.mark.parametrize(
    ("asked_for", "silent", "wait"), [(30.0, 29.9, 30.0), (3600.0, 599.9, 600.0), (None, 0.7, 1.0)]
)
async def test_a_server_is_left_alone_for_as_long_as_it_asks_within_reason(
    asked_for: float | None, silent: float, wait: float
) -> None:
    now = 0.0
    circuit = Circuit("it", seconds_min=1, seconds_max=10, clock=lambda: now)
    circuit.failed(Away("busy", asked_for))
    now = silent
    assert not circuit.may_ask(5)
    now = wait
    assert circuit.may_ask(5)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_route_has_lines_leg_by_leg(stand_in: RoadServer, kind: str) -> None:
    await roads.start(kind, stand_in.url)
    legs = await roads.route([SOUTH, Point(50.1, 8.2), NORTH], seconds=5)
    assert legs is not None and None not in legs
    assert [(leg.seconds, leg.metres) for leg in legs if leg] == [(4500, 30_000), (2000, 20_000)]
    assert legs[0] and legs[0].line == ((8.0, 50.0), (8.2, 50.0), (8.2, 50.1))
    assert legs[1] and legs[1].line[0] == (8.2, 50.1) and legs[1].line[-1] == (8.0, 50.1)


@pytest.mark.parametrize("kind", KINDS)
async def test_of_a_route_only_the_leg_without_a_way_is_unknown(stand_in: RoadServer, kind: str) -> None:
    await roads.start(kind, stand_in.url)
    legs = await roads.route([SOUTH, NORTH, ISLAND, Point(61.1, 8.0)], seconds=5)
    assert legs is not None and [leg is not None for leg in legs] == [True, False, True]
    stand_in.always = "500"
    assert await roads.route(TOWN, seconds=5) == [None, None]


async def test_a_long_route_comes_in_parts(stand_in: RoadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "ROUTE_POINTS_MAX", 3)
    await roads.start("osrm", stand_in.url)
    points = [Point(50 + number / 100, 8.0) for number in range(6)]
    legs = await roads.route(points, seconds=5)
    assert legs is not None and [leg and leg.metres for leg in legs] == [1000] * 5
    assert stand_in.requests == [("route", 3, 1), ("route", 3, 1), ("route", 2, 1)]


async def test_without_a_server_nothing_is_known() -> None:
    await roads.start(None, None)
    assert not roads.is_on()
    assert await roads.table(TOWN, seconds=1) is None
    assert await roads.route(TOWN, seconds=1) is None


async def test_a_path_and_a_key_of_the_address_are_sent_along(stand_in: RoadServer) -> None:
    await roads.start("osrm", f"{stand_in.url}/?key=secret")
    assert await asked(TOWN) == ways(TOWN)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_probe_says_what_is_wrong_and_nothing_of_what_is_right(stand_in: RoadServer, kind: str) -> None:
    await roads.start(None, None)
    assert await roads.probe() is None
    await roads.start(kind, stand_in.url)
    assert await roads.probe() is None
    stand_in.faults = ['{"code":"NoSegment","error_code":171,"message":"nothing near"}']
    assert await roads.probe() is None
    stand_in.faults = ["not found"]
    assert await roads.probe() == "HTTP 404"
    await roads.start(kind, "http://127.0.0.1:1")
    assert await roads.probe() == "ConnectError"


numbers = st.integers(-(2**31), 2**31 - 1)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.integers(0, 2**62), st.tuples(numbers, numbers, numbers), max_size=20))
def test_a_row_is_the_same_after_packing(ways_of: dict[int, tuple[int, int, int]]) -> None:
    row = Row().with_ways(ways_of)
    assert Row.unpack(row.pack()).ways() == row.ways() == ways_of
    assert len(Row.unpack(row.pack()[:-1] if ways_of else b"")) == 0


def test_a_long_row_forgets_its_oldest_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "WAYS_PER_ROW_MAX", 2)
    row = Row().with_ways({1: (1, 1, 5), 2: (2, 2, 7), 3: (3, 3, 6)})
    assert set(row.ways()) == {2, 3}


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(
        st.integers(0, 30), st.lists(st.integers(0, 30), unique=True, max_size=12).map(sorted), max_size=30
    ),
    st.integers(1, 7),
)
def test_blocks_cover_what_is_missing_and_are_small(missing: dict[int, list[int]], places_max: int) -> None:
    blocks = blocks_of(missing, places_max)
    covered = {(a, b) for block in blocks for a in block.sources for b in block.targets}
    assert covered >= {(source, target) for source, targets in missing.items() for target in targets}
    assert all(0 < len(block.sources) <= places_max and 0 < len(block.targets) <= places_max for block in blocks)
    assert sum(map(len, blocks)) == len(covered)


coordinates = st.tuples(
    st.integers(-180_000_000, 180_000_000).map(lambda one: one / 1e6),
    st.integers(-90_000_000, 90_000_000).map(lambda one: one / 1e6),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(coordinates, max_size=12).map(tuple))
def test_a_line_is_the_same_after_encoding(line: tuple[tuple[float, float], ...]) -> None:
    text = lines.encode(line)
    assert lines.decode(text) == line
    if text:
        with pytest.raises(Away):
            lines.decode(text[:-1] + chr(ord(text[-1]) + 32))


def test_the_line_of_the_format_s_own_example() -> None:
    assert lines.decode("_p~iF~ps|U_ulLnnqC_mqNvxq`@", digits=5) == (
        (-120.2, 38.5),
        (-120.95, 40.7),
        (-126.453, 43.252),
    )
    with pytest.raises(Away):
        lines.decode("_p~iF~ps|U_ulL", digits=5)


_NAMES = (
    "code durations distances routes legs steps geometry duration distance message error_code error "
    "sources_to_targets trip units shape summary time length"
)
_ANSWERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["Ok", "km", "??", "a\n"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(_NAMES.split()), inner, min_size=1, max_size=5)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(answer=_ANSWERS, inside=_ANSWERS, provider=st.sampled_from([Osrm("driving"), Valhalla("auto")]))
def test_whatever_a_server_says_is_an_answer_or_a_road_problem(
    answer: object, inside: object, provider: Provider
) -> None:
    wrapped = {"code": "Ok", "routes": [inside], "trip": inside, "sources_to_targets": inside, "durations": inside}
    for told in (answer, wrapped):
        for read in (lambda told: provider.read_table(200, told, 1, 1), lambda told: provider.read_route(200, told, 1)):
            try:
                read(told)
            except RoadProblem:
                continue
