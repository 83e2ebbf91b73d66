"""Problems and plans as JSON documents, to send them to another process or keep them.

A document is plain dicts, lists, strings, numbers, booleans and nulls. Its first key is `format`: kind and
version (`truckroll.problem/1`, `truckroll.plan/1`). Below it, every dataclass is an object with exactly the
names of its fields (see `problem.py` and `plan.py`); one left out has its default, an unknown one is refused.
Tuples are arrays, mappings are objects, enumerations their value, `origin` is ISO 8601 with an offset.

    {"format": "truckroll.problem/1",
     "technicians": [{"id": "ann", "shifts": [{"start_minute": 480, "end_minute": 960, "start_place": "depot",
                                               "end_place": "depot"}], "skills": {"gas": {"level": 2}}}],
     "visits": [{"id": "boiler", "place": "mill", "duration_minutes": 45, "required_skills": {"gas": 1}}],
     "places": [{"id": "depot", "latitude": 52.5, "longitude": 13.4}, …],
     "travel": {"minutes": [[0, 12], [14, 0]], "metres": [[0, 9000], [9400, 0]]}}
"""

from array import array
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from optimizer.parts import Part, Solved
from optimizer.plan import Plan
from optimizer.problem import InvalidProblem, Problem

PROBLEM_FORMAT = "truckroll.problem/1"
PLAN_FORMAT = "truckroll.plan/1"
PART_FORMAT, SOLVED_FORMAT = "truckroll.part/1", "truckroll.solved/1"
# From this length on a row of a travel matrix is kept as an array: a twelfth of the memory.
LONG_ROW = 256
Json = dict[str, Any]
T = TypeVar("T")


def problem_to_json(problem: Problem) -> Json:
    return {"format": PROBLEM_FORMAT, **to_json(problem)}


def problem_from_json(document: Json) -> Problem:
    """Raises `InvalidProblem` with the path of what is wrong."""
    return _read_document(Problem, PROBLEM_FORMAT, document)


def plan_to_json(plan: Plan) -> Json:
    return {"format": PLAN_FORMAT, **to_json(plan)}


def plan_from_json(document: Json) -> Plan:
    """Raises `InvalidProblem` with the path of what is wrong."""
    return _read_document(Plan, PLAN_FORMAT, document)


def part_to_json(part: Part) -> Json:
    return {"format": PART_FORMAT, **to_json(part)}


def part_from_json(document: Json) -> Part:
    """Raises `InvalidProblem` with the path of what is wrong."""
    return _read_document(Part, PART_FORMAT, document)


def solved_to_json(solved: Solved) -> Json:
    return {"format": SOLVED_FORMAT, **to_json(solved)}


def solved_from_json(document: Json) -> Solved:
    """Raises `InvalidProblem` with the path of what is wrong."""
    return _read_document(Solved, SOLVED_FORMAT, document)


def to_json(value: Any) -> Any:
    """Any part of a problem or a plan, in the words of its document."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_json(getattr(value, each.name)) for each in fields(value) if each.init}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        return {key: to_json(each) for key, each in value.items()}
    if isinstance(value, array):
        return value.tolist()
    if isinstance(value, tuple):
        # Rows of a travel matrix hold millions of plain numbers.
        return list(value) if value and type(value[0]) is int else [to_json(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _read_document(kind: type[T], name: str, document: Json) -> T:
    if not isinstance(document, dict) or document.get("format") != name:
        raise InvalidProblem("format", f"must be “{name}”.")
    return cast(T, _read(kind, {key: each for key, each in document.items() if key != "format"}, ""))


def _read(kind: Any, value: Any, path: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        return _read(next(each for each in arguments if each is not NoneType), value, path)
    if origin is Sequence:
        return _read_row(value, path)
    if origin is tuple:
        if arguments[0] is int and isinstance(value, list) and set(map(type, value)) <= {int}:
            return tuple(value)
        return tuple(
            _read(arguments[0], each, f"{path}[{index}]")
            for index, each in enumerate(_require(value, list, "an array", path))
        )
    if origin is not None and issubclass(origin, Mapping):
        return {
            key: _read(arguments[1], each, f"{path}[{key}]")
            for key, each in _require(value, dict, "an object", path).items()
        }
    if is_dataclass(kind):
        return _read_object(cast(type[Any], kind), _require(value, dict, "an object", path), path)
    return _read_scalar(kind, value, path)


def _read_row(value: Any, path: str) -> Any:
    """Of a travel matrix, so of one of millions of numbers: looked at one by one only where something is wrong."""
    row = _require(value, list, "an array", path)
    if set(map(type, row)) - {int}:
        return tuple(_read(int, each, f"{path}[{index}]") for index, each in enumerate(row))
    if len(row) < LONG_ROW:
        return tuple(row)
    try:
        return array("i", row)
    except OverflowError:
        raise InvalidProblem(path, "must not hold numbers beyond 32 bits.") from None


def _read_object(kind: type[Any], document: Json, path: str) -> Any:
    known = _fields_of(cast(Hashable, kind))
    for name in document:
        if name not in known:
            raise InvalidProblem(_join(path, name), "is not a field of the format.")
    for name, (field, _) in known.items():
        if name not in document and field.default is MISSING and field.default_factory is MISSING:
            raise InvalidProblem(_join(path, name), "is missing.")
    values = {name: _read(known[name][1], each, _join(path, name)) for name, each in document.items()}
    try:
        return kind(**values)
    except InvalidProblem as problem:
        raise InvalidProblem(_join(path, problem.path), problem.sentence) from None


def _read_scalar(kind: Any, value: Any, path: str) -> Any:
    if kind is float:
        return float(_require(value, (int, float), "a number", path))
    if kind is datetime:
        try:
            return datetime.fromisoformat(_require(value, str, "a time", path))
        except ValueError:
            raise InvalidProblem(path, "must be a time in ISO 8601.") from None
    if issubclass(kind, StrEnum):
        try:
            return kind(value)
        except ValueError:
            raise InvalidProblem(path, f"must be one of {', '.join(kind)}.") from None
    names = {int: "a whole number", str: "a string", bool: "true or false"}
    return _require(value, kind, names[kind], path)


def _require(value: Any, kind: Any, name: str, path: str) -> Any:
    # To Python, True is a whole number; to a reader of JSON it is not.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InvalidProblem(path, f"must be {name}.")
    return value


@cache
def _fields_of(kind: Hashable) -> dict[str, tuple[Field[Any], Any]]:
    hints = get_type_hints(kind)
    return {each.name: (each, hints[each.name]) for each in fields(cast(Any, kind)) if each.init}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
