"""The model as arrays, for compiled code: what `kernel.c` reads (`Tables`) and what it works in (`State`).

A *slot* is one technician's part in a visit: a crew of three is three slots, linked to start together. Rows are
slots, vehicles (one technician in one shift) or visits; the columns have names. Times are minutes, money cents.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from optimizer.fits import Interval, carries_the_load, carries_the_parts, serves_the_territory, start_intervals
from optimizer.matrix import FREE_PROGRESS, TravelMatrix
from optimizer.model import Model
from optimizer.problem import Technician, Visit

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# Later than every minute of a plan, and small enough that sums of a few stay in 32 bits.
LATE = 1 << 28
CAPACITY_ENDLESS = 1 << 60
NEIGHBOURS_MAX = 120
POOL_BYTES_MAX = 64_000_000
POOL_ROUTES_MAX = 1 << 16
CENTS_CELLS_MAX = 60_000_000

# Columns of `slots`.
(
    PLACE,
    VISIT,
    DUE,
    LATE_CENTS,
    LATE_SOFT_CENTS,
    PUBLISHED,
    MOVED_CENTS,
    LOAD,
    IS_TIMED,
    IS_LINKED,
    FETCH_PLACE,
    FETCH_STOCK,
) = range(12)
SLOT_COLUMNS = 12
# Columns of `vehicles`.
(
    TECHNICIAN,
    FIRST,
    END,
    LAST,
    START_PLACE,
    END_PLACE,
    PROFILE,
    MINUTE_CENTS,
    KILOMETRE_CENTS,
    SHIFT_CENTS,
    OVERTIME_CENTS,
    CAPACITY,
    KIND,
    BREAKS_FROM,
    BREAKS,
    PRICES,
) = range(16)
VEHICLE_COLUMNS = 16
# Columns of `fits`, for each technician and slot.
EARLIEST, LATEST, MINUTES, OWN_CENTS, HOLES = range(5)
FIT_COLUMNS = 5
# Columns of `visits`.
FIRST_SLOT, CREW, POINTS, PRICE, GROUP, SAME_AS = range(6)
VISIT_COLUMNS = 6
# Columns of `arcs`: the start of `ARC_TO` is at least that of `ARC_FROM` plus `ARC_MINUTES`, plus the duration of
# the first where `ARC_AFTER_END`, minus the duration of the second where `ARC_BEFORE_END`.
ARC_FROM, ARC_TO, ARC_MINUTES, ARC_AFTER_END, ARC_BEFORE_END = range(5)
ARC_COLUMNS = 5
# Columns of `paces`.
PACE_MINUTE, PACE_PROGRESS, PACE_DONE = range(3)
# Columns of `facts`, for each route.
COUNT, LATENESS, WISHES, LOADED, ROUTE_TIMED, ROUTE_LINKED, WORK_MINUTES, WORST_LATE = range(8)
FACT_COLUMNS = 8
# Columns of `where`, for each slot: its place in the solution, the lower bound linked visits put on its start, and
# where the way to it ends, which is a place of its own when parts are fetched on that way.
ROUTE, POSITION, START, BOUND, STANDS, IS_FETCHED = range(6)
WHERE_COLUMNS = 6
# Columns of `totals`.
SUM_POINTS, SUM_LATENESS, SUM_WISHES, SUM_WORST = range(4)
# Columns of `pool_facts`.
POOL_VEHICLE, POOL_COUNT, POOL_LATENESS, POOL_WISHES, POOL_SIGNATURE, POOL_AGE, POOL_ENERGY = range(7)
POOL_COLUMNS = 7
# Ways through the breaks of a route that are kept side by side.
LABELS = 16
# Where more vehicles than this may come, only the routes that lead near are looked at, but for once in a while.
CANDIDATES_MANY, NEAR_VISITS, FAR_ONCE_IN = 24, 48, 20
# Places in `sizes`.
SIZE_NAMES = (
    "SLOTS",
    "VISITS",
    "VEHICLES",
    "TECHNICIANS",
    "PLACES",
    "PACES",
    "NEIGHBOURS",
    "ORDERS",
    "PARTS",
    "STOCKS",
    "GROUPS",
    "KINDS",
    "WIDTH",
    "LEVELS",
    "POOL",
)


class Tables(NamedTuple):
    """Everything about the problem. Shapes are in the comments: S slots, V visits, R vehicles, T technicians,
    N places, P travel profiles, B the most breaks of a shift, Q kinds of parts."""

    sizes: Longs  # see SIZE_NAMES
    slots: Longs  # S × SLOT_COLUMNS
    visits: Longs  # V × VISIT_COLUMNS
    vehicles: Longs  # R × VEHICLE_COLUMNS
    fits: Ints  # T × S × FIT_COLUMNS
    holes: Ints  # intervals × 2, of slots whose starts have gaps
    holes_from: Ints  # sets of intervals + 1
    minutes: Ints  # P × N × N, on a free road
    metres: Ints  # P × N × N
    cents: Ints  # kinds of prices × N × N, or empty where those would be too many
    paces: Longs  # P × segments × 3: see `matrix.Pace`
    pace_counts: Ints  # P: segments
    breaks: Ints  # all breaks × 3: earliest start, latest start, minutes
    neighbours: Ints  # V × up to NEIGHBOURS_MAX visits, the nearest first
    candidates: Ints  # vehicles that may serve each visit, one after the other
    candidates_from: Ints  # V + 1
    arcs: Ints  # arcs × 5, by their first slot
    arcs_from: Ints  # S + 1
    arcs_in: Ints  # numbers of arcs, by their second slot
    arcs_in_from: Ints  # S + 1
    groups: Ints  # visits of each group of linked ones, in the order of their dependence
    groups_from: Ints  # groups + 1
    before: Ints  # visits that must be served first, of each visit
    before_from: Ints  # V + 1
    parts_needed: Ints  # V × Q
    parts_carried: Ints  # T × Q
    stocked: Ints  # stocks × Q
    handling: Ints  # N: minutes at the stock on the way to such a place
    orders: Floats  # keys × V: ways to sort visits for insertion
    weights: Floats  # points, lateness, wishes
    policy: Longs  # balance, worst lateness and waiting cents per minute


class State(NamedTuple):
    """One solution in the making, and room to think. Stops stand at 1 … count of their route's row, -1 at both ends.
    Two levels remember what was changed: 0 for an iteration, 1 for a try within it. M is the most stops of a route."""

    routes: Ints  # R × M + 3: slots
    places: Ints  # R × M + 3: where the route leads, from its start to its end
    legs: Ints  # R × M + 3: cents of the leg that leads there
    facts: Longs  # R × FACT_COLUMNS
    forward: Ints  # R × M + 3 × B + 1: earliest end, by breaks taken
    backward: Ints  # R × M + 3 × B + 1: latest minute to stand ready, by breaks taken
    where: Ints  # S × WHERE_COLUMNS
    totals: Longs  # 4
    balance: Longs  # 1: what the busiest technician costs
    used: Ints  # T × Q: parts taken from board
    fetched: Ints  # stocks × Q: parts taken from there
    random: Longs  # 1
    blink: Longs  # 1: places until one is overlooked
    level: Ints  # 1
    saved_routes: Ints  # 2 × R × M + 3
    saved_places: Ints
    saved_legs: Ints
    saved_facts: Longs  # 2 × R × FACT_COLUMNS
    saved_forward: Ints
    saved_backward: Ints
    saved_starts: Ints  # 2 × R × M + 3
    saved_bounds: Ints  # 2 × R × M + 3
    saved_fetched: Ints  # 2 × R × M + 3
    saved_totals: Longs  # 2 × 4
    touched: Ints  # 2 × R + 1: the count, then routes
    is_touched: Ints  # 2 × R
    best_routes: Ints  # R × M + 3
    best_counts: Ints  # R
    best_starts: Ints  # R × M + 3
    best_fetched: Ints  # R × M + 3
    best_totals: Longs  # 4
    best_balance: Longs  # 1
    best_energy: Floats  # 1
    labels: Longs  # 2 × LABELS + 1 × 4: end, lateness, wishes, breaks taken
    origins: Ints  # M + 3 × LABELS + 1
    label_starts: Ints  # M + 3 × LABELS + 1
    sequence: Ints  # M + 3: a route in thought
    starts: Ints  # M + 3: its starts
    verdict: Longs  # lateness, wishes of time, worst lateness, minutes and cents on the road
    absent: Ints  # V: visits to put in
    removed: Ints  # V: those just taken out
    seed: Longs  # 1: the visit a ruin began at
    opening: Longs  # 1: whether the next visit opens a route
    fresh: Ints  # V: whether a visit was served when the iteration began
    keys: Floats  # V
    scratch: Ints  # R: who waits in the queue
    is_stale: Ints  # R: driven since its times were worked out
    queue: Ints  # R + 1
    ruined: Ints  # R
    marks: Ints  # M + 3: visits of a string being taken out
    stamps: Longs  # kinds of vehicles, and in the last place the stamp
    near: Longs  # R: the stamp of the visit they lead near
    place: Floats  # cost, vehicle and position of the best place found
    heap: Floats  # S + R: what places cost at least
    heap_where: Longs  # S + R: route and position
    pool: Ints  # routes × M + 3: slots of routes worth remembering
    pool_starts: Ints
    pool_facts: Longs  # routes × POOL_COLUMNS
    pool_age: Longs  # 1


class _FitTable:
    """Fills `fits`. Most of it is the same for many: what a technician may do depends on a few kinds of demands, when
    a visit may start on how fast one works; only names and expiring certificates are looked at one by one."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.table = np.zeros((len(model.technicians), len(model.visits), FIT_COLUMNS), dtype=np.int32)
        self.table[:, :, EARLIEST], self.table[:, :, LATEST], self.table[:, :, HOLES] = LATE, -LATE, -1
        self.holes: list[Interval] = []
        self.holes_from = [0]
        self.known_holes: dict[tuple[Interval, ...], int] = {}
        self.number = model.technician_number
        speeds = np.array([each.speed_factor for each in model.technicians])
        self.paces = [np.flatnonzero(speeds == each) for each in np.unique(speeds)]
        self.masks: dict[Any, Mask] = {}
        self.levels: dict[str, Longs] = {}
        self.expiring: dict[str, Mask] = {}

    def fill(self) -> Ints:
        for number in range(len(self.model.visits)):
            self._column(number)
        return self.table

    def _column(self, number: int) -> None:
        model, visit, column = self.model, self.model.visits[number], self.table[:, number]
        able, surplus = self._able(visit)
        if visit.required_technicians:
            able &= self._among(visit.required_technicians)
        if visit.excluded_technicians:
            able &= ~self._among(visit.excluded_technicians)
        if visit.pin is not None and visit.pin.technician_ids is not None:
            able &= self._among(visit.pin.technician_ids)
        policy = model.problem.policy
        own = surplus * policy.overqualification_cents_per_level
        if visit.preferred_technicians:
            own = own + policy.preference_cents * ~self._among(visit.preferred_technicians)
        if visit.id in model.published:
            own = own + policy.changed_technician_cents * ~self._among(model.published[visit.id][0])
        column[:, OWN_CENTS] = np.where(able, np.minimum(own, LATE), 0)
        expiring = self._expiring(visit)
        for people in self.paces:
            column[people, MINUTES] = min(model.technicians[people[0]].minutes_for(visit), LATE)
            there = people[able[people]]
            steady = there[~expiring[there]]
            if len(steady):
                self._open(column, steady, start_intervals(model.technicians[steady[0]], visit))
            for each in there[expiring[there]]:
                self._open(column, each, start_intervals(model.technicians[each], visit))

    def _able(self, visit: Visit) -> tuple[Mask, Longs]:
        """Who may serve visits with such demands, names aside, and how many levels of skill are left over."""
        stocks = self.model.problem.stocks
        able = self._who(("territory", visit.territory), lambda each: serves_the_territory(each, visit))
        able = able & self._who(("load", visit.load_units), lambda each: carries_the_load(each, visit))
        if visit.parts:
            key = "parts", tuple(sorted(visit.parts.items()))
            able &= self._who(key, lambda each: carries_the_parts(each, visit, stocks))
        surplus = np.zeros(len(self.model.technicians), dtype=np.int64)
        for name, level in visit.required_skills.items():
            levels = self._levels(name)
            able &= levels >= level
            surplus += np.maximum(0, levels - level)
        return able, surplus

    def _who(self, key: Any, holds: Callable[[Technician], bool]) -> Mask:
        if key not in self.masks:
            self.masks[key] = np.array([holds(each) for each in self.model.technicians], dtype=bool)
        return self.masks[key]

    def _levels(self, name: str) -> Longs:
        """How well each technician masters a skill, 0 for not at all."""
        if name not in self.levels:
            skills = [each.skills.get(name) for each in self.model.technicians]
            self.levels[name] = np.array([0 if each is None else each.level for each in skills], dtype=np.int64)
            self.expiring[name] = np.array(
                [each is not None and each.expires_minute is not None for each in skills], dtype=bool
            )
        return self.levels[name]

    def _expiring(self, visit: Visit) -> Mask:
        """Whose certificates for the visit expire some day."""
        expiring = np.zeros(len(self.model.technicians), dtype=bool)
        for name in visit.required_skills:
            expiring |= self.expiring[name]
        return expiring

    def _among(self, names: Iterable[str]) -> Mask:
        mask = np.zeros(len(self.model.technicians), dtype=bool)
        mask[[self.number[name] for name in names if name in self.number]] = True
        return mask

    def _open(self, column: Ints, people: Any, starts: tuple[Interval, ...]) -> None:
        if not starts:
            return
        column[people, EARLIEST] = max(-LATE, starts[0][0])
        column[people, LATEST] = min(LATE - 1, starts[-1][1])
        if len(starts) > 1:
            column[people, HOLES] = self._hole(starts)

    def _hole(self, starts: tuple[Interval, ...]) -> int:
        if starts not in self.known_holes:
            self.known_holes[starts] = len(self.holes_from) - 1
            self.holes.extend((max(-LATE, low), min(LATE - 1, high)) for low, high in starts)
            self.holes_from.append(len(self.holes))
        return self.known_holes[starts]


def _abilities(technician: Technician) -> Any:
    return (
        tuple(sorted((name, skill.level, skill.expires_minute) for name, skill in technician.skills.items())),
        tuple(sorted(technician.territories)),
        technician.speed_factor,
        technician.capacity_units,
        tuple(sorted(technician.parts.items())),
    )


def _named(model: Model) -> set[str]:
    """The technicians that some visit names, or that people expect: what they cost is their own."""
    named: set[str] = {each for technicians, _ in model.published.values() for each in technicians}
    for visit in model.visits:
        named.update(visit.required_technicians, visit.preferred_technicians, visit.excluded_technicians)
        if visit.pin is not None and visit.pin.technician_ids is not None:
            named.update(visit.pin.technician_ids)
    return named


def tables_of(model: Model) -> Tables:
    """The arrays of a model; a second for a thousand visits and two hundred technicians."""
    slot_visit = [number for number, visit in enumerate(model.visits) for _ in range(visit.crew_size)]
    fit = _FitTable(model)
    by_visit = fit.fill()
    fits = np.ascontiguousarray(by_visit[:, slot_visit])
    vehicles, breaks = _vehicles(model)
    minutes, metres, paces, pace_counts = _roads(model)
    visits = _visits(model)
    slots = _slots(model, slot_visit)
    candidates = _candidates(model, by_visit, vehicles)
    cents = _cents(vehicles, minutes, metres)
    handling = np.zeros(len(model.problem.places), dtype=np.int32)
    minutes, metres, cents, handling = _past_the_stocks(model, slots, minutes, metres, cents, handling)
    arcs, arcs_in = _arcs(model, visits)
    groups, before = _groups(model, visits)
    names = sorted({name for visit in model.visits for name in visit.parts})
    width = _stops_max(model, fits, slots, vehicles, minutes) + 3
    neighbours = _neighbours(model, minutes[0], metres[0])
    orders = _orders(model, by_visit, minutes[0], candidates[1])
    sizes = {
        "SLOTS": len(slots),
        "VISITS": len(visits),
        "VEHICLES": len(vehicles),
        "TECHNICIANS": len(model.technicians),
        "PLACES": minutes.shape[1],
        "PACES": paces.shape[1],
        "NEIGHBOURS": neighbours.shape[1],
        "ORDERS": len(orders),
        "PARTS": len(names),
        "STOCKS": len(model.problem.stocks),
        "GROUPS": len(groups[1]) - 1,
        "KINDS": int(vehicles[:, KIND].max(initial=-1)) + 1,
        "WIDTH": width,
        "LEVELS": int(vehicles[:, BREAKS].max(initial=0)) + 1,
        "POOL": _pool_rows(width),
    }
    return Tables(
        sizes=np.array([sizes[name] for name in SIZE_NAMES], dtype=np.int64),
        slots=slots,
        visits=visits,
        vehicles=vehicles,
        fits=fits,
        holes=np.array(fit.holes or [(0, 0)], dtype=np.int32),
        holes_from=np.array(fit.holes_from, dtype=np.int32),
        minutes=minutes,
        metres=metres,
        cents=cents,
        paces=paces,
        pace_counts=pace_counts,
        breaks=breaks,
        neighbours=neighbours,
        candidates=candidates[0],
        candidates_from=candidates[1],
        arcs=arcs[0],
        arcs_from=arcs[1],
        arcs_in=arcs_in[0],
        arcs_in_from=arcs_in[1],
        groups=groups[0],
        groups_from=groups[1],
        before=before[0],
        before_from=before[1],
        parts_needed=np.array(
            [[visit.parts.get(name, 0) for name in names] for visit in model.visits], dtype=np.int32
        ).reshape(len(model.visits), len(names)),
        parts_carried=np.array(
            [[each.parts.get(name, 0) for name in names] for each in model.technicians], dtype=np.int32
        ).reshape(len(model.technicians), len(names)),
        stocked=np.array(
            [[stock.parts.get(name, 0) for name in names] for stock in model.problem.stocks], dtype=np.int32
        ).reshape(len(model.problem.stocks), len(names)),
        handling=handling,
        orders=orders,
        weights=_weights(model),
        policy=np.array(
            [
                model.problem.policy.balance_cents_per_minute,
                model.problem.policy.worst_lateness_cents_per_minute,
                model.problem.policy.wait_cents_per_minute,
            ],
            dtype=np.int64,
        ),
    )


def _weights(model: Model) -> Floats:
    """One number to anneal with; between answers the exact tiers decide."""
    lateness = 1.0
    if model.lateness_scale > model.wishes_scale:
        lateness = 1_000.0
    elif model.lateness_scale < model.wishes_scale:
        lateness = 0.001
    return np.array([1e10, lateness, 1.0])


def _listed(rows: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
    starts = np.zeros(len(rows) + 1, dtype=np.int32)
    starts[1:] = np.cumsum([len(row) for row in rows])
    return np.array([each for row in rows for each in row], dtype=np.int32), starts


def _vehicles(model: Model) -> tuple[Longs, Ints]:
    rows = np.zeros((len(model.vehicles), VEHICLE_COLUMNS), dtype=np.int64)
    breaks: list[tuple[int, int, int]] = []
    profiles = {id(matrix): profile for profile, matrix in enumerate(_matrices(model))}
    kinds: dict[Any, int] = {}
    named = _named(model)
    for number, vehicle in enumerate(model.vehicles):
        person = model.technicians[vehicle.technician]
        alike: Any = number
        single = len(model.vehicles_of[vehicle.technician]) == 1
        if single and not person.parts and person.id not in named:
            alike = (
                vehicle.first_minute,
                vehicle.end_minute,
                vehicle.last_minute,
                vehicle.start_place,
                vehicle.end_place,
                vehicle.breaks,
                profiles[id(model.travel[vehicle.technician])],
                person.cost_cents_per_minute,
                person.cost_cents_per_kilometre,
                person.cost_cents_per_shift,
                person.overtime_cents_per_minute,
                _abilities(person),
            )
        rows[number] = (
            vehicle.technician,
            vehicle.first_minute,
            vehicle.end_minute,
            vehicle.last_minute,
            vehicle.start_place,
            vehicle.end_place,
            profiles[id(model.travel[vehicle.technician])],
            person.cost_cents_per_minute,
            person.cost_cents_per_kilometre,
            person.cost_cents_per_shift,
            person.overtime_cents_per_minute if vehicle.last_minute > vehicle.end_minute else 0,
            CAPACITY_ENDLESS if person.capacity_units is None else person.capacity_units,
            kinds.setdefault(alike, len(kinds)),
            len(breaks),
            len(vehicle.breaks),
            -1,
        )
        breaks.extend(vehicle.breaks)
    return rows, np.array(breaks or [(0, 0, 0)], dtype=np.int32)


def _cents(vehicles: Longs, minutes: Ints, metres: Ints) -> Ints:
    """The price of each leg for each kind of prices, which the vehicles are told."""
    kinds: dict[tuple[int, int, int], int] = {}
    for row in vehicles:
        key = int(row[PROFILE]), int(row[MINUTE_CENTS]), int(row[KILOMETRE_CENTS])
        row[PRICES] = kinds.setdefault(key, len(kinds))
    size = minutes.shape[1]
    if len(kinds) * size * size > CENTS_CELLS_MAX:
        vehicles[:, PRICES] = -1
        return np.zeros((1, 1, 1), dtype=np.int32)
    cents = np.empty((len(kinds), size, size), dtype=np.int32)
    for (profile, minute, kilometre), index in kinds.items():
        legs = minutes[profile].astype(np.int64) * minute + (metres[profile].astype(np.int64) * kilometre + 500) // 1000
        cents[index] = np.minimum(legs, LATE)
    return cents


def _past_the_stocks(
    model: Model, slots: Longs, minutes: Ints, metres: Ints, cents: Ints, handling: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    """A place of its own for each visit whose parts lie in a stock: the ways in lead over the nearest that has them,
    the ways out are those of the visit. Where the hour matters the time at the stock is road as well, and both halves
    are rounded as one: as many minutes more as that may save."""
    stock_of: dict[int, int] = {}
    for number, visit in enumerate(model.visits):
        having = [
            index
            for index, stock in enumerate(model.problem.stocks)
            if all(stock.parts.get(name, 0) >= amount for name, amount in visit.parts.items())
        ]
        if visit.parts and having:
            there = model.place[number]
            stock_of[number] = min(having, key=lambda each: (int(minutes[0, model.stock_place[each], there]), each))
    if not stock_of:
        return minutes, metres, cents, handling
    numbers = list(stock_of)
    ends = np.array([model.place[number] for number in numbers], dtype=np.int64)
    stocks = np.array([model.stock_place[stock_of[number]] for number in numbers], dtype=np.int64)
    at_stock = np.array([model.stock_minutes[stock_of[number]] for number in numbers], dtype=np.int32)
    grown = []
    for matrix in (minutes, metres, cents):
        if matrix.shape[1] == 1 < minutes.shape[1]:
            grown.append(matrix)  # there are too many kinds of prices for a table
            continue
        wide = np.concatenate((matrix, matrix[:, :, stocks] + matrix[:, stocks, ends][:, None, :]), axis=2)
        grown.append(np.ascontiguousarray(np.concatenate((wide, wide[:, ends, :]), axis=1)))
    size = minutes.shape[1]
    for profile, travel in enumerate(_matrices(model)):
        fastest = max((each.progress for each in travel.slowdowns), default=FREE_PROGRESS)
        road = (at_stock.astype(np.int64) + bool(travel.slowdowns)) * max(fastest, FREE_PROGRESS)
        grown[0][profile, :, size:] += (-(-road // FREE_PROGRESS)).astype(np.int32)
    place = {number: size + index for index, number in enumerate(numbers)}
    for row in slots:
        if int(row[VISIT]) in place:
            row[FETCH_PLACE], row[FETCH_STOCK] = place[int(row[VISIT])], stock_of[int(row[VISIT])]
    return grown[0], grown[1], grown[2], np.concatenate((handling, at_stock))


def _matrices(model: Model) -> list[TravelMatrix]:
    """One for each travel profile, in the order of their numbers."""
    return list({id(matrix): matrix for matrix in model.travel}.values())


def _roads(model: Model) -> tuple[Ints, Ints, Longs, Ints]:
    matrices = _matrices(model)
    size = len(model.problem.places)
    minutes = np.empty((len(matrices), size, size), dtype=np.int32)
    metres = np.empty((len(matrices), size, size), dtype=np.int32)
    segments = [list(zip(each.pace.minutes, each.pace.progress, each.pace.done, strict=False)) for each in matrices]
    paces = np.zeros((len(matrices), max(map(len, segments), default=0) or 1, 3), dtype=np.int64)
    for index, matrix in enumerate(matrices):
        minutes[index] = _square(matrix.minutes)
        metres[index] = _square(matrix.metres)
        if segments[index]:
            paces[index, : len(segments[index])] = segments[index]
    return minutes, metres, paces, np.array([len(each) for each in segments], dtype=np.int32)


def _square(rows: Sequence[Sequence[int]]) -> Ints:
    square = np.empty((len(rows), len(rows)), dtype=np.int32)
    for index, row in enumerate(rows):
        square[index] = row
    return square


def _visits(model: Model) -> Longs:
    rows = np.zeros((len(model.visits), VISIT_COLUMNS), dtype=np.int64)
    slot = 0
    for number, visit in enumerate(model.visits):
        points = model.problem.policy.priority_weight(visit.priority) if visit.mandatory else 0
        same = -1 if visit.same_technician_as is None else model.visit_number[visit.same_technician_as]
        rows[number] = slot, visit.crew_size, points, visit.price_cents, -1, same
        slot += visit.crew_size
    return rows


def _slots(model: Model, slot_visit: Sequence[int]) -> Longs:
    rows = np.zeros((len(slot_visit), SLOT_COLUMNS), dtype=np.int64)
    policy = model.problem.policy
    for slot, number in enumerate(slot_visit):
        visit = model.visits[number]
        rate = visit.lateness_cents_per_minute * policy.priority_weight(visit.priority)
        # The visit as a whole is late, however many come: only its first slot is charged.
        first = slot == 0 or slot_visit[slot - 1] != number
        due = visit.due_minute if first else None
        late_cents = 0 if due is None else rate
        is_published = visit.id in model.published
        rows[slot] = (
            model.place[number],
            number,
            LATE if due is None else due,
            late_cents if visit.mandatory else 0,
            0 if visit.mandatory else late_cents,
            model.published[visit.id][1] if is_published else -LATE,
            policy.moved_cents_per_minute if is_published else 0,
            visit.load_units,
            int(late_cents > 0 or (is_published and policy.moved_cents_per_minute > 0)),
            int(model.is_linked[number]),
            -1,
            -1,
        )
    return rows


def _candidates(model: Model, fits: Ints, vehicles: Longs) -> tuple[Ints, Ints]:
    """The vehicles whose shift holds some allowed start of the visit."""
    technicians = vehicles[:, TECHNICIAN]
    rows: list[Sequence[int]] = []
    for number in range(len(model.visits)):
        fit = fits[technicians, number]
        open_ = (
            (fit[:, EARLIEST] <= fit[:, LATEST])
            & (fit[:, LATEST] >= vehicles[:, FIRST])
            & (np.maximum(fit[:, EARLIEST], vehicles[:, FIRST]) + fit[:, MINUTES] <= vehicles[:, LAST])
        )
        rows.append(np.flatnonzero(open_).tolist())
    return _listed(rows)


def _neighbours(model: Model, minutes: Ints, metres: Ints) -> Ints:
    """The visits nearest to each, itself first, by the shorter way of both."""
    places = np.array(model.place, dtype=np.int64)
    count = len(places)
    kept = min(count, NEIGHBOURS_MAX)
    rows = np.zeros((count, kept), dtype=np.int32)
    # Where many visits share a minute, metres tell them apart.
    for number in range(count):
        here = places[number]
        distance = np.minimum(minutes[here, places], minutes[places, here]).astype(np.float64)
        distance += np.minimum(metres[here, places], metres[places, here]) * 1e-6
        distance[number] = -1.0
        nearest = np.argpartition(distance, kept - 1)[:kept] if kept < count else np.arange(count)
        rows[number] = nearest[np.argsort(distance[nearest], kind="stable")]
    return rows


def _arcs(model: Model, visits: Longs) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    found: list[tuple[int, int, int, int, int]] = []

    def slots_of(number: int) -> range:
        return range(int(visits[number, FIRST_SLOT]), int(visits[number, FIRST_SLOT] + visits[number, CREW]))

    for number, visit in enumerate(model.visits):
        own = slots_of(number)
        found.extend((one, other, 0, 0, 0) for one in own for other in own if one != other)
        for link in visit.after:
            for first in slots_of(model.visit_number[link.visit_id]):
                for then in own:
                    found.append((first, then, link.gap_minutes_min, int(not link.from_start), 0))
                    if link.gap_minutes_max is not None:
                        found.append((then, first, -link.gap_minutes_max, 0, int(not link.from_start)))
    found.sort()
    count = int(sum(visit.crew_size for visit in model.visits))
    outgoing: list[list[int]] = [[] for _ in range(count)]
    incoming: list[list[int]] = [[] for _ in range(count)]
    for index, (first, then, *_) in enumerate(found):
        outgoing[first].append(index)
        incoming[then].append(index)
    rows = np.array(found or [(0, 0, 0, 0, 0)], dtype=np.int32)
    return (rows, _listed(outgoing)[1]), _listed(incoming)


def _groups(model: Model, visits: Longs) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    from optimizer.construct import groups_of

    groups = groups_of(model)
    for index, group in enumerate(groups):
        for number in group:
            visits[number, GROUP] = index
    before = [[model.visit_number[link.visit_id] for link in visit.after] for visit in model.visits]
    return _listed(groups), _listed(before)


def _orders(model: Model, fits: Ints, minutes: Ints, candidates_from: Ints) -> Floats:
    """Keys to insert by, lowest first; far and near are told from where the vehicles start."""
    count = len(model.visits)
    starts = np.unique([vehicle.start_place for vehicle in model.vehicles])[:200]
    places = np.array(model.place, dtype=np.int64)
    near = minutes[np.ix_(starts, places)].min(axis=0).astype(np.float64) if len(starts) and count else np.zeros(count)
    opens = np.full(count, float(LATE))
    closes = np.full(count, -float(LATE))
    if len(fits):
        opens = fits[:, :, EARLIEST].min(axis=0).astype(np.float64)
        closes = fits[:, :, LATEST].max(axis=0).astype(np.float64)
    due = np.array([visit.due_minute if visit.due_minute is not None else LATE for visit in model.visits], dtype=float)
    closes = np.minimum(closes, due) if count else closes
    loss = np.array(
        [
            model.problem.policy.priority_weight(visit.priority) * 1e6 if visit.mandatory else float(visit.price_cents)
            for visit in model.visits
        ]
    )
    work = np.array([float(visit.duration_minutes * visit.crew_size) for visit in model.visits])
    load = np.array([float(visit.load_units) for visit in model.visits])
    choices = np.diff(candidates_from).astype(np.float64)
    rows = [
        -(load * 1e6 + work),
        -near,
        near,
        closes - opens,
        opens,
        -closes,
        -loss,
        choices,
        -loss / (work + 20.0),
        work,
    ]
    return np.ascontiguousarray(np.array(rows).reshape(len(rows), count))


def _stops_max(model: Model, fits: Ints, slots: Longs, vehicles: Longs, roads: Ints) -> int:
    """More stops than this no shift can hold: the shortest works with the shortest ways between them."""
    count = len(slots)
    if not count or not len(vehicles):
        return 1
    work = fits[:, :, MINUTES].min(axis=0).astype(np.int64)
    places = np.unique(slots[:, PLACE])
    # Fast hours, and ways past a stock that save time, may be shorter than any of these.
    shorter = any(each.progress > FREE_PROGRESS for matrix in model.travel for each in matrix.slowdowns)
    shorter |= bool((slots[:, FETCH_PLACE] >= 0).any())
    nearest = np.zeros(len(places), dtype=np.int64)
    if len(places) == count > 1 and not shorter:
        minutes = roads.min(axis=0)[np.ix_(places, places)].astype(np.int64)
        np.fill_diagonal(minutes, LATE)
        nearest = minutes.min(axis=0)
    cost = np.sort(work + nearest[np.searchsorted(places, slots[:, PLACE])])
    longest = int((vehicles[:, LAST] - vehicles[:, FIRST]).max())
    # The first stop may be where the route starts.
    return min(count, int(np.searchsorted(np.cumsum(cost), longest, side="right")) + 2)


def _pool_rows(width: int) -> int:
    rows = 4
    while rows < POOL_ROUTES_MAX and rows * 2 * width * 8 <= POOL_BYTES_MAX:
        rows *= 2
    return rows


def state_of(tables: Tables, seed: int) -> State:
    """An empty solution, and the room the kernel needs."""
    size = {name: int(tables.sizes[index]) for index, name in enumerate(SIZE_NAMES)}
    vehicles, slots, visits, width = size["VEHICLES"], size["SLOTS"], size["VISITS"], size["WIDTH"]
    mixed = (seed * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF

    def ints(*shape: int, fill: int = 0) -> Ints:
        return np.full(shape, fill, dtype=np.int32)

    def longs(*shape: int) -> Longs:
        return np.zeros(shape, dtype=np.int64)

    where = ints(slots, WHERE_COLUMNS)
    where[:, ROUTE], where[:, BOUND] = -1, -LATE
    return State(
        routes=ints(vehicles, width, fill=-1),
        places=ints(vehicles, width),
        legs=ints(vehicles, width),
        facts=longs(vehicles, FACT_COLUMNS),
        forward=ints(vehicles, width, size["LEVELS"]),
        backward=ints(vehicles, width, size["LEVELS"]),
        where=where,
        totals=longs(4),
        balance=longs(1),
        used=ints(size["TECHNICIANS"], size["PARTS"]),
        fetched=ints(size["STOCKS"], size["PARTS"]),
        random=np.array([mixed or 1], dtype=np.uint64).view(np.int64),
        blink=longs(1),
        level=ints(1),
        saved_routes=ints(2, vehicles, width, fill=-1),
        saved_places=ints(vehicles, width),
        saved_legs=ints(vehicles, width),
        saved_facts=longs(2, vehicles, FACT_COLUMNS),
        saved_forward=ints(vehicles, width, size["LEVELS"]),
        saved_backward=ints(vehicles, width, size["LEVELS"]),
        saved_starts=ints(2, vehicles, width),
        saved_bounds=ints(2, vehicles, width),
        saved_fetched=ints(2, vehicles, width),
        saved_totals=longs(2, 4),
        touched=ints(2, vehicles + 1),
        is_touched=ints(2, vehicles),
        best_routes=ints(vehicles, width, fill=-1),
        best_counts=ints(vehicles),
        best_starts=ints(vehicles, width),
        best_fetched=ints(vehicles, width),
        best_totals=longs(4),
        best_balance=longs(1),
        best_energy=np.full(1, np.inf),
        labels=longs(2, LABELS + 1, 4),
        origins=ints(width, LABELS + 1),
        label_starts=ints(width, LABELS + 1),
        sequence=ints(width),
        starts=ints(width),
        verdict=longs(5),
        absent=ints(visits + 1),
        removed=ints(visits + 1),
        seed=longs(1),
        opening=longs(1),
        fresh=ints(visits + 1),
        keys=np.zeros(visits + 1),
        scratch=ints(vehicles + 1),
        is_stale=ints(vehicles + 1),
        queue=ints(vehicles + 1),
        ruined=ints(vehicles + 1),
        marks=ints(width),
        stamps=longs(size["KINDS"] + 1),
        near=longs(vehicles + 1),
        place=np.zeros(3),
        heap=np.zeros(slots + vehicles + 1),
        heap_where=longs(slots + vehicles + 1),
        pool=ints(size["POOL"], width),
        pool_starts=ints(size["POOL"], width),
        pool_facts=longs(size["POOL"], POOL_COLUMNS),
        pool_age=longs(1),
    )
