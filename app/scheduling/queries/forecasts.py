"""What is to come, from what was: how long visits take, and how many there will be.

Both read thousands of rows and count for up to a second, so an answer is kept for some minutes, asked for by many at once it
is made once, and in this process only some are made at the same time.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import orjson

from app import database
from app.company.models import ServiceType, Territory
from app.company.queries import business_calendar
from app.equipment.models import EquipmentModel
from app.infrastructure import journal
from app.infrastructure.conditions import Condition, Writer, all_of, column, exists
from app.infrastructure.tables import require_visible
from app.kernel.actor import Actor
from app.kernel.calendar import day_bounds, local_day, utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput
from app.scheduling.queries.schedule import get_time_zone
from app.scheduling.rules import AppointmentStatus
from app.technicians.models import Skill, Technician
from app.work_orders.rules import TimeKind
from optimizer import forecast

T = TypeVar("T")

VISITS_MAX = 5000
DEMAND_YEARS = 3
HORIZON_DAYS_MAX = 90
KEPT_SECONDS = 600.0
KEPT_ANSWERS_MAX = 200
AT_ONCE = 2
# A slice of time in which requests are counted: no zone is apart from UTC by a part of it.
SLICE_SECONDS = 900
NO_DEVICE = ""
ON_SITE = tuple(kind.value for kind in TimeKind if kind not in (TimeKind.TRAVEL, TimeKind.BREAK))


@dataclass(frozen=True, slots=True)
class VisitTimes:
    """How long an organization's visits took: the model, its error, and what both rest on."""

    visits: int
    since: datetime | None
    model: forecast.Durations | None
    error: forecast.DurationError | None


async def visit_times(actor: Actor) -> VisitTimes:
    """How long visits took, learned from the latest that were completed."""
    return await _kept((actor.organization_id, "durations"), lambda: _learn(actor.organization_id))


async def forecast_duration(
    actor: Actor,
    *,
    service_type_id: str | None = None,
    equipment_model_id: str | None = None,
    technician_id: str | None = None,
) -> tuple[VisitTimes, forecast.DurationForecast | None]:
    """What to expect of a visit of a kind, and what that rests on; no forecast where too little is known of any visit."""
    if equipment_model_id is not None and service_type_id is None:
        raise InvalidInput("A model of equipment counts within a service type: name that, too.", path=["serviceTypeId"])
    if technician_id is not None and service_type_id is None:
        raise InvalidInput("A technician counts within a service type: name that, too.", path=["serviceTypeId"])
    for model, id, name in (
        (ServiceType, service_type_id, "serviceTypeId"),
        (EquipmentModel, equipment_model_id, "equipmentModelId"),
        (Technician, technician_id, "technicianId"),
    ):
        if id is not None:
            await require_visible(model, actor, [id], name)
    known = await visit_times(actor)
    # Who names a technician and no model asks about work without a device.
    model_id = NO_DEVICE if technician_id is not None and equipment_model_id is None else equipment_model_id
    kind = (service_type_id, model_id, technician_id)
    return known, None if known.model is None else known.model.forecast(kind)


def kind_of(
    service_type_id: str | None, equipment_model_id: str | None, technician_id: str | None
) -> tuple[str | None, ...]:
    """The kind of a visit, from coarse to fine. That work is about no device is known, too."""
    return (service_type_id, equipment_model_id or NO_DEVICE, technician_id)


async def _learn(organization_id: str) -> VisitTimes:
    history = await _find_visits(organization_id)
    since = datetime.fromtimestamp(min(one.at for one in history), UTC) if history else None
    model = await asyncio.to_thread(forecast.durations, history)
    error = await asyncio.to_thread(forecast.duration_error, history)
    return VisitTimes(len(history), since, model, error)


async def _find_visits(organization_id: str) -> list[forecast.Observation]:
    """The latest completed visits with the minutes of work that were clocked, else from its begin to its end."""
    writer = Writer(database.dialect())
    done = all_of(
        column("organization_id") == organization_id,
        column("status") == AppointmentStatus.COMPLETED.value,
        ~column("started_at").is_null(),
        ~column("completed_at").is_null(),
    )
    kinds = ", ".join(writer.bind(kind) for kind in ON_SITE)
    # Of a crew, who worked longest says how long it took.
    clocked = (
        'SELECT max(each."minutes") FROM (SELECT sum(t."worked_minutes") AS "minutes" FROM "time_entry" t '
        'WHERE t."organization_id" = a."organization_id" AND t."appointment_id" = a."id" '
        f'AND t."kind" IN ({kinds}) GROUP BY t."technician_id") each'
    )
    rows = await database.read_rows(
        f'SELECT a."started_at", a."completed_at", a."duration_minutes", a."technician_ids", w."service_type_id", '
        f'e."model_id", ({clocked}) FROM "appointment" a JOIN "work_order" w ON w."id" = a."work_order_id" '
        f'LEFT JOIN "equipment" e ON e."id" = w."equipment_id" WHERE {done.write(writer, "a")} '
        f'ORDER BY a."starts_at" DESC LIMIT {writer.bind(VISITS_MAX)}',
        writer.values,
    )
    return [_observation(*row) for row in map(tuple, rows)]


def _observation(
    started_at: Any,
    completed_at: Any,
    planned: int,
    crew: Any,
    service_type_id: str | None,
    model_id: str | None,
    minutes: Any,
) -> forecast.Observation:
    begin, end = journal.moment(started_at), journal.moment(completed_at)
    ids = orjson.loads(crew) if isinstance(crew, str | bytes) else crew
    return forecast.Observation(
        at=end.timestamp(),
        kind=kind_of(service_type_id, model_id, ids[0] if ids else None),
        minutes=float(minutes or 0) or max(1.0, (end - begin).total_seconds() / 60),
        planned_minutes=planned,
    )


async def forecast_demand(
    actor: Actor,
    days: int,
    *,
    service_type_id: str | None = None,
    territory_id: str | None = None,
    skill_id: str | None = None,
    time_zone: str | None = None,
) -> forecast.DemandForecast | None:
    """How much new work to expect today and on so many days or more after it; None of too short a history."""
    if not 1 <= days <= HORIZON_DAYS_MAX:
        raise InvalidInput(f"A forecast is about 1 to {HORIZON_DAYS_MAX} days.", path=["days"])
    for model, id, name in (
        (ServiceType, service_type_id, "serviceTypeId"),
        (Territory, territory_id, "territoryId"),
        (Skill, skill_id, "skillId"),
    ):
        if id is not None:
            await require_visible(model, actor, [id], name)
    tz = await get_time_zone(actor, time_zone)
    today = local_day(utc_now(), tz)
    wanted = _Wanted(actor.organization_id, service_type_id, territory_id, skill_id)

    async def make() -> forecast.DemandForecast | None:
        history = await _count_requests(wanted, day_bounds(today - timedelta(days=366 * DEMAND_YEARS), tz)[0], tz)
        closed = (await business_calendar(actor)).holidays
        return await asyncio.to_thread(
            forecast.demand, history, last=today - timedelta(days=1), horizon=HORIZON_DAYS_MAX, closed=closed
        )

    return await _kept((wanted, tz.key, today), make)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which work is counted."""

    organization_id: str
    service_type_id: str | None
    territory_id: str | None
    skill_id: str | None

    def sql(self, writer: Writer, since: datetime) -> str:
        parts: list[Condition] = [column("organization_id") == self.organization_id, column("submitted_at") >= since]
        if self.service_type_id is not None:
            parts.append(column("service_type_id") == self.service_type_id)
        if self.territory_id is not None:
            parts.append(exists("site", "id", column("territory_id") == self.territory_id, ours="site_id"))
        where = all_of(*parts).write(writer, "w")
        if self.skill_id is None:
            return where
        mark = writer.bind(self.skill_id)
        if writer.dialect is Dialect.POSTGRES:
            return f'{where} AND jsonb_exists(w."required_skills"::jsonb, {mark})'
        return f'{where} AND EXISTS (SELECT 1 FROM json_each(w."required_skills") s WHERE s."key" = {mark})'


async def _count_requests(wanted: _Wanted, since: datetime, tz: ZoneInfo) -> dict[date, float]:
    """New work by local day. The database counts by quarters of an hour: it does not know our zones."""
    writer = Writer(database.dialect())
    where = wanted.sql(writer, since)
    seconds = "CAST(strftime('%s', w.\"submitted_at\") AS INTEGER)"
    if writer.dialect is Dialect.POSTGRES:
        seconds = 'CAST(floor(extract(epoch FROM w."submitted_at")) AS BIGINT)'
    rows = await database.read_rows(
        f'SELECT {seconds} / {SLICE_SECONDS}, count(*) FROM "work_order" w WHERE {where} GROUP BY 1', writer.values
    )
    return await asyncio.to_thread(_by_day, [(int(row[0]), int(row[1])) for row in rows], tz)


def _by_day(slices: list[tuple[int, int]], tz: ZoneInfo) -> dict[date, float]:
    counts: Counter[date] = Counter()
    for number, count in slices:
        counts[datetime.fromtimestamp(number * SLICE_SECONDS, tz).date()] += count
    return {day: float(count) for day, count in counts.items()}


@dataclass(slots=True)
class _Answer:
    """An answer, or the work on it, and until when it counts."""

    until: float
    task: "asyncio.Task[Any]"


_answers: OrderedDict[Any, _Answer] = OrderedDict()
_places = asyncio.Semaphore(AT_ONCE)


async def _kept(key: Any, make: Callable[[], Awaitable[T]]) -> T:
    """The answer of a key: one that is not old, one that is being made, or a new one. A failure is not kept."""
    known = _answers.get(key)
    if known is None or known.until < time.monotonic() or _failed(known.task):
        known = _answers[key] = _Answer(time.monotonic() + KEPT_SECONDS, asyncio.create_task(_in_turn(make)))
    _answers.move_to_end(key)
    while len(_answers) > KEPT_ANSWERS_MAX:
        _answers.popitem(last=False)
    # Who no longer waits does not spoil it for the others.
    answer: T = await asyncio.shield(known.task)
    return answer


def _failed(task: "asyncio.Task[Any]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


async def _in_turn(make: Callable[[], Awaitable[T]]) -> T:
    async with _places:
        return await make()


def forget_forecasts() -> None:
    """Make all answers anew."""
    _answers.clear()
