"""What is true of customers and their sites: the lifecycle of an account, and which values make sense."""

import re
from decimal import Decimal
from enum import StrEnum

from app.kernel.errors import InvalidInput
from app.kernel.lifecycle import Lifecycle
from app.kernel.money import Money
from app.kernel.places import Point

CREDIT_LIMIT_MAX = Decimal(1_000_000_000_000)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class CustomerType(StrEnum):
    """What kind of account it is."""

    RESIDENTIAL = "RESIDENTIAL"
    SMALL_BUSINESS = "SMALL_BUSINESS"
    ENTERPRISE = "ENTERPRISE"
    GOVERNMENT = "GOVERNMENT"
    NON_PROFIT = "NON_PROFIT"


class CustomerStatus(StrEnum):
    """Whether we work for the account."""

    ACTIVE = "ACTIVE"
    ON_HOLD = "ON_HOLD"
    INACTIVE = "INACTIVE"


class SlaTier(StrEnum):
    """How much service the account has bought, from least to most."""

    STANDARD = "STANDARD"
    SILVER = "SILVER"
    GOLD = "GOLD"
    PLATINUM = "PLATINUM"


class ContactRole(StrEnum):
    """What somebody is to the account."""

    OWNER = "OWNER"
    DECISION_MAKER = "DECISION_MAKER"
    SITE_MANAGER = "SITE_MANAGER"
    TECHNICAL = "TECHNICAL"
    BILLING = "BILLING"
    RESIDENT = "RESIDENT"
    OTHER = "OTHER"


S = CustomerStatus

# An account on hold is still a customer: nothing new is started, what is promised is kept. An inactive one is archived;
# it comes back as active and never straight on hold, because a hold is a decision about somebody we work for.
CUSTOMER_LIFECYCLE: Lifecycle[CustomerStatus] = Lifecycle(
    "customer",
    {
        S.ACTIVE: frozenset({S.ON_HOLD, S.INACTIVE}),
        S.ON_HOLD: frozenset({S.ACTIVE, S.INACTIVE}),
        S.INACTIVE: frozenset({S.ACTIVE}),
    },
)

# What an account is told about its own changes; the rest is between ourselves.
CUSTOMER_TERMS = frozenset({"account_manager_id", "sla_tier", "credit_limit", "currency", "notes"})


def require_credit_limit(amount: Decimal | None, currency: str) -> Decimal | None:
    """How much an account may owe us, at the precision of its currency; None is no limit."""
    if amount is None:
        return None
    if not amount.is_finite() or not 0 <= amount <= CREDIT_LIMIT_MAX:
        raise InvalidInput(f"A credit limit lies between 0 and {CREDIT_LIMIT_MAX:,}.", path=["creditLimit"])
    return Money(amount, currency).amount


def require_language(language: str, path: str = "language") -> str:
    """A BCP 47 language tag, such as en or pt-BR."""
    if len(language) > 35 or not _LANGUAGE.fullmatch(language):
        raise InvalidInput("A language is a tag such as en or pt-BR.", path=[path])
    return language


def require_place(latitude: float | None, longitude: float | None) -> None:
    """Both coordinates or neither, each in its range, and not the point where a missing value lands."""
    if latitude is None and longitude is None:
        return
    if latitude is None or longitude is None:
        missing = "latitude" if latitude is None else "longitude"
        raise InvalidInput("Coordinates need a latitude and a longitude.", path=[missing])
    Point(latitude, longitude)
    if latitude == 0 and longitude == 0:
        raise InvalidInput("0, 0 lies in the ocean: leave the coordinates out if they are unknown.", path=["latitude"])
