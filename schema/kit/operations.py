"""What clients may ask and do. An operation that does not say what it does and who may do it does not load."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from typing import Any, Final, TypeVar

import strawberry
import structlog
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument, convert_arguments
from strawberry.utils.str_converters import to_camel_case

from app import database
from app.infrastructure import journal, notes
from app.infrastructure.command import idempotency_key, last_cursor
from app.kernel import errors
from app.kernel.permissions import Permission
from schema.kit import problems as problem_types
from schema.kit.context import Context
from schema.kit.declarations import (
    Call,
    Found,
    Function,
    KitField,
    Many,
    One,
    described,
    function_arguments,
    page_arguments,
    readable_of,
)
from schema.kit.orders import Order
from schema.kit.reading import read_connection, read_hits, read_many, read_one, read_where
from schema.kit.reading.selection import Info
from schema.kit.reading.statement import window_of

log = structlog.get_logger(__name__)
F = TypeVar("F", bound=Callable[..., Any])


class Openness(Enum):
    """Who may use an operation that asks for no permission."""

    SIGNED_IN = "any actor"
    ANYONE = "anyone, signed in or not"


SIGNED_IN: Final = Openness.SIGNED_IN
ANYONE: Final = Openness.ANYONE
Access = Permission | Openness


@dataclass(frozen=True, slots=True)
class Operation:
    """What the tests and the documentation know of an operation."""

    name: str
    kind: str
    access: Access
    description: str
    problems: tuple[type[errors.Problem], ...] = ()
    module: str = ""


OPEN_WHILE_ENROLLING: set[str] = set()
"""What somebody may use who has yet to set up the second factor that the organization asks for: nothing but that."""
OPERATIONS: dict[tuple[str, str], Operation] = {}
"""By kind and name: a list and what happens to its rows may be called the same."""


class OperationField(KitField):
    """A field of Query or Mutation. It registers itself under its name when its class is made."""

    def __init__(self, kind: str, description: str, declaration: Any, access: Access, **options: Any) -> None:
        if not isinstance(access, Permission | Openness):
            raise TypeError("an operation needs a permission, or SIGNED_IN, or ANYONE")
        super().__init__(description, declaration, **options)
        self.kind = kind
        self.access = access
        self.payload: Payload | None = None
        self.operation: Operation | None = None

    def __set_name__(self, owner: type[Any], name: str) -> None:
        if self.operation is None:
            self._register(owner, name)
        super().__set_name__(owner, name)

    def _register(self, owner: type[Any], name: str) -> None:
        shown = to_camel_case(name)
        known = OPERATIONS.get((self.kind, shown))
        if known is not None and known.module != owner.__module__:
            raise TypeError(f"two operations are called {shown}")
        problems = self.declaration.problems if isinstance(self.declaration, Call) else ()
        self.python_name = name
        self.operation = Operation(shown, self.kind, self.access, self.description or "", problems, owner.__module__)
        OPERATIONS[self.kind, shown] = self.operation

    def admit(self, context: Context) -> None:
        """Raise unless the asker may use the operation, and there is time left for it."""
        context.require_time()
        if self.access is ANYONE:
            return
        actor = context.require_actor()
        if actor.must_enroll and self.operation is not None and self.operation.name not in OPEN_WHILE_ENROLLING:
            raise errors.EnrollmentRequired()
        if isinstance(self.access, Permission):
            with notes.noting_refusals(actor, self.python_name):
                actor.require(self.access)


def one(description: str, *, permission: Access, where: Function | None = None) -> Any:
    """A query for one row: by id, or by the condition that ``where(actor, …)`` makes of its arguments."""
    made = OperationField("query", description, One(None, where), permission)
    made.arguments = function_arguments(where) if where is not None else [_id_argument()]
    return made


def many(
    description: str,
    *,
    permission: Access,
    filter: type[Any] | None = None,
    order: Order | None = None,
    where: Function | None = None,
) -> Any:
    """A query for a list, as a connection; ``where(actor, …)`` makes a further condition of arguments of its own."""
    made = OperationField("query", description, Many(None, filter, order, where), permission)
    own = function_arguments(where) if where is not None else []
    made.arguments = [*own, *page_arguments(filter, order)]
    return made


def found(description: str, *, permission: Access, kinds: dict[Any, Any]) -> Any:
    """A query for whatever answers a text, of the types that ``kinds`` names; their models say what of them is searched."""
    made = OperationField("query", description, Found(None, kinds), permission)
    words = type(next(iter(kinds)))
    made.arguments = [
        _argument("text", str, "Words, or how they begin; all of them must be found."),
        _argument("kinds", list[words] | None, "Only of these kinds; of all without it."),  # type: ignore[valid-type]  # made at run time
        *(one for one in page_arguments(None, None) if one.python_name in ("first", "after")),
    ]
    return made


def query(description: str, *, permission: Access) -> Callable[[Function], Any]:
    """A query that is a function of ours, for what is not a row or a list."""

    def decorate(function: Function) -> Any:
        made = OperationField("query", description, Call(None, function), permission)
        made.arguments = function_arguments(function)
        made.type_annotation = StrawberryAnnotation(_result_of(function), namespace=function.__globals__)
        return made

    return decorate


@dataclass(slots=True)
class Payload:
    """What a mutation answers with."""

    noun: str
    type_name: str
    result: Any
    reads: bool
    many: bool


@dataclass(slots=True)
class Outcome:
    """What a mutation did: its value, or the problems that kept it from doing anything."""

    value: Any = None
    errors: list[Any] = field(default_factory=list)
    cursor: str | None = None


def mutation(
    result: Any,
    description: str,
    *,
    permission: Access,
    problems: Sequence[type[errors.Problem]] = (),
    noun: str | None = None,
) -> Callable[[Function], Any]:
    """A mutation that is a function of ours. A readable result is given by its id (or ids), any other by itself."""
    item = _item_of(result)
    reads = hasattr(item, "__readable__")
    named = noun or _noun_of(item)

    def decorate(function: Function) -> Any:
        _result_of(function)
        codes = ", ".join(sorted({one.code for one in (*problem_types.ALWAYS_POSSIBLE, *problems)}))
        declaration = Call(None, function, result, tuple(problems))
        made = OperationField("mutation", f"{description}\n\nProblems: {codes}.", declaration, permission)
        made.arguments = function_arguments(function)
        name = "".join(part.title() for part in function.__name__.split("_"))
        for argument in made.arguments:
            if argument.python_name == "input":
                _give_input_its_name(argument, f"{name}Input")
                argument.description = argument.description or "All that it takes."
        made.payload = Payload(named, f"{name}Payload", result, reads, item is not result)
        return made

    return decorate


def _give_input_its_name(argument: StrawberryArgument, name: str) -> None:
    """Every mutation has an input type of its own, so that each can grow alone; functions may share a class for several."""
    shared = argument.type_annotation.raw_annotation if argument.type_annotation else None
    if getattr(shared, "__name__", name) == name:
        return
    assert isinstance(shared, type)
    own = type(name, (shared,), {"__doc__": shared.__doc__, "__module__": shared.__module__, "__annotations__": {}})
    one_of = shared.__strawberry_definition__.is_one_of  # type: ignore[attr-defined]  # every input has one
    made = strawberry.input(own, description=described(shared, "input"), one_of=one_of)
    argument.type_annotation = StrawberryAnnotation(made)


def _result_of(function: Function) -> Any:
    result = inspect.get_annotations(function).get("return")
    if not inspect.iscoroutinefunction(function) or result is None:
        raise TypeError(f"{function.__name__} is an async function that says what it returns")
    return result


def _item_of(result: Any) -> Any:
    arguments = getattr(result, "__args__", None)
    return arguments[0] if arguments and getattr(result, "__origin__", None) is list else result


def _noun_of(item: Any) -> str:
    name: str = getattr(item, "__name__", "")
    if not name or not name[0].isupper():
        raise TypeError("name the payload's field with noun=")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _id_argument() -> StrawberryArgument:
    return _argument("id", strawberry.ID, "The id.")


def _argument(name: str, annotation: Any, says: str) -> StrawberryArgument:
    return StrawberryArgument(name, None, StrawberryAnnotation(annotation), description=says)


# Answers


async def answer_one(field: OperationField, info: Info, raw: dict[str, Any], target: Any) -> Any:
    """One row."""
    context: Context = info.context
    field.admit(context)
    declaration = field.declaration
    assert isinstance(declaration, One)
    if declaration.where is None:
        return await read_one(target, raw["id"], info)
    return await read_where(target, await _called(declaration.where, field, info, raw), info)


async def answer_many(field: OperationField, info: Info, raw: dict[str, Any], target: Any) -> Any:
    """A page."""
    context: Context = info.context
    field.admit(context)
    declaration = field.declaration
    assert isinstance(declaration, Many)
    extra = await _called(declaration.where, field, info, raw) if declaration.where is not None else None
    window = window_of(context.require_actor(), readable_of(target), declaration, raw, extra, walks=context.walks)
    return await read_connection(target, window, info)


async def answer_found(field: OperationField, info: Info, raw: dict[str, Any]) -> Any:
    """A page of finds."""
    field.admit(info.context)
    declaration = field.declaration
    assert isinstance(declaration, Found)
    words = {getattr(word, "value", word) for word in raw["kinds"]} if raw.get("kinds") is not None else None
    wanted = [readable_of(type) for word, type in declaration.kinds.items() if words is None or word.value in words]
    targets = [readable_of(type) for type in declaration.kinds.values()]
    return await read_hits(targets, wanted, raw["text"], raw.get("first"), raw.get("after"), info)


async def answer_query(field: OperationField, info: Info, raw: dict[str, Any]) -> Any:
    """What a function says."""
    field.admit(info.context)
    assert isinstance(field.declaration, Call) and field.declaration.function is not None
    actor = info.context.actor
    with database.within(actor.organization_id) if actor is not None else nullcontext():
        answer = await _called(field.declaration.function, field, info, raw)
    if info.path.prev is None and isinstance(nodes := getattr(answer, "nodes", None), list):
        info.context.rows[str(info.path.key)] = len(nodes)  # a page: points for rows that are not there come back
    return answer


async def answer_mutation(field: OperationField, info: Info, raw: dict[str, Any]) -> Outcome:
    """What a command did, or the problems that kept it from doing anything."""
    declaration = field.declaration
    assert isinstance(declaration, Call) and declaration.function is not None
    before = last_cursor()
    try:
        assert field.operation is not None
        with journal.coming_from(replace(journal.origin.get(), operation=field.operation.name)):
            field.admit(info.context)
            with idempotency_key(_key_of(info)):
                value = await _called(declaration.function, field, info, raw)
    except errors.IdempotencyMismatch:
        # Named by the key as the client sent it.
        return Outcome(errors=[problem_types.shown_problem(errors.IdempotencyMismatch(info.context.idempotency_key))])
    except errors.Problem as problem:
        _require_declared(field, declaration, problem)
        return Outcome(errors=[problem_types.shown_problem(problem)])
    after = last_cursor()
    return Outcome(value, cursor=after if after != before else None)


def _key_of(info: Info) -> str | None:
    """The request's idempotency key, made this field's own: one request may hold several mutations."""
    key = info.context.idempotency_key
    return f"{key} {info.path.key}" if key is not None else None


def _require_declared(field: OperationField, declaration: Call, problem: errors.Problem) -> None:
    if isinstance(problem, (*problem_types.ALWAYS_POSSIBLE, *declaration.problems)):
        return
    log.warning("undeclared problem", mutation=field.python_name, code=problem.code)
    if problem_types.STRICT:
        raise TypeError(f"{field.python_name} does not declare {type(problem).__name__}") from problem


async def answer_noun(payload: Payload, outcome: Outcome, info: Info) -> Any:
    """The payload's own field: read from the row, as any other field is."""
    if not payload.reads or outcome.value is None:
        return outcome.value
    if payload.many:
        return [one for one in await read_many(outcome.value, info) if one is not None]
    return await read_one(payload.result, outcome.value, info)


async def _called(function: Function, field: KitField, info: Info, raw: dict[str, Any]) -> Any:
    wanted = _parameters(function)
    own = [one for one in field.arguments if one.python_name in wanted]
    arguments = converted(own, info, raw) if own else {}
    if "actor" in wanted:
        open_to_all = isinstance(field, OperationField) and field.access is ANYONE
        arguments["actor"] = info.context.actor if open_to_all else info.context.require_actor()
    if "context" in wanted:
        arguments["context"] = info.context
    result = function(**arguments)
    return await result if inspect.isawaitable(result) else result


@cache
def _parameters(function: Function) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def converted(arguments: list[StrawberryArgument], info: Info, raw: dict[str, Any]) -> dict[str, Any]:
    """A client's arguments as Python values and input objects."""
    schema: Any = info.schema._strawberry_schema  # type: ignore[attr-defined]  # where Strawberry keeps itself
    converter = schema.schema_converter
    return convert_arguments(raw, arguments, converter.scalar_registry, schema.config)
