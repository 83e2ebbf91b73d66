"""Those who hear the same: what happens is read and encoded once for all of them, and each gets the same bytes.

A member who is behind catches up alone, from the journal, until nothing is left that the group has told already; then it
joins. So everybody hears each fact once, in order and without a gap, whatever moment they came at.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from app import database
from app.infrastructure import journal, metrics, tail
from app.infrastructure.journal import Entry
from app.infrastructure.loops import Outage
from app.kernel.actor import Actor
from app.kernel.errors import EnrollmentRequired, NotAuthenticated, Problem, ResyncRequired, Unavailable, blame
from schema.kit.live.audience import Personal, Scope, hears
from schema.kit.live.declaring import Facts, Live, Page, Pages, State, buckets_of
from schema.kit.live.telling import Teller

if TYPE_CHECKING:
    from schema.kit.live.hub import Feed

BATCH_MAX = 100
BACKLOG_MAX = 1000
BUSY_TRIES = 5
PAUSE_SECONDS = 0.05  # between two batches of a group while facts keep coming: the first is told at once
PAGES_PAUSE_SECONDS = 0.25
POINTS_MAX = 50  # what one hearer pays at most for a batch, so that a small budget pays for some of what there is
QUIET_SECONDS = 600.0  # after which an empty page is told, so that a cursor does not grow old
AT_ONCE = 100  # members that are told before others on the loop have their turn

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Told:
    """One event as its hearers get it. ``key``: what it is about, where the newest is enough."""

    seq: int
    cursor: str
    payload: bytes
    key: str | None = None


Shared = dict[bytes, Any]
"""What outlets made of the same events, for those who would make the same of them."""


class Outlet(Protocol):
    """Where a member's answers go: one operation on a socket, or a stream."""

    def tell(self, told: Sequence[Told], extra: bytes, shared: Shared | None = None) -> None:
        """Send events; ``extra`` is JSON to be put into the first answer. What is made of them for one may be ``shared``."""

    def finish(self, response: dict[str, Any] | None) -> None:
        """Send a last answer, if there is one, and say that there are no more."""

    async def room(self) -> None:
        """Wait until what was told has left."""


@dataclass(slots=True, eq=False)
class Asked:
    """What somebody subscribed to. Those with the same ``document`` key asked for the same in the same words."""

    live: Live
    document: str
    arguments: dict[str, Any]
    teller: Teller
    cost: float


class Member:
    """One subscription of one client."""

    __slots__ = ("asker", "debt", "extra", "group", "outlet", "pay", "place", "seq", "task")

    def __init__(
        self,
        outlet: Outlet,
        asker: Callable[[], Actor | None],
        pay: Callable[[int], Any] | None,
        extra: bytes,
    ) -> None:
        self.outlet = outlet
        self.asker = asker
        self.pay = pay
        self.extra = extra
        self.seq = 0
        self.place: str | None = None
        self.debt = 0.0
        self.group: Group | None = None
        self.task: asyncio.Task[None] | None = None

    def tell(self, told: Sequence[Told], shared: Shared | None = None) -> None:
        """Send events."""
        extra, self.extra = self.extra, b""
        self.outlet.tell(told, extra, shared)

    def leave(self) -> None:
        """Hear nothing more."""
        group, self.group = self.group, None
        if self.task is not None:
            self.task.cancel()
            self.task = None
        if group is not None:
            group.drop(self)

    def finish(self, response: dict[str, Any] | None) -> None:
        """Hear a last answer."""
        self.leave()
        self.outlet.finish(response)

    def recheck(self) -> None:
        """Look whether who listens may still hear this, and what of it; called when that may have changed."""
        if self.group is not None:
            self.group.recheck(self)


def admitted(live: Live, actor: Actor | None) -> Actor:
    """The actor who may hear a subscription, else the problem."""
    if actor is None:
        raise NotAuthenticated()
    if actor.must_enroll:
        raise EnrollmentRequired()
    if live.permission is not None:
        actor.require(live.permission)
    return actor


class Group:
    """Everybody who hears the same of one organization."""

    def __init__(self, feed: "Feed", asked: Asked, scope: Scope, viewer: Actor) -> None:
        self.feed = feed
        self.asked = asked
        self.scope = scope
        self.viewer = viewer
        self.members: dict[Member, None] = {}
        self.joining: dict[Member, None] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def live(self) -> Live:
        """What is subscribed to."""
        return self.asked.live

    @property
    def key(self) -> tuple[str, Scope]:
        """What makes it another group than others."""
        return self.asked.document, self.scope

    async def validate(self) -> None:
        """Raise what speaks against the arguments, before anything is told."""

    def add(self, member: Member) -> None:
        """Take somebody in who stands at ``member.seq``."""
        raise NotImplementedError

    def drop(self, member: Member) -> None:
        """Let somebody go, and end with the last of them."""
        self.members.pop(member, None)
        self.joining.pop(member, None)
        if not self.members and not self.joining:
            self.stop()
            self.feed.drop(self)

    def stop(self) -> None:
        """Make nothing more."""
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def recheck(self, member: Member) -> None:
        """Move a member whose rights have changed to where they belong now."""
        if self.live.is_open:
            return
        try:
            scope, viewer = self.feed.hub.viewer_of(self.asked, member.asker())
        except Problem as problem:
            member.finish(self.asked.teller.refusal(problem))
            return
        if scope != self.scope and scope[0] == self.scope[0]:
            self._move(member, scope, viewer)

    def _move(self, member: Member, scope: Scope, viewer: Actor) -> None:
        raise NotImplementedError

    def finish(self, problem: Exception) -> None:
        """End it for everybody."""
        response = self.asked.teller.refusal(problem)
        for member in [*self.members, *self.joining]:
            member.finish(response)

    def note(self, problem: Exception) -> None:
        """Log what is a bug of ours."""
        if not isinstance(problem, Problem) and not database.is_away(problem):
            log.error("a subscription failed", subscription=self.live.name, **blame(problem))

    async def deliver(self, told: Sequence[Told]) -> None:
        """Give everybody what they have not heard."""
        first, last = told[0].seq, told[-1].seq
        shared: Shared = {}
        for number, member in enumerate(list(self.members), 1):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            if member not in self.members:
                continue
            if member.seq < first:
                member.tell(told, shared)
            elif member.seq < last:
                member.tell([one for one in told if one.seq > member.seq])
            member.seq = max(member.seq, last)
        metrics.count_deliveries(len(told) * len(self.members))

    async def charge(self, events: int, hearers: Sequence[Member]) -> None:
        """Let those who hear pay for what is about to be made, each a part; who cannot, hears no more."""
        share = self.asked.cost * events / max(1, len(hearers))
        for member in hearers:
            if member.pay is not None:
                member.debt += share
                if member.debt >= self.feed.hub.debt_max:
                    await self.collect(member)

    async def collect(self, member: Member) -> None:
        """Take what somebody owes from their budget."""
        points, member.debt = int(member.debt), 0.0
        assert member.pay is not None
        try:
            await member.pay(points)
        except Problem as problem:
            member.finish({"errors": self.asked.teller.refusal(problem)["errors"]})

    async def patiently(self, make: Callable[[], Any]) -> Any:
        """What a function makes, tried again while the database is away."""
        outage = Outage(f"the database ({self.live.name})", seconds_max=5)
        while True:
            try:
                made = await make()
            except Exception as error:
                # What is unavailable may just take too long, and would for ever.
                is_busy = isinstance(error, Unavailable) and outage.failures < BUSY_TRIES
                if not (is_busy or database.is_away(error)):
                    raise
                await asyncio.sleep(outage.failed(error))
            else:
                outage.recovered()
                return made

    def go_on(self, work: Callable[[], Any]) -> None:
        """Have a task, unless there is one."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(work), name=f"live {self.live.name}")

    async def _run(self, work: Callable[[], Any]) -> None:
        me = asyncio.current_task()
        try:
            await work()
        except Personal as problem:
            if self._task is me:
                self._task = None
            self.feed.part(self, problem)
        except Exception as problem:  # noqa: BLE001  # told in any case: who hears nothing would wait for ever
            self.note(problem)
            self.finish(problem)
        finally:
            if self._task is me:
                self._task = None


class FactsGroup(Group):
    """A group that hears facts."""

    def __init__(self, feed: "Feed", asked: Asked, scope: Scope, viewer: Actor) -> None:
        super().__init__(feed, asked, scope, viewer)
        assert isinstance(asked.live, Facts)
        self.facts = asked.live
        self.buckets = asked.live.buckets(asked.arguments)
        self._pending: deque[Entry] = deque()
        self._current = 0
        self._batch_starts = 0
        self._left_to_the_journal = 0  # up to where facts were given up: whoever joins has read them there
        self._rests_until = 0.0

    @property
    def done(self) -> int:
        """Up to where everything has been told to the members."""
        if self._current:
            return max(self._current - 1, self._left_to_the_journal)
        return self._pending[0].seq - 1 if self._pending else self.feed.seq

    @property
    def floor(self) -> int:
        """Up to where every member has been told: while a batch is told, some have it and some do not yet."""
        return self._batch_starts - 1 if self._batch_starts else self.done

    def batch_max(self, hearers: Sequence[Member]) -> int:
        """How many facts are told at once."""
        if not hearers or hearers[0].pay is None:  # budgets are kept of all or of none
            return BATCH_MAX
        return max(1, min(BATCH_MAX, int(POINTS_MAX * len(hearers) / max(1.0, self.asked.cost))))

    async def validate(self) -> None:
        await self.facts.events_of(self.viewer, [], self.asked.arguments)

    def add(self, member: Member) -> None:
        member.group = self
        self.joining[member] = None
        member.task = asyncio.create_task(self._catch_up(member), name=f"live {self.live.name} catches up")

    def hand_over(self, entry: Entry) -> None:
        """Take a fact that is to be told. A group that cannot keep up reads the journal like one who comes late: it must
        neither hold back the others nor keep the facts of hours."""
        self._pending.append(entry)
        if len(self._pending) > BACKLOG_MAX:
            floor, late = self.floor, list(self.members)
            self._pending.clear()
            self._left_to_the_journal = entry.seq
            self.members.clear()
            for member in late:
                member.seq = max(member.seq, floor)
                self.add(member)
        else:
            self.go_on(self._work)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending and self.members:
            if (early := self._rests_until - loop.time()) > 0:
                await asyncio.sleep(early)
                continue  # who and what there was may be gone by now
            self._rests_until = loop.time() + PAUSE_SECONDS
            hearers = list(self.members)
            batch = [self._pending.popleft() for _ in range(min(len(self._pending), self.batch_max(hearers)))]
            self._current = self._batch_starts = batch[0].seq
            told = await self._made(batch, hearers)
            # Who joins from now on has to stand behind what is told: deliver looks once who is there.
            self._current = batch[-1].seq + 1
            if told:
                await self.deliver(told)
            self._current = self._batch_starts = 0
        self._pending.clear()

    async def _made(self, entries: Sequence[Entry], hearers: Sequence[Member]) -> list[Told]:
        """What facts are to the group, paid for by those for whom it is made; what was made a moment ago, for somebody who
        caught up, is not made again."""
        memo = self.feed.hub.memo
        heard = [one for one in entries if hears(self.viewer, one)]
        known = memo.known(self, [one.seq for one in heard])
        missing = [one for one in heard if one.seq not in known]
        if missing:
            await self.charge(len(missing), hearers)
            made = {one.seq: one for one in await self.patiently(lambda: self._make(missing))}
            for entry in missing:
                known[entry.seq] = made.get(entry.seq)
                memo.keep(self, entry.seq, known[entry.seq])
        return [told for one in heard if (told := known[one.seq]) is not None]

    async def _make(self, entries: Sequence[Entry]) -> list[Told]:
        async with self.feed.hub.at_once:
            events = await self.facts.events_of(self.viewer, entries, self.asked.arguments)
            if not events:
                return []
            payloads = await self.asked.teller.answers(events, self.viewer)
        metrics.count_made(len(events))
        by_cursor = {one.cursor: one.seq for one in entries}
        return [
            Told(by_cursor[event.cursor], event.cursor, payload, self.facts.key_of(event))
            for event, payload in zip(events, payloads, strict=True)
        ]

    async def _catch_up(self, member: Member) -> None:
        try:
            while member.seq < self.done:
                async with self.feed.hub.catching_up:
                    entries = await tail.page(self.feed.organization_id, member.seq)
                if not entries:
                    raise await journal.resync_required(self.feed.organization_id)
                wanted = [one for one in entries if not self.buckets.isdisjoint(buckets_of(one))]
                size = self.batch_max([member])
                for start in range(0, len(wanted), size):
                    some = wanted[start : start + size]
                    async with self.feed.hub.catching_up:
                        told = await self._made(some, [member])
                    if member not in self.joining:
                        return  # who cannot pay, or does not read, has left meanwhile
                    if told:
                        member.tell(told)
                        metrics.count_deliveries(len(told))
                    member.seq = some[-1].seq
                    # Nothing is held here that others need: a client may take its time.
                    await member.outlet.room()
                    if member not in self.joining:
                        return
                member.seq = max(member.seq, entries[-1].seq)
            # Nothing is awaited between this and the last look: nothing can be told in between.
            member.task = None
            self.joining.pop(member, None)
            self.members[member] = None
        except asyncio.CancelledError:
            raise
        except Personal as problem:
            member.task = None
            self.feed.part(self, problem)
        except Exception as problem:  # noqa: BLE001  # told in any case
            member.task = None
            self.note(problem)
            member.finish(self.asked.teller.refusal(problem))

    def _move(self, member: Member, scope: Scope, viewer: Actor) -> None:
        if member in self.members:
            member.seq = max(member.seq, self.floor)
        self.feed.move(member, self.asked, scope, viewer)


class StateGroup(Group):
    """A group that watches how things are."""

    def __init__(self, feed: "Feed", asked: Asked, scope: Scope, viewer: Actor) -> None:
        super().__init__(feed, asked, scope, viewer)
        assert isinstance(asked.live, State)
        self.state = asked.live
        self.buckets = asked.live.buckets(asked.arguments)
        self._seen: dict[str, tuple[Any, Told]] | None = None
        self._news = asyncio.Event()

    def add(self, member: Member) -> None:
        member.group = self
        if self._seen:
            member.tell([told for _, told in self._seen.values()])
        self.members[member] = None
        self.go_on(self._watch)

    def hand_over(self, entry: Entry | None) -> None:
        """Look again, because something happened."""
        self._news.set()

    async def _watch(self) -> None:
        while self.members:
            self._news.clear()
            await self.charge(1, list(self.members))
            told = await self.patiently(self._look)
            if told:
                await self.deliver(told)
            await asyncio.sleep(self.state.pause)
            try:
                async with asyncio.timeout(max(0.0, self.state.seconds - self.state.pause)):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _look(self) -> list[Told]:
        """What differs from what was seen last."""
        organization_id = self.feed.organization_id
        async with self.feed.hub.at_once:
            seq = await journal.head(organization_id)
            now = await self.state.look(self.viewer, self.asked.arguments)
            before = self._seen or {}
            fresh = {key: event for key, event in now.items() if key not in before or before[key][0] != event}
            gone = {key: replace(last, removed=True) for key, (last, _) in before.items() if key not in now}
            cursor = journal.cursor_at(organization_id, seq)
            events = [replace(event, cursor=cursor) for event in (*gone.values(), *fresh.values())]
            payloads = await self.asked.teller.answers(events, self.viewer) if events else []
        keys = [*gone, *fresh]
        # An event may keep its cursor to itself: it names the organization, which strangers need not know.
        told = [
            Told(seq, event.cursor, payload, key) for key, event, payload in zip(keys, events, payloads, strict=True)
        ]
        by_key = dict(zip(keys, told, strict=True))
        self._seen = {key: (event, by_key[key] if key in fresh else before[key][1]) for key, event in now.items()}
        metrics.count_made(len(told))
        return told

    async def deliver(self, told: Sequence[Told]) -> None:
        """Everybody gets what differs: where they stand in the journal does not matter."""
        shared: Shared = {}
        for number, member in enumerate(list(self.members), 1):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            if member in self.members:
                member.tell(told, shared)
        metrics.count_deliveries(len(told) * len(self.members))

    def _move(self, member: Member, scope: Scope, viewer: Actor) -> None:
        """What was seen before may not be seen any more: whoever watches begins anew."""
        member.finish(self.asked.teller.refusal(ResyncRequired()))


class PagesGroup(Group):
    """Those for whom pages are made that follow each other; each stands at a place of their own."""

    def __init__(self, feed: "Feed", asked: Asked, scope: Scope, viewer: Actor) -> None:
        super().__init__(feed, asked, scope, viewer)
        assert isinstance(asked.live, Pages)
        self.pages = asked.live
        self.buckets = asked.live.buckets(asked.arguments)
        self._news = asyncio.Event()

    def add(self, member: Member) -> None:
        member.group = self
        self.members[member] = None
        member.task = asyncio.create_task(self._follow(member), name=f"live {self.live.name}")

    def hand_over(self, entry: Entry) -> None:
        """Look for another page, because something happened."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _follow(self, member: Member) -> None:
        try:
            await self._tell_pages(member)
            last = None
        except asyncio.CancelledError:
            raise
        except Exception as problem:  # noqa: BLE001  # told in any case
            self.note(problem)
            last = self.asked.teller.refusal(problem)
        member.task = None
        member.finish(last)

    async def _tell_pages(self, member: Member) -> None:
        """Tell one page after another, until there is one without a cursor."""
        loop = asyncio.get_running_loop()
        quiet_since = loop.time()
        while True:
            news, first = self._news, member.place is None
            page = await self.patiently(lambda: self._page(member))
            if page.nodes or page.cursor is None or first or loop.time() - quiet_since >= QUIET_SECONDS:
                await self._tell(member, page)
                quiet_since = loop.time()
            if page.cursor is None:
                return
            member.place = page.cursor
            if page.has_more:
                await member.outlet.room()
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self.pages.seconds):
                    await news.wait()
            # A page is made for one alone: of many facts of the same moment, one is.
            await asyncio.sleep(PAGES_PAUSE_SECONDS)

    async def _page(self, member: Member) -> Page:
        async with self.feed.hub.at_once:
            return await self.pages.page_after(self.viewer, member.place, self.asked.arguments)

    async def _tell(self, member: Member, page: Page) -> None:
        if member.pay is not None:
            member.debt += self.asked.cost
            if member.debt >= self.feed.hub.debt_max:
                await self.collect(member)
            if member.group is not self:
                return  # who cannot pay has left
        [payload] = await self.patiently(lambda: self.asked.teller.answers([page], self.viewer))
        metrics.count_made(1)
        member.tell([Told(0, page.cursor or "", payload)])
        metrics.count_deliveries(1)

    def _move(self, member: Member, scope: Scope, viewer: Actor) -> None:
        self.feed.move(member, self.asked, scope, viewer)


def group_of(feed: "Feed", asked: Asked, scope: Scope, viewer: Actor) -> "FactsGroup | StateGroup | PagesGroup":
    """A new group for what somebody asked."""
    if isinstance(asked.live, Pages):
        return PagesGroup(feed, asked, scope, viewer)
    kind = FactsGroup if isinstance(asked.live, Facts) else StateGroup
    return kind(feed, asked, scope, viewer)
