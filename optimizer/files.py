"""Documents in files: read with a sentence for what is wrong, written so that equal ones are equal."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from optimizer.documents import plan_from_json, plan_to_json, problem_from_json
from optimizer.plan import Plan
from optimizer.problem import InvalidProblem, Problem
from optimizer.travel import estimate_travel


class UnreadableFile(ValueError):
    """The file cannot be read or written, or is not what it should be; the message names file, place and fault."""


def read_problem(path: Path) -> Problem:
    """Where `travel` is left out, it is estimated from the places as the crow flies. Raises `UnreadableFile`."""
    document = _read(path)
    try:
        if not isinstance(document, dict) or "travel" in document or not isinstance(document.get("places"), list):
            return problem_from_json(document)
        # Nothing is estimated before everything else is known to be sound.
        nothing = [[0] * len(document["places"])] * len(document["places"])
        problem = problem_from_json({**document, "travel": {"minutes": nothing, "metres": nothing}})
        return replace(problem, travel=estimate_travel(problem.places))
    except InvalidProblem as problem:
        raise UnreadableFile(f"{path}: {problem}") from None


def read_plan(path: Path) -> Plan:
    """Raises `UnreadableFile`."""
    try:
        return plan_from_json(_read(path))
    except InvalidProblem as problem:
        raise UnreadableFile(f"{path}: {problem}") from None


def write_plan(path: Path, plan: Plan) -> None:
    """Raises `UnreadableFile`."""
    try:
        path.write_text(json.dumps(plan_to_json(plan), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UnreadableFile(f"{path}: {_reason(error)}") from None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableFile(f"{path}: {_reason(error)}") from None
    except UnicodeDecodeError:
        raise UnreadableFile(f"{path}: is not text in UTF-8.") from None
    except json.JSONDecodeError as error:
        raise UnreadableFile(f"{path}: line {error.lineno}, column {error.colno}: is not JSON: {error.msg}.") from None
    except RecursionError:
        raise UnreadableFile(f"{path}: is nested too deeply.") from None


def _reason(error: OSError) -> str:
    return f"{error.strerror or error}."
