"""The head of the journal, and what happened after a cursor."""

from collections.abc import Collection
from typing import Annotated

from app.infrastructure import journal
from app.kernel.actor import Actor, ActorKind
from app.kernel.errors import InvalidInput
from app.kernel.events import FACTS
from app.kernel.pages import PAGE_SIZE_MAX
from app.kernel.permissions import Permission
from schema.journal.types import Change, Changes
from schema.kit import ID, arg, query
from schema.kit.live import hears, start_of


class Queries:
    """What clients may ask of the journal."""

    @query("Where the journal stands now: read, then subscribe with it as `after`.", permission=Permission.VIEW_JOURNAL)
    async def journal_cursor(actor: Actor) -> str:
        """The cursor of the newest fact."""
        return journal.cursor_at(actor.organization_id, await journal.head(actor.organization_id))

    @query(
        "What happened after a cursor: the facts that the subscriptions tell, by polling.",
        permission=Permission.VIEW_JOURNAL,
    )
    async def changes(
        actor: Actor,
        after: Annotated[str, arg("The last cursor you have, from journalCursor, a mutation or an event.")],
        first: Annotated[int, arg("At most so many facts are looked at, 1 to 100.")] = PAGE_SIZE_MAX,
        nouns: Annotated[
            list[str] | None,
            arg("Only facts about these kinds of things, such as work order; the others are passed over."),
        ] = None,
        facts: Annotated[
            list[str] | None, arg("Only these facts, such as WorkOrderCompleted; the others are passed over.")
        ] = None,
    ) -> Changes:
        """A page of the journal."""
        if not 1 <= first <= PAGE_SIZE_MAX:
            raise InvalidInput(f"A page has 1 to {PAGE_SIZE_MAX} facts.", path=["first"])
        _require_known("nouns", nouns, {kind.noun for kind in FACTS.values()})
        _require_known("facts", facts, FACTS)
        seq = await start_of(actor, after)
        head = await journal.head(actor.organization_id)
        entries = await journal.read(actor.organization_id, seq, first + 1)
        if seq > head or (entries[0].seq != seq + 1 if entries else seq < head):
            raise await journal.resync_required(actor.organization_id)
        page = entries[:first]
        return Changes(
            nodes=[
                Change(
                    cursor=entry.cursor,
                    id=ID(entry.id),
                    at=entry.at,
                    fact=entry.type,
                    noun=entry.noun,
                    subject_id=ID(entry.subject_id),
                    actor_kind=ActorKind(entry.actor_kind),
                    actor_id=entry.actor_id,
                    entry=entry,
                )
                for entry in page
                if hears(actor, entry)
                and (nouns is None or entry.noun in nouns)
                and (facts is None or entry.type in facts)
            ],
            cursor=page[-1].cursor if page else after,
            has_more=len(entries) > first,
        )


def _require_known(path: str, wanted: list[str] | None, known: Collection[str]) -> None:
    """A misspelled word would leave out for ever what it meant."""
    if unknown := [one for one in wanted or () if one not in known]:
        raise InvalidInput(f"There is nothing called {unknown[0][:60]!r}.", path=[path])
