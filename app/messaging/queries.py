"""What commands and other rooms ask about alerts and messages, and who writes them."""

from collections.abc import AsyncIterator, Iterable, Mapping

from app.identity.models import ApiKey, User
from app.infrastructure.conditions import Condition, column
from app.infrastructure.tables import BY_PREFIX, find_rows, walk_rows
from app.kernel.actor import Actor, ActorKind
from app.messaging.models import HELD_ASSIGNMENT_STATUSES, Alert, Conversation
from app.messaging.rules import UNRESOLVED, AlertKind, AlertStatus, AuthorKind, Danger


def unresolved(kinds: Iterable[AlertKind] | None = None) -> Condition:
    """Alerts that are not over: of some kinds, or all."""
    condition = column("status").one_of([one.value for one in UNRESOLVED])
    if kinds is None:
        return condition
    return condition & column("kind").one_of([kind.value for kind in kinds])


async def find_unresolved(
    organization_id: str, kinds: Iterable[AlertKind], about: Condition, *, lock: bool = False
) -> list[Alert]:
    """The alerts of some kinds that are not over and of which a condition is true, in a fixed order."""
    wanted = (column("organization_id") == organization_id) & unresolved(kinds) & about
    return await find_rows(Alert, wanted, order=["id"], lock=lock)


def walk_unresolved(organization_id: str, kinds: Iterable[AlertKind]) -> AsyncIterator[list[Alert]]:
    """The alerts of some kinds that are not over, page by page."""
    return walk_rows(Alert, (column("organization_id") == organization_id) & unresolved(kinds))


async def find_untold(organization_id: str, dangers: Mapping[str, Danger]) -> list[str]:
    """Of the things in danger, those of which no alert says so yet, or another severity. What somebody resolved was told."""
    told = (
        (column("organization_id") == organization_id)
        & column("kind").one_of(sorted({one.kind.value for one in dangers.values()}))
        & column("cause").one_of(sorted({one.cause for one in dangers.values()}))
    )
    known = {(alert.kind, alert.cause): alert for alert in await find_rows(Alert, told)} if dangers else {}
    return [id for id, danger in dangers.items() if not _says(known.get((danger.kind.value, danger.cause)), danger)]


def _says(alert: Alert | None, danger: Danger) -> bool:
    return alert is not None and (alert.status == AlertStatus.RESOLVED or alert.severity == danger.severity)


async def author_of(actor: Actor) -> tuple[AuthorKind, str]:
    """What an actor is to us, and the name to show beside what this actor writes."""
    match actor.kind:
        case ActorKind.SYSTEM:
            return AuthorKind.SYSTEM, "System"
        case ActorKind.API_KEY:
            key = await ApiKey.get_or_none(id=actor.id)
            return AuthorKind.PARTNER, key.name if key else "Partner"
    user = await User.get_or_none(id=actor.id)
    name = user.legal_name if user else "Unknown"
    if actor.is_customer:
        return AuthorKind.CUSTOMER, name
    return (AuthorKind.TECHNICIAN if actor.is_technician_only else AuthorKind.STAFF), name


async def find_technicians_of(conversation: Conversation) -> tuple[str, ...]:
    """The technicians whom a conversation concerns: those who have a visit for its work, or the one it is with.

    Assignments are a higher room's, so their table is found by its ids.
    """
    if conversation.technician_id is not None:
        return (conversation.technician_id,)
    table = BY_PREFIX.get("asg")
    if conversation.work_order_id is None or table is None:
        return ()
    held = (
        (column("organization_id") == conversation.organization_id)
        & (column("work_order_id") == conversation.work_order_id)
        & column("status").one_of(HELD_ASSIGNMENT_STATUSES)
    )
    return tuple(sorted({one.technician_id for one in await find_rows(table, held)}))  # type: ignore[attr-defined]  # an assignment has one
