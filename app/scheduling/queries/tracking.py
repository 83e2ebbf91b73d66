"""What somebody who has nothing but a link may know of a visit."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.customers.models import Site
from app.infrastructure import tokens
from app.infrastructure.conditions import Condition, any_of, column, exists
from app.infrastructure.tables import find_rows
from app.kernel.calendar import utc_now
from app.kernel.errors import NotFound
from app.kernel.places import Point
from app.scheduling import rules
from app.scheduling.models import Appointment, VisitShare
from app.scheduling.rules import AppointmentStatus
from app.technicians import queries as technicians
from app.technicians.models import Technician

# From then on a technician is known to come; before, it may be another one tomorrow.
COMING = rules.SETTLED | rules.RESULTS


@dataclass(frozen=True, slots=True)
class Tracked:
    """A visit as who waits for it may see it: no ids, no surname, and the place only on the way, and roughly."""

    status: AppointmentStatus
    window_start: datetime | None
    window_end: datetime | None
    starts_at: datetime | None
    eta_at: datetime | None
    technician_first_name: str | None
    time_zone: str
    place: Point | None
    place_at: datetime | None


async def find_shared_visit(token: str) -> Appointment:
    """The visit behind a link. ``NotFound``, the same in every case, when the link is wrong, revoked or past its time."""
    found = await _open_share(token) if tokens.is_token(token, rules.SHARE_KIND) else None
    if found is None:
        raise NotFound("visit", "behind this link", path=["token"])
    return found


async def track(visit: Appointment) -> Tracked:
    """What may be known of a visit now. Whoever follows one looks whenever somebody moves: the places are read together."""
    status = AppointmentStatus(visit.status)
    [site] = await find_rows(Site, column("id") == visit.site_id)
    lead = visit.technician_ids[0] if visit.technician_ids and status in COMING else None
    people = await find_rows(Technician, column("id") == lead) if lead is not None else []
    last = None
    if lead is not None and status is AppointmentStatus.EN_ROUTE:
        last = (await technicians.find_last_positions(visit.organization_id)).get(lead)
    # Where the technician was before is somebody else's site, or their home.
    is_on_the_way = last is not None and visit.en_route_at is not None and last.at >= visit.en_route_at
    return Tracked(
        status=status,
        window_start=visit.window_start,
        window_end=visit.window_end,
        starts_at=visit.starts_at,
        eta_at=visit.eta_at if status is AppointmentStatus.EN_ROUTE else None,
        time_zone=site.time_zone,
        technician_first_name=rules.first_name(people[0].name) if people else None,
        place=rules.rough(last.point) if last is not None and is_on_the_way else None,
        place_at=last.at.replace(second=0, microsecond=0) if last is not None and is_on_the_way else None,
    )


async def count_open_shares(visit: Appointment) -> int:
    """How many links to a visit open at the moment."""
    now = utc_now()
    shares = await find_rows(VisitShare, (column("appointment_id") == visit.id) & column("revoked_at").is_null())
    return sum(_is_open(share, visit, now) for share in shares)


def shut_before(moment: datetime) -> Condition:
    """Links that opened nothing any more at a moment, as ``rules.share_ends_at`` says it of each."""
    ended, planned = (
        moment - timedelta(hours=rules.SHARE_HOURS_AFTER_END),
        moment - timedelta(days=rules.SHARE_DAYS_MAX),
    )
    is_over = (column("completed_at") <= ended) | (column("canceled_at") <= ended)
    was_planned = any_of(
        column("ends_at") <= planned,
        column("ends_at").is_null() & (column("window_end").is_null() | (column("window_end") <= planned)),
    )
    return any_of(
        column("revoked_at") <= moment,
        exists("appointment", "id", is_over, ours="appointment_id"),
        (column("created_at") <= planned) & exists("appointment", "id", was_planned, ours="appointment_id"),
    )


async def _open_share(token: str) -> Appointment | None:
    shares = await find_rows(VisitShare, column("secret_hash") == tokens.hash_token(token))
    if not shares:
        return None
    share = shares[0]
    [visit] = await find_rows(Appointment, column("id") == share.appointment_id)
    return visit if _is_open(share, visit, utc_now()) else None


def _is_open(share: VisitShare, visit: Appointment, now: datetime) -> bool:
    planned_end = visit.ends_at or visit.window_end
    ended_at = visit.completed_at or visit.canceled_at
    return rules.is_share_open(now, share.created_at, planned_end, ended_at, share.revoked_at)
