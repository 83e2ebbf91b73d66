"""Plans: how good after how many seconds, ours beside PyVRP, VROOM and OR-Tools' routing library, and how soon.

Every engine runs on one core in a process of its own, limited by CPU seconds, all of them in turns on one instance after
the other. Costs are judged from the plan alone, never by the engine's word. Solomon's and home care's instances are looked
for in `$TRUCKROLL_SHARED_DATA`, then in `../shared/data` beside the repository; the rest is made here by seed. Peers are
installed by pip into `build/benchmarks/planning-peers` when they are first asked; what cannot be installed is left out.
VROOM and OR-Tools' iterated local search watch the wall's clock: measure them on a machine that is otherwise idle.

    python tests/benchmarks/bench_planning.py [--quick] [--only solomon,days] [--instances solomon/R101 day/200x20]
                                              [--seconds 1 5 10] [--seeds 1 2] [--engines ours,pyvrp] [--jobs 2]

`--instances all` takes all of a kind. The kinds: solomon (sum of distances), hhcrsp (home care with synchronised visits),
large (200 and 400 customers by the scheme of Gehring and Homberger), days (field service; plain ones that every
engine can say, and full ones with every rule), latency. No figure makes this fail.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.measuring import keep, print_table, run, versions
from tests.benchmarks.planning import hhcrsp, homberger, solomon
from tests.benchmarks.planning.engines import ENGINES, install_peers, peer_versions
from tests.benchmarks.planning.race import Trial, instance_rows, race, summary_rows

KINDS = ("solomon", "hhcrsp", "large", "days", "latency")
USUAL = {
    "solomon": ("C104", "R104", "R208", "RC106", "RC207"),
    "hhcrsp": ("25_1", "50_2", "75_3", "100_2"),
    "large": ("R1_200", "RC2_200", "R1_400", "RC2_400"),
    "days": ("plain/200x20", "day/200x20", "plain/1000x80"),
    "latency": ("200x20", "1500x216", "5000x500"),
}
QUICK = {
    "solomon": ("C101", "R101"),
    "hhcrsp": ("25_1",),
    "large": (),
    "days": ("plain/60x6", "day/60x6"),
    "latency": ("200x20",),
}
PREFIX = {"solomon": "solomon/", "hhcrsp": "hhcrsp/", "large": "homberger/", "days": ""}
TITLES = {
    "solomon": "Solomon: mean gap to the best known sum of distances",
    "hhcrsp": "Home care with skills and synchronised visits: mean gap to the best known cost",
    "large": "200 and 400 customers: mean gap to the best of this run",
    "days": "Days of field service: mean gap to the best of this run",
}
# The others cannot say that two visits belong together, and with half of a plan held by ours it would not be theirs.
ALONE = {"hhcrsp": ("ours", "ortools-gls", "ortools-ils")}


def chosen(kind: str, options: argparse.Namespace) -> list[str]:
    """The instances of a kind that were asked for and are here."""
    there = {"solomon": solomon.names, "hhcrsp": hhcrsp.names, "large": lambda: list(homberger.NAMES)}
    names = list((QUICK if options.quick else USUAL)[kind])
    if options.instances == ["all"] and kind in there:
        names = there[kind]()
    elif options.instances and options.instances != ["all"]:
        own = ("plain/", "day/") if kind == "days" else (PREFIX[kind],)
        return [name for name in options.instances if name.startswith(own)]
    elif kind in ("solomon", "hhcrsp"):
        names = [name for name in names if name in there[kind]()]
    if not names and kind in ("solomon", "hhcrsp"):
        print(f"The instances of {kind} are not here; see the top of this file.")
    return [PREFIX[kind] + name for name in names]


def contest(kind: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    engines = [name for name in options.engines if name in ALONE.get(kind, options.engines)]
    trials = [
        Trial(name, engine, tuple(options.seconds), seed)
        for name in chosen(kind, options)
        for seed in options.seeds
        for engine in engines
    ]
    results = race(trials, options.jobs)
    if results:
        columns = [f"{limit:g} s" for limit in options.seconds]
        print_table(TITLES[kind], ["engine", *columns], summary_rows(results, engines, options.seconds))
        last = options.seconds[-1]
        print_table(
            f"Costs after {last:g} s", ["instance", "gap from", *engines], instance_rows(results, engines, last)
        )
        for result in results:
            if "failure" in result:
                print(f"{result['instance']}, {result['engine']}: {result['failure']}")
        if kind == "days":
            for name in engines:
                if ENGINES[name].cannot:
                    print(f"{name} cannot say: {ENGINES[name].cannot}; crews and sequences stand where ours put them.")
    return results


def latency(options: argparse.Namespace) -> dict[str, Any]:
    figures = {size: run("tests.benchmarks.planning.latency", size)
               for size in (QUICK if options.quick else USUAL)["latency"]}  # fmt: skip
    names = list(next(iter(figures.values())))
    rows = [(size, *("–" if each[name] is None else f"{each[name]:,.0f}" for name in names))
            for size, each in figures.items()]  # fmt: skip
    print_table("How soon, ours, CPU", ["visits × technicians", *names], rows)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few and small instances, a second each")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(KINDS))
    parser.add_argument("--instances", nargs="+", help="by name, or all")
    parser.add_argument("--seconds", type=float, nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--engines", type=lambda text: text.split(","), default=list(ENGINES))
    parser.add_argument("--jobs", type=int, default=2, help="engines at once, each on a core of its own")
    options = parser.parse_args()
    if unknown := (set(options.only) - set(KINDS)) | (set(options.engines) - set(ENGINES)):
        parser.error(f"There is no {', '.join(sorted(unknown))}.")
    options.seconds = sorted(options.seconds or ([1.0] if options.quick else [1.0, 5.0, 10.0]))
    if any(ENGINES[name].is_installed_on_demand for name in options.engines) and not install_peers():
        options.engines = [name for name in options.engines if not ENGINES[name].is_installed_on_demand]
        print("pip cannot install the peers here: they are left out.")
    results: dict[str, Any] = {
        "versions": versions(["ortools", "numpy"]) | peer_versions(),
        "seconds": options.seconds,
    }
    print(", ".join(f"{name} {number}" for name, number in results["versions"].items()))
    for kind in options.only:
        results[kind] = latency(options) if kind == "latency" else contest(kind, options)
        keep("planning", results)


if __name__ == "__main__":
    main()
