"""Whatever a command changes is in the journal: each says what it did, or stands here with the reason why it need not."""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import app
from app.identity.models import ApiKey
from app.infrastructure import journal
from app.infrastructure.command import COMMANDS
from app.infrastructure.encryption import KEPT_SECRET
from app.infrastructure.tables import BY_PREFIX, add_row, change_row, is_kept_back

# Commands that record nothing, and why what they do is no fact.
SILENT = {
    "app.identity.factors.methods.add_method": "it counts for nothing until it is confirmed, and then SecondFactorAdded says so",
    "app.infrastructure.followers.replay_parked_fact": "what the follower then does has facts of its own",
    "app.integrations.commands.exports.begin_export": "BulkExportStarted says so when it is known how much there is",
    "app.integrations.commands.imports.start_import": "ImportFinished says so; nothing is changed before",
    "app.technicians.commands.positions.take_positions": "positions are kept as such, with their times: several a minute",
}

# Where a row is changed and the changes are not put into a fact: by module, or by function of a module, and why.
SAYS_IT_ITSELF = "its fact says what was done, and the columns follow from that"
COUNTS = "what machines count: how often, until when, how far"
SECRET = "hashes and one-time secrets: that they are new is the fact"
UNRECORDED = {
    "app.company.commands.next_number": COUNTS,
    "app.identity.attempts": "an attempt to sign in is a record of its own",
    "app.identity.commands.access_requests._decide": SAYS_IT_ITSELF,
    "app.identity.commands.api_keys.note_expiry": COUNTS,
    "app.identity.commands.api_keys.rotate_api_key": SECRET,
    "app.identity.commands.invitations.resend_invitation": SECRET,
    "app.identity.commands.invitations.revoke_invitation": SAYS_IT_ITSELF,
    "app.identity.commands.invitations.take_invitation": SAYS_IT_ITSELF,
    "app.identity.commands.consents.withdraw_consent": SAYS_IT_ITSELF,
    "app.identity.commands.privacy": "where a request of a person stands: its facts say it",
    "app.identity.commands.resets.take_reset": SECRET,
    "app.identity.commands.sessions.end_session": SAYS_IT_ITSELF,
    "app.identity.commands.users.unlock_user": SAYS_IT_ITSELF,
    "app.identity.confirmation.keep_confirmation": SAYS_IT_ITSELF,
    "app.identity.factors": SECRET,
    "app.identity.passwords.keep": SECRET,
    "app.identity.providers": "signing in and linking have facts; what a provider is asked once is no change",
    "app.identity.queries._note_use": COUNTS,
    "app.identity.queries.work": COUNTS,
    "app.identity.sign_in": "a sign-in has its fact; tokens are hashes that change with each refresh",
    "app.infrastructure": "the machines' own rows: how far they are, and who has them in hand",
    "app.integrations.commands": "how far exports and imports are; their facts say it",
    "app.messaging.commands.messages.mark_conversation_read": SAYS_IT_ITSELF,
    "app.messaging.commands.messages.send_message": COUNTS,
    "app.scheduling.commands.crew._take_off": SAYS_IT_ITSELF,
    "app.scheduling.commands.plans": SAYS_IT_ITSELF,
    "app.scheduling.commands.positions._suggest_arrival": COUNTS,
    "app.scheduling.commands.runs": "how far a plan is",
    "app.scheduling.commands.steps": "an assignment's times are its visit's, whose fact tells them",
    "app.technicians.commands.people._count_up": COUNTS,
    "app.technicians.commands.people.set_technician_skills": "TechnicianSkillsChanged tells all skills, before and after",
    "app.technicians.commands.positions": "positions are kept as such, with their times",
    "app.work_orders.commands.times._stop": "TimeEntryStopped tells the times",
}


def every_module() -> None:
    for found in pkgutil.walk_packages(app.__path__, "app."):
        if not found.name.startswith(
            ("app.demo", "app.main", "app.worker", "app.cli")
        ):  # they have no commands, and are slow
            importlib.import_module(found.name)


@cache
def sources(file: str) -> dict[int, ast.AST]:
    """The functions of a file by the line on which they begin, decorators included."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    functions = (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
    return {min([one.lineno, *(line.lineno for line in one.decorator_list)]): one for one in functions}


@cache
def mentioned(function: FunctionType) -> frozenset[Any]:
    """The functions and classes of ours that a function's source names."""
    function = inspect.unwrap(function)
    names, code = function.__globals__, function.__code__
    if not Path(code.co_filename).is_file():  # made by a decorator
        return frozenset()
    found: set[Any] = set()
    for node in ast.walk(sources(code.co_filename).get(code.co_firstlineno, ast.Module([], []))):
        if isinstance(node, ast.Name):
            found.add(_hashable(names.get(node.id)))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = names.get(node.value.id)
            if isinstance(owner, ModuleType):
                found.add(_hashable(getattr(owner, node.attr, None)))
    return frozenset(one for one in found if getattr(one, "__module__", "").startswith("app."))


def _hashable(value: Any) -> Any:
    return value if isinstance(value, FunctionType | type) else None


def functions_of(one: Any) -> Iterator[FunctionType]:
    if isinstance(one, FunctionType):
        yield one
    elif isinstance(one, type):
        yield from (
            part for part in vars(one).values() if isinstance(part, FunctionType) and part.__module__ == one.__module__
        )


def recorders(roots: Iterable[FunctionType]) -> set[Any]:
    """Everything that roots may call, roots included, from which a call of ``journal.record`` can be reached."""
    callers: dict[Any, set[Any]] = {}
    waiting: list[Any] = list(roots)
    known: set[Any] = set(waiting)
    while waiting:
        one = waiting.pop()
        for called in {callee for part in functions_of(one) for callee in mentioned(part)}:
            callers.setdefault(called, set()).add(one)
            if called not in known:
                known.add(called)
                waiting.append(called)
    found: set[Any] = set()
    waiting = [journal.record]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(callers.get(one, ()))
    return found


def test_every_command_records_what_it_did_or_says_why_not() -> None:
    every_module()
    commands = {}
    for name in COMMANDS:
        module, _, function = name.rpartition(".")
        if module.startswith("app."):
            commands[name] = getattr(importlib.import_module(module), function)
    recording = recorders(commands.values())
    silent = {name for name, command in commands.items() if command not in recording}
    assert silent == set(SILENT)


def writes_past_the_record(tree: ast.AST) -> bool:
    """Whether a function changes rows and throws away, or never learns, what was different."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(ast.Await(ast.Call(ast.Name("change_row" | "change_rows")))):
                return True
            case ast.Call(ast.Attribute(ast.Call() as rows, "update")) if "'filter'" in ast.dump(rows):
                return True
    return False


def unrecorded(source: str, module: str) -> set[str]:
    if "change_row(" not in source and "change_rows(" not in source and ".update(" not in source:
        return set()
    functions = (one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
    return {f"{module}.{one.name}" for one in functions if writes_past_the_record(one)}


def reason_for(place: str) -> str | None:
    """The entry that speaks of a place: its own, or that of a package or module around it."""
    parts = place.split(".")
    return next(
        (".".join(parts[:end]) for end in range(len(parts), 1, -1) if ".".join(parts[:end]) in UNRECORDED), None
    )


def test_every_change_is_recorded_column_by_column_or_it_stands_here_why_not() -> None:
    every_module()
    found: set[str] = set()
    for name, module in sorted(sys.modules.items()):
        if name.startswith("app.") and getattr(module, "__file__", None):
            found |= unrecorded(inspect.getsource(module), name)
    assert {place for place in found if reason_for(place) is None} == set()
    assert set(UNRECORDED) - {reason_for(place) for place in found} == set()


def test_a_change_that_is_thrown_away_is_noticed() -> None:
    source = """
async def rename(actor, row, name):
    await change_row(row, name=name)

async def mute(ids):
    await Row.filter(id__in=ids).update(muted=True)

async def pin(rows):
    await change_rows([(row, {"pinned": True}) for row in rows])

async def recorded(row, name):
    changes = await change_row(row, name=name)
"""
    assert unrecorded(source, "app.room.commands") == {
        "app.room.commands.rename",
        "app.room.commands.mute",
        "app.room.commands.pin",
    }
    assert reason_for("app.room.commands.rename") is None


# Columns that sound like a secret and are none.
NO_SECRET = {"BulkExport.error_code", "OutboxMessage.is_secret"}


def test_every_column_that_sounds_like_a_secret_is_told_without_its_value() -> None:
    every_module()
    sounding = re.compile("hash|secret|token|password(?!_changed)|instructions|(?<!postal)(?<!reason)_code$")
    told = {
        f"{model.__name__}.{name}"
        for model in BY_PREFIX.values()
        for name in model._meta.fields_map
        if sounding.search(name) and not is_kept_back(model, name)
    }
    assert told == NO_SECRET


async def test_of_a_secret_only_that_it_changed_is_told(sqlite_database: object) -> None:
    key = await add_row(
        ApiKey, organization_id="org_1", name="CRM", shown_prefix="trk_a", secret_hash="a" * 64, scopes=[]
    )
    changes = await change_row(key, secret_hash="b" * 64, name="ERP")
    assert changes == {"secret_hash": [KEPT_SECRET, KEPT_SECRET], "name": ["CRM", "ERP"]}
    assert (await ApiKey.get(id=key.id)).secret_hash == "b" * 64
