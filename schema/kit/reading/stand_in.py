"""An actor without ids, for whom the lasting part of a statement is written; the real ids are filled in per request."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.infrastructure.conditions import Writer
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from schema.kit.kinds import bound

IDS = ("organization_id", "id", "technician_id", "customer_id", "session_id")
_MARK = "\0"


class ActorId(str):
    """Stands for one of the actor's ids among the values that a statement binds."""

    __slots__ = ("name",)

    def __new__(cls, name: str) -> "ActorId":
        """The mark in the text shows up where a rule writes an id into SQL instead of binding it."""
        made = super().__new__(cls, f"{_MARK}{name}")
        made.name = name
        return made

    name: str


def stand_in_for(actor: Actor) -> Actor:
    """An actor with the same kind, roles and permissions, and marks in place of the ids it has.

    Who stands for many has one at hand, as one of them would.
    """
    if (known := actor.__dict__.get("stand_in")) is not None:
        return known  # type: ignore[no-any-return]  # set by who made the actor
    marks: dict[str, Any] = {name: ActorId(name) for name in IDS if getattr(actor, name) is not None}
    return replace(actor, **marks)


class LastingWriter(Writer):
    """Writes what is the same for every request. On PostgreSQL the same id is bound once, however often it is compared."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._places: dict[str, str] = {}

    def bind(self, value: Any) -> str:
        if not isinstance(value, ActorId) or self.dialect is Dialect.SQLITE:
            return super().bind(value)
        if value.name not in self._places:
            self._places[value.name] = super().bind(value)
        return self._places[value.name]

    def written(self, write: Callable[[Writer], str]) -> str:
        """What a function writes, once it is sure that no id stands in the text itself."""
        text = write(self)
        if _MARK in text:
            raise TypeError(f"an id of the actor was written into SQL instead of being bound: {text!r}")
        return text


class Values:
    """Values to bind, the actor's ids among them."""

    __slots__ = ("_ids", "_values")

    def __init__(self, values: list[Any], dialect: Dialect) -> None:
        self._ids = [(place, value.name) for place, value in enumerate(values) if isinstance(value, ActorId)]
        self._values = [None if isinstance(value, ActorId) else value for value in bound(values, dialect)]

    def of(self, actor: Actor) -> list[Any]:
        """The values for one actor."""
        made = self._values.copy()
        for place, name in self._ids:
            made[place] = getattr(actor, name)
        return made
