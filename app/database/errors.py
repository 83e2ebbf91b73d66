"""What a database can refuse, in our words, whichever database it was.

DatabaseError
├── DuplicateRow        a unique rule: the row exists                    (constraint, columns)
├── MissingReference    a foreign key points nowhere, or is still needed (constraint, columns)
├── CheckFailed         a check, a missing value or a trigger's refusal  (constraint, columns)
├── Overlap             an exclusion rule: the time is taken             (constraint)
├── OutOfRange          a value that nothing in that column could be
├── TookTooLong         a statement ran into its time limit
├── StorageFull         the disk is full; reading goes on
├── OutcomeUnknown      the connection broke during the commit: it may be saved or not
└── RetryableError      nothing was saved, the same again may work
    ├── Busy            a lock, a deadlock or a serialization conflict
    └── ConnectionLost  the server or the network went away
"""

import re
import sqlite3
from collections.abc import Iterator
from typing import ClassVar

import asyncpg  # type: ignore[import-untyped]
from tortoise.exceptions import BaseORMException, DBConnectionError

OVERLAP_PREFIX = "overlap"
POSTGRES_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class DatabaseError(Exception):
    """The database refused. ``constraint`` and ``columns`` say which rule, as far as the database tells."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "", *, constraint: str = "", columns: tuple[str, ...] = ()) -> None:
        super().__init__(message or type(self).__doc__)
        self.constraint = constraint
        self.columns = columns


class DuplicateRow(DatabaseError):
    """A row with these values exists already."""


class MissingReference(DatabaseError):
    """A row points to one that does not exist, or one that others point to was to go."""


class CheckFailed(DatabaseError):
    """A value breaks a rule of its table."""


class Overlap(DatabaseError):
    """The time overlaps with another row's."""


class OutOfRange(DatabaseError):
    """A value that nothing in the column it is compared with could be."""


class TookTooLong(DatabaseError):
    """The statement ran into its time limit."""


class StorageFull(DatabaseError):
    """The database's disk is full."""


class OutcomeUnknown(DatabaseError):
    """The connection broke during the commit; whether it was saved is unknown."""


class RetryableError(DatabaseError):
    """Nothing was saved; the same again may work."""

    retryable: ClassVar[bool] = True


class Busy(RetryableError):
    """Another transaction was in the way."""


class ConnectionLost(RetryableError):
    """The connection to the database was lost."""


def translate(error: BaseException) -> DatabaseError | None:
    """Our exception for a driver's or the ORM's one; None when it is not the database's."""
    for one in _chain(error):
        if isinstance(one, DatabaseError):
            return one
        if isinstance(one, sqlite3.Error) and (known := _from_sqlite(one)):
            return known
        if isinstance(one, POSTGRES_ERRORS) and (known := _from_postgres(one)):
            return known
        if isinstance(one, DBConnectionError):
            return ConnectionLost()
        if isinstance(one, OverflowError) and "SQLite" in str(one):
            return OutOfRange()
    return None


def is_away(error: BaseException) -> bool:
    """Whether the database is busy or away, so that the same request may work a little later."""
    return isinstance(translate(error) or error, RetryableError | TookTooLong | OSError)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and what the ORM wrapped in it. A problem of ours that a database error led to stays what it is."""
    yield error
    while isinstance(error, BaseORMException):
        wrapped = error.args[0] if error.args else None
        cause = wrapped if isinstance(wrapped, BaseException) else error.__cause__
        if cause is None:
            return
        error = cause
        yield error


def _from_sqlite(error: sqlite3.Error) -> DatabaseError | None:
    name = getattr(error, "sqlite_errorname", "")
    text = str(error)
    rule = text.partition("failed: ")[2]
    if "FOREIGN KEY constraint failed" in text:
        # A RESTRICT is reported under the name of a trigger, so the text decides.
        return MissingReference()
    match name:
        case "SQLITE_CONSTRAINT_UNIQUE" | "SQLITE_CONSTRAINT_PRIMARYKEY" | "SQLITE_CONSTRAINT_ROWID":
            if index := re.fullmatch(r"index '(.+)'", rule):
                return DuplicateRow(constraint=index[1])
            return DuplicateRow(columns=_columns(rule))
        case "SQLITE_CONSTRAINT_NOTNULL":
            return CheckFailed(columns=_columns(rule))
        case "SQLITE_CONSTRAINT_CHECK":
            return CheckFailed(constraint=rule)
        case "SQLITE_CONSTRAINT_TRIGGER":
            return _from_trigger(text)
        case "SQLITE_FULL":
            return StorageFull()
        case "SQLITE_INTERRUPT":
            return TookTooLong()
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Busy()
    return None


def _columns(rule: str) -> tuple[str, ...]:
    """``note.author, note.title`` → (author, title)."""
    return tuple(part.strip().rpartition(".")[2] for part in rule.split(",") if part.strip())


def _from_trigger(text: str) -> DatabaseError:
    """A trigger says ``overlap: …`` when it guards a time; anything else it says is the rule it keeps."""
    if text.casefold().startswith(OVERLAP_PREFIX):
        return Overlap(text, constraint=text)
    return CheckFailed(text, constraint=text)


def _from_postgres(error: Exception) -> DatabaseError | None:
    constraint = getattr(error, "constraint_name", None) or ""
    match error:
        case asyncpg.UniqueViolationError():
            return DuplicateRow(constraint=constraint, columns=_key_columns(error))
        case asyncpg.ForeignKeyViolationError() | asyncpg.RestrictViolationError():
            return MissingReference(constraint=constraint, columns=_key_columns(error))
        case asyncpg.ExclusionViolationError():
            return Overlap(constraint=constraint)
        case asyncpg.NotNullViolationError():
            return CheckFailed(columns=(getattr(error, "column_name", None) or "",))
        case asyncpg.CheckViolationError():
            return CheckFailed(constraint=constraint)
        case asyncpg.RaiseError():
            return _from_trigger(str(error))
        case (
            asyncpg.SerializationError()
            | asyncpg.DeadlockDetectedError()
            | asyncpg.LockNotAvailableError()
            | asyncpg.TooManyConnectionsError()
        ):
            return Busy()
        case asyncpg.QueryCanceledError():
            return TookTooLong()
        case asyncpg.DataError():
            return OutOfRange()
        case asyncpg.DiskFullError():
            return StorageFull()
        case (
            asyncpg.PostgresConnectionError()
            | asyncpg.AdminShutdownError()
            | asyncpg.CrashShutdownError()
            | asyncpg.CannotConnectNowError()
            | asyncpg.IdleInTransactionSessionTimeoutError()
        ):
            return ConnectionLost()
        case asyncpg.InternalClientError() if "cannot switch to state" in str(error):
            # The server's farewell has arrived, the end of the connection not yet.
            return ConnectionLost()
        case asyncpg.InterfaceError() if re.search(r"closed|closing|released", str(error)):
            return ConnectionLost()
    return None


def _key_columns(error: Exception) -> tuple[str, ...]:
    """``Key (author, title)=(…) already exists.`` → (author, title); the values stay out of messages."""
    found = re.match(r"Key \((.+?)\)=", getattr(error, "detail", None) or "")
    return tuple(part.strip().strip('"') for part in found[1].split(",")) if found else ()
