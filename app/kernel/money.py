"""Money: an exact decimal amount in a currency, rounded by the currency's own number of digits. Never a float."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from app.kernel.errors import InvalidInput

# ISO 4217 minor units that are not two; source: ISO 4217 maintenance agency, list one.
MINOR_UNITS = {
    "BHD": 3, "BIF": 0, "CLF": 4, "CLP": 0, "DJF": 0, "GNF": 0, "IQD": 3, "ISK": 0, "JOD": 3, "JPY": 0, "KMF": 0,
    "KRW": 0, "KWD": 3, "LYD": 3, "OMR": 3, "PYG": 0, "RWF": 0, "TND": 3, "UGX": 0, "UYI": 0, "UYW": 4, "VND": 0,
    "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
}  # fmt: skip
# What is stored has 14 digits before the point and 4 after it.
LARGEST_AMOUNT = Decimal("1e14")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency (ISO 4217 code), rounded half even to the currency's digits."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if len(self.currency) != 3 or not (self.currency.isascii() and self.currency.isupper()):
            raise InvalidInput(f"{self.currency!r} is not a currency code such as USD or EUR.", path=["currency"])
        given: object = self.amount
        if not isinstance(given, Decimal) or not given.is_finite():
            raise InvalidInput("An amount of money is an exact decimal.", path=["amount"])
        object.__setattr__(self, "amount", rounded(given, self.currency))

    def __add__(self, other: "Money") -> "Money":
        self._require_same_currency(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._require_same_currency(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    def times(self, factor: Decimal | int) -> "Money":
        """The amount times an exact factor, rounded once."""
        return Money(self.amount * factor, self.currency)

    def split(self, parts: int) -> list["Money"]:
        """The amount in so many parts that differ by at most one minor unit and add up to it exactly."""
        unit = Decimal(1).scaleb(-MINOR_UNITS.get(self.currency, 2))
        whole, rest = divmod(int(self.amount / unit), parts)
        return [Money(unit * (whole + (1 if index < rest else 0)), self.currency) for index in range(parts)]

    def _require_same_currency(self, other: "Money") -> None:
        if other.currency != self.currency:
            raise InvalidInput(f"{self.currency} and {other.currency} cannot be added.", path=["currency"])


def rounded(amount: Decimal, currency: str) -> Decimal:
    """The amount at the precision of its currency."""
    unit = Decimal(1).scaleb(-MINOR_UNITS.get(currency, 2))
    if abs(amount) >= LARGEST_AMOUNT or abs(exact := amount.quantize(unit, rounding=ROUND_HALF_EVEN)) >= LARGEST_AMOUNT:
        raise InvalidInput("That amount of money is too large.", path=["amount"])
    return exact


def parse_amount(text: str, path: str = "amount") -> Decimal:
    """An exact decimal out of text such as ``12.50``; at most 14 digits before and 6 after the point."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise InvalidInput(f"{text[:40]!r} is not an amount such as 12.50.", path=[path]) from None
    if not amount.is_finite() or abs(amount) >= LARGEST_AMOUNT or amount != round(amount, 6):
        raise InvalidInput(f"{text[:40]!r} is not an amount such as 12.50.", path=[path])
    return amount
