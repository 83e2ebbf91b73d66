"""Days of field service, made by seed: `200x20`, or `200x20_7` with a seed of its own.

The land is a city, towns around it and the country between; legs are slow in town and fast outside. A plain day has
what plain routing solvers can say too: skills, windows, shifts, preferences, prices. A full day has every rule on.
Costs are whole currency cents of lateness and wishes together; a mandatory visit left out is charged as many as
`MANDATORY_CENTS`, so that one number compares all plans.
"""

import random
from collections.abc import Sequence
from functools import partial
from math import cos, radians

import numpy

from optimizer import (
    After,
    Break,
    Pin,
    Place,
    Plan,
    Policy,
    Problem,
    Shift,
    Skill,
    Technician,
    Tier,
    TravelMatrix,
    Visit,
    Window,
    score,
)
from tests.benchmarks.planning.instances import Instance

SKILLS = ("gas", "heating", "solar", "heat pump", "water", "electric", "fiber", "elevator")
PARTS = ("pump", "valve", "meter", "inverter")
MANDATORY_CENTS = 100_000
# From the middle of the land; a degree of latitude is this long.
MIDDLE, KILOMETRES_PER_DEGREE = (51.0, 10.0), 111.2
ROAD_FACTOR = 1.3
# Parking and walking, then kilometres at a speed that grows with the way: town, main road, motorway.
MINUTES_PER_LEG, STRETCHES = 3.0, ((4.0, 28.0), (16.0, 50.0), (float("inf"), 85.0))
SITES_MAX = 2_000
OPEN, CLOSE = 480, 1020


def plain_day(name: str) -> Instance:
    return _named("plain", name, full=False)


def full_day(name: str) -> Instance:
    return _named("day", name, full=True)


def _named(kind: str, name: str, full: bool) -> Instance:
    size, _, seed = name.partition("_")
    visits, technicians = map(int, size.split("x"))
    problem = field_service_day(visits, technicians, int(seed or 1), full=full)
    return Instance(f"{kind}/{name}", problem, partial(cost, problem))


def cost(problem: Problem, plan: Plan) -> float | None:
    value = score(problem, plan)
    if value.violations:
        return None
    return float(MANDATORY_CENTS * value.mandatory_points + value.lateness_cents + value.wishes_cents)


def field_service_day(visits: int, technicians: int, seed: int = 1, *, full: bool = True) -> Problem:
    dice = random.Random(f"{visits} {technicians} {seed}")
    land = _Land(dice, technicians)
    sites = [land.place(f"site {number}") for number in range(min(visits, SITES_MAX))]
    homes = [land.place(f"home {number}") for number in range(technicians)]
    crew = tuple(_technician(dice, number, home, land, full) for number, home in enumerate(homes))
    target = 470 * technicians / visits - 14
    at = [sites[number] if number < len(sites) else dice.choice(sites) for number in range(visits)]
    work = [_visit(dice, number, site, target, crew, land) for number, site in enumerate(at)]
    if full:
        work = [_with_more_rules(dice, number, work, crew) for number in range(visits)]
    places = tuple(sites + homes)
    joined = Policy(tiers=((Tier.HARD,), (Tier.MANDATORY,), (Tier.LATENESS, Tier.WISHES)))
    return Problem(technicians=crew, visits=tuple(work), places=places, travel=_travel(places), policy=joined)


class _Land:
    """Towns with weights: the first is the city, and a fifth of all lies outside of any."""

    def __init__(self, dice: random.Random, technicians: int) -> None:
        self.dice = dice
        self.half_kilometres = 5.0 * technicians**0.5
        count = 2 + technicians // 6
        self.towns = [(0.0, 0.0)] + [(self._anywhere(), self._anywhere()) for _ in range(count)]
        self.weights = [count * 0.6] + [dice.uniform(0.3, 1.5) for _ in range(count)]

    def _anywhere(self) -> float:
        return self.dice.uniform(-self.half_kilometres, self.half_kilometres)

    def place(self, name: str) -> Place:
        if self.dice.random() < 0.2:
            east, north = self._anywhere(), self._anywhere()
        else:
            town = self.dice.choices(range(len(self.towns)), self.weights)[0]
            spread = 5.0 if town == 0 else 2.0
            east = self.dice.gauss(self.towns[town][0], spread)
            north = self.dice.gauss(self.towns[town][1], spread)
        latitude = MIDDLE[0] + north / KILOMETRES_PER_DEGREE
        return Place(name, latitude, MIDDLE[1] + east / (KILOMETRES_PER_DEGREE * cos(radians(MIDDLE[0]))))

    def territory(self, place: Place) -> str:
        """A quarter of the land."""
        north, east = place.latitude >= MIDDLE[0], place.longitude >= MIDDLE[1]
        return f"{'north' if north else 'south'}-{'east' if east else 'west'}"


def _travel(places: Sequence[Place]) -> TravelMatrix:
    latitude = numpy.array([place.latitude for place in places])
    longitude = numpy.array([place.longitude for place in places])
    north = (latitude[:, None] - latitude[None, :]) * KILOMETRES_PER_DEGREE
    east = (longitude[:, None] - longitude[None, :]) * KILOMETRES_PER_DEGREE * cos(radians(MIDDLE[0]))
    kilometres = numpy.hypot(north, east) * ROAD_FACTOR
    minutes, left = numpy.where(kilometres > 0, MINUTES_PER_LEG, 0.0), kilometres.copy()
    for length, speed in STRETCHES:
        minutes += numpy.minimum(left, length) / speed * 60
        left = numpy.maximum(0, left - length)
    return TravelMatrix(_rows(numpy.ceil(minutes)), _rows(kilometres * 1000))


def _rows(array: numpy.ndarray) -> tuple[tuple[int, ...], ...]:
    return tuple(map(tuple, array.round().astype(int).tolist()))


def _technician(dice: random.Random, number: int, home: Place, land: _Land, full: bool) -> Technician:
    starts = OPEN + dice.choice((-30, 0, 0, 30)) if full else OPEN
    shift = Shift(starts, starts + 510, home.id, home.id)
    skills = {name: Skill(dice.randint(1, 3)) for name in dice.sample(SKILLS, dice.choice((3, 4, 4, 5)))}
    if not full:
        shift = Shift(starts, starts + 510, home.id, home.id)
        return Technician(id=f"t{number:03}", shifts=(shift,), skills=skills,
                          cost_cents_per_minute=50, cost_cents_per_kilometre=30)  # fmt: skip
    lunch = (Break(660, 780, 30),)
    shift = Shift(starts, starts + 510, home.id, home.id, dice.choice((0, 60, 90)), lunch)
    return Technician(
        id=f"t{number:03}",
        shifts=(shift,),
        skills=skills,
        territories=(land.territory(home),) if dice.random() < 0.15 else (),
        speed_factor=dice.choice((0.8, 1.0, 1.0, 1.0, 1.25)),
        cost_cents_per_minute=dice.choice((45, 50, 55)),
        cost_cents_per_kilometre=30,
        overtime_cents_per_minute=100,
        parts={name: dice.randint(0, 3) for name in PARTS},
    )


def _visit(
    dice: random.Random, number: int, site: Place, target: float, crew: Sequence[Technician], land: _Land
) -> Visit:
    """An optional visit with a price by priority, as every engine can say it."""
    priority = dice.choices((1, 2, 3, 4, 5), (1, 2, 4, 2, 1))[0]
    opens = dice.choice((480, 600, 720, 840))
    skill = dice.choice(SKILLS)
    second = dice.choice(SKILLS) if dice.random() < 0.1 else skill
    preferred = tuple(each.id for each in dice.sample(list(crew), min(2, len(crew)))) if dice.random() < 0.25 else ()
    return Visit(
        id=f"v{number:04}",
        place=site.id,
        duration_minutes=max(10, 5 * round(target * dice.choice((0.5, 0.75, 1, 1.25, 1.5)) / 5)),
        windows=(Window(opens, opens + 120),) if dice.random() < 0.5 else (),
        priority=priority,
        mandatory=False,
        price_cents=(24_000, 16_000, 10_000, 7_000, 5_000)[priority - 1] + 10 * dice.randint(0, 200),
        required_skills={skill: dice.choice((1, 1, 2, 2, 3))} | ({second: 1} if second != skill else {}),
        preferred_technicians=preferred,
        territory=land.territory(site),
    )


def _with_more_rules(dice: random.Random, number: int, work: Sequence[Visit], crew: Sequence[Technician]) -> Visit:
    """Promises, due times, mandatory visits, crews, sequences, parts and pins."""
    from dataclasses import replace

    visit, kind = work[number], dice.random()
    if dice.random() < 0.4:
        due = dice.choice((630, 720, 840)) + 45 * (visit.priority - 3)
        # Nobody is told a time to be late by.
        due = max([due, *(window.earliest_minute + 30 for window in visit.windows)])
        visit = replace(visit, due_minute=due, lateness_cents_per_minute=20)
    if dice.random() < 0.1:
        visit = replace(visit, parts={dice.choice(PARTS): dice.randint(1, 2)})
    if kind < 0.10:
        opens = dice.choice((480, 600, 720, 840))
        return replace(visit, windows=(), promised=Window(opens, opens + 180), mandatory=True, price_cents=0)
    if kind < 0.125:
        return replace(visit, crew_size=2, required_skills=dict.fromkeys(visit.required_skills, 1), windows=())
    if kind < 0.15 and number:
        other = work[number - 1]
        return replace(visit, place=other.place, windows=(), after=(After(other.id, 0, 120),), required_skills={})
    if kind < 0.16:
        able = [each for each in crew if not each.territories
                and all(each.skills.get(name, Skill(1)).level >= level and name in each.skills
                        for name, level in visit.required_skills.items())]  # fmt: skip
        if able:
            return replace(visit, windows=(), parts={}, pin=Pin((dice.choice(able).id,)))
    if kind < 0.20:
        return replace(visit, windows=(Window(480, 570), Window(840, 960)))
    return visit
