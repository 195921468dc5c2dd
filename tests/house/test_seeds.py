"""The table of the seeds: every row is there, each with a test that `make check` runs, or with its open issue."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from support.find import ROOT
from support.sources import parsed, read

PAGE = Path("docs/seeds.md")
ROWS = [f"S{number}" for number in range(1, 119)] + [f"P{number}" for number in range(1, 17)]
LINE = re.compile(r"^\| (?P<row>[SP]\d+) \| (?P<behaviour>[^|]+) \| (?P<where>[^|]+) \| (?P<tests>[^|]+) \|$")
OPEN = re.compile(r"open: issue [2-9]\d*")
NAME = re.compile(r"`(test_\w+)`")
PLACE = re.compile(r"`([^`]+)`")
NOT_DAILY = {"slow", "postgres", "browser", "notebook", "client"}


class SeedRow:
    """One line of the table, taken apart."""

    def __init__(self, line: str) -> None:
        found = LINE.match(line)
        assert found is not None, f"no line of the table: {line}"
        self.row = found["row"]
        self.tests = [] if OPEN.fullmatch(found["tests"].strip()) else NAME.findall(found["tests"])
        self.is_open = OPEN.fullmatch(found["tests"].strip()) is not None
        self.places = PLACE.findall(found["where"])
        self.reads = NAME.sub("", found["tests"]).strip(" ,") == "" or self.is_open


def _rows(text: str) -> list[SeedRow]:
    """Every line that begins as a row of the table does."""
    return [SeedRow(line) for line in text.splitlines() if re.match(r"\| *[SP]\d", line)]


def _marks(node: ast.expr) -> set[str]:
    """The pytest marks that an expression names."""
    return {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)} & NOT_DAILY


@cache
def _daily_tests() -> frozenset[str]:
    """Names of the test functions that `make check` runs."""
    names: set[str] = set()
    for _, tree in parsed("tests"):
        whole: set[str] = set()
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and "pytestmark" in {
                name.id for name in statement.targets if isinstance(name, ast.Name)
            }:
                whole |= _marks(statement.value)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                marks = whole.union(*(_marks(decorator) for decorator in node.decorator_list))
                if not marks & NOT_DAILY:
                    names.add(node.name)
    return frozenset(names)


def _faults(text: str, tests: frozenset[str]) -> list[str]:
    """What keeps a table from being held to its tests."""
    rows = _rows(text)
    faults = [] if [row.row for row in rows] == ROWS else ["the rows are not S1..S118, P1..P16, each once and in order"]
    for row in rows:
        if not row.reads or not (row.tests or row.is_open):
            faults.append(f"{row.row}: names neither tests nor an open issue")
        faults += [f"{row.row}: no daily test is called {name}" for name in row.tests if name not in tests]
        if row.tests and not row.places:
            faults.append(f"{row.row}: says no place")
        faults += [
            f"{row.row}: there is no {place}" for place in row.places if not (ROOT / "src/offerlab" / place).exists()
        ]
    return faults


def test_every_row_of_the_seeds_has_its_test() -> None:
    """Each row S1..S118, P1..P16 stands once, in order, with tests that exist and run daily, or with its open issue."""
    assert _faults(read(PAGE), _daily_tests()) == []


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("| S2 |", "| S3 |", "each once and in order"),
        ("| S1 |", "| S1..S4 |", "no line of the table"),
        ("`test_planted_pairs_are_recovered`", "`test_nobody_wrote`", "no daily test is called test_nobody_wrote"),
        ("`test_planted_pairs_are_recovered`", "soon", "names neither tests nor an open issue"),
        ("`test_planted_pairs_are_recovered`", "`test_every_operation_holds_under_many_requests`", "no daily test"),
        ("`affinity/mining.py`", "`affinity/gone.py`", "there is no affinity/gone.py"),
    ],
    ids=["twice", "range", "missing test", "no test", "slow test", "no such place"],
)
def test_a_broken_table_is_caught(before: str, after: str, fault: str) -> None:
    """The broken twins of the table: a range, a row lost, a test that nobody wrote or that runs only in long proofs."""
    text = read(PAGE)
    assert before in text
    if fault == "no line of the table":
        with pytest.raises(AssertionError, match=fault):
            _faults(text.replace(before, after, 1), _daily_tests())
    else:
        assert any(fault in one for one in _faults(text.replace(before, after, 1), _daily_tests()))
