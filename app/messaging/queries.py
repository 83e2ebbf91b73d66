"""What commands and other rooms ask about alerts and messages, and who writes them."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from app import database
from app.identity.models import ApiKey, User
from app.identity.queries import actor_of, grants_of, may_be_technician
from app.identity.rules import UserStatus
from app.infrastructure import journal
from app.infrastructure.conditions import Condition, Writer, column
from app.infrastructure.tables import BY_PREFIX, find_rows, walk_rows
from app.kernel.actor import Actor, ActorKind
from app.kernel.permissions import Permission, Role
from app.messaging.models import (
    HELD_ASSIGNMENT_STATUSES,
    Alert,
    Conversation,
    Message,
    Notification,
    NotificationPreference,
)
from app.messaging.rules import UNRESOLVED, AlertKind, AlertStatus, AuthorKind, Danger, MessageVisibility

RECIPIENTS_MAX = 50


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


async def number_of(conversation: Conversation) -> str | None:
    """The number of the work that a conversation is about, if it is about any."""
    row = await _work_of(conversation)
    return None if row is None else str(row.number)


async def find_recipients(conversation: Conversation, message: Message) -> list[User]:
    """Whom a message is for: the technicians of the work and whoever took part; the customer if it is for everyone; and
    the office if nobody of it took part, and a customer's has no technician to go to. Never its writer."""
    technicians = await find_technicians_of(conversation)
    crew = await find_users_of_technicians(conversation.organization_id, technicians)
    of_work = {user.id: user for user in crew.values()}
    others = sorted(await _find_authors(conversation) - set(of_work))
    people = await find_rows(User, _active(conversation.organization_id) & column("id").one_of(others))
    actors = await _actors_of(people)
    # Of the technicians who wrote, those whose work it is no more read no more.
    chosen = [*of_work.values(), *(user for user in people if not actors[user.id].is_technician_only)]
    theirs = [user for user in chosen if user.customer_id is not None and user.customer_id == conversation.customer_id]
    chosen = [user for user in chosen if user.customer_id is None]
    if message.author_kind in (AuthorKind.CUSTOMER, AuthorKind.TECHNICIAN):
        of_us = [user for user in chosen if user.customer_id is None and user.id != message.author_id]
        if message.author_kind == AuthorKind.TECHNICIAN:
            actors |= await _actors_of(of_us)
            of_us = [user for user in of_us if not actors[user.id].is_technician_only]
        if not of_us:
            chosen += await _office(conversation.organization_id, (Role.DISPATCHER, Role.SUPPORT))
    if message.visibility == MessageVisibility.EVERYONE:
        chosen += theirs or await _customers_of(conversation)
    actors |= await _actors_of(chosen)
    return [user for user in chosen if user.id != message.author_id and actors[user.id].holds(Permission.VIEW_MESSAGES)]


async def find_dispatchers(organization_id: str) -> list[User]:
    """Who looks after the day: the dispatchers, or whoever manages where there are none."""
    for role in (Role.DISPATCHER, Role.OPERATIONS_MANAGER, Role.ADMINISTRATOR):
        if found := await _office(organization_id, (role,)):
            return found
    return []


async def find_administrators(organization_id: str) -> list[User]:
    """Who administers the organization."""
    return await _office(organization_id, (Role.ADMINISTRATOR,))


async def find_users_of_technicians(organization_id: str, technician_ids: Iterable[str]) -> dict[str, User]:
    """The people that technicians are, by technician; one without a login is left out."""
    ids = sorted(set(technician_ids))
    mine = _active(organization_id)
    found = {
        str(user.technician_id): user
        for user in await find_rows(User, mine & column("technician_id").one_of(ids), order=["id"])
    }
    table = BY_PREFIX.get("tech")
    missing = [id for id in ids if id not in found]
    if missing and table is not None:
        rows = await find_rows(table, (column("organization_id") == organization_id) & column("id").one_of(missing))
        named = {row.user_id: row.id for row in rows if row.user_id}  # type: ignore[attr-defined]  # a technician may have one
        for user in await find_rows(User, mine & column("id").one_of(sorted(named))):
            found[named[user.id]] = user
    return found


async def find_technicians_who_are(organization_id: str, users: Iterable[User]) -> dict[str, str]:
    """The technicians that people are, by user: named by the user or, as a higher room's table does, naming the user."""
    found = {user.id: user.technician_id for user in users if user.technician_id is not None}
    others = [user for user in users if user.id not in found]
    grants = await grants_of(others)
    unnamed = [user.id for user in others if may_be_technician(user, grants[user.id])]
    table = BY_PREFIX.get("tech")
    if unnamed and table is not None:
        rows = await find_rows(
            table, (column("organization_id") == organization_id) & column("user_id").one_of(unnamed)
        )
        found |= {row.user_id: row.id for row in rows}  # type: ignore[attr-defined]  # these have one
    return found


async def find_opener(organization_id: str, user_id: str | None, customer_id: str) -> list[User]:
    """The customer's person who asked for work, if it was one: nobody or one."""
    if user_id is None:
        return []
    theirs = (column("id") == user_id) & (column("customer_id") == customer_id)
    return await find_rows(User, _active(organization_id) & theirs)


async def count_unread_notifications(actor: Actor) -> int:
    """How many notifications the actor has not read."""
    writer = Writer(database.dialect())
    unread = Notification.visible_to(actor) & column("read_at").is_null()
    rows = await database.read_rows(
        f'SELECT count(*) FROM "notification" r WHERE {unread.write(writer, "r")}', writer.values
    )
    return int(rows[0][0])


async def find_muted_kinds(actor: Actor) -> list[str]:
    """Of what the actor does not want to be told."""
    found = await find_rows(NotificationPreference, NotificationPreference.visible_to(actor))
    return list(found[0].muted_kinds) if found else []


def _active(organization_id: str) -> Condition:
    return (column("organization_id") == organization_id) & (column("status") == UserStatus.ACTIVE.value)


async def _actors_of(users: Iterable[User]) -> dict[str, Actor]:
    """People as actors, by id."""
    people = list(users)
    grants = await grants_of(people)
    return {user.id: actor_of(user, None, grants[user.id]) for user in people}


async def _office(organization_id: str, roles: tuple[Role, ...]) -> list[User]:
    people = await find_rows(User, _active(organization_id) & column("customer_id").is_null(), order=["id"])
    return [user for user in people if set(roles) & set(user.roles)]


async def _find_authors(conversation: Conversation) -> set[str]:
    """Who wrote in a conversation. It may be long, so its texts are not read."""
    rows = await database.read_rows(
        'SELECT DISTINCT "author_id" FROM "message" '
        f'WHERE "organization_id" = {journal.mark(1)} AND "conversation_id" = {journal.mark(2)}',
        [conversation.organization_id, conversation.id],
    )
    return {row[0] for row in rows}


async def _customers_of(conversation: Conversation) -> list[User]:
    """The customer's person who asked for the work, or all of the account who may read messages."""
    if conversation.customer_id is None:
        return []
    work = await _work_of(conversation)
    if work is not None:
        opener = await find_opener(work.organization_id, work.opened_by_user_id, conversation.customer_id)
        if opener:
            return opener
    theirs = column("customer_id") == conversation.customer_id
    return await find_rows(User, _active(conversation.organization_id) & theirs, order=["id"], limit=RECIPIENTS_MAX)


async def _work_of(conversation: Conversation) -> Any:
    """The row of the work; its table is a higher room's, so found by its ids."""
    table = BY_PREFIX.get("wo")
    if conversation.work_order_id is None or table is None:
        return None
    found = await find_rows(table, column("id") == conversation.work_order_id)
    return found[0] if found else None
