"""What boards show: the rows of a part of the schedule as they are now, and what became of rows that facts are about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from app import database
from app.company.models import Territory
from app.infrastructure import journal
from app.infrastructure.conditions import Condition, Writer, all_of, any_of, column, everything, exists, nothing
from app.infrastructure.journal import Entry
from app.infrastructure.tables import find_one, require_visible
from app.kernel.actor import Actor
from app.kernel.calendar import day_bounds
from app.kernel.errors import InvalidInput
from app.kernel.permissions import Permission
from app.scheduling import rules
from app.scheduling.events import AppointmentFact
from app.scheduling.models import Appointment
from app.scheduling.queries.schedule import get_time_zone, of_technicians
from app.scheduling.rules import (
    AppointmentStatus,
    Board,
    BoardRemoval,
    BoardRowKind,
    DayShift,
    DayVisit,
    Placement,
    Progress,
    Said,
)
from app.technicians import events as technician_events
from app.technicians import models as technicians
from app.technicians.rules import duty
from app.work_orders.models import WorkOrder

TECHNICIANS_MAX = 100
FACTS = (
    AppointmentFact,
    technician_events.TechnicianCreated,
    technician_events.TechnicianUpdated,
    technician_events.TechnicianDeactivated,
    technician_events.TechnicianReactivated,
    technician_events.TechnicianStatusChanged,
    technician_events.ShiftCreated,
    technician_events.ShiftUpdated,
    technician_events.ShiftDeleted,
    technician_events.AbsenceCreated,
    technician_events.AbsenceUpdated,
    technician_events.AbsenceDeleted,
)


@dataclass(frozen=True, slots=True)
class DayBoard:
    """The board of a day: whose visits, of which sites, in which hours."""

    day: date
    tz: ZoneInfo
    board: Board
    territory_id: str | None = None

    @property
    def visits(self) -> Condition:
        """The visits that are on it."""
        starts, ends = self.board.starts_at, self.board.ends_at
        planned = (column("starts_at") < ends) & (column("ends_at") > starts)
        promised = column("starts_at").is_null() & (column("window_start") < ends) & (column("window_end") > starts)
        return all_of(
            column("status") != AppointmentStatus.CANCELED.value,
            any_of(planned, promised),
            self.sites,
        )

    @property
    def sites(self) -> Condition:
        """The visits to its territory."""
        if self.territory_id is None:
            return everything()
        return exists("site", "id", column("territory_id") == self.territory_id, ours="site_id")

    @property
    def technicians(self) -> Condition:
        """The technicians who are on it: those named, or those of the territory and those who go anywhere."""
        there = column("is_active") == True  # noqa: E712  # builds SQL
        if self.board.technician_ids is not None:
            return there & column("id").one_of(sorted(self.board.technician_ids))
        if self.territory_id is None:
            return there
        return there & any_of(column("territory_id") == self.territory_id, column("territory_id").is_null())


@dataclass(frozen=True, slots=True)
class BoardVisit:
    """A visit as a board needs it."""

    id: str
    progress: Progress
    technician_ids: tuple[str, ...]
    is_in_territory: bool
    is_visible: bool

    @property
    def planned_minutes(self) -> int:
        """How long it is planned to take; 0 while it has no time."""
        begins, ends = self.progress.starts_at, self.progress.ends_at
        return 0 if begins is None or ends is None else int((ends - begins).total_seconds() // 60)

    @property
    def placement(self) -> Placement:
        """Where it stands."""
        one = self.progress
        return Placement(one.status, one.starts_at, one.ends_at, one.window_start, one.window_end, self.technician_ids)


@dataclass(frozen=True, slots=True)
class BoardTechnician:
    """A technician as a board needs one; shift and absence are those of the moment, None where the asker may not see them."""

    id: str
    status: str
    on_shift: bool | None
    absence: str | None
    is_on_board: bool

    @property
    def said(self) -> Said:
        """What the board says."""
        label, severity = duty(self.status, on_shift=self.on_shift, absence=self.absence)
        return Said(label, severity)


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A row of a board, or one that is no longer on it, and why."""

    kind: BoardRowKind
    id: str
    said: Said | None
    removal: BoardRemoval | None = None


async def day_board(
    actor: Actor,
    day: date,
    *,
    territory_id: str | None = None,
    technician_ids: Sequence[str] | None = None,
    time_zone: str | None = None,
    check: bool = True,
) -> DayBoard:
    """The board that somebody asks for. ``check`` refuses ids that the asker may not see."""
    if technician_ids is not None and len(technician_ids) > TECHNICIANS_MAX:
        raise InvalidInput(f"Name at most {TECHNICIANS_MAX} technicians.", path=["technicianIds"])
    if check and territory_id is not None:
        await find_one(Territory, actor, territory_id, path="territoryId")
    if check and technician_ids is not None:
        await require_visible(technicians.Technician, actor, technician_ids, "technicianIds")
    tz = await get_time_zone(actor, time_zone)
    named = frozenset(technician_ids) if technician_ids is not None else None
    return DayBoard(day, tz, Board(*day_bounds(day, tz), named), territory_id)


async def find_board_rows(
    actor: Actor, shown: DayBoard, now: datetime, *, after: tuple[str, str] | None, limit: int
) -> list[BoardRow]:
    """Rows of a board, first the technicians, then the visits, each by id, after one of them."""
    kind, id = after or (BoardRowKind.TECHNICIAN.value, "")
    found: list[BoardRow] = []
    if kind == BoardRowKind.TECHNICIAN:
        beyond = shown.technicians & (column("id") > id)
        people = await _technicians(actor, shown, beyond, now, limit=limit)
        found.extend(BoardRow(BoardRowKind.TECHNICIAN, one.id, one.said) for one in people)
        id = ""
    if len(found) < limit:
        beyond = _visits_of(actor, shown) & (column("id") > id)
        visits = await find_visits(actor, shown, beyond, limit=limit - len(found))
        found.extend(BoardRow(BoardRowKind.VISIT, one.id, rules.say(one.progress, now)) for one in visits)
    return found


def _visits_of(actor: Actor, shown: DayBoard) -> Condition:
    wanted = Appointment.visible_to(actor) & shown.visits
    if shown.board.technician_ids is None:
        return wanted
    return wanted & of_technicians(actor.organization_id, sorted(shown.board.technician_ids))


async def find_day_visits(actor: Actor, shown: DayBoard) -> list[BoardVisit]:
    """All visits of a board, in the order in which they are planned; those without a time come last."""
    return await find_visits(
        actor, shown, _visits_of(actor, shown), order='r."starts_at" IS NULL, r."starts_at", r."id"'
    )


async def board_rows_of(
    actor: Actor, shown: DayBoard, entries: Sequence[Entry], now: datetime
) -> list[tuple[Entry, BoardRow]]:
    """What facts mean to a board: each with the row it is about as it is now, or why that went; none for other boards.

    One statement for the visits of all the facts, and one for the technicians.
    """
    visit_ids = {one.subject_id for one in entries if one.noun == Appointment.noun}
    technician_ids = {_technician_of(one) for one in entries if one.noun != Appointment.noun}
    own = column("organization_id") == actor.organization_id
    wanted = own & column("id").one_of(sorted(visit_ids))
    visits = {one.id: one for one in await find_visits(actor, shown, wanted)} if visit_ids else {}
    people: dict[str, BoardTechnician] = {}
    if technician_ids:
        wanted = technicians.Technician.visible_to(actor) & column("id").one_of(sorted(technician_ids))
        people = {one.id: one for one in await _technicians(actor, shown, wanted, now)}
    made: list[tuple[Entry, BoardRow]] = []
    for entry in entries:
        if entry.noun == Appointment.noun:
            row = _visit_row(shown, entry, visits.get(entry.subject_id), now)
        else:
            row = _technician_row(shown, entry, people.get(_technician_of(entry)))
        if row is not None:
            made.append((entry, row))
    return made


def _visit_row(shown: DayBoard, entry: Entry, visit: BoardVisit | None, now: datetime) -> BoardRow | None:
    if visit is None:
        return BoardRow(BoardRowKind.VISIT, entry.subject_id, None, BoardRemoval.GONE)
    if not visit.is_in_territory:
        return None
    if visit.is_visible and shown.board.shows(visit.placement):
        return BoardRow(BoardRowKind.VISIT, visit.id, rules.say(visit.progress, now))
    stood = rules.placements(entry.payload)
    removal = shown.board.left(*stood) if stood is not None else None
    if removal is None and stood is not None and not visit.is_visible and shown.board.shows(stood[0]):
        removal = BoardRemoval.REASSIGNED  # from those who see their own visits only, to whoever has it now
    if removal is None:
        return None
    said = rules.say(visit.progress, now) if visit.is_visible else None
    return BoardRow(BoardRowKind.VISIT, visit.id, said, removal)


def _technician_row(shown: DayBoard, entry: Entry, person: BoardTechnician | None) -> BoardRow | None:
    id = _technician_of(entry)
    if person is not None and person.is_on_board:
        return BoardRow(BoardRowKind.TECHNICIAN, id, person.said)
    if shown.board.technician_ids is not None and id not in shown.board.technician_ids:
        return None
    said = person.said if person is not None else None
    if entry.type == technician_events.TechnicianDeactivated.__name__:
        return BoardRow(BoardRowKind.TECHNICIAN, id, said, BoardRemoval.DEACTIVATED)
    before = (entry.payload.get("changes") or {}).get("territory_id", [None])[0]
    if entry.type == technician_events.TechnicianUpdated.__name__ and _is_of(shown, entry, before):
        return BoardRow(BoardRowKind.TECHNICIAN, id, said, BoardRemoval.OTHER_TERRITORY)
    return None


def _is_of(shown: DayBoard, entry: Entry, before: str | None) -> bool:
    moved = "territory_id" in (entry.payload.get("changes") or {})
    return moved and shown.territory_id is not None and before in (None, shown.territory_id)


def _technician_of(entry: Entry) -> str:
    return str(entry.payload.get("technician_id") or entry.subject_id)


# Reading


_VISIT = (
    "status", "starts_at", "ends_at", "window_start", "window_end", "eta_at", "arrived_at", "technician_ids",
    "travel_minutes",
)  # fmt: skip


async def find_visits(
    actor: Actor, shown: DayBoard, condition: Condition, *, order: str = 'r."id"', limit: int | None = None
) -> list[BoardVisit]:
    """Visits of which a condition is true."""
    writer = Writer(database.dialect())
    columns = ", ".join(f'r."{name}"' for name in _VISIT)
    inside = shown.sites.write(writer, "r")
    visible = Appointment.visible_to(actor).write(writer, "r")
    sql = (
        f'SELECT r."id", {columns}, CASE WHEN {inside} THEN 1 ELSE 0 END, CASE WHEN {visible} THEN 1 ELSE 0 END '
        f'FROM "appointment" r WHERE {condition.write(writer, "r")} ORDER BY {order}'
    )
    rows = await database.read_rows(sql + ("" if limit is None else f" LIMIT {int(limit)}"), writer.values)
    return [_board_visit(row) for row in rows]


def _board_visit(row: Sequence[Any]) -> BoardVisit:
    id, status, *moments = row[:8]
    starts_at, ends_at, window_start, window_end, eta_at, arrived_at = map(_moment, moments)
    progress = Progress(
        AppointmentStatus(status), starts_at, ends_at, window_start, window_end, eta_at, arrived_at, row[9]
    )
    return BoardVisit(id, progress, tuple(_list(row[8])), row[10] == 1, row[11] == 1)


async def _technicians(
    actor: Actor, shown: DayBoard, condition: Condition, now: datetime, *, limit: int | None = None
) -> list[BoardTechnician]:
    writer = Writer(database.dialect())
    running = (column("starts_at") <= now) & (column("ends_at") > now)
    # In the order of the text: SQLite's values have no numbers.
    shift = exists("shift", "technician_id", _seen_hours(actor, technicians.Shift) & running).write(writer, "r")
    known = technicians.whose_hours_are_seen(actor).write(writer, "r")
    away = (_seen_hours(actor, technicians.Absence) & running).write(writer, "b")
    inside = shown.technicians.write(writer, "r")
    wanted = (technicians.Technician.visible_to(actor) & condition).write(writer, "r")
    sql = (
        f'SELECT r."id", r."status", CASE WHEN {shift} THEN 1 WHEN {known} THEN 0 END, '
        f'(SELECT min(b."kind") FROM "absence" b WHERE b."technician_id" = r."id" AND {away}), '
        f'CASE WHEN {inside} THEN 1 ELSE 0 END FROM "technician" r WHERE {wanted} ORDER BY r."id"'
    )
    rows = await database.read_rows(sql + ("" if limit is None else f" LIMIT {int(limit)}"), writer.values)
    return [
        BoardTechnician(row[0], row[1], None if row[2] is None else row[2] == 1, row[3], row[4] == 1) for row in rows
    ]


def _seen_hours(actor: Actor, model: type[technicians.Shift | technicians.Absence]) -> Condition:
    return model.visible_to(actor) if actor.holds(Permission.VIEW_TECHNICIANS) else nothing()


def _moment(value: Any) -> datetime | None:
    return None if value is None else journal.moment(value)


def _list(value: Any) -> list[Any]:
    found = orjson.loads(value) if isinstance(value, str | bytes) else value
    return list(found or ())


# The figures of a day


@dataclass(frozen=True, slots=True)
class DayMaterial:
    """All that the figures of a day are counted from."""

    visits: list[DayVisit]
    shifts: list[DayShift]
    responses: list[tuple[datetime, datetime]]
    technicians: dict[str, int]


async def day_material(actor: Actor, shown: DayBoard) -> DayMaterial:
    """The visits of a day, called-off ones included, shifts, technicians by status, and requests taken on, as far as the
    asker may see them."""
    starts, ends = shown.board.starts_at, shown.board.ends_at
    planned = (column("starts_at") < ends) & (column("ends_at") > starts)
    promised = column("starts_at").is_null() & (column("window_start") < ends) & (column("window_end") > starts)
    wanted = all_of(Appointment.visible_to(actor), any_of(planned, promised), shown.sites)
    visits = await find_visits(actor, shown, wanted)
    return DayMaterial(
        visits=[DayVisit(one.progress, len(one.technician_ids)) for one in visits],
        shifts=await _shifts(actor, shown),
        responses=await _responses(actor, shown),
        technicians=await _technicians_by_status(actor, shown),
    )


async def _shifts(actor: Actor, shown: DayBoard) -> list[DayShift]:
    writer = Writer(database.dialect())
    theirs = technicians.Technician.visible_to(actor) & shown.technicians
    wanted = all_of(
        _seen_hours(actor, technicians.Shift),
        column("starts_at") < shown.board.ends_at,
        column("ends_at") > shown.board.starts_at,
        exists("technician", "id", theirs, ours="technician_id"),
    )
    sql = f'SELECT r."starts_at", r."ends_at", r."break_minutes" FROM "shift" r WHERE {wanted.write(writer, "r")}'
    rows = await database.read_rows(sql, writer.values)
    return [DayShift(journal.moment(row[0]), journal.moment(row[1]), row[2]) for row in rows]


async def _technicians_by_status(actor: Actor, shown: DayBoard) -> dict[str, int]:
    writer = Writer(database.dialect())
    wanted = (technicians.Technician.visible_to(actor) & shown.technicians).write(writer, "r")
    sql = f'SELECT r."status", count(*) FROM "technician" r WHERE {wanted} GROUP BY r."status"'
    return dict(await _pairs(sql, writer.values))


async def _responses(actor: Actor, shown: DayBoard) -> list[tuple[datetime, datetime]]:
    writer = Writer(database.dialect())
    wanted = all_of(
        WorkOrder.visible_to(actor) if actor.holds(Permission.VIEW_WORK_ORDERS) else nothing(),
        column("triaged_at") >= shown.board.starts_at,
        column("triaged_at") < shown.board.ends_at,
        shown.sites,
    )
    sql = f'SELECT r."submitted_at", r."triaged_at" FROM "work_order" r WHERE {wanted.write(writer, "r")}'
    return [(journal.moment(asked), journal.moment(taken)) for asked, taken in await _pairs(sql, writer.values)]


async def _pairs(sql: str, values: list[Any]) -> Iterable[tuple[Any, Any]]:
    return [(row[0], row[1]) for row in await database.read_rows(sql, values)]
