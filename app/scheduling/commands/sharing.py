"""Links that show one visit, and nothing else, to whoever has them."""

from app import database
from app.identity.secret import Slip
from app.infrastructure import journal, tokens
from app.infrastructure.command import command
from app.infrastructure.tables import add_row, change_row, find_rows, lock_one
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, LimitReached
from app.kernel.permissions import Permission
from app.scheduling import events, queries, rules
from app.scheduling.commands import steps
from app.scheduling.models import Appointment, VisitShare
from app.scheduling.rules import AppointmentStatus

FORGOTTEN_AT_ONCE = 1000


@command(Permission.SHARE_VISITS)
async def share_visit(actor: Actor, slip: Slip, appointment_id: str) -> str:
    """Make a link to a visit: the office to any, a customer to the own. Its secret comes on the slip, this once."""
    _require_office_or_customer(actor)
    visit = await lock_one(Appointment, actor, appointment_id, path="appointmentId")
    if AppointmentStatus(visit.status) in rules.ENDED:
        raise Conflict("This visit is over: there is nothing to follow.", path=["appointmentId"])
    if await queries.count_open_shares(visit) >= rules.SHARES_MAX:
        raise LimitReached("There are many links to this visit already: revoke one first.", limit=rules.SHARES_MAX)
    secret = tokens.new_token(rules.SHARE_KIND)
    share = await add_row(
        VisitShare,
        organization_id=visit.organization_id,
        appointment_id=visit.id,
        customer_id=visit.customer_id,
        secret_hash=tokens.hash_token(secret),
        created_by=actor.id,
    )
    slip.secret = secret
    journal.record(events.VisitShared(**steps.audience(visit), share_id=share.id))
    return share.id


@command(Permission.SHARE_VISITS)
async def revoke_visit_share(actor: Actor, id: str) -> str:
    """Shut a link, at once and for good. One that is shut stays so."""
    _require_office_or_customer(actor)
    share = await lock_one(VisitShare, actor, id)
    changed = await change_row(share, revoked_at=share.revoked_at or utc_now())
    if changed:
        visit = await Appointment.get(id=share.appointment_id)
        journal.record(events.VisitShareRevoked(**steps.audience(visit), share_id=share.id))
    return share.id


async def forget_old_shares() -> int:
    """Delete the links that have opened nothing for long; how many. In small parts, so that nothing waits for it."""
    shut = queries.shut_before(utc_now() - rules.SHARES_KEPT)

    async def work() -> int:
        old = await find_rows(VisitShare, shut, order=["id"], limit=FORGOTTEN_AT_ONCE)
        return await VisitShare.filter(id__in=[one.id for one in old]).delete() if old else 0

    total = 0
    while deleted := await database.unit_of_work(work):
        total += deleted
    return total


def _require_office_or_customer(actor: Actor) -> None:
    if not actor.is_customer:
        actor.require(Permission.MANAGE_SCHEDULE)
