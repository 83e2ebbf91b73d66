"""What a company's own settings may look like: week plans, codes, number series, service types. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import time
from itertools import pairwise
from typing import Any

from app.kernel.calendar import Hours
from app.kernel.errors import InvalidInput
from app.kernel.work import Evidence, Priority

DURATION_MINUTES_MAX = 14 * 24 * 60
SKILL_LEVEL_MAX = 5
SKILLS_MAX = 20
OPENINGS_PER_DAY_MAX = 6
SERIES_DIGITS_MAX = 12
SETTINGS_BYTES_MAX = 16_384
POSITION_HISTORY_DAYS_DEFAULT = 7
POSITION_HISTORY_DAYS_MAX = 90
ARRIVAL_RADIUS_METRES_DEFAULT = 150
ARRIVAL_RADIUS_METRES_MIN = 30
ARRIVAL_RADIUS_METRES_MAX = 2000
_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}")
_SERIES_KIND = re.compile(r"[A-Z][A-Z_]{0,31}")
_SERIES_PREFIX = re.compile(r"[A-Za-z0-9/_.-]{0,12}")
_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
WORKING_WEEK: dict[str, list[list[str]]] = {str(day): [["08:00", "17:00"]] for day in range(5)}


@dataclass(frozen=True, slots=True)
class Series:
    """How numbers of a kind look: ``WO-000123`` has the prefix ``WO-`` and 6 digits."""

    prefix: str
    digits: int = 6

    def number(self, value: int) -> str:
        """The number as people read it; one that outgrows the digits is simply longer."""
        return f"{self.prefix}{value:0{self.digits}d}"


DEFAULT_SERIES = {
    "WORK_ORDER": Series("WO-"),
    "CUSTOMER": Series("C-"),
    "TECHNICIAN": Series("T-", 4),
    "EQUIPMENT": Series("EQ-"),
    "INVOICE": Series("INV-"),
}


def series_for(kind: str) -> Series:
    """The series that a kind begins with until the company says otherwise."""
    return DEFAULT_SERIES.get(kind) or Series(f"{kind[:3]}-")


def require_series_kind(kind: str) -> str:
    """The kind in capitals, such as ``WORK_ORDER``."""
    cleaned = kind.strip().upper()
    if not _SERIES_KIND.fullmatch(cleaned):
        raise InvalidInput(f"{kind[:40]!r} is not a kind of number such as WORK_ORDER.", path=["kind"])
    return cleaned


def require_series_prefix(prefix: str) -> str:
    """A prefix of letters, digits and - / _ . that keeps numbers easy to read out."""
    if not _SERIES_PREFIX.fullmatch(prefix):
        raise InvalidInput("A number's prefix has at most 12 letters, digits or - / _ .", path=["prefix"])
    return prefix


def require_digits(digits: int) -> int:
    """How many digits numbers are padded to."""
    return require_range(digits, "digits", 1, SERIES_DIGITS_MAX)


def require_later_number(next_number: int, current: int) -> int:
    """The next number may only jump forward: one that was given out must never be given again."""
    if not current <= next_number < 10**SERIES_DIGITS_MAX:
        raise InvalidInput(f"The next number can only grow; it is at {current}.", path=["nextNumber"])
    return next_number


def require_range(value: Any, path: str, least: int, most: int) -> int:
    """A whole number between two bounds, both included."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidInput(f"This number lies between {least} and {most}.", path=[path])
    return value


def require_code(code: str) -> str:
    """A short code in capitals, such as ``REPAIR`` or ``NORTH-2``."""
    cleaned = code.strip().upper()
    if not _CODE.fullmatch(cleaned):
        raise InvalidInput(
            "A code has 1 to 32 letters, digits, - or _, and begins with a letter or digit.", path=["code"]
        )
    return cleaned


def require_currency(currency: str) -> str:
    """An ISO 4217 code in capitals."""
    cleaned = currency.strip().upper()
    if not (len(cleaned) == 3 and cleaned.isascii() and cleaned.isalpha()):
        raise InvalidInput(f"{currency[:20]!r} is not a currency code such as USD or EUR.", path=["currency"])
    return cleaned


def require_country(country: str) -> str:
    """An ISO 3166 code of two letters, in capitals."""
    cleaned = country.strip().upper()
    if not (len(cleaned) == 2 and cleaned.isascii() and cleaned.isalpha()):
        raise InvalidInput(f"{country[:20]!r} is not a country code such as US or DE.", path=["country"])
    return cleaned


def require_locale(locale: str) -> str:
    """A language tag such as ``en-US``."""
    cleaned = locale.strip()
    if not _LOCALE.fullmatch(cleaned):
        raise InvalidInput(f"{locale[:20]!r} is not a language tag such as en-US.", path=["locale"])
    return cleaned


def require_skill_levels(skills: Any) -> dict[str, int]:
    """Skill id → the least level, 1 to 5. Whether the skills exist is the command's question."""
    if not isinstance(skills, Mapping):
        raise InvalidInput('Required skills are an object: {"skill_…": 3}.', path=["requiredSkills"])
    if len(skills) > SKILLS_MAX:
        raise InvalidInput(f"At most {SKILLS_MAX} skills can be required.", path=["requiredSkills"])
    return {skill: require_range(level, "requiredSkills", 1, SKILL_LEVEL_MAX) for skill, level in skills.items()}


def require_evidence(kinds: Iterable[str]) -> list[str]:
    """The kinds of evidence, each once, in the order of ``Evidence``."""
    wanted = set(kinds)
    unknown = sorted(str(kind) for kind in wanted - set(Evidence))
    if unknown:
        raise InvalidInput(f"{unknown[0][:40]!r} is not a kind of evidence.", path=["requiredEvidence"])
    return [kind.value for kind in Evidence if kind in wanted]


def require_priority(priority: str) -> str:
    """One of ``Priority``."""
    try:
        return Priority(priority).value
    except ValueError:
        raise InvalidInput(f"{priority[:40]!r} is not a priority.", path=["defaultPriority"]) from None


def require_week(week: Any) -> dict[str, list[list[str]]]:
    """A week plan as it is stored: {"0": [["08:00", "17:00"]]}, 0 is Monday; openings in order, none overlapping.

    A day that is open until its end closes at 00:00 (24:00 is understood).
    """
    if not isinstance(week, Mapping):
        raise InvalidInput('A week plan is an object: {"0": [["08:00", "17:00"]]}.', path=["week"])
    plan = {day: _require_day(day, openings) for day, openings in week.items()}
    return {day: plan[day] for day in sorted(plan) if plan[day]}


def _require_day(day: str, openings: Any) -> list[list[str]]:
    path = ["week", str(day)[:10]]
    if day not in {"0", "1", "2", "3", "4", "5", "6"}:
        raise InvalidInput("The days of a week plan are 0 (Monday) to 6 (Sunday).", path=path)
    if not isinstance(openings, list) or len(openings) > OPENINGS_PER_DAY_MAX:
        raise InvalidInput(f"A day has a list of at most {OPENINGS_PER_DAY_MAX} openings.", path=path)
    hours = sorted((_hours(opening, path) for opening in openings), key=lambda one: one.opens)
    for earlier, later in pairwise(hours):
        if earlier.closes == time.min or later.opens < earlier.closes:
            raise InvalidInput("Openings of one day do not overlap.", path=path)
    return [[f"{one.opens:%H:%M}", f"{one.closes:%H:%M}"] for one in hours]


def _hours(opening: Any, path: list[str]) -> Hours:
    if not (isinstance(opening, list | tuple) and len(opening) == 2):
        raise InvalidInput('An opening is a pair such as ["08:00", "17:00"].', path=path)
    opens, closes = opening
    if closes == "24:00":
        closes = "00:00"
    for clock in (opens, closes):
        if not isinstance(clock, str) or not _CLOCK.fullmatch(clock):
            raise InvalidInput(f"{str(clock)[:20]!r} is not a time of day such as 08:00.", path=path)
    try:
        return Hours(time.fromisoformat(opens), time.fromisoformat(closes))
    except InvalidInput as problem:
        raise InvalidInput(problem.message, path=path) from None


def hours_of(week: Mapping[str, Any]) -> dict[int, tuple[Hours, ...]]:
    """A stored week plan as the opening hours a calendar reckons with."""
    return {
        int(day): tuple(Hours(time.fromisoformat(opens), time.fromisoformat(closes)) for opens, closes in openings)
        for day, openings in week.items()
    }
