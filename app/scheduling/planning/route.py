"""A technician's way through a day: from home to each visit in its order, and home again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import optimizer
from app.customers.models import Site
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_one, find_rows
from app.kernel.actor import Actor
from app.kernel.permissions import Permission
from app.scheduling.models import Appointment
from app.scheduling.queries import BoardVisit
from app.scheduling.travel import Leg, route_geometry
from app.technicians.models import Technician

HOME = "home"


@dataclass(frozen=True, slots=True)
class RouteLeg:
    """The way from one visit to the next; None is home."""

    from_visit_id: str | None
    to_visit_id: str | None
    leg: Leg


async def find_route(actor: Actor, technician_id: str, visits: Sequence[BoardVisit], tz: ZoneInfo) -> list[RouteLeg]:
    """The legs of a day. Home is left out for those who may not know where that is; a visit whose site has no coordinates
    is, too. Customers are told no ways at all."""
    if actor.is_customer or (actor.is_technician_only and actor.technician_id != technician_id):
        return []
    stops = await _stops(visits)
    home = await _home(actor, technician_id)
    if home is not None and stops:
        first = next(visit for visit in visits if visit.id == stops[0][0])
        begins, ends = first.progress.starts_at or stops[0][2], stops[-1][2]
        stops = [(None, home, begins), *stops, (None, home, ends)]
    legs = await route_geometry(
        [place for _, place, _ in stops], departs_at=[leaves for _, _, leaves in stops[:-1]], tz=tz
    )
    return [RouteLeg(stops[number][0], stops[number + 1][0], leg) for number, leg in enumerate(legs)]


async def _stops(visits: Sequence[BoardVisit]) -> list[tuple[str | None, optimizer.Place, datetime]]:
    """The visits with the places of their sites, and when each is left."""
    ids = [visit.id for visit in visits]
    site_of = {one.id: one.site_id for one in await find_rows(Appointment, column("id").one_of(ids))}
    wanted = column("id").one_of(sorted(set(site_of.values())))
    sites = {site.id: site for site in await find_rows(Site, wanted)}
    found: list[tuple[str | None, optimizer.Place, datetime]] = []
    for visit in visits:
        site, ends_at = sites.get(site_of.get(visit.id, "")), visit.progress.ends_at
        if site is not None and site.latitude is not None and site.longitude is not None and ends_at is not None:
            found.append((visit.id, optimizer.Place(visit.id, site.latitude, site.longitude), ends_at))
    return found


async def _home(actor: Actor, technician_id: str) -> optimizer.Place | None:
    if actor.technician_id != technician_id and not actor.holds(Permission.VIEW_POSITIONS):
        return None
    technician = await find_one(Technician, actor, technician_id, path="technicianId")
    if technician.home_latitude is None or technician.home_longitude is None:
        return None
    return optimizer.Place(HOME, technician.home_latitude, technician.home_longitude)
