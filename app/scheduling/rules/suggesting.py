"""What speaks for and against sending somebody, in words and figures. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class SuggestionCode(StrEnum):
    """What a reason is about."""

    TRAVEL = "TRAVEL"
    LATENESS = "LATENESS"
    CONTINUITY = "CONTINUITY"
    SKILL = "SKILL"
    GAP = "GAP"
    WORKLOAD = "WORKLOAD"


@dataclass(frozen=True, slots=True)
class SuggestionReason:
    """One thing that speaks for or against somebody; ``figure`` is counted in ``unit``, if it can be."""

    code: SuggestionCode
    sentence: str
    figure: int | None = None
    unit: str | None = None


def suggestion_reasons(
    *,
    travel_minutes: int,
    travel_metres: int,
    late_cents: int,
    surplus_levels: int,
    gap_minutes: int,
    workload_minutes: int,
    knows_site: bool,
) -> tuple[SuggestionReason, ...]:
    """What speaks for and against somebody, the weightiest first."""
    C = SuggestionCode
    found = [
        SuggestionReason(C.LATENESS, _lateness(late_cents), max(0, late_cents), "cents"),
        SuggestionReason(C.TRAVEL, _travel(travel_minutes, travel_metres), travel_minutes, "minutes"),
    ]
    if knows_site:
        found.append(SuggestionReason(C.CONTINUITY, "Was at this site before."))
    found.append(SuggestionReason(C.SKILL, _skill(surplus_levels), surplus_levels, "levels"))
    found.append(SuggestionReason(C.GAP, f"{gap_minutes} minutes stay free around it.", gap_minutes, "minutes"))
    sentence = f"{workload_minutes} minutes of work and travel are planned in that shift already."
    found.append(SuggestionReason(C.WORKLOAD, sentence, workload_minutes, "minutes"))
    return tuple(found)


def _lateness(cents: int) -> str:
    return "Makes more of the work late than it is." if cents > 0 else "Makes nothing late."


def _travel(minutes: int, metres: int) -> str:
    if minutes <= 0:
        return "No more to drive than now."
    return f"{minutes} minutes and {metres / 1000:.1f} kilometres more to drive."


def _skill(surplus_levels: int) -> str:
    if surplus_levels <= 0:
        return "Has the skills that are needed, and no more."
    return f"Is skilled {surplus_levels} levels beyond what is needed."
