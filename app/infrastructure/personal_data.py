"""What each table holds of a person: how its rows are found, what becomes of each column when the person is erased, and why
what stays may stay. Every room says it of its tables, beside them::

    personal(
        Contact,
        of(CONTACT, "id", erase={"name": ERASED, "email": None, "phone": None}),
        of(CUSTOMER, "customer_id", erase={"name": ERASED, "email": None, "phone": None}),
        keeps={"customer_id": "the account stays, without what says whose it was"},
    )

Exports and erasures are made of these rules alone. A table that looks as if it held something of a person, by the names and
kinds of its columns, and says nothing, stops the start.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tortoise import Tortoise, fields
from tortoise.fields.relational import ForeignKeyFieldInstance
from tortoise.models import Model

from app import database
from app.infrastructure.conditions import Condition, column, selected
from app.infrastructure.tables import Table, table_of
from app.kernel.ids import ID_LENGTH_MAX

USER, TECHNICIAN, CONTACT, CUSTOMER = "usr", "tech", "con", "cus"
KINDS = (USER, TECHNICIAN, CONTACT, CUSTOMER)
ERASED = "[erased]"
FREE_TEXT_LENGTH = 100

_NAMES = re.compile(
    r"(^|_)(name|phone|mobile|email|mail|address|ip|network|login|username|agent|latitude|longitude|note|notes|text|body|comment|"
    r"recipient|reason|birth|gender|photo|signature|title|message)($|_)"
)
_REFERENCES = re.compile(
    r"(^|_)(user|customer|contact|technician|author|actor|person|manager|owner)_ids?$|_by(_id)?$|^(actor|person)_id$"
)


@dataclass(frozen=True, slots=True)
class Through:
    """A row of ours is a person's because the row that our column points to is: ``theirs`` names that table's column."""

    ours: str
    model: type[Table]
    theirs: str


@dataclass(frozen=True, slots=True)
class Holding:
    """The rows of a table that are about a kind of person, and what becomes of them; ``told`` are those of which a copy tells."""

    kind: str
    via: str | Through
    erase: Mapping[str, Any] = field(default_factory=dict)
    drop: bool = False
    told: Condition | None = None

    def rows_of(self, organization_id: str, ids: Sequence[str]) -> Condition:
        """The rows that are about one of some people."""
        ours = column("organization_id") == organization_id
        if isinstance(self.via, str):
            return ours & column(self.via).one_of(ids)
        theirs = column(self.via.theirs).one_of(ids)
        return ours & selected(table_of(self.via.model), "id", ours & theirs, ours=self.via.ours)

    def rows_told_of(self, organization_id: str, ids: Sequence[str]) -> Condition:
        """Those of the rows of which a copy for the person tells."""
        rows = self.rows_of(organization_id, ids)
        return rows if self.told is None else rows & self.told

    @property
    def column(self) -> str:
        """Our column by which the rows are found."""
        return self.via if isinstance(self.via, str) else self.via.ours


@dataclass(frozen=True, slots=True)
class Rule:
    """What a table holds of people. ``mentions``: columns in which others may have written their names."""

    model: type[Model]
    holdings: tuple[Holding, ...] = ()
    keeps: Mapping[str, str] = field(default_factory=dict)
    mentions: tuple[str, ...] = ()
    recipient: str | None = None
    hidden: tuple[str, ...] = ()
    why: str = ""

    def covers(self, name: str) -> bool:
        """Whether the rule says what becomes of a column."""
        if self.why or name in self.keeps or name in self.mentions or name == self.recipient or name in self.hidden:
            return True
        dropped = any(one.drop for one in self.holdings)
        return dropped or any(name == one.column or name in one.erase for one in self.holdings)


@dataclass(frozen=True, slots=True)
class Alias:
    """Rows of a table are the same person under another id, when their column points to that person."""

    model: type[Table]
    via: str
    kind: str
    both_ways: bool


RULES: dict[type[Model], Rule] = {}
ALIASES: list[Alias] = []


def of(
    kind: str,
    via: str | Through,
    *,
    erase: Mapping[str, Any] | None = None,
    drop: bool = False,
    told: Condition | None = None,
) -> Holding:
    """The rows whose column ``via`` names a person of a kind: columns that are replaced at an erasure, or all of the row.

    What a column is replaced by may be a function of the row. Neither: the rows are the person's, and stay. ``told``: which
    of them a copy for the person tells, where some are what only the company reads.
    """
    if kind not in KINDS:
        raise TypeError(f"{kind} is no kind of person")
    return Holding(kind, via, dict(erase or {}), drop, told)


def personal(
    model: type[Model],
    *holdings: Holding,
    keeps: Mapping[str, str] | None = None,
    mentions: Sequence[str] = (),
    recipient: str | None = None,
    hidden: Sequence[str] = (),
) -> None:
    """Say what a table holds of people.

    ``keeps``: columns that stay, and why they may. ``mentions``: columns in which a name may stand that others wrote there.
    ``recipient``: the column with the address to which the row goes; rows to a person's address go with the person.
    ``hidden``: what no copy tells, because it is a secret, or only the company reads it.
    """
    named = {name for one in holdings for name in (one.column, *one.erase)} | set(keeps or {}) | {*mentions, *hidden}
    if unknown := named - set(model._meta.fields_map) - {f"{name}_id" for name in model._meta.fields_map}:
        raise TypeError(f"{model.__name__} has no columns {sorted(unknown)}")
    RULES[model] = Rule(model, holdings, dict(keeps or {}), tuple(mentions), recipient, tuple(hidden))


def impersonal(why: str, *models: type[Model]) -> None:
    """Say of tables that they hold nothing of a person, although their columns look so, and why."""
    for model in models:
        RULES[model] = Rule(model, why=why)


def same_person(model: type[Table], via: str, kind: str, *, both_ways: bool = True) -> None:
    """Say that a row of a table is the person whose id its column has; ``both_ways``: and that person is the row's."""
    ALIASES.append(Alias(model, via, kind, both_ways))


# What is missing


def suspects(model: type[Model]) -> Iterator[str]:
    """The columns of a table that look as if they held something of a person, or pointed to one."""
    meta = model._meta
    for name in sorted(meta.fields_db_projection):
        made = meta.fields_map[name]
        relation = meta.fields_map.get(name.removesuffix("_id"))
        is_text = isinstance(made, fields.TextField | fields.JSONField) or (
            isinstance(made, fields.CharField)
            and made.max_length >= FREE_TEXT_LENGTH
            and made.max_length != ID_LENGTH_MAX
        )
        points = isinstance(relation, ForeignKeyFieldInstance) and _prefix(relation) in KINDS
        speaks = isinstance(made, fields.CharField | fields.FloatField | fields.DateField) and _NAMES.search(name)
        if is_text or points or speaks or _REFERENCES.search(name):
            yield name


def _prefix(relation: "ForeignKeyFieldInstance[Any]") -> str:
    target = str(relation.model_name).rpartition(".")[2]
    return next((getattr(one, "prefix", "") for one in all_models() if one.__name__ == target), "")


def all_models() -> list[type[Model]]:
    """Every table there is."""
    if not Tortoise.apps:
        return []
    return sorted(Tortoise.apps[database.APP_LABEL].values(), key=table_of)


def missing_rules(models: Sequence[type[Model]] | None = None) -> list[str]:
    """Every column that looks personal and of which no rule says what becomes of it, as ``table.column``."""
    found = []
    for model in all_models() if models is None else models:
        rule = RULES.get(model, Rule(model))
        found += [f"{table_of(model)}.{name}" for name in suspects(model) if not rule.covers(name)]
    return found


def require_rules() -> None:
    """Refuse to work with a table of which nobody has said what it holds of people."""
    if missing := missing_rules():
        raise TypeError(
            f"what becomes of {', '.join(missing)} when a person is erased? Say it with personal(…) in models.py"
        )


# People


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of people: their table, what keeps a row from being a person's, and what must be done before one is erased."""

    model: type[Table]
    no_person: Callable[[Any], str | None]
    not_yet: Callable[[Any], str | None]


PEOPLE: dict[str, Kind] = {}
Forget = Callable[[str, Sequence[str]], Awaitable[object]]
ELSEWHERE: list[Forget] = []


def are_people(
    model: type[Table],
    *,
    unless: Callable[[Any], str | None] = lambda row: None,
    not_yet: Callable[[Any], str | None] = lambda row: None,
) -> None:
    """Say that a table's rows are people: ``unless`` says of one that it is none, ``not_yet`` what must be done before one is
    erased, each in a sentence or None."""
    PEOPLE[model.prefix] = Kind(model, unless, not_yet)


def forgets_people(forget: Forget) -> Forget:
    """Let a room forget people where no rule reaches, such as in files: ``forget(organization_id, ids)``, again and again."""
    ELSEWHERE.append(forget)
    return forget
