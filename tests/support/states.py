"""One story that uses every table of the state file, played by the version of the exporter that runs it.

`python -m tests.support.states` prints the state that it leaves as SQL: kept with the tests once for each version.
"""

import sqlite3
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from exporter.catalog import Plan
from exporter.store import Name, Refusal, Store
from tests.support.ledger_harness import TODAY, YESTERDAY, A, B, C, LedgerHarness, costs, dollars, plan

ORGANIZATION = "org-of-the-story"
NAME = Name("default", "project", "a", {"name": "Apollo", "status": "active"})
REFUSAL = Refusal(("batch",), TODAY + 100.0)
CACHED = "completions_input_cached_tokens"
PAID = ("a", "gpt-5, input")


def plans() -> tuple[Plan, Plan, Plan]:
    """Return the plans of the story: one that folds, one of exact money, one of a level."""
    return (
        plan(measures=["completions_input_tokens", CACHED], max_series=2),
        costs(),
        plan("vector_stores", ["vector_stores_usage_bytes"]),
    )


def play(path: Path) -> list[LedgerHarness]:
    """Let the story happen, with its state at a path; return where it ends."""
    store = Store(path)
    harnesses = [LedgerHarness(each, store) for each in plans()]
    completions, money, level = harnesses
    completions.refusal = REFUSAL
    completions.report(YESTERDAY, A, 1000, 400)
    completions.report(TODAY, B, 50, None)
    completions.report(TODAY, C, 5, 1)
    money.report(YESTERDAY, PAID, dollars("12.000000000000000000000000000001"))
    money.report(TODAY, (*PAID, "eur"), dollars("3.5"), group=1)
    level.report(TODAY, ("a",), 7_000_000)
    _poll(harnesses)
    completions.report(YESTERDAY, A, 1100, 440)
    completions.report(TODAY, C, 8, 1)
    money.report(YESTERDAY, PAID, dollars("12.5"))
    money.report(TODAY, PAID, dollars("0.1"))
    _poll(harnesses, 150)
    completions.report(YESTERDAY, A, 1030, 410)
    money.report(TODAY, PAID, dollars("0.05"))
    _poll(harnesses, 150)
    money.report(TODAY, ("b", "gpt-5, input"), dollars("0.7"))
    _poll(harnesses, 60)
    store.save([], {"default": ORGANIZATION}, [NAME])
    store.close()
    return harnesses


def dump(path: Path) -> Iterable[str]:
    """Return the SQL that recreates a state file."""
    database = sqlite3.connect(path)
    yield from database.iterdump()
    for pragma in ("application_id", "user_version"):
        (value,) = database.execute(f"PRAGMA {pragma}").fetchone()
        yield f"PRAGMA {pragma} = {value};"
    database.close()


def restore(script: Path, path: Path) -> None:
    """Make a state file from SQL."""
    database = sqlite3.connect(path)
    database.executescript(script.read_text())
    database.close()


def _poll(harnesses: Iterable[LedgerHarness], seconds: float = 0.0) -> None:
    for harness in harnesses:
        harness.now += seconds
        harness.poll()


def main() -> None:
    """Print the state."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        play(path)
        sys.stdout.write("\n".join(dump(path)) + "\n")


if __name__ == "__main__":
    main()
