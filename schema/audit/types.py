"""What auditors see of the journal: every fact with who, what, when, from where, and what differed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.identity.models import User as UserRow
from app.infrastructure import notes
from app.infrastructure.conditions import Condition, Writer, any_of, column, quoted, selected
from app.infrastructure.encryption import KEPT_SECRET
from app.infrastructure.models import JournalEntry
from app.infrastructure.search import SEARCHED, found_by
from app.infrastructure.tables import table_of
from app.kernel.actor import Actor, ActorKind
from app.kernel.dialects import Dialect
from app.kernel.permissions import Permission
from schema.identity.types import User
from schema.kit import (
    ID,
    JSON,
    DateTimeFilter,
    EnumFilter,
    IdFilter,
    IntFilter,
    Node,
    StringFilter,
    about,
    by,
    col,
    computed,
    contains,
    describe_enum,
    filterable,
    of_column,
    orderable,
    parent,
    plain,
    readable,
)

REFUSED = notes.AttemptRefused.__name__
READ = notes.SensitiveDataRead.__name__


class AuditKind(StrEnum):
    """What sort of thing an entry tells of."""

    CHANGE = "CHANGE"
    REFUSAL = "REFUSAL"
    READING = "READING"


describe_enum(
    AuditKind,
    "What sort of thing an entry tells of.",
    {
        AuditKind.CHANGE: "Something was done.",
        AuditKind.REFUSAL: "Something was tried and refused, once or several times within a minute.",
        AuditKind.READING: "A sensitive field was read, of one row or several within a minute.",
    },
)


@dataclass(frozen=True, slots=True)
class _Mentions(Condition):
    """The fact itself names a text, such as the id of one of the rows that were read."""

    text: str

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("mentions",)

    def write(self, writer: Writer, alias: str) -> str:
        find = "instr" if writer.dialect is Dialect.SQLITE else "strpos"
        return f"{find}(CAST({quoted(alias)}.{quoted('payload')} AS TEXT), {writer.bind(self.text)}) > 0"


def _of_kind(_: Actor, kind: AuditKind) -> Condition:
    if kind is AuditKind.CHANGE:
        return ~column("type").one_of([REFUSED, READ])
    return column("type") == (REFUSED if kind is AuditKind.REFUSAL else READ)


def _about(_: Actor, id: str) -> Condition:
    several = column("type").one_of([REFUSED, READ]) & _Mentions(f'"{id}"')
    return (column("subject_id") == id) | several


def _called(actor: Actor, text: str) -> Condition:
    """The subject is something that a search for the text finds, or a person of that name or address."""
    people = UserRow.visible_to(actor) & (contains("legal_name", text) | contains("email", text))
    return any_of(
        selected(table_of(UserRow), "id", people, ours="subject_id"),
        *(
            selected(table_of(model), "id", model.visible_to(actor) & found_by(model, actor, text), ours="subject_id")
            for model in SEARCHED
        ),
    )


@filterable(JournalEntry)
class AuditEntryFilter:
    """Which entries of the audit log."""

    id: IdFilter | None = by("Its id.")
    kind: AuditKind | None = by("What sort of thing it tells of.", where=_of_kind)
    fact: StringFilter | None = by("What happened, such as WorkOrderCompleted.", column="type")
    command: StringFilter | None = by("By which command, such as complete_work_order.")
    operation: StringFilter | None = by("By which operation of the API, such as completeWorkOrder.")
    actor_id: IdFilter | None = by("Who: the id of a user or key, or system.")
    actor_kind: EnumFilter[ActorKind] | None = by("What stands behind it.")
    noun: StringFilter | None = by("What kind of thing it is about, such as work order.")
    subject_id: IdFilter | None = by("The one thing that it is about.")
    mentions: ID | None = by("About this, or among the rows that were read or tried.", where=_about)
    subject: str | None = by(
        "About something that a search for these words finds, or a person so called.", where=_called
    )
    customer_id: IdFilter | None = by("Of which account.")
    at: DateTimeFilter | None = by("When.")
    seq: IntFilter | None = by("Its number in the journal.")
    address: StringFilter | None = by("From which address.")
    user_agent: StringFilter | None = by("With what client.")
    session_id: IdFilter | None = by("In which session.")
    request_id: StringFilter | None = by("In which request.")
    seal: StringFilter | None = by("Its seal.", column="hash")


AuditEntryOrder = orderable(
    "AuditEntryOrder",
    JournalEntry,
    default=("-at",),
    at="When.",
    seq="Its number in the journal.",
    fact=of_column("What happened.", "type"),
    command="By which command.",
    operation="By which operation of the API.",
    actor_id="Who.",
    actor_kind="What stands behind it.",
    noun="What kind of thing it is about.",
    address="From which address.",
    user_agent="With what client.",
    request_id="In which request.",
    seal=of_column("Its seal.", "hash"),
)


@plain
class AuditedChange:
    """A column that was changed."""

    column: str = about("Its name.")
    before: JSON | None = about("What it held before.")
    after: JSON | None = about("What it holds since.")
    hidden: bool = about("Whether the values are kept from the journal, because they are secret.")


def _kind(type: str) -> AuditKind:
    return {REFUSED: AuditKind.REFUSAL, READ: AuditKind.READING}.get(type, AuditKind.CHANGE)


def _changes(payload: dict[str, Any]) -> list[AuditedChange]:
    return list(_changed(payload.get("changes") or {}))


def _changed(changes: dict[str, list[Any]]) -> Iterator[AuditedChange]:
    for name, (before, after) in changes.items():
        hidden = before == after == KEPT_SECRET
        shown = (None, None) if hidden else (before, after)
        yield AuditedChange(column=name, before=shown[0], after=shown[1], hidden=hidden)


def _details(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != "changes"}


@readable(JournalEntry, permission=Permission.VIEW_AUDIT)
class AuditEntry(Node):
    """One entry of the audit log, which is the journal: a fact, a refused attempt, or a reading of something sensitive."""

    seq: int = col("Its number in the organization's journal: without gaps, in the order of commits.")
    at: datetime = col("When it was written: at once, or for refusals and readings within the next minute.", facet=True)
    kind: AuditKind = computed("What sort of thing it tells of.", _kind, needs=("type",))
    fact: str = col("What happened, such as WorkOrderCompleted.", column="type", facet=True)
    command: str = col("By which command, such as complete_work_order; empty for readings.", facet=True)
    operation: str | None = col("By which operation of the API, such as completeWorkOrder.", facet=True)
    actor_kind: ActorKind = col("What stands behind it.", facet=True)
    actor_id: str = col("Who: the id of a user or key, or system.", facet=True)
    actor: User = parent("The person, if it was one of this company.", via="actor_id")
    noun: str = col("What kind of thing it is about, such as work order.", facet=True)
    subject_id: ID = col("Which: of several that were read or tried the first, of none the actor.")
    customer_id: ID | None = col("Of which account.")
    changes: list[AuditedChange] = computed("What differed, column by column.", _changes, needs=("payload",))
    details: JSON = computed(
        "What else the fact says, such as a reason, or the ids of rows.", _details, needs=("payload",)
    )
    address: str | None = col("From which address it was asked for.", facet=True)
    user_agent: str | None = col("With what client.")
    session_id: ID | None = col("In which session.")
    request_id: str | None = col("In which request, as the answer's X-Request-Id told.")
    seal: str | None = col("Its seal in the chain; null for the moment before it is sealed.", column="hash")


@plain
class AuditHead:
    """The last sealed entry of the log. Kept elsewhere, it shows later whether the log still begins like this."""

    seq: int = about("The number of the last sealed entry; 0 while there is none.")
    seal: str | None = about("Its seal; null while there is none.")
    entry_count: int = about("How many entries there are, sealed or not yet.")
    document: str = about(
        "The head as a document to be kept: for `truckroll audit verify --heads`, signed if there is a key."
    )
    public_key: str | None = about(
        "The public half of the key that signs it, Ed25519 in base64; null if there is none."
    )
    exported_at: datetime | None = about("When the head was last written to the folder of heads; null if it never was.")
    exported_seq: int | None = about("Up to which entry that was.")
    verified_at: datetime | None = about("When somebody last recorded that the whole log is as it was written.")
    verified_seq: int | None = about("Up to which entry that was.")


@plain
class ComplianceSummary:
    """How the company's accounts, keys and audit log stand at this moment: what to look into first."""

    pending_access_requests: int = about("How many ask to be let in, or for more roles, and wait for an answer.")
    active_users: int = about("How many people may sign in.")
    users_without_second_factor: int = about("How many of them have no second factor.")
    users_lacking_required_second_factor: int = about(
        "How many of these have a role that the security policy asks one of."
    )
    stale_accounts: int = about(
        "How many may sign in and have not for longer than the security policy's staleAfterDays."
    )
    locked_accounts: int = about("How many are kept waiting after wrong passwords at this moment.")
    keys_near_expiry: int = about("How many API keys end within 30 days.")
    keys_without_expiry: int = about("How many API keys never end.")
    failed_sign_ins: int = about("How many sign-ins failed in the last 24 hours.")
    refused_attempts: int = about("How many entries of kind REFUSAL the audit log got in the last 24 hours.")
    sensitive_readings: int = about("How many entries of kind READING it got in the last 24 hours.")
    head_exported_at: datetime | None = about("When the head of the log was last written to the folder of heads.")
    journal_verified_at: datetime | None = about("When somebody last recorded that the whole log is as it was written.")
