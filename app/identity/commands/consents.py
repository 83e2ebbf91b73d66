"""What people agree to, and take back."""

from app.identity import events, models
from app.identity.commands.privacy import is_own, own_id
from app.identity.privacy import TEXT_VERSION_LENGTH_MAX, ConsentChannel, ConsentPurpose
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.personal_data import PEOPLE
from app.infrastructure.tables import add_row, change_row, find_rows, lock_one, require_text
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, InvalidInput, NotFound
from app.kernel.ids import prefix_of, require_id
from app.kernel.permissions import Permission


@command(None)
async def give_consent(
    actor: Actor,
    *,
    purpose: ConsentPurpose,
    text_version: str,
    channel: ConsentChannel,
    person_id: str | None = None,
    id: str | None = None,
) -> str:
    """Note that a person agreed to something. One's own, or anybody's for who manages privacy."""
    person_id = person_id or own_id(actor)
    if not is_own(actor, person_id):
        actor.require(Permission.MANAGE_PRIVACY)
    kind = PEOPLE.get(prefix_of(person_id))
    if kind is None:
        raise InvalidInput("Name a user, a technician, a contact or a customer.", path=["personId"])
    require_id(person_id, kind.model.prefix, "personId")
    mine = column("organization_id") == actor.organization_id
    if not await find_rows(kind.model, mine & (column("id") == person_id)):
        raise NotFound(kind.model.noun, person_id, path=["personId"])
    row = await add_row(
        models.Consent,
        id=id,
        organization_id=actor.organization_id,
        person_id=person_id,
        purpose=purpose.value,
        text_version=require_text(text_version, "textVersion", longest=TEXT_VERSION_LENGTH_MAX),
        channel=channel.value,
        given_at=utc_now(),
        given_by=actor.id,
    )
    journal.record(events.ConsentGiven(subject_id=row.id, person_id=person_id, purpose=purpose.value))
    return row.id


@command(None)
async def withdraw_consent(actor: Actor, id: str, *, channel: ConsentChannel, version: int | None = None) -> str:
    """Note that a person took an agreement back. What was agreed to before stays on record."""
    row = await lock_one(models.Consent, actor, id, version=version)
    if not is_own(actor, row.person_id):
        actor.require(Permission.MANAGE_PRIVACY)
    if row.withdrawn_at is not None:
        raise Conflict("It was taken back already.", path=["id"])
    await change_row(row, withdrawn_at=utc_now(), withdrawn_by=actor.id, withdrawn_channel=channel.value)
    journal.record(events.ConsentTakenBack(subject_id=row.id, person_id=row.person_id, purpose=row.purpose))
    return row.id
