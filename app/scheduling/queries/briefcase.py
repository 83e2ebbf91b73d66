"""What a technician's phone carries, page by page, and what became of it since a place in the journal.

**Nothing is kept about a device.** Its cursor says all: which facts it has seen, and which days it carried then. What may
have come into the briefcase or left it since follows from the facts about the technician's visits, from the days that passed,
and from facts about rows themselves; whether something is in the briefcase is asked of the rows as they are now. A row that
is told twice is told as it is, so a device that takes pages in order ends with the briefcase of the last page's moment.

A page of changes stops at so many rows. Its cursor then names the facts that the page is about and the last row told, so
that the next one goes on within the same facts, whatever happens meanwhile: that has facts of its own, which come later.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app import database
from app.company import events as company_events
from app.company.models import ServiceType
from app.customers import events as customer_events
from app.customers.models import Contact, Customer, Site
from app.equipment import events as equipment_events
from app.equipment.models import Equipment
from app.infrastructure import journal
from app.infrastructure.conditions import Condition, Writer, all_of, any_of, column, nothing, selected
from app.infrastructure.tables import OwnedTable, find_one, table_of
from app.kernel.actor import Actor
from app.kernel.calendar import zone
from app.kernel.errors import InvalidInput
from app.kernel.events import Fact
from app.kernel.ids import prefix_of
from app.kernel.pages import decode_cursor, encode_cursor
from app.scheduling import events, rules
from app.scheduling.models import Appointment, Assignment
from app.scheduling.queries.schedule import held_by
from app.scheduling.rules import AppointmentStatus, Carried, News, Span, SyncKind, SyncRemoval
from app.technicians import events as technician_events
from app.technicians.models import Skill, Technician
from app.work_orders import events as work_order_events
from app.work_orders.models import LineItem, Note, TimeEntry, WorkOrder

CURSOR_KIND = "sync"
FACTS_PER_PAGE = 1000
VISITS_PER_PAGE = 100

MODELS: dict[SyncKind, type[OwnedTable]] = {
    SyncKind.SERVICE_TYPE: ServiceType,
    SyncKind.SKILL: Skill,
    SyncKind.CUSTOMER: Customer,
    SyncKind.CONTACT: Contact,
    SyncKind.SITE: Site,
    SyncKind.EQUIPMENT: Equipment,
    SyncKind.WORK_ORDER: WorkOrder,
    SyncKind.APPOINTMENT: Appointment,
    SyncKind.ASSIGNMENT: Assignment,
    SyncKind.NOTE: Note,
    SyncKind.LINE_ITEM: LineItem,
    SyncKind.TIME_ENTRY: TimeEntry,
}
NOUNS = ("appointment", "work order", "customer", "contact", "site", "equipment", "service type", "skill")
# All that may bring something into a briefcase, change it there, or take it away.
FACTS: tuple[type[Fact], ...] = tuple(
    fact
    for module in (company_events, customer_events, technician_events, equipment_events, work_order_events, events)
    for fact in vars(module).values()
    if isinstance(fact, type) and issubclass(fact, Fact) and fact.noun in NOUNS
)
KINDS = tuple(SyncKind)
BY_PREFIX = {model.prefix: kind for kind, model in MODELS.items()}
# By which column of theirs rows belong to a visit, and by which column the visit names it.
BY_VISIT: dict[SyncKind, tuple[str, str]] = {
    SyncKind.CUSTOMER: ("id", "customer_id"),
    SyncKind.CONTACT: ("customer_id", "customer_id"),
    SyncKind.SITE: ("id", "site_id"),
    SyncKind.EQUIPMENT: ("site_id", "site_id"),
    SyncKind.WORK_ORDER: ("id", "work_order_id"),
    SyncKind.ASSIGNMENT: ("appointment_id", "id"),
    SyncKind.NOTE: ("work_order_id", "work_order_id"),
    SyncKind.LINE_ITEM: ("work_order_id", "work_order_id"),
    SyncKind.TIME_ENTRY: ("work_order_id", "work_order_id"),
}
Place = tuple[int, str]
"""A kind, by its place in the order of kinds, and an id: pages go on after one."""


@dataclass(frozen=True, slots=True)
class SyncChange:
    """A row that is in the briefcase, or is no longer, and why."""

    kind: SyncKind
    id: str
    removal: SyncRemoval | None = None


@dataclass(frozen=True, slots=True)
class SyncPage:
    """A page of a briefcase or of what became of it. Without a cursor the device has to begin anew."""

    cursor: str | None
    changes: list[SyncChange]
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class Briefcase:
    """Whose briefcase it is, and what of it the asker may read."""

    actor: Actor
    technician: Technician
    kinds: frozenset[SyncKind]

    @property
    def stamp(self) -> str:
        """Changes with all that decides what the asker may see and does not stand in the journal."""
        said = [
            self.technician.id,
            str(self.actor.is_technician_only),
            *sorted(self.kinds),
            *sorted(self.actor.permissions),
        ]
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]

    def span(self, now: datetime) -> Span:
        """The days that are carried at a moment."""
        return rules.span_at(now, zone(self.technician.time_zone))

    @property
    def held(self) -> Condition:
        """Visits that the technician has."""
        own = column("organization_id") == self.actor.organization_id
        return selected("assignment", "appointment_id", own & held_by([self.technician.id]), ours="id")

    def visits(self, span: Span) -> Condition:
        """The visits in it: what ``Carried.is_in`` says, of rows."""
        settled = column("status").one_of(sorted(status.value for status in rules.SETTLED))
        return all_of(
            Appointment.visible_to(self.actor),
            self.held,
            column("status") != AppointmentStatus.CANCELED.value,
            column("starts_at") < span.ends_at,
            any_of(column("ends_at") > span.starts_at, settled),
        )

    def rows(self, kind: SyncKind, span: Span) -> Condition:
        """The rows of a kind in it."""
        if kind not in self.kinds:
            return nothing()
        if kind is SyncKind.APPOINTMENT:
            return self.visits(span)
        seen = MODELS[kind].visible_to(self.actor)
        if kind not in BY_VISIT:
            return seen
        if kind is SyncKind.ASSIGNMENT:
            seen = seen & (column("technician_id") == self.technician.id)
        ours, theirs = BY_VISIT[kind]
        return seen & selected("appointment", theirs, self.visits(span), ours=ours)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a device stands.

    It has seen the facts up to ``seq`` and carried the days of ``span``. ``walks``: it takes in the whole briefcase, as of
    these days, and has come to ``place``. Otherwise with a ``place`` it is amid the changes by the facts up to ``until``,
    for the days of ``onto``.
    """

    seq: int
    span: Span
    walks: bool = False
    place: Place | None = None
    until: int = 0
    onto: Span | None = None

    def encoded(self, briefcase: Briefcase) -> str:
        """As clients keep it."""
        owner = [briefcase.actor.organization_id, briefcase.technician.id, briefcase.stamp]
        values: list[Any] = [*owner, self.seq, _seconds(self.span), self.walks, self.place, self.until]
        return encode_cursor(CURSOR_KIND, [*values, _seconds(self.onto) if self.onto is not None else None])


def _seconds(span: Span) -> list[int]:
    return [int(span.starts_at.timestamp()), int(span.ends_at.timestamp())]


def _span(seconds: Any) -> Span:
    starts, ends = (datetime.fromtimestamp(_number(one), UTC) for one in seconds)
    return Span(starts, ends)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**33:
        raise ValueError(value)
    return value


def read_cursor(cursor: str, briefcase: Briefcase) -> Cursor | None:
    """Where a device stands by its cursor. None when what the asker may see has changed since: then it begins anew.

    One of somebody else, or a made-up one, is ``InvalidInput``.
    """
    values = decode_cursor(cursor, CURSOR_KIND)
    try:
        owner, technician_id, stamp, seq, span, walks, place, until, onto = values
        if owner != briefcase.actor.organization_id or not isinstance(walks, bool):
            raise ValueError(cursor)
        made = Cursor(
            _number(seq),
            _span(span),
            walks,
            (_kind_number(place[0]), str(place[1])) if place is not None else None,
            _number(until),
            _span(onto) if onto is not None else None,
        )
    except (ValueError, TypeError, IndexError, OverflowError):
        message = "This cursor does not belong to your briefcase. Take it from a page as it is."
        raise InvalidInput(message, path=["after"]) from None
    return made if (technician_id, stamp) == (briefcase.technician.id, briefcase.stamp) else None


def _kind_number(value: Any) -> int:
    if _number(value) >= len(KINDS):
        raise ValueError(value)
    return int(value)


async def get_briefcase(actor: Actor, kinds: Collection[SyncKind]) -> Briefcase:
    """The briefcase of the technician who asks."""
    if actor.technician_id is None:
        raise InvalidInput("You are no technician, so there is nothing to carry.")
    return Briefcase(actor, await find_one(Technician, actor, actor.technician_id), frozenset(kinds))


async def sync_page(briefcase: Briefcase, after: str | None, size: int, now: datetime) -> SyncPage:
    """The next page for a device: of the whole briefcase without a cursor, then of what changed."""
    # First of all, so that whatever is read is no older.
    head = await journal.head(briefcase.actor.organization_id)
    if after is None:
        return await _walk(briefcase, Cursor(head, briefcase.span(now), walks=True), size, head)
    cursor = read_cursor(after, briefcase)
    if cursor is None or await _is_too_old(briefcase, cursor, now, head):
        return SyncPage(None, [])
    if cursor.walks:
        return await _walk(briefcase, cursor, size, head)
    return await _changes(briefcase, cursor, size, now, head)


async def _is_too_old(briefcase: Briefcase, cursor: Cursor, now: datetime, head: int) -> bool:
    """Whether the facts after a cursor are not kept any more, or are more than it is worth to go through."""
    if cursor.seq > head or cursor.until > head or head - cursor.seq > rules.FACTS_AWAY_MAX:
        return True
    away = abs(briefcase.span(now).starts_at - cursor.span.starts_at)
    if away > timedelta(days=rules.DAYS_AWAY_MAX):
        return True
    if cursor.seq == head:
        return False
    following = await journal.read(briefcase.actor.organization_id, cursor.seq, 1)
    return not following or following[0].seq != cursor.seq + 1


# The whole briefcase


async def _walk(briefcase: Briefcase, cursor: Cursor, size: int, head: int) -> SyncPage:
    number, last = cursor.place or (0, "")
    found: list[SyncChange] = []
    while number < len(KINDS) and len(found) < size:
        kind = KINDS[number]
        ids = await _ids(kind, briefcase.rows(kind, cursor.span) & (column("id") > last), size - len(found))
        found.extend(SyncChange(kind, id) for id in ids)
        if len(found) < size:
            number, last = number + 1, ""
        else:
            last = ids[-1]
    if number < len(KINDS):
        here = replace(cursor, place=(number, last))
        return SyncPage(here.encoded(briefcase), found, has_more=True)
    over = Cursor(cursor.seq, cursor.span)
    return SyncPage(over.encoded(briefcase), found, has_more=head > cursor.seq)


async def _ids(kind: SyncKind, condition: Condition, limit: int) -> list[str]:
    writer = Writer(database.dialect())
    wanted = condition.write(writer, "r")
    sql = f'SELECT r."id" FROM "{table_of(MODELS[kind])}" r WHERE {wanted} ORDER BY r."id" LIMIT {int(limit)}'
    return [row[0] for row in await database.read_rows(sql, writer.values)]


# What became of it


async def _changes(briefcase: Briefcase, cursor: Cursor, size: int, now: datetime, head: int) -> SyncPage:
    onto = cursor.onto or briefcase.span(now)
    until, news = await _news(briefcase, cursor.seq, cursor.until or head)
    found = await _told(briefcase, news, cursor.span, onto)
    order = sorted(found, key=lambda one: (KINDS.index(one.kind), one.id))
    if cursor.place is not None:
        order = [one for one in order if (KINDS.index(one.kind), one.id) > cursor.place]
    page = order[:size]
    if len(order) > size:
        last = page[-1]
        here = replace(cursor, place=(KINDS.index(last.kind), last.id), until=until, onto=onto)
        return SyncPage(here.encoded(briefcase), page, has_more=True)
    return SyncPage(Cursor(until, onto).encoded(briefcase), page, has_more=until < head)


async def _news(briefcase: Briefcase, seq: int, until: int) -> tuple[int, News]:
    """What the next facts, at most up to a place, may change, and the place to which they were looked at."""
    news = News()
    for entry in await journal.read(briefcase.actor.organization_id, seq, min(FACTS_PER_PAGE, until - seq)):
        news.hear(entry, briefcase.technician.id)
        seq = entry.seq
        if len(news.visits) >= VISITS_PER_PAGE:
            break
    return seq, news


async def _told(briefcase: Briefcase, news: News, span: Span, onto: Span) -> list[SyncChange]:
    """All that news, and the days that passed between two spans, mean to a briefcase."""
    visits = await _carried(briefcase, news, span, onto)
    # A visit that took steps only, and was there before and is there now, brings and takes nothing but itself.
    whole = [
        one
        for one in visits
        if not (news.visits.get(one.id) and one.is_in(onto) and one.is_within(span) and one.is_within(onto))
    ]
    found = [_visit_change(one, onto) for one in visits]
    found.extend(await _rows(briefcase, news, visits, whole, onto))
    gone = await _once_had(briefcase, news.gone.items())
    found.extend(SyncChange(BY_PREFIX[prefix_of(id)], id, SyncRemoval.DELETED) for id in gone)
    return [one for one in found if one.kind in briefcase.kinds]


def _visit_change(visit: Carried, onto: Span) -> SyncChange:
    return SyncChange(SyncKind.APPOINTMENT, visit.id, None if visit.is_in(onto) else visit.removal(onto))


async def _carried(briefcase: Briefcase, news: News, span: Span, onto: Span) -> list[Carried]:
    """The visits that facts are about, and those that the days which passed brought or took."""
    passed = nothing()
    if span != onto:
        before, after = _within(span), _within(onto)
        passed = briefcase.held & any_of(all_of(before, ~after), all_of(after, ~before))
    if not news.visits and span == onto:
        return []
    own = column("organization_id") == briefcase.actor.organization_id
    wanted = own & any_of(column("id").one_of(sorted(news.visits)), passed)
    writer = Writer(database.dialect())
    held = briefcase.held.write(writer, "r")
    visible = Appointment.visible_to(briefcase.actor).write(writer, "r")
    sql = (
        'SELECT r."id", r."work_order_id", r."site_id", r."customer_id", r."status", r."starts_at", r."ends_at", '
        f"CASE WHEN {held} THEN 1 ELSE 0 END, CASE WHEN {visible} THEN 1 ELSE 0 END "
        f'FROM "appointment" r WHERE {wanted.write(writer, "r")}'
    )
    return [
        Carried(
            id=row[0],
            work_order_id=row[1],
            site_id=row[2],
            customer_id=row[3],
            status=AppointmentStatus(row[4]),
            starts_at=_moment(row[5]),
            ends_at=_moment(row[6]),
            is_held=row[7] == 1,
            is_visible=row[8] == 1,
        )
        for row in await database.read_rows(sql, writer.values)
    ]


def _within(span: Span) -> Condition:
    return (column("starts_at") < span.ends_at) & (column("ends_at") > span.starts_at)


def _moment(value: Any) -> datetime | None:
    return None if value is None else journal.moment(value)


async def _rows(
    briefcase: Briefcase, news: News, visits: Sequence[Carried], whole: Sequence[Carried], onto: Span
) -> list[SyncChange]:
    """The rows beside the visits: those of visits that came or went, and those that facts are about. One statement."""
    left_behind = await _once_had(briefcase, news.moved)
    writer, parts = Writer(database.dialect()), []
    for number, kind in enumerate(KINDS):
        if kind not in briefcase.kinds or kind is SyncKind.APPOINTMENT:
            continue
        named = sorted(id for id in news.rows if prefix_of(id) == MODELS[kind].prefix)
        brought = _brought(briefcase, kind, visits if kind is SyncKind.ASSIGNMENT else whole)
        if not named and brought is None:
            continue
        model = MODELS[kind]
        own = column("organization_id") == briefcase.actor.organization_id
        marks = [
            f"CASE WHEN {condition.write(writer, 'r')} THEN 1 ELSE 0 END"
            for condition in (briefcase.rows(kind, onto), model.visible_to(briefcase.actor), brought or nothing())
        ]
        wanted = own & any_of(column("id").one_of(named), brought or nothing())
        parts.append(
            f'SELECT {number}, r."id", {", ".join(marks)} FROM "{table_of(model)}" r WHERE {wanted.write(writer, "r")}'
        )
    found = []
    for number, id, is_in, is_visible, is_brought in await _read(parts, writer):
        if is_in:
            found.append(SyncChange(KINDS[number], id))
        elif is_brought or id in left_behind:
            removal = SyncRemoval.OUT_OF_SCOPE if is_visible else SyncRemoval.NO_LONGER_VISIBLE
            found.append(SyncChange(KINDS[number], id, removal))
    return found


async def _read(parts: Sequence[str], writer: Writer) -> Iterable[tuple[Any, ...]]:
    return map(tuple, await database.read_rows(" UNION ALL ".join(parts), writer.values)) if parts else ()


def _brought(briefcase: Briefcase, kind: SyncKind, visits: Sequence[Carried]) -> Condition | None:
    """The rows of a kind that belong to visits; None when there is none to look for."""
    if kind not in BY_VISIT or not visits:
        return None
    ours, theirs = BY_VISIT[kind]
    belongs = column(ours).one_of(sorted({str(getattr(visit, theirs)) for visit in visits}))
    return belongs & (column("technician_id") == briefcase.technician.id) if kind is SyncKind.ASSIGNMENT else belongs


async def _once_had(briefcase: Briefcase, by: Collection[tuple[str, str]]) -> set[str]:
    """Which rows the technician may have carried: those that belonged to a work order, customer or site of a visit that was
    ever given to this technician. Of others nobody learns the ids."""
    if not by:
        return set()
    ids = sorted({owner for _, owner in by})
    named = any_of(*(column(name).one_of(ids) for name in ("work_order_id", "customer_id", "site_id")))
    theirs = (column("organization_id") == briefcase.actor.organization_id) & (
        column("technician_id") == briefcase.technician.id
    )
    ever = selected("assignment", "appointment_id", theirs, ours="id")
    writer = Writer(database.dialect())
    sql = f'SELECT r."work_order_id", r."customer_id", r."site_id" FROM "appointment" r WHERE {(named & ever).write(writer, "r")}'
    known = {id for row in await database.read_rows(sql, writer.values) for id in tuple(row)}
    return {id for id, owner in by if owner in known}
