"""The annex of SECURITY.md: every requirement of ASVS 5.0, level 1 and 2, once, with tests that are there or a reason."""

import ast
import re
from functools import cache

from tests.architecture.test_house import ROOT

# The levels of the requirements of each section, in their order: 1.1 has two, both of level 2.
LEVELS = """
1.1 22  1.2 1111122223  1.3 112222222223  1.4 222  1.5 123
2.1 122  2.2 112  2.3 12223  2.4 23
3.1 3  3.2 113  3.3 12223  3.4 11222233  3.5 11122333  3.6 3  3.7 22333
4.1 12233  4.2 23333  4.3 22  4.4 1222
5.1 2  5.2 112333  5.3 113  5.4 222
6.1 122  6.2 111111112222  6.3 11223333  6.4 112233  6.5 22222333  6.6 2223  6.7 33  6.8 2222
7.1 222  7.2 1111  7.3 22  7.4 11222  7.5 223  7.6 22
8.1 1233  8.2 1123  8.3 133  8.4 23
9.1 111  9.2 1222
10.1 22  10.2 223  10.3 22223  10.4 1111122222233333  10.5 22222  10.6 22  10.7 222
11.1 2233  11.2 22233  11.3 11233  11.4 1222  11.5 23  11.6 23  11.7 33
12.1 12233  12.2 11  12.3 22223
13.1 2333  13.2 222223  13.3 2233  13.4 1222233
14.1 22  14.2 12223333  14.3 122
15.1 12233  15.2 12233  15.3 1222222  15.4 3333
16.1 2  16.2 22222  16.3 2222  16.4 222  16.5 2223
17.1 23  17.2 22223333  17.3 22
"""
ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| (\d) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`([a-z_/]+\.py)::(test_[a-z0-9_]+)`")
REASONS = ("does not apply: ", "operator: ", "stands: ")
ANNEX = (ROOT / "SECURITY.md").read_text().partition("\n## Annex: ASVS 5.0")[2]


def requirements():
    """The level of each requirement of level 1 and 2, by its id."""
    words = LEVELS.split()
    each = zip(words[::2], words[1::2], strict=True)
    return {
        f"{section}.{number}": int(level)
        for section, levels in each
        for number, level in enumerate(levels, 1)
        if level != "3"
    }


@cache
def names_in(path):
    found = ROOT / "tests" / path
    tree = ast.parse(found.read_text()) if found.is_file() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_standard_has_so_many_requirements():
    every = "".join(LEVELS.split()[1::2])
    assert (len(every), every.count("1"), every.count("2"), every.count("3")) == (345, 70, 183, 92)


def test_every_requirement_stands_there_once_with_its_level():
    rows = [(id, int(level)) for id, level, _, _ in ROW.findall(ANNEX)]
    assert rows == list(requirements().items())
    assert len(rows) == sum(line.startswith("| ") for line in ANNEX.splitlines()) - 1


def test_how_each_is_met_is_a_test_that_is_there_or_a_reason():
    for id, _, _, how in ROW.findall(ANNEX):
        named = TEST.findall(how)
        assert [f"{path}::{test}" for path, test in named if test not in names_in(path)] == [], id
        if not how.startswith(REASONS):
            assert named, id
            assert re.sub(r"[`, ]", "", TEST.sub("", how)) == "", id
