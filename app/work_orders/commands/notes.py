"""Writing about the work, for ourselves or for the customer."""

from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.tables import add_row, lock_one, require_text
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput
from app.kernel.permissions import Permission
from app.messaging.queries import author_of
from app.work_orders import events, models
from app.work_orders.queries import technician_ids_of
from app.work_orders.rules import NoteVisibility

TEXT_LENGTH_MAX = 10_000


@command(Permission.ADD_NOTES)
async def add_note(
    actor: Actor, work_order_id: str, text: str, *, visibility: str | None = None, id: str | None = None
) -> str:
    """Write a note; the note's id. A customer's is visible to the customer, anybody else's internal unless said otherwise.

    Who writes for the customer may ask for work; who writes internally may read internal notes.
    """
    row = await lock_one(models.WorkOrder, actor, work_order_id, path="workOrderId")
    readers = _readers(actor, visibility)
    actor.require(Permission.VIEW_INTERNAL_NOTES if readers is NoteVisibility.INTERNAL else Permission.REQUEST_WORK)
    return await write_note(actor, row, text, readers, id=id)


async def write_note(
    actor: Actor, row: models.WorkOrder, text: str, visibility: NoteVisibility, *, id: str | None = None
) -> str:
    """Part of a command: put a note down. What is internal is never told to the customer."""
    kind, name = await author_of(actor)
    note = await add_row(
        models.Note,
        id=id,
        organization_id=actor.organization_id,
        work_order_id=row.id,
        author_kind=kind.value,
        author_id=actor.id,
        author_name=name,
        visibility=visibility.value,
        text=require_text(text, "text", longest=TEXT_LENGTH_MAX),
        at=utc_now(),
    )
    journal.record(
        events.NoteAdded(
            subject_id=row.id,
            customer_id=None if visibility is NoteVisibility.INTERNAL else row.customer_id,
            technician_ids=await technician_ids_of(row.id),
            note_id=note.id,
            visibility=visibility.value,
        )
    )
    return note.id


def _readers(actor: Actor, visibility: str | None) -> NoteVisibility:
    if visibility is None:
        return NoteVisibility.CUSTOMER if actor.is_customer else NoteVisibility.INTERNAL
    try:
        return NoteVisibility(visibility)
    except ValueError:
        raise InvalidInput("A note is INTERNAL or for the CUSTOMER.", path=["visibility"]) from None
