"""The compiled search as a library: what it is built of, where it is kept, what happens where it cannot be, and that it
stays within its arrays."""

import ctypes
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer import Stop, check, native, solve, tables
from tests.optimizer.given import problem, technician, visit

ROOT = Path(__file__).parents[2]
# Random days for the sanitizers, besides the extreme ones: TRUCKROLL_TEST_MEMORY_CASES=100 before a release.
CASES = os.environ.get("TRUCKROLL_TEST_MEMORY_CASES", "12")
GCC = shutil.which("gcc")
ANN = problem(technician(), [visit("a"), visit("b", "quay")])
needs_gcc = pytest.mark.skipif(GCC is None, reason="gcc is not installed")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder, and no library loaded; compiling is quick."""
    monkeypatch.setenv("TRUCKROLL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(native, "FLAGS", tuple("-O0" if flag == "-O3" else flag for flag in native.FLAGS))
    monkeypatch.setattr(native, "_failed", {})
    native.library.cache_clear()
    yield tmp_path / "cache"
    native.library.cache_clear()


def compiler_that(does: str, folder: Path) -> str:
    script = folder / "some-cc"
    script.write_text(f"#!/bin/sh\n{does}\n")
    script.chmod(0o755)
    return str(script)


def program(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **more}, capture_output=True, text=True, check=False
    )


# ---- what it is built of


def test_the_c_structures_have_the_fields_of_the_tables_in_their_order() -> None:
    for kind in (tables.Tables, tables.State):
        body = re.search(rf"typedef struct {{([^}}]*)}} {kind.__name__};", native.header())
        assert body is not None
        types, names = zip(*re.findall(r"^ +((?:const )?\w+) \*(\w+);$", body[1], re.MULTILINE), strict=True)
        assert names == kind._fields
        assert {each.startswith("const ") for each in types} == {kind is tables.Tables}


def test_each_array_has_the_type_that_its_structure_says() -> None:
    from optimizer.model import Model

    made = tables.tables_of(Model(ANN))
    types = {"int32": "int32_t", "int64": "int64_t", "float64": "double"}
    for kind, arrays in ((tables.Tables, made), (tables.State, tables.state_of(made, 1))):
        for name, array in zip(kind._fields, arrays, strict=True):
            assert f"{types[array.dtype.name]} *{name};" in native.header(), name


@pytest.mark.slow
@needs_gcc
def test_the_source_compiles_without_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "kernel.c"
    file.write_text(native.header() + native.SOURCE.read_text())
    strict = ("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror")
    command = [str(GCC), "-O1", "-std=c11", *strict, "-c", str(file), "-o", str(tmp_path / "kernel.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_the_compiler_of_ziglang_builds_it_as_well(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ziglang", reason="ziglang is not installed; make installs it where there is no compiler")
    monkeypatch.setattr(native, "compiler", lambda: [sys.executable, "-m", "ziglang", "cc"])
    assert ctypes.CDLL(str(native.build())).anneal


def test_other_flags_and_another_source_make_another_library(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", compiler_that('while [ "$1" != -o ]; do shift; done; echo made > "$2"', tmp_path))
    first = native.build()
    assert native.build() == first
    monkeypatch.setattr(native, "FLAGS", (*native.FLAGS, "-DOTHER"))
    second = native.build()
    (tmp_path / "kernel.c").write_text("/* other */")
    monkeypatch.setattr(native, "SOURCE", tmp_path / "kernel.c")
    third = native.build()
    assert sorted(folder.iterdir()) == sorted({first, second, third})


def test_the_compiler_is_the_one_named_by_cc_with_its_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = compiler_that("exit 0", tmp_path)
    monkeypatch.setenv("CC", f"{named} -m64")
    assert native.compiler() == [named, "-m64"]
    monkeypatch.setenv("CC", str(tmp_path / "nothing"))
    assert native.compiler() != [str(tmp_path / "nothing")]
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC")
    monkeypatch.setattr(native.importlib.util, "find_spec", lambda _: None)
    assert native.compiler() is None


# ---- where it is kept


def test_an_installed_package_that_cannot_be_written_leaves_the_library_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRUCKROLL_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "site-packages").write_text("a file, where nobody can make a folder")
    monkeypatch.setattr(native, "__file__", str(tmp_path / "site-packages" / "native.py"))
    assert native.cache_folder() == tmp_path / ".cache" / "truckroll"
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    assert native.cache_folder() == tmp_path / "__pycache__"


@needs_gcc
def test_a_broken_library_is_built_anew_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = native.build()
    whole = path.read_bytes()
    path.write_bytes(b"no library at all")
    assert native.library().anneal
    assert path.read_bytes() == whole
    (record,) = caplog.records
    assert record.getMessage().startswith("The compiled search is built anew, it did not load: ")


@pytest.mark.slow
@needs_gcc
def test_two_processes_that_build_at_once_both_have_it(folder: Path) -> None:
    code = "from optimizer import native; native.FLAGS = (*native.FLAGS, '-O0'); assert native.library().anneal"
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=dict(os.environ)) for _ in range(2)]
    assert [each.wait(60) for each in both] == [0, 0]
    assert [each.suffix for each in folder.iterdir()] == [".so"]


# ---- where it cannot be


def test_without_it_one_line_says_why_and_or_tools_plans(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lines() -> list[str]:
        caplog.clear()
        native.library.cache_clear()
        plan = solve(ANN, stop=Stop(seconds=5, solutions=5))
        assert check(ANN, plan) == []
        assert plan.visit_ids == {"a", "b"}
        assert {record.levelno for record in caplog.records} == {logging.WARNING}
        prefix = "The compiled search is not there, OR-Tools plans alone: "
        assert all(record.getMessage().startswith(prefix) for record in caplog.records)
        return [record.getMessage().removeprefix(prefix) for record in caplog.records]

    # No compiler.
    monkeypatch.setattr(native, "compiler", lambda: None)
    assert lines() == ["There is no C compiler; install one, or the Python package “ziglang”."]
    # One that fails, and is not asked again.
    broken = compiler_that(f"echo asked >> {tmp_path}/asked; echo no such luck >&2; exit 1", tmp_path)
    monkeypatch.setattr(native, "compiler", lambda: [broken])
    assert lines() == lines() == [f"The C compiler {broken} failed: no such luck\n"]
    assert (tmp_path / "asked").read_text() == "asked\n"
    # One that is none.
    monkeypatch.setattr(native, "compiler", lambda: [str(tmp_path)])
    assert [line.split(":")[0] for line in lines()] == [f"The C compiler {tmp_path} did not run"]
    # One that makes nothing.
    monkeypatch.setattr(native, "compiler", lambda: [compiler_that("exit 0", tmp_path), "-x"])
    assert lines() == [f"The C compiler {tmp_path / 'some-cc'} made nothing."]
    # No place to keep it.
    monkeypatch.setenv("TRUCKROLL_CACHE", broken)
    assert [line.split(" (")[0] for line in lines()] == [f"The compiled search cannot be kept in {broken}"]
    # No source.
    monkeypatch.setattr(native, "SOURCE", tmp_path / "nothing.c")
    assert [line.split(",")[0] for line in lines()] == ["The compiled search has no source"]


@pytest.mark.slow
def test_the_program_compiles_or_says_what_is_missing(tmp_path: Path) -> None:
    made = compiler_that('while [ "$1" != -o ]; do shift; done; echo made > "$2"', tmp_path)
    done = program("-m", "optimizer.native", TRUCKROLL_CACHE=str(tmp_path / "cache"), CC=made)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list((tmp_path / "cache").iterdir())) == 1
    failing = compiler_that("echo no such luck >&2; exit 1", tmp_path)
    done = program("-m", "optimizer.native", TRUCKROLL_CACHE=str(tmp_path / "other"), CC=failing)
    assert done.returncode == 1
    assert (
        done.stderr == f"The C compiler {failing} failed: no such luck\n Plans are made by OR-Tools alone until then.\n"
    )
    assert program("-m", "optimizer.native", "--has-compiler", CC=made).returncode == 0


# ---- memory


def sanitizer_library(name: str) -> str | None:
    if GCC is None:
        return None
    told = subprocess.run([GCC, f"-print-file-name={name}"], capture_output=True, text=True, check=False).stdout.strip()
    return told if Path(told).is_absolute() and Path(told).exists() else None


@pytest.mark.slow
def test_the_search_stays_within_its_arrays_and_its_numbers_within_their_types(tmp_path: Path) -> None:
    preloaded = [sanitizer_library(name) for name in ("libasan.so", "libubsan.so")]
    if None in preloaded:
        pytest.skip("gcc with libasan and libubsan is not installed")
    done = program(
        "-m",
        "tests.optimizer.sanitized",
        CASES,
        CC=str(GCC),
        LD_PRELOAD=":".join(map(str, preloaded)),
        ASAN_OPTIONS="detect_leaks=0",
        TRUCKROLL_CACHE=str(tmp_path),
    )
    assert (done.returncode, done.stdout) == (0, "sound\n"), done.stderr[-4000:]
