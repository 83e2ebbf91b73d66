"""Whether one technician could do one visit at all, the day's other work aside, and when."""

from optimizer.problem import Stock, Technician, Visit, Window

Interval = tuple[int, int]
FOREVER = 1 << 40


def has_the_skills(technician: Technician, visit: Visit) -> bool:
    """Levels only; expiry bounds the start instead, see `start_intervals`."""
    return all(
        name in technician.skills and technician.skills[name].level >= level
        for name, level in visit.required_skills.items()
    )


def is_accepted(technician: Technician, visit: Visit) -> bool:
    if technician.id in visit.excluded_technicians:
        return False
    return not visit.required_technicians or technician.id in visit.required_technicians


def is_pinned_elsewhere(technician: Technician, visit: Visit) -> bool:
    pinned = visit.pin.technician_ids if visit.pin is not None else None
    return pinned is not None and technician.id not in pinned


def serves_the_territory(technician: Technician, visit: Visit) -> bool:
    return visit.territory is None or not technician.territories or visit.territory in technician.territories


def carries_the_parts(technician: Technician, visit: Visit, stocks: tuple[Stock, ...] = ()) -> bool:
    """On board, or what lacks there from one of the stocks."""
    short = {name: amount - technician.parts.get(name, 0) for name, amount in visit.parts.items()}
    lacking = {name: amount for name, amount in short.items() if amount > 0}
    return not lacking or any(
        all(stock.parts.get(name, 0) >= amount for name, amount in lacking.items()) for stock in stocks
    )


def carries_the_load(technician: Technician, visit: Visit) -> bool:
    return technician.capacity_units is None or visit.load_units <= technician.capacity_units


def may_serve(technician: Technician, visit: Visit, stocks: tuple[Stock, ...] = ()) -> bool:
    return (
        has_the_skills(technician, visit)
        and is_accepted(technician, visit)
        and not is_pinned_elsewhere(technician, visit)
        and serves_the_territory(technician, visit)
        and carries_the_parts(technician, visit, stocks)
        and carries_the_load(technician, visit)
    )


def _starts_in(window: Window, duration_minutes: int) -> Interval:
    return window.earliest_minute, window.latest_minute - (duration_minutes if window.ends_inside else 0)


def intersect(intervals: tuple[Interval, ...], earliest: int, latest: int) -> tuple[Interval, ...]:
    cut = ((max(low, earliest), min(high, latest)) for low, high in intervals)
    return tuple((low, high) for low, high in cut if low <= high)


def start_intervals(technician: Technician, visit: Visit) -> tuple[Interval, ...]:
    """When this technician may start: sorted, disjoint, both ends included, expiring skills accounted for."""
    duration_minutes = technician.minutes_for(visit)
    opened = sorted(_starts_in(window, duration_minutes) for window in visit.windows) or [(-FOREVER, FOREVER)]
    merged: list[Interval] = []
    for low, high in opened:
        if low > high:
            continue
        if merged and low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    starts = tuple(merged)
    if visit.promised is not None:
        starts = intersect(starts, *_starts_in(visit.promised, duration_minutes))
    if visit.release_minute is not None:
        starts = intersect(starts, visit.release_minute, FOREVER)
    if visit.pin is not None and visit.pin.start_minute is not None:
        starts = intersect(starts, visit.pin.start_minute, visit.pin.start_minute)
    for name in visit.required_skills:
        skill = technician.skills.get(name)
        if skill is not None and skill.expires_minute is not None:
            starts = intersect(starts, -FOREVER, skill.expires_minute - duration_minutes)
    return starts
