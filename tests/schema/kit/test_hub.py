"""The hub: who hears the same is told together, and everybody hears each fact once, in order, whenever they come or go."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from app import database as db
from app.infrastructure import broadcast, journal, metrics, tail
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.permissions import Permission
from schema.kit import Context
from schema.kit.execution import core_of
from schema.kit.limits import GraphQLRequest
from schema.kit.live import groups, telling
from schema.kit.live import hub as hub_module
from schema.kit.live.groups import Member
from schema.kit.live.outbox import BYTES_MAX, MESSAGES_MAX, Outbox, Parts, TaskWire
from schema.kit.live.telling import Teller
from schema.kit.service import GraphQLService
from tests.schema.kit import scratch_api
from tests.schema.kit import scratch_models as models
from tests.schema.kit.conftest import CUSTOMER, MANAGER, ORGANIZATION, STRANGER
from tests.schema.kit.scratch_api import rename_job
from tests.schema.listening import Ear

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB, OTHER = "job_01jd0000000000000000000001", "job_01jd0000000000000000000002"
CHANGED = "subscription ($after: String) { heard: scratchJobChanged(after: $after) { cursor fact job { title } } }"
RENAMED = 'subscription ($after: String, $begins: String! = "") { heard: scratchRenamed(after: $after, begins: $begins) { cursor } }'
CARELESS = "subscription { heard: scratchCareless { jobId } }"
TITLES = "subscription { heard: scratchTitles { jobId title removed } }"
SECONDS = 10


class Hearer:
    """Somebody who hears one subscription; ``actor`` is who they are at the moment."""

    def __init__(self, service: GraphQLService, actor: Actor) -> None:
        self.service = service
        self.actor = actor
        self.ear = Ear()
        self.member: Member | None = None

    async def hear(self, document: str, **variables: Any) -> "Hearer":
        request = GraphQLRequest(document, None, variables)
        self.member = await self.service.open(request, lambda: Context(self.actor), self.ear)
        return self

    async def answer(self) -> dict[str, Any] | None:
        told = await asyncio.wait_for(self.ear.answers.get(), SECONDS)
        return told[0] if told is not None else None

    async def event(self) -> Any:
        answer = await self.answer()
        assert answer is not None and "errors" not in answer, answer
        return answer["data"]["heard"]

    async def seqs(self, number: int) -> list[int]:
        """The places of the next so many events."""
        return [journal.seq_of((await self.event())["cursor"], self.actor.organization_id) for _ in range(number)]

    def has_nothing(self) -> bool:
        return self.ear.answers.empty()

    def leave(self) -> None:
        assert self.member is not None
        self.member.leave()


@pytest_asyncio.fixture(loop_scope="session")
async def service(scratch: Dialect, schema: Any) -> AsyncIterator[GraphQLService]:
    for id in (JOB, OTHER):
        row = models.Job(id=id, title="old", organization_id=ORGANIZATION, created_at=NOON, updated_at=NOON)
        await row.save(force_create=True)
    scratch_api.CALLS.clear()
    await broadcast.start("memory://", channel="test")
    service = GraphQLService(schema, introspection="everybody", once=frozenset())
    try:
        yield service
    finally:
        await service.hub.stop()
        await tail.stop()
        await broadcast.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


# Groups


async def test_who_asks_the_same_is_told_the_same_bytes_that_were_made_once(service: GraphQLService) -> None:
    others = [replace(MANAGER, id=f"usr_{number}") for number in range(5)]
    hearers = [await Hearer(service, actor).hear(RENAMED, after=journal.cursor_at(ORGANIZATION, 0)) for actor in others]
    hearers.append(await Hearer(service, MANAGER).hear(RENAMED))
    await until(lambda: all(one.member is not None and one.member.task is None for one in hearers))
    assert service.hub.size() == (1, 6)
    await rename_job(MANAGER, JOB, "new")
    assert [await one.seqs(1) for one in hearers] == [[1]] * 6
    assert scratch_api.CALLS == [("Viewers", []), ("Viewers", [JOB])]
    assert all(one.has_nothing() for one in hearers)


async def test_the_figures_tell_groups_members_what_was_made_and_what_was_sent(service: GraphQLService) -> None:
    def figures() -> dict[str, float]:
        lines = (line.split() for line in metrics.render().decode().splitlines() if line.startswith("truckroll_"))
        return {name: float(value) for name, value in lines if "{" not in name}

    hearers = [await Hearer(service, MANAGER).hear(RENAMED) for _ in range(3)]
    await until(lambda: all(one.member is not None and one.member.task is None for one in hearers))
    before = figures()
    assert (before["truckroll_live_groups"], before["truckroll_subscriptions_open"]) == (1, 3)
    await rename_job(MANAGER, JOB, "new")
    assert [await one.seqs(1) for one in hearers] == [[1]] * 3
    after = figures()
    counted = ("truckroll_live_events_made_total", "truckroll_live_deliveries_total")
    assert [after[name] - before[name] for name in counted] == [1, 3]


async def test_other_words_variables_rights_and_companies_are_other_groups(service: GraphQLService) -> None:
    fewer = replace(MANAGER, permissions=MANAGER.permissions - {Permission.VIEW_INTERNAL_NOTES})
    for actor, document, variables in (
        (MANAGER, RENAMED, {}),
        (MANAGER, RENAMED, {"begins": "x"}),
        (MANAGER, RENAMED + " ", {}),
        (fewer, RENAMED, {}),
        (STRANGER, RENAMED, {}),
    ):
        await Hearer(service, actor).hear(document, **variables)
    assert service.hub.size() == (5, 5)


async def test_each_sees_of_a_row_what_the_own_rights_show(service: GraphQLService) -> None:
    fewer = replace(MANAGER, permissions=MANAGER.permissions - {Permission.VIEW_INTERNAL_NOTES})
    all, some, nobody = [await Hearer(service, actor).hear(CHANGED) for actor in (MANAGER, fewer, STRANGER)]
    await models.Job.filter(id=JOB).update(is_secret=True)
    await rename_job(MANAGER, JOB, "secret")
    await rename_job(MANAGER, OTHER, "open")
    assert [(await all.event())["job"] for _ in range(2)] == [{"title": "secret"}, {"title": "open"}]
    assert [(await some.event())["job"] for _ in range(2)] == [None, {"title": "open"}]
    assert nobody.has_nothing()


async def test_what_turns_out_to_be_personal_is_made_for_each_alone_and_nothing_is_lost(
    service: GraphQLService,
) -> None:
    other = replace(MANAGER, id="usr_other")
    mine, theirs = await Hearer(service, MANAGER).hear(CARELESS), await Hearer(service, other).hear(CARELESS)
    assert service.hub.size() == (1, 2)
    with capture_logs() as lines:
        await rename_job(other, OTHER, "theirs")
        await rename_job(MANAGER, JOB, "mine")
        assert [(await mine.event())["jobId"], (await theirs.event())["jobId"]] == [JOB, OTHER]
    assert [line["event"] for line in lines] == ["a subscription is not shared"]
    assert service.hub.size() == (2, 2)
    assert mine.has_nothing() and theirs.has_nothing()


async def test_nobody_is_left_behind_by_who_leaves(service: GraphQLService) -> None:
    hearers = [await Hearer(service, MANAGER).hear(CHANGED) for _ in range(3)]
    hearers[0].leave()
    await rename_job(MANAGER, JOB, "new")
    assert [await one.seqs(1) for one in hearers[1:]] == [[1], [1]]
    for one in hearers[1:]:
        one.leave()
    assert service.hub.size() == (0, 0)
    await until(lambda: tail._tail.listeners == 0)
    assert hearers[0].has_nothing()


# Catching up


async def test_whoever_comes_at_whatever_moment_hears_each_fact_once_and_in_order(service: GraphQLService) -> None:
    total, chance = 150, random.Random(4)
    hearers: list[tuple[int, Hearer]] = []

    async def write() -> None:
        for number in range(total):
            await rename_job(MANAGER, JOB if number % 2 else OTHER, str(number))
            await asyncio.sleep(0)

    async def come_and_go() -> None:
        while await journal.head(ORGANIZATION) < total:
            start = chance.randint(0, await journal.head(ORGANIZATION))
            hearer = await Hearer(service, MANAGER).hear(CHANGED, after=journal.cursor_at(ORGANIZATION, start))
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() * 0.02)
                hearer.leave()
            else:
                hearers.append((start, hearer))
            await asyncio.sleep(chance.random() * 0.01)

    await asyncio.gather(write(), *(come_and_go() for _ in range(3)))
    assert len(hearers) > 5
    for start, hearer in hearers:
        assert await hearer.seqs(total - start) == list(range(start + 1, total + 1))
        assert hearer.has_nothing()


async def test_who_catches_up_waits_until_what_was_told_has_left(service: GraphQLService) -> None:
    for number in range(300):
        await rename_job(MANAGER, JOB, str(number))
    hearer = Hearer(service, MANAGER)
    gate = asyncio.Event()
    hearer.ear.room = gate.wait  # type: ignore[method-assign,assignment]  # a client who does not read
    await hearer.hear(CHANGED, after=journal.cursor_at(ORGANIZATION, 0))
    await asyncio.sleep(0.2)
    assert hearer.ear.answers.qsize() == 100
    gate.set()
    assert await hearer.seqs(300) == list(range(1, 301))


async def test_changed_roles_move_a_hearer_without_a_gap(service: GraphQLService) -> None:
    hearer, fewer = await Hearer(service, MANAGER).hear(CHANGED), frozenset({Permission.VIEW_WORK_ORDERS})
    await rename_job(MANAGER, JOB, "1")
    assert await hearer.seqs(1) == [1]
    hearer.actor = replace(MANAGER, permissions=fewer)
    assert hearer.member is not None
    hearer.member.recheck()
    for title in "23":
        await rename_job(MANAGER, JOB, title)
    assert await hearer.seqs(2) == [2, 3]
    hearer.actor = replace(MANAGER, permissions=frozenset())
    hearer.member.recheck()
    refused = await hearer.answer()
    assert refused is not None and refused["errors"][0]["extensions"]["code"] == "NOT_PERMITTED"
    assert await hearer.answer() is None
    await rename_job(MANAGER, JOB, "4")
    assert hearer.has_nothing() and service.hub.size() == (0, 0)


@pytest.mark.parametrize("error", [db.ConnectionLost, db.Busy])
async def test_a_database_that_is_away_while_events_are_made_delays_them_and_loses_none(
    service: GraphQLService, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    hearer = await Hearer(service, MANAGER).hear(CHANGED)
    read_many, tries = telling.read_many, 0

    async def away_at_first(*arguments: Any) -> list[Any]:
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise error
        return await read_many(*arguments)

    monkeypatch.setattr(telling, "read_many", away_at_first)
    with capture_logs():
        for number in range(3):
            await rename_job(MANAGER, JOB, str(number))
        assert await hearer.seqs(3) == [1, 2, 3]
    assert tries > 2


async def test_a_bug_ends_the_subscription_with_a_reference_and_spares_the_others(
    service: GraphQLService, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, whole = await Hearer(service, MANAGER).hear(RENAMED), await Hearer(service, MANAGER).hear(CHANGED)
    monkeypatch.setattr(scratch_api, "find_rows", None)
    with capture_logs():
        await rename_job(MANAGER, JOB, "new")
        told = await broken.answer()
    assert told is not None and [one["extensions"]["code"] for one in told["errors"]] == ["INTERNAL"]
    assert await broken.answer() is None
    assert await whole.seqs(1) == [1]
    assert service.hub.size() == (1, 1)


async def test_a_group_that_cannot_keep_up_goes_back_to_the_journal_and_holds_nobody_back(
    service: GraphQLService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "BACKLOG_MAX", 5)
    monkeypatch.setattr(groups, "BATCH_MAX", 2)
    monkeypatch.setattr(groups, "PAUSE_SECONDS", 0.2)
    slow, quick = await Hearer(service, MANAGER).hear(CHANGED), await Hearer(service, MANAGER).hear(RENAMED)
    for number in range(40):
        await rename_job(MANAGER, JOB, str(number))
    assert await slow.seqs(40) == list(range(1, 41))
    assert await quick.seqs(40) == list(range(1, 41))
    assert slow.has_nothing() and quick.has_nothing()


async def test_a_group_that_falls_behind_in_the_middle_of_a_batch_loses_nothing(
    service: GraphQLService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "BACKLOG_MAX", 5)
    monkeypatch.setattr(groups, "BATCH_MAX", 2)
    gate, read_many = asyncio.Event(), telling.read_many

    async def slowly(*arguments: Any) -> list[Any]:
        await gate.wait()
        return await read_many(*arguments)

    hearer = await Hearer(service, MANAGER).hear(CHANGED)
    await until(lambda: hearer.member is not None and hearer.member.task is None)
    monkeypatch.setattr(telling, "read_many", slowly)
    for number in range(20):
        await rename_job(MANAGER, JOB, str(number))
    await asyncio.sleep(0.1)
    gate.set()
    assert await hearer.seqs(20) == list(range(1, 21))
    assert hearer.has_nothing()


async def test_who_is_moved_while_others_are_told_misses_nothing(
    service: GraphQLService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "AT_ONCE", 1)
    hearers = [await Hearer(service, MANAGER).hear(CHANGED) for _ in range(4)]
    await until(lambda: all(one.member is not None and one.member.task is None for one in hearers))
    last = hearers[-1]

    def move(*_: Any) -> None:
        """Between the first and the last that are told."""
        last.actor = replace(MANAGER, permissions=frozenset({Permission.VIEW_WORK_ORDERS}))
        assert last.member is not None
        last.member.recheck()

    tell = hearers[0].ear.tell
    hearers[0].ear.tell = lambda *told: (tell(*told), move())  # type: ignore[method-assign,func-returns-value]
    await rename_job(MANAGER, JOB, "new")
    assert [await one.seqs(1) for one in hearers] == [[1]] * 4
    assert all(one.has_nothing() for one in hearers)


async def test_who_is_moved_while_catching_up_hears_nothing_twice(service: GraphQLService) -> None:
    for number in range(150):
        await rename_job(MANAGER, JOB, str(number))
    hearer, gate = Hearer(service, MANAGER), asyncio.Event()
    hearer.ear.room = gate.wait  # type: ignore[method-assign,assignment]
    await hearer.hear(CHANGED, after=journal.cursor_at(ORGANIZATION, 0))
    await until(lambda: hearer.ear.told == 100)
    hearer.actor = replace(MANAGER, permissions=frozenset({Permission.VIEW_WORK_ORDERS}))
    assert hearer.member is not None
    hearer.member.recheck()
    gate.set()
    assert await hearer.seqs(150) == list(range(1, 151))
    assert hearer.has_nothing()


async def test_who_leaves_while_catching_up_is_told_no_more_and_is_not_taken_in(service: GraphQLService) -> None:
    for number in range(150):
        await rename_job(MANAGER, JOB, str(number))
    hearer = Hearer(service, MANAGER)
    tell = hearer.ear.tell

    def overflow(*told: Any) -> None:
        tell(*told)
        hearer.leave()

    hearer.ear.tell = overflow  # type: ignore[method-assign,assignment]
    await hearer.hear(CHANGED, after=journal.cursor_at(ORGANIZATION, 0))
    await until(lambda: hearer.ear.told == 100)
    await asyncio.sleep(0.1)
    assert hearer.ear.told == 100 and service.hub.size() == (0, 0)


async def test_who_catches_up_and_does_not_read_keeps_nobody_from_catching_up(service: GraphQLService) -> None:
    for number in range(120):
        await rename_job(MANAGER, JOB, str(number))
    start, never = journal.cursor_at(ORGANIZATION, 0), asyncio.Event()
    for _ in range(hub_module.CATCHING_UP_MAX + 1):
        deaf = Hearer(service, MANAGER)
        deaf.ear.room = never.wait  # type: ignore[method-assign,assignment]
        await deaf.hear(CHANGED, after=start)
    hearer = await Hearer(service, MANAGER).hear(CHANGED, after=start)
    assert await hearer.seqs(120) == list(range(1, 121))


async def test_who_catches_up_pays_alone(service: GraphQLService) -> None:
    paid: dict[str, int] = {"old": 0, "new": 0}

    async def pay(who: str, points: int) -> None:
        paid[who] += points

    colleague = await Hearer(service, MANAGER).hear(CHANGED)
    assert colleague.member is not None
    colleague.member.pay = lambda points: pay("old", points)
    for number in range(40):
        await rename_job(MANAGER, JOB, str(number))
    await colleague.seqs(40)
    before = dict(paid)
    await asyncio.sleep(hub_module.MEMO_SECONDS)  # so that it is made anew
    late = Hearer(service, MANAGER)
    open_ = service._budgets.payer
    service._budgets.payer = lambda context: lambda points: pay("new", points)  # type: ignore[method-assign]
    await late.hear(CHANGED, after=journal.cursor_at(ORGANIZATION, 0))
    service._budgets.payer = open_  # type: ignore[method-assign]
    assert await late.seqs(40) == list(range(1, 41))
    assert paid["old"] == before["old"] and paid["new"] > 0


async def test_roles_that_change_while_a_subscription_begins_count(
    service: GraphQLService, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearer, head = Hearer(service, MANAGER), journal.head

    async def meanwhile(organization_id: str) -> int:
        hearer.actor = replace(MANAGER, permissions=MANAGER.permissions - {Permission.VIEW_INTERNAL_NOTES})
        return await head(organization_id)

    monkeypatch.setattr(journal, "head", meanwhile)
    await hearer.hear(CHANGED)
    await models.Job.filter(id=JOB).update(is_secret=True)
    await rename_job(MANAGER, JOB, "secret")
    assert (await hearer.event())["job"] is None


# States


async def test_who_comes_later_is_told_how_things_are_from_what_was_told_before(service: GraphQLService) -> None:
    first = await Hearer(service, MANAGER).hear(TITLES)
    assert sorted([(await first.event())["jobId"] for _ in range(2)]) == [JOB, OTHER]
    second = await Hearer(service, replace(MANAGER, id="usr_other")).hear(TITLES)
    assert sorted([(await second.event())["jobId"] for _ in range(2)]) == [JOB, OTHER]
    assert service.hub.size() == (1, 2) and first.has_nothing()
    await rename_job(MANAGER, JOB, "new")
    assert [(await one.event())["title"] for one in (first, second)] == ["new", "new"]


async def test_who_may_see_less_of_a_state_begins_anew(service: GraphQLService) -> None:
    hearer = await Hearer(service, MANAGER).hear(TITLES)
    for _ in range(2):
        await hearer.event()
    hearer.actor = replace(MANAGER, permissions=MANAGER.permissions - {Permission.VIEW_INTERNAL_NOTES})
    assert hearer.member is not None
    hearer.member.recheck()
    told = await hearer.answer()
    assert told is not None and told["errors"][0]["extensions"]["code"] == "RESYNC_REQUIRED"
    assert await hearer.answer() is None


# What is told


DOCUMENTS = [
    CHANGED,
    "subscription { heard: scratchJobChanged { __typename at x: cursor cursor jobId fact } }",
    "subscription ($no: Boolean! = false) { scratchJobChanged { job { id ...T } fact @include(if: $no) } } "
    "fragment T on ScratchJob { title __typename }",
    "subscription { scratchJobChanged { a: job { title } b: job { id } changes { field before after } } }",
    "subscription { scratchRenamed { jobId job { title } } }",
]


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("actor", [MANAGER, CUSTOMER], ids=["manager", "customer"])
async def test_events_told_together_are_what_the_executor_answers_for_each(
    service: GraphQLService, schema: Any, monkeypatch: pytest.MonkeyPatch, document: str, actor: Actor
) -> None:
    document = document.replace(
        "ScratchJob {",
        f"{core_of(schema).subscription_type.fields['scratchJobChanged'].type.of_type.fields['job'].type.name} {{",
    )  # type: ignore[union-attr]
    viewer = replace(actor, permissions=MANAGER.permissions)
    told: list[list[bytes]] = []

    async def both_ways(self: Teller, events: Any, viewer: Actor) -> list[bytes]:
        together = await self._together(events, Context(viewer))
        alone = [await self._alone(event, viewer, "") for event in events]
        told.append([*map(_plain, together)])
        told.append([*map(_plain, alone)])
        return together

    monkeypatch.setattr(Teller, "answers", both_ways)
    hearer = await Hearer(service, replace(viewer, customer_id=None, roles=MANAGER.roles)).hear(document)
    for id in (JOB, OTHER, JOB):
        await rename_job(MANAGER, id, f"new {id[-1]}")
    await until(lambda: hearer.ear.answers.qsize() == 3)
    together, alone = told[::2], told[1::2]
    assert together == alone and sum(map(len, together)) == 3


def _plain(payload: bytes) -> Any:
    return orjson.loads(payload)


# What waits


class Slow:
    """A wire that takes nothing while it is not read."""

    def __init__(self) -> None:
        self.on_ready: Callable[[], None] = lambda: None
        self.ready = True
        self.sent: list[bytes] = []

    def begin(self, on_ready: Callable[[], None]) -> None:
        self.on_ready = on_ready

    def write(self, messages: list[Parts]) -> None:
        self.sent.extend(b"".join(parts) for parts in messages)

    def framed(self, messages: list[Parts]) -> bytes:
        return b"|".join(b"".join(parts) for parts in messages)

    def write_framed(self, frames: bytes) -> None:
        self.sent.append(frames)

    def hang_up(self, code: int, reason: str) -> None:
        pass

    def read(self) -> None:
        self.ready = True
        self.on_ready()


class Box:
    def __init__(self) -> None:
        self.wire, self.overflows = Slow(), 0
        self.outbox = Outbox(self.wire, self._overflow)

    def _overflow(self) -> None:
        self.overflows += 1


def test_what_is_sent_leaves_at_once_while_the_client_reads() -> None:
    box = Box()
    box.outbox.put([(b"a", b"b"), (b"c",)])
    assert box.wire.sent == [b"ab", b"c"] and len(box.outbox) == 0


def test_what_waits_leaves_in_order_and_the_newest_of_a_kind_takes_the_place_of_the_older() -> None:
    box = Box()
    box.wire.ready = False
    box.outbox.put([(b"fact 1",)])
    box.outbox.put([(b"row a, old",), (b"row b",)], ["a", "b"])
    box.outbox.put([(b"fact 2",)])
    box.outbox.put([(b"row a, new",)], ["a"])
    assert box.wire.sent == []
    box.wire.read()
    assert box.wire.sent == [b"fact 1", b"row b", b"fact 2", b"row a, new"]
    assert box.overflows == 0 and len(box.outbox) == 0


def test_what_was_made_for_one_serves_all_who_read_and_nobody_else() -> None:
    first, second, slow, other = Box(), Box(), Box(), Box()
    slow.wire.ready = False
    made: list[str] = []

    def make() -> list[Parts]:
        made.append("made")
        return [(b"a",), (b"b",)]

    shared: dict[bytes, Any] = {}
    assert [box.outbox.put_shared(shared, b"1", make) for box in (first, second, slow)] == [True, True, False]
    assert other.outbox.put_shared(shared, b"2", make)
    assert (first.wire.sent, second.wire.sent, slow.wire.sent) == ([b"a|b"], [b"a|b"], [])
    assert first.wire.sent[0] is second.wire.sent[0] and made == ["made", "made"]
    first.outbox.close()
    assert not first.outbox.put_shared(shared, b"1", make)


@pytest.mark.parametrize(("size", "most"), [(1, MESSAGES_MAX), (BYTES_MAX // 4, 4)])
def test_more_than_may_wait_is_the_end_and_keeps_nothing(size: int, most: int) -> None:
    box = Box()
    box.wire.ready = False
    for _ in range(most):
        box.outbox.put([(b"x" * size,)])
    assert (len(box.outbox), box.overflows) == (most, 0)
    box.outbox.put([(b"x" * size,)])
    assert (len(box.outbox), box.overflows, box.outbox.closed) == (0, 1, True)
    box.outbox.put([(b"more",)])
    box.wire.read()
    assert box.wire.sent == [] and box.overflows == 1


def test_rows_that_change_all_the_time_never_fill_it() -> None:
    box = Box()
    box.wire.ready = False
    for number in range(10_000):
        box.outbox.put([(b"%d" % number,)], [str(number % 100)])
    assert (len(box.outbox), box.overflows) == (100, 0)
    box.wire.read()
    assert box.wire.sent == [b"%d" % number for number in range(9900, 10_000)]


def test_one_message_may_be_as_large_as_it_is() -> None:
    box = Box()
    box.wire.ready = False
    box.outbox.put([(b"x" * 3 * BYTES_MAX,)])
    assert box.overflows == 0


async def test_room_is_waited_for_and_given_up_when_it_is_closed() -> None:
    for end in (lambda box: box.wire.read(), lambda box: box.outbox.close()):
        box = Box()
        await box.outbox.room()
        box.wire.ready = False
        box.outbox.put([(b"x",)])
        waiting = asyncio.create_task(box.outbox.room())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        end(box)
        await asyncio.wait_for(waiting, 1)


async def test_a_wire_of_tasks_sends_one_after_another_and_outlives_a_client_who_goes() -> None:
    sent: list[bytes] = []
    gate = asyncio.Event()

    async def send(message: bytes) -> None:
        await gate.wait()
        if message == b"gone":
            raise RuntimeError
        sent.append(message)

    wire = TaskWire(send)
    outbox = Outbox(wire, lambda: None)
    for message in (b"1", b"2", b"3"):
        outbox.put([(message,)])
    assert not wire.ready and len(outbox) == 2
    gate.set()
    await wire.idle()
    assert sent == [b"1", b"2", b"3"] and wire.ready and len(outbox) == 0
    outbox.put([(b"gone",)])
    await wire.idle()
    assert wire.ready
    gate.clear()
    outbox.put([(b"4",)])
    await wire.end()
    assert sent == [b"1", b"2", b"3"]
