"""The controls of the histories: the same checks pass on servers that are whole, and fail on such as are broken on purpose."""

import asyncio

import pytest

from tests.faults.live import chronicle
from tests.faults.live.hearers import Poller, StreamHearer
from tests.faults.live.stage import Stage, broken
from tests.faults.live.writers import Writer

pytestmark = [pytest.mark.slow, pytest.mark.fault]

PATIENCE_SECONDS = 2.0
READY_SECONDS = 20.0
MUTATION_SECONDS_MAX = 1.9


async def while_redis_is_away(stage: Stage) -> list[str]:
    """What is wrong with what is heard on one server of what is done on the other while Redis is away."""
    assert stage.company.customer
    start = await stage.now()
    hearers = [stage.hearer(who, "workOrder", start, at=1) for who in (stage.company.office[0], stage.company.customer)]
    async with chronicle.following(hearers):
        writer = Writer(0, stage.company, [stage.urls[0]])
        await writer.write(1)
        assert await stage.complaints(hearers, patience_seconds=READY_SECONDS) == []
        await stage.redis.stop()
        try:
            await writer.write(8)
            return await stage.complaints(hearers, patience_seconds=PATIENCE_SECONDS)
        finally:
            await stage.redis.start()


async def while_connections_drop(stage: Stage) -> list[str]:
    """What is wrong with what those hear whose connection breaks after every third event."""
    assert stage.company.customer and stage.company.technician
    start = await stage.now()
    whoever = (stage.company.office[0], stage.company.customer, stage.company.technician)
    hearers = [
        stage.hearer(who, noun, start, drops_after=3) for who in whoever for noun in ("workOrder", "appointment")
    ]
    hearers.append(stage.hearer(whoever[1], "workOrder", start, kind=StreamHearer, drops_after=3))
    async with chronicle.following(hearers):
        await asyncio.gather(*(Writer(number, stage.company, stage.urls).write(16) for number in range(2)))
        return await stage.complaints(hearers, patience_seconds=PATIENCE_SECONDS)


async def while_many_write(stage: Stage) -> list[str]:
    """What is wrong with what is heard of what eight writers do at once."""
    start = await stage.now()
    office = stage.company.office[0]
    hearers = [stage.hearer(office, "workOrder", start, at=number) for number in range(2)]
    hearers.append(stage.hearer(office, "workOrder", start, kind=Poller))
    async with chronicle.following(hearers):
        await asyncio.gather(*(Writer(number, stage.company, stage.urls).write(4) for number in range(8)))
        return await stage.complaints(hearers, patience_seconds=PATIENCE_SECONDS)


async def slowest_while_redis_is_paused(stage: Stage) -> float:
    """How many seconds the slowest command takes whose hint nobody takes."""
    writer = Writer(0, stage.company, stage.urls)
    stage.redis.pause()
    try:
        await writer.write(1)
    finally:
        stage.redis.go_on()
    return max(attempt.seconds for attempt in writer.attempts)


async def test_whole_servers_pass_each_check(breakable: Stage) -> None:
    assert await while_redis_is_away(breakable) == []
    assert await while_connections_drop(breakable) == []
    assert await while_many_write(breakable) == []
    assert await slowest_while_redis_is_paused(breakable) < MUTATION_SECONDS_MAX


async def test_a_server_that_only_waits_for_hints_misses_what_happens_without_redis(breakable: Stage) -> None:
    with broken(breakable, "hints alone"):
        said = await while_redis_is_away(breakable)
    assert len(said) == 2 and all(" misses " in one for one in said), said


@pytest.mark.parametrize(("how", "says"), [("forgets cursors", "misses"), ("repeats itself", "repeats")])
async def test_a_server_that_resumes_elsewhere_than_at_the_cursor_misses_or_repeats(
    breakable: Stage, how: str, says: str
) -> None:
    with broken(breakable, how):
        said = await while_connections_drop(breakable)
    assert any(f" {says} " in one for one in said), said


async def test_a_server_that_does_not_judge_who_listens_tells_customers_and_technicians_what_is_not_for_them(
    breakable: Stage,
) -> None:
    with broken(breakable, "tells everybody"):
        said = await while_connections_drop(breakable)
    assert {one.partition(" ")[0] for one in said if "is told what is not for them" in one} == {
        "carla@breakable.example",
        "theo@breakable.example",
    }


async def test_facts_that_are_numbered_before_they_are_committed_are_missed_or_leave_a_gap_that_is_noticed(
    breakable: Stage,
) -> None:
    with broken(breakable, "numbers before commit"):
        said = await while_many_write(breakable)
    assert any(" misses " in one or "RESYNC_REQUIRED" in one for one in said), said


async def test_commands_that_wait_for_redis_take_as_long_as_it_is_away(breakable: Stage) -> None:
    with broken(breakable, "waits for Redis"):
        assert await slowest_while_redis_is_paused(breakable) > MUTATION_SECONDS_MAX
