"""Whether the time of an answer tells who has an account: pairs of sign-ins, with a login that is known and one that is not.

Two-sided Mann-Whitney test over all times, and the medians side by side. The control answers for a login that nobody has
without hashing anything: it must be told apart, or the measuring is too coarse. Ends with 1 when either is not so.
"""

import argparse
import asyncio
import logging
import math
import random
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import structlog

from app import database
from app.company import commands as company
from app.identity import commands, models, sign_in
from app.identity.secret import Secret
from app.infrastructure import tokens
from app.kernel.actor import system_actor
from app.kernel.errors import NotAuthenticated
from app.kernel.ids import new_id

KNOWN, UNKNOWN = "ada@lamp.example", "nobody@lamp.example"
ALIKE, APART = 0.01, 1e-6
MEDIANS_APART_MAX = 0.05


def mann_whitney(first: list[float], second: list[float]) -> float:
    """How probable it is that times as different as these come from the same place: two-sided, by the normal distribution."""
    ranks: dict[float, float] = {}
    ordered = sorted(first + second)
    start = 0
    while start < len(ordered):
        end = start
        while end < len(ordered) and ordered[end] == ordered[start]:
            end += 1
        ranks[ordered[start]] = (start + end + 1) / 2
        start = end
    n, m = len(first), len(second)
    u = sum(ranks[one] for one in first) - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


async def milliseconds(login: str) -> float:
    started = time.perf_counter()
    try:
        await sign_in.log_in(login, "a wrong guess at noon", address="203.0.113.7", user_agent="bench")
    except NotAuthenticated:
        taken = time.perf_counter() - started
    await models.LoginAttempt.all().delete()
    return 1000 * taken


async def measured(pairs: int) -> tuple[list[float], list[float]]:
    """The times of known and unknown logins, in pairs of a random order, so that what drifts drifts for both."""
    times: dict[str, list[float]] = {KNOWN: [], UNKNOWN: []}
    for _ in range(pairs):
        for login in random.sample((KNOWN, UNKNOWN), 2):
            times[login].append(await milliseconds(login))
    return times[KNOWN], times[UNKNOWN]


def told(what: str, known: list[float], unknown: list[float]) -> tuple[float, float]:
    p = mann_whitney(known, unknown)
    one, other = statistics.median(known), statistics.median(unknown)
    apart = abs(one - other) / one
    print(f"{what:<28} known {one:7.2f} ms   unknown {other:7.2f} ms   medians {apart:6.1%} apart   p = {p:.2g}")
    return p, apart


async def main(pairs: int) -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    await database.connect("sqlite://:memory:")
    try:
        await database.build_schema()
        system = system_actor(new_id("org"))
        await company.create_organization(system, name="Lamp", time_zone="UTC", currency="USD", country="US")
        await commands.create_user(
            system, email=KNOWN, legal_name="Ada", roles=["ADMINISTRATOR"], password=Secret("a kettle sings at noon")
        )
        await measured(5)
        p, apart = told(f"{pairs} pairs", *await measured(pairs))
        verify = tokens.verify_password

        async def early(stored: str | None, password: str) -> bool:
            return False if stored is None else await verify(stored, password)

        tokens.verify_password = early
        control, _ = told("control, without a hash", *await measured(max(20, pairs // 10)))
        tokens.verify_password = verify
    finally:
        await database.disconnect()
    return 0 if p > ALIKE and apart < MEDIANS_APART_MAX and control < APART else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=400, help="pairs of sign-ins")
    parser.add_argument("--quick", action="store_true", help="40 pairs")
    chosen, _ = parser.parse_known_args()
    sys.exit(asyncio.run(main(40 if chosen.quick else chosen.pairs)))
