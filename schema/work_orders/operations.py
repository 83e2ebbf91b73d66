"""What clients may ask about work orders, do with them, and hear of them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from app.infrastructure.conditions import Condition, column
from app.infrastructure.journal import Entry
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import CompletionBlocked, Conflict, IllegalTransition, InvalidInput, StaleVersion
from app.kernel.permissions import Permission
from app.kernel.work import Priority
from app.messaging.events import AlertRaised, AlertResolved, AlertSeverityChanged
from app.messaging.rules import AlertKind, AlertSeverity
from app.work_orders import commands, rules
from app.work_orders import queries as work_orders
from schema.kit import ID, Connection, Maybe, about, arg, given, inputs, many, mutation, one, query
from schema.kit.live import changed, heard
from schema.work_orders.types import (
    LineItem,
    Note,
    QueueCount,
    SlaRisk,
    TimeEntry,
    WorkOrder,
    WorkOrderFilter,
    WorkOrderOrder,
)

VERSION = "The version you saw; refused when it is no longer the current one."
NEW_ID = "An id that you made, such as wo_ and a UUIDv7 in Crockford base32; one is made if you leave it out."


def by_number(actor: Actor, number: Annotated[str, arg("The number, such as WO-000123.")]) -> Condition:
    """The work order of a number."""
    return column("number") == number


def in_queue(actor: Actor, name: Annotated[rules.WorkQueue, arg("Which queue.")]) -> Condition:
    """The work orders of a queue, as of now."""
    return work_orders.in_queue(name, utc_now())


class Queries:
    """What clients may ask."""

    work_order: WorkOrder | None = one("One work order.", permission=Permission.VIEW_WORK_ORDERS)
    work_order_by_number: WorkOrder | None = one(
        "One work order, by the number that people use.", permission=Permission.VIEW_WORK_ORDERS, where=by_number
    )
    work_orders: Connection[WorkOrder] = many(
        "Work orders, the latest first unless told otherwise.",
        permission=Permission.VIEW_WORK_ORDERS,
        filter=WorkOrderFilter,
        order=WorkOrderOrder,
    )
    queue: Connection[WorkOrder] = many(
        "The work orders in a named queue.",
        permission=Permission.VIEW_WORK_ORDERS,
        filter=WorkOrderFilter,
        order=WorkOrderOrder,
        where=in_queue,
    )

    @query("How much work stands in each queue.", permission=Permission.VIEW_WORK_ORDERS)
    async def queue_counts(actor: Actor) -> list[QueueCount]:
        """All queues, in a fixed order."""
        counts = await work_orders.count_queues(actor, utc_now())
        return [QueueCount(queue=queue, count=count) for queue, count in counts.items()]


@inputs
class SkillLevelInput:
    """A skill with the level that is needed."""

    skill_id: ID = about("Which skill.")
    level: int = about("The least level, 1 to 5.")


@inputs
class CreateWorkOrderInput:
    """What is asked for. Duration, priority and skills come from the service type where they are left out."""

    customer_id: ID = about("For whom.")
    site_id: ID = about("Where; a site of that customer.")
    summary: str = about("What is to be done, in a line of at most 200 characters.")
    id: ID | None = about(NEW_ID, default=None)
    description: str = about("What is to be done, at length.", default="")
    category: str | None = about("What kind of problem, in your own words.", default=None)
    priority: Priority | None = about("How urgent it is.", default=None)
    channel: rules.Channel | None = about("How the request came; only staff say so.", default=None)
    equipment_id: ID | None = about("On which equipment of the site.", default=None)
    service_type_id: ID | None = about("Which kind of service.", default=None)
    requested_window_start: datetime | None = about("The start of the window that suits.", default=None)
    requested_window_end: datetime | None = about("The end of the window that suits.", default=None)
    due_at: datetime | None = about("When it must be done; only staff say so.", default=None)
    duration_minutes: int | None = about("How long a visit will take; only staff say so.", default=None)
    required_skills: list[SkillLevelInput] | None = about("The skills needed; only staff say so.", default=None)
    external_id: str | None = about("Its id in your system, unique in the organization.", default=None)
    parent_id: ID | None = about("The larger work that it is a part of.", default=None)
    submitted_at: datetime | None = about(
        "When it was really asked for; needs the permission IMPORT_DATA.", default=None
    )
    credit_hold_override: str | None = about(
        "Why to work all the same for a customer who is on hold or owes more than the credit limit; needs the permission MANAGE_WORK_ORDERS.",
        default=None,
    )


@inputs
class UpdateWorkOrderInput:
    """Only what is given is changed."""

    id: ID = about("Which work order.")
    version: int | None = about(VERSION, default=None)
    summary: Maybe[str] = about("What is to be done, in a line.")
    description: Maybe[str] = about("What is to be done, at length.")
    category: Maybe[str | None] = about("What kind of problem; null clears it.")
    priority: Maybe[Priority] = about("How urgent it is.")
    service_type_id: Maybe[ID | None] = about("Which kind of service; null clears it.")
    site_id: Maybe[ID] = about("Where; until a visit is booked.")
    equipment_id: Maybe[ID | None] = about("On which equipment; null clears it.")
    requested_window_start: Maybe[datetime | None] = about("The start of the window that suits; null clears it.")
    requested_window_end: Maybe[datetime | None] = about("The end of the window that suits; null clears it.")
    due_at: Maybe[datetime | None] = about("When it must be done; null clears it.")
    duration_minutes: Maybe[int] = about("How many minutes a visit is expected to take.")
    required_skills: Maybe[list[SkillLevelInput]] = about("The skills needed, all of them.")
    external_id: Maybe[str | None] = about("Its id in another system; null clears it.")


@inputs
class TriageWorkOrderInput:
    """What is needed to take a request on."""

    id: ID = about("Which work order.")
    version: int | None = about(VERSION, default=None)
    priority: Priority | None = about("How urgent it really is, if that is to change.", default=None)


@inputs
class StepWorkOrderInput:
    """Which work order is to take a step."""

    id: ID = about("Which work order.")
    version: int | None = about(VERSION, default=None)


@inputs
class StepWorkOrdersInput:
    """Which work orders are to take a step: all of them, or none."""

    ids: list[ID] = about("Which work orders, 1 to 100.")


@inputs
class HoldWorkOrderInput:
    """What is needed to let work wait."""

    id: ID = about("Which work order.")
    reason: rules.HoldReason = about("What it waits for.")
    comment: str | None = about("More about it; kept as an internal note.", default=None)
    version: int | None = about(VERSION, default=None)


@inputs
class MarkCannotCompleteInput:
    """What is needed to end work undone."""

    id: ID = about("Which work order.")
    reason: rules.CannotCompleteReason = about("Why.")
    comment: str | None = about("More about it; kept as an internal note. Needed for OTHER.", default=None)
    version: int | None = about(VERSION, default=None)


@inputs
class CancelWorkOrderInput:
    """What is needed to call work off."""

    id: ID = about("Which work order.")
    reason: rules.CancelReason = about("Why.")
    comment: str | None = about("More about it; kept as an internal note. Needed for OTHER.", default=None)
    version: int | None = about(VERSION, default=None)


@inputs
class DeclineWorkOrderInput:
    """What is needed to turn a request down."""

    id: ID = about("Which work order.")
    reason: rules.DeclineReason = about("Why.")
    comment: str | None = about("More about it; kept as an internal note. Needed for OTHER.", default=None)
    version: int | None = about(VERSION, default=None)


@inputs
class AddNoteInput:
    """A note to write."""

    work_order_id: ID = about("About which work order.")
    text: str = about("What to write, at most 10,000 characters.")
    visibility: rules.NoteVisibility | None = about(
        "Who may read it; a customer's note is for the customer, anybody else's internal.", default=None
    )
    id: ID | None = about(NEW_ID, default=None)


@inputs
class AddLineItemInput:
    """A line to add. A price other than zero needs the permission SET_PRICES."""

    work_order_id: ID = about("To which work order.")
    kind: rules.LineItemKind = about("What it charges for.")
    description: str = about("What it says on the bill, at most 500 characters.")
    quantity: Decimal = about("How much of it; above 0.", default=Decimal(1))
    unit_price: Decimal = about("What one of it costs, in the work order's currency; not negative.", default=Decimal(0))
    id: ID | None = about(NEW_ID, default=None)


@inputs
class UpdateLineItemInput:
    """Only what is given is changed."""

    id: ID = about("Which line.")
    version: int | None = about(VERSION, default=None)
    kind: Maybe[rules.LineItemKind] = about("What it charges for.")
    description: Maybe[str] = about("What it says on the bill.")
    quantity: Maybe[Decimal] = about("How much of it; above 0.")
    unit_price: Maybe[Decimal] = about("What one of it costs, in the work order's currency.")


@inputs
class RemoveLineItemInput:
    """A line to take away."""

    id: ID = about("Which line.")
    version: int | None = about(VERSION, default=None)


@inputs
class StartTimerInput:
    """A clock to start. One runs per technician."""

    work_order_id: ID = about("On which work order.")
    kind: rules.TimeKind = about("What the time is spent on.")
    technician_id: ID | None = about("Whose time; your own unless you manage work orders.", default=None)
    appointment_id: ID | None = about("During which visit.", default=None)
    started_at: datetime | None = about("Since when; now unless told.", default=None)
    stop_running: bool = about("Stop the technician's other timer at that moment, instead of refusing.", default=False)
    id: ID | None = about(NEW_ID, default=None)


@inputs
class StopTimerInput:
    """A clock to stop. Stopping it again changes nothing."""

    id: ID = about("Which time entry.")
    ended_at: datetime | None = about("Until when; now unless told.", default=None)
    billed_minutes: int | None = about("How many minutes count for the bill; all but breaks unless told.", default=None)


@inputs
class AddTimeEntryInput:
    """A finished stretch of time."""

    work_order_id: ID = about("On which work order.")
    kind: rules.TimeKind = about("What the time was spent on.")
    started_at: datetime = about("From when.")
    ended_at: datetime = about("Until when; at most 24 hours later.")
    billed_minutes: int | None = about("How many minutes count for the bill; all but breaks unless told.", default=None)
    technician_id: ID | None = about("Whose time; your own unless you manage work orders.", default=None)
    appointment_id: ID | None = about("During which visit.", default=None)
    id: ID | None = about(NEW_ID, default=None)


STEP = (IllegalTransition, StaleVersion)


class Mutations:
    """What clients may do."""

    @mutation(
        WorkOrder,
        "Asks for work. It begins as SUBMITTED and gets the next number. A customer on hold gets no new work.",
        permission=Permission.REQUEST_WORK,
        problems=(Conflict,),
    )
    async def create_work_order(actor: Actor, input: CreateWorkOrderInput) -> str:
        """See the command."""
        return await commands.create_work_order(
            actor,
            id=input.id,
            customer_id=input.customer_id,
            site_id=input.site_id,
            summary=input.summary,
            description=input.description,
            category=input.category,
            priority=input.priority,
            channel=input.channel,
            equipment_id=input.equipment_id,
            service_type_id=input.service_type_id,
            requested_window_start=input.requested_window_start,
            requested_window_end=input.requested_window_end,
            due_at=input.due_at,
            duration_minutes=input.duration_minutes,
            required_skills=None if input.required_skills is None else _levels(input.required_skills),
            external_id=input.external_id,
            parent_id=input.parent_id,
            submitted_at=input.submitted_at,
            credit_hold_override=input.credit_hold_override,
        )

    @mutation(
        WorkOrder,
        "Changes what is to be done while it is still to be done; only what is given is set.",
        permission=Permission.MANAGE_WORK_ORDERS,
        problems=(Conflict, StaleVersion),
    )
    async def update_work_order(actor: Actor, input: UpdateWorkOrderInput) -> str:
        """See the command."""
        changes = given(input)
        if "required_skills" in changes:
            changes["required_skills"] = _levels(changes["required_skills"])
        return await commands.update_work_order(actor, input.id, version=input.version, **changes)

    @mutation(
        WorkOrder,
        "Takes a request on, ready to be planned; or takes up again what could not be completed.",
        permission=Permission.MANAGE_WORK_ORDERS,
        problems=STEP,
    )
    async def triage_work_order(actor: Actor, input: TriageWorkOrderInput) -> str:
        """See the command."""
        return await commands.triage_work_order(actor, input.id, version=input.version, priority=input.priority)

    @mutation(
        list[WorkOrder],
        "Takes several requests on: all of them or none.",
        permission=Permission.MANAGE_WORK_ORDERS,
        problems=STEP,
        noun="work_orders",
    )
    async def triage_work_orders(actor: Actor, input: StepWorkOrdersInput) -> list[str]:
        """See the command."""
        return await commands.triage_work_orders(actor, input.ids)

    @mutation(
        WorkOrder,
        "Begins work that needs no visit, or begins before one, such as help by telephone.",
        permission=Permission.EXECUTE_WORK_ORDERS,
        problems=STEP,
    )
    async def start_work_order(actor: Actor, input: StepWorkOrderInput) -> str:
        """See the command."""
        return await commands.start_work_order(actor, input.id, version=input.version)

    @mutation(
        WorkOrder,
        "Lets the work wait for a reason.",
        permission=Permission.EXECUTE_WORK_ORDERS,
        problems=STEP,
    )
    async def hold_work_order(actor: Actor, input: HoldWorkOrderInput) -> str:
        """See the command."""
        return await commands.hold_work_order(
            actor, input.id, reason=input.reason, comment=input.comment, version=input.version
        )

    @mutation(
        WorkOrder,
        "Ends a hold. The work goes on where its visits say, or where it stood.",
        permission=Permission.EXECUTE_WORK_ORDERS,
        problems=STEP,
    )
    async def resume_work_order(actor: Actor, input: StepWorkOrderInput) -> str:
        """See the command."""
        return await commands.resume_work_order(actor, input.id, version=input.version)

    @mutation(
        WorkOrder,
        "The work is done. CompletionBlocked lists everything that is missing.",
        permission=Permission.EXECUTE_WORK_ORDERS,
        problems=(*STEP, CompletionBlocked),
    )
    async def complete_work_order(actor: Actor, input: StepWorkOrderInput) -> str:
        """See the command."""
        return await commands.complete_work_order(actor, input.id, version=input.version)

    @mutation(
        WorkOrder,
        "The work ends undone, for a reason. Running timers stop.",
        permission=Permission.EXECUTE_WORK_ORDERS,
        problems=STEP,
    )
    async def mark_cannot_complete(actor: Actor, input: MarkCannotCompleteInput) -> str:
        """See the command."""
        return await commands.mark_cannot_complete(
            actor, input.id, reason=input.reason, comment=input.comment, version=input.version
        )

    @mutation(
        WorkOrder,
        "The done work was reviewed: its lines and times are frozen and may be billed. CONFLICT when it costs more than your "
        "approvalLimit.",
        permission=Permission.APPROVE_WORK_ORDERS,
        problems=(Conflict, *STEP),
    )
    async def approve_work_order(actor: Actor, input: StepWorkOrderInput) -> str:
        """See the command."""
        return await commands.approve_work_order(actor, input.id, version=input.version)

    @mutation(
        list[WorkOrder],
        "Approves several work orders: all of them or none.",
        permission=Permission.APPROVE_WORK_ORDERS,
        problems=(Conflict, *STEP),
        noun="work_orders",
    )
    async def approve_work_orders(actor: Actor, input: StepWorkOrdersInput) -> list[str]:
        """See the command."""
        return await commands.approve_work_orders(actor, input.ids)

    @mutation(
        WorkOrder,
        "Closes approved work, or work that could not be completed: nothing is left to do.",
        permission=Permission.APPROVE_WORK_ORDERS,
        problems=STEP,
    )
    async def close_work_order(actor: Actor, input: StepWorkOrderInput) -> str:
        """See the command."""
        return await commands.close_work_order(actor, input.id, version=input.version)

    @mutation(
        list[WorkOrder],
        "Closes several work orders: all of them or none.",
        permission=Permission.APPROVE_WORK_ORDERS,
        problems=STEP,
        noun="work_orders",
    )
    async def close_work_orders(actor: Actor, input: StepWorkOrdersInput) -> list[str]:
        """See the command."""
        return await commands.close_work_orders(actor, input.ids)

    @mutation(
        WorkOrder,
        "Calls the work off, for a reason. Running timers stop.",
        permission=Permission.CANCEL_WORK_ORDERS,
        problems=STEP,
    )
    async def cancel_work_order(actor: Actor, input: CancelWorkOrderInput) -> str:
        """See the command."""
        return await commands.cancel_work_order(
            actor, input.id, reason=input.reason, comment=input.comment, version=input.version
        )

    @mutation(
        WorkOrder,
        "Turns a request down, for a reason.",
        permission=Permission.MANAGE_WORK_ORDERS,
        problems=STEP,
    )
    async def decline_work_order(actor: Actor, input: DeclineWorkOrderInput) -> str:
        """See the command."""
        return await commands.decline_work_order(
            actor, input.id, reason=input.reason, comment=input.comment, version=input.version
        )

    @mutation(
        Note,
        "Writes a note. One for the customer needs REQUEST_WORK, an internal one VIEW_INTERNAL_NOTES.",
        permission=Permission.ADD_NOTES,
    )
    async def add_note(actor: Actor, input: AddNoteInput) -> str:
        """See the command."""
        return await commands.add_note(actor, input.work_order_id, input.text, visibility=input.visibility, id=input.id)

    @mutation(
        LineItem,
        "Adds a line, until the work is approved.",
        permission=Permission.EXECUTE_WORK_ORDERS,
        problems=(Conflict,),
    )
    async def add_line_item(actor: Actor, input: AddLineItemInput) -> str:
        """See the command."""
        return await commands.add_line_item(
            actor,
            input.work_order_id,
            input.kind,
            input.description,
            quantity=input.quantity,
            unit_price=input.unit_price,
            id=input.id,
        )

    @mutation(
        LineItem,
        "Corrects a line, until the work is approved; only what is given is set, and the amount follows.",
        permission=Permission.EXECUTE_WORK_ORDERS,
        problems=(Conflict, StaleVersion),
    )
    async def update_line_item(actor: Actor, input: UpdateLineItemInput) -> str:
        """See the command."""
        return await commands.update_line_item(actor, input.id, version=input.version, **given(input))

    @mutation(
        WorkOrder,
        "Takes a line away, until the work is approved, and answers with its work order.",
        permission=Permission.EXECUTE_WORK_ORDERS,
        problems=(Conflict, StaleVersion),
    )
    async def remove_line_item(actor: Actor, input: RemoveLineItemInput) -> str:
        """See the command."""
        return await commands.remove_line_item(actor, input.id, version=input.version)

    @mutation(
        TimeEntry,
        "Starts a technician's clock on the work.",
        permission=Permission.EXECUTE_WORK_ORDERS,
        problems=(Conflict,),
    )
    async def start_timer(actor: Actor, input: StartTimerInput) -> str:
        """See the command."""
        return await commands.start_timer(
            actor,
            input.work_order_id,
            input.kind,
            technician_id=input.technician_id,
            appointment_id=input.appointment_id,
            started_at=input.started_at,
            stop_running=input.stop_running,
            id=input.id,
        )

    @mutation(
        TimeEntry,
        "Stops a running clock; the technician may assess how much of it is billed.",
        permission=Permission.EXECUTE_WORK_ORDERS,
    )
    async def stop_timer(actor: Actor, input: StopTimerInput) -> str:
        """See the command."""
        return await commands.stop_timer(actor, input.id, ended_at=input.ended_at, billed_minutes=input.billed_minutes)

    @mutation(
        TimeEntry,
        "Enters a stretch of time that is over, until the work is approved.",
        permission=Permission.EXECUTE_WORK_ORDERS,
        problems=(Conflict,),
    )
    async def add_time_entry(actor: Actor, input: AddTimeEntryInput) -> str:
        """See the command."""
        return await commands.add_time_entry(
            actor,
            input.work_order_id,
            input.kind,
            started_at=input.started_at,
            ended_at=input.ended_at,
            billed_minutes=input.billed_minutes,
            technician_id=input.technician_id,
            appointment_id=input.appointment_id,
            id=input.id,
        )


def sla_risk(entry: Entry, now: datetime) -> SlaRisk | None:
    """What a fact about an alert says of a due time; nothing if it says nothing of one, or nothing new."""
    said = entry.payload
    if said["kind"] not in rules.DUE_KINDS or said.get("superseded_by") is not None:
        return None
    due_at = datetime.fromisoformat(said["due_at"])
    return SlaRisk(
        cursor=entry.cursor,
        at=entry.at,
        kind=AlertKind(said["kind"]),
        severity=AlertSeverity(said["severity"]),
        due_at=due_at,
        minutes_left=int((due_at - now).total_seconds() // 60),
        removed=entry.type == AlertResolved.__name__,
        alert_id=ID(entry.subject_id),
        work_order_id=ID(said["work_order_id"]),
    )


class Subscriptions:
    """What clients may hear."""

    work_order_changed = changed(
        WorkOrder,
        "What happens to work orders: steps, changes, notes, lines and times, each as one fact, in order.",
        permission=Permission.VIEW_WORK_ORDERS,
    )

    @heard(
        "Work that may not be done in time: when it becomes at risk, overdue or graver, and when that is over. Read alerts with "
        "the kinds SLA_AT_RISK and SLA_BREACHED for how it stands, then follow.",
        permission=Permission.VIEW_ALERTS,
        facts=(AlertRaised, AlertSeverityChanged, AlertResolved),
        conflate_by="work_order_id",
    )
    async def sla_at_risk(actor: Actor, entries: Sequence[Entry]) -> list[SlaRisk]:
        """What the alerts of the due times say, without those that another one took the place of."""
        now = utc_now()
        return [risk for entry in entries if (risk := sla_risk(entry, now)) is not None]


def _levels(skills: list[SkillLevelInput]) -> dict[str, int]:
    levels: dict[str, int] = {}
    for skill in skills:
        if levels.setdefault(skill.skill_id, skill.level) != skill.level:
            raise InvalidInput("This skill is named twice with different levels.", path=["requiredSkills"])
    return levels
