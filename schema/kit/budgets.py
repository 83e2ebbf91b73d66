"""What each caller may ask for in all: an operation is paid for before it runs, and what it did not use is given back.

A signed-in person has one budget for all their sessions, a key has its own, and who is not signed in shares that of their
network. All of a customer's account, and all of an organization, have one besides: each of them pays, or none does. Each event
of a subscription is paid for as its start was; one that cannot be paid for ends the subscription.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.infrastructure import limits
from app.kernel.actor import Actor
from app.kernel.addresses import network_of
from app.kernel.allowances import Allowance
from app.kernel.budgets import Caller, caller_of
from app.kernel.errors import RateLimited
from schema.kit.context import Balance, Context
from schema.kit.measuring import Measure

COST_MIN = 1
REFUSED_COST = 10
REQUESTS_SECONDS = 60
# The names of budgets in headers and extensions: one's own, and those that are shared with others.
OWN, ACCOUNT, ORGANIZATION = "budget", "account", "organization"


@dataclass(frozen=True, slots=True)
class Purse:
    """A budget that somebody pays from: its name in answers, its key among all budgets, and what it holds at most."""

    name: str
    key: str
    allowance: Allowance


@dataclass(slots=True)
class Charge:
    """What was paid for an operation, and from where; from nowhere when nobody keeps count."""

    measure: Measure
    requested: int
    purses: Sequence[Purse]

    async def settle(self, context: Context) -> dict[str, Any]:
        """Give back what was not used; what the answer says of it, as ``extensions.cost``."""
        actual = max(self.measure.actual(context.rows), COST_MIN)
        told: dict[str, Any] = {
            "requested": self.requested + context.spent,
            "actual": actual + context.spent,
            OWN: None,
        }
        for purse in self.purses:
            left = await limits.settle(purse.key, purse.allowance, self.requested - actual)
            told[purse.name] = {
                "maximum": purse.allowance.maximum,
                "available": int(left),
                "restoreRate": purse.allowance.per_second,
            }
        return told


class Budgets:
    """The budgets by kind of caller; None where nobody keeps count."""

    def __init__(self, allowances: Mapping[Caller, Allowance] | None) -> None:
        self._allowances = allowances

    def require_points(self, context: Context) -> None:
        """``RateLimited`` for who is known to have nothing left, before anything is done for them."""
        for purse in self._of(context):
            try:
                limits.require_points(purse.key, purse.allowance)
            except RateLimited as short:
                raise _told(purse, short) from None

    async def charge(self, context: Context, measure: Measure) -> Charge:
        """Pay for an operation; ``RateLimited`` when one of the budgets does not reach, or a key's requests are used up."""
        requested = max(measure.cost, COST_MIN)
        await _count_request(context.actor)
        purses = self._of(context)
        if not purses:
            return Charge(measure, requested, purses)
        left = await _take(purses, requested)
        context.pay = partial(_take, purses)
        context.balances = {
            purse.name: Balance(purse.allowance.maximum, int(points), purse.allowance.per_second)
            for purse, points in zip(purses, left, strict=True)
        }
        return Charge(measure, requested, purses)

    def payer(self, context: Context) -> Callable[[int], Awaitable[object]] | None:
        """What takes points from whoever asks, ``RateLimited`` when they do not reach; None where nobody keeps count."""
        purses = self._of(context)
        return partial(_take, purses) if purses else None

    async def drain(self, context: Context, points: int = REFUSED_COST) -> None:
        """Take points for what was done in vain, or at nobody's asking; never refuses."""
        for purse in self._of(context):
            await limits.settle(purse.key, purse.allowance, -points)

    def _of(self, context: Context) -> Sequence[Purse]:
        """The budgets that pay, the caller's own first."""
        if self._allowances is None:
            return ()
        actor, caller = context.actor, caller_of(context.actor)
        allowance = self._allowances[caller]
        if actor is None:
            return (Purse(OWN, f"{caller.value}:{network_of(context.address)}", allowance),)
        if actor.terms is not None and actor.terms.allowance is not None:
            allowance = actor.terms.allowance.within(allowance)
        own = Purse(OWN, f"{caller.value}:{actor.id}", allowance)
        all = Purse(ORGANIZATION, f"organization:{actor.organization_id}", self._allowances[Caller.ORGANIZATIONS])
        if actor.customer_id is None:
            return (own, all)
        return (own, Purse(ACCOUNT, f"account:{actor.customer_id}", self._allowances[Caller.ACCOUNTS]), all)


def rate_headers(cost: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """What budgets hold, as headers: for each ``r`` points left and ``t`` seconds until it is full, of ``q`` that come back
    within ``w`` seconds. Source: the draft "RateLimit header fields for HTTP" of the IETF."""
    held = [(name, cost[name]) for name in (OWN, ACCOUNT, ORGANIZATION) if cost.get(name)]
    if not held:
        return []
    left, policies = [], []
    for name, one in held:
        maximum, available, rate = one["maximum"], one["available"], one["restoreRate"]
        left.append(f'"{name}";r={available};t={-(-(maximum - available) // rate)}')
        policies.append(f'"{name}";q={maximum};w={-(-maximum // rate)}')
    return [(b"ratelimit", ", ".join(left).encode()), (b"ratelimit-policy", ", ".join(policies).encode())]


async def _take(purses: Sequence[Purse], points: float) -> list[float]:
    """Take points from each of some budgets; what each has left, or ``RateLimited`` when one of them does not reach, and then
    none pays."""
    left: dict[Purse, float] = {}
    for purse in purses:
        try:
            left[purse] = await limits.take(purse.key, purse.allowance, points)
        except RateLimited as short:
            for one in left:
                await limits.settle(one.key, one.allowance, points)
            raise _told(purse, short) from None
    return list(left.values())


def _told(purse: Purse, short: RateLimited) -> RateLimited:
    """The refusal, which says so when it is for what others spent as well."""
    if purse.name == OWN:
        return short
    return RateLimited(
        short.retry_after_seconds, f"This costs more points than all of your {purse.name} have left together."
    )


async def _count_request(actor: Actor | None) -> None:
    if actor is not None and actor.terms is not None and actor.terms.requests_per_minute is not None:
        await limits.hit(f"requests:{actor.id}", actor.terms.requests_per_minute, REQUESTS_SECONDS)
