"""Plans as pictures: `draw_gantt`, a row for each shift, and `draw_map`, a line for each route; as SVG or PNG.

Each day has its page, and more shifts than one page can tell apart go on several: `day.svg` becomes `day-1.svg`,
`day-2.svg` and so on. Equal plans make equal files.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from math import ceil, cos, radians
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.clock import Clock, hours
from optimizer.files import UnreadableFile
from optimizer.plan import Plan
from optimizer.problem import Place, Problem, Shift, Technician, Window
from optimizer.rules import Day, Tour, Work, opens_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png")
ROUTES_PER_PAGE = 10
ROWS_PER_PAGE = 24
# Told apart by hue and by lightness; more than a page of the map has technicians.
COLORS = (
    "#1c6dd0", "#e8590c", "#2b8a3e", "#9c36b5", "#c92a2a", "#0b7285", "#f08c00", "#5c3c10",
    "#d6336c", "#66a80f", "#364fc7", "#12b886", "#862e9c", "#868e96", "#a61e4d", "#22b8cf",
)  # fmt: skip
INK, PALE, FAINT, ALARM, PROMISE = "#212529", "#868e96", "#f1f3f5", "#e03131", "#0b7285"
LEFT_OUT_LINES_MAX, LEFT_OUT_NAMES_MAX = 6, 40
# Of one character in the small type of the bars; what does not fit is not written.
CHARACTER_INCHES = 0.075
PIXELS_PER_INCH = 150
KILOMETRES_PER_DEGREE, MINUTES_PER_DAY = 111.2, 1440
SCALES_KILOMETRES = (1000, 500, 200, 100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1)
# The page, and in parts of it the map's left, bottom, width and height.
MAP_INCHES, MAP_BOX = (13.5, 9.0), (0.02, 0.03, 0.74, 0.9)


class NothingToDraw(ValueError):
    """There is no picture of this; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    technician: Technician
    shift: Shift
    tour: Tour | None
    color: str

    @property
    def last_minute(self) -> int:
        """Of everything drawn in the row."""
        back = self.tour.back.arrive_minute if self.tour is not None else 0
        return max(back, self.shift.last_minute if self.tour is not None else self.shift.end_minute)


@dataclass(frozen=True, slots=True)
class Badge:
    """A sign on the map beside the numbers of the stops."""

    marker: str
    fill: str
    edge: str
    text: str = ""


def draw_gantt(problem: Problem, plan: Plan, path: Path) -> list[Path]:
    """The files written. Raises `NothingToDraw`, and `UnreadableFile` where nothing can be written."""
    days = _by_day(problem, _rows(problem, plan))
    if not days:
        raise NothingToDraw("The problem has no shifts to draw.")
    pages = [rows[begin : begin + ROWS_PER_PAGE] for rows in days for begin in range(0, len(rows), ROWS_PER_PAGE)]
    spans = {
        id(row): (min(each.shift.start_minute for each in rows), max(each.last_minute for each in rows))
        for rows in days
        for row in rows
    }
    clock = Clock(problem.origin)
    figures = []
    for number, page in enumerate(pages, start=1):
        title = _title(problem, plan, page[0].shift, len(days), (number, len(pages)))
        figures.append(_gantt_page(title, plan, page, spans[id(page[0])], clock))
    return _save(figures, path)


def draw_map(problem: Problem, plan: Plan, path: Path) -> list[Path]:
    """The files written. Raises `NothingToDraw`, and `UnreadableFile` where nothing can be written."""
    if len({(place.latitude, place.longitude) for place in problem.places}) < 2:
        raise NothingToDraw("All places of the problem lie at one point: there is no map of that.")
    rows = _rows(problem, plan)
    colors = {row.technician.id: row.color for row in rows}
    days = [[row for row in rows if row.tour is not None] for rows in _by_day(problem, rows)]
    pages = [
        [row.tour for row in rows[begin : begin + ROUTES_PER_PAGE] if row.tour is not None]
        for rows in days
        for begin in range(0, len(rows), ROUTES_PER_PAGE)
    ] or [[]]
    tours, figures = Day(problem, plan).tours, []
    for number, page in enumerate(pages, start=1):
        shift = page[0].shift if page else None
        title = _title(problem, plan, shift, len(days), (number, len(pages)))
        figures.append(_map_page(title, problem, plan, page, tours, colors))
    return _save(figures, path)


def _new_figure(width: float, height: float) -> "Figure":
    """Imported here: few processes draw, and none of them has a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _save(figures: Sequence["Figure"], path: Path) -> list[Path]:
    import matplotlib

    written: list[Path] = []
    for number, figure in enumerate(figures, start=1):
        target = path if len(figures) == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        # Text stays text, and neither the time of day nor chance is in the file.
        metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        try:
            with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "truckroll"}):
                figure.savefig(target, format=path.suffix[1:], dpi=PIXELS_PER_INCH, metadata=metadata)
        except OSError as error:
            raise UnreadableFile(f"{target}: {error.strerror or error}.") from None
        written.append(target)
    return written


def _colors(names: Sequence[str]) -> dict[str, str]:
    return {name: COLORS[index % len(COLORS)] for index, name in enumerate(names)}


def _ink_on(color: str) -> str:
    """Black or white, whichever is read better there."""
    red, green, blue = (int(color[index : index + 2], 16) for index in (1, 3, 5))
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 150 else "white"


def _title(problem: Problem, plan: Plan, shift: Shift | None, days: int, page: tuple[int, int]) -> str:
    """The day of the page, and how much is served in all."""
    served, out = len(plan.visit_ids), len(plan.unassigned)
    parts = [f"{served} visit{'s' * (served != 1)} served" + (f", {out} left out" if out else "")]
    if shift is not None and problem.origin is not None:
        parts.insert(0, f"{problem.origin + timedelta(minutes=shift.start_minute):%A %-d %B %Y}")
    if page[1] > 1:
        parts.append(f"page {page[0]} of {page[1]}" + (f", {days} days" if days > 1 else ""))
    return "  ·  ".join(parts)


def _by_day(problem: Problem, rows: Sequence[Row]) -> list[list[Row]]:
    """Shifts that begin on the same day together, by the calendar where the problem says when minute 0 is."""
    begin = 0 if problem.origin is None else problem.origin.hour * 60 + problem.origin.minute
    days: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        days[(begin + row.shift.start_minute) // MINUTES_PER_DAY].append(row)
    return [days[day] for day in sorted(days)]


# ---- the Gantt chart


def _rows(problem: Problem, plan: Plan) -> list[Row]:
    tours = {(tour.technician.id, tour.route.shift_index): tour for tour in Day(problem, plan).tours}
    colors = _colors([technician.id for technician in problem.technicians])
    return [
        Row(technician, shift, tours.get((technician.id, index)), colors[technician.id])
        for technician in problem.technicians
        for index, shift in enumerate(technician.shifts)
    ]


def _gantt_page(title: str, plan: Plan, rows: Sequence[Row], span: tuple[int, int], clock: Clock) -> "Figure":
    margin = max(15, (span[1] - span[0]) // 60)
    first, last = span[0] - margin, span[1] + margin
    left, right, top = 1.7, 1.75, 0.85
    notes = _left_out_lines(plan, 165)
    bottom = 0.75 + 0.17 * len(notes)
    width = min(30.0, max(12.0, left + right + (last - first) / 60))
    height = top + bottom + 0.5 * len(rows)
    figure = _new_figure(width, height)
    axes = figure.add_axes((left / width, bottom / height, (width - left - right) / width, 0.5 * len(rows) / height))
    axes.set_xlim(first, last)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    inches_per_minute = (width - left - right) / (last - first)
    for y, row in enumerate(rows):
        _draw_row(axes, y, row, inches_per_minute)
    _label_rows(axes, rows)
    _label_hours(axes, first, last, clock, inches_per_minute)
    figure.text(left / width, 1 - 0.35 / height, title, fontsize=13, weight="bold", color=INK)
    _gantt_legend(figure, left / width, (0.28 + 0.17 * len(notes)) / height)
    for number, line in enumerate(notes):
        figure.text(
            left / width, (0.12 + 0.17 * (len(notes) - 1 - number)) / height, line, fontsize=8, color=ALARM, va="bottom"
        )
    return figure


def _draw_row(axes: "Axes", y: int, row: Row, inches_per_minute: float) -> None:
    shift = row.shift
    axes.barh(y, shift.end_minute - shift.start_minute, left=shift.start_minute, height=0.86, color=FAINT, zorder=1)
    if shift.overtime_minutes_max:
        axes.barh(y, shift.overtime_minutes_max, left=shift.end_minute, height=0.86, color="#fff4e6",
                  edgecolor="#ffc078", hatch="////", linewidth=0, zorder=1)  # fmt: skip
    if row.tour is None:
        return
    tour = row.tour
    for pause in tour.route.breaks:
        length = pause.end_minute - pause.start_minute
        axes.barh(y, length, left=pause.start_minute, height=0.5, color="#ced4da", edgecolor="white",
                  linewidth=0.6, zorder=4)  # fmt: skip
        _write(axes, y, pause.start_minute, length, ("break", "b"), PALE, inches_per_minute)
    clock_minute = tour.route.depart_minute
    for number, work in enumerate(tour.works, start=1):
        _draw_leg(axes, y, row.color, clock_minute, work.drive.arrive_minute)
        _draw_pickup(axes, y, row.color, work, inches_per_minute)
        _draw_work(axes, y, row, work, number, inches_per_minute)
        clock_minute = work.end_minute
    if tour.works:
        _draw_leg(axes, y, row.color, clock_minute, tour.back.arrive_minute)
    late = tour.back.arrive_minute - shift.end_minute
    if late > 0:
        axes.plot([shift.end_minute, tour.back.arrive_minute], [y + 0.43, y + 0.43], color="#f76707", linewidth=2.5,
                  solid_capstyle="butt", zorder=6)  # fmt: skip


def _draw_leg(axes: "Axes", y: int, color: str, begin: int, end: int) -> None:
    if end > begin:
        axes.barh(y, end - begin, left=begin, height=0.12, color=color, alpha=0.55, linewidth=0, zorder=2)


def _draw_pickup(axes: "Axes", y: int, color: str, work: Work, inches_per_minute: float) -> None:
    pickup = work.stop.pickup
    if pickup is None:
        return
    length = pickup.leave_minute - pickup.arrive_minute
    axes.barh(y, length, left=pickup.arrive_minute, height=0.5, color="white", edgecolor=color, hatch="xxxx",
              linewidth=0.9, zorder=4)  # fmt: skip


def _draw_work(axes: "Axes", y: int, row: Row, work: Work, number: int, inches_per_minute: float) -> None:
    start, length = work.stop.start_minute, work.end_minute - work.stop.start_minute
    if work.stop.wait_minutes > 0:
        arrive = start - work.stop.wait_minutes
        axes.barh(y, work.stop.wait_minutes, left=arrive, height=0.38, color="white", edgecolor=PALE, linestyle=":",
                  linewidth=0.9, zorder=3)  # fmt: skip
    due = work.visit.due_minute
    is_late = due is not None and start > due
    axes.barh(y, length, left=start, height=0.56, color=row.color, edgecolor=ALARM if is_late else "white",
              linewidth=1.6 if is_late else 0.8, zorder=5)  # fmt: skip
    if due is not None and is_late:
        axes.plot([due, start], [y - 0.36, y - 0.36], color=ALARM, linewidth=1.4, zorder=6)
        axes.plot([due], [y - 0.36], marker="|", color=ALARM, markersize=6, zorder=6)
    _write(axes, y, start, length, (work.visit.id, str(number)), _ink_on(row.color), inches_per_minute)
    window, color = _window(work)
    if window is not None:
        height = y + (0.345 if number % 2 else 0.405)
        begin = max(window.earliest_minute, row.shift.start_minute)
        end = min(window.latest_minute, row.last_minute)
        if begin <= end:
            axes.plot([begin, end], [height, height], color=color, linewidth=1.5, solid_capstyle="butt", zorder=3)


def _window(work: Work) -> tuple[Window | None, str]:
    """The promised one, or the one the start falls into."""
    if work.visit.promised is not None:
        return work.visit.promised, PROMISE
    return next((window for window in work.visit.windows if opens_for(window, work)), None), "#adb5bd"


def _write(
    axes: "Axes", y: float, start: int, length: int, texts: Sequence[str], color: str, inches_per_minute: float
) -> None:
    """The first of the texts that fits into the bar."""
    room = length * inches_per_minute - 0.05
    for text in texts:
        if len(text) * CHARACTER_INCHES <= room:
            axes.text(start + length / 2, y, text, ha="center", va="center", fontsize=7.5, color=color, zorder=7)
            return


def _label_rows(axes: "Axes", rows: Sequence[Row]) -> None:
    axes.set_yticks(range(len(rows)), [_row_name(row) for row in rows], fontsize=9)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(row.color)
        label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    for y, row in enumerate(rows):
        text = "free"
        if row.tour is not None:
            travel = sum(work.drive.minutes for work in row.tour.works) + row.tour.back.minutes
            stops = len(row.tour.works)
            text = f"{stops} stop{'s' * (stops != 1)}, {hours(travel)} h travel"
        axes.text(1.006, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=PALE)


def _row_name(row: Row) -> str:
    name = row.technician.id
    return name if len(name) <= 20 else f"{name[:19]}…"


def _label_hours(axes: "Axes", first: int, last: int, clock: Clock, inches_per_minute: float) -> None:
    step = next((step for step in (60, 120, 240, 360, 720) if step * inches_per_minute >= 0.8), 1440)
    offset = 0 if clock.origin is None else clock.origin.hour * 60 + clock.origin.minute
    begin = ceil((first + offset) / step) * step - offset
    ticks = list(range(begin, last + 1, step))
    axes.set_xticks(ticks, [clock(tick) for tick in ticks], fontsize=9)
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", length=0, colors=PALE)
    axes.grid(axis="x", color="#dee2e6", linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)


def _gantt_legend(figure: "Figure", x: float, y: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor="#495057", label="work"),
        Line2D([], [], color="#495057", alpha=0.55, linewidth=3, label="travel"),
        Patch(facecolor="white", edgecolor=PALE, linestyle=":", label="waiting"),
        Patch(facecolor="#ced4da", label="break"),
        Patch(facecolor="white", edgecolor="#495057", hatch="xxxx", label="parts fetched"),
        Line2D([], [], color="#adb5bd", linewidth=2, label="window"),
        Line2D([], [], color=PROMISE, linewidth=2, label="promised"),
        Patch(facecolor="white", edgecolor=ALARM, linewidth=1.6, label="late"),
        Patch(facecolor=FAINT, label="shift"),
        Patch(facecolor="#fff4e6", edgecolor="#ffc078", hatch="////", linewidth=0, label="overtime allowed"),
        Line2D([], [], color="#f76707", linewidth=2.5, label="overtime"),
    ]
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(x, y), ncols=len(handles), frameon=False,
                  fontsize=8, handlelength=1.6, columnspacing=1.2, handletextpad=0.5, borderaxespad=0)  # fmt: skip


def _left_out_lines(plan: Plan, width: int) -> list[str]:
    if not plan.unassigned:
        return []
    lines, line = [], f"Left out ({len(plan.unassigned)}):"
    for each in plan.unassigned:
        word = f" {each.visit_id}" + (
            f" ({each.reasons[0].code.value.lower().replace('_', ' ')})" if each.reasons else ""
        )
        if len(line) + len(word) > width:
            lines.append(line)
            line = " "
        line += word + ","
    lines.append(line.rstrip(","))
    return lines if len(lines) <= LEFT_OUT_LINES_MAX else [*lines[: LEFT_OUT_LINES_MAX - 1], "  …"]


# ---- the map


def _map_page(
    title: str,
    problem: Problem,
    plan: Plan,
    mine: Sequence[Tour],
    tours: Sequence[Tour],
    colors: dict[str, str],
) -> "Figure":
    figure = _new_figure(*MAP_INCHES)
    axes = figure.add_axes(MAP_BOX)
    place = {each.id: each for each in problem.places}
    others = [place[work.visit.place] for tour in tours if tour not in mine for work in tour.works]
    axes.plot(
        [each.longitude for each in others], [each.latitude for each in others], ".", color="#ced4da", ms=4, zorder=1
    )
    for tour in mine:
        _draw_route(axes, tour, place, colors[tour.technician.id])
    _draw_stops(axes, mine, place, colors)
    badges = _badges(problem, plan, mine, place, colors)
    _draw_badges(figure, axes, badges, {_point(place[work.visit.place]) for tour in mine for work in tour.works})
    _frame(axes, problem)
    figure.text(0.02, 0.955, title, fontsize=13, weight="bold", color=INK)
    _map_legend(figure, mine, colors, {badge.marker for those in badges.values() for badge in those})
    return figure


def _way(tour: Tour, place: dict[str, Place]) -> list[Place]:
    """From the start by way of stocks and stops to the end."""
    way = [place[tour.shift.start_place]]
    for work in tour.works:
        if work.stop.pickup is not None and work.stop.pickup.place in place:
            way.append(place[work.stop.pickup.place])
        way.append(place[work.visit.place])
    if tour.shift.end_place is not None:
        way.append(place[tour.shift.end_place])
    return way


def _draw_route(axes: "Axes", tour: Tour, place: dict[str, Place], color: str) -> None:
    way = _way(tour, place)
    axes.plot([each.longitude for each in way], [each.latitude for each in way], color=color, linewidth=1.7,
              alpha=0.75, solid_joinstyle="round", zorder=2)  # fmt: skip
    for here, there in pairwise(way):
        if (here.longitude, here.latitude) != (there.longitude, there.latitude):
            east, north = there.longitude - here.longitude, there.latitude - here.latitude
            middle = here.longitude + 0.5 * east, here.latitude + 0.5 * north
            ahead = here.longitude + 0.52 * east, here.latitude + 0.52 * north
            axes.annotate("", xy=ahead, xytext=middle, zorder=2,
                          arrowprops={"arrowstyle": "-|>", "color": color, "mutation_scale": 11, "shrinkA": 0,
                                      "shrinkB": 0})  # fmt: skip


def _point(place: Place) -> tuple[float, float]:
    return place.longitude, place.latitude


def _draw_stops(axes: "Axes", tours: Sequence[Tour], place: dict[str, Place], colors: dict[str, str]) -> None:
    """Numbers in the order of the route; several at one place side by side."""
    numbers: dict[tuple[float, float], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for tour in tours:
        for number, work in enumerate(tour.works, start=1):
            numbers[_point(place[work.visit.place])][tour.technician.id].append(number)
    for point, by_technician in numbers.items():
        for index, (name, each) in enumerate(by_technician.items()):
            axes.annotate(
                ", ".join(map(str, each)), xy=point, xytext=(15 * (index - (len(by_technician) - 1) / 2), 0), textcoords="offset points", ha="center",
                va="center", fontsize=7.5, weight="bold", color=_ink_on(colors[name]), zorder=5,
                bbox={"boxstyle": "round,pad=0.28,rounding_size=0.7", "facecolor": colors[name], "edgecolor": "white",
                      "linewidth": 0.8},
            )  # fmt: skip


def _badges(
    problem: Problem, plan: Plan, tours: Sequence[Tour], place: dict[str, Place], colors: dict[str, str]
) -> dict[tuple[float, float], list[Badge]]:
    """Starts, ends elsewhere, stocks that are used, and visits left out, by where they are."""
    found: dict[tuple[float, float], dict[Badge, None]] = defaultdict(dict)
    for tour in tours:
        color, shift = colors[tour.technician.id], tour.shift
        found[_point(place[shift.start_place])][Badge("s", color, "white")] = None
        if shift.end_place is not None and shift.end_place != shift.start_place:
            found[_point(place[shift.end_place])][Badge("D", color, "white")] = None
        for work in tour.works:
            if work.stop.pickup is not None and work.stop.pickup.place in place:
                found[_point(place[work.stop.pickup.place])][Badge("P", "white", color)] = None
    known = [problem.visit_by_id[each.visit_id] for each in plan.unassigned if each.visit_id in problem.visit_by_id]
    for visit in known:
        text = visit.id if len(known) <= LEFT_OUT_NAMES_MAX else ""
        found[_point(place[visit.place])][Badge("X", ALARM, "white", text)] = None
    return {point: list(badges) for point, badges in found.items()}


def _draw_badges(
    figure: "Figure", axes: "Axes", badges: dict[tuple[float, float], list[Badge]], occupied: set[tuple[float, float]]
) -> None:
    """At their place where it is theirs alone, side by side below it elsewhere."""
    from matplotlib.transforms import offset_copy

    for point, those in badges.items():
        below = -14 if point in occupied or len(those) > 1 else 0
        for index, badge in enumerate(those):
            right = 12 * (index - (len(those) - 1) / 2)
            shifted = offset_copy(axes.transData, fig=figure, x=right, y=below, units="points")
            axes.plot(*point, marker=badge.marker, color=badge.fill, markeredgecolor=badge.edge, markersize=8,
                      markeredgewidth=1.3 if badge.fill == "white" else 0.8, transform=shifted, zorder=4)  # fmt: skip
            if badge.text:
                axes.annotate(badge.text, xy=point, xytext=(right + 6, below), textcoords="offset points", va="center",
                              fontsize=7.5, color=badge.fill, zorder=3.5)  # fmt: skip


def _frame(axes: "Axes", problem: Problem) -> None:
    """As wide as high on the ground, with a scale instead of degrees."""
    used = {visit.place for visit in problem.visits}
    for technician in problem.technicians:
        for shift in technician.shifts:
            used |= {shift.start_place, shift.end_place or shift.start_place}
    places = [each for each in problem.places if each.id in used] or list(problem.places)
    latitudes, longitudes = [each.latitude for each in places], [each.longitude for each in places]
    middle_x, middle_y = (min(longitudes) + max(longitudes)) / 2, (min(latitudes) + max(latitudes)) / 2
    shrink = max(0.01, cos(radians(middle_y)))
    # In degrees of latitude; whichever direction is the tighter one decides.
    box_width, box_height = MAP_INCHES[0] * MAP_BOX[2], MAP_INCHES[1] * MAP_BOX[3]
    wide, high = (max(longitudes) - min(longitudes)) * shrink, max(latitudes) - min(latitudes)
    degrees_per_inch = 1.12 * max(wide / box_width, high / box_height) or 0.001
    half_x, half_y = degrees_per_inch * box_width / 2 / shrink, degrees_per_inch * box_height / 2
    axes.set_xlim(middle_x - half_x, middle_x + half_x)
    axes.set_ylim(middle_y - half_y, middle_y + half_y)
    axes.set_facecolor("#f8f9fa")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_color("#dee2e6")
    kilometres = degrees_per_inch * box_width * KILOMETRES_PER_DEGREE
    length = next((each for each in SCALES_KILOMETRES if each <= kilometres / 5), None)
    if length is not None:
        _scale_bar(axes, length, length / (KILOMETRES_PER_DEGREE * shrink))


def _scale_bar(axes: "Axes", kilometres: float, degrees: float) -> None:
    from matplotlib.transforms import blended_transform_factory

    left = axes.get_xlim()[0]
    begin = left + 0.02 * (axes.get_xlim()[1] - left)
    mixed = blended_transform_factory(axes.transData, axes.transAxes)
    axes.plot([begin, begin + degrees], [0.025, 0.025], transform=mixed, color=INK, linewidth=2, zorder=7)
    axes.text(begin + degrees / 2, 0.032, f"{kilometres:g} km", transform=mixed, ha="center", va="bottom", fontsize=8,
              color=INK, zorder=7)  # fmt: skip


def _map_legend(figure: "Figure", tours: Sequence[Tour], colors: dict[str, str], markers: set[str]) -> None:
    from matplotlib.lines import Line2D

    handles: list[Any] = []
    for tour in tours:
        metres = sum(work.drive.metres for work in tour.works) + tour.back.metres
        minutes = sum(work.drive.minutes for work in tour.works) + tour.back.minutes
        stops = len(tour.works)
        text = f"{tour.technician.id}: {stops} stop{'s' * (stops != 1)}, {hours(minutes)} h, {metres / 1000:,.0f} km"
        handles.append(Line2D([], [], color=colors[tour.technician.id], linewidth=3, label=text))
    signs = (("s", "start", PALE, "white"), ("D", "end elsewhere", PALE, "white"),
             ("P", "parts fetched", "white", PALE), ("X", "left out", ALARM, "white"))  # fmt: skip
    for marker, label, fill, edge in (sign for sign in signs if sign[0] in markers):
        handles.append(
            Line2D([], [], marker=marker, color=fill, markeredgecolor=edge, linestyle="", markersize=8, label=label)
        )
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.77, 0.935), frameon=False, fontsize=8.5,
                  labelspacing=0.7, borderaxespad=0)  # fmt: skip
