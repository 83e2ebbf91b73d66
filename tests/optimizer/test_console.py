"""A problem in a file becomes tables, a plan in a file, and a judgement; what is wrong with a file is said in a sentence."""

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from optimizer import Policy, Shift, Unassigned, estimate_travel
from optimizer.console import Progress, hand_out, judge, require_pictures, schema_text, solve_file
from optimizer.documents import plan_to_json, problem_to_json
from optimizer.files import UnreadableFile, read_plan, read_problem, write_plan
from optimizer.plan import Plan, Reason, ReasonCode
from optimizer.report import report
from optimizer.score import score
from tests.optimizer.given import driven, plan_of, problem, technician, visit

EXAMPLE = Path(__file__).with_name("berlin.json")
README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def day():
    """Ann is late home by ten minutes, the first visit is late by five, and nobody can do the third."""
    return problem(
        [technician("ann", Shift(480, 580, "depot", "depot", 30), cost_cents_per_minute=50,
                    overtime_cents_per_minute=100), technician("bob", Shift(480, 600, "mill", "mill"))],
        [visit("leak", "mill", 30, due_minute=485, priority=1), visit("roof", "park", 20), visit("lift", "quay", 20)],
        policy=Policy(preference_cents=0),
        origin=datetime(2026, 3, 2, tzinfo=UTC),
    )  # fmt: skip


@pytest.fixture
def plan(day):
    planned = plan_of(day, driven(day, "ann", ("leak", 490), ("roof", 550), depart_minute=480))
    reason = Reason(ReasonCode.NO_TECHNICIAN_HAS_SKILL, "No technician has the skill “lift”.")
    return replace(planned, unassigned=(Unassigned("lift", (reason,)),))


def test_the_report_says_routes_costs_by_tier_and_goal_and_what_is_left_out_with_its_reason(day, plan):
    assert (
        report(day, plan)
        == """\
Routes
  technician  stops  leaves  returns  work  travel    km  waiting  overtime
  ann             2   08:00    09:50  0:50    0:40  40.0     0:20      0:10
                  2                   0:50    0:40  40.0     0:20      0:10

Cost
  tier       goal                         amount
  mandatory                                    4
             serve every mandatory visit       4
  lateness                                 80.00
             start before it is due        80.00
  wishes                                   30.00
             drive little                  20.00
             be home on time               10.00

Left out: 1
  visit  reason
  lift   NO_TECHNICIAN_HAS_SKILL  No technician has the skill “lift”."""
    )


def test_without_an_origin_times_are_minutes_and_without_anything_left_out_nothing_is_said_of_it(day, plan):
    told = report(replace(day, origin=None, visits=day.visits[:2]), replace(plan, unassigned=()))
    assert "  ann             2     480      590  " in told
    assert "Left out" not in told


def test_several_days_and_shifts_are_told_apart(day):
    later = technician("ann", Shift(480, 580, "depot", "depot"), Shift(1920, 2020, "depot", "depot"))
    week = replace(day, technicians=(later,))
    told = report(week, plan_of(week, driven(week, "ann", ("roof", 1940), shift_index=1, depart_minute=1920)))
    assert "  ann (2 of 2)      1  Tue 08:00  Tue 09:00  " in told


def test_a_plan_is_written_and_read_again_as_it_was(tmp_path, plan):
    write_plan(tmp_path / "plan.json", plan)
    assert read_plan(tmp_path / "plan.json") == plan


def test_travel_that_is_left_out_is_estimated_from_the_places(tmp_path, day):
    document = problem_to_json(day)
    del document["travel"]
    (tmp_path / "day.json").write_text(json.dumps(document))
    assert read_problem(tmp_path / "day.json") == replace(day, travel=estimate_travel(day.places))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "line 1, column 2: is not JSON: Expecting property name enclosed in double quotes."),
        ("[]", "format: must be “truckroll.problem/1”."),
        ('{"format": "truckroll.plan/1"}', "format: must be “truckroll.problem/1”."),
        ('{"format": "truckroll.problem/1", "visits": [], "technicians": []}', "places: is missing."),
        (
            '{"format": "truckroll.problem/1", "technicians": [], "places": [{"id": "a"}], "visits": []}',
            "places[0].latitude: is missing.",
        ),
        (
            '{"format": "truckroll.problem/1", "technicians": [], "places": [], '
            '"visits": [{"id": "a", "place": "mill", "duration_minutes": -5}]}',
            "visits[0].duration_minutes: must not be negative.",
        ),
        ("[" * 100_000, "is nested too deeply."),
    ],
)
def test_a_file_that_is_no_problem_is_refused_with_the_place_of_the_fault(tmp_path, text, sentence):
    path = tmp_path / "day.json"
    path.write_text(text)
    with pytest.raises(UnreadableFile, match=re.escape(f"{path}: {sentence}")):
        read_problem(path)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(UnreadableFile, match=r"gone\.json: No such file or directory\."):
        read_problem(tmp_path / "gone.json")
    (tmp_path / "picture.json").write_bytes(b"\x89PNG\xff")
    with pytest.raises(UnreadableFile, match=r"picture\.json: is not text in UTF-8\."):
        read_plan(tmp_path / "picture.json")
    with pytest.raises(UnreadableFile, match=r"plan\.json: No such file or directory\."):
        write_plan(tmp_path / "nowhere" / "plan.json", Plan())


def test_pictures_are_svg_or_png():
    require_pictures(None, Path("day.svg"), Path("day.png"))
    with pytest.raises(UnreadableFile, match=r"day\.gif: must end in \.svg or \.png\."):
        require_pictures(Path("day.gif"))


def written(folder, day, plan):
    (folder / "day.json").write_text(json.dumps(problem_to_json(day)))
    (folder / "plan.json").write_text(json.dumps(plan_to_json(plan)))
    return folder / "day.json", folder / "plan.json"


def test_a_sound_plan_is_judged_so_with_its_price(tmp_path, day, plan):
    said = []
    assert judge(*written(tmp_path, day, plan), None, None, said.append)
    assert said[0] == "The plan keeps every rule."
    assert "start before it is due        80.00" in said[1]


def test_a_plan_that_breaks_a_rule_is_refused_by_its_name(tmp_path, day, plan):
    said = []
    early = replace(day, technicians=(replace(day.technicians[0], shifts=(Shift(500, 600, "depot", "depot"),)),))
    assert not judge(*written(tmp_path, early, plan), None, None, said.append)
    assert (
        said[0]
        == """\
Broken rules: 1
  rule                   technician  visit
  stay inside the shift  ann                The route leaves 20 min before the shift."""
    )


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_one_line_for_each_better_plan_where_there_is_no_terminal(day, plan):
    stream = io.StringIO()
    with Progress(10, stream) as progress:
        progress.problem = day
        progress.hear(0.04, score(day, plan))
        progress.hear(0.5, score(day, plan))
        assert not progress.must_stop()
    assert stream.getvalue() == "   0.0 s  mandatory 4, lateness 80.00, wishes 30.00\n"


def test_progress_is_a_bar_in_place_on_a_terminal(day, plan):
    stream = Terminal()
    with Progress(0, stream) as progress:
        progress.problem = day
        progress.hear(0.0, score(day, plan))
    drawn = stream.getvalue()
    assert drawn.startswith("\r" + "█" * 30)
    assert drawn.count("mandatory 4, lateness 80.00, wishes 30.00") == 2
    assert drawn.count("\n") == 1


def test_an_interrupt_ends_the_search_and_not_the_process(day):
    import signal

    before = signal.getsignal(signal.SIGINT)
    with Progress(10, io.StringIO()) as progress:
        signal.raise_signal(signal.SIGINT)
        assert progress.must_stop()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_example_is_planned_but_for_what_nobody_can(tmp_path):
    said = []
    with Progress(0.3, io.StringIO()) as progress:
        question, plan = solve_file(EXAMPLE, 0.3, 1, progress)
    hand_out(question, plan, tmp_path / "plan.json", None, None, said.append)
    assert [each.visit_id for each in plan.unassigned] == ["elevator"]
    assert judge(EXAMPLE, tmp_path / "plan.json", None, None, said.append)


def example_of_the_readme():
    return re.search(r"```json\n(\{\n \"format\": \"truckroll\.problem/1\".*?)```", README.read_text(), re.DOTALL)[1]


def test_the_readme_shows_a_problem_that_can_be_planned(tmp_path):
    (tmp_path / "day.json").write_text(example_of_the_readme())
    with Progress(0.2, io.StringIO()) as progress:
        question, plan = solve_file(tmp_path / "day.json", 0.2, 1, progress)
    assert question.visits
    assert plan.unassigned == ()


# ---- the JSON Schema


def faults(schema, value, root, path="$"):
    """As much of JSON Schema as ours uses."""
    if "$ref" in schema:
        yield from faults(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root, path)
    for name in ("anyOf", "oneOf"):
        if name in schema:
            fitting = [each for each in schema[name] if not list(faults(each, value, root, path))]
            if not fitting or (name == "oneOf" and len(fitting) > 1):
                yield f"{path}: {len(fitting)} of {name}"
    if "const" in schema and value != schema["const"]:
        yield f"{path}: not {schema['const']}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: not in {schema['enum']}"
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
             "null": type(None)}  # fmt: skip
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        yield f"{path}: not {schema['type']}"
    elif isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        yield from (f"{path}.{name}: missing" for name in schema.get("required", ()) if name not in value)
        for name, each in value.items():
            if name in known:
                yield from faults(known[name], each, root, f"{path}.{name}")
            elif others is False:
                yield f"{path}.{name}: unknown"
            elif others is not True:
                yield from faults(others, each, root, f"{path}.{name}")
    elif isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            yield from faults(schema["items"], each, root, f"{path}[{index}]")


def test_the_schema_allows_what_is_written_and_shown(day, plan):
    schema = json.loads(schema_text())
    documents = (json.loads(EXAMPLE.read_text()), json.loads(example_of_the_readme()), problem_to_json(day),
                 plan_to_json(replace(plan, score=score(day, plan))))  # fmt: skip
    for document in documents:
        assert list(faults(schema, json.loads(json.dumps(document)), schema)) == []


def test_the_schema_refuses_what_the_planner_refuses():
    schema = json.loads(schema_text())
    document = json.loads(EXAMPLE.read_text())
    document["visits"][0]["color"] = "red"
    assert list(faults(schema["$defs"]["ProblemDocument"], document, schema)) == ["$.visits[0].color: unknown"]
    del document["visits"][0]["color"], document["visits"][0]["place"]
    assert list(faults(schema["$defs"]["ProblemDocument"], document, schema)) == ["$.visits[0].place: missing"]
    assert list(faults(schema["$defs"]["ProblemDocument"], {"format": "other"}, schema)) != []
