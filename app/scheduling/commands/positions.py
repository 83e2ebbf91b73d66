"""Where technicians are, and what that says of their visits: a device may know of an arrival before anybody says so.

Positions belong to the technicians' room, which knows nothing of visits, and they are no facts that a reaction could hear.
So the command that phones call stands here, above both: it hands the positions down, and looks at the visit on the way in
the same transaction.
"""

from collections.abc import Sequence

from app.company.queries import get_organization
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.tables import lock_one
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.permissions import Permission
from app.kernel.places import Point, great_circle_metres
from app.scheduling import events, queries, rules
from app.scheduling.commands import steps
from app.scheduling.models import Appointment
from app.scheduling.rules import AppointmentStatus, Sighting
from app.technicians import commands as technicians
from app.technicians import queries as people
from app.technicians import rules as technician_rules
from app.technicians.commands import PositionsTaken
from app.technicians.rules import PositionReport


@command(Permission.REPORT_OWN_STATUS)
async def report_positions(actor: Actor, positions: Sequence[PositionReport]) -> PositionsTaken:
    """Upload where the own device was. Who has come to the site they are on the way to is asked whether they have
    arrived: once on each way.
    """
    reports = technician_rules.require_reports(positions)
    visit = await _approached_visit(actor, reports)
    taken = await technicians.take_positions(actor, reports)
    if visit is not None and taken["is_newest"]:
        await _suggest_arrival(actor, *visit)
    return taken


async def _approached_visit(actor: Actor, reports: Sequence[PositionReport]) -> tuple[Appointment, Point, int] | None:
    """The visit that the technician is on the way to, its site and the radius around that, when one of the reports is
    from there. It is locked before the technician is, as in every other command of this room.
    """
    found = await queries.find_visit_on_the_way(actor)
    site = await queries.find_place_of(found) if found is not None else None
    if found is None or site is None:
        return None
    radius = (await get_organization(actor)).arrival_radius_metres
    if all(great_circle_metres(report.point, site) > radius for report in reports):
        return None
    visit = await lock_one(Appointment, actor, found.id)
    is_open = visit.status == AppointmentStatus.EN_ROUTE and visit.arrival_suggested_at is None
    return (visit, site, radius) if is_open else None


async def _suggest_arrival(actor: Actor, visit: Appointment, site: Point, radius: int) -> None:
    last = await people.find_last_position(actor.organization_id, technicians.own_id(actor))
    if last is None or (visit.en_route_at is not None and last.at < visit.en_route_at):
        return
    sighting = Sighting(
        point=Point(last.latitude, last.longitude),
        at=last.at,
        still_since=last.still_since,
        accuracy_metres=last.accuracy_metres,
        speed_metres_per_second=last.speed_metres_per_second,
    )
    if not rules.has_arrived(sighting, site, radius):
        return
    now = utc_now()
    # Not a new version: a guess of ours is no reason to refuse what somebody does with the version they saw.
    await Appointment.filter(id=visit.id).update(arrival_suggested_at=now, updated_at=now)
    about = {**steps.audience(visit), "changes": {"arrival_suggested_at": [None, now]}}
    journal.record(events.ArrivalSuggested(**about, technician_id=last.technician_id))
