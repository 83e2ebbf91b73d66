"""`kernel.c` as a library: compiled when first needed, kept beside other caches, called without Python's lock.

Any C compiler will do: `$CC`, `cc`, or the one that the wheel `ziglang` brings (`make` installs it where there is no
other). The library's name holds a digest of its source and flags, so an old one is never taken for a new one.
"""

import ctypes
import hashlib
import importlib.util
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from optimizer import tables
from optimizer.tables import SIZE_NAMES, State, Tables

logger = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("kernel.c")
FLAGS = ("-O3", "-std=c11", "-fPIC", "-shared", "-fno-math-errno", "-ffp-contract=off", "-Wall", "-Wextra")
COMPILE_SECONDS_MAX = 120
# Why building failed, by command and library: it is not tried again with each plan.
_failed: dict[tuple[str, ...], str] = {}
_C_TYPES = {"Ints": "int32_t", "Longs": "int64_t", "Floats": "double"}


class NoCompiler(RuntimeError):
    """There is no compiled search here; the message says why and what to install."""


def header() -> str:
    """Columns, `Tables` and `State` for the C source, as `tables.py` has them."""
    constants = {
        name: value
        for name, value in vars(tables).items()
        if name.isupper() and type(value) is int and not name.endswith("_MAX")
    }
    lines = ["#include <math.h>", "#include <stdint.h>", "#include <string.h>"]
    lines += [f"#define {name} {value}" for name, value in constants.items()]
    lines += [f"#define SIZE_{name} {index}" for index, name in enumerate(SIZE_NAMES)]
    for kind, constant in ((Tables, "const "), (State, "")):
        lines.append("typedef struct {")
        for name in kind._fields:
            lines.append(f"    {constant}{_C_TYPES[_kind_of(kind, name)]} *{name};")
        lines.append(f"}} {kind.__name__};")
    return "\n".join(lines) + "\n"


def _kind_of(kind: type[Any], name: str) -> str:
    alias = kind.__annotations__[name]
    return next(each for each in _C_TYPES if getattr(tables, each) == alias)


def compiler() -> list[str] | None:
    """The command of a C compiler, or None."""
    for command in (shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]):
        found = shutil.which(command[0]) if command else None
        if found is not None:
            return [found, *command[1:]]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    return None


def cache_folder() -> Path:
    """Where the library is kept: `$TRUCKROLL_CACHE`, else beside this file if that can be written, else the user's."""
    told = os.environ.get("TRUCKROLL_CACHE")
    if told:
        return Path(told)
    beside = Path(__file__).parent / "__pycache__"
    try:
        beside.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=beside):
            return beside
    except OSError:
        return Path.home() / ".cache" / "truckroll"


def build(*, anew: bool = False) -> Path:
    """The compiled library; made if it is not there yet, or `anew`. Raises `NoCompiler`."""
    try:
        source = header() + SOURCE.read_text()
        folder = cache_folder()
    except (OSError, RuntimeError) as error:
        raise NoCompiler(f"The compiled search has no source, or no folder ($TRUCKROLL_CACHE): {error}") from None
    digest = hashlib.sha256("\0".join((source, *FLAGS, platform.machine(), sys.platform)).encode()).hexdigest()[:16]
    library = folder / f"kernel-{digest}.so"
    if library.exists() and not anew:
        return library
    command = compiler()
    if command is None:
        raise NoCompiler("There is no C compiler; install one, or the Python package “ziglang”.")
    attempt = (*command, str(library))
    if attempt in _failed:
        raise NoCompiler(_failed[attempt])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            file, made = Path(work) / "kernel.c", Path(work) / library.name
            file.write_text(source)
            if trouble := _compile(command, file, made):
                _failed[attempt] = trouble
                raise NoCompiler(trouble)
            made.replace(library)  # whole or not at all, whoever else builds it now
    except OSError as error:
        raise NoCompiler(f"The compiled search cannot be kept in {folder} ($TRUCKROLL_CACHE): {error}") from None
    return library


def _compile(command: list[str], file: Path, made: Path) -> str | None:
    """What went wrong, if anything."""
    try:
        done = subprocess.run(
            [*command, *FLAGS, str(file), "-o", str(made), "-lm"],
            capture_output=True,
            text=True,
            timeout=COMPILE_SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"The C compiler {command[0]} did not run: {error}"
    if done.returncode != 0:
        return f"The C compiler {command[0]} failed: {done.stderr[-2000:]}"
    return None if made.exists() else f"The C compiler {command[0]} made nothing."


class Kernel:
    """The functions of the library on one problem's arrays."""

    def __init__(self, library: ctypes.CDLL, problem: Tables, state: State) -> None:
        self.library = library
        # The arrays stay as long as their addresses are used.
        self.arrays = problem, state
        self.problem, self.state = _addresses(problem), _addresses(state)

    def begin(self) -> bool:
        return bool(self.library.begin(self.problem, self.state))

    def construct(self, order: int) -> bool:
        return bool(self.library.construct(self.problem, self.state, order))

    def keep(self) -> None:
        self.library.keep(self.problem, self.state)

    def keep_if_better(self) -> bool:
        return bool(self.library.keep_if_better(self.problem, self.state))

    def anneal(
        self,
        iterations: int,
        hot: float,
        cold: float,
        *,
        removed_mean: float,
        string_max: float,
        blink: float,
        pool_within: float,
    ) -> int:
        """How often the best solution was improved."""
        return int(
            self.library.anneal(
                self.problem, self.state, iterations, hot, cold, removed_mean, string_max, blink, pool_within
            )
        )


def _addresses(arrays: Tables | State) -> Any:
    every: tuple[Any, ...] = arrays
    for name, array in zip(arrays._fields, every, strict=True):
        if not array.flags.c_contiguous:
            raise ValueError(f"The array {name} is not contiguous.")
    return (ctypes.c_void_p * len(every))(*(array.ctypes.data for array in every))


@cache
def library() -> ctypes.CDLL:
    """The loaded library. Raises `NoCompiler`."""
    try:
        try:
            loaded = ctypes.CDLL(str(build()))
        except OSError as error:
            logger.warning("The compiled search is built anew, it did not load: %s", error)
            loaded = ctypes.CDLL(str(build(anew=True)))
    except OSError as error:
        raise NoCompiler(f"The compiled search does not load: {error}") from None
    arrays, long, double = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
    for name, result, arguments in (
        ("begin", long, ()),
        ("construct", long, (long,)),
        ("keep", None, ()),
        ("keep_if_better", long, ()),
        ("anneal", long, (long, *[double] * 6)),
    ):
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, (arrays, arrays, *arguments)
    return loaded


def kernel_of(problem: Tables, state: State) -> Kernel:
    return Kernel(library(), problem, state)


def main() -> None:
    """`python -m optimizer.native` compiles, so that nobody waits later; `--has-compiler` only looks for a compiler."""
    if "--has-compiler" in sys.argv:
        sys.exit(0 if compiler() is not None else 1)
    try:
        build()
    except NoCompiler as error:
        sys.exit(f"{error} Plans are made by OR-Tools alone until then.")


if __name__ == "__main__":
    main()
