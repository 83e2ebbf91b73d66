"""What partners may rely on: the API may grow, but what was released breaks only where the changelog says so.

``released.graphql`` is the API as it was last released. The schema is compared with it: a breaking change passes when its
coordinate, such as ``Customer.number``, is named under **Breaking** in the first section of CHANGELOG.md, or when what is
gone was deprecated and its day has come. A deprecation is announced under **Deprecated**, at least ``NOTICE_DAYS`` ahead.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from graphql import GraphQLEnumValue, GraphQLInputObjectType, GraphQLSchema, build_schema, get_named_type
from graphql.utilities.find_schema_changes import (
    BreakingChange,
    BreakingChangeType,
    DangerousChange,
    DangerousChangeType,
    find_schema_changes,
)

from app.kernel.errors import ConfigurationError
from schema.kit.deprecations import deprecations, parts_of, removal_of

RELEASED = Path(__file__).with_name("released.graphql")
HEADER = "# The API as it was last released. `truckroll schema release` moves it; CHANGELOG.md says what has changed since.\n"
NOTICE_DAYS = 90
GROWTH = frozenset(
    {
        DangerousChangeType.VALUE_ADDED_TO_ENUM,
        DangerousChangeType.TYPE_ADDED_TO_UNION,
        DangerousChangeType.OPTIONAL_INPUT_FIELD_ADDED,
        DangerousChangeType.OPTIONAL_ARG_ADDED,
        DangerousChangeType.IMPLEMENTED_INTERFACE_ADDED,
    }
)
"""What clients are told to expect at any time."""

_SECTION = re.compile(r"## (?P<version>\S+) \((?:unreleased|(?P<date>\d{4}-\d\d-\d\d))\)")
_CONTINUED = re.compile(r"\n[ \t]+(?=\S)")
_HEADING = re.compile(r"\*\*(?P<word>\w+)\*\*")
_QUOTED = re.compile(r"`([^`]+)`")
_REMOVAL = re.compile(r"Removed on (\d{4}-\d\d-\d\d)")
_MEMBER = re.compile(r"@\w+(?:\(\w+:\))?|\b[A-Z]\w*\.\w+(?:\(\w+:\))?")
_UNION = re.compile(r"union type (\w+)")


# The changelog


@dataclass(slots=True)
class Section:
    """What one version changed."""

    version: str
    released: date | None
    breaking: set[str] = field(default_factory=set)
    deprecated: dict[str, date] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changelog:
    """All versions, the newest first."""

    sections: tuple[Section, ...]

    @property
    def newest(self) -> Section:
        """The version that is being made, or was released last."""
        return self.sections[0]

    def announcing(self, place: str) -> Section | None:
        """The newest section that says when something is to go."""
        return next((one for one in self.sections if place in one.deprecated), None)

    def last_release(self) -> date | None:
        """The day of the newest release."""
        return max((one.released for one in self.sections if one.released is not None), default=None)


def read_changelog(text: str) -> Changelog:
    """The changelog's sections, with what stands under **Breaking** and **Deprecated** in each."""
    sections: list[Section] = []
    heading = ""
    for line in _CONTINUED.sub(" ", text).splitlines():
        if line.startswith("## "):
            shape = _SECTION.fullmatch(line.strip())
            if shape is None:
                raise ConfigurationError(f"CHANGELOG.md: {line} is not like “## 0.2.0 (unreleased)” or “(2026-12-31)”.")
            released = shape["date"]
            sections.append(Section(shape["version"], date.fromisoformat(released) if released else None))
            heading = ""
        elif shape := _HEADING.match(line):
            heading = shape["word"]
        elif sections and heading == "Breaking":
            sections[-1].breaking.update(_QUOTED.findall(line))
        elif sections and heading == "Deprecated" and (day := _REMOVAL.search(line)):
            for place in _QUOTED.findall(line)[:1]:
                sections[-1].deprecated[place] = date.fromisoformat(day[1])
    if not sections:
        raise ConfigurationError("CHANGELOG.md has no section such as “## 0.2.0 (unreleased)”.")
    return Changelog(tuple(sections))


# Breaking changes


@dataclass(frozen=True, slots=True)
class Change:
    """A change that clients may notice: where, and what it is."""

    place: str
    description: str

    @property
    def removes(self) -> bool:
        """Whether the place is gone."""
        return self.description.endswith(" was removed.")


def breaking_changes(released: GraphQLSchema, now: GraphQLSchema) -> Iterator[Change]:
    """What may break operations that were valid."""
    for change in find_schema_changes(released, now):
        if isinstance(change, BreakingChange) and not change.description.startswith("Standard scalar "):
            yield Change(_place_of(change), change.description)
    for name, type in now.type_map.items():
        before = released.type_map.get(name)
        if not isinstance(type, GraphQLInputObjectType) or not isinstance(before, GraphQLInputObjectType):
            continue
        if type.is_one_of and not before.is_one_of:
            yield Change(name, f"{name} takes exactly one of its fields now.")


def changed_meanings(released: GraphQLSchema, now: GraphQLSchema) -> Iterator[Change]:
    """What breaks no operation, but may make one mean something else: other defaults."""
    for change in find_schema_changes(released, now):
        if isinstance(change, DangerousChange) and change.type not in GROWTH:
            yield Change(_place_of(change), change.description)


def _place_of(change: BreakingChange | DangerousChange) -> str:
    """The coordinate that a change is about."""
    if change.type in (BreakingChangeType.TYPE_REMOVED_FROM_UNION, DangerousChangeType.TYPE_ADDED_TO_UNION):
        found = _UNION.search(change.description)
        assert found is not None
        return found[1]
    member = _MEMBER.search(change.description)
    return member[0] if member is not None else change.description.split()[0]


def unannounced(released: GraphQLSchema, now: GraphQLSchema, changelog: Changelog, today: date) -> list[Change]:
    """The breaking changes that clients were not told of."""
    due = {place for place, reason in deprecations(released) if removal_of(reason) <= today}
    may_be_gone = due | _only_used_by(due, released)
    told = changelog.newest.breaking
    return [
        change
        for change in breaking_changes(released, now)
        if change.place not in told and not (change.removes and change.place in may_be_gone)
    ]


def _only_used_by(due: set[str], schema: GraphQLSchema) -> set[str]:
    """The types that nothing but what is due leads to: they go with it."""
    users: dict[str, set[str]] = {}
    for place, part in parts_of(schema):
        if not isinstance(part, GraphQLEnumValue):
            users.setdefault(get_named_type(part.type).name, set()).add(place)
    going: set[str] = set()
    while more := {
        name
        for name, places in users.items()
        if name not in going
        and all(place.partition("(")[0] in due or place.partition(".")[0] in going for place in places)
    }:
        going |= more
    return going


# Deprecations


def deprecation_faults(schema: GraphQLSchema, changelog: Changelog) -> list[str]:
    """What is wrong with how deprecations are announced, by the changelog's days and not by the clock's."""
    faults = []
    last = changelog.last_release()
    for place, reason in deprecations(schema):
        until = removal_of(reason)
        section = changelog.announcing(place)
        if section is None:
            faults.append(f"`{place}` is deprecated, but not named under **Deprecated** in CHANGELOG.md.")
            continue
        first = section.released or last
        if section.deprecated[place] != until:
            faults.append(f"`{place}` goes on {until} by the schema, on {section.deprecated[place]} by CHANGELOG.md.")
        elif first is not None and until < first + timedelta(days=NOTICE_DAYS):
            faults.append(f"`{place}` goes on {until}, less than {NOTICE_DAYS} days after {first}.")
        elif last is not None and until <= last:
            faults.append(f"`{place}` was to go on {until}, and was there still on {last}.")
    return faults


def overdue(schema: GraphQLSchema, today: date) -> list[str]:
    """What is still there though its day has come."""
    return [f"`{place}` may be removed since {day}." for place, reason in deprecations(schema)
            if (day := removal_of(reason)) <= today]  # fmt: skip


# The released snapshot


def released_schema(path: Path = RELEASED) -> GraphQLSchema:
    """The API as it was last released."""
    return build_schema(path.read_text(encoding="utf-8"), assume_valid=True)


def release(sdl: str, changelog: Changelog, path: Path = RELEASED) -> str:
    """Make the schema the one that was released last; the version. The changelog must say when it is released."""
    newest = changelog.newest
    if newest.released is None:
        raise ConfigurationError(f"CHANGELOG.md calls {newest.version} unreleased: write the day of its release first.")
    if faults := deprecation_faults(build_schema(sdl, assume_valid=True), changelog):
        raise ConfigurationError(" ".join(faults))
    path.write_text(HEADER + sdl, encoding="utf-8")
    return newest.version
