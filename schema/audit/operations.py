"""What auditors may ask: the entries of the log."""

from app.kernel.permissions import Permission
from schema.audit.types import AuditEntry, AuditEntryFilter, AuditEntryOrder
from schema.kit import Connection, many, one


class Queries:
    """What auditors may ask."""

    audit_entry: AuditEntry | None = one("One entry of the audit log.", permission=Permission.VIEW_AUDIT)
    audit_entries: Connection[AuditEntry] = many(
        "The audit log, newest first unless you say otherwise: what is still in the database. Older entries are in the "
        "archive's files.",
        permission=Permission.VIEW_AUDIT,
        filter=AuditEntryFilter,
        order=AuditEntryOrder,
    )
