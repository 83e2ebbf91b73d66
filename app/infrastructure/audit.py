"""Whether the journal is what was written: a walk along each organization's chain, which names the first fact that is not."""

import asyncio
from dataclasses import dataclass, field

from app import database
from app.infrastructure import archives, journal
from app.infrastructure.archives import ArchiveFile
from app.infrastructure.chain import BrokenChain, Chain
from app.infrastructure.journal import Record
from app.infrastructure.models import JournalSeal
from app.kernel.errors import InvalidInput

PAGE_SIZE = 1000
LOOKS_MAX = 5


@dataclass(frozen=True, slots=True)
class Head:
    """The last sealed fact of an organization. Kept elsewhere, it shows later whether the journal still begins like this."""

    organization_id: str
    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.organization_id} {self.seq} {self.hash}"


def read_head(line: str) -> Head:
    """A head as it was printed."""
    match line.split():
        case [organization_id, seq, hash] if seq.isdigit():
            return Head(organization_id, int(seq), hash)
    raise InvalidInput(f"{line.strip()[:80]!r} is no head of a journal; it is an organization, a number and a seal.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk along a chain found: how many facts there are, are sealed and are in the archive, the first that is wrong, and
    the last seal."""

    organization_id: str
    facts: int
    sealed: int
    archived: int
    broken: BrokenChain | None
    hash: str = field(default="", compare=False)


async def organizations() -> list[str]:
    """Everybody who has a journal."""
    rows = await database.read_rows(
        'SELECT "organization_id" FROM "journal_head" UNION SELECT "organization_id" FROM "journal_entry" '
        'UNION SELECT "organization_id" FROM "journal_seal" ORDER BY 1',
        [],
    )
    return [row[0] for row in rows]


async def find_head(organization_id: str) -> Head | None:
    """The last sealed fact; None while nothing is sealed."""
    seal = await JournalSeal.get_or_none(organization_id=organization_id)
    return Head(organization_id, seal.seq, seal.hash) if seal is not None and seal.seq else None


async def verify(organization_id: str, *, head: Head | None = None, unkeyed_to: int = 0) -> Verdict:
    """Walk along an organization's facts from the first to the last. Facts may be written and sealed meanwhile.

    ``head`` is one that was kept elsewhere; up to ``unkeyed_to`` seals may be without the key.
    """
    while True:
        archived = await JournalSeal.get_or_none(organization_id=organization_id) or JournalSeal()
        walk = _Walk(organization_id, Chain(unkeyed_to=unkeyed_to), head)
        broken = None
        try:
            await walk.to_the_end(archived)
        except BrokenChain as found:
            broken = found
        now = await JournalSeal.get_or_none(organization_id=organization_id)
        if broken is None or now is None or now.archived_seq <= archived.archived_seq:
            told = walk.chain
            return Verdict(organization_id, told.seq, told.sealed_seq, archived.archived_seq, broken, told.hash)
        # Facts went into the archive meanwhile: what was missing in the table may be there.


@dataclass(slots=True)
class _Walk:
    organization_id: str
    chain: Chain
    head: Head | None

    async def to_the_end(self, archived: JournalSeal) -> None:
        written = await journal.head(self.organization_id)
        heads = [one for one in (self.head, await find_head(self.organization_id)) if one is not None]
        sealed = max((one.seq for one in heads), default=0)
        await self._through_the_archive(archived)
        await self._through_the_table()
        self.chain.require_end(max(written, sealed), sealed)
        if self.chain.seq > (written := await journal.head(self.organization_id)):
            raise BrokenChain(written + 1, "it was put in: the journal counts fewer facts")
        self.chain.require_proofs()

    async def _through_the_archive(self, archived: JournalSeal) -> None:
        chain = self.chain
        while chain.seq < archived.archived_seq:
            start = chain.seq
            file = await asyncio.to_thread(self._file_with, start + 1, archived.archived_seq)
            try:
                async for page in archives.pages(file):
                    # Where two processes archived the same facts, a file may begin before the one ahead of it ends.
                    await asyncio.to_thread(self._follow_all, [one for one in page if one.entry.seq > start])
            except (OSError, ValueError) as damage:
                raise BrokenChain(chain.seq + 1, f"the archive {file.path.name} cannot be read: {damage}") from damage
            if chain.seq != file.last:
                raise BrokenChain(chain.seq + 1, f"it is missing in the archive {file.path.name}")
        if archived.archived_seq and chain.hash != archived.archived_hash:
            raise BrokenChain(chain.seq, "the archive ends with another fact than the one that was put there")

    def _file_with(self, seq: int, archived_seq: int) -> ArchiveFile:
        """A whole file with a fact."""
        files = archives.files_with(self.organization_id, seq, archived_seq)
        if not files:
            raise BrokenChain(seq, "it is missing: the archive has no file with it")
        for file in files:
            if file.is_whole():
                return file
        raise BrokenChain(seq, f"the archive {files[0].path.name} is not the one that was written")

    def _follow_all(self, records: list[Record]) -> None:
        for record in records:
            self._follow(record)

    async def _through_the_table(self) -> None:
        looks = 0
        while records := await journal.read_records(self.organization_id, self.chain.seq, PAGE_SIZE):
            try:
                self._follow_all(records)
            except BrokenChain as broken:
                # A fact that had no seal when it was read may have had one when the next were: look at it again.
                looks += 1
                if broken.seq != self.chain.sealed_seq + 1 or broken.seq > self.chain.seq or looks == LOOKS_MAX:
                    raise
                self.chain.seq = self.chain.sealed_seq

    def _follow(self, record: Record) -> None:
        self.chain.follow(record)
        head = self.head
        if head is not None and record.entry.seq == head.seq and record.hash not in (None, head.hash):
            raise BrokenChain(head.seq, "it is not the fact of which the head was taken: the journal was written anew")
