"""The way in for every change: allowed? → one transaction → the command's own steps → facts → commit → wake the followers.

A command is a plain function ``verb_noun(actor, …)`` that raises a ``Problem`` or returns the id of what it changed (or
another plain JSON value, so that a repeated request can be answered from memory). Called inside another command it joins
that one's transaction, and its facts are recorded with the outer one's.
"""

import hashlib
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson
import structlog

from app import database
from app.infrastructure import broadcast, journal, metrics, notes
from app.infrastructure.journal import Recorder
from app.infrastructure.models import IdempotencyKey
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import IdempotencyMismatch, InvalidInput, NotPermitted, Problem, Unavailable
from app.kernel.ids import new_id
from app.kernel.permissions import Permission

P = ParamSpec("P")
R = TypeVar("R")
KEY_LENGTH_MAX = 255
KEYS_KEPT_HOURS = 72
OUTCOME_UNKNOWN = (
    "The connection broke at the last moment, so this may have been saved or not. Look first, or repeat it with the same "
    "idempotency key."
)

log = structlog.get_logger(__name__)
COMMANDS: dict[str, Permission | None] = {}
CONFIRMED: set[str] = set()
"""The commands that a session may do only while its owner's identity is freshly confirmed."""
Confirm = Callable[[Actor], Awaitable[None]]
_confirm: list[Confirm] = []
_key: ContextVar[str | None] = ContextVar("idempotency_key", default=None)
_last_cursor: ContextVar[str | None] = ContextVar("last_cursor", default=None)


def command(
    permission: Permission | None,
    *,
    confirmed: bool = False,
) -> Callable[[Callable[Concatenate[Actor, P], Awaitable[R]]], Callable[Concatenate[Actor, P], Awaitable[R]]]:
    """Make a function a command that asks for a permission (None: open to every actor, the function checks itself).

    With ``confirmed`` it also asks a signed-in person to have proved a short while ago who they are.
    """

    def decorate(
        function: Callable[Concatenate[Actor, P], Awaitable[R]],
    ) -> Callable[Concatenate[Actor, P], Awaitable[R]]:
        name = getattr(function, "__name__", "command")
        if not inspect.getdoc(function):
            raise TypeError(f"the command {name} does not say what it does")
        COMMANDS[f"{function.__module__}.{name}"] = permission
        if confirmed:
            CONFIRMED.add(f"{function.__module__}.{name}")

        async def admit(actor: Actor) -> None:
            if permission is not None and not actor.holds(permission):
                log.warning("refused", command=name, permission=permission, actor=actor.id)
                raise NotPermitted(permission)
            if confirmed:
                await require_confirmed(actor)

        @wraps(function)
        async def run(actor: Actor, /, *args: P.args, **kwargs: P.kwargs) -> R:
            if journal.current() is not None:
                await admit(actor)
                return await function(actor, *args, **kwargs)
            with notes.noting_refusals(actor, name):
                await admit(actor)
                with _counted(name):
                    result, seq, recorder = await _alone(actor, name, function, args, kwargs)
            if seq:
                metrics.count_facts(len(recorder.facts) if recorder else 0)
                _last_cursor.set(journal.cursor_at(actor.organization_id, seq))
                broadcast.wake(actor.organization_id)
            for topic in recorder.topics if recorder else ():
                broadcast.wake(actor.organization_id, topic)
            return result

        return run

    return decorate


def confirm_with(check: Confirm) -> None:
    """Ask ``check`` whether the person behind a session is confirmed; it raises when not. Sessions are of a higher room."""
    _confirm[:] = [check]


async def require_confirmed(actor: Actor) -> None:
    """Raise unless the person behind a session proved a short while ago who they are. Keys and the system have no session
    that could be stolen from a desk, and pass. For commands that are dangerous only at times."""
    if actor.session_id is None:
        return
    if not _confirm:
        raise RuntimeError("nobody can tell whether a session is confirmed")
    await _confirm[0](actor)


@contextmanager
def idempotency_key(key: str | None) -> Iterator[None]:
    """Commands inside answer a repeated key with the first answer, and do nothing."""
    if key is not None and not 1 <= len(key) <= KEY_LENGTH_MAX:
        raise InvalidInput(f"An idempotency key has 1 to {KEY_LENGTH_MAX} characters.", path=["idempotencyKey"])
    token = _key.set(key)
    try:
        yield
    finally:
        _key.reset(token)


def last_cursor() -> str | None:
    """Where the journal stands after the last command of this task."""
    return _last_cursor.get()


async def forget_old_keys() -> int:
    """Delete the idempotency keys whose time is over; how many."""
    return await IdempotencyKey.filter(created_at__lt=utc_now() - timedelta(hours=KEYS_KEPT_HOURS)).delete()


@contextmanager
def _counted(name: str) -> Iterator[None]:
    outcome = "ERROR"
    try:
        yield
        outcome = "DONE"
    except Problem as problem:
        outcome = problem.code
        raise
    finally:
        metrics.count_command(name, outcome)


async def _alone(
    actor: Actor, name: str, function: Callable[..., Awaitable[R]], args: Any, kwargs: Any
) -> tuple[R, int, Recorder | None]:
    """Run a command that is not part of another one; what the database cannot do at the moment becomes ``Unavailable``."""
    key = _key.get()
    fingerprint = _fingerprint(name, args, kwargs) if key is not None else ""
    try:
        return await _in_transaction(actor, name, key, fingerprint, function, args, kwargs)
    except (Problem, database.DuplicateRow, database.OutcomeUnknown) as error:
        # A twin with the same key may have been faster, or the commit may have come through: then its answer is the answer.
        if key is not None and (known := await _first_answer(actor, key, fingerprint)):
            return *known, None
        if isinstance(error, database.OutcomeUnknown):
            raise Unavailable(OUTCOME_UNKNOWN) from error
        raise
    except (database.RetryableError, database.TookTooLong, database.StorageFull) as busy:
        log.warning("unavailable", command=name, reason=type(busy).__name__)
        raise Unavailable() from busy


async def _in_transaction(
    actor: Actor,
    name: str,
    key: str | None,
    fingerprint: str,
    function: Callable[..., Awaitable[R]],
    args: Any,
    kwargs: Any,
) -> tuple[R, int, Recorder | None]:
    async def work() -> tuple[R, int, Recorder | None]:
        if key is not None and (known := await _first_answer(actor, key, fingerprint)):
            return *known, None
        recorder = Recorder(actor, name)
        token = journal.collect(recorder)
        try:
            result = await function(actor, *args, **kwargs)
            seq = await journal.write(recorder)
            if key is not None:
                await _keep_answer(actor, key, fingerprint, result, seq)
        finally:
            journal.release(token)
        return result, seq, recorder

    with database.within(actor.organization_id):
        return await database.unit_of_work(work)


async def _first_answer(actor: Actor, key: str, fingerprint: str) -> tuple[Any, int] | None:
    row = await IdempotencyKey.get_or_none(organization_id=actor.organization_id, actor_id=actor.id, key=key)
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise IdempotencyMismatch(key)
    return row.result[0], row.seq


async def _keep_answer(actor: Actor, key: str, fingerprint: str, result: Any, seq: int) -> None:
    row = IdempotencyKey(
        id=new_id("idem"),
        organization_id=actor.organization_id,
        actor_id=actor.id,
        key=key,
        fingerprint=fingerprint,
        result=[result],
        seq=seq,
        created_at=utc_now(),
    )
    await row.save(force_create=True)


def _fingerprint(name: str, args: Any, kwargs: Any) -> str:
    request = orjson.dumps([name, args, kwargs], default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(request).hexdigest()
