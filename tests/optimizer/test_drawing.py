"""Pictures are whole files of their kind, show who goes where, and are the same for the same plan."""

import struct
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from optimizer import Break, Place, Shift, Stock, Window
from optimizer.drawing import COLORS, ROUTES_PER_PAGE, ROWS_PER_PAGE, NothingToDraw, draw_gantt, draw_map
from optimizer.files import UnreadableFile
from optimizer.plan import Pickup, Plan, Route, Stop
from tests.optimizer.given import driven, plan_of, problem, technician, visit

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def day():
    return problem(
        [technician("ann", Shift(480, 700, "depot", "depot", 60, (Break(560, 640, 30),)), parts={"valve": 1}),
         technician("bob", Shift(480, 700, "mill", "farm"))],
        [visit("leak", "mill", 40, windows=(Window(480, 600),)), visit("roof", "park", 50, due_minute=500),
         visit("lift", "quay", 20), visit("pump", "quay", 60, promised=Window(500, 620))],
        origin=datetime(2026, 3, 2, tzinfo=UTC),
    )  # fmt: skip


@pytest.fixture
def plan(day):
    return plan_of(
        day,
        driven(day, "ann", ("leak", 500), ("roof", 590), breaks=((560, 590),), depart_minute=480),
        driven(day, "bob", ("pump", 520), depart_minute=480),
    )


def texts(path):
    return {"".join(each.itertext()).strip() for each in ElementTree.parse(path).iter(f"{SVG}text")}


@pytest.mark.parametrize("draw", [draw_gantt, draw_map])
def test_an_svg_is_well_formed_and_a_png_has_its_size(tmp_path, day, plan, draw):
    assert draw(day, plan, tmp_path / "day.svg") == [tmp_path / "day.svg"]
    assert ElementTree.parse(tmp_path / "day.svg").getroot().tag == f"{SVG}svg"
    draw(day, plan, tmp_path / "day.png")
    head = (tmp_path / "day.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert min(struct.unpack(">II", head[16:])) > 400


def test_a_chart_names_technicians_visits_breaks_local_hours_and_what_is_left_out(tmp_path, day, plan):
    draw_gantt(day, plan, tmp_path / "day.svg")
    found = texts(tmp_path / "day.svg")
    assert {"ann", "bob", "leak", "roof", "pump", "break", "08:00", "09:00", "Left out (1): lift"} <= found
    assert {"2 stops, 0:40 h travel", "1 stop, 0:30 h travel"} <= found
    assert "Monday 2 March 2026  ·  3 visits served, 1 left out" in found


def test_without_an_origin_a_chart_has_plain_minutes(tmp_path, day, plan):
    draw_gantt(replace(day, origin=None), plan, tmp_path / "day.svg")
    assert {"480", "540", "3 visits served, 1 left out"} <= texts(tmp_path / "day.svg")


def test_a_map_numbers_the_stops_of_each_route_and_marks_what_is_left_out(tmp_path, day, plan):
    draw_map(day, plan, tmp_path / "map.svg")
    found = texts(tmp_path / "map.svg")
    assert {"1", "2", "lift", "ann: 2 stops, 0:40 h, 40 km", "bob: 1 stop, 0:30 h, 30 km"} <= found
    assert {"start", "end elsewhere", "left out"} <= found
    assert "parts fetched" not in found


def test_parts_fetched_on_the_way_are_drawn(tmp_path, day):
    stocked = replace(day, stocks=(Stock("park", {"valve": 3}),))
    stop = Stop("pump", 540, 540, 600, 30, 30_000, pickup=Pickup("park", 500, 510, {"valve": 1}))
    fetching = Plan(routes=(Route("ann", 0, 480, 630, 30, 30_000, (stop,)),))
    draw_map(stocked, fetching, tmp_path / "map.svg")
    draw_gantt(stocked, fetching, tmp_path / "day.svg")
    assert "parts fetched" in texts(tmp_path / "map.svg")


@pytest.mark.parametrize("draw", [draw_gantt, draw_map])
def test_the_same_plan_makes_the_same_file(tmp_path, day, plan, draw):
    for name in ("one.svg", "other.svg"):
        draw(day, plan, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()


def test_more_technicians_than_a_page_can_tell_apart_go_on_pages_of_their_own(tmp_path):
    count = ROWS_PER_PAGE + 1
    names = [f"t{number:02}" for number in range(count)]
    big = problem([technician(name) for name in names], [visit(f"v{name}", "mill", 30) for name in names])
    plan = plan_of(big, *(driven(big, name, (f"v{name}", 10)) for name in names))
    assert draw_gantt(big, plan, tmp_path / "day.svg") == [tmp_path / "day-1.svg", tmp_path / "day-2.svg"]
    assert draw_map(big, plan, tmp_path / "map.svg") == [tmp_path / f"map-{page}.svg" for page in (1, 2, 3)]
    assert not (tmp_path / "day.svg").exists()
    assert names[-1] in texts(tmp_path / "day-2.svg")
    assert names[-1] not in texts(tmp_path / "day-1.svg")
    assert len(set(COLORS)) >= ROUTES_PER_PAGE


def test_each_day_has_its_page_by_the_calendar_of_the_origin(tmp_path, day):
    shifts = (Shift(60, 300, "depot", "depot"), Shift(1200, 1500, "depot", "depot"))
    week = replace(day, technicians=(technician("ann", *shifts),), origin=datetime(2026, 3, 2, 20, tzinfo=UTC))
    late = plan_of(week, driven(week, "ann", ("lift", 1250), shift_index=1, depart_minute=1200))
    assert draw_gantt(week, late, tmp_path / "day.svg") == [tmp_path / "day-1.svg", tmp_path / "day-2.svg"]
    assert {"21:00", "free"} <= texts(tmp_path / "day-1.svg")
    assert "Tuesday 3 March 2026  ·  1 visit served, 3 left out  ·  page 2 of 2, 2 days" in texts(
        tmp_path / "day-2.svg"
    )
    assert draw_map(week, late, tmp_path / "map.svg") == [tmp_path / "map.svg"]


def test_a_plan_that_names_what_does_not_exist_is_drawn_as_far_as_it_does(tmp_path, day, plan):
    stranger = Route("zoe", 0, 480, 500, 0, 0, (Stop("ghost", 480, 480, 490, 0, 0),))
    odd = replace(plan, routes=(*plan.routes, stranger))
    draw_gantt(day, odd, tmp_path / "day.svg")
    draw_map(day, odd, tmp_path / "map.svg")
    assert not {"zoe", "ghost"} & (texts(tmp_path / "day.svg") | texts(tmp_path / "map.svg"))


def test_there_is_no_map_of_one_point_and_no_chart_without_shifts(tmp_path, day, plan):
    point = replace(day, places=tuple(Place(each.id, 0, 0) for each in day.places))
    with pytest.raises(NothingToDraw, match="at one point"):
        draw_map(point, plan, tmp_path / "map.svg")
    with pytest.raises(NothingToDraw, match="no shifts"):
        draw_gantt(replace(day, technicians=()), plan, tmp_path / "day.svg")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said_in_a_sentence(tmp_path, day, plan):
    with pytest.raises(UnreadableFile, match=r"day\.svg: No such file or directory\."):
        draw_gantt(day, plan, tmp_path / "nowhere" / "day.svg")
