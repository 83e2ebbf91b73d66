"""How good plans are, and how soon: Solomon's instances against the best known, and generated days.

    python tests/benchmarks/bench_planning.py [--quick] [--seconds 10] [--instances C101 R101 …]

Solomon's files are looked for in `$TRUCKROLL_SHARED_DATA/solomon`, then in `../shared/data/solomon` beside
the repository; without them only the generated days run. Distances are truncated to one decimal, vehicles free.
"""

import argparse
import csv
import os
import random
import sys
import time
from math import hypot
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from optimizer import (  # noqa: E402
    Break,
    Place,
    Plan,
    Problem,
    Shift,
    Skill,
    Stop,
    Technician,
    TravelMatrix,
    Visit,
    Window,
    check,
    construct,
    estimate_travel,
    insert,
    solve,
)

INSTANCES = ("C101", "C104", "R101", "R104", "R208", "RC106", "RC207")
QUICK_INSTANCES = ("C101", "R101")


def solomon_folder() -> Path | None:
    told = os.environ.get("TRUCKROLL_SHARED_DATA")
    for folder in ([Path(told)] if told else []) + [ROOT.parent / "shared" / "data"]:
        if (folder / "solomon" / "best_known.csv").is_file():
            return folder / "solomon"
    return None


def read_solomon(path: Path) -> Problem:
    """Tenths of Solomon's units stand for minutes and cents, so that one decimal is kept."""
    rows: list[list[float]] = []
    count = capacity = 0
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) == 2 and all(word.isdigit() for word in words):
            count, capacity = map(int, words)
        elif len(words) == 7 and words[0].isdigit():
            rows.append([float(word) for word in words])
    tenths = tuple(tuple(int(10 * hypot(here[1] - there[1], here[2] - there[2])) for there in rows) for here in rows)
    depot, customers = rows[0], rows[1:]
    shift = Shift(int(depot[4]) * 10, int(depot[5]) * 10, "0", "0")
    return Problem(
        technicians=tuple(
            Technician(id=f"{number:03}", shifts=(shift,), cost_cents_per_minute=1, capacity_units=capacity)
            for number in range(count)
        ),
        visits=tuple(
            Visit(
                id=str(int(row[0])),
                place=str(int(row[0])),
                duration_minutes=int(row[6]) * 10,
                windows=(Window(int(row[4]) * 10, int(row[5]) * 10),),
                load_units=int(row[3]),
            )
            for row in customers
        ),
        places=tuple(Place(str(int(row[0])), 0, 0) for row in rows),
        travel=TravelMatrix(tenths, tenths),
    )


def field_service_day(visits: int, technicians: int, seed: int = 1) -> Problem:
    """Eight skills, windows, lunch, overtime, due times, preferred technicians, prices for leaving out."""
    dice = random.Random(seed)
    places = tuple(
        Place(f"p{number}", 52 + dice.random() * 0.4, 13 + dice.random() * 0.6)
        for number in range(visits + technicians)
    )
    skills = [f"skill {number}" for number in range(8)]
    crew = tuple(
        Technician(
            id=f"t{number:03}",
            cost_cents_per_minute=50,
            cost_cents_per_kilometre=30,
            overtime_cents_per_minute=100,
            skills={name: Skill(dice.randint(1, 3)) for name in dice.sample(skills, 4)},
            shifts=(Shift(480, 960, f"p{visits + number}", f"p{visits + number}", 60, (Break(690, 780, 30),)),),
        )
        for number in range(technicians)
    )
    work = []
    for number in range(visits):
        opens, mandatory = dice.choice((480, 600, 720, 840)), dice.random() < 0.5
        work.append(
            Visit(
                id=f"v{number:04}",
                place=f"p{number}",
                duration_minutes=dice.choice((20, 30, 45)),
                windows=(Window(opens, opens + 120),) if dice.random() < 0.5 else (),
                due_minute=dice.choice((600, 720, 900)) if dice.random() < 0.3 else None,
                priority=dice.randint(1, 5),
                required_skills={dice.choice(skills): dice.randint(1, 2)},
                mandatory=mandatory,
                price_cents=0 if mandatory else dice.randint(1000, 20000),
                preferred_technicians=(dice.choice(crew).id,) if dice.random() < 0.3 else (),
            )
        )
    return Problem(technicians=crew, visits=tuple(work), places=places, travel=estimate_travel(places))


def timed_construct(problem: Problem) -> tuple[float, Plan]:
    started = time.process_time()
    plan = construct(problem)
    return time.process_time() - started, plan


def sound(problem: Problem, plan: Plan) -> Plan:
    assert check(problem, plan) == []
    assert plan.score is not None
    return plan


def run_solomon(folder: Path, names: list[str], seconds: float) -> None:
    with (folder / "best_known.csv").open() as table:
        best = {row["instance"]: float(row["bks_distance_trunc1"]) for row in csv.DictReader(table)}
    print(f"| instance | best known | constructed | gap | CPU s | solved in {seconds:g} s | gap | left out |")
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        problem = read_solomon(folder / f"{name}.txt")
        spent, built = timed_construct(problem)
        first, final = sound(problem, built), sound(problem, solve(problem, stop=Stop(seconds=seconds)))
        costs = [plan.score.wishes_cents / 10 for plan in (first, final) if plan.score is not None]
        gaps = [f"{100 * (cost / best[name] - 1):.1f} %" for cost in costs]
        print(
            f"| {name} | {best[name]:.1f} | {costs[0]:.1f} | {gaps[0]} | {spent:.2f} | {costs[1]:.1f} | {gaps[1]} "
            f"| {len(final.unassigned)} |",
            flush=True,
        )


def run_days(sizes: list[tuple[int, int]], seconds: float) -> None:
    print(
        f"\n| visits / technicians | constructed (mandatory, lateness, wishes) | CPU s | solved in {seconds:g} s "
        "| left out | one insertion, ms |"
    )
    print("|---|---|---|---|---|---|")
    for visits, technicians in sizes:
        problem = field_service_day(visits, technicians)
        spent, built = timed_construct(problem)
        sound(problem, built)
        final = sound(problem, solve(problem, stop=Stop(seconds=seconds)))
        visit_id = final.routes[0].stops[0].visit_id
        started = time.process_time()
        insert(problem, final, visit_id, ways_max=3)
        inserting = 1000 * (time.process_time() - started)
        assert built.score is not None
        assert final.score is not None
        print(
            f"| {visits} / {technicians} | {built.score.levels[1:]} | {spent:.2f} | {final.score.levels[1:]} "
            f"| {len(final.unassigned)} | {inserting:.0f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two instances and one day, two seconds each")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--instances", nargs="+")
    options = parser.parse_args()
    seconds = options.seconds or (2.0 if options.quick else 10.0)
    folder = solomon_folder()
    if folder is None:
        print("Solomon's instances are not here; see the top of this file.")
    else:
        run_solomon(folder, options.instances or list(QUICK_INSTANCES if options.quick else INSTANCES), seconds)
    run_days([(200, 20)] if options.quick else [(50, 5), (200, 20), (400, 40)], seconds)


if __name__ == "__main__":
    main()
