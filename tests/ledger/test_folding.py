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
    """Return a desk with room for two label sets and three of them, the last the smallest."""
    desk = LedgerHarness(plan(max_series=2), **changes)  # type: ignore[arg-type] # fields of a desk
    desk.report(TODAY, C, 5)
    desk.report(TODAY, A, 100)
    desk.report(YESTERDAY, B, 50)
    desk.poll()
    desk.wait()
    return desk


def test_the_largest_are_admitted_at_first_and_sums_stay_right() -> None:
    """The rest is one series whose every dimension is `other`."""
    desk = crowded()

    assert {A: 100.0, B: 0.0, OTHER: 5.0} == desk.shown("today")
    assert {A: 0.0, B: 0.0, OTHER: 0.0} == desk.shown()
    assert (3, 1) == (desk.ledger.series, desk.ledger.folded)


def test_what_is_folded_is_counted() -> None:
    """Growth of several folded sets is the growth of one."""
    desk = crowded()
    desk.report(TODAY, C, 8)
    desk.report(TODAY, D, 4)
    desk.poll()

    assert {A: 0.0, B: 0.0, OTHER: 7.0} == desk.shown()
    assert 2 == desk.ledger.folded


def test_later_the_first_that_come_are_admitted() -> None:
    """Places are not taken away from those who have them, however small they are."""
    desk = LedgerHarness(plan(max_series=2))
    desk.report(TODAY, A, 1)
    desk.poll()
    desk.report(TODAY, B, 2)
    desk.poll()
    desk.report(TODAY, C, 1000)
    desk.poll()
    desk.wait()

    assert {A: 0.0, B: 2.0, OTHER: 1000.0} == desk.shown()


def test_admissions_outlive_the_process(tmp_path: Path) -> None:
    """Who has a place keeps it, and what is folded stays folded."""
    desk = crowded(store=Store(tmp_path / "state.db"))
    desk.restart()
    desk.report(TODAY, C, 5000)
    desk.poll()
    desk.wait()

    assert {A: 0.0, B: 0.0, OTHER: 4995.0} == desk.shown()
    assert 1 == desk.ledger.folded
    assert {} == desk.ledger.known
    assert desk.store
    desk.store.close()


def test_a_set_that_is_admitted_later_begins_with_its_present_sum() -> None:
    """What went into `other` stays there; nothing is counted twice."""
    desk = crowded()
    desk.report(TODAY, C, 25)
    desk.poll()
    for age in range(1, 6):
        desk.now = TODAY + age * DAY + 3600.0
        desk.report(TODAY + age * DAY, A, 100)
        desk.report(TODAY + age * DAY, C, 10)
        desk.poll()
    desk.wait()
    desk.report(TODAY + 5 * DAY, C, 17)
    desk.poll()

    assert 0 == desk.ledger.folded
    shown = desk.shown() or {}
    assert {A: 500.0, C: 7.0} == {key: shown[key] for key in (A, C)}
    assert 20.0 + 5 * 10.0 == shown[OTHER]


def test_history_moves_with_a_set_that_is_admitted_while_days_of_the_baseline_are_kept() -> None:
    """What was history under `other` is history under its own name: neither counter rises by it."""
    desk = LedgerHarness(plan(max_series=2))
    desk.report(TODAY - 4 * DAY, A, 100)
    desk.report(TODAY, B, 50)
    desk.report(TODAY, C, 5)
    desk.report(TODAY, D, 3)
    desk.poll()
    desk.report(TODAY, D)
    for _ in range(2):
        desk.now += DAY
        desk.poll()
    desk.wait()
    before = desk.shown()
    desk.report(TODAY, C, 9)
    desk.poll()

    assert {B: 0.0, C: 0.0, OTHER: 0.0} == before
    assert {B: 0.0, C: 4.0, OTHER: 0.0} == desk.shown()
    assert 0 == desk.ledger.folded


def test_with_no_bucket_left_in_the_lookback_a_series_is_forgotten() -> None:
    """Gauge, counter and its place under max_series."""
    desk = LedgerHarness()
    desk.report(TODAY, A, 100)
    desk.report(TODAY, B, 1)
    desk.poll()
    desk.wait()
    for age in range(1, 6):
        desk.now = TODAY + age * DAY + 3600.0
        desk.report(TODAY + age * DAY, A, 1)
        desk.poll()

    assert {A: 5.0} == desk.shown()
    assert {A: 1.0} == desk.shown("today")
    assert 1 == desk.ledger.series


def test_a_forgotten_series_is_kept_until_its_counter_has_shown_all() -> None:
    """What accrued under a hold, or while the state could not be written, is shown first."""
    desk = LedgerHarness(hold=30 * DAY)
    desk.report(TODAY, A, 100)
    desk.poll()
    desk.report(TODAY, A, 140)
    desk.poll()
    for age in range(1, 7):
        desk.now = TODAY + age * DAY + 3600.0
        desk.report(TODAY + age * DAY, B, 1)
        desk.poll()
    assert {A: 0.0, B: 0.0} == desk.shown()

    desk.now = TODAY + 31 * DAY
    for age in range(6):
        desk.report(desk.now - age * DAY, B, 1)
    desk.publish()
    assert 40.0 == (desk.shown() or {})[A]
    desk.poll()
    assert A not in (desk.shown() or {})


def test_a_series_that_comes_back_after_it_was_forgotten_begins_anew() -> None:
    """From 0, and shown there first."""
    desk = LedgerHarness()
    desk.report(TODAY, A, 100)
    desk.poll()
    for age in range(1, 6):
        desk.now = TODAY + age * DAY + 3600.0
        desk.report(TODAY + age * DAY, B, 1)
        desk.poll()
    desk.wait()
    desk.report(TODAY + 5 * DAY, A, 9)
    desk.poll()
    born = (desk.shown() or {})[A]
    desk.wait()

    assert [0.0, 9.0] == [born, (desk.shown() or {})[A]]


@pytest.mark.slow
def test_a_flood_of_new_names_takes_bounded_memory_and_sums_stay_right() -> None:
    """A million label sets in a hundred polls leave no more behind than ten thousand names."""
    desk = LedgerHarness(plan(max_series=2, width="1h"))
    desk.report(TODAY, A, 1)
    desk.poll()
    desk.wait()
    resident = []
    for number in range(100):
        start = TODAY + (16 + number) * 3600
        rows: list[Row] = [(("p", f"name-{number}-{name}"), (1,)) for name in range(10_000)]
        end = start + 3600
        desk.ledger.apply(PollResult(start, end, (Bucket(start, end, (rows,)),), end + 1.0))
        del rows
        if number % 30 == 9:
            resident.append(resident_bytes())
    print(f"\n{max(resident) - resident[0]} bytes more after 900,000 further names")  # noqa: T201 # the figure
    desk.unsaved = True
    for _ in range(2):
        desk.wait()

    assert {A: 0.0, FIRST: 1.0, OTHER: 999_999.0} == desk.shown()
    assert 10_000 <= desk.ledger.folded <= 20_000
    assert max(resident) - resident[0] < 20_000_000
