"""Measures every fault, or those named, and writes the table into docs/reliability.md: `make reliability`."""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.reliability.alerts import firing, notified
from tests.reliability.cases import CASES, Case
from tests.reliability.measure import Measured, measure
from tests.reliability.report import BEGIN, END, Row, row, table
from tests.support.exporter_harness import run
from tests.support.promtool import ROOT

DOCUMENT: Final = ROOT / "docs/reliability.md"
_SECONDS: Final = 600.0
"""Within which one case has to be over."""


def rows(cases: tuple[Case, ...], folder: Path) -> list[Row]:
    """Measure some cases and return their rows."""
    measured: dict[str, Measured] = {}
    for number, case in enumerate(cases, 1):
        sys.stderr.write(f"{number}/{len(cases)} {case.name}\n")
        sys.stderr.flush()
        own = folder / case.id
        own.mkdir()
        begun = time.monotonic()
        measured[case.id] = run(measure(case, own), _SECONDS)
        sys.stderr.write(f"  {time.monotonic() - begun:.0f} s\n")
    fired = firing(folder, measured)
    notifications = notified(folder, fired)
    return [row(case, measured[case.id], fired[case.id], notifications[case.id]) for case in cases]


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only print the rows of these faults")
    given = parser.parse_args()
    cases = tuple(case for case in CASES if not given.names or case.name in given.names)
    with tempfile.TemporaryDirectory() as folder:
        written = table(rows(cases, Path(folder)))
    if given.names:
        sys.stdout.write(f"{written}\n")
        return
    head, _, rest = DOCUMENT.read_text().partition(BEGIN)
    tail = rest.partition(END)[2]
    DOCUMENT.write_text(f"{head}{BEGIN}\n\n{written}\n\n{END}{tail}")


if __name__ == "__main__":
    main()
