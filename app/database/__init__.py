"""The database: connections that survive cancellation, units of work, reading past the ORM, and migrations that keep data."""

from app.database.connecting import (
    APP_LABEL,
    MODEL_MODULES,
    connect,
    connection,
    dialect,
    disconnect,
    read_rows,
    tortoise_config,
)
from app.database.errors import (
    Busy,
    CheckFailed,
    ConnectionLost,
    DatabaseError,
    DuplicateRow,
    MissingReference,
    OutcomeUnknown,
    OutOfRange,
    Overlap,
    RetryableError,
    StorageFull,
    TookTooLong,
    is_away,
    translate,
)
from app.database.migration import (
    build_schema,
    history,
    make_migration,
    migrate,
    pending,
)
from app.database.migration.drift import check_drift
from app.database.migration.editors import MigrationError
from app.database.migration.operations import RunDialectSQL, schema_extras
from app.database.units import drain, in_unit, unit_of_work
from app.database.wall import within

__all__ = [
    "APP_LABEL",
    "MODEL_MODULES",
    "Busy",
    "CheckFailed",
    "ConnectionLost",
    "DatabaseError",
    "DuplicateRow",
    "MigrationError",
    "MissingReference",
    "OutOfRange",
    "OutcomeUnknown",
    "Overlap",
    "RetryableError",
    "RunDialectSQL",
    "StorageFull",
    "TookTooLong",
    "build_schema",
    "check_drift",
    "connect",
    "connection",
    "dialect",
    "disconnect",
    "drain",
    "history",
    "in_unit",
    "is_away",
    "make_migration",
    "migrate",
    "pending",
    "read_rows",
    "schema_extras",
    "tortoise_config",
    "translate",
    "unit_of_work",
    "within",
]
