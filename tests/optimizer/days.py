"""Random small days with every rule on, for properties that hold of any day."""

from dataclasses import replace

from hypothesis import strategies as st

from optimizer.plan import Plan
from optimizer.problem import (
    After,
    Break,
    Pin,
    Policy,
    Problem,
    Shift,
    Skill,
    Slowdown,
    Stock,
    Technician,
    TravelMatrix,
    Visit,
    Window,
)
from tests.optimizer.given import NAMES, PLACES

TECHNICIANS = ("ann", "bob", "cid")
SKILLS = ("gas", "solar")


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object | None]:
    return st.none() | strategy


@st.composite
def matrices(draw: st.DrawFn) -> TravelMatrix:
    """Anything but a matrix with a road to oneself: detours may be shorter than the direct way."""
    legs = st.integers(0, 40)
    minutes = tuple(tuple(0 if here == there else draw(legs) for there in range(5)) for here in range(5))
    metres = tuple(tuple(each * 700 for each in row) for row in minutes)
    slow = (Slowdown(60, 120, draw(st.sampled_from((0.5, 1.5)))),) if draw(st.booleans()) else ()
    return TravelMatrix(minutes, metres, slow)


@st.composite
def shifts(draw: st.DrawFn, after_minute: int) -> Shift:
    start = after_minute + draw(st.integers(0, 60))
    breaks: list[Break] = []
    for opens in draw(st.sampled_from(((), (), (60,), (30, 100)))):
        breaks.append(Break(start + opens, start + opens + draw(st.integers(20, 40)), draw(st.integers(5, 30))))
    return Shift(
        start,
        start + 200,
        draw(st.sampled_from(NAMES)),
        draw(st.sampled_from((*NAMES, None))),
        draw(st.sampled_from((0, 30))),
        tuple(breaks),
    )


@st.composite
def technicians(draw: st.DrawFn, name: str) -> Technician:
    days = [draw(shifts(0))]
    if draw(st.integers(0, 3)) == 0:
        days.append(draw(shifts(days[0].last_minute)))
    expiry = st.none() | st.integers(100, 300)
    return Technician(
        id=name,
        shifts=tuple(days),
        skills={each: Skill(draw(st.integers(1, 3)), draw(expiry)) for each in SKILLS if draw(st.booleans())},
        territories=draw(st.sampled_from(((), (), ("north",), ("north", "south")))),
        speed_factor=draw(st.sampled_from((1.0, 1.0, 0.7, 2.0))),
        cost_cents_per_minute=draw(st.integers(0, 50)),
        cost_cents_per_kilometre=draw(st.integers(0, 30)),
        cost_cents_per_shift=draw(st.sampled_from((0, 500))),
        overtime_cents_per_minute=draw(st.sampled_from((0, 80))),
        capacity_units=draw(st.sampled_from((None, 3))),
        parts={"fuse": draw(st.integers(0, 2))},
    )


@st.composite
def windows(draw: st.DrawFn) -> Window:
    opens = draw(st.integers(0, 250))
    return Window(opens, opens + draw(st.integers(0, 120)), draw(st.booleans()))


@st.composite
def visits(draw: st.DrawFn, number: int, linked: bool) -> Visit:
    seldom = st.integers(0, 4).map(lambda each: each == 0)
    mandatory, crew_size = draw(st.booleans()), draw(st.sampled_from((1, 1, 2))) if linked else 1
    after: tuple[After, ...] = ()
    if linked and number and draw(seldom):
        gap = draw(st.integers(0, 20))
        most = gap + draw(st.integers(0, 60)) if draw(st.booleans()) else None
        after = (After(f"v{draw(st.integers(0, number - 1))}", gap, most, draw(st.booleans())),)
    pin = None
    if draw(seldom):
        who = draw(st.permutations(TECHNICIANS))[:crew_size] if draw(st.booleans()) else None
        pin = Pin(None if who is None else tuple(who), draw(st.integers(20, 200)) if who is None else None)
    excluded = (draw(st.sampled_from(TECHNICIANS)),) if draw(seldom) else ()
    others = tuple(each for each in TECHNICIANS if each not in excluded)
    return Visit(
        id=f"v{number}",
        place=draw(st.sampled_from(NAMES)),
        duration_minutes=draw(st.integers(0, 50)),
        windows=tuple(draw(st.lists(windows(), max_size=2))),
        promised=draw(windows()) if draw(seldom) else None,
        release_minute=draw(st.integers(0, 100)) if draw(seldom) else None,
        due_minute=draw(st.none() | st.integers(0, 250)),
        priority=draw(st.integers(1, 5)),
        mandatory=mandatory,
        price_cents=0 if mandatory else draw(st.integers(0, 5000)),
        required_skills={draw(st.sampled_from(SKILLS)): draw(st.integers(1, 2))} if draw(st.booleans()) else {},
        required_technicians=others if draw(seldom) else (),
        excluded_technicians=excluded,
        preferred_technicians=draw(st.sampled_from(((), ("ann",)))),
        territory=draw(st.sampled_from((None, None, "north", "south"))),
        crew_size=crew_size,
        after=after,
        same_technician_as=f"v{draw(st.integers(0, number - 1))}" if linked and number and draw(seldom) else None,
        load_units=draw(st.integers(0, 2)),
        parts=draw(st.sampled_from(({}, {}, {"fuse": 1}, {"fuse": 2}, {"pump": 1}, {"fuse": 1, "pump": 1}))),
        pin=pin,
    )


@st.composite
def stocks(draw: st.DrawFn) -> tuple[Stock, ...]:
    """None, one or two, with a few parts for all."""
    places = draw(st.sampled_from(((), (), ("park",), ("depot", "quay"))))
    return tuple(
        Stock(place, {"fuse": draw(st.integers(0, 3)), "pump": draw(st.integers(0, 2))}, draw(st.sampled_from((0, 7))))
        for place in places
    )


@st.composite
def problems(
    draw: st.DrawFn, visits_max: int = 7, linked: bool = True, technicians_max: int = 3, stocked: bool = False
) -> Problem:
    crew = tuple(draw(technicians(name)) for name in TECHNICIANS[: draw(st.integers(1, technicians_max))])
    work = tuple(draw(visits(number, linked)) for number in range(draw(st.integers(0, visits_max))))
    policy = Policy(
        wait_cents_per_minute=draw(st.sampled_from((0, 3))),
        balance_cents_per_minute=draw(st.integers(0, 5)),
        worst_lateness_cents_per_minute=draw(st.sampled_from((0, 0, 40))),
    )
    return Problem(
        technicians=crew,
        visits=work,
        places=PLACES,
        travel=draw(matrices()),
        policy=policy,
        stocks=draw(stocks()) if stocked else (),
    )


def with_published(question: Problem, plan: Plan) -> Problem:
    return replace(question, published=plan)
