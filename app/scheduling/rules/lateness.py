"""Whether a visit that has not begun will be late: what is expected against what was promised."""

from datetime import datetime, timedelta

from app.messaging.rules import AlertKind, AlertSeverity, Danger
from app.scheduling.rules.lifecycles import AppointmentStatus

# How far from its planned start a visit may begin where no window was promised.
START_GRACE = timedelta(minutes=15)
LATE_BADLY = timedelta(minutes=30)
# Planned further ahead, nothing is known yet; planned longer ago, somebody forgot to say how it went.
WATCHED_AHEAD = timedelta(hours=4)
WATCHED_BEHIND = timedelta(hours=16)

NOT_ARRIVED = (AppointmentStatus.SCHEDULED, AppointmentStatus.DISPATCHED, AppointmentStatus.EN_ROUTE)


def promised_by(starts_at: datetime, window_end: datetime | None) -> datetime:
    """When the technicians are there at the latest, if all is as it was promised."""
    return window_end if window_end is not None else starts_at + START_GRACE


def expected_at(
    status: str, starts_at: datetime, *, eta_at: datetime | None, travel_minutes: int | None, now: datetime
) -> datetime:
    """When the technicians will be there, by what they say, else by the way they still have before them."""
    if status == AppointmentStatus.EN_ROUTE:
        return max(eta_at or starts_at, now)
    return max(starts_at, now + timedelta(minutes=travel_minutes or 0))


def lateness_danger(
    id: str,
    *,
    status: str,
    starts_at: datetime | None,
    window_end: datetime | None,
    eta_at: datetime | None,
    travel_minutes: int | None,
    now: datetime,
) -> Danger | None:
    """Whether a visit is late, or will be as things stand."""
    if starts_at is None or status not in NOT_ARRIVED:
        return None
    expected = expected_at(status, starts_at, eta_at=eta_at, travel_minutes=travel_minutes, now=now)
    over = expected - promised_by(starts_at, window_end)
    if over <= timedelta(0):
        return None
    severity = AlertSeverity.CRITICAL if over > LATE_BADLY else AlertSeverity.WARNING
    return Danger(AlertKind.VISIT_LATE, severity, f"{id} at {starts_at.isoformat()}")
