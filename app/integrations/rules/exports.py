"""Where a bulk export can stand, who may have its file, and what a CSV file looks like. Pure."""

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from app.kernel.actor import Actor
from app.kernel.errors import Conflict
from app.kernel.lifecycle import Lifecycle
from app.kernel.permissions import Permission

OPEN_PER_ORGANIZATION_MAX = 5
OPEN_PER_ACCOUNT_MAX = 1
KEPT_PER_ORGANIZATION_MAX = 30
KEPT_PER_ACCOUNT_MAX = 3
ROWS_MAX = 10_000_000
FILE_NAME_LENGTH_MAX = 100
KEPT = timedelta(days=7)
LINK_LASTS = timedelta(minutes=15)
# A download may be gone on with, in ranges; this many is more than any client needs.
LINK_REQUESTS_MAX = 100
_JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
# What spreadsheets take for the beginning of a formula, and the sign that keeps them from it, so that it can be undone.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\0＝＋－＠]")
_GUARDED = re.compile(r"'" + _FORMULA.pattern)


class ExportFormat(StrEnum):
    """What a file is made of."""

    NDJSON = "NDJSON"
    CSV = "CSV"


MEDIA_TYPES = {
    ExportFormat.NDJSON: "application/x-ndjson",
    ExportFormat.CSV: "text/csv; charset=utf-8",
}


class ExportStatus(StrEnum):
    """Where a bulk export stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    READY = "READY"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


S = ExportStatus
OPEN = frozenset({S.QUEUED, S.RUNNING})
EXPORT = Lifecycle[ExportStatus](
    "bulk export",
    {
        S.QUEUED: frozenset({S.RUNNING, S.CANCELED, S.FAILED}),
        S.RUNNING: frozenset({S.READY, S.CANCELED, S.FAILED}),
        S.READY: frozenset({S.EXPIRED}),
        S.FAILED: frozenset(),
        S.CANCELED: frozenset(),
        S.EXPIRED: frozenset(),
    },
)


class AccessChanged(Conflict):
    """The asker may see less than when the export was asked for, so its file would show too much."""

    code = "ACCESS_CHANGED"

    def __init__(self) -> None:
        super().__init__("The asker may see less now than when this export was asked for. Ask for it anew.")


class LinkExpired(Conflict):
    """The link was good for some minutes, and they are over."""

    code = "LINK_EXPIRED"

    def __init__(self) -> None:
        super().__init__("This link is over. Read the export's url again for a fresh one.")


def access_of(actor: Actor) -> dict[str, Any]:
    """What the asker could see when the export was asked for. The file holds no more than that."""
    return {
        "permissions": sorted(actor.permissions),
        "customer_id": actor.customer_id if actor.is_customer else None,
        "technician_id": actor.technician_id if actor.is_technician_only else None,
    }


def sees_as_much(actor: Actor, access: Mapping[str, Any]) -> bool:
    """Whether an actor may see all that somebody with that access could."""
    sees = access_of(actor)
    narrower = any(sees[name] not in (None, access[name]) for name in ("customer_id", "technician_id"))
    return not narrower and set(access["permissions"]) <= set(sees["permissions"])


def open_max(actor: Actor) -> int:
    """How many may be under way at a time beside each other, where an actor asks for one more."""
    return OPEN_PER_ACCOUNT_MAX if actor.is_customer and actor.customer_id is not None else OPEN_PER_ORGANIZATION_MAX


def may_download(actor: Actor, requested_by: str, access: Mapping[str, Any]) -> bool:
    """Whether an actor may have the file: who asked for it, or who manages the company, as long as they see as much."""
    is_theirs = actor.id == requested_by or actor.holds(Permission.MANAGE_ORGANIZATION)
    return is_theirs and actor.holds(Permission.EXPORT_DATA) and sees_as_much(actor, access)


def file_name_of(wanted: str | None, root: str, format: ExportFormat) -> str:
    """A name that is safe to save under, with the ending of its format."""
    ending = f".{format.value.lower()}"
    kept = "".join(sign for sign in wanted or root if sign.isprintable() and sign not in '/\\:*?"<>|').strip(". ")
    name = kept[:FILE_NAME_LENGTH_MAX].rstrip(". ") or root
    return name if name.lower().endswith(ending) else name + ending


def csv_cell(value: object) -> str:
    """A JSON value as a cell: nothing for null, texts always in quotes, lists and objects as the JSON text they are given as."""
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return '"' + guarded(str(value)).replace('"', '""') + '"'


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula: one that begins like it gets a ' in front, unless it is a number."""
    return f"'{text}" if _FORMULA.match(text) and not _JSON_NUMBER.fullmatch(text) else text


def unguarded(text: str) -> str:
    """The text that was guarded."""
    return text[1:] if _GUARDED.match(text) else text
