"""How long visits really take, where nobody has said otherwise: for plans that are asked to go by history."""

import math
from collections.abc import Mapping
from dataclasses import replace

from app.company.models import ServiceType
from app.equipment.models import Equipment
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor
from app.scheduling import queries, rules
from app.scheduling.planning.material import Material
from app.scheduling.solver import Request


async def expected_minutes(actor: Actor, material: Material) -> dict[str, int]:
    """The minutes that visits of a plan are expected to take, by the visits' ids.

    Of those alone that are planned with the usual minutes of their service type: what somebody entered, they knew. And of
    none while forecasts of the past were no better than what was planned.
    """
    times = await queries.visit_times(actor)
    if times.model is None or times.error is None or not times.error.beats_plan:
        return {}
    usual = await _usual_minutes(material)
    models = await _models(material)
    found = {}
    for appointment in material.appointments:
        work_order = material.work_orders[appointment.work_order_id]
        kind = work_order.service_type_id
        if kind is None or appointment.duration_minutes != usual.get(kind) or material.is_fixed(appointment):
            continue
        made = times.model.forecast(queries.kind_of(kind, models.get(work_order.equipment_id or ""), None))
        if made.level > 0:
            found[appointment.id] = min(max(1, math.ceil(made.expected_minutes)), rules.DURATION_MINUTES_MAX)
    return found


def with_minutes(request: Request, minutes: Mapping[str, int]) -> Request:
    """The planner's question with other minutes for some visits."""
    visits = (
        replace(visit, duration_minutes=minutes[visit.id]) if visit.id in minutes else visit for visit in request.visits
    )
    return replace(request, visits=tuple(visits))


async def _usual_minutes(material: Material) -> dict[str, int]:
    ids = {work_order.service_type_id for work_order in material.work_orders.values()} - {None}
    rows = await find_rows(ServiceType, column("id").one_of(sorted(map(str, ids))))
    return {row.id: row.duration_minutes for row in rows}


async def _models(material: Material) -> dict[str, str | None]:
    ids = {work_order.equipment_id for work_order in material.work_orders.values()} - {None}
    rows = await find_rows(Equipment, column("id").one_of(sorted(map(str, ids))))
    return {row.id: row.model_id for row in rows}
