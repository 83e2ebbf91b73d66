"""How a room says what can be heard.

``changed(WorkOrder, …)``: the facts about rows of a type. ``heard(…)``: a function makes events of facts. ``watched(…)``: a
function says what there is to see now, and what differs from before is told. Each is written once for all who hear the same.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, get_args, get_origin

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument, convert_arguments
from strawberry.utils.str_converters import to_camel_case

from app.infrastructure.journal import Entry
from app.kernel.actor import Actor
from app.kernel.errors import InvalidInput
from app.kernel.events import FACTS, Fact
from app.kernel.ids import prefix_of, require_id
from app.kernel.permissions import Permission
from schema.kit.declarations import (
    Declaration,
    Function,
    about,
    differences,
    function_arguments,
    link,
    plain,
    readable_of,
)
from schema.kit.operations import ANYONE, Access, OperationField
from schema.kit.previous import PREVIOUS, FieldChange

IDS_MAX = 100
STATE_SECONDS = 15.0
PAUSE_SECONDS = 0.5
PAGES_SECONDS = 60.0

AFTER = "The cursor of the last event you have; without it, only what happens from now on."
AFTER_STATE = (
    "The cursor of the last event you have. What there is to see now comes first in any case: nothing is missed by it."
)
AFTER_PAGES = "The cursor of the last page that you have worked off; without it, everything from the beginning."
OrganizationOf = Callable[..., Awaitable[str]]
Bucket = tuple[str, str]


def buckets_of(entry: Entry) -> tuple[Bucket, ...]:
    """Where a fact is looked for: under what it is, what kind of thing it is about, and which."""
    return ("fact", entry.type), ("prefix", prefix_of(entry.subject_id)), ("subject", entry.subject_id)


@dataclass(slots=True)
class Live(Declaration):
    """A subscription. ``personal``: what it says depends on the very user, so nobody shares it."""

    name: str = ""
    event: Any = None
    access: Access = ANYONE
    personal: bool = False
    conflate_by: str | None = None
    arguments: list[StrawberryArgument] = field(default_factory=list)

    def converted(self, schema: strawberry.Schema, raw: Mapping[str, Any]) -> dict[str, Any]:
        """A client's own arguments as Python values and input objects."""
        given = {name: value for name, value in raw.items() if name != "after"}
        return convert_arguments(given, self.arguments, schema.schema_converter.scalar_registry, schema.config)

    @property
    def is_open(self) -> bool:
        """Whether it is for those who are not signed in, too."""
        return self.access is ANYONE

    def buckets(self, arguments: Mapping[str, Any]) -> frozenset[Bucket]:
        """The facts that may lead to an event here; each fact lies in those of ``buckets_of``."""
        raise NotImplementedError

    def key_of(self, event: Any) -> str | None:
        """What an event is about, where the newest of its kind is enough for a slow reader."""
        return None if self.conflate_by is None else str(getattr(event, self.conflate_by))


@dataclass(slots=True)
class Facts(Live):
    """A subscription to facts: ``function(actor, entries, **arguments)`` makes at most one event of each."""

    facts: frozenset[str] = frozenset()
    function: Function | None = None

    def buckets(self, arguments: Mapping[str, Any]) -> frozenset[Bucket]:
        return frozenset(("fact", name) for name in self.facts)

    async def events_of(self, actor: Actor, entries: Sequence[Entry], arguments: Mapping[str, Any]) -> list[Any]:
        """The events that facts are to an actor who hears them, in their order. Without facts: whether the arguments will do."""
        assert self.function is not None
        made: list[Any] = await self.function(actor=actor, entries=entries, **arguments)
        return made


@dataclass(slots=True)
class Changed(Facts):
    """A subscription to all facts about rows of a type."""

    type: Any = None
    noun: str = ""
    prefix: str = ""

    def buckets(self, arguments: Mapping[str, Any]) -> frozenset[Bucket]:
        ids = _wanted(arguments.get("ids"), self.prefix)
        return frozenset({("prefix", self.prefix)} if ids is None else {("subject", id) for id in ids})

    async def events_of(self, actor: Actor, entries: Sequence[Entry], arguments: Mapping[str, Any]) -> list[Any]:
        return [
            self.event(cursor=one.cursor, at=one.at, fact=one.type, entry=one, **{f"{self.noun}_id": one.subject_id})
            for one in entries
        ]


@dataclass(slots=True)
class State(Live):
    """A subscription to how things are: ``function(actor, **arguments)`` says all there is to see, by key."""

    facts: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    seconds: float = STATE_SECONDS
    pause: float = PAUSE_SECONDS
    function: Function | None = None
    organization_of: OrganizationOf | None = None

    def buckets(self, arguments: Mapping[str, Any]) -> frozenset[Bucket]:
        return frozenset([*(("fact", name) for name in self.facts), *(("topic", name) for name in self.topics)])

    async def look(self, actor: Actor, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What there is to see now, by key."""
        assert self.function is not None
        seen: dict[str, Any] = await self.function(actor=actor, **arguments)
        return seen


class Page(Protocol):
    """One of the pages that follow each other. Without a cursor it is the last one."""

    cursor: str | None
    has_more: bool
    nodes: list[Any]


@dataclass(slots=True)
class Pages(Live):
    """A subscription to pages: ``function(actor, after, **arguments)`` makes the one that follows a cursor of its own kind."""

    facts: frozenset[str] = frozenset()
    seconds: float = PAGES_SECONDS
    function: Function | None = None

    def buckets(self, arguments: Mapping[str, Any]) -> frozenset[Bucket]:
        return frozenset(("fact", name) for name in self.facts)

    async def page_after(self, actor: Actor, after: str | None, arguments: Mapping[str, Any]) -> Page:
        """The next page."""
        assert self.function is not None
        made: Page = await self.function(actor=actor, after=after, **arguments)
        return made


SUBSCRIPTIONS: dict[str, Live] = {}


class LiveField(OperationField):
    """A subscription's root field; it becomes complete when it knows its name."""

    def __set_name__(self, owner: Any, name: str) -> None:
        """Make the payload's type, if it is made of the name."""
        super().__set_name__(owner, name)
        live: Live = self.declaration  # type: ignore[assignment]  # a LiveField is made with a Live
        if live.name:
            return  # the root type that is made of it names it once more
        live.name = to_camel_case(name)
        if isinstance(live, Changed):
            live.event = _payload(
                live.type, live.noun, "".join(part.capitalize() for part in name.split("_")) + "Event"
            )
        self.type_annotation = StrawberryAnnotation(live.event)
        says = AFTER_STATE if isinstance(live, State) else AFTER_PAGES if isinstance(live, Pages) else AFTER
        after = StrawberryArgument("after", None, StrawberryAnnotation(str | None), default=None, description=says)
        self.arguments = [after, *live.arguments]
        SUBSCRIPTIONS[live.name] = live


def changed(type: Any, description: str, *, permission: Permission) -> Any:
    """A subscription to everything that happens to rows of a type, or to those of some ids."""
    live = Changed(permission, access=permission, type=type, noun=_snake(type.__name__))
    live.prefix = readable_of(type).model.prefix
    live.arguments = [
        StrawberryArgument(
            "ids", None, StrawberryAnnotation(list[strawberry.ID] | None), default=None,
            description=f"Only these, at most {IDS_MAX}; without it, all that you may see.",
        )
    ]  # fmt: skip
    return LiveField("subscription", description, live, permission)


def heard(
    description: str,
    *,
    permission: Access,
    facts: Iterable[type[Fact]],
    conflate_by: str | None = None,
    personal: bool = False,
) -> Callable[[Function], Any]:
    """A subscription to what an async function ``(actor, entries, …) -> list[event]`` makes of facts.

    It gets 1 to 100 facts of these classes that the actor hears, oldest first, and makes at most one event of each, with
    the fact's cursor. It is called without facts once, to refuse wrong arguments. It runs once for all who may see the same:
    the actor is then nobody in particular, unless it is ``personal``. Of the events that wait for a slow reader only the
    newest with the same ``conflate_by`` is kept.
    """

    def decorate(function: Function) -> Any:
        live = Facts(
            permission if isinstance(permission, Permission) else None,
            access=permission,
            personal=personal,
            conflate_by=conflate_by,
            facts=_names_of(facts),
            function=function,
        )
        return _field(description, live, function, list)

    return decorate


def watched(
    description: str,
    *,
    permission: Access,
    facts: Iterable[type[Fact]] = (),
    topics: Iterable[str] = (),
    seconds: float = STATE_SECONDS,
    pause: float = PAUSE_SECONDS,
    personal: bool = False,
    organization_of: OrganizationOf | None = None,
) -> Callable[[Function], Any]:
    """A subscription to what an async function ``(actor, …) -> dict[key, event]`` says there is to see.

    It is asked when one of the facts happened or somebody said ``broadcast.wake(organization_id, topic)``, and every so many
    ``seconds``, but rests for ``pause`` seconds in between. What is new or differs is told, and what is gone as the last
    that was told with ``removed=True``. ``cursor`` is set to where the journal stood before it was asked. What strangers may
    hear by a secret says with ``organization_of(**arguments)`` whose it is.
    """
    if (permission is ANYONE) != (organization_of is not None):
        raise TypeError("what anyone may hear, and only that, says whose it is")

    def decorate(function: Function) -> Any:
        live = State(
            permission if isinstance(permission, Permission) else None,
            access=permission,
            personal=personal,
            facts=_names_of(facts),
            topics=frozenset(topics),
            seconds=seconds,
            pause=pause,
            function=function,
            organization_of=organization_of,
        )
        return _field(description, live, function, dict)

    return decorate


def paged(
    description: str, *, permission: Permission, facts: Iterable[type[Fact]], seconds: float = PAGES_SECONDS
) -> Callable[[Function], Any]:
    """A subscription to the pages that an async function ``(actor, after, …) -> page`` makes, each from the last one's cursor.

    A page has ``nodes``, a ``cursor`` of its own kind, and ``has_more`` when the next can be made at once. It is asked for the
    next one when one of the facts happened, and every so many ``seconds``. An empty page is not told, except now and then for
    its cursor; one without a cursor is the last. Everybody has pages of their own.
    """

    def decorate(function: Function) -> Any:
        result = inspect.get_annotations(function).get("return")
        if not inspect.iscoroutinefunction(function) or not isinstance(result, type):
            raise TypeError(f"{function.__name__} is an async function that returns a page")
        live = Pages(
            permission, access=permission, personal=True, facts=_names_of(facts), seconds=seconds, function=function
        )
        live.event = result
        live.arguments = [one for one in function_arguments(function) if one.python_name != "after"]
        return LiveField("subscription", description, live, permission)

    return decorate


def _field(description: str, live: Live, function: Function, kind: type) -> LiveField:
    result = inspect.get_annotations(function).get("return")
    if not inspect.iscoroutinefunction(function) or get_origin(result) is not kind:
        raise TypeError(f"{function.__name__} is an async function that returns a {kind.__name__} of events")
    live.event = get_args(result)[-1]
    live.arguments = [one for one in function_arguments(function) if one.python_name != "entries"]
    return LiveField("subscription", description, live, live.access)


def _names_of(facts: Iterable[type[Fact]]) -> frozenset[str]:
    """The facts of some classes and of those made of them."""
    wanted = tuple(facts)
    return frozenset(name for name, kind in FACTS.items() if issubclass(kind, wanted)) if wanted else frozenset()


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
            "changes": list[FieldChange],
            "entry": strawberry.Private[Any],  # type: ignore[misc]  # an alias that is made at run time
        },
        "cursor": about("Where you stand after this event; resume with it."),
        "at": about("When it happened."),
        "fact": about("What happened, such as WorkOrderCompleted."),
        f"{noun}_id": about("Which."),
        noun: link("As it is now; null when you may not see it (any more).", f"{noun}_id"),
        "changes": differences(PREVIOUS, "entry"),
    }
    return plain(type(name, (), body))


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
