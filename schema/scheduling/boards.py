"""The dispatcher's board, queues and figures, and a technician's day: what they show, and what becomes of it, live.

Each is read first and followed then: the answer's ``cursor`` was taken before anything was read, so that following from it
misses nothing. What changed in between is told once more.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

from app.infrastructure import journal
from app.infrastructure.journal import Entry
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput
from app.kernel.pages import PAGE_SIZE_MAX, decode_cursor, encode_cursor
from app.kernel.permissions import Permission
from app.kernel.work import Severity
from app.scheduling import planning, queries, rules
from app.scheduling.events import AppointmentFact
from app.scheduling.queries import boards, queues
from app.scheduling.rules import BoardRowKind, DispatchQueue
from app.technicians.events import TechnicianStatusChanged
from app.technicians.rules import TechnicianStatus
from schema.customers.types import Coordinates
from schema.kit import ID, SIGNED_IN, Context, arg, query
from schema.kit.live import heard, watched
from schema.scheduling.board_types import (
    Board,
    BoardEvent,
    BoardRow,
    Day,
    DayEvent,
    DayLeg,
    DayVisit,
    DispatchMetrics,
    DispatchQueues,
    DispatchQueueSize,
    Heartbeat,
    QueuedRow,
    QueuedRows,
    QueueEvent,
    TechnicianCount,
    VisitCount,
)
from schema.scheduling.operations import ZONE

BOARD_PAGE = "board"
QUEUE_PAGE = "queue"
HEARTBEAT_SECONDS_MIN = 5
HEARTBEAT_SECONDS_MAX = 300
# The way of a day: a road server is asked, and a line has hundreds of points.
ROUTE_POINTS = 50

DAY = "Which day."
TERRITORY = "Only visits to sites of this territory, and the technicians who work there or anywhere."
TECHNICIANS = "Only these technicians and their visits, at most 100; visits that nobody has are left out then."


class Queries:
    """What clients may ask."""

    @query(
        "The board of a day: its technicians and visits, with words and severities. Visits that have no time yet are on the "
        "days that their promised window touches; called-off ones are on none. Read all pages, then follow boardChanged "
        "from the first page's cursor.",
        permission=Permission.VIEW_SCHEDULE,
    )
    async def board(
        actor: Actor,
        day: Annotated[date, arg(DAY)],
        territory_id: Annotated[ID | None, arg(TERRITORY)] = None,
        technician_ids: Annotated[list[ID] | None, arg(TECHNICIANS)] = None,
        time_zone: Annotated[str | None, arg(ZONE)] = None,
        first: Annotated[int, arg("At most so many rows, 1 to 100.")] = PAGE_SIZE_MAX,
        after: Annotated[str | None, arg("Only rows after this endCursor.")] = None,
    ) -> Board:
        """A page of the board."""
        size = _size(first)
        place = _place(after)
        cursor = await _head(actor)
        shown = await queries.day_board(
            actor, day, territory_id=territory_id, technician_ids=technician_ids, time_zone=time_zone
        )
        rows = await queries.find_board_rows(actor, shown, utc_now(), after=place, limit=size + 1)
        page = rows[:size]
        return Board(
            cursor=cursor,
            starts_at=shown.board.starts_at,
            ends_at=shown.board.ends_at,
            nodes=[_board_row(row) for row in page],
            has_next_page=len(rows) > size,
            end_cursor=encode_cursor(BOARD_PAGE, [page[-1].kind.value, page[-1].id]) if page else None,
        )

    @query("How much waits for a dispatcher. Follow queueChanged from its cursor.", permission=Permission.VIEW_SCHEDULE)
    async def queues(actor: Actor) -> DispatchQueues:
        """All queues, counted."""
        cursor = await _head(actor)
        return DispatchQueues(cursor=cursor, sizes=await _sizes(actor))

    @query(
        "What waits in one of the dispatcher's queues, oldest first. Read all pages, then follow queueChanged from the first "
        "page's cursor.",
        permission=Permission.VIEW_SCHEDULE,
    )
    async def dispatch_queue(
        actor: Actor,
        name: Annotated[DispatchQueue, arg("Which queue.")],
        first: Annotated[int, arg("At most so many rows, 1 to 100.")] = PAGE_SIZE_MAX,
        after: Annotated[str | None, arg("Only rows after this endCursor.")] = None,
    ) -> QueuedRows:
        """A page of a queue."""
        size = _size(first)
        place = None if after is None else str(_values(after, QUEUE_PAGE, 1)[0])
        cursor = await _head(actor)
        rows = await queries.find_queued(actor, name, after=place, limit=size + 1)
        page = rows[:size]
        return QueuedRows(
            cursor=cursor,
            nodes=[
                QueuedRow(
                    row_id=ID(row.id),
                    queues=list(row.queues),
                    appointment_id=ID(row.id) if row.is_visit else None,
                    work_order_id=ID(row.work_order_id),
                )
                for row in page
            ],
            has_next_page=len(rows) > size,
            end_cursor=encode_cursor(QUEUE_PAGE, [page[-1].id]) if page else None,
        )

    @query(
        "A technician's visits of a day in their order, with the briefing behind each. Technicians ask for their own; others "
        "say whose. Follow the subscription myDay from its cursor.",
        permission=Permission.VIEW_SCHEDULE,
    )
    async def my_day(
        actor: Actor,
        context: Context,
        day: Annotated[date, arg(DAY)],
        technician_id: Annotated[ID | None, arg("Whose; your own unless given.")] = None,
        time_zone: Annotated[str | None, arg(ZONE)] = None,
        route: Annotated[
            bool, arg("Whether the way is told, too, with minutes, metres and its line on a map.")
        ] = False,
    ) -> Day:
        """The day of one technician."""
        id = _technician(actor, technician_id)
        if route:
            await context.spend(ROUTE_POINTS)
        cursor = await _head(actor)
        shown = await queries.day_board(actor, day, technician_ids=[id], time_zone=time_zone)
        visits = [one for one in await queries.find_day_visits(actor, shown) if one.progress.starts_at is not None]
        return Day(
            cursor=cursor,
            starts_at=shown.board.starts_at,
            ends_at=shown.board.ends_at,
            technician_id=ID(id),
            visits=_day_visits(visits, utc_now()),
            legs=[_day_leg(one) for one in await planning.find_route(actor, id, visits, shown.tz)] if route else [],
            work_minutes=sum(one.planned_minutes for one in visits),
            travel_minutes=sum(one.progress.travel_minutes or 0 for one in visits),
        )

    @query(
        "How a day goes, in figures: of all that you may see, or of a territory.", permission=Permission.VIEW_SCHEDULE
    )
    async def dispatch_metrics(
        actor: Actor,
        day: Annotated[date, arg(DAY)],
        territory_id: Annotated[ID | None, arg(TERRITORY)] = None,
        time_zone: Annotated[str | None, arg(ZONE)] = None,
    ) -> DispatchMetrics:
        """The figures, counted now."""
        cursor = await _head(actor)
        made = await _metrics(actor, day, territory_id, time_zone)
        made.cursor = cursor
        return made


class Subscriptions:
    """What clients may hear."""

    @heard(
        "What happens on the board of a day: each visit and technician that comes, changes or goes, as it is now. A visit "
        "that moves to another day, is called off or given away comes once more, as removed, with the reason. It says what "
        "the query board says, in the same words.",
        permission=Permission.VIEW_SCHEDULE,
        facts=boards.FACTS,
        conflate_by="row_id",
    )
    async def board_changed(
        actor: Actor,
        entries: Sequence[Entry],
        day: Annotated[date, arg(DAY)],
        territory_id: Annotated[ID | None, arg(TERRITORY)] = None,
        technician_ids: Annotated[list[ID] | None, arg(TECHNICIANS)] = None,
        time_zone: Annotated[str | None, arg(ZONE)] = None,
    ) -> list[BoardEvent]:
        """Rows that came, changed or went."""
        shown = await queries.day_board(
            actor,
            day,
            territory_id=territory_id,
            technician_ids=technician_ids,
            time_zone=time_zone,
            check=not entries,
        )
        found = await queries.board_rows_of(actor, shown, entries, utc_now()) if entries else []
        return [_board_event(entry, row) for entry, row in found]

    @heard(
        "What comes into the dispatcher's queues, changes in them and leaves them, each time with the size of every queue.",
        permission=Permission.VIEW_SCHEDULE,
        facts=queues.FACTS,
        conflate_by="row_id",
    )
    async def queue_changed(
        actor: Actor,
        entries: Sequence[Entry],
        queues: Annotated[list[DispatchQueue] | None, arg("Only these queues; all unless given.")] = None,
    ) -> list[QueueEvent]:
        """Visits and work orders that wait, or no longer do."""
        wanted = frozenset(DispatchQueue) if queues is None else frozenset(queues)
        found = await queries.queued_of(actor, entries, wanted) if entries else []
        sizes = await _sizes(actor) if found else []
        return [
            QueueEvent(
                cursor=entry.cursor,
                at=entry.at,
                fact=entry.type,
                row_id=ID(row.id),
                in_queue=not wanted.isdisjoint(row.queues),
                queues=list(row.queues),
                appointment_id=ID(row.id) if row.is_visit else None,
                work_order_id=ID(row.work_order_id),
                work_order_queues=list(row.work_queues),
                sizes=sizes,
            )
            for entry, row in found
        ]

    @heard(
        "What happens to a technician's visits of a day. Technicians hear of their own; others say whose. A visit that is "
        "moved, called off or given to somebody else comes once more, as removed, with the reason.",
        permission=Permission.VIEW_SCHEDULE,
        facts=(AppointmentFact,),
        conflate_by="appointment_id",
        personal=True,
    )
    async def my_day(
        actor: Actor,
        entries: Sequence[Entry],
        day: Annotated[date, arg(DAY)],
        technician_id: Annotated[ID | None, arg("Whose; your own unless given.")] = None,
        time_zone: Annotated[str | None, arg(ZONE)] = None,
    ) -> list[DayEvent]:
        """Visits of the day that came, changed or went."""
        id = _technician(actor, technician_id)
        shown = await queries.day_board(actor, day, technician_ids=[id], time_zone=time_zone, check=not entries)
        found = await queries.board_rows_of(actor, shown, entries, utc_now()) if entries else []
        visits = await queries.find_day_visits(actor, shown) if found else []
        order = [ID(one.id) for one in visits if one.progress.starts_at is not None]
        return [
            DayEvent(
                cursor=entry.cursor,
                at=entry.at,
                fact=entry.type,
                appointment_id=ID(row.id),
                removed=row.removal is not None,
                reason=row.removal,
                order=order,
                **_said(row),
            )
            for entry, row in found
        ]

    @watched(
        "How a day goes, in figures, whenever one of them changes.",
        permission=Permission.VIEW_SCHEDULE,
        facts=(*boards.FACTS, *queues.FACTS, TechnicianStatusChanged),
        seconds=30.0,
        pause=2.0,
    )
    async def metrics(
        actor: Actor,
        day: Annotated[date, arg(DAY)],
        territory_id: Annotated[ID | None, arg(TERRITORY)] = None,
        time_zone: Annotated[str | None, arg(ZONE)] = None,
    ) -> dict[str, DispatchMetrics]:
        """The figures, counted now."""
        return {"day": await _metrics(actor, day, territory_id, time_zone)}

    @watched(
        "A sign of life every so many seconds, with the server's time and where the journal stands.",
        permission=SIGNED_IN,
        seconds=HEARTBEAT_SECONDS_MIN,
        pause=1.0,
    )
    async def heartbeat(
        actor: Actor,
        seconds: Annotated[
            int, arg(f"How often, {HEARTBEAT_SECONDS_MIN} to {HEARTBEAT_SECONDS_MAX} seconds, to within five.")
        ] = 30,
    ) -> dict[str, Heartbeat]:
        """The time, which differs once an interval has passed."""
        if not HEARTBEAT_SECONDS_MIN <= seconds <= HEARTBEAT_SECONDS_MAX:
            raise InvalidInput(
                f"A heartbeat comes every {HEARTBEAT_SECONDS_MIN} to {HEARTBEAT_SECONDS_MAX} seconds.", path=["seconds"]
            )
        now = utc_now()
        return {"now": Heartbeat(at=datetime.fromtimestamp(now.timestamp() // seconds * seconds, now.tzinfo))}


def _technician(actor: Actor, technician_id: str | None) -> str:
    """Whose day it is: that of the technician who asks, unless somebody else is named."""
    if technician_id is not None:
        return technician_id
    if actor.technician_id is None:
        raise InvalidInput("You are no technician; say whose day it is.", path=["technicianId"])
    return actor.technician_id


async def _head(actor: Actor) -> str:
    return journal.cursor_at(actor.organization_id, await journal.head(actor.organization_id))


def _size(first: int) -> int:
    if not 1 <= first <= PAGE_SIZE_MAX:
        raise InvalidInput(f"A page has 1 to {PAGE_SIZE_MAX} rows.", path=["first"])
    return first


def _values(cursor: str, kind: str, count: int) -> list[str]:
    values = decode_cursor(cursor, kind)
    if len(values) != count or not all(isinstance(one, str) for one in values):
        raise InvalidInput("This cursor does not belong to this list. Take it from endCursor as it is.", path=["after"])
    return values


def _place(after: str | None) -> tuple[str, str] | None:
    if after is None:
        return None
    kind, id = _values(after, BOARD_PAGE, 2)
    return kind, id


def _board_row(row: queries.BoardRow) -> BoardRow:
    assert row.said is not None
    is_visit = row.kind is BoardRowKind.VISIT
    return BoardRow(
        row_kind=row.kind,
        row_id=ID(row.id),
        status_label=row.said.label,
        severity=row.said.severity,
        late_minutes=row.said.late_minutes,
        appointment_id=ID(row.id) if is_visit else None,
        technician_id=None if is_visit else ID(row.id),
    )


def _board_event(entry: Entry, row: queries.BoardRow) -> BoardEvent:
    is_visit = row.kind is BoardRowKind.VISIT
    return BoardEvent(
        cursor=entry.cursor,
        at=entry.at,
        fact=entry.type,
        row_kind=row.kind,
        row_id=ID(row.id),
        removed=row.removal is not None,
        reason=row.removal,
        appointment_id=ID(row.id) if is_visit else None,
        technician_id=None if is_visit else ID(row.id),
        **_said(row),
    )


def _said(row: queries.BoardRow) -> dict[str, Any]:
    if row.said is None:
        return {"status_label": None, "severity": Severity.INFO, "late_minutes": None}
    return {
        "status_label": row.said.label,
        "severity": row.said.severity,
        "late_minutes": row.said.late_minutes,
    }


def _day_visits(visits: Sequence[queries.BoardVisit], now: datetime) -> list[DayVisit]:
    made: list[DayVisit] = []
    for one in visits:
        begins, ends = one.progress.starts_at, one.progress.ends_at
        assert begins is not None and ends is not None
        said = rules.say(one.progress, now)
        free = None if not made else int((begins - made[-1].ends_at).total_seconds() // 60)
        made.append(
            DayVisit(
                position=len(made) + 1,
                appointment_id=ID(one.id),
                starts_at=begins,
                ends_at=ends,
                travel_minutes=one.progress.travel_minutes,
                free_minutes=free,
                status_label=said.label,
                severity=said.severity,
                late_minutes=said.late_minutes,
            )
        )
    return made


def _day_leg(one: planning.RouteLeg) -> DayLeg:
    return DayLeg(
        from_appointment_id=None if one.from_visit_id is None else ID(one.from_visit_id),
        to_appointment_id=None if one.to_visit_id is None else ID(one.to_visit_id),
        drive_minutes=one.leg.minutes,
        drive_metres=one.leg.metres,
        is_by_road=one.leg.is_by_road,
        line=[Coordinates(latitude=latitude, longitude=longitude) for longitude, latitude in one.leg.line],
    )


async def _sizes(actor: Actor) -> list[DispatchQueueSize]:
    counts = await queries.count_dispatch_queues(actor)
    return [DispatchQueueSize(queue=queue, count=count) for queue, count in counts.items()]


async def _metrics(actor: Actor, day: date, territory_id: str | None, time_zone: str | None) -> DispatchMetrics:
    shown = await queries.day_board(actor, day, territory_id=territory_id, time_zone=time_zone)
    material = await queries.day_material(actor, shown)
    board = shown.board
    figures = rules.day_figures(
        material.visits,
        material.shifts,
        material.responses,
        starts_at=board.starts_at,
        ends_at=board.ends_at,
        now=utc_now(),
    )
    return DispatchMetrics(
        visits=[VisitCount(status=status, count=count) for status, count in figures.visits.items()],
        on_time_share=figures.on_time_share,
        late_now=figures.late_now,
        unassigned=figures.unassigned,
        technicians=[
            TechnicianCount(status=status, count=material.technicians.get(status.value, 0))
            for status in TechnicianStatus
        ],
        utilisation=figures.utilisation,
        travel_minutes_mean=figures.travel_minutes_mean,
        first_response_minutes_mean=figures.first_response_minutes_mean,
    )
