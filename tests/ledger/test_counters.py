"""How counters rise: by what is reported, after they were seen, once it is on disk."""

from pathlib import Path

import pytest

from exporter.catalog import DAY
from exporter.store import StateUnwritableError, Store
from tests.support.ledger_harness import HOLD, TODAY, YESTERDAY, A, B, LedgerHarness, costs, dollars, plan


def begun(**settings: object) -> LedgerHarness:
    """Return a harness after its baseline, with one row that is shown."""
    harness = LedgerHarness(**settings)  # type: ignore[arg-type] # fields of a harness
    harness.report(TODAY, A, 100)
    harness.report(YESTERDAY, A, 1000)
    harness.poll()
    harness.wait()
    return harness


def test_late_data_of_a_day_of_the_baseline_is_flow() -> None:
    """A closed day contributes its increase since the baseline."""
    harness = begun()
    harness.report(YESTERDAY, A, 1007)
    harness.poll()

    assert {A: 7.0} == harness.shown()


def test_a_day_after_the_baseline_counts_whole() -> None:
    """A new label set is counted completely."""
    harness = begun()
    harness.now += DAY
    harness.report(TODAY + DAY, A, 11)
    harness.poll()

    assert {A: 11.0} == harness.shown()


def test_a_revision_down_holds_the_counter_still_until_growth_has_caught_up() -> None:
    """A fall would be taken for a reset, and the whole value added again."""
    harness = begun()
    shown = []
    for value in (150, 120, 140, 160):
        harness.report(TODAY, A, value)
        harness.poll()
        shown.append((harness.shown(), harness.ledger.excess()[harness.first.name]))

    assert [({A: 50.0}, 0.0), ({A: 50.0}, 30.0), ({A: 50.0}, 10.0), ({A: 60.0}, 0.0)] == shown


def test_money_that_moves_between_days_of_the_baseline_is_not_counted() -> None:
    """A value that moves between buckets does not change the sum, even repeatedly."""
    harness = begun()
    for moved in (2, 4, 6):
        harness.report(YESTERDAY, A, 1000 - moved)
        harness.report(TODAY, A, 100 + moved)
        harness.poll()

    assert {A: 0.0} == harness.shown()
    assert 0.0 == harness.ledger.excess()[harness.first.name]


@pytest.mark.parametrize(
    ("source", "full", "without"),
    [(YESTERDAY, True, (YESTERDAY,)), (TODAY - 3 * DAY, False, ())],
    ids=["a-missing-bucket", "an-older-day"],
)
def test_what_moves_out_of_a_day_that_is_not_read_is_counted(source: int, full: bool, without: tuple[int, ...]) -> None:  # noqa: FBT001 # a case
    """The counter has it twice until it is read there; then the net figure is right, and growth is counted again."""
    harness = LedgerHarness()
    harness.report(TODAY, A, 100)
    harness.report(source, A, 730)
    harness.poll()
    harness.wait()
    harness.report(source, A)
    harness.report(TODAY, A, 830)
    seen = []
    for settings in ({"full": full, "without": without}, {}):
        harness.poll(**settings)  # type: ignore[arg-type] # parameters of a poll
        seen.append((harness.shown(), harness.ledger.excess()[harness.first.name]))

    assert [({A: 730.0}, 0.0), ({A: 730.0}, 730.0)] == seen


def test_counters_less_excess_are_the_net_figure_after_a_credit() -> None:
    """A bucket that falls below its baseline lowers the net figure, and growth makes up for it first."""
    harness = begun()
    net = []
    for yesterday, today in ((980, 130), (980, 100), (976, 100), (976, 150)):
        harness.report(YESTERDAY, A, yesterday)
        harness.report(TODAY, A, today)
        harness.poll()
        counter = (harness.shown() or {})[A]
        net.append((counter, counter - harness.ledger.excess()[harness.first.name]))

    assert [(10.0, 10.0), (10.0, -20.0), (10.0, -24.0), (26.0, 26.0)] == net


def test_counters_less_excess_are_the_net_figure_while_increases_are_held_back() -> None:
    """The excess is negative then: the counter is below the reported total."""
    harness = begun()
    harness.report(TODAY, B, 42)
    harness.poll()

    assert ({A: 0.0, B: 0.0}, -42.0) == (harness.shown(), harness.ledger.excess()[harness.first.name])


def test_a_row_that_disappears_is_a_revision_to_zero() -> None:
    """A covered bucket without the row says 0, not nothing."""
    harness = begun()
    harness.report(TODAY, A, 150)
    harness.poll()
    harness.report(TODAY, A)
    harness.poll()

    assert {A: 50.0} == harness.shown()
    assert 150.0 == harness.ledger.excess()[harness.first.name]
    assert {A: 0.0} == harness.shown("today")


def test_repeated_rows_are_summed() -> None:
    """One label set in several rows of a bucket is one value."""
    harness = begun()
    answer = harness.answer()
    bucket = answer.buckets[-1]
    rows = bucket.rows
    assert rows
    doubled = type(bucket)(bucket.start, bucket.end, ([(A, (70,)), (A, (60,))],))
    harness.ledger.apply(type(answer)(answer.start, answer.end, (*answer.buckets[:-1], doubled), answer.received))
    harness.unsaved = True
    harness.publish()

    assert {A: 30.0} == harness.shown()


def test_a_new_counter_is_shown_at_zero_before_it_rises() -> None:
    """A scrape has to see the lower end of the step."""
    harness = begun()
    harness.report(TODAY, B, 42)
    harness.poll()
    at_birth = harness.shown()
    harness.wait(HOLD - 1)
    at_last = harness.shown()
    harness.wait(1)

    assert [{A: 0.0, B: 0.0}, {A: 0.0, B: 0.0}, {A: 0.0, B: 42.0}] == [at_birth, at_last, harness.shown()]


def test_the_end_of_a_hold_is_a_moment_to_publish_at() -> None:
    """No poll is needed for a counter to take its value."""
    harness = begun()
    harness.report(TODAY, B, 42)
    harness.poll()
    harness.views()

    assert HOLD == harness.coordinator.until_change(harness.moment)


def test_after_a_restart_counters_are_shown_where_they_were_committed(tmp_path: Path) -> None:
    """The increase during the outage follows after the hold."""
    harness = begun(store=Store(tmp_path / "state.db"))
    harness.report(TODAY, A, 150)
    harness.poll()
    harness.restart()
    harness.report(TODAY, A, 175)
    harness.poll()
    at_start = harness.shown()
    harness.wait()

    assert [{A: 50.0}, {A: 75.0}] == [at_start, harness.shown()]
    assert harness.store
    harness.store.close()


def test_growth_that_was_never_shown_is_not_lost_by_a_restart(tmp_path: Path) -> None:
    """A hold that a restart cuts short starts again, from the same value."""
    harness = begun(store=Store(tmp_path / "state.db"))
    harness.report(TODAY, B, 42)
    harness.poll()
    harness.restart()
    harness.publish()
    at_start = harness.shown()
    harness.wait()

    assert [{A: 0.0, B: 0.0}, {A: 0.0, B: 42.0}] == [at_start, harness.shown()]
    assert harness.store
    harness.store.close()


def test_without_a_hold_a_counter_takes_its_value_at_once() -> None:
    """0 switches it off: for those who know that the first steps will be missed."""
    harness = begun(hold=0.0)
    harness.report(TODAY, B, 42)
    harness.poll()

    assert {A: 0.0, B: 42.0} == harness.shown()


def test_nothing_is_shown_that_is_not_on_disk(tmp_path: Path) -> None:
    """The state that a crash leaves behind has every value that was shown."""
    harness = begun(store=Store(tmp_path / "state.db"))
    harness.report(TODAY, A, 150)
    harness.poll(publish=False)
    before = harness.shown()
    harness.publish()
    shown = harness.shown()
    harness.restart()
    harness.publish()

    assert [{A: 0.0}, {A: 50.0}, {A: 50.0}] == [before, shown, harness.shown()]
    assert harness.store
    harness.store.close()


def test_a_poll_that_was_not_committed_is_repeated_after_a_crash(tmp_path: Path) -> None:
    """Data that was only in memory is requested again."""
    harness = begun(store=Store(tmp_path / "state.db"))
    harness.report(TODAY, A, 150)
    harness.poll(publish=False)
    harness.restart()
    harness.poll()
    harness.wait()

    assert {A: 50.0} == harness.shown()
    assert harness.store
    harness.store.close()


class FullStore(Store):
    """A state file on a disk that is full while `full` is set."""

    full = False

    def save(self, *arguments: object, **more: object) -> None:
        """Fail as SQLite does."""
        assert self._database
        self._database.execute(f"PRAGMA max_page_count = {1 if self.full else 1_000_000}")
        super().save(*arguments, **more)  # type: ignore[arg-type] # handed on as it came


def test_while_the_state_cannot_be_written_counters_stand_still_and_gauges_go_on(tmp_path: Path) -> None:
    """And nothing is lost: they catch up as soon as it can."""
    store = FullStore(tmp_path / "state.db")
    harness = begun(store=store, plan=plan(max_series=5000))
    store.full = True
    rows = [("a", f"model-{number:05}" * 8) for number in range(2000)]
    for number in rows:
        harness.report(TODAY, number, 5)
    harness.report(TODAY, A, 150)
    harness.poll()
    held, gauges = harness.shown(), harness.shown("today") or {}
    store.full = False
    harness.wait()
    caught_up = (harness.shown() or {})[A]
    harness.wait()

    assert dict.fromkeys((A, *rows), 0.0) == held
    assert (150.0, 5.0) == (gauges[A], gauges[rows[0]])
    assert 50.0 == caught_up
    assert dict.fromkeys(rows, 5.0) | {A: 50.0} == harness.shown()
    store.close()


def test_a_commit_that_fails_saves_nothing(tmp_path: Path) -> None:
    """The file still holds the last snapshot, whole."""
    store = FullStore(tmp_path / "state.db")
    harness = begun(store=store, plan=plan(max_series=5000))
    store.full = True
    harness.report(TODAY, A, 150)
    for number in range(2000):
        harness.report(TODAY, ("a", f"model-{number:05}" * 8), 5)
    harness.poll(publish=False)
    with pytest.raises(StateUnwritableError, match="full"):
        store.save([], {"x" * 100_000: "y"})
    harness.publish()
    store.full = False
    harness.restart()
    harness.publish()

    assert {A: 0.0} == harness.shown()
    store.close()


def test_without_any_state_counters_start_at_zero_with_the_process() -> None:
    """As plain counters do."""
    harness = begun()
    harness.report(TODAY, A, 150)
    harness.poll()
    before = harness.shown()
    harness.restart()
    harness.poll()
    harness.wait()
    harness.report(TODAY, A, 160)
    harness.poll()

    assert not harness.coordinator.writable
    assert [{A: 50.0}, {A: 10.0}] == [before, harness.shown()]


def test_money_is_counted_to_the_last_digit() -> None:
    """Sums are exact in any order of the rows; conversion to float comes last."""
    harness = LedgerHarness(costs())
    row = ("a", "gpt")
    harness.poll()
    for day, amount in ((TODAY, "0.1"), (YESTERDAY, "0.2")):
        harness.report(day, row, dollars(amount))
    harness.poll()
    harness.wait()

    assert {row: 0.3} == harness.shown()


@pytest.mark.parametrize("step", [-3600, 2 * DAY, -2 * DAY])
def test_a_wall_clock_that_steps_does_not_delay_a_counter(step: float) -> None:
    """Holds go by the time that passes: a clock that is set back or forward makes no counter wait longer."""
    harness = begun(clock_error=-step)
    harness.report(TODAY, B, 42)
    harness.poll()
    at_first = (harness.shown() or {})[B]
    harness.clock_error = 0.0
    harness.wait()

    assert [0.0, 42.0] == [at_first, (harness.shown() or {})[B]]


def test_a_counter_remembers_when_it_began(tmp_path: Path) -> None:
    """At the baseline, or with the poll that brought its series: also after a restart."""
    harness = begun(store=Store(tmp_path / "state.db"))
    baseline = harness.now - HOLD
    harness.report(TODAY, B, 42)
    harness.poll()
    later = harness.now
    harness.restart()
    harness.publish()
    (view,) = [view for view in harness.ledger.views(harness.now) if view.counter]
    assert view.created is not None

    assert {A: baseline, B: later} == dict(zip(view.rows.sets, view.created.tolist(), strict=True))
    assert harness.store
    harness.store.close()
