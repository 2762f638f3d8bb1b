"""More label sets than max_series: which are admitted, what becomes of the others, and what is forgotten."""

import gc
import os
from pathlib import Path

import pytest

from exporter.catalog import DAY, Bucket, PollResult, Row
from exporter.store import Store
from tests.support.ledger_harness import TODAY, YESTERDAY, A, B, C, LedgerHarness, plan

OTHER = ("other", "other")
D = ("d", "m")
FIRST = ("p", "name-0-0")


def resident_bytes() -> int:
    """Return the memory that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def crowded(**changes: object) -> LedgerHarness:
    """Return a harness with room for two label sets and three of them, the last the smallest."""
    harness = LedgerHarness(plan(max_series=2), **changes)  # type: ignore[arg-type] # fields of a harness
    harness.report(TODAY, C, 5)
    harness.report(TODAY, A, 100)
    harness.report(YESTERDAY, B, 50)
    harness.poll()
    harness.wait()
    return harness


def test_the_largest_are_admitted_at_first_and_sums_stay_right() -> None:
    """The rest is one series whose every dimension is `other`."""
    harness = crowded()

    assert {A: 100.0, B: 0.0, OTHER: 5.0} == harness.shown("today")
    assert {A: 0.0, B: 0.0, OTHER: 0.0} == harness.shown()
    assert (3, 1) == (harness.ledger.series, harness.ledger.folded)


def test_folded_label_sets_are_counted() -> None:
    """Growth of several folded sets is the growth of one."""
    harness = crowded()
    harness.report(TODAY, C, 8)
    harness.report(TODAY, D, 4)
    harness.poll()

    assert {A: 0.0, B: 0.0, OTHER: 7.0} == harness.shown()
    assert 2 == harness.ledger.folded


def test_later_the_first_that_come_are_admitted() -> None:
    """Places are not taken away from those who have them, however small they are."""
    harness = LedgerHarness(plan(max_series=2))
    harness.report(TODAY, A, 1)
    harness.poll()
    harness.report(TODAY, B, 2)
    harness.poll()
    harness.report(TODAY, C, 1000)
    harness.poll()
    harness.wait()

    assert {A: 0.0, B: 2.0, OTHER: 1000.0} == harness.shown()


def test_admissions_outlive_the_process(tmp_path: Path) -> None:
    """Admitted sets stay admitted, and what is folded stays folded."""
    harness = crowded(store=Store(tmp_path / "state.db"))
    harness.restart()
    harness.report(TODAY, C, 5000)
    harness.poll()
    harness.wait()

    assert {A: 0.0, B: 0.0, OTHER: 4995.0} == harness.shown()
    assert 1 == harness.ledger.folded
    assert {} == harness.ledger.known
    assert harness.store
    harness.store.close()


def test_a_set_that_is_admitted_later_begins_with_its_present_sum() -> None:
    """Values counted in `other` stay there; nothing is counted twice."""
    harness = crowded()
    harness.report(TODAY, C, 25)
    harness.poll()
    for age in range(1, 6):
        harness.now = TODAY + age * DAY + 3600.0
        harness.report(TODAY + age * DAY, A, 100)
        harness.report(TODAY + age * DAY, C, 10)
        harness.poll()
    harness.wait()
    harness.report(TODAY + 5 * DAY, C, 17)
    harness.poll()

    assert 0 == harness.ledger.folded
    shown = harness.shown() or {}
    assert {A: 500.0, C: 7.0} == {key: shown[key] for key in (A, C)}
    assert 20.0 + 5 * 10.0 == shown[OTHER]


def test_history_moves_with_a_set_that_is_admitted_while_days_of_the_baseline_are_kept() -> None:
    """History under `other` stays history under its own labels: neither counter increases."""
    harness = LedgerHarness(plan(max_series=2))
    harness.report(TODAY - 4 * DAY, A, 100)
    harness.report(TODAY, B, 50)
    harness.report(TODAY, C, 5)
    harness.report(TODAY, D, 3)
    harness.poll()
    harness.report(TODAY, D)
    for _ in range(2):
        harness.now += DAY
        harness.poll()
    harness.wait()
    before = harness.shown()
    harness.report(TODAY, C, 9)
    harness.poll()

    assert {B: 0.0, C: 0.0, OTHER: 0.0} == before
    assert {B: 0.0, C: 4.0, OTHER: 0.0} == harness.shown()
    assert 0 == harness.ledger.folded


def test_with_no_bucket_left_in_the_lookback_a_series_is_forgotten() -> None:
    """Gauge, counter and its row under max_series."""
    harness = LedgerHarness()
    harness.report(TODAY, A, 100)
    harness.report(TODAY, B, 1)
    harness.poll()
    harness.wait()
    for age in range(1, 6):
        harness.now = TODAY + age * DAY + 3600.0
        harness.report(TODAY + age * DAY, A, 1)
        harness.poll()

    assert {A: 5.0} == harness.shown()
    assert {A: 1.0} == harness.shown("today")
    assert 1 == harness.ledger.series


def test_a_forgotten_series_is_kept_until_its_counter_has_shown_all() -> None:
    """Increases during a hold, or while the state could not be written, are exported first."""
    harness = LedgerHarness(hold=30 * DAY)
    harness.report(TODAY, A, 100)
    harness.poll()
    harness.report(TODAY, A, 140)
    harness.poll()
    for age in range(1, 7):
        harness.now = TODAY + age * DAY + 3600.0
        harness.report(TODAY + age * DAY, B, 1)
        harness.poll()
    assert {A: 0.0, B: 0.0} == harness.shown()

    harness.now = TODAY + 31 * DAY
    for age in range(6):
        harness.report(harness.now - age * DAY, B, 1)
    harness.publish()
    assert 40.0 == (harness.shown() or {})[A]
    harness.poll()
    assert A not in (harness.shown() or {})


def test_a_series_that_comes_back_after_it_was_forgotten_begins_at_zero() -> None:
    """From 0, and shown there first."""
    harness = LedgerHarness()
    harness.report(TODAY, A, 100)
    harness.poll()
    for age in range(1, 6):
        harness.now = TODAY + age * DAY + 3600.0
        harness.report(TODAY + age * DAY, B, 1)
        harness.poll()
    harness.wait()
    harness.report(TODAY + 5 * DAY, A, 9)
    harness.poll()
    at_start = (harness.shown() or {})[A]
    harness.wait()

    assert [0.0, 9.0] == [at_start, (harness.shown() or {})[A]]


@pytest.mark.slow
def test_a_flood_of_new_names_takes_bounded_memory_and_sums_stay_right() -> None:
    """A million label sets in a hundred polls leave no more behind than ten thousand names."""
    harness = LedgerHarness(plan(max_series=2, width="1h"))
    harness.report(TODAY, A, 1)
    harness.poll()
    harness.wait()
    resident = []
    for number in range(100):
        start = TODAY + (16 + number) * 3600
        rows: list[Row] = [(("p", f"name-{number}-{name}"), (1,)) for name in range(10_000)]
        end = start + 3600
        harness.ledger.apply(PollResult(start, end, (Bucket(start, end, (rows,)),), end + 1.0))
        del rows
        if number % 30 == 9:
            resident.append(resident_bytes())
    print(f"\n{max(resident) - resident[0]} bytes more after 900,000 further names")  # noqa: T201 # the figure
    harness.unsaved = True
    for _ in range(2):
        harness.wait()

    assert {A: 0.0, FIRST: 1.0, OTHER: 999_999.0} == harness.shown()
    assert 10_000 <= harness.ledger.folded <= 20_000
    assert max(resident) - resident[0] < 20_000_000
