"""`truckroll plan`: files in and out, and what is wrong in one sentence with exit code 2."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main

EXAMPLE = Path(__file__).parents[1] / "optimizer" / "berlin.json"


def run(*arguments):
    return CliRunner().invoke(main, ["plan", *map(str, arguments)])


def test_a_problem_becomes_tables_a_plan_and_pictures(tmp_path):
    files = [tmp_path / name for name in ("plan.json", "map.svg", "day.png")]
    done = run(EXAMPLE, "--seconds", "0.3", "--out", files[0], "--map", files[1], "--gantt", files[2])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Routes\n  technician  stops")
    assert "NO_TECHNICIAN_HAS_SKILL" in done.stdout
    assert done.stdout.endswith("".join(f"Wrote {file}.\n" for file in files))
    assert all(file.stat().st_size > 1000 for file in files)
    assert "mandatory 4, lateness" in done.stderr


def test_a_plan_is_judged_and_one_that_breaks_a_rule_exits_1(tmp_path):
    assert run(EXAMPLE, "--seconds", "0.3", "--out", tmp_path / "plan.json").exit_code == 0
    judged = run(EXAMPLE, "--check", "--plan", tmp_path / "plan.json")
    assert judged.exit_code == 0
    assert judged.stdout.startswith("The plan keeps every rule.\n")
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["unassigned"] = []
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    broken = run(EXAMPLE, "--check", "--plan", tmp_path / "plan.json")
    assert broken.exit_code == 1
    assert "account for each visit once" in broken.stdout


def test_the_schema_is_printed():
    done = run("--schema")
    assert done.exit_code == 0
    assert {"ProblemDocument", "PlanDocument", "Visit", "Route"} <= set(json.loads(done.stdout)["$defs"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"visits": [{"id": "a", "place": "moon", "duration_minutes": 5}]}, "visits[a].place: there is no place “moon”."),
        ({"origin": "yesterday"}, "origin: must be a time in ISO 8601."),
        ({"weather": "rain"}, "weather: is not a field of the format."),
        ({"stocks": [{"place": "depot", "parts": {"valve": -1}}]}, "stocks[0].parts[valve]: must not be negative."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_problem_is_said_with_its_path(tmp_path, change, sentence):
    path = tmp_path / "day.json"
    path.write_text(json.dumps(json.loads(EXAMPLE.read_text()) | change))
    done = run(path, "--out", tmp_path / "plan.json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"truckroll: {path}: {sentence}\n"
    assert not (tmp_path / "plan.json").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["gone.json"], "truckroll: gone.json: No such file or directory."),
        ([EXAMPLE, "--map", "day.gif"], "truckroll: day.gif: must end in .svg or .png."),
        ([EXAMPLE, "--check"], "Name the FILE of a problem; --check and --plan belong together."),
        ([EXAMPLE, "--plan", "plan.json"], "Name the FILE of a problem; --check and --plan belong together."),
        ([], "Name the FILE of a problem; --check and --plan belong together."),
        ([EXAMPLE, "--seconds", "-1"], "-1.0 is not in the range x>=0"),
        ([EXAMPLE, "--check", "--plan", EXAMPLE], "format: must be “truckroll.plan/1”."),
    ],
)
def test_what_is_wrong_with_the_call_is_said_and_exits_2(arguments, sentence):
    done = run(*arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert done.stdout == ""


def test_nothing_heavy_is_imported_before_it_is_needed():
    import subprocess
    import sys

    said = subprocess.run(
        [sys.executable, "-c", "import sys, optimizer.console; print({'numpy', 'ortools', 'matplotlib'} & set(sys.modules))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout == "set()\n"
