"""The schedule as it stands, as a plan: what a change starts from, and what a proposal is compared with."""

from typing import Any

import optimizer


def as_it_stands(problem: optimizer.Problem) -> optimizer.Plan:
    """What people rely on already, with the legs between the visits. It may break rules: somebody decided so."""
    published = problem.published or optimizer.Plan()
    routes = tuple(made for route in published.routes if (made := _with_legs(problem, route)) is not None)
    served = {stop.visit_id for route in routes for stop in route.stops}
    left = tuple(optimizer.Unassigned(visit.id) for visit in problem.visits if visit.id not in served)
    return optimizer.Plan(routes=routes, unassigned=left)


def _with_legs(problem: optimizer.Problem, route: optimizer.Route) -> optimizer.Route | None:
    technician = problem.technician_by_id.get(route.technician_id)
    stops = [stop for stop in route.stops if stop.visit_id in problem.visit_by_id]
    if technician is None or route.shift_index >= len(technician.shifts) or not stops:
        return None
    shift, travel = technician.shifts[route.shift_index], problem.travel_for(technician)
    here, free, made = problem.place_index[shift.start_place], None, []
    for stop in stops:
        there = problem.place_index[problem.visit_by_id[stop.visit_id].place]
        leaves = stop.start_minute if free is None else free
        minutes = travel.minutes_from(here, there, leaves)
        arrives = min(stop.start_minute, (stop.start_minute if free is None else free + minutes))
        made.append(
            optimizer.PlannedStop(
                stop.visit_id,
                arrives,
                stop.start_minute,
                stop.end_minute,
                minutes,
                travel.metres[here][there],
                stop.start_minute - arrives,
            )
        )
        here, free = there, stop.end_minute
    back, metres = 0, 0
    if shift.end_place is not None:
        home = problem.place_index[shift.end_place]
        back, metres = travel.minutes_from(here, home, made[-1].end_minute), travel.metres[here][home]
    return optimizer.Route(
        technician_id=route.technician_id,
        shift_index=route.shift_index,
        depart_minute=made[0].start_minute - made[0].travel_minutes,
        return_minute=made[-1].end_minute + back,
        return_travel_minutes=back,
        return_travel_metres=metres,
        stops=tuple(made),
    )


def figures_of(problem: optimizer.Problem, plan: optimizer.Plan) -> dict[str, Any]:
    """What a plan costs by tiers, and the way to all its visits; the way home is no visit's, so proposals lack it, too."""
    stops = [stop for route in plan.routes for stop in route.stops]
    return {
        **score_as_json(optimizer.score(problem, plan)),
        "travel_minutes": sum(stop.travel_minutes for stop in stops),
        "travel_metres": sum(stop.travel_metres for stop in stops),
    }


def score_as_json(score: optimizer.Score | None) -> dict[str, Any]:
    """What a plan is worth, lower is better, by the goals in their order."""
    if score is None:
        return {}
    return {
        "mandatory_points": score.mandatory_points,
        "lateness_cents": score.lateness_cents,
        "wishes_cents": score.wishes_cents,
    }
