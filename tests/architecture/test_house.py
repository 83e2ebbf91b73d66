"""The house itself: what stands where, who may import whom, and habits that a tool can watch."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for folder in ("app", "schema", "optimizer") for path in sorted((ROOT / folder).rglob("*.py"))]
NOT_ROOMS = {"kernel", "infrastructure", "database", "board", "demo", "__pycache__"}


def name(path):
    return str(path.relative_to(ROOT))


@cache
def calls_and_imports(path):
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{one.name}" for one in node.names]
        elif isinstance(node, ast.Import):
            found += [one.name for one in node.names]
    return found


def test_the_top_level_holds_only_the_house():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout")
    allowed = {
        "app", "schema", "optimizer", "migrations", "tests", "pyproject.toml", "README.md",
        "Makefile", ".ci", ".gitignore", "LICENSE", "CHANGELOG.md", "SECURITY.md", "requirements.lock",
        "requirements.uv.lock", "requirements.cc.lock",
    }  # fmt: skip
    assert {path.split("/")[0] for path in tracked} <= allowed


def test_the_ladder_holds():
    run = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


def test_only_the_unit_of_work_opens_transactions():
    importers = {
        name(path) for path in SOURCES if any(one.endswith(".in_transaction") for one in calls_and_imports(path))
    }
    assert importers == {"app/database/units.py"}


def test_only_one_module_sends_requests_to_other_servers():
    ways_out = ("httpx", "httpcore", "urllib.request", "http.client", "requests", "aiohttp", "urllib3", "smtplib")
    importers = {
        name(path)
        for path in SOURCES
        if any(f"{one}.".startswith(f"{way}.") for one in calls_and_imports(path) for way in ways_out)
    }
    assert importers == {"app/infrastructure/http_client.py"}


def test_rooms_never_save_whole_rows():
    offenders = [
        name(path)
        for path in SOURCES
        if path.parts[len(ROOT.parts)] == "app"
        and path.relative_to(ROOT).parts[1] not in NOT_ROOMS
        and re.search(r"\.save\(|bulk_update\(", path.read_text())
    ]
    assert offenders == []


def test_every_room_has_the_same_shape():
    for room in sorted(path for path in (ROOT / "app").iterdir() if path.is_dir() and path.name not in NOT_ROOMS):
        files = {path.stem for path in room.iterdir() if path.name != "__pycache__" and not path.name.startswith(".")}
        assert {"__init__", "models"} <= files, room.name
        assert ast.get_docstring(ast.parse((room / "__init__.py").read_text())), (
            f"{room.name} does not say what it is for"
        )


def test_every_module_says_what_it_is_for():
    silent = [name(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_no_file_names_a_registry_or_this_machine():
    hosts = re.compile("|".join(["pypi" + r"\.org", "python" + "hosted", "npm" + r"js\.(org|com)", "unpkg" + r"\.com"]))
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    offenders = [
        path
        for path in tracked
        if (ROOT / path).is_file()
        and "/vendor/" not in path
        and (hosts.search(text := (ROOT / path).read_text(errors="replace")) or str(ROOT) + "/" in text)
    ]
    assert offenders == []


def test_the_lock_has_hashes_and_no_addresses():
    for lock in ("requirements.lock", "requirements.uv.lock"):
        text = (ROOT / lock).read_text()
        assert "://" not in text
        pinned = re.findall(r"^[a-z0-9._-]+==", text, re.M)
        assert pinned
        assert len(re.findall(r"^[a-z0-9._-]+==.*\\\n    --hash=sha256:", text, re.M)) == len(pinned)
