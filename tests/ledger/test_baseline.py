"""Where counters begin, and what they begin anew with."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.catalog import DAY, resource
from exporter.store import Store
from tests.support.ledger_harness import HOLD, NOW, TODAY, YESTERDAY, A, B, LedgerHarness, plan

CACHED = "completions_input_cached_tokens"


def test_what_is_older_than_the_exporter_is_history() -> None:
    """The first complete sync is shown by gauges, not by counters."""
    desk = LedgerHarness()
    desk.report(TODAY, A, 100)
    applied = desk.poll()
    desk.wait()

    assert [desk.first] == list(applied.baseline)
    assert {A: 100.0} == desk.shown("today")
    assert {A: 0.0} == desk.shown()


def test_growth_of_the_day_of_the_baseline_is_flow() -> None:
    """A bucket that was there contributes what it has grown by since."""
    desk = LedgerHarness()
    desk.report(TODAY, A, 100)
    desk.poll()
    desk.wait()
    desk.report(TODAY, A, 130)
    desk.poll()

    assert {A: 30.0} == desk.shown()


def test_a_partial_answer_is_no_baseline() -> None:
    """Where a bucket is missing, the counters wait for a complete sync."""
    desk = LedgerHarness()
    desk.report(YESTERDAY, A, 100)
    desk.report(TODAY, A, 10)
    assert () == desk.poll(without=[YESTERDAY - DAY]).baseline
    assert {} == desk.shown()

    desk.report(TODAY, A, 50)
    assert (desk.first,) == desk.poll().baseline
    assert {A: 0.0} == desk.shown()


def test_a_poll_of_the_newest_days_is_no_baseline() -> None:
    """A sync that does not reach back over the look-back cannot know what is history."""
    desk = LedgerHarness()
    desk.report(TODAY, A, 100)
    applied = desk.ledger.apply(desk.answer(since=YESTERDAY))

    assert () == applied.baseline


@pytest.mark.parametrize(
    "change",
    [{"group_by": ("project_id",)}, {"filters": (("project_ids", "a"),)}, {"width": "1h"}],
    ids=["group_by", "filters", "bucket_width"],
)
def test_another_identity_has_another_baseline(tmp_path: Path, change: dict[str, object]) -> None:
    """What was counted under another grouping, filter or width says nothing of this one."""
    desk = LedgerHarness(store=Store(tmp_path / "state.db"))
    desk.report(TODAY, A, 100)
    desk.poll()
    desk.restart(replace(desk.plan, **change))  # type: ignore[arg-type] # fields of a plan

    assert 0 == desk.ledger.series
    assert (desk.first,) == desk.poll().baseline
    assert desk.store
    desk.store.close()


def test_the_order_of_group_by_and_filters_is_no_part_of_the_identity(tmp_path: Path) -> None:
    """The same settings written in another order go on where they were."""
    filters = (("project_ids", "a"), ("project_ids", "b"))
    desk = LedgerHarness(plan(filters=filters), Store(tmp_path / "state.db"))
    desk.report(TODAY, A, 100)
    desk.poll()
    desk.restart(replace(desk.plan, filters=filters[::-1], group_by=desk.plan.group_by[::-1]))

    assert () == desk.poll().baseline
    assert desk.store
    desk.store.close()


def test_a_measure_that_is_switched_on_begins_then(tmp_path: Path) -> None:
    """It has a baseline of its own, and the others go on."""
    desk = LedgerHarness(store=Store(tmp_path / "state.db"))
    desk.report(TODAY, A, 100)
    desk.poll()
    desk.report(TODAY, A, 150)
    desk.poll()
    desk.restart(replace(desk.plan, measures=resource("completions").select([desk.first.name, CACHED])))
    desk.report(TODAY, A, 160, 40)
    assert [CACHED] == [measure.name for measure in desk.poll().baseline]

    desk.report(TODAY, A, 170, 45)
    desk.poll()
    desk.wait()
    assert {A: 70.0} == desk.shown()
    assert {A: 5.0} == desk.shown(measure=CACHED)
    assert desk.store
    desk.store.close()


def test_an_optional_measure_begins_with_its_first_value() -> None:
    """While the API leaves the field out there is nothing to begin with, and no series."""
    desk = LedgerHarness(plan(measures=[CACHED]))
    desk.report(TODAY, A, None)
    assert () == desk.poll().baseline
    assert {} == desk.shown()
    assert {} == desk.shown("today")

    desk.report(TODAY, A, 40)
    assert (desk.first,) == desk.poll(full=False).baseline
    desk.report(TODAY, A, 47)
    desk.poll(full=False)
    desk.wait()
    assert {A: 7.0} == desk.shown()


def test_a_row_of_the_baseline_that_gets_its_value_later_tells_history() -> None:
    """The row was there, its value unknown: what it says at last is what it may have been all along."""
    desk = LedgerHarness(plan(measures=[CACHED]))
    desk.report(YESTERDAY, A, None)
    desk.report(TODAY, B, 1)
    desk.poll()
    desk.report(YESTERDAY, A, 500)
    desk.poll()
    desk.report(YESTERDAY, A, 520)
    desk.poll()
    desk.wait()

    assert {A: 20.0, B: 0.0} == desk.shown()


def test_a_value_that_is_left_out_for_a_while_is_unchanged() -> None:
    """Unknown is neither 0 nor a new baseline: the counter goes on with the next value."""
    desk = LedgerHarness(plan(measures=[CACHED]))
    desk.report(TODAY, A, 100)
    desk.poll()
    desk.wait()
    desk.report(TODAY, A, None)
    desk.poll()
    absent, excess = desk.shown("today"), desk.ledger.excess()[CACHED]
    desk.report(TODAY, A, 120)
    desk.poll()

    assert ({}, 0.0) == (absent, excess)
    assert {A: 20.0} == desk.shown()


def test_a_row_that_comes_after_the_baseline_without_a_value_counts_whole() -> None:
    """It was not there at the baseline, so nothing of it is history."""
    desk = LedgerHarness(plan(measures=[CACHED]))
    desk.report(TODAY, A, 1)
    desk.poll()
    desk.report(TODAY, B, None)
    desk.poll()
    desk.report(TODAY, B, 30)
    desk.poll()
    desk.wait()

    assert {A: 0.0, B: 30.0} == desk.shown()


def test_an_empty_organization_is_a_baseline() -> None:
    """Nothing is a value too: the first usage ever is counted from its first token."""
    desk = LedgerHarness()
    assert (desk.first,) == desk.poll().baseline
    desk.report(TODAY, A, 10)
    desk.poll()
    assert {A: 0.0} == desk.shown()

    desk.wait(HOLD)
    assert {A: 10.0} == desk.shown()


def test_a_longer_lookback_brings_history_and_no_flow(tmp_path: Path) -> None:
    """Buckets that are older than the baseline's oldest one feed gauges only."""
    desk = LedgerHarness(plan(lookback_days=2), Store(tmp_path / "state.db"))
    desk.report(TODAY - 4 * DAY, A, 1000)
    desk.report(TODAY, A, 10)
    desk.poll()
    desk.restart(replace(desk.plan, lookback_days=7))
    desk.poll()
    desk.report(TODAY - 4 * DAY, A, 3000)
    desk.poll()
    desk.wait()

    assert 3010.0 == desk.ledger.stores[0].column(0, [TODAY - 4 * DAY, TODAY]).sum()
    assert {A: 0.0} == desk.shown()
    assert desk.store
    desk.store.close()


def test_the_baseline_outlives_the_process(tmp_path: Path) -> None:
    """A restart is no new beginning."""
    desk = LedgerHarness(store=Store(tmp_path / "state.db"), now=NOW)
    desk.report(TODAY, A, 100)
    desk.poll()
    desk.restart()
    desk.report(TODAY, A, 107)

    assert () == desk.poll().baseline
    desk.wait()
    assert {A: 7.0} == desk.shown()
    assert desk.store
    desk.store.close()
