"""Times that customers choose: which there are, kept free for some minutes, confirmed, given back."""

from datetime import date, datetime
from typing import Annotated

from app.kernel.actor import Actor
from app.kernel.errors import (
    AlreadyExists,
    Conflict,
    IllegalTransition,
    LimitReached,
    ScheduleConflict,
    StaleVersion,
)
from app.kernel.permissions import Permission
from app.scheduling import commands, models, planning, rules
from app.scheduling.rules import SlotHoldStatus
from schema.customers.types import Customer
from schema.kit import (
    ID,
    Connection,
    Context,
    DateTimeFilter,
    EnumFilter,
    IdFilter,
    Node,
    about,
    arg,
    by,
    by_parent,
    children,
    col,
    describe_enum,
    extends,
    filterable,
    inputs,
    link,
    many,
    mutation,
    one,
    orderable,
    parent,
    plain,
    query,
    readable,
)
from schema.kit.live import changed
from schema.scheduling.advice import POINTS
from schema.scheduling.advice_types import shown_ids
from schema.scheduling.operations import NEW_ID, VERSION, ZONE
from schema.scheduling.types import Appointment, AppointmentFilter
from schema.technicians.types import Technician
from schema.work_orders.types import WorkOrder, WorkOrderFilter

S = SlotHoldStatus
describe_enum(
    SlotHoldStatus,
    "Where a time stands that was kept free for a customer.",
    {
        S.HELD: "It is kept free until expiresAt.",
        S.CONFIRMED: "It is the visit's.",
        S.RELEASED: "It was given back.",
        S.EXPIRED: "Nobody confirmed it in time.",
    },
)


@filterable(models.SlotHold)
class SlotHoldFilter:
    """Which holds."""

    id: IdFilter | None = by("Its id.")
    status: EnumFilter[SlotHoldStatus] | None = by("Where it stands.")
    work_order_id: IdFilter | None = by("For which work.")
    appointment_id: IdFilter | None = by("For which visit.")
    customer_id: IdFilter | None = by("For which customer.")
    window_start: DateTimeFilter | None = by("When the window begins.")
    window_end: DateTimeFilter | None = by("When the window ends.")
    starts_at: DateTimeFilter | None = by("When the visit would begin.")
    expires_at: DateTimeFilter | None = by("Until when it is kept free.")
    created_at: DateTimeFilter | None = by("When it was asked for.")
    work_order: WorkOrderFilter | None = by_parent("The work.")
    appointment: AppointmentFilter | None = by_parent("The visit.")


SlotHoldOrder = orderable(
    "SlotHoldOrder",
    models.SlotHold,
    default=("-created_at",),
    created_at="When it was asked for.",
    expires_at="Until when it is kept free.",
    window_start="When the window begins.",
    window_end="When the window ends.",
    starts_at="When the visit would begin.",
    status="Where it stands.",
)


@readable(models.SlotHold, permission=Permission.VIEW_SCHEDULE)
class SlotHold(Node):
    """A time that is kept free for a customer who is choosing. Technicians do not see it before it is confirmed."""

    version: int = col("Counts up with every change.")
    status: SlotHoldStatus = col("Where it stands.", facet=True)
    window_start: datetime = col("From when on somebody would come.")
    window_end: datetime = col("Until when somebody would come.")
    starts_at: datetime | None = col(
        "When the visit would begin; null without MANAGE_SCHEDULE.", permission=Permission.MANAGE_SCHEDULE
    )
    expires_at: datetime = col("Until when it is kept free, unless it is confirmed or given back before.")
    created_at: datetime = col("When it was asked for.")
    work_order: WorkOrder = parent("For which work.")
    appointment: Appointment = parent("For which visit.")
    customer: Customer = parent("For whom.", facet="name")


@extends(Appointment)
class AppointmentHolds:
    """The times that were kept free for a visit."""

    slot_holds: Connection[SlotHold] = children(
        "The times that were kept free for it, newest first.",
        via="appointment_id",
        filter=SlotHoldFilter,
        order=SlotHoldOrder,
    )


@plain
class BookableSlot:
    """A window in which somebody could come."""

    window_start: datetime = about("From when on somebody would come.")
    window_end: datetime = about("Until when somebody would come.")
    is_nearby: bool = about("Whether somebody is near at that time anyway: such windows are the ones to recommend.")
    starts_at: datetime | None = about("When the visit would begin; null without MANAGE_SCHEDULE.")
    technician_ids: list[ID] = about("Who would come, as it looks now; empty without MANAGE_SCHEDULE.")
    technician_id: ID | None = about("Who would come, or lead the crew; null without MANAGE_SCHEDULE.")
    technician: Technician | None = link("Who would come; null without MANAGE_SCHEDULE.", "technician_id")
    added_cents: int | None = about(
        "What it adds to the cost of what is planned, lateness included, in cents; null without MANAGE_SCHEDULE."
    )
    travel_minutes: int | None = about("Minutes more on the road; null without MANAGE_SCHEDULE.")
    travel_metres: int | None = about("Metres more on the road; null without MANAGE_SCHEDULE.")


@inputs
class HoldSlotInput:
    """A time to be kept free."""

    work_order_id: ID = about("For which work; it has no visit with a time yet.")
    window_start: datetime = about("From when on somebody is to come.")
    window_end: datetime = about("Until when somebody is to come, 30 minutes to 12 hours later.")
    id: ID | None = about(NEW_ID, default=None)
    minutes: int = about("How many minutes it is kept free, 1 to 60.", default=rules.HOLD_MINUTES_DEFAULT)


@inputs
class SlotStepInput:
    """A time that is kept free."""

    id: ID = about("Which hold.")
    version: int | None = about(VERSION, default=None)


class Queries:
    """What clients may ask."""

    slot_hold: SlotHold | None = one("One time that was kept free.", permission=Permission.VIEW_SCHEDULE)
    slot_holds: Connection[SlotHold] = many(
        "The times that were kept free, newest first: customers see their own.",
        permission=Permission.VIEW_SCHEDULE,
        filter=SlotHoldFilter,
        order=SlotHoldOrder,
    )

    @query(
        "Windows in which somebody could come for work that waits for a time, those first that cost least because somebody "
        "is near or free anyway; or for what one is about to ask for at a site. Customers ask for their own. holdSlot keeps "
        "one free, once there is a work order.",
        permission=Permission.BOOK_VISITS,
    )
    async def bookable_slots(
        actor: Actor,
        context: Context,
        day: Annotated[date, arg("From which day on.")],
        work_order_id: Annotated[ID | None, arg("For which work; or say at which site.")] = None,
        site_id: Annotated[ID | None, arg("At which site; or say for which work.")] = None,
        service_type_id: Annotated[ID | None, arg("With siteId: what kind of work.")] = None,
        duration_minutes: Annotated[
            int | None, arg("With siteId: how many minutes it takes; as the kind of work says, or 60, unless given.")
        ] = None,
        days: Annotated[int, arg("On how many days, 1 to 7.")] = 1,
        count: Annotated[int, arg("At most so many, 1 to 50.")] = 10,
        window_minutes: Annotated[int, arg("How long a window is, 30 to 720 minutes.")] = 120,
        time_zone: Annotated[str | None, arg(ZONE)] = None,
    ) -> list[BookableSlot]:
        """The windows."""
        await context.spend(POINTS)
        found = await planning.find_slots(
            actor,
            work_order_id,
            site_id=site_id,
            service_type_id=service_type_id,
            duration_minutes=duration_minutes,
            day=day,
            days=days,
            count=count,
            window_minutes=window_minutes,
            time_zone=time_zone,
        )
        is_told = actor.holds(Permission.MANAGE_SCHEDULE)
        return [_shown(slot, is_told) for slot in found]


class Mutations:
    """What clients may do."""

    @mutation(
        SlotHold,
        "Keeps a time free for some minutes: real capacity, which nobody else gets meanwhile. What was kept free for the same "
        "work before is given back. SCHEDULE_CONFLICT when nobody can come in the window any more.",
        permission=Permission.BOOK_VISITS,
        problems=(AlreadyExists, Conflict, LimitReached, ScheduleConflict),
    )
    async def hold_slot(actor: Actor, context: Context, input: HoldSlotInput) -> str:
        """See the command."""
        await context.spend(POINTS)
        return await commands.hold_slot(
            actor,
            input.work_order_id,
            input.window_start,
            input.window_end,
            id=input.id,
            minutes=input.minutes,
        )

    @mutation(
        SlotHold,
        "Makes a time that is kept free the visit's, with the window as its promise. CONFLICT when it is over.",
        permission=Permission.BOOK_VISITS,
        problems=(ScheduleConflict, IllegalTransition, StaleVersion, Conflict),
    )
    async def confirm_slot(actor: Actor, input: SlotStepInput) -> str:
        """See the command."""
        return await commands.confirm_slot(actor, input.id, version=input.version)

    @mutation(
        SlotHold,
        "Gives a time back that was kept free. May be repeated.",
        permission=Permission.BOOK_VISITS,
        problems=(IllegalTransition, StaleVersion),
    )
    async def release_slot(actor: Actor, input: SlotStepInput) -> str:
        """See the command."""
        return await commands.release_slot(actor, input.id, version=input.version)


class Subscriptions:
    """What clients may hear."""

    slot_hold_changed = changed(
        SlotHold,
        "What happens to times that are kept free: held, confirmed, given back, over.",
        permission=Permission.VIEW_SCHEDULE,
    )


def _shown(slot: planning.BookableSlot, is_told: bool) -> BookableSlot:
    """A window as somebody may see it: who would come, and what it costs us, is the office's to know."""
    return BookableSlot(
        window_start=slot.window_start,
        window_end=slot.window_end,
        is_nearby=slot.is_nearby,
        starts_at=slot.starts_at if is_told else None,
        technician_ids=shown_ids(slot.technician_ids) if is_told else [],
        technician_id=ID(slot.technician_ids[0]) if is_told else None,
        added_cents=slot.added_cents if is_told else None,
        travel_minutes=slot.travel_minutes if is_told else None,
        travel_metres=slot.travel_metres if is_told else None,
    )
