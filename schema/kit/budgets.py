"""What each caller may ask for in all: an operation is paid for before it runs, and what it did not use is given back.

A signed-in person has one budget for all their sessions, a key has its own, and who is not signed in shares that of their
network. Each event of a subscription is paid for as its start was; one that cannot be paid for ends the subscription.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.infrastructure import limits
from app.kernel.addresses import network_of
from app.kernel.budgets import Allowance, Caller, caller_of
from schema.kit.context import Balance, Context
from schema.kit.measuring import Measure

COST_MIN = 1
REFUSED_COST = 10


@dataclass(slots=True)
class Charge:
    """What was paid for an operation. ``key`` is empty when nobody keeps count."""

    measure: Measure
    requested: int
    key: str
    allowance: Allowance | None

    async def settle(self, context: Context) -> dict[str, Any]:
        """Give back what was not used; what the answer says of it, as ``extensions.cost``."""
        actual = max(self.measure.actual(context.rows), COST_MIN)
        told: dict[str, Any] = {
            "requested": self.requested + context.spent,
            "actual": actual + context.spent,
            "budget": None,
        }
        if self.allowance is not None:
            left = await limits.settle(self.key, self.allowance, self.requested - actual)
            told["budget"] = {
                "maximum": self.allowance.maximum,
                "available": int(left),
                "restoreRate": self.allowance.per_second,
            }
        return told


class Budgets:
    """The budgets by kind of caller; None where nobody keeps count."""

    def __init__(self, allowances: Mapping[Caller, Allowance] | None) -> None:
        self._allowances = allowances

    def require_points(self, context: Context) -> None:
        """``RateLimited`` for who is known to have nothing left, before anything is done for them."""
        if self._allowances is not None:
            limits.require_points(*self._of(context))

    async def charge(self, context: Context, measure: Measure) -> Charge:
        """Pay for an operation; ``RateLimited`` when the budget does not reach."""
        requested = max(measure.cost, COST_MIN)
        if self._allowances is None:
            return Charge(measure, requested, "", None)
        key, allowance = self._of(context)
        left = await limits.take(key, allowance, requested)
        context.pay = partial(limits.take, key, allowance)
        context.balance = Balance(allowance.maximum, int(left), allowance.per_second)
        return Charge(measure, requested, key, allowance)

    def payer(self, context: Context) -> Callable[[int], Awaitable[object]] | None:
        """What takes points from whoever asks, ``RateLimited`` when they do not reach; None where nobody keeps count."""
        return None if self._allowances is None else partial(limits.take, *self._of(context))

    async def drain(self, context: Context, points: int = REFUSED_COST) -> None:
        """Take points for what was done in vain, or at nobody's asking; never refuses."""
        if self._allowances is not None:
            await limits.settle(*self._of(context), -points)

    def _of(self, context: Context) -> tuple[str, Allowance]:
        assert self._allowances is not None
        caller = caller_of(context.actor)
        whose = network_of(context.address) if context.actor is None else context.actor.id
        return f"{caller.value}:{whose}", self._allowances[caller]
