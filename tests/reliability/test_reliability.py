"""docs/reliability.md says what is measured, and names tests that exist."""

import re
from pathlib import Path

import pytest

from tests.reliability.__main__ import DOCUMENT, rows
from tests.reliability.cases import CASES
from tests.reliability.report import BEGIN, END, table
from tests.support.promtool import ROOT

_MEASURED = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0].strip().splitlines()


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_fault_has_a_row() -> None:
    """The table has a row for each fault, in order."""
    assert [case.name for case in CASES] == [_cells(line)[0] for line in _MEASURED[2:]]


def test_no_fault_loses_anything() -> None:
    """After each fault the counters contain everything that was used meanwhile."""
    column = _cells(_MEASURED[0]).index("lost")

    assert [] == [line for line in _MEASURED[2:] if _cells(line)[column] != "nothing"]


@pytest.mark.slow
def test_rows_are_as_measured(tmp_path: Path) -> None:
    """What a part of the faults costs, and which alerts fire and reach whom, is what the table says."""
    cases = tuple(case for case in CASES if case.in_tests)
    names = {case.name for case in cases}
    documented = [line for line in _MEASURED[2:] if _cells(line)[0] in names]

    assert documented == table(rows(cases, tmp_path)).splitlines()[2:]


def test_named_tests_exist() -> None:
    """Every test that the document names is there."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", DOCUMENT.read_text())

    assert [] == [test for file, test in named if f"def {test}(" not in (ROOT / file).read_text()]
    assert named
