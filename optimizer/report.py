"""A plan in words and tables for a terminal: routes, what it costs by goal, what is left out and why, what it breaks."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from optimizer.clock import Clock, hours
from optimizer.plan import Plan, Score
from optimizer.problem import Problem, Tier
from optimizer.rules import Day, Tour, Violation
from optimizer.score import charges

ROUTE_COLUMNS = ("technician", "stops", "leaves", "returns", "work", "travel", "km", "waiting", "overtime")


def report(problem: Problem, plan: Plan) -> str:
    """All of it, for a plan that keeps the rules."""
    return "\n\n".join(
        part for part in (routes_table(problem, plan), cost_table(problem, plan), left_out(plan)) if part
    )


def routes_table(problem: Problem, plan: Plan) -> str:
    tours = Day(problem, plan).tours
    clock = Clock.of(problem)
    rows = [_route_row(tour, clock) for tour in tours]
    total = ("", str(sum(len(tour.works) for tour in tours)), "", "", *_sums(tours))
    return table("Routes", ROUTE_COLUMNS, [*rows, total], right=range(1, len(ROUTE_COLUMNS)))


def _route_row(tour: Tour, clock: Clock) -> tuple[str, ...]:
    shifts = len(tour.technician.shifts)
    name = tour.technician.id + (f" ({tour.route.shift_index + 1} of {shifts})" if shifts > 1 else "")
    times = clock(tour.route.depart_minute), clock(tour.route.return_minute)
    return name, str(len(tour.works)), *times, *_sums([tour])


def _sums(tours: Sequence[Tour]) -> tuple[str, ...]:
    works = [work for tour in tours for work in tour.works]
    metres = sum(work.drive.metres for work in works) + sum(tour.back.metres for tour in tours)
    overtime = sum(max(0, tour.back.arrive_minute - tour.shift.end_minute) for tour in tours)
    return (
        hours(sum(work.technician.minutes_for(work.visit) for work in works)),
        hours(sum(work.drive.minutes for work in works) + sum(tour.back.minutes for tour in tours)),
        f"{metres / 1000:,.1f}",
        hours(sum(max(0, work.stop.wait_minutes) for work in works)),
        hours(overtime),
    )


def cost_table(problem: Problem, plan: Plan) -> str:
    """The score, itemized: each goal that costs something, in the order of the policy's tiers."""
    amounts: dict[Tier, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for charge in charges(problem, plan):
        amounts[charge.tier][charge.rule] += charge.amount
    rows: list[tuple[str, ...]] = []
    for level in problem.policy.tiers[1:]:
        name = " + ".join(tier.lower() for tier in level)
        found = [(rule, amount, tier) for tier in level for rule, amount in amounts[tier].items()]
        rows.append((name, "", amount_text(sum(amount for _, amount, _ in found), level[0])))
        rows.extend(("", rule.replace("_", " "), amount_text(amount, tier)) for rule, amount, tier in found)
    return table("Cost", ("tier", "goal", "amount"), rows, right=(2,))


def left_out(plan: Plan) -> str:
    """Empty when nobody is."""
    rows: list[tuple[str, ...]] = []
    for each in plan.unassigned:
        reasons = each.reasons or (None,)
        for index, reason in enumerate(reasons):
            name = each.visit_id if index == 0 else ""
            rows.append((name, "", "") if reason is None else (name, reason.code.value, reason.sentence))
    return table(f"Left out: {len(plan.unassigned)}", ("visit", "reason", ""), rows) if rows else ""


def violations_table(violations: Iterable[Violation]) -> str:
    rows = [
        (each.rule.replace("_", " "), each.technician_id or "", each.visit_id or "", each.sentence)
        for each in violations
    ]
    return table(f"Broken rules: {len(rows)}", ("rule", "technician", "visit", ""), rows)


def score_line(problem: Problem, value: Score) -> str:
    """The tiers in one line, as a search tells of them while it runs."""
    parts: list[str] = []
    for level, amount in zip(problem.policy.tiers[1:], value.levels[1:], strict=True):
        parts.append(f"{' + '.join(tier.lower() for tier in level)} {amount_text(amount, level[0])}")
    return ", ".join(parts)


def amount_text(amount: int, tier: Tier) -> str:
    """Points for mandatory visits, money elsewhere."""
    return f"{amount:,}" if tier is Tier.MANDATORY else f"{amount / 100:,.2f}"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Columns as wide as their widest cell, two spaces between; those in `right` end at the same place."""
    to_the_right = set(right)
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]
    lines = [title]
    for row in (columns, *rows):
        cells = [
            cell.rjust(width) if index in to_the_right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)
