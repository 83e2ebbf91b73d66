"""Following the journal live: first what was missed, then what happens, each fact once and in order.

One task of the process reads for everybody who listens, and keeps the latest facts of each organization that has
listeners in a ring. A listener who is too far behind for the ring reads pages from the database, so a slow one costs no
memory. No transaction is held while anybody waits.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from itertools import islice

import structlog

from app import database
from app.infrastructure import broadcast, journal
from app.infrastructure.journal import Entry
from app.infrastructure.loops import Outage, to_the_end

RING_LENGTH = 1000
PAGE_SIZE = 500
POLL_SECONDS = 1.0
AWAY = (database.DatabaseError, OSError)

log = structlog.get_logger(__name__)


class _Stream:
    """The latest facts of one organization, while somebody listens."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.listeners = 0
        self.ring: deque[Entry] = deque(maxlen=RING_LENGTH)
        self._news = asyncio.Event()

    def append(self, entries: list[Entry]) -> None:
        """Add newer facts. The ring has no gap: should facts be missing in the journal, it begins anew."""
        if entries[0].seq != self.last + 1:
            self.ring.clear()
        self.ring.extend(entries)
        self.last = entries[-1].seq
        news, self._news = self._news, asyncio.Event()
        news.set()

    def after(self, seq: int) -> list[Entry] | None:
        """The facts after a place, or None when the ring does not reach back so far."""
        if seq >= self.last:
            return []
        missing = self.last - seq
        if missing > len(self.ring):
            return None
        start = len(self.ring) - missing
        return list(islice(self.ring, start, start + PAGE_SIZE))

    async def wait_beyond(self, seq: int) -> None:
        """Wait until there is a fact after a place."""
        while self.last <= seq:
            await self._news.wait()


class Tail:
    """The end of the journal, for all listeners of this process."""

    def __init__(self, poll_seconds: float = POLL_SECONDS) -> None:
        self._poll_seconds = poll_seconds
        self._streams: dict[str, _Stream] = {}
        self._reader: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        """How many follow at the moment."""
        return sum(stream.listeners for stream in self._streams.values())

    async def follow(self, organization_id: str, after_seq: int) -> AsyncGenerator[list[Entry]]:
        """Every fact of the organization after a place, in pages, for as long as the caller listens.

        ``ResyncRequired`` when the facts that follow are not kept any more, or the place is not in this journal.
        """
        head = await journal.head(organization_id)
        if after_seq > head:
            raise await journal.resync_required(organization_id)
        with self._listening(organization_id, head) as stream:
            seq = after_seq
            while True:
                entries = stream.after(seq)
                if entries is None:
                    entries = await _page(organization_id, seq)
                    if not entries or entries[0].seq != seq + 1:
                        raise await journal.resync_required(organization_id)
                if entries:
                    seq = entries[-1].seq
                    yield entries
                await stream.wait_beyond(seq)

    async def page(self, organization_id: str, after_seq: int) -> list[Entry]:
        """The next facts after a place that whoever follows the organization has passed already; as ``follow``."""
        stream = self._streams.get(organization_id)
        entries = stream.after(after_seq) if stream is not None else None
        if not entries:
            # A listener who read a page may have got ahead of the ring.
            entries = await _page(organization_id, after_seq)
            if entries and entries[0].seq != after_seq + 1:
                raise await journal.resync_required(organization_id)
        return entries

    async def stop(self) -> None:
        """Stop reading; the listeners hear nothing more."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    @contextmanager
    def _listening(self, organization_id: str, head: int) -> Iterator[_Stream]:
        stream = self._streams.get(organization_id)
        if stream is None:
            stream = self._streams[organization_id] = _Stream(head)
        stream.listeners += 1
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read(), name="journal tail")
        try:
            yield stream
        finally:
            stream.listeners -= 1
            if not stream.listeners:
                self._streams.pop(organization_id, None)

    async def _read(self) -> None:
        outage = Outage("the database (journal tail)", seconds_max=5)
        with broadcast.news() as news:
            while self._streams:
                hinted = await news.wait(self._poll_seconds)
                try:
                    await to_the_end(self._read_news(hinted))
                    outage.recovered()
                except AWAY as error:
                    await asyncio.sleep(outage.failed(error))
                    news.hear(broadcast.EVERYWHERE)
                except Exception:
                    # Without this task nobody here would hear anything more.
                    log.exception("the journal's tail stumbled")
                    await asyncio.sleep(self._poll_seconds)
                    news.hear(broadcast.EVERYWHERE)

    async def _read_news(self, hinted: set[str]) -> None:
        everywhere = broadcast.EVERYWHERE in hinted
        wanted = [id for id in self._streams if everywhere or id in hinted]
        if not wanted:
            return
        heads = await journal.heads(wanted)
        for organization_id in wanted:
            stream = self._streams.get(organization_id)
            while stream is not None and stream.last < heads.get(organization_id, 0):
                entries = await journal.read(organization_id, stream.last, PAGE_SIZE)
                if not entries:
                    break
                stream.append(entries)


async def _page(organization_id: str, seq: int) -> list[Entry]:
    outage = Outage("the database (journal page)", seconds_max=5)
    while True:
        try:
            return await journal.read(organization_id, seq, PAGE_SIZE)
        except AWAY as error:
            await asyncio.sleep(outage.failed(error))


_tail = Tail()


def follow(organization_id: str, after_seq: int) -> AsyncGenerator[list[Entry]]:
    """As ``Tail.follow``, on this process's one tail."""
    return _tail.follow(organization_id, after_seq)


async def page(organization_id: str, after_seq: int) -> list[Entry]:
    """As ``Tail.page``, on this process's one tail."""
    return await _tail.page(organization_id, after_seq)


async def stop() -> None:
    """Stop this process's tail."""
    await _tail.stop()
