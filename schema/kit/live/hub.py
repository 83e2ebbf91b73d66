"""The hub of this process: who listens to what, of which organization, and that each hears of what happens there.

One feed for each organization with listeners reads its journal and hands facts to the groups that look for them. What a
group makes is made once; see ``groups``.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing

import structlog

from app.infrastructure import broadcast, journal, metrics, tail
from app.infrastructure.journal import Entry
from app.infrastructure.loops import Outage
from app.kernel.actor import Actor
from app.kernel.errors import Problem, Unavailable, blame
from schema.kit.live.audience import Personal, Scope, anyone, viewer_of
from schema.kit.live.declaring import Bucket, Facts, Pages, State, buckets_of
from schema.kit.live.groups import Asked, FactsGroup, Group, Member, PagesGroup, StateGroup, Told, admitted, group_of

AT_ONCE_MAX = 8
CATCHING_UP_MAX = 16
PERSONAL_MAX = 1000
DEBT_MAX = 25  # points; whoever owes less has heard next to nothing
MEMO_SECONDS = 1.0
MEMO_BYTES_MAX = 4 * 1_048_576

log = structlog.get_logger(__name__)
AnyGroup = FactsGroup | StateGroup | PagesGroup


class Memo:
    """What was told a moment ago, for those who catch up: after a break many do, all at once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Group, int], tuple[float, Told | None]] = OrderedDict()
        self._bytes = 0

    def known(self, group: Group, seqs: Iterable[int]) -> dict[int, Told | None]:
        """What was made of some facts; None for one that is no event."""
        since = asyncio.get_running_loop().time() - MEMO_SECONDS
        found = {seq: kept for seq in seqs if (kept := self._kept.get((group, seq))) is not None}
        return {seq: told for seq, (at, told) in found.items() if at >= since}

    def keep(self, group: Group, seq: int, told: Told | None) -> None:
        """Keep what was made of a fact."""
        now = asyncio.get_running_loop().time()
        self._pop((group, seq))
        self._kept[group, seq] = now, told
        self._bytes += _size(told)
        while self._kept:
            key = next(iter(self._kept))
            if self._bytes <= MEMO_BYTES_MAX and self._kept[key][0] >= now - MEMO_SECONDS:
                break
            self._pop(key)

    def _pop(self, key: tuple[Group, int]) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= _size(kept[1])


def _size(told: Told | None) -> int:
    return 200 + (len(told.payload) if told is not None else 0)


class Hub:
    """Everybody who listens to this process."""

    def __init__(self, debt_max: float = DEBT_MAX) -> None:
        self.debt_max = debt_max
        self.memo = Memo()
        self.at_once = asyncio.Semaphore(AT_ONCE_MAX)
        self.catching_up = asyncio.Semaphore(CATCHING_UP_MAX)
        self._feeds: dict[str, Feed] = {}
        self._personal: dict[str, None] = {}
        self._unsubscribe: Callable[[], None] | None = None
        metrics.hub_size(self.size)

    async def join(self, asked: Asked, member: Member, after: str | None, seen: str | None = None) -> None:
        """Let somebody hear what they asked for: what was missed since ``after`` (or ``seen``, if that is further), then
        what happens. Raises the problem that keeps them from it."""
        live = asked.live
        if isinstance(live, State) and live.organization_of is not None:
            organization_id = await live.organization_of(**asked.arguments)
            scope: Scope = (organization_id, "anyone")
            viewer = anyone(organization_id)
        else:
            scope, viewer = self.viewer_of(asked, member.asker())
            organization_id = viewer.organization_id
        if isinstance(live, Pages):
            member.place = seen or after  # cursors of its own kind
            after = seen = None
        places = [journal.seq_of(one, organization_id) for one in (after, seen) if one is not None]
        feed = await self._feed(organization_id)
        try:
            if isinstance(live, Facts):
                head = await journal.head(organization_id)
                member.seq = max(places) if places else head
                if member.seq > head:
                    raise await journal.resync_required(organization_id)
            await feed.join(member, asked, scope, viewer)
        except BaseException:
            feed.rest()
            raise

    def viewer_of(self, asked: Asked, actor: Actor | None) -> tuple[Scope, Actor]:
        """With whom an actor hears what was asked, and who stands for all of them; raises when they may not hear it."""
        personal = asked.live.personal or asked.document in self._personal
        return viewer_of(admitted(asked.live, actor), personal=personal)

    def forget(self, feed: "Feed") -> None:
        """Let a feed go that nobody listens to."""
        if self._feeds.get(feed.organization_id) is feed:
            del self._feeds[feed.organization_id]

    def be_personal(self, document: str) -> None:
        """Remember that what a document asks depends on who asks it."""
        self._personal[document] = None
        if len(self._personal) > PERSONAL_MAX:
            del self._personal[next(iter(self._personal))]

    def size(self) -> tuple[int, int]:
        """How many groups there are, and how many members they have."""
        groups = [group for feed in self._feeds.values() for group in feed.groups.values()]
        return len(groups), sum(len(group.members) + len(group.joining) for group in groups)

    async def stop(self) -> None:
        """Tell nobody anything more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        feeds, self._feeds = list(self._feeds.values()), {}
        for feed in feeds:
            await feed.stop()

    async def _feed(self, organization_id: str) -> "Feed":
        if self._unsubscribe is None:
            self._unsubscribe = broadcast.subscribe(self._hear)
        feed = self._feeds.get(organization_id)
        if feed is None:
            feed = self._feeds[organization_id] = Feed(self, organization_id)
        await feed.start()
        return feed

    def _hear(self, hint: str) -> None:
        organization_id, topic = hint.partition(broadcast.TOPIC_MARK)[0], broadcast.topic_of(hint)
        if organization_id == broadcast.EVERYWHERE:
            for feed in self._feeds.values():
                feed.hear(topic or None)
        elif topic and (found := self._feeds.get(organization_id)) is not None:
            found.hear(topic)


class Feed:
    """What happens in one organization, for those who listen here."""

    def __init__(self, hub: Hub, organization_id: str) -> None:
        self.hub = hub
        self.organization_id = organization_id
        self.groups: dict[tuple[str, Scope], AnyGroup] = {}
        self.seq = 0
        self._by_bucket: dict[Bucket, dict[AnyGroup, None]] = {}
        self._joining = 0
        self._starting: asyncio.Task[int] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to read, at the end of the journal; once."""
        self._joining += 1
        if self._starting is None:
            self._starting = asyncio.create_task(journal.head(self.organization_id))
        try:
            seq = await asyncio.shield(self._starting)
        except BaseException:
            self._joining -= 1
            if self._task is None:
                self._starting = None  # whoever comes next tries again
            self._rest_if_alone()
            raise
        if self._task is None:
            self.seq = seq
            self._task = asyncio.create_task(self._read(), name="live feed")

    async def join(self, member: Member, asked: Asked, scope: Scope, viewer: Actor) -> None:
        """Put somebody into the group where they belong."""
        group = self.groups.get((asked.document, scope))
        if group is None:
            made = group_of(self, asked, scope, viewer)
            try:
                await made.validate()
            except Personal:
                self.hub.be_personal(asked.document)
                await self.join(member, asked, *self.hub.viewer_of(asked, member.asker()))
                return
            group = self.groups.get(made.key) or self._take(made)
        if self._task is None or self._task.done():
            raise Unavailable()  # the feed has ended meanwhile
        self._joining -= 1
        group.add(member)
        # Roles may have changed while this was made ready; from now on whoever watches the session says so.
        member.recheck()

    def move(self, member: Member, asked: Asked, scope: Scope, viewer: Actor) -> None:
        """Let a member go on in another group from where they stand."""
        group = self.groups.get((asked.document, scope)) or self._take(group_of(self, asked, scope, viewer))
        member.leave()
        group.add(member)

    def part(self, group: Group, problem: Personal) -> None:
        """What was made for all turned out to depend on who hears it: from now on each hears it alone."""
        log.warning("a subscription is not shared", subscription=group.live.name, because=str(problem))
        self.hub.be_personal(group.asked.document)
        for member in [*group.members, *group.joining]:
            if isinstance(group, FactsGroup) and member in group.members:
                member.seq = max(member.seq, group.floor)
            try:
                scope, viewer = self.hub.viewer_of(group.asked, member.asker())
            except Problem as refused:
                member.finish(group.asked.teller.refusal(refused))
                continue
            self.move(member, group.asked, scope, viewer)

    def drop(self, group: Group) -> None:
        """Let a group go that has nobody left."""
        if self.groups.get(group.key) is not group:
            return
        gone = self.groups.pop(group.key)
        for bucket in gone.buckets:
            self._by_bucket[bucket].pop(gone)
            if not self._by_bucket[bucket]:
                del self._by_bucket[bucket]
        self._rest_if_alone()

    def rest(self) -> None:
        """Somebody who was about to join does not."""
        self._joining -= 1
        self._rest_if_alone()

    def hear(self, topic: str | None) -> None:
        """Let those look again who watch something of a topic, or anything that has one."""
        for (kind, name), groups in self._by_bucket.items():
            if kind == "topic" and topic in (None, name):
                for group in groups:
                    if isinstance(group, StateGroup):
                        group.hand_over(None)

    async def stop(self) -> None:
        """Read no more."""
        for group in list(self.groups.values()):
            group.stop()
            for member in [*group.members, *group.joining]:
                member.leave()
        self._end()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _take(self, group: AnyGroup) -> AnyGroup:
        self.groups[group.key] = group
        for bucket in group.buckets:
            self._by_bucket.setdefault(bucket, {})[group] = None
        return group

    def _rest_if_alone(self) -> None:
        if not self.groups and not self._joining:
            self._end()
            self.hub.forget(self)

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _read(self) -> None:
        try:
            outage = Outage("the database (live feed)", seconds_max=5)
            while True:
                try:
                    await self._follow(outage)
                except tail.AWAY as away:
                    await asyncio.sleep(outage.failed(away))
        except Exception as problem:  # noqa: BLE001  # told in any case: who hears nothing would wait for ever
            if not isinstance(problem, Problem):
                log.error("a live feed failed", **blame(problem))
            self.hub.forget(self)
            for group in list(self.groups.values()):
                group.finish(problem)

    async def _follow(self, outage: Outage) -> None:
        async with aclosing(tail.follow(self.organization_id, self.seq)) as pages:
            async for entries in pages:
                outage.recovered()
                self._hand_over(entries)

    def _hand_over(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.seq = entry.seq
            for bucket in buckets_of(entry):
                for group in self._by_bucket.get(bucket, ()):
                    group.hand_over(entry)
