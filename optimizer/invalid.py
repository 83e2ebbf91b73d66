"""What is wrong with a question to the planner, where, and the bounds that keep every sum inside 64 bits."""

from collections.abc import Iterable, Mapping

# A minute lies within 694 days of the origin. With the other bounds, 100,000 visits at the dearest rate, the
# latest hour and the highest price add up to less than 2^63.
MINUTES_MAX = 10**6
METRES_MAX = 10**8
CENTS_PER_MINUTE_MAX = 10**5
CENTS_MAX = 10**12
WEIGHTED_CENTS_PER_MINUTE_MAX = 10**7
AMOUNT_MAX = 10**6


class InvalidProblem(ValueError):
    """The problem contradicts itself; `path` says where, `sentence` what is wrong there."""

    def __init__(self, path: str, sentence: str) -> None:
        super().__init__(f"{path}: {sentence}")
        self.path = path
        self.sentence = sentence

    def __reduce__(self) -> tuple[type["InvalidProblem"], tuple[str, str]]:
        return InvalidProblem, (self.path, self.sentence)


def require(condition: bool, path: str, sentence: str) -> None:
    if not condition:
        raise InvalidProblem(path, sentence)


def require_unique(path: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        require(name not in seen, path, f"“{name}” is listed twice.")
        seen.add(name)


def require_range(path: str, number: int | None, least: int, most: int) -> None:
    """Both included; None is left to its default."""
    if number is None:
        return
    require(number >= least, path, "must not be negative." if least == 0 else f"must be at least {least}.")
    require(number <= most, path, f"must be at most {most:,}.")


def require_minutes(holder: object, *names: str) -> None:
    """Points in time: far from the origin nothing is planned."""
    for name in names:
        require_range(name, getattr(holder, name), -MINUTES_MAX, MINUTES_MAX)


def require_amounts(path: str, amounts: Mapping[str, int], least: int = 1) -> None:
    for name, amount in amounts.items():
        require_range(f"{path}[{name}]", amount, least, AMOUNT_MAX)
