"""How to ask for something: examples written by hand beside the schema, and the smallest valid one for all the rest.

``schema/<room>/examples/<name>.graphql`` is a document, with its title and purpose as comments on top, and ``# Role: …``
where a dispatcher is not who asks; ``<name>.json`` holds its variables. A value such as ``"<wo triaged>"`` stands for an id of that kind: readers see a made-up one, and tests, which
run every example in the demo company, put in the id of a row that is as the words say.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
    parse,
)

from app.kernel.ids import ALPHABET
from app.kernel.permissions import Role
from schema.kit.declarations import READABLE_BY_PREFIX
from schema.kit.measuring import Measures

FOLDER = Path(__file__).parents[1]
ROLE = "Role:"
ERRORS = "errors { code message path }"
PAGE_INFO = "pageInfo { hasNextPage endCursor }"
FIELDS_MAX = 8
LINE_LENGTH = 64
SAMPLES: dict[str, Any] = {
    "String": "…",
    "Int": 1,
    "Float": 1.5,
    "Boolean": True,
    "Decimal": "12.50",
    "DateTime": "2026-11-23T14:00:00Z",
    "Date": "2026-11-23",
    "Duration": "PT1H30M",
    "JSON": {},
}
PLACES: dict[str, Any] = {
    "day": "2026-11-23",
    "time": "2026-11-23T14:00:00Z",
    "cursor": "j1.01m80tq4r0.42",
    "secret": "trk_…",
}
"""What readers see for a placeholder whose first word is no kind of id."""


@dataclass(frozen=True, slots=True)
class Example:
    """A document with its variables."""

    name: str
    title: str
    purpose: str
    document: str
    variables: dict[str, Any] = field(default_factory=dict)
    role: Role = Role.DISPATCHER
    written: bool = True

    @property
    def shown_variables(self) -> dict[str, Any]:
        """The variables as readers see them."""
        shown: dict[str, Any] = filled(self.variables, sample)
        return shown

    def cost(self, schema: GraphQLSchema) -> int:
        """What it costs, by the rule of the limits."""
        measures = Measures(self.node, schema)
        operations = (one for one in self.node.definitions if isinstance(one, OperationDefinitionNode))
        return sum(measures.of(one, self.shown_variables).cost for one in operations)

    @property
    def node(self) -> DocumentNode:
        """The document, parsed."""
        return parse(self.document)

    def roots(self) -> Iterator[tuple[str, str]]:
        """The kind and name of every root field it asks for."""
        for operation in self.node.definitions:
            if isinstance(operation, OperationDefinitionNode):
                for one in operation.selection_set.selections:
                    if isinstance(one, FieldNode):
                        yield operation.operation.value, one.name.value


# Written by hand


@cache
def written() -> tuple[Example, ...]:
    """All examples that stand beside the schema, by room and name."""
    return tuple(read_example(path) for path in sorted(FOLDER.glob("*/examples/*.graphql")))


def read_example(path: Path) -> Example:
    """One example; its first comment line is the title, the others say what it is for."""
    lines = path.read_text(encoding="utf-8").strip().splitlines()
    comments = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
    if not comments:
        raise TypeError(f"{path.name} does not say what it is an example of")
    role = Role.DISPATCHER
    if comments[-1].startswith(ROLE):
        role = Role(comments.pop().removeprefix(ROLE).strip())
    document = "\n".join(line for line in lines if not line.startswith("#"))
    beside = path.with_suffix(".json")
    variables = json.loads(beside.read_text(encoding="utf-8")) if beside.exists() else {}
    return Example(path.stem, comments[0], " ".join(comments[1:]), document, variables, role)


def by_operation(examples: tuple[Example, ...]) -> dict[tuple[str, str], list[Example]]:
    """Examples by the root fields they use; those that use fewest come first."""
    found: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for example in examples:
        for root in dict.fromkeys(example.roots()):
            found[root].append(example)
    for several in found.values():
        several.sort(key=lambda one: len(set(one.roots())))
    return found


def filled(value: Any, fill: Callable[[str], Any]) -> Any:
    """Variables with every placeholder replaced by what ``fill`` makes of its words."""
    if isinstance(value, str) and value.startswith("<") and value.endswith(">"):
        return fill(value[1:-1])
    if isinstance(value, Mapping):
        return {key: filled(one, fill) for key, one in value.items()}
    return [filled(one, fill) for one in value] if isinstance(value, list) else value


def sample(words: str) -> Any:
    """A made-up value for a placeholder: the same words, the same value."""
    first = words.split()[0]
    if first in PLACES:
        return PLACES[first]
    digits = hashlib.blake2b(words.encode(), digest_size=16).digest()
    return f"{first}_01m80tq4r0" + "".join(ALPHABET[byte % 32] for byte in digits)


# The smallest valid one


def least(kind: str, name: str, field: GraphQLField) -> Example:
    """The smallest useful request for a root field: what it cannot do without, and the plain fields of its answer."""
    about = _subject(field)
    required = {one: argument for one, argument in field.args.items() if is_required_argument(argument)}
    variables = {one: _value(argument.type, one, about) for one, argument in required.items()}
    title = f"{name[0].upper()}{name[1:]}"
    declared = _in_parentheses(f"${one}: {argument.type}" for one, argument in required.items())
    passed = _in_parentheses(
        [*(f"{one}: ${one}" for one in required), *(["first: 10"] if "first" in field.args else [])]
    )
    body = _payload(field) if kind == "mutation" else _selection(get_named_type(field.type))
    inner = f"{name}{passed}{_indented(body)}".replace("\n", "\n  ")
    document = f"{kind} {title}{declared} {{\n  {inner}\n}}"
    return Example(name, title, "", document, variables, written=False)


def _in_parentheses(parts: Iterable[str]) -> str:
    together = ", ".join(parts)
    return f"({together})" if together else ""


def _subject(field: GraphQLField) -> str:
    """The type that an operation is about: what it answers with, or what its payload holds."""
    named: Any = get_named_type(field.type)
    noun = next((one for one in getattr(named, "fields", {}) if one not in ("errors", "cursor")), None)
    if named.name.endswith(("Payload", "Event")) and noun is not None:
        named = get_named_type(list(named.fields.values())[-1 if named.name.endswith("Event") else 0].type)
    return str(named.name)


def _prefix(name: str, about: str) -> str:
    """The kind of id that is wanted: of the type that a field's name ends in, else of what the operation is about."""
    word = name.removesuffix("s").removesuffix("Id").removesuffix("id").lower()
    named = {one.name.lower(): prefix for prefix, one in READABLE_BY_PREFIX.items()}
    fitting = [one for one in named if word and one.endswith(word)]
    return named[min(fitting, key=len)] if fitting else named.get(about.lower(), "wo")


def _payload(field: GraphQLField) -> list[str]:
    payload: Any = get_named_type(field.type)
    noun = next((one for one in payload.fields if one not in ("errors", "cursor")), None)
    inner = _selection(get_named_type(payload.fields[noun].type)) if noun is not None else []
    return [*([noun + _indented(inner)] if noun is not None else []), ERRORS]


def _selection(type: Any, deeper: int = 1) -> list[str]:
    """The plain fields of a type, up to a few; those of the rows where it is a page, and of the parts of what is no row."""
    if is_leaf_type(type):
        return []
    if isinstance(type, GraphQLObjectType) and "nodes" in type.fields and "pageInfo" in type.fields:
        return ["nodes" + _indented(_selection(get_named_type(type.fields["nodes"].type), 0)), PAGE_INFO]
    plain = [name for name, one in type.fields.items() if _is_plain(one)]
    if isinstance(type, GraphQLInterfaceType):
        return ["__typename", *plain]
    if not deeper or any(one.name == "Node" for one in type.interfaces):
        return plain[:FIELDS_MAX] or ["__typename"]
    parts = [
        name + _indented(_selection(get_named_type(one.type), deeper - 1))
        for name, one in type.fields.items()
        if not is_leaf_type(get_named_type(one.type)) and not one.args
    ]
    return plain[:FIELDS_MAX] + parts[:2]


def _is_plain(field: GraphQLField) -> bool:
    return is_leaf_type(get_named_type(field.type)) and not field.args and field.deprecation_reason is None


def _indented(lines: list[str]) -> str:
    if not lines:
        return ""
    if all("\n" not in line for line in lines) and sum(map(len, lines)) < LINE_LENGTH:
        return f" {{ {' '.join(lines)} }}"
    return " {\n  " + "\n".join(lines).replace("\n", "\n  ") + "\n}"


def _value(type: Any, name: str, about: str) -> Any:
    if isinstance(type, GraphQLNonNull):
        return _value(type.of_type, name, about)
    if isinstance(type, GraphQLList):
        return [_value(type.of_type, name, about)]
    if isinstance(type, GraphQLInputObjectType):
        required = {one: part for one, part in type.fields.items() if is_required_input_field(part)}
        if type.is_one_of:
            required = dict(list(type.fields.items())[:1])
        return {one: _value(part.type, one, about) for one, part in required.items()}
    if isinstance(type, GraphQLEnumType):
        return next(iter(type.values))
    return f"<{_prefix(name, about)} any>" if type.name == "ID" else SAMPLES.get(type.name, "…")
