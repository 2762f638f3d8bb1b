"""Where counters begin, and what gives them another baseline."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.catalog import DAY, resource
from exporter.store import Store
from tests.support.ledger_harness import HOLD, NOW, TODAY, YESTERDAY, A, B, LedgerHarness, plan

CACHED = "completions_input_cached_tokens"


def test_data_older_than_the_exporter_is_history() -> None:
    """The first complete sync is shown by gauges, not by counters."""
    harness = LedgerHarness()
    harness.report(TODAY, A, 100)
    applied = harness.poll()
    harness.wait()

    assert [harness.first] == list(applied.baseline)
    assert {A: 100.0} == harness.shown("today")
    assert {A: 0.0} == harness.shown()


def test_growth_of_the_day_of_the_baseline_is_flow() -> None:
    """A known bucket contributes its increase."""
    harness = LedgerHarness()
    harness.report(TODAY, A, 100)
    harness.poll()
    harness.wait()
    harness.report(TODAY, A, 130)
    harness.poll()

    assert {A: 30.0} == harness.shown()


def test_a_partial_answer_is_no_baseline() -> None:
    """Where a bucket is missing, the counters wait for a complete sync."""
    harness = LedgerHarness()
    harness.report(YESTERDAY, A, 100)
    harness.report(TODAY, A, 10)
    assert () == harness.poll(without=[YESTERDAY - DAY]).baseline
    assert {} == harness.shown()

    harness.report(TODAY, A, 50)
    assert (harness.first,) == harness.poll().baseline
    assert {A: 0.0} == harness.shown()


def test_a_poll_of_the_newest_days_is_no_baseline() -> None:
    """A sync that does not reach back over the look-back cannot know what is history."""
    harness = LedgerHarness()
    harness.report(TODAY, A, 100)
    applied = harness.ledger.apply(harness.answer(since=YESTERDAY))

    assert () == applied.baseline


@pytest.mark.parametrize(
    "change",
    [{"group_by": ("project_id",)}, {"filters": (("project_ids", "a"),)}, {"width": "1h"}],
    ids=["group_by", "filters", "bucket_width"],
)
def test_another_identity_has_another_baseline(tmp_path: Path, change: dict[str, object]) -> None:
    """Counters of another grouping, filter or width are not continued."""
    harness = LedgerHarness(store=Store(tmp_path / "state.db"))
    harness.report(TODAY, A, 100)
    harness.poll()
    harness.restart(replace(harness.plan, **change))  # type: ignore[arg-type] # fields of a plan

    assert 0 == harness.ledger.series
    assert (harness.first,) == harness.poll().baseline
    assert harness.store
    harness.store.close()


def test_the_order_of_group_by_and_filters_is_no_part_of_the_identity(tmp_path: Path) -> None:
    """The same settings in another order continue the counters."""
    filters = (("project_ids", "a"), ("project_ids", "b"))
    harness = LedgerHarness(plan(filters=filters), Store(tmp_path / "state.db"))
    harness.report(TODAY, A, 100)
    harness.poll()
    harness.restart(replace(harness.plan, filters=filters[::-1], group_by=harness.plan.group_by[::-1]))

    assert () == harness.poll().baseline
    assert harness.store
    harness.store.close()


def test_a_measure_that_is_switched_on_begins_then(tmp_path: Path) -> None:
    """It gets a separate baseline, and the others continue."""
    harness = LedgerHarness(store=Store(tmp_path / "state.db"))
    harness.report(TODAY, A, 100)
    harness.poll()
    harness.report(TODAY, A, 150)
    harness.poll()
    harness.restart(replace(harness.plan, measures=resource("completions").select([harness.first.name, CACHED])))
    harness.report(TODAY, A, 160, 40)
    assert [CACHED] == [measure.name for measure in harness.poll().baseline]

    harness.report(TODAY, A, 170, 45)
    harness.poll()
    harness.wait()
    assert {A: 70.0} == harness.shown()
    assert {A: 5.0} == harness.shown(measure=CACHED)
    assert harness.store
    harness.store.close()


def test_an_optional_measure_begins_with_its_first_value() -> None:
    """While the API leaves the field out there is nothing to begin with, and no series."""
    harness = LedgerHarness(plan(measures=[CACHED]))
    harness.report(TODAY, A, None)
    assert () == harness.poll().baseline
    assert {} == harness.shown()
    assert {} == harness.shown("today")

    harness.report(TODAY, A, 40)
    assert (harness.first,) == harness.poll(full=False).baseline
    harness.report(TODAY, A, 47)
    harness.poll(full=False)
    harness.wait()
    assert {A: 7.0} == harness.shown()


def test_a_late_value_of_a_baseline_row_is_history() -> None:
    """The row existed with an unknown value, so its first value may be old."""
    harness = LedgerHarness(plan(measures=[CACHED]))
    harness.report(YESTERDAY, A, None)
    harness.report(TODAY, B, 1)
    harness.poll()
    harness.report(YESTERDAY, A, 500)
    harness.poll()
    harness.report(YESTERDAY, A, 520)
    harness.poll()
    harness.wait()

    assert {A: 20.0, B: 0.0} == harness.shown()


def test_a_value_that_is_left_out_for_a_while_is_unchanged() -> None:
    """Unknown is neither 0 nor a new baseline: the counter continues with the next value."""
    harness = LedgerHarness(plan(measures=[CACHED]))
    harness.report(TODAY, A, 100)
    harness.poll()
    harness.wait()
    harness.report(TODAY, A, None)
    harness.poll()
    absent, excess = harness.shown("today"), harness.ledger.excess()[CACHED]
    harness.report(TODAY, A, 120)
    harness.poll()

    assert ({}, 0.0) == (absent, excess)
    assert {A: 20.0} == harness.shown()


def test_a_row_that_comes_after_the_baseline_without_a_value_counts_whole() -> None:
    """It was not there at the baseline, so nothing of it is history."""
    harness = LedgerHarness(plan(measures=[CACHED]))
    harness.report(TODAY, A, 1)
    harness.poll()
    harness.report(TODAY, B, None)
    harness.poll()
    harness.report(TODAY, B, 30)
    harness.poll()
    harness.wait()

    assert {A: 0.0, B: 30.0} == harness.shown()


def test_an_empty_organization_is_a_baseline() -> None:
    """Nothing is a value too: the first usage ever is counted from its first token."""
    harness = LedgerHarness()
    assert (harness.first,) == harness.poll().baseline
    harness.report(TODAY, A, 10)
    harness.poll()
    assert {A: 0.0} == harness.shown()

    harness.wait(HOLD)
    assert {A: 10.0} == harness.shown()


def test_a_longer_lookback_brings_history_and_no_flow(tmp_path: Path) -> None:
    """Buckets that are older than the baseline's oldest one feed gauges only."""
    harness = LedgerHarness(plan(lookback_days=2), Store(tmp_path / "state.db"))
    harness.report(TODAY - 4 * DAY, A, 1000)
    harness.report(TODAY, A, 10)
    harness.poll()
    harness.restart(replace(harness.plan, lookback_days=7))
    harness.poll()
    harness.report(TODAY - 4 * DAY, A, 3000)
    harness.poll()
    harness.wait()

    assert 3010.0 == harness.ledger.stores[0].column(0, [TODAY - 4 * DAY, TODAY]).sum()
    assert {A: 0.0} == harness.shown()
    assert harness.store
    harness.store.close()


def test_the_baseline_outlives_the_process(tmp_path: Path) -> None:
    """A restart is no new beginning."""
    harness = LedgerHarness(store=Store(tmp_path / "state.db"), now=NOW)
    harness.report(TODAY, A, 100)
    harness.poll()
    harness.restart()
    harness.report(TODAY, A, 107)

    assert () == harness.poll().baseline
    harness.wait()
    assert {A: 7.0} == harness.shown()
    assert harness.store
    harness.store.close()
