"""The planner's question: technicians with what is left of their shifts, visits with what is decided about them."""

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import optimizer
from app.company.rules import hours_of
from app.customers.models import Site
from app.kernel.actor import system_actor
from app.kernel.calendar import BusinessCalendar, day_bounds, local_day, utc_now, zone
from app.kernel.errors import InvalidInput
from app.scheduling.estimate import Estimate
from app.scheduling.models import Appointment, PlanRun
from app.scheduling.planning.durations import expected_minutes, with_minutes
from app.scheduling.planning.material import Material
from app.scheduling.rules import PlanKind
from app.scheduling.solver import Change, Request
from app.scheduling.travel import SECONDS_AT_ONCE, SECONDS_FOR_PLAN, by_road, estimate_of
from app.technicians import models as technicians
from app.work_orders.rules import Priority
from optimizer.problem import CENTS_PER_MINUTE_MAX

# The planner's scale: 1 is the most urgent. Each minute late costs more the more urgent the work is.
PRIORITIES = {
    Priority.EMERGENCY: 1,
    Priority.URGENT: 2,
    Priority.HIGH: 3,
    Priority.NORMAL: 4,
    Priority.LOW: 5,
}
# What a technician costs where nobody entered it; only the relation between time, distance and overtime matters.
CENTS_PER_HOUR_DEFAULT = 4000
CENTS_PER_KILOMETRE = 40
OVERTIME_FACTOR = 1.5


async def ask(
    material: Material,
    *,
    seconds: float = 0,
    seed: int = 0,
    now: datetime | None = None,
    policy: optimizer.Policy | None = None,
    road_seconds: float = SECONDS_AT_ONCE,
) -> Request:
    """The planner's question about some days, with the ways by road as far as a road server tells them in time."""
    travel = await by_road(_places(material), _estimate(material), seconds=road_seconds)
    return await asyncio.to_thread(
        request_of, material, seconds=seconds, seed=seed, now=now, policy=policy, travel=travel
    )


async def ask_as_run(
    material: Material, run: PlanRun, *, now: datetime | None = None, road_seconds: float = SECONDS_FOR_PLAN
) -> Request:
    """The planner's question as a run asks it."""
    policy = policy_of((run.question or {}).get("policy") or {})
    request = await ask(material, seconds=run.seconds, seed=run.seed, now=now, policy=policy, road_seconds=road_seconds)
    if (run.question or {}).get("durations_by_history"):
        request = with_minutes(request, await expected_minutes(system_actor(run.organization_id), material))
    return replace(request, change=_change_of(material, run))


def request_of(
    material: Material,
    *,
    seconds: float = 0,
    seed: int = 0,
    now: datetime | None = None,
    policy: optimizer.Policy | None = None,
    travel: optimizer.TravelMatrix | None = None,
) -> Request:
    """The planner's question about some days; ``travel`` is the matrix of its places where that is known by road."""
    released = material.minute(now or utc_now())
    places = _places(material)
    ways = _Ways(places, _estimate(material), travel)
    known = {place.id for place in places}
    fixed = [one for one in material.everything if material.is_fixed(one)]
    visits = [
        _fixed_visit(material, one) if material.is_fixed(one) else _visit(material, one, released)
        for one in material.everything
        # A visit that stays with somebody who is not part of this plan takes nobody's time here.
        if one.site_id in known and not (material.is_fixed(one) and not material.crew_of(one))
    ]
    crew = tuple(_technician(material, technician, fixed, ways) for technician in material.crew)
    return Request(
        technicians=crew,
        visits=tuple(visits),
        places=places,
        origin=material.day_start,
        published=_published(material, crew),
        seconds=seconds,
        seed=seed,
        policy=policy or optimizer.Policy(),
        estimate=ways.estimate,
        travel=travel,
    )


def _estimate(material: Material) -> Estimate:
    return estimate_of(material.day_start, material.day_end, material.tz)


@dataclass(frozen=True, slots=True)
class _Ways:
    """The ways of a question: by road, or estimated one by one."""

    places: tuple[optimizer.Place, ...]
    estimate: Estimate
    travel: optimizer.TravelMatrix | None

    def there_and_back(self, origin: str, destination: str) -> tuple[int, int]:
        """Minutes from one place to another and back, however slow the hour."""
        at = [
            next(number for number, place in enumerate(self.places) if place.id == id) for id in (origin, destination)
        ]
        if self.travel is None:
            pair = self.estimate.between([self.places[one] for one in at])
        else:
            ways = tuple(tuple(self.travel.minutes[row][column] for column in at) for row in at)
            pair = optimizer.TravelMatrix(ways, ((0, 0), (0, 0)), self.travel.slowdowns)
        slowest = pair.minutes_at_worst()
        return slowest[0][1], slowest[1][0]


def _change_of(material: Material, run: PlanRun) -> Change | None:
    kind, asked = PlanKind(run.kind), run.question or {}
    if kind not in (PlanKind.ROUTE, PlanKind.ABSENCE, PlanKind.DELAY):
        return None
    since, until = (datetime.fromisoformat(asked[name]) if name in asked else None for name in ("since", "until"))
    return Change(
        kind,
        asked["technician_id"],
        from_minute=0 if since is None else material.minute(since),
        until_minute=None if until is None else material.minute(until),
        delay_minutes=asked.get("delay_minutes", 0),
    )


def policy_of(weights: Mapping[str, Any]) -> optimizer.Policy:
    """What matters how much: the planner's own policy, with some of its weights changed. ``InvalidInput`` for one that
    cannot be."""
    try:
        return optimizer.Policy(**weights)
    except optimizer.InvalidProblem as error:
        first, *others = error.path.split("_")
        path = first + "".join(word.title() for word in others)
        raise InvalidInput(f"A weight {error.sentence}", path=["policy", path]) from None


def _places(material: Material) -> tuple[optimizer.Place, ...]:
    """The sites that have coordinates, and where each technician's day begins and ends."""
    sites = [
        optimizer.Place(site.id, site.latitude, site.longitude)
        for site in material.sites.values()
        if site.latitude is not None and site.longitude is not None
    ]
    # A technician without a home base is taken to start in the middle of the day's sites.
    middle = (
        (
            sum(place.latitude for place in sites) / len(sites),
            sum(place.longitude for place in sites) / len(sites),
        )
        if sites
        else (0.0, 0.0)
    )
    homes = [
        optimizer.Place(
            technician.id,
            middle[0] if technician.home_latitude is None else technician.home_latitude,
            middle[1] if technician.home_longitude is None else technician.home_longitude,
        )
        for technician in material.crew
    ]
    return (*sites, *homes)


def _end_of(day: date, material: Material, tz: ZoneInfo) -> int:
    """The minute in which a day ends. One that is more than a year away counts as that far: a plan is about less."""
    year = timedelta(days=366)
    planned = local_day(material.day_start, material.tz)
    near = min(max(day, planned - year), planned + year)
    return material.minute(day_bounds(near, tz)[1])


def _technician(
    material: Material, technician: technicians.Technician, fixed: Sequence[Appointment], ways: _Ways
) -> optimizer.Technician:
    zone_of_technician = zone(technician.time_zone)
    held = [one for one in fixed if technician.id in (one.technician_ids or [])]
    cents = CENTS_PER_HOUR_DEFAULT
    if technician.cost_per_hour is not None:
        cents = int(Decimal(technician.cost_per_hour) * 100)
    return optimizer.Technician(
        id=technician.id,
        shifts=_shifts(material, technician, held, ways),
        skills={
            one.skill_id: optimizer.Skill(
                one.level,
                None if one.expires_on is None else _end_of(one.expires_on, material, zone_of_technician),
            )
            for one in material.skills.get(technician.id, [])
        },
        territories=() if technician.territory_id is None else (technician.territory_id,),
        speed_factor=technician.speed_factor,
        cost_cents_per_minute=min(max(0, cents // 60), CENTS_PER_MINUTE_MAX),
        cost_cents_per_kilometre=CENTS_PER_KILOMETRE,
        overtime_cents_per_minute=min(max(0, int(cents * OVERTIME_FACTOR) // 60), CENTS_PER_MINUTE_MAX),
    )


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A stretch of a technician's working time, in minutes."""

    start: int
    end: int
    overtime: int = 0
    breaks: tuple[optimizer.Break, ...] = ()

    @property
    def last(self) -> int:
        return self.end + self.overtime


def _shifts(
    material: Material, technician: technicians.Technician, fixed: Sequence[Appointment], ways: _Ways
) -> tuple[optimizer.Shift, ...]:
    """The working time without absences, stretched to reach the visits that stay as they are."""
    away = [
        (material.minute(one.starts_at), material.minute(one.ends_at))
        for one in material.absences.get(technician.id, [])
    ]
    stretches = [piece for shift in material.shifts.get(technician.id, []) for piece in _pieces(material, shift, away)]
    for appointment in fixed:
        stretches = _reaching(stretches, *_span(material, technician, appointment, ways))
    shifts = []
    for index, one in enumerate(stretches):
        following = stretches[index + 1].start if index + 1 < len(stretches) else one.last
        shifts.append(
            optimizer.Shift(
                start_minute=one.start,
                end_minute=one.end,
                start_place=technician.id,
                end_place=technician.id,
                overtime_minutes_max=max(0, min(one.last, following) - one.end),
                breaks=one.breaks,
            )
        )
    return tuple(shifts)


def _pieces(material: Material, shift: technicians.Shift, away: Iterable[tuple[int, int]]) -> list[_Stretch]:
    whole = _Stretch(material.minute(shift.starts_at), material.minute(shift.ends_at), shift.overtime_minutes_max)
    pieces = [whole]
    for begins, ends in away:
        cut: list[_Stretch] = []
        for piece in pieces:
            if ends <= piece.start or begins >= piece.last:
                cut.append(piece)
                continue
            if begins > piece.start:
                end = min(begins, piece.end)
                cut.append(_Stretch(piece.start, end, max(0, min(begins, piece.last) - end)))
            if ends < piece.end:
                cut.append(_Stretch(ends, piece.end, piece.overtime))
        pieces = cut
    return [replace(piece, breaks=_breaks(material, shift, piece)) for piece in pieces]


def _breaks(material: Material, shift: technicians.Shift, piece: _Stretch) -> tuple[optimizer.Break, ...]:
    """The shift's break, in the piece of it in which it can be taken as a whole."""
    if not shift.break_minutes:
        return ()
    earliest = material.minute(shift.break_earliest_at or shift.starts_at)
    latest = material.minute(shift.break_latest_at or shift.ends_at)
    begin, last = max(earliest, piece.start), min(latest, piece.end - shift.break_minutes)
    return (optimizer.Break(begin, last, shift.break_minutes),) if begin <= last else ()


def _span(
    material: Material, technician: technicians.Technician, appointment: Appointment, ways: _Ways
) -> tuple[int, int]:
    """The minutes of a visit that stays, with the way there and back."""
    assert appointment.starts_at is not None and appointment.ends_at is not None
    start = material.minute(appointment.starts_at)
    end = max(start + 1, math.ceil((appointment.ends_at - material.day_start).total_seconds() / 60))
    site = material.sites.get(appointment.site_id)
    if site is None or site.latitude is None or site.longitude is None or technician.home_latitude is None:
        return start, end
    there, back = ways.there_and_back(technician.id, site.id)
    return start - there, end + back


def _reaching(stretches: Sequence[_Stretch], start: int, end: int) -> list[_Stretch]:
    """The stretches, with all that touch a span grown together to cover it."""
    touching = [one for one in stretches if one.start < end and start < one.last]
    if any(one.start <= start and end <= one.end for one in touching):
        return list(stretches)
    grown = _Stretch(
        min([start, *(one.start for one in touching)]),
        max([end, *(one.end for one in touching)]),
        0,
        touching[0].breaks if touching else (),
    )
    latest = max([grown.end, *(one.last for one in touching)])
    rest = [one for one in stretches if one not in touching]
    return sorted([*rest, replace(grown, overtime=latest - grown.end)], key=lambda one: one.start)


def _fixed_visit(material: Material, appointment: Appointment) -> optimizer.Visit:
    """A visit as it stands: no rule but its own place and time, because somebody has decided already."""
    assert appointment.starts_at is not None and appointment.ends_at is not None
    crew = {technician.id: technician for technician in material.crew}
    ids = material.crew_of(appointment)
    minutes = max(1, math.ceil((appointment.ends_at - appointment.starts_at).total_seconds() / 60))
    fastest = max((crew[id].speed_factor for id in ids), default=1.0)
    return optimizer.Visit(
        id=appointment.id,
        place=appointment.site_id,
        # Its time is taken, however fast its technician is.
        duration_minutes=math.ceil(minutes * fastest),
        priority=1,
        crew_size=max(1, len(ids)),
        pin=optimizer.Pin(ids or None, material.minute(appointment.starts_at)),
    )


def _visit(material: Material, appointment: Appointment, released: int) -> optimizer.Visit:
    """A visit the plan may change. What somebody pinned is decided: the rules about it are not asked again."""
    work_order = material.work_orders[appointment.work_order_id]
    site = material.sites[appointment.site_id]
    ids = tuple(appointment.technician_ids or [])
    who = ids if appointment.is_pinned_who and ids and not material.is_freed(appointment) else None
    when = appointment.starts_at if appointment.is_pinned_when else None
    start = None if when is None else material.minute(when)
    return optimizer.Visit(
        id=appointment.id,
        place=appointment.site_id,
        duration_minutes=appointment.duration_minutes,
        windows=_opening_windows(material, site) if when is None else (),
        promised=_promised(material, appointment) if when is None else None,
        release_minute=released if released > 0 and when is None else None,
        due_minute=None if work_order.due_at is None else material.minute(work_order.due_at),
        priority=PRIORITIES[Priority(work_order.priority)],
        required_skills=dict(work_order.required_skills or {}) if who is None else {},
        preferred_technicians=material.regulars.get(appointment.site_id, ()) if who is None else (),
        excluded_technicians=tuple(sorted(set(material.declined.get(appointment.id, [])))) if who is None else (),
        territory=site.territory_id if who is None else None,
        crew_size=max(1, len(ids)),
        pin=None if who is None and start is None else optimizer.Pin(who, start),
    )


def _promised(material: Material, appointment: Appointment) -> optimizer.Window | None:
    if appointment.window_start is None or appointment.window_end is None:
        return None
    return optimizer.Window(material.minute(appointment.window_start), material.minute(appointment.window_end))


def _opening_windows(material: Material, site: Site) -> tuple[optimizer.Window, ...]:
    """When the site is open on the days; a site that names no hours is always open."""
    if not site.opening_hours:
        return ()
    calendar = BusinessCalendar(zone(site.time_zone), hours_of(site.opening_hours))
    hours = range(-24, int((material.day_end - material.day_start) / timedelta(hours=1)) + 12, 12)
    days = {(material.day_start + timedelta(hours=each)).astimezone(calendar.tz).date() for each in hours}
    open_times = sorted(
        (max(opens, material.day_start), closes)
        for day in days
        for opens, closes in calendar.openings(day)
        if closes > material.day_start and opens < material.day_end
    )
    # A window that never opens says "closed that day" to the planner, where none would say "always open".
    closed = (optimizer.Window(-1, -1),)
    windows = tuple(
        optimizer.Window(material.minute(opens), material.minute(closes), ends_inside=True)
        for opens, closes in open_times
    )
    return windows or closed


def _published(material: Material, crew: Sequence[optimizer.Technician]) -> optimizer.Plan | None:
    """What people rely on already, so that the planner changes as little of it as it can: each visit in the shift in which
    it is planned, or in the nearest."""
    shifts = {technician.id: technician.shifts for technician in crew}
    routes: dict[tuple[str, int], list[optimizer.PlannedStop]] = defaultdict(list)
    for appointment in material.everything:
        if appointment.starts_at is None or appointment.ends_at is None:
            continue
        start = material.minute(appointment.starts_at)
        stop = optimizer.PlannedStop(
            appointment.id, start, start, max(start + 1, material.minute(appointment.ends_at)), 0, 0
        )
        for technician_id in appointment.technician_ids or []:
            index = _shift_of(shifts.get(technician_id, ()), start)
            routes[technician_id, index].append(stop)
    if not routes:
        return None
    return optimizer.Plan(
        routes=tuple(
            optimizer.Route(
                id, index, stops[0].start_minute, stops[-1].end_minute, 0, 0, tuple(sorted(stops, key=_by_start))
            )
            for (id, index), stops in sorted(routes.items())
        )
    )


def _by_start(stop: optimizer.PlannedStop) -> tuple[int, str]:
    return stop.start_minute, stop.visit_id


def _shift_of(shifts: Sequence[optimizer.Shift], minute: int) -> int:
    """The index of the shift in which a minute lies, or of the nearest."""
    distances = [max(0, shift.start_minute - minute, minute - shift.last_minute) for shift in shifts]
    return distances.index(min(distances)) if distances else 0
