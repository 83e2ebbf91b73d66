"""How much a caller may ask for: points that are spent by asking and come back with time.

One point is about one object of an answer. Who asks decides how many points there are; see ``CALLERS``. A customer's account
and an organization have a budget for all their callers together, so that some cannot use up what is there for others.
"""

from collections.abc import Mapping
from enum import StrEnum

from app.kernel.actor import Actor, ActorKind
from app.kernel.allowances import Allowance
from app.kernel.errors import ConfigurationError

OFF = "off"


class Caller(StrEnum):
    """The kinds of callers that have a budget of their own size; accounts and organizations are all callers of theirs."""

    PEOPLE = "people"
    KEYS = "keys"
    CUSTOMERS = "customers"
    ANONYMOUS = "anonymous"
    ACCOUNTS = "accounts"
    ORGANIZATIONS = "organizations"


CALLERS: Mapping[Caller, Allowance] = {
    Caller.PEOPLE: Allowance(20_000, 500),
    Caller.KEYS: Allowance(20_000, 1000),
    Caller.CUSTOMERS: Allowance(5000, 100),
    Caller.ANONYMOUS: Allowance(5000, 50),
    Caller.ACCOUNTS: Allowance(20_000, 400),
    Caller.ORGANIZATIONS: Allowance(200_000, 5000),
}
SMALLEST = 5000  # one request may cost as much, so a full budget always pays for it


def caller_of(actor: Actor | None) -> Caller:
    """The kind of caller somebody is."""
    if actor is None:
        return Caller.ANONYMOUS
    if actor.kind is ActorKind.API_KEY:
        return Caller.KEYS
    return Caller.CUSTOMERS if actor.is_customer else Caller.PEOPLE


def read_budgets(text: str) -> Mapping[Caller, Allowance] | None:
    """``people=20000/500,keys=20000/1000`` changes what it names; ``off`` leaves nobody a budget to keep to."""
    if text.strip() == OFF:
        return None
    budgets = dict(CALLERS)
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, size = part.partition("=")
        maximum, _, per_second = size.partition("/")
        if name not in set(Caller) or not (maximum.isdecimal() and per_second.isdecimal()):
            raise ConfigurationError(f"{part} is not a budget such as {Caller.KEYS}=20000/1000")
        if int(maximum) < SMALLEST or int(per_second) < 1:
            raise ConfigurationError(f"a budget has {SMALLEST} points or more, and gives back 1 a second or more")
        budgets[Caller(name)] = Allowance(int(maximum), int(per_second))
    return budgets
