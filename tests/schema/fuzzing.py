"""Operations made up from the schema by the number of a case: valid ones, slightly wrong ones and hostile ones.

Own instead of hypothesis-graphql, which makes six documents a second of this schema, writes every value into the document
and knows no ids; here a case takes a millisecond, most values are variables, and ids and cursors are often ones that exist.
The same number makes the same case, given the same rows.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from app.kernel.ids import new_id
from tests.schema import documents

KINDS = ("query",) * 6 + ("mutation",) * 4 + ("subscription",)
DEPTH_MAX = 4
TEXTS = (
    "", " ", "a", "plain", "somebody@example.com", "Europe/Berlin", "EUR", "DE", "+49 30 1234567", "#102030", "x" * 300,
    "0", "-1", "null", "true", "NaN", "%", "_", "\\", "'", '"', "';--", "' OR 1=1 --", "\"; DROP TABLE customer; --", "$1", "?", ":a",
    "{{ name }}", "${jndi:ldap://x}", "<script>alert(1)</script>", "../../etc/passwd", "a\nb", "a\tb", "a\r\nX: y", "\x7f", "\x1b[31m",
    "e\u0301", "\ufb03", "\u202e", "\ufeff", "\ud800", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0130", "\ufdfa" * 20,
    "Z\u0351\u036b\u0343\u036a" * 9, "(a+)+$", "a*b", "AND", "NEAR(", '"a" OR', "*", "^", "1e9999", "9" * 400, "((((((((((",
    "2031-03-03", "2031-03-03T10:00:00Z", "PT1H", "12.50", "wo_01jd", "trk_" + "a" * 40,
)  # fmt: skip
CONTROL = ("a\x00b",)  # refused before anything else, so it is rare here
INTS = (0, 1, 1, 2, 5, 25, 100, 101, -1, 60, 2**31 - 1, -(2**31), 2**31, 2**53, 2**63, 10**30, 1.5, 3.0)
FLOATS = (0.0, -0.0, 1, 1.5, 52.5, 13.4, -90, 180, 90.0001, 1e308, -1e308, 5e-324, 2**70)
DECIMALS = (
    "0", "1", "12.50", "-0", "-1", "1e5", "1E400", "NaN", "Infinity", "9" * 14, "9" * 40, "0.00001", ".5", "1_000", "١", " 1",
)  # fmt: skip
MOMENTS = (
    "2031-03-03T10:00:00Z", "2031-03-03T10:00:00+01:00", "2026-11-25T13:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "2031-02-30T10:00:00Z", "2031-03-03T24:00:00Z", "2031-03-03T10:00:00",
    "2031-03-03T10:00:60Z", "1900-01-01T00:00:00Z", "2031-03-30T02:30:00+01:00", "2031-03-03T10:00:00.123456789Z", "2031-03-03T10:00:00+99:99",
)  # fmt: skip
DAYS = ("2031-03-03", "2026-11-25", "0001-01-01", "9999-12-31", "2032-02-29", "2031-02-29", "2031-3-3", "20310303")
DURATIONS = ("PT1H", "PT90M", "P2D", "PT0S", "-PT1H", "P99999W", "PT999999999S", "P", "PT", "1H", "PT1.5H")
ANYTHING = (None, 0, -1, 1.5, True, "", "text", [], {}, [[]], {"a": 1}, ["a", None], {"eq": None}, {"and": []})


@dataclass
class Pool:
    """What there is: ids by their prefix, and cursors that answers gave."""

    ids: Mapping[str, list[str]]
    cursors: dict[str, list[str]] = field(default_factory=dict)

    def harvest(self, answer: Any) -> None:
        """Keep the cursors of an answer."""
        for key, value in answer.items() if isinstance(answer, dict) else enumerate(answer):
            if isinstance(value, dict | list):
                self.harvest(value)
            elif key in ("cursor", "endCursor", "startCursor", "journalCursor") and isinstance(value, str):
                known = self.cursors.setdefault(_kind_of(value), [])
                known.append(value)
                del known[:-50]


def _kind_of(cursor: str) -> str:
    """The type that a cursor is about: the first word in it."""
    try:
        return str(_opened(cursor)[0]).partition(" ")[0]
    except (ValueError, TypeError, LookupError):
        return "?"


def _opened(cursor: str) -> list[Any]:
    values: list[Any] = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    return values


@dataclass(frozen=True)
class Case:
    """One request."""

    kind: str
    document: str
    variables: dict[str, Any]


def case_of(number: int, pool: Pool) -> Case:
    """The case of a number."""
    return _Maker(Random(number), pool).case()


class _Maker:
    def __init__(self, random: Random, pool: Pool) -> None:
        self._random = random
        self._pool = pool
        self._wrong = random.random() < 0.3  # whether this case may break the schema's rules
        self._declared: dict[str, str] = {}
        self._variables: dict[str, Any] = {}
        self._fragments: list[str] = []
        self._root = ""
        self._listed = ""

    def case(self) -> Case:
        kind = self._random.choice(KINDS)
        fields = documents.roots(kind)
        count = 1 if kind == "subscription" else self._random.choice((1, 1, 1, 2, 3))
        chosen = []
        for index in range(count):
            self._root = self._random.choice([*fields])
            alias = f"r{index}: " if index or self._happens(0.1) else ""
            chosen.append(alias + self._field(self._root, fields[self._root], 0))
        if self._happens(0.1):
            chosen.append("__typename")
        if self._wrong and self._happens(0.05):
            chosen.append(self._random.choice(("nothing", "viewer", "...Nothing", "__schema { types { name } }")))
        declared = ", ".join(f"${name}: {type}" for name, type in self._declared.items())
        name = self._random.choice(("", " Named"))
        text = f"{kind}{name}{f' ({declared})' if declared else ''} {{ {' '.join(chosen)} }}"
        text = "\n".join([text, *self._fragments])
        if self._wrong and self._happens(0.05):
            text = self._broken(text)
        return Case(kind, text, self._variables)

    def _happens(self, chance: float) -> bool:
        return self._random.random() < chance

    def _broken(self, text: str) -> str:
        """A document with a character too few or too many."""
        place = self._random.randrange(len(text))
        junk = self._random.choice(("", "", "{", "}", "(", '"', '"""', "$", "@", "...", "\\", "\u202e", "#", "0", "é"))
        return text[:place] + junk + text[place + self._random.randrange(3) :]

    # What is asked for

    def _field(self, name: str, field: GraphQLField, depth: int) -> str:
        shown = name + self._arguments(field)
        if self._happens(0.03):
            shown += self._random.choice((" @include(if: true)", " @skip(if: false)", " @skip(if: true)"))
        return f"{shown} {self._selection(get_named_type(field.type), depth + 1)}".strip()

    def _selection(self, type: Any, depth: int) -> str:
        if is_leaf_type(type):
            return "{ id }" if self._wrong and self._happens(0.01) else ""
        if self._wrong and self._happens(0.01):
            return ""
        parts = ["__typename"] if self._happens(0.2) else []
        if isinstance(type, GraphQLInterfaceType | GraphQLUnionType):
            possible = documents.CORE.get_possible_types(type)
            for one in self._random.sample(possible, min(2, len(possible))):
                parts.append(f"... on {one.name} {self._selection(one, depth)}")
        if isinstance(type, GraphQLObjectType | GraphQLInterfaceType):
            parts += self._fields(type, depth)
        if self._wrong and self._happens(0.02):
            parts.append(self._random.choice(("nothing", "id: name", "... on Nothing { id }", "a: __typename a: id")))
        inner = " ".join(parts or ["__typename"])
        if isinstance(type, GraphQLObjectType) and self._happens(0.05):
            self._fragments.append(f"fragment F{len(self._fragments)} on {type.name} {{ {inner} }}")
            inner = f"...F{len(self._fragments) - 1}"
        return f"{{ {inner} }}"

    def _fields(self, type: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> list[str]:
        chosen = []
        for name in self._random.sample([*type.fields], min(len(type.fields), self._random.choice((1, 2, 3, 5, 8)))):
            field = type.fields[name]
            if depth < DEPTH_MAX or is_leaf_type(get_named_type(field.type)):
                shown = self._field(name, field, depth)
                # Two fields of one type may take other arguments: each gets a key of its own.
                chosen.append(f"{name}{len(self._declared)}x{len(chosen)}: {shown}" if "(" in shown[:40] else shown)
        return chosen

    # What is given

    def _arguments(self, field: GraphQLField) -> str:
        given: list[str] = []
        self._listed = get_named_type(field.type).name.removesuffix("Connection")
        names = [*field.args]
        if "last" in names and not self._happens(0.05):  # most pages are asked for from one end
            backward = self._happens(0.3)
            names = [one for one in names if one not in (("first", "after") if backward else ("last", "before"))]
            if backward:
                given.append(f"last: {self._random.randrange(1, 4)}")
                names.remove("last")
        for name in names:
            argument = field.args[name]
            wanted = is_required_argument(argument) or self._happens(0.3)
            if wanted and not (self._wrong and self._happens(0.02)):
                given.append(f"{name}: {self._argument(name, argument)}")
        if self._wrong and self._happens(0.01):
            given.append("nothing: 1")
        return f"({', '.join(given)})" if given else ""

    def _argument(self, name: str, argument: GraphQLArgument) -> str:
        value = self._value(argument.type, name)
        if self._happens(0.25):
            return _literal(value, argument.type)
        variable = f"v{len(self._declared)}"
        self._declared[variable] = str(argument.type)
        if self._wrong and self._happens(0.03):
            self._declared[variable] = self._random.choice(("Int", "String!", "[ID]", "Nothing", "WorkOrder"))
        if not (self._wrong and self._happens(0.03)):
            self._variables[variable] = value
        return f"${variable}"

    def _value(self, type: Any, name: str, depth: int = 0) -> Any:
        if self._wrong and self._happens(0.02):
            return self._random.choice((*ANYTHING, *CONTROL))
        if isinstance(type, GraphQLNonNull):
            return self._value(type.of_type, name, depth)
        if depth and self._happens(0.05):
            return None
        if isinstance(type, GraphQLList):
            count = self._random.choice((0, 1, 1, 2, 3, 101, 201) if depth < 2 and self._happens(0.1) else (0, 1, 1, 2))
            return [self._value(type.of_type, name, depth + 1) for _ in range(count)]
        if isinstance(type, GraphQLInputObjectType):
            return self._object(type, depth)
        if isinstance(type, GraphQLEnumType):
            wrong = ("NOTHING", "") if self._wrong else ()
            return self._random.choice([*type.values, *wrong])
        return self._scalar(type.name, name)

    def _object(self, type: GraphQLInputObjectType, depth: int) -> dict[str, Any]:
        made = {}
        # Of an input with many fields, such as a filter, a handful: all at once would only ever be refused.
        few = min(0.15 if depth else 0.4, 4 / len(type.fields)) if depth < 6 else 0
        if type.is_one_of and not self._happens(0.1):
            name, one = self._random.choice(list(type.fields.items()))
            return {name: self._value(one.type, name, depth + 1)}
        for name, one in type.fields.items():
            recursive = get_named_type(one.type) is type
            if is_required_input_field(one) or self._happens((0.1 if depth < 4 else 0) if recursive else few):
                made[name] = self._value(one.type, name, depth + 1)
        if self._wrong and self._happens(0.02):
            made["nothing"] = 1
        return made

    def _scalar(self, type: str, name: str) -> Any:
        choose = self._random.choice
        if type == "ID":
            return self._id(name)
        if type == "String" and name in ("after", "before", "cursor"):
            return self._cursor()
        if type == "String" and name in documents.VALUES and self._happens(0.7):
            return documents.VALUES[name]
        if type == "Boolean":
            return choose((True, False))
        if type == "Int" and name in ("first", "last") and self._happens(0.8):
            return choose((1, 2, 3))
        if type == "Int" and not self._wrong:
            return choose(INTS[:12])
        known = {
            "Int": INTS,
            "Float": FLOATS,
            "Decimal": DECIMALS,
            "DateTime": MOMENTS,
            "Date": DAYS,
            "Duration": DURATIONS,
        }
        if type in known:
            likely = documents.SCALARS[type]
            return likely if self._happens(0.3) else choose(known[type])
        if type == "JSON":
            return choose(ANYTHING)
        return choose(TEXTS) if self._happens(0.5) else "plain"

    def _id(self, name: str) -> str:
        chance = self._random.random()
        if chance < 0.65:
            try:
                prefix = documents.prefix_at(self._root, (name,))
            except (KeyError, AssertionError):
                prefix = self._random.choice([*self._pool.ids])
            return self._random.choice(self._pool.ids.get(prefix) or [new_id("wo")])
        if chance < 0.85:
            return self._random.choice(self._pool.ids[self._random.choice([*self._pool.ids])])
        if chance < 0.92:
            # Not new_id: the same number makes the same case.
            return f"{self._random.choice([*self._pool.ids])}_01jd{self._random.randrange(10**22):022}"
        return self._random.choice(TEXTS)

    def _cursor(self) -> str:
        fitting = self._pool.cursors.get(self._listed) if self._happens(0.9) else None
        known = fitting or [one for some in self._pool.cursors.values() for one in some]
        if not known or self._happens(0.05):
            return self._random.choice(TEXTS)
        cursor = self._random.choice(known)
        if self._happens(0.7):
            return cursor
        values = _opened(cursor)
        place = self._random.randrange(len(values))
        values[place] = self._random.choice((*ANYTHING, *TEXTS, *INTS, *MOMENTS, float("nan"), "\x00"))
        if self._happens(0.1):
            values = values[: self._random.randrange(len(values) + 1)] + [None] * self._random.randrange(3)
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _literal(value: Any, type: Any) -> str:
    """A value as GraphQL writes it."""
    named = get_named_type(type)
    if isinstance(value, dict):
        fields = named.fields if isinstance(named, GraphQLInputObjectType) else {}
        inner = (
            f"{name}: {_literal(one, fields[name].type if name in fields else None)}" for name, one in value.items()
        )
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_literal(one, type) for one in value) + "]"
    if isinstance(value, str) and isinstance(named, GraphQLEnumType) and value.isidentifier():
        return value
    return json.dumps(value)
