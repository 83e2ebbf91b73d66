"""What auditors may ask: the entries of the log, its head, and how things stand."""

from dataclasses import asdict

from app.identity import compliance
from app.infrastructure import audit, heads, journal
from app.infrastructure.heads import HeadExported, JournalVerified
from app.kernel.actor import Actor
from app.kernel.permissions import Permission
from schema.audit.types import AuditEntry, AuditEntryFilter, AuditEntryOrder, AuditHead, ComplianceSummary
from schema.kit import Connection, many, one, query


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

    @query("The last sealed entry of the audit log, to be kept elsewhere.", permission=Permission.VIEW_AUDIT)
    async def audit_head(actor: Actor) -> AuditHead:
        """The head, as a document."""
        ours = actor.organization_id
        head = await audit.find_head(ours)
        exported, verified = [await heads.last_of(ours, fact) for fact in (HeadExported, JournalVerified)]
        return AuditHead(
            seq=head.seq if head is not None else 0,
            seal=head.hash if head is not None else None,
            entry_count=await journal.head(ours),
            document=heads.document_now([head] if head is not None else []),
            public_key=heads.public_key(),
            exported_at=exported.at if exported is not None else None,
            exported_seq=heads.seq_in(exported),
            verified_at=verified.at if verified is not None else None,
            verified_seq=heads.seq_in(verified),
        )

    @query("How accounts, keys and the audit log stand: what to look into first.", permission=Permission.VIEW_AUDIT)
    async def compliance_summary(actor: Actor) -> ComplianceSummary:
        """The figures."""
        return ComplianceSummary(**asdict(await compliance.summarize(actor)))
