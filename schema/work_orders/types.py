"""What clients may see of work orders, their lines, notes and times."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from app.company.models import ServiceType as ServiceTypeRow
from app.customers import models as customers
from app.infrastructure.conditions import Condition, Writer, column, quoted, selected
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.money import rounded
from app.kernel.permissions import Permission
from app.kernel.work import Priority
from app.messaging.rules import AlertKind, AlertSeverity
from app.technicians.models import Skill as SkillRow
from app.technicians.models import Technician as TechnicianRow
from app.work_orders import models, rules
from schema.company.types import ServiceType, ServiceTypeFilter
from schema.customers.types import Customer, CustomerFilter, Site, SiteFilter
from schema.equipment.types import Equipment, EquipmentFilter
from schema.identity.types import User
from schema.kit import (
    ID,
    AreaInput,
    Connection,
    DateTimeFilter,
    DecimalFilter,
    EnumFilter,
    IdFilter,
    IntFilter,
    Node,
    StringFilter,
    about,
    by,
    by_children,
    by_parent,
    by_search,
    children,
    col,
    computed,
    count_of,
    describe_enum,
    exists_in,
    extends,
    extends_filter,
    filterable,
    from_parent,
    link,
    orderable,
    parent,
    plain,
    ranked,
    readable,
    single,
    sql_value,
    within,
)
from schema.messaging.types import (
    Alert,
    AlertFilter,
    AlertOrder,
    Conversation,
    ConversationFilter,
    Message,
    MessageFilter,
)
from schema.technicians.types import Technician, TechnicianFilter

S = rules.WorkOrderStatus
describe_enum(
    rules.WorkOrderStatus,
    "Where a work order stands.",
    {
        S.SUBMITTED: "Asked for; nobody has looked at it yet.",
        S.TRIAGED: "Taken on; it waits for a visit to be booked.",
        S.SCHEDULED: "A visit is booked.",
        S.IN_PROGRESS: "Work has begun.",
        S.ON_HOLD: "It waits; holdReason says for what.",
        S.COMPLETED: "The work is done and everything asked for is put down; it waits for review.",
        S.APPROVED: "Reviewed; its lines and times are frozen and may be billed.",
        S.CLOSED: "Nothing is left to do.",
        S.CANNOT_COMPLETE: "It ended undone; reasonCode says why. It may be taken up again.",
        S.CANCELED: "Called off; reasonCode says why.",
        S.DECLINED: "Not taken on; reasonCode says why.",
    },
)
describe_enum(
    rules.HoldReason,
    "What a work order on hold waits for.",
    {
        rules.HoldReason.AWAITING_PARTS: "Parts that are not there yet.",
        rules.HoldReason.WAITING_ON_VENDOR: "A supplier or manufacturer.",
        rules.HoldReason.WAITING_ON_CUSTOMER: "An answer or an action of the customer.",
        rules.HoldReason.CUSTOMER_DECISION: "The customer's decision, such as on a quote.",
        rules.HoldReason.ESCALATED: "A specialist or a manager.",
    },
)
describe_enum(
    rules.CancelReason,
    "Why work is called off.",
    {
        rules.CancelReason.CUSTOMER_REQUEST: "The customer no longer wants it.",
        rules.CancelReason.PROBLEM_SOLVED: "The problem went away or was solved otherwise.",
        rules.CancelReason.DUPLICATE: "The same work was asked for twice.",
        rules.CancelReason.CREATED_IN_ERROR: "It should never have been there.",
        rules.CancelReason.QUOTE_REFUSED: "The customer refused the quote.",
        rules.CancelReason.CUSTOMER_UNREACHABLE: "The customer could not be reached.",
        rules.CancelReason.OTHER: "Something else; the comment says what.",
    },
)
describe_enum(
    rules.DeclineReason,
    "Why a request is not taken on.",
    {
        rules.DeclineReason.OUT_OF_AREA: "The site lies outside our area.",
        rules.DeclineReason.SERVICE_NOT_OFFERED: "We do not offer this.",
        rules.DeclineReason.NO_CAPACITY: "Nobody is free in time.",
        rules.DeclineReason.CUSTOMER_ON_HOLD: "The account is on hold.",
        rules.DeclineReason.DUPLICATE: "The same work was asked for already.",
        rules.DeclineReason.OTHER: "Something else; the comment says what.",
    },
)
describe_enum(
    rules.CannotCompleteReason,
    "Why work that was taken on ends undone.",
    {
        rules.CannotCompleteReason.CUSTOMER_NO_SHOW: "Nobody of age was there.",
        rules.CannotCompleteReason.NO_ACCESS: "There was no way in or to the equipment.",
        rules.CannotCompleteReason.CONTACT_UNREACHABLE: "The contact could not be reached.",
        rules.CannotCompleteReason.PARTS_UNAVAILABLE: "Parts cannot be had.",
        rules.CannotCompleteReason.SCOPE_DIFFERENT: "It is other work than was asked for.",
        rules.CannotCompleteReason.UNSAFE: "Working there would be unsafe.",
        rules.CannotCompleteReason.WEATHER: "The weather does not allow it.",
        rules.CannotCompleteReason.CUSTOMER_REFUSED: "The customer refused the work on site.",
        rules.CannotCompleteReason.BEYOND_REPAIR: "It cannot be repaired.",
        rules.CannotCompleteReason.OTHER: "Something else; the comment says what.",
    },
)
describe_enum(
    rules.Channel,
    "How a request reached us.",
    {
        rules.Channel.PORTAL: "The customer asked in the portal.",
        rules.Channel.PHONE: "Somebody called.",
        rules.Channel.EMAIL: "Somebody wrote.",
        rules.Channel.TECHNICIAN: "A technician found it on site.",
        rules.Channel.MONITORING: "A device or the system noticed.",
        rules.Channel.MAINTENANCE_PLAN: "A maintenance plan made it due.",
        rules.Channel.PARTNER_API: "A partner's system sent it.",
        rules.Channel.IMPORT: "It was imported.",
    },
)
describe_enum(
    rules.LineItemKind,
    "What a line charges for.",
    {
        rules.LineItemKind.LABOR: "Time.",
        rules.LineItemKind.PART: "Material.",
        rules.LineItemKind.TRIP: "The way there.",
        rules.LineItemKind.FEE: "A fee.",
        rules.LineItemKind.DISCOUNT: "Takes its amount off.",
    },
)
describe_enum(
    rules.NoteVisibility,
    "Who may read a note.",
    {
        rules.NoteVisibility.INTERNAL: "Only the service company.",
        rules.NoteVisibility.CUSTOMER: "The customer too.",
    },
)
describe_enum(
    rules.TimeKind,
    "What time was spent on.",
    {
        rules.TimeKind.TRAVEL: "Going there.",
        rules.TimeKind.DIAGNOSIS: "Finding out what is wrong.",
        rules.TimeKind.REPAIR: "Doing the work.",
        rules.TimeKind.TESTING: "Making sure that it works.",
        rules.TimeKind.WAITING: "Waiting.",
        rules.TimeKind.BREAK: "A break; not billed unless assessed otherwise.",
    },
)
describe_enum(
    rules.WorkQueue,
    "Named lists of work that wants somebody's attention.",
    {
        rules.WorkQueue.UNTRIAGED: "Requests nobody has looked at.",
        rules.WorkQueue.UNASSIGNED: "Not begun, and no technician has a visit for it.",
        rules.WorkQueue.ON_HOLD: "Everything that waits.",
        rules.WorkQueue.AWAITING_PARTS: "Waits for parts or a vendor.",
        rules.WorkQueue.WAITING_ON_CUSTOMER: "Waits for the customer's answer or decision.",
        rules.WorkQueue.ESCALATED: "Waits for a specialist or a manager.",
        rules.WorkQueue.ISSUES: "Escalated, or ended undone.",
        rules.WorkQueue.OVERDUE: "Open, and past its due time.",
        rules.WorkQueue.OPEN_OVER_A_WEEK: "Open, and submitted more than seven days ago.",
        rules.WorkQueue.AWAITING_APPROVAL: "Completed, and not reviewed.",
        rules.WorkQueue.WITHOUT_LINE_ITEMS: "In progress without a line item, which completion will ask for.",
        rules.WorkQueue.READY_TO_CLOSE: "Approved, or ended undone.",
    },
)


@plain
class AllowedTransition:
    """A step that the lifecycle allows from here."""

    to: rules.WorkOrderStatus = about("The state it leads to.")
    blocked_by: list[str] = about("Sentences that say why it cannot be taken right now; empty if it can.")


@plain
class PriorityScorePart:
    """Some points of a priority score, and why."""

    code: str = about("A stable word: URGENCY, AGE, DUE_SOON or OVERDUE.")
    points: int = about("How many points.")
    explanation: str = about("Why, in a sentence.")


@plain
class PriorityScore:
    """How soon work wants attention: the higher, the sooner. The parts add up to the points; finished work has none."""

    points: int = about("All points.")
    parts: list[PriorityScorePart] = about("Where the points come from.")


@plain
class RequiredSkill:
    """A skill that the work asks for."""

    skill_id: ID = about("Which skill.")
    code: str | None = about("The skill's code; null for those who do not see skills.")
    name: str | None = about("The skill's name; null for those who do not see skills.")
    level: int = about("The least level, 1 to 5.")


@plain
class QueueCount:
    """How much work stands in a queue."""

    queue: rules.WorkQueue = about("Which queue.")
    count: int = about("How many work orders of those you may see.")


@filterable(models.LineItem)
class LineItemFilter:
    """Which line items."""

    id: IdFilter | None = by("Its id.")
    kind: EnumFilter[rules.LineItemKind] | None = by("What it charges for.")
    description: StringFilter | None = by("What it says.")
    quantity: DecimalFilter | None = by("How much of it, such as hours or pieces.")
    unit_price: DecimalFilter | None = by("What one of it costs.")
    amount: DecimalFilter | None = by("Quantity times price, rounded; negative for a discount.")
    currency: StringFilter | None = by("ISO 4217 code of the price and the amount.")
    created_at: DateTimeFilter | None = by("When it was added.")
    work_order_id: IdFilter | None = by("What it is for.")


LineItemOrder = orderable(
    "LineItemOrder",
    models.LineItem,
    default=("created_at",),
    created_at="When it was added.",
    kind="What it charges for.",
    description="What it says on the bill.",
    quantity="How much of it, such as hours or pieces.",
    unit_price="What one of it costs.",
    amount="Quantity times price, rounded; negative for a discount.",
    currency="ISO 4217 code of the price and the amount.",
)


@readable(models.LineItem, permission=Permission.VIEW_WORK_ORDERS)
class LineItem(Node):
    """One line of what work costs. Lines can be changed until the work is approved."""

    version: int = col("Counts up with every change.")
    kind: rules.LineItemKind = col("What it charges for.", facet=True)
    description: str = col("What it says on the bill.")
    quantity: Decimal = col("How much of it, such as hours or pieces.", totals=True)
    unit_price: Decimal | None = col(
        "What one of it costs, in the line's currency; null without the permission VIEW_PRICES.",
        permission=Permission.VIEW_PRICES,
    )
    amount: Decimal | None = col(
        "Quantity times price, rounded; negative for a discount.", permission=Permission.VIEW_PRICES, totals=True
    )
    currency: str = col("ISO 4217 code of the price and the amount.")
    created_at: datetime = col("When it was added.")
    work_order: "WorkOrder" = parent("What it is for.")


@filterable(models.Note)
class NoteFilter:
    """Which notes."""

    id: IdFilter | None = by("Its id.")
    text: StringFilter | None = by("What it says.")
    visibility: EnumFilter[rules.NoteVisibility] | None = by("Who may read it.")
    author_kind: EnumFilter[rules.AuthorKind] | None = by("What the writer is to the work.")
    at: DateTimeFilter | None = by("When it was written.")
    author_name: StringFilter | None = by("The writer's name at that time.")
    work_order_id: IdFilter | None = by("What it is about.")
    search: str | None = by_search("what was written or the writer's name", models.Note)


NoteOrder = orderable(
    "NoteOrder",
    models.Note,
    default=("-at",),
    at="When it was written.",
    visibility="Who may read it.",
    author_kind="What the writer is to the work.",
    author_name="The writer's name at that time.",
)


@readable(models.Note, permission=Permission.VIEW_WORK_ORDERS)
class Note(Node):
    """Something written about the work. It stays as it was written."""

    text: str = col("What was written.")
    visibility: rules.NoteVisibility = col("Who may read it.", facet=True)
    author_kind: rules.AuthorKind = col("What the writer is to the work.", facet=True)
    author_name: str = col("The writer's name at that time.")
    at: datetime = col("When it was written.")
    work_order: "WorkOrder" = parent("What it is about.")


@filterable(models.TimeEntry)
class TimeEntryFilter:
    """Which time entries."""

    id: IdFilter | None = by("Its id.")
    kind: EnumFilter[rules.TimeKind] | None = by("What the time was spent on.")
    technician_id: IdFilter | None = by("Whose time.")
    started_at: DateTimeFilter | None = by("When it began.")
    ended_at: DateTimeFilter | None = by("When it ended; null while the timer runs.")
    worked_minutes: IntFilter | None = by("Minutes from start to end; 0 while the timer runs.")
    billed_minutes: IntFilter | None = by("Minutes that count for the bill, as the technician assessed them.")
    appointment_id: IdFilter | None = by("The visit it belongs to, if it belongs to one.")
    work_order_id: IdFilter | None = by("What it was spent on.")
    is_running: bool | None = by(
        "Only running timers, or only finished stretches.",
        where=lambda actor, value: column("ended_at").is_null() if value else ~column("ended_at").is_null(),
    )
    technician: TechnicianFilter | None = by_parent("Whose time.")


TimeEntryOrder = orderable(
    "TimeEntryOrder",
    models.TimeEntry,
    default=("-started_at",),
    started_at="When it began.",
    worked_minutes="How long.",
    kind="What the time was spent on.",
    ended_at="When it ended; null while the timer runs.",
    billed_minutes="Minutes that count for the bill, as the technician assessed them.",
    technician_name=from_parent("The technician's name.", TechnicianRow, "name", via="technician_id"),
)


@readable(models.TimeEntry, permission=Permission.VIEW_WORK_ORDERS)
class TimeEntry(Node):
    """A stretch of a technician's time on the work. Customers do not see it."""

    version: int = col("Counts up with every change.")
    kind: rules.TimeKind = col("What the time was spent on.", facet=True)
    started_at: datetime = col("When it began.", facet=True, totals=True)
    ended_at: datetime | None = col("When it ended; null while the timer runs.")
    worked_minutes: int = col("Minutes from start to end; 0 while the timer runs.", totals=True)
    billed_minutes: int = col("Minutes that count for the bill, as the technician assessed them.", totals=True)
    appointment_id: ID | None = col("The visit it belongs to, if it belongs to one.")
    technician: Technician = parent("Whose time.", facet="name")
    work_order: "WorkOrder" = parent("What it was spent on.")


def _is_open(actor: Actor, value: bool) -> Condition:
    is_open = column("status").one_of([status.value for status in rules.OPEN])
    return is_open if value else ~is_open


def at_sites(actor: Actor, of_site: Condition) -> Condition:
    """At a site that the actor may see, and of which a condition is true."""
    return selected("site", "id", customers.Site.visible_to(actor) & of_site, ours="site_id")


@filterable(models.WorkOrder)
class WorkOrderFilter:
    """Which work orders."""

    id: IdFilter | None = by("Its id.")
    number: StringFilter | None = by("Its number.")
    status: EnumFilter[rules.WorkOrderStatus] | None = by("Where it stands.")
    hold_reason: EnumFilter[rules.HoldReason] | None = by("What it waits for.")
    reason_code: StringFilter | None = by("Why it ended undone, was called off or not taken on.")
    priority: EnumFilter[Priority] | None = by("How urgent it is.")
    channel: EnumFilter[rules.Channel] | None = by("How it reached us.")
    category: StringFilter | None = by("What kind of problem.")
    summary: StringFilter | None = by("What it says in a line.")
    external_id: StringFilter | None = by("Its id in the system it came from.")
    customer_id: IdFilter | None = by("For whom.")
    site_id: IdFilter | None = by("Where.")
    equipment_id: IdFilter | None = by("On which equipment.")
    service_type_id: IdFilter | None = by("Which kind of service.")
    parent_id: IdFilter | None = by("Of which larger work.")
    opened_by_user_id: IdFilter | None = by("Who asked for it.")
    duration_minutes: IntFilter | None = by("How long a visit is expected to take.")
    submitted_at: DateTimeFilter | None = by("When it was asked for.")
    due_at: DateTimeFilter | None = by("When it must be done.")
    requested_window_start: DateTimeFilter | None = by("The start of the window asked for.")
    scheduled_at: DateTimeFilter | None = by("When its visit was booked.")
    started_at: DateTimeFilter | None = by("When work began.")
    completed_at: DateTimeFilter | None = by("When it was done.")
    updated_at: DateTimeFilter | None = by("When it last changed.")
    description: StringFilter | None = by("What is to be done, at length.")
    requested_window_end: DateTimeFilter | None = by("The end of the window that was asked for.")
    currency: StringFilter | None = by("ISO 4217 code of its prices.")
    created_at: DateTimeFilter | None = by("When it was put down.")
    triaged_at: DateTimeFilter | None = by("When it was taken on.")
    held_at: DateTimeFilter | None = by("Since when it waits; null while it does not.")
    approved_at: DateTimeFilter | None = by("When it was reviewed.")
    closed_at: DateTimeFilter | None = by("When it was closed.")
    canceled_at: DateTimeFilter | None = by("When it was canceled, declined or given up.")
    is_open: bool | None = by("Only what is still to be done, or only what is over.", where=_is_open)
    technician_id: ID | None = by(
        "Only work with a visit of this technician.", where=models.held_by, permission=Permission.VIEW_SCHEDULE
    )
    territory_id: ID | None = by(
        "Only work at sites in this territory.",
        where=lambda actor, value: at_sites(actor, column("territory_id") == value),
        permission=Permission.VIEW_CUSTOMERS,
    )
    within: AreaInput | None = by(
        "At sites on this part of the map.",
        where=lambda actor, area: at_sites(actor, within(area)),
        permission=Permission.VIEW_CUSTOMERS,
    )
    customer: CustomerFilter | None = by_parent("For whom.")
    site: SiteFilter | None = by_parent("Where.")
    equipment: EquipmentFilter | None = by_parent("On which equipment.")
    service_type: ServiceTypeFilter | None = by_parent("Which kind of service.")
    line_items: LineItemFilter | None = by_children("What it costs, line by line.", via="work_order_id")
    notes: NoteFilter | None = by_children("What was written about it.", via="work_order_id")
    time_entries: TimeEntryFilter | None = by_children("The time spent on it.", via="work_order_id")
    alerts: AlertFilter | None = by_children("What needed attention about it and its visits.", via="work_order_id")
    search: str | None = by_search(
        "the number, the summary, the description, the category, the external id, the customer's name or the site's name "
        "and address",
        models.WorkOrder,
    )


WorkOrderOrder = orderable(
    "WorkOrderOrder",
    models.WorkOrder,
    default=("-submitted_at",),
    submitted_at="When it was asked for.",
    due_at="When it must be done; those without come last.",
    number="Its number.",
    updated_at="When it last changed.",
    completed_at="When it was done.",
    priority=ranked("The most urgent last.", "priority", [str(one) for one in rules.Priority]),
    status=ranked("In the order of the lifecycle.", "status", [str(one) for one in rules.WorkOrderStatus]),
    hold_reason="What it waits for, while it is on hold.",
    reason_code="Why it was canceled (CancelReason), declined (DeclineReason) or could not be completed (CannotCompleteReason).",
    channel="How it reached us.",
    category="What kind of problem, in the words of whoever asked.",
    summary="What is to be done, in a line.",
    requested_window_start="The start of the window that was asked for.",
    requested_window_end="The end of the window that was asked for.",
    duration_minutes="How long a visit is expected to take.",
    external_id="Its id in the system it came from, unique in the organization.",
    currency="ISO 4217 code of its prices.",
    created_at="When it was put down.",
    triaged_at="When it was taken on.",
    scheduled_at="When its visit was booked; null while there is none.",
    started_at="When work began.",
    held_at="Since when it waits; null while it does not.",
    approved_at="When it was reviewed.",
    closed_at="When it was closed.",
    canceled_at="When it was canceled, declined or given up.",
    customer_name=from_parent("The customer's name.", customers.Customer, "name", via="customer_id"),
    site_name=from_parent("The site's name.", customers.Site, "name", via="site_id"),
    site_city=from_parent("The site's city.", customers.Site, "city", via="site_id"),
    service_type_name=from_parent(
        "The kind of service; those without come last.", ServiceTypeRow, "name", via="service_type_id"
    ),
)


@extends_filter(AlertFilter)
class AlertsWork:
    """What an alert is about."""

    work_order: WorkOrderFilter | None = by_parent("About which work.")


@extends_filter(ConversationFilter)
class ConversationsWork:
    """What a conversation is about."""

    work_order: WorkOrderFilter | None = by_parent("About which work.")


@extends_filter(MessageFilter)
class MessagesWork:
    """What a message is about."""

    work_order: WorkOrderFilter | None = by_parent("About which work.")


@extends_filter(WorkOrderFilter)
class WorkOrdersParts:
    """What it is a part of, and what is a part of it."""

    part_of: WorkOrderFilter | None = by_parent("The larger work that it is a part of.", via="parent_id")
    parts: WorkOrderFilter | None = by_children("The work orders that are parts of it.", via="parent_id")


@extends_filter(LineItemFilter)
class LineItemsWork:
    """What a line is for."""

    work_order: WorkOrderFilter | None = by_parent("What it is for.")


@extends_filter(NoteFilter)
class NotesWork:
    """What a note is about."""

    work_order: WorkOrderFilter | None = by_parent("What it is about.")


@extends_filter(TimeEntryFilter)
class TimeEntriesWork:
    """What time was spent on."""

    work_order: WorkOrderFilter | None = by_parent("What it was spent on.")


@extends_filter(CustomerFilter)
class CustomersWork:
    """What is done for an account."""

    work_orders: WorkOrderFilter | None = by_children("The work for it.", via="customer_id")


@extends_filter(SiteFilter)
class SitesWork:
    """What is done at a site."""

    work_orders: WorkOrderFilter | None = by_children("The work there.", via="site_id")


@extends_filter(EquipmentFilter)
class EquipmentsWork:
    """What is done on a device."""

    work_orders: WorkOrderFilter | None = by_children("The work on it.", via="equipment_id")


FINISHED = ~column("ended_at").is_null()
RUNNING = column("ended_at").is_null()


def required_evidence(writer: Writer, alias: str, actor: Actor) -> str:
    """What the service type asks for before completion: a JSON list, or nothing."""
    inner = quoted(writer.alias())
    wanted = f'{inner}."id" = {quoted(alias)}."service_type_id"'
    return f'(SELECT {inner}."required_evidence" FROM "service_type" {inner} WHERE {wanted})'


def total_in_ten_thousandths(writer: Writer, alias: str, actor: Actor) -> str:
    """The sum of the lines as a whole number, because SQLite would add decimals as floats."""
    inner = quoted(writer.alias())
    units = f'CAST(round({inner}."amount" * 10000) AS bigint)'
    mine = f'{inner}."work_order_id" = {quoted(alias)}."id"'
    return f'(SELECT coalesce(sum({units}), 0) FROM "line_item" {inner} WHERE {mine})'


def allowed_transitions(
    status: str, line_items: int, running_timers: int, notes: int, finished: int, evidence: list[str] | str | None
) -> list[rules.AllowedStep]:
    """The steps out of a status, with what blocks each."""
    record = rules.Record(line_items, running_timers, notes, finished, tuple(parsed(evidence) or ()))
    return rules.allowed_steps(status, record)


def priority_score(status: str, priority: str, submitted_at: datetime, due_at: datetime | None) -> rules.PriorityScore:
    """How soon it wants attention, right now."""
    return rules.priority_score(
        status=status, priority=priority, submitted_at=submitted_at, due_at=due_at, now=utc_now()
    )


def total_amount(ten_thousandths: int, currency: str) -> Decimal:
    """The sum at the precision of its currency."""
    return rounded(Decimal(int(ten_thousandths)) / 10_000, currency)


def names_of_skills(writer: Writer, alias: str, actor: Actor) -> str:
    """Id, code and name of each skill asked for that the actor may see: a JSON list, or nothing."""
    inner, levels = writer.alias(), f'{quoted(alias)}."required_skills"'
    parts = ", ".join(f"{quoted(inner)}.{quoted(name)}" for name in ("id", "code", "name"))
    if writer.dialect is Dialect.SQLITE:
        listed, asked = f"json_group_array(json_array({parts}))", f"SELECT key FROM json_each({levels})"
    else:
        listed, asked = f"json_agg(json_build_array({parts}))", f"SELECT jsonb_object_keys(CAST({levels} AS jsonb))"
    visible = SkillRow.visible_to(actor).write(writer, inner)
    return f'(SELECT {listed} FROM "skill" {quoted(inner)} WHERE {visible} AND {quoted(inner)}."id" IN ({asked}))'


def required_skills(levels: Mapping[str, int] | None, skills: list[list[str]] | str | None) -> list[RequiredSkill]:
    """The skills asked for, the most demanding first."""
    known = {id: (code, name) for id, code, name in parsed(skills) or ()}
    ordered = sorted((levels or {}).items(), key=lambda one: (-one[1], one[0]))
    return [
        RequiredSkill(
            skill_id=ID(id), code=known.get(id, (None, None))[0], name=known.get(id, (None, None))[1], level=level
        )
        for id, level in ordered
    ]


def parsed(value: Any) -> Any:
    """JSON out of an expression, which SQLite hands over as text."""
    return orjson.loads(value) if isinstance(value, str) else value


@readable(models.WorkOrder, permission=Permission.VIEW_WORK_ORDERS)
class WorkOrder(Node):
    """What is to be done for a customer at a site, from the request to the closed, approved job."""

    number: str = col("The number that people use, unique in the organization.")
    version: int = col("Counts up with every change; name the one you saw in a mutation to be told of others' changes.")
    status: rules.WorkOrderStatus = col("Where it stands.", facet=True)
    status_label: str = computed(
        "Where it stands, in plain words for a customer.", rules.status_label, needs=("status", "hold_reason")
    )
    allowed_transitions: list[AllowedTransition] = computed(
        "The steps that the lifecycle allows from here, and what blocks each.",
        allowed_transitions,
        needs=(
            "status",
            count_of("line_item", "work_order_id"),
            count_of("time_entry", "work_order_id", RUNNING),
            count_of("note", "work_order_id"),
            count_of("time_entry", "work_order_id", FINISHED),
            required_evidence,
        ),
    )
    hold_reason: rules.HoldReason | None = col("What it waits for, while it is on hold; null otherwise.", facet=True)
    reason_code: str | None = col(
        "Why it was canceled (CancelReason), declined (DeclineReason) or could not be completed (CannotCompleteReason).",
        facet=True,
    )
    priority: Priority = col("How urgent it is.", facet=True)
    priority_score: PriorityScore = computed(
        "How soon it wants attention, explained.",
        priority_score,
        needs=("status", "priority", "submitted_at", "due_at"),
    )
    channel: rules.Channel = col("How it reached us.", facet=True)
    category: str | None = col("What kind of problem, in the words of whoever asked.", facet=True)
    summary: str = col("What is to be done, in a line.")
    description: str = col("What is to be done, at length.")
    requested_window_start: datetime | None = col("The start of the window that was asked for; null if none was.")
    requested_window_end: datetime | None = col("The end of the window that was asked for; null if none was.")
    due_at: datetime | None = col("When it must be done; null when it has no term.", facet=True, totals=True)
    duration_minutes: int = col("How many minutes a visit is expected to take.", totals=True)
    required_skills: list[RequiredSkill] = computed(
        "The skills that it asks for, the most demanding first.",
        required_skills,
        needs=("required_skills", names_of_skills),
    )
    external_id: str | None = col("Its id in the system it came from, unique in the organization.")
    currency: str = col("ISO 4217 code of its prices.")
    total_amount: Decimal | None = computed(
        "The sum of its lines, in its currency; null without the permission VIEW_PRICES.",
        total_amount,
        needs=(total_in_ten_thousandths, "currency"),
        permission=Permission.VIEW_PRICES,
    )
    line_item_count: int = sql_value("How many lines it has.", count_of("line_item", "work_order_id"))
    has_running_timer: bool = sql_value(
        "Whether somebody's timer runs on it.", exists_in("time_entry", "work_order_id", RUNNING)
    )
    created_at: datetime = col("When it was put down.")
    updated_at: datetime = col("When it last changed.")
    submitted_at: datetime = col("When it was asked for.", facet=True, totals=True)
    triaged_at: datetime | None = col("When it was taken on; null until then.")
    scheduled_at: datetime | None = col("When its visit was booked; null while there is none.")
    started_at: datetime | None = col("When work began.", facet=True, totals=True)
    held_at: datetime | None = col("Since when it waits; null while it does not.")
    completed_at: datetime | None = col("When it was done; null until then.", facet=True, totals=True)
    approved_at: datetime | None = col("When it was reviewed; null until then.")
    closed_at: datetime | None = col("When it was closed; null until then.")
    canceled_at: datetime | None = col("When it was canceled, declined or given up; null if it was not.")
    customer: Customer = parent("For whom.", facet="name")
    site: Site = parent("Where.", facet="name")
    equipment: Equipment = parent("On which equipment, if it is about one.")
    service_type: ServiceType = parent("Which kind of service, if it is one that is offered.", facet="name")
    part_of: "WorkOrder" = parent("The larger work that it is a part of.", via="parent_id")
    opened_by: User = parent("The person who asked for it.", via="opened_by_user_id")
    parts: Connection["WorkOrder"] = children(
        "The work orders that are parts of it.", via="parent_id", filter=WorkOrderFilter, order=WorkOrderOrder
    )
    line_items: Connection[LineItem] = children(
        "What it costs, line by line.", via="work_order_id", filter=LineItemFilter, order=LineItemOrder
    )
    notes: Connection[Note] = children(
        "What was written about it.", via="work_order_id", filter=NoteFilter, order=NoteOrder
    )
    time_entries: Connection[TimeEntry] = children(
        "The time spent on it.", via="work_order_id", filter=TimeEntryFilter, order=TimeEntryOrder
    )
    conversation: Conversation = single("What is written about it; null while nobody has.", via="work_order_id")
    alerts: Connection[Alert] = children(
        "What needed attention about it and its visits, those that are over included.",
        via="work_order_id",
        filter=AlertFilter,
        order=AlertOrder,
    )


@extends(Alert)
class AlertWork:
    """What an alert is about."""

    work_order: WorkOrder = parent("About which work; null where it is about none.")


@extends(Conversation)
class ConversationWork:
    """What a conversation is about."""

    work_order: WorkOrder = parent("About which work; null where it is about none.")


@extends(Message)
class MessageWork:
    """What a message is about."""

    work_order: WorkOrder = parent("About which work; null where it is about none.")


@plain
class SlaRisk:
    """Work that may not be done in time, or that is overdue; or that is so no longer."""

    cursor: str = about("Where you stand after this event; resume with it.")
    at: datetime = about("When it became so.")
    kind: AlertKind = about("SLA_AT_RISK or SLA_BREACHED.")
    severity: AlertSeverity = about("How grave it is.")
    due_at: datetime = about("When the work must be done, or was to be.")
    minutes_left: int = about("Minutes from now until then; negative when it is overdue.")
    removed: bool = about("Whether it is no longer so: the work is done, called off, or due at another time.")
    alert_id: ID = about("The alert that says so.")
    alert: Alert | None = link("That as it is now; acknowledge or resolve it.", "alert_id")
    work_order_id: ID = about("Which work.")
    work_order: WorkOrder | None = link("That as it is now.", "work_order_id")
