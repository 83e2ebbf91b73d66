"""The JSON Schema of the documents in `documents.py`, made from the dataclasses they are read into."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from optimizer.documents import PLAN_FORMAT, PROBLEM_FORMAT
from optimizer.plan import Plan
from optimizer.problem import Problem

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Json = dict[str, Any]
SCALARS: dict[type, Json] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
}


def json_schema() -> Json:
    """One schema for both kinds of documents, told apart by `format`."""
    definitions: dict[str, Json] = {}
    for kind, name in ((Problem, PROBLEM_FORMAT), (Plan, PLAN_FORMAT)):
        _define(kind, definitions)
        document = {**definitions[kind.__name__]}
        document["properties"] = {"format": {"const": name}, **document["properties"]}
        # Files may leave travel out; see `files.read_problem`.
        document["required"] = ["format", *(each for each in document.get("required", []) if each != "travel")]
        definitions[f"{kind.__name__}Document"] = document
    return {
        "$schema": DIALECT,
        "title": "A question to the planner, or its answer",
        "oneOf": [{"$ref": "#/$defs/ProblemDocument"}, {"$ref": "#/$defs/PlanDocument"}],
        "$defs": dict(sorted(definitions.items())),
    }


def _define(kind: Any, definitions: dict[str, Json]) -> Json:
    """A reference to the dataclass, which is defined when it is first met."""
    if kind.__name__ not in definitions:
        definition: Json = {"type": "object"}
        definitions[kind.__name__] = definition
        if kind.__doc__ and not kind.__doc__.startswith(f"{kind.__name__}("):
            definition["description"] = " ".join(kind.__doc__.split())
        definition |= {"additionalProperties": False, "properties": {}}
        hints = get_type_hints(kind)
        required: list[str] = []
        for each in fields(kind):
            if each.init:
                definition["properties"][each.name] = _schema(hints[each.name], definitions)
                if each.default is MISSING and each.default_factory is MISSING:
                    required.append(each.name)
        if required:
            definition["required"] = required
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _schema(kind: Any, definitions: dict[str, Json]) -> Json:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        found = [_schema(each, definitions) for each in arguments if each is not NoneType]
        return {"anyOf": [*found, {"type": "null"}]} if NoneType in arguments else {"anyOf": found}
    if origin is tuple or origin is Sequence:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    if is_dataclass(kind):
        return _define(kind, definitions)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"enum": [each.value for each in kind]}
    return dict(SCALARS[kind])
