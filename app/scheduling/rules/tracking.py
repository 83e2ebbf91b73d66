"""What somebody may know of a visit who has nothing but a link to it, and for how long. Pure."""

from datetime import datetime, timedelta

from app.kernel.places import Point
from app.scheduling.rules.lifecycles import AppointmentStatus

# Begins each secret, so that one that leaked is recognized.
SHARE_KIND = "visit"
SHARES_MAX = 20
SHARE_HOURS_AFTER_END = 4
SHARE_DAYS_MAX = 90
SHARES_KEPT = timedelta(days=30)
# Three decimals of a degree are about 100 metres: enough to see somebody come, too little to see where they park.
PLACE_DECIMALS = 3

A = AppointmentStatus
TRACKING_LABELS = {
    A.UNSCHEDULED: "We are looking for a time",
    A.SCHEDULED: "Planned",
    A.DISPATCHED: "Planned",
    A.EN_ROUTE: "On the way to you",
    A.ON_SITE: "Arrived",
    A.IN_PROGRESS: "At work",
    A.PAUSED: "The work is interrupted",
    A.COMPLETED: "Done",
    A.PARTIALLY_COMPLETED: "A part is done; another visit is needed",
    A.CANNOT_COMPLETE: "It could not be done",
    A.CANCELED: "Called off",
}


def share_ends_at(created_at: datetime, planned_end: datetime | None, ended_at: datetime | None) -> datetime:
    """Until when a link opens: some hours after the visit's end, and not for ever if that never comes. A visit may be
    planned long ahead, so the days count from its planned end if that is later than the link."""
    counted_from = created_at if planned_end is None else max(created_at, planned_end)
    latest = counted_from + timedelta(days=SHARE_DAYS_MAX)
    return latest if ended_at is None else min(latest, ended_at + timedelta(hours=SHARE_HOURS_AFTER_END))


def is_share_open(
    now: datetime,
    created_at: datetime,
    planned_end: datetime | None,
    ended_at: datetime | None,
    revoked_at: datetime | None,
) -> bool:
    """Whether a link opens at a moment."""
    return revoked_at is None and now < share_ends_at(created_at, planned_end, ended_at)


def tracking_label(status: AppointmentStatus) -> str:
    """Where a visit stands, in words for who waits for it."""
    return TRACKING_LABELS[status]


def first_name(name: str) -> str:
    """What a technician is called at the door; the rest of the name is nobody's business."""
    return name.split()[0] if name.strip() else ""


def rough(point: Point) -> Point:
    """About where somebody is, within 100 metres or so."""
    return Point(round(point.latitude, PLACE_DECIMALS), round(point.longitude, PLACE_DECIMALS))
