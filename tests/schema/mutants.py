"""The rule engine with one mistake at a time: a line of a model's conditions left out or turned round, a cell of the table
flipped. What the tests of rights would say to each.
"""

import ast
import copy
import inspect
import sqlite3
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from app import database
from app.infrastructure.conditions import Condition, Writer, quoted
from app.infrastructure.tables import BY_PREFIX, Table, table_of
from app.kernel.actor import Actor
from app.kernel.permissions import ROLES, Permission, Role
from app.technicians import models as technicians
from app.work_orders import models as work_orders
from schema import rules
from schema.kit import OPERATIONS
from tests.schema import documents
from tests.schema.asking import ask, codes, expected, verdict
from tests.schema.tenants import Tenant

Seen = dict[tuple[str, str], frozenset[str]]
MODELS: dict[str, type[Table]] = {one.__name__: one for one in BY_PREFIX.values() if one.__module__.startswith("app.")}


# Lines of conditions


@dataclass(frozen=True)
class Mutant:
    """A function of a module, written otherwise in one place."""

    module: str
    owner: str
    function: str
    number: int
    says: str
    code: Any

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Inside, the mistake is there."""
        module = sys.modules[self.module]
        space: dict[str, Any] = {}
        names = vars(module) | {"everything": _everything(), "nothing": _nothing()}
        exec(self.code, names, space)  # our own code, with a mistake
        made = space[self.function]
        holder: Any = getattr(module, self.owner) if self.owner else module
        known = vars(holder)[self.function]
        # Helpers find their neighbors in the module, where a mistake in one of those is put, too.
        made = type(made)(
            made.__code__, _Names(vars(module), names), made.__name__, made.__defaults__, made.__closure__
        )
        setattr(holder, self.function, classmethod(made) if self.owner else made)
        try:
            yield
        finally:
            setattr(holder, self.function, known)


class _Names(dict[str, Any]):
    def __init__(self, module: dict[str, Any], more: dict[str, Any]) -> None:
        super().__init__(more)
        self.update(module)
        for name in ("everything", "nothing"):
            self.setdefault(name, more[name])


def _everything() -> Callable[[], Condition]:
    from app.infrastructure.conditions import everything

    return everything


def _nothing() -> Callable[[], Condition]:
    from app.infrastructure.conditions import nothing

    return nothing


def mutants() -> list[Mutant]:
    """Every mistake that is made in ``visible_to`` of each model, and in the functions of its module that it calls."""
    found: list[Mutant] = []
    places: dict[tuple[str, str, str], Any] = {}
    for model in MODELS.values():
        for owner in model.__mro__:
            if "visible_to" in vars(owner) and owner.__module__.endswith("models"):
                places.setdefault((owner.__module__, owner.__name__, "visible_to"), owner.visible_to)
                break
    for module in sorted({model.__module__ for model in MODELS.values()}):
        for name, helper in vars(sys.modules[module]).items():
            if (
                inspect.isfunction(helper)
                and helper.__module__ == module
                and "Condition" in str(helper.__annotations__.get("return"))
            ):
                places[module, "", name] = helper
    for (module, owner, name), function in sorted(places.items(), key=lambda one: one[0]):
        found.extend(_mutants_of(module, owner, name, function))
    return found


def _mutants_of(module: str, owner: str, name: str, function: Any) -> Iterator[Mutant]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.decorator_list = []
    definition.returns = None
    for argument in definition.args.args:
        argument.annotation = None
    _name_supers(definition, owner)
    for number in range(sum(len(_changes(node)) for node in ast.walk(definition))):
        changed = copy.deepcopy(tree)
        says = _change(changed.body[0], number)
        code = compile(ast.fix_missing_locations(changed), f"<{module}.{name}>", "exec")
        yield Mutant(module, owner, name, number, says, code)


def _name_supers(definition: ast.FunctionDef, owner: str) -> None:
    for node in ast.walk(definition):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            node.args = [ast.Name(owner, ast.Load()), ast.Name("cls", ast.Load())]


def _changes(node: ast.AST) -> list[Any]:
    """What may be put in place of a node."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        return [node.left, node.right]
    if isinstance(node, ast.BoolOp):
        return list(node.values)
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.If):
        return [ast.Constant(True), ast.Constant(False)]
    if isinstance(node, ast.Compare) and "column(" in ast.unparse(node.left):
        return [ast.parse("everything()", mode="eval").body]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "nothing":
        return [ast.parse("everything()", mode="eval").body]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        return [node.operand]
    return []


def _change(definition: Any, number: int) -> str:
    """Make the change of a number in a function; what it says."""
    for parent in ast.walk(definition):
        for field, value in ast.iter_fields(parent):
            for place, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(node, ast.AST):
                    continue
                for instead in _changes(node):
                    if number == 0:
                        return _put(parent, field, place, node, instead)
                    number -= 1
    raise AssertionError("there are not so many changes")


def _put(parent: Any, field: str, place: int | None, node: Any, instead: Any) -> str:
    says = f"{ast.unparse(node)[:160]} -> {ast.unparse(instead)[:80]}"
    if isinstance(node, ast.If):
        node.test = instead
    elif place is None:
        setattr(parent, field, instead)
    else:
        getattr(parent, field)[place] = instead
    return says


# What is seen


@dataclass(frozen=True)
class Shown:
    """Rows of a table that a condition of some module shows to an actor."""

    module: str
    table: str
    condition: Callable[[Actor, Tenant], Condition]


def shown() -> dict[str, Shown]:
    """Every condition on rows: of each model, and those by which only some may look for rows."""
    found = {
        name: Shown(model.__module__, table_of(model), lambda actor, _, model=model: model.visible_to(actor))  # type: ignore[misc]  # bound now
        for name, model in MODELS.items()
    }
    found["hours"] = Shown(technicians.__name__, "technician", lambda actor, _: technicians.whose_hours_are_seen(actor))
    for which in ("first", "second"):
        found[f"work of the {which}"] = Shown(
            work_orders.__name__,
            "work_order",
            lambda actor, tenant, which=which: work_orders.held_by(actor, getattr(tenant, which).technician_id),  # type: ignore[misc]  # bound now
        )
    return found


async def seen(tenant: Tenant, module: str | None = None) -> Seen:
    """The ids that everybody of a company sees of each kind, of every company's rows; or what some module shows of them."""
    found: Seen = {}
    for name, one in shown().items():
        written: dict[tuple[str, str], frozenset[str]] = {}
        for who, actor in _askers(tenant).items() if module in (None, one.module) else ():
            writer = Writer(database.dialect())
            condition = one.condition(actor, tenant).write(writer, "r")
            key = (condition, repr(writer.values))
            if key not in written:
                sql = f'SELECT r."id" FROM {quoted(one.table)} r WHERE {condition}'
                written[key] = frozenset(row[0] for row in await database.read_rows(sql, writer.values))
            found[name, str(who)] = written[key]
    return found


def _askers(tenant: Tenant) -> dict[str, Actor]:
    """Everybody, and people of narrow reach who hold all there is: no role allows that, and yet they see no more."""
    found: dict[str, Actor] = {**tenant.actors, **tenant.others}
    for name in ("OWN_ROLE_OWN_WORK", "OWN_ROLE_ACCOUNT"):
        if name in tenant.others:
            found[f"{name}_WITH_ALL"] = replace(tenant.others[name], permissions=frozenset(Permission))
    return found


async def kills_line(mutant: Mutant, tenant: Tenant, known: Seen, table: Any) -> str:
    """What notices a mistake in a condition: ``rows`` that are seen or not, the ``table``, or nothing."""
    with mutant.at_work():
        for module in (mutant.module, None):
            try:
                now = await seen(tenant, module)
            except (AttributeError, TypeError, ValueError, RecursionError, sqlite3.Error):
                return "rows"
            if any(now[key] != known[key] for key in now):
                return "rows"
        return "table" if rules._rows() != table else ""


# Cells of the table


def cells() -> list[tuple[Role, Permission]]:
    """Every cell of permissions by role."""
    return [(role, permission) for role in Role for permission in Permission]


async def kills_cell(role: Role, permission: Permission, tenant: Tenant, known: Seen) -> str:
    """What notices that a role holds what it should not, or not what it should."""
    actor = flipped(tenant.actors[role], permission)
    for kind, name in OPERATIONS:
        if OPERATIONS[kind, name].access is permission and name in documents.roots(kind):
            if await verdict(kind, name, actor) != expected(kind, name, ROLES[role], role):
                return "matrix"
            break
    only = replace(tenant, actors={role: actor}, others={})
    if any(ids != known[key] for key, ids in (await seen(only)).items()):
        return "rows"
    if await _reads_otherwise(actor, role, permission, tenant):
        return "fields"
    held = {**ROLES, role: ROLES[role] ^ {permission}}
    return "table" if held != rules.rules_of_the_api().roles else ""


async def _reads_otherwise(actor: Actor, role: Role, permission: Permission, tenant: Tenant) -> bool:
    """Whether a field that asks for the permission is read by who should not, or not by who should."""
    prefixes = {type.name: prefix for prefix, type in documents.readable_types().items()}
    for place, rule in rules.rules_of_the_api().fields.items():
        type, field = place.split(".")
        if str(permission) not in rule.split(" and ")[1:] or type not in prefixes:
            continue
        chosen = documents.selection(documents.named(documents.readable_types()[prefixes[type]].fields[field].type), 0)
        text = f'{{ node(id: "{tenant.row(prefixes[type]).id}") {{ ... on {type} {{ {field} {chosen} }} }} }}'
        return ("FORBIDDEN" in codes(await ask(actor, text))) != (permission not in ROLES[role])
    return False


def flipped(actor: Actor, permission: Permission) -> Actor:
    """The same actor with one permission more or less."""
    return replace(actor, permissions=actor.permissions ^ {permission})
