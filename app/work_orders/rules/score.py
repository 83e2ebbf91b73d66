"""Which work wants attention first, and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.work_orders.rules.lifecycle import OPEN
from app.work_orders.rules.words import Priority

URGENCY_POINTS: dict[Priority, int] = {
    Priority.LOW: 0,
    Priority.NORMAL: 20,
    Priority.HIGH: 40,
    Priority.URGENT: 60,
    Priority.EMERGENCY: 100,
}
AGE_POINTS_PER_DAY = 2
AGE_POINTS_MAX = 20
DUE_SOON_HOURS = 24
DUE_POINTS = 20
OVERDUE_POINTS_MAX = 40


@dataclass(frozen=True, slots=True)
class ScorePart:
    """Some points of a priority score, and the sentence that says why."""

    code: str
    points: int
    explanation: str


@dataclass(frozen=True, slots=True)
class PriorityScore:
    """How soon work wants attention: the higher, the sooner; the parts add up to the points."""

    points: int
    parts: tuple[ScorePart, ...]


def priority_score(
    *, status: str, priority: str, submitted_at: datetime, due_at: datetime | None, now: datetime
) -> PriorityScore:
    """How soon open work wants attention, by urgency, age and due time. What is no longer open scores 0."""
    if status not in OPEN:
        return PriorityScore(0, ())
    parts = [_urgency_part(Priority(priority)), _age_part(now - submitted_at)]
    if due_at is not None:
        parts.append(_due_part(due_at - now))
    earned = tuple(part for part in parts if part.points)
    return PriorityScore(sum(part.points for part in earned), earned)


def _urgency_part(priority: Priority) -> ScorePart:
    return ScorePart("URGENCY", URGENCY_POINTS[priority], f"The priority is {priority}.")


def _age_part(age: timedelta) -> ScorePart:
    days = max(0, age.days)
    points = min(AGE_POINTS_MAX, days * AGE_POINTS_PER_DAY)
    return ScorePart("AGE", points, f"It was submitted {days} {'day' if days == 1 else 'days'} ago.")


def _due_part(left: timedelta) -> ScorePart:
    hours = int(left / timedelta(hours=1))
    if left < timedelta(0):
        points = min(OVERDUE_POINTS_MAX, DUE_POINTS - hours)
        return ScorePart("OVERDUE", points, f"It is overdue by {-hours} hours.")
    points = DUE_POINTS * max(0, DUE_SOON_HOURS - hours) // DUE_SOON_HOURS
    return ScorePart("DUE_SOON", points, f"It is due in {hours} hours.")
