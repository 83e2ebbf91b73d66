"""Subscriptions: the journal, followed from a cursor, as facts about one type with the row as it is now.

``changed(WorkOrder, …)`` declares one. It yields first what was missed since ``after``, then what happens, each fact once
and in order. Who hears a fact is judged at delivery: the office hears all of its organization; a customer or technician
only facts whose audience names them; and the row is read through the reader, so it is null for who may not see it (any
more).
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.utils.str_converters import to_camel_case

from app.infrastructure import journal, tail
from app.infrastructure.journal import Entry
from app.kernel.actor import Actor
from app.kernel.errors import InvalidInput
from app.kernel.ids import prefix_of, require_id
from app.kernel.permissions import Permission
from schema.kit.declarations import READABLE_BY_PREFIX, Declaration, about, link, plain, readable_of
from schema.kit.operations import OperationField

IDS_MAX = 100


@dataclass(slots=True)
class Live(Declaration):
    """A subscription to the facts about a type."""

    type: Any = None
    event: Any = None
    noun: str = ""

    async def events(
        self, asker: Callable[[], Actor], arguments: dict[str, Any], seen: str | None = None
    ) -> AsyncGenerator[Any]:
        """The events that whoever asks hears, for as long as anybody listens.

        ``asker`` is asked at each event: a role may be taken away, and a technician join an office, while one listens.
        ``seen`` is the cursor of the last event of an earlier try, which may be further than ``after``.
        """
        actor = self._admitted(asker)
        prefix = readable_of(self.type).model.prefix
        wanted = _wanted(arguments.get("ids"), prefix)
        start = await start_of(actor, arguments.get("after"), seen)
        async with aclosing(tail.follow(actor.organization_id, start)) as entries:
            async for entry in entries:
                if prefix_of(entry.subject_id) != prefix or (wanted is not None and entry.subject_id not in wanted):
                    continue
                if hears(self._admitted(asker), entry):
                    about_row = {f"{self.noun}_id": entry.subject_id}
                    yield self.event(cursor=entry.cursor, at=entry.at, fact=entry.type, **about_row)

    def _admitted(self, asker: Callable[[], Actor]) -> Actor:
        actor = asker()
        if self.permission is not None:
            actor.require(self.permission)
        return actor


SUBSCRIPTIONS: dict[str, Live] = {}


def changed(type: Any, description: str, *, permission: Permission) -> Any:
    """A subscription to everything that happens to rows of a type, or to those of some ids."""
    return LiveField("subscription", description, Live(permission, type), permission)


class LiveField(OperationField):
    """A subscription's root field; it becomes complete when it knows its name."""

    def __set_name__(self, owner: Any, name: str) -> None:
        """Make the payload's type."""
        super().__set_name__(owner, name)
        if to_camel_case(name) in SUBSCRIPTIONS and SUBSCRIPTIONS[to_camel_case(name)] is self.declaration:
            return  # the root type that is made of it names it once more
        live: Live = self.declaration  # type: ignore[assignment]  # a LiveField is made with a Live
        target = live.type
        live.noun = _snake(target.__name__)
        live.event = _payload(target, live.noun, "".join(part.capitalize() for part in name.split("_")) + "Event")
        self.type_annotation = StrawberryAnnotation(live.event)
        self.arguments = [
            StrawberryArgument(
                "after", None, StrawberryAnnotation(str | None), default=None,
                description="The cursor of the last event you have; without it, only what happens from now on.",
            ),
            StrawberryArgument(
                "ids", None, StrawberryAnnotation(list[strawberry.ID] | None), default=None,
                description=f"Only these, at most {IDS_MAX}; without it, all that you may see.",
            ),
        ]  # fmt: skip
        SUBSCRIPTIONS[to_camel_case(name)] = live


def hears(actor: Actor, entry: Entry) -> bool:
    """Whether a fact is for an actor: one about a kind of thing the roles may see, with a customer or technician in its
    audience when it is one of these who asks."""
    kind = READABLE_BY_PREFIX.get(prefix_of(entry.subject_id))
    if kind is None or not kind.allows(actor):
        return False
    if actor.is_customer:
        return entry.customer_id is not None and entry.customer_id == actor.customer_id
    if actor.is_technician_only:
        return actor.technician_id in entry.technician_ids or entry.actor_id == actor.id
    return True


async def start_of(actor: Actor, *cursors: str | None) -> int:
    """Where in the journal a reader begins: behind the furthest of the cursors, or at the end when there is none."""
    places = [journal.seq_of(one, actor.organization_id) for one in cursors if one is not None]
    return max(places) if places else await journal.head(actor.organization_id)


def _wanted(ids: list[str] | None, prefix: str) -> frozenset[str] | None:
    if ids is None:
        return None
    if len(ids) > IDS_MAX:
        raise InvalidInput(f"Follow at most {IDS_MAX} ids in one subscription.", path=["ids"])
    return frozenset(require_id(id, prefix, "ids") for id in ids)


def _payload(target: Any, noun: str, name: str) -> Any:
    words = noun.replace("_", " ")
    body = {
        "__doc__": f"Something happened to a {words}.",
        "__module__": target.__module__,
        "__annotations__": {
            "cursor": str,
            "at": datetime,
            "fact": str,
            f"{noun}_id": strawberry.ID,
            noun: target | None,
        },
        "cursor": about("Where you stand after this event; resume with it."),
        "at": about("When it happened."),
        "fact": about("What happened, such as WorkOrderCompleted."),
        f"{noun}_id": about("Which."),
        noun: link("As it is now; null when you may not see it (any more).", f"{noun}_id"),
    }
    return plain(type(name, (), body))


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
