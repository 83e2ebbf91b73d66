"""What a technician's phone carries and keeps up to date: the whole briefcase page by page, then what became of it."""

from datetime import datetime
from typing import Annotated

from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput
from app.kernel.pages import PAGE_SIZE_MAX
from app.kernel.permissions import Permission
from app.scheduling import queries, rules
from app.scheduling.queries.briefcase import FACTS, MODELS
from app.scheduling.rules import SyncKind, SyncRemoval
from schema.kit import ID, Node, about, arg, describe_enum, link, plain, query
from schema.kit.declarations import READABLE_BY_PREFIX
from schema.kit.live import paged

describe_enum(
    SyncRemoval,
    "Why something is no longer to be kept on a device.",
    {
        SyncRemoval.REASSIGNED: "The visit is not the technician's any more.",
        SyncRemoval.CANCELED: "The visit was called off.",
        SyncRemoval.COMPLETED_LONG_AGO: f"The visit ended more than {rules.DAYS_BACK} days ago.",
        SyncRemoval.OUT_OF_SCOPE: "Nothing that the device is to keep needs it any more.",
        SyncRemoval.NO_LONGER_VISIBLE: "The technician may not see it any more.",
        SyncRemoval.DELETED: "It is no more.",
    },
)
describe_enum(
    SyncKind,
    "What a device keeps, in an order in which nothing comes before what it points to.",
    {
        SyncKind.SERVICE_TYPE: "Kinds of service: all of them.",
        SyncKind.SKILL: "Skills: all of them.",
        SyncKind.CUSTOMER: "The customers of the visits.",
        SyncKind.CONTACT: "The contacts of these customers.",
        SyncKind.SITE: "The sites of the visits.",
        SyncKind.EQUIPMENT: "All that stands at these sites.",
        SyncKind.WORK_ORDER: "What the visits are for.",
        SyncKind.APPOINTMENT: "The visits.",
        SyncKind.ASSIGNMENT: "How the technician stands with each visit.",
        SyncKind.NOTE: "The notes on these work orders that the technician may read.",
        SyncKind.LINE_ITEM: "The line items of these work orders; prices only for those who may see them.",
        SyncKind.TIME_ENTRY: "The times on these work orders.",
    },
)
CARRIED = (
    f"A technician's briefcase: the visits from {rules.DAYS_BACK} days back to {rules.DAYS_AHEAD} days ahead, older ones that "
    "are still under way, and all that belongs to them; what SyncKind lists."
)


@plain
class SyncChange:
    """A row to put in the place of the one that the device has, or to take away."""

    id: ID = about("The row's id.")
    kind: SyncKind = about("What it is.")
    noun: str = about("What people call it, such as work order.")
    record_id: ID | None = about("The id again; null of a row to be taken away.")
    record: Node | None = link(
        "The row as it is now; null of one to be taken away. Should it be null otherwise, it went a moment ago, and a later "
        "page says so.",
        "record_id",
    )
    removed: bool = about("Whether the device is to take it away. It may not have it.")
    reason: SyncRemoval | None = about("Why; null of a row that stays.")


@plain
class SyncPage:
    """A page of what a device is to do with the rows it keeps, in this order."""

    cursor: str | None = about(
        "Where the device stands once it has done so: ask on from here. Null when it has to begin anew."
    )
    nodes: list[SyncChange] = about("What to do; each row at most once, as it is now.")
    has_more: bool = about("Whether there is more right now.")
    reset_required: bool = about(
        "Whether the device has to take away all that it keeps and to begin without `after`: it was away for too long, or "
        "the technician may see more or less than before. What it has not sent yet it keeps."
    )
    at: datetime = about("The server's time.")


def shown(page: queries.SyncPage) -> SyncPage:
    """A page as clients see it."""
    return SyncPage(
        cursor=page.cursor,
        nodes=[
            SyncChange(
                id=ID(one.id),
                kind=one.kind,
                noun=MODELS[one.kind].noun,
                record_id=ID(one.id) if one.removal is None else None,
                removed=one.removal is not None,
                reason=one.removal,
            )
            for one in page.changes
        ],
        has_more=page.has_more,
        reset_required=page.cursor is None,
        at=utc_now(),
    )


async def next_page(actor: Actor, after: str | None, first: int) -> queries.SyncPage:
    """The next page for the device of the technician who asks."""
    if not 1 <= first <= PAGE_SIZE_MAX:
        raise InvalidInput(f"A page has 1 to {PAGE_SIZE_MAX} rows.", path=["first"])
    kinds = [kind for kind in SyncKind if READABLE_BY_PREFIX[MODELS[kind].prefix].allows(actor)]
    return await queries.sync_page(await queries.get_briefcase(actor, kinds), after, first, utc_now())


class Queries:
    """What clients may ask."""

    @query(
        f"{CARRIED} Without `after` the whole of it, page by page; from the last page's cursor on, what became of it, also by "
        "the days that passed. Do with each page what it says, keep its cursor, and ask on while there is more: then the "
        "device has exactly the briefcase of that moment. For technicians.",
        permission=Permission.EXECUTE_APPOINTMENTS,
    )
    async def sync_changes(
        actor: Actor,
        after: Annotated[
            str | None, arg("The cursor of the last page that the device has worked off; without it, everything.")
        ] = None,
        first: Annotated[int, arg("At most so many rows, 1 to 100.")] = PAGE_SIZE_MAX,
    ) -> SyncPage:
        """A page."""
        return shown(await next_page(actor, after, first))


class Subscriptions:
    """What clients may hear."""

    @paged(
        f"{CARRIED} The pages of syncChanges as they come: without `after` the whole briefcase first, and then, whenever "
        "something came into it, changed or left it, what became of it. It ends with a page that requires a reset. For "
        "technicians.",
        permission=Permission.EXECUTE_APPOINTMENTS,
        facts=FACTS,
    )
    async def sync_events(
        actor: Actor,
        after: str | None,
        first: Annotated[int, arg("At most so many rows in a page, 1 to 100.")] = PAGE_SIZE_MAX,
    ) -> SyncPage:
        """The next page."""
        return shown(await next_page(actor, after, first))
