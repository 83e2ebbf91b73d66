"""Who takes part. An engine gets a view, a limit in CPU seconds and a seed, and says what it had found when.

Each runs in a process of its own on one core; clocks count the CPU of the process, so that neighbors on the machine
do not matter. The peers' versions are pinned in `tests/benchmarks/peers/requirements.txt`.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module

from optimizer import Plan
from tests.benchmarks.measuring import RESULTS, ROOT
from tests.benchmarks.planning.view import Answer, View

PINNED = ROOT / "tests" / "benchmarks" / "peers" / "requirements.txt"
PACKAGES = RESULTS / "planning-peers"


@dataclass(frozen=True, slots=True)
class Found:
    """An answer and the CPU seconds after which it was there."""

    cpu_seconds: float
    answer: Answer | Plan
    starts: dict[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """`module.run(view, seconds, seed)`. With `anytime` one long run tells what a shorter one would have said; engines
    that cool down or pace themselves by their limit are run anew for each."""

    name: str
    module: str
    package: str | None
    anytime: bool
    options: dict[str, str] = field(default_factory=dict)
    ends_of_itself: bool = False
    links: bool = False
    cannot: str = ""

    @property
    def is_installed_on_demand(self) -> bool:
        return self.package in ("pyvrp", "pyvroom")

    def run(self, view: View, seconds: float, seed: int) -> list[Found]:
        module = import_module(f"tests.benchmarks.planning.{self.module}")
        found: list[Found] = module.run(view, seconds, seed, **self.options)
        return found


ENGINES = {
    each.name: each
    for each in (
        Engine("ours", "ours", None, anytime=False),
        Engine(
            "pyvrp", "pyvrp_peer", "pyvrp", anytime=True,
            cannot="breaks, soft due times (hard ends here), overtime by the clock, amounts over several shifts",
        ),
        Engine(
            "vroom", "vroom_peer", "pyvroom", anytime=False, ends_of_itself=True,
            cannot="preferences, surplus skills, soft due times (hard ends here), overtime, prices (priorities here)",
        ),
        Engine("ortools-gls", "ortools_peer", "ortools", anytime=True, links=True, options={"method": "gls"}),
        Engine("ortools-ils", "ortools_peer", "ortools", anytime=False, links=True, options={"method": "ils"}),
    )
}  # fmt: skip


class Clock:
    """CPU seconds of this process since it was made."""

    def __init__(self) -> None:
        self.started = time.process_time()

    def __call__(self) -> float:
        return time.process_time() - self.started

    def until(self, seconds: float) -> Callable[[], bool]:
        """Whether so many have passed."""
        return lambda: self() >= seconds


def install_peers() -> bool:
    """The pinned peers in a folder under `build/`, where they change nothing of ours; False where pip cannot."""
    done = PACKAGES / ".requirements"
    if done.is_file() and done.read_text() == PINNED.read_text():
        return True
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--upgrade", "--target", str(PACKAGES), "-r", str(PINNED)]  # fmt: skip
    if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:
        return False
    done.write_text(PINNED.read_text())
    return True


def peer_versions() -> dict[str, str]:
    """Of the peers that are installed."""
    found = {}
    for line in PACKAGES.glob("*.dist-info"):
        name, _, number = line.name.removesuffix(".dist-info").partition("-")
        if name in ("pyvrp", "pyvroom"):
            found[name] = number
    return found
