"""How counters rise: by what is reported, after they were seen, once it is on disk."""

from pathlib import Path

import pytest

from exporter.catalog import DAY
from exporter.store import StateUnwritableError, Store
from tests.support.ledger_harness import HOLD, TODAY, YESTERDAY, A, B, LedgerHarness, costs, dollars, plan


def begun(**settings: object) -> LedgerHarness:
    """Return a desk after its baseline, with one row that is shown."""
    desk = LedgerHarness(**settings)  # type: ignore[arg-type] # fields of a desk
    desk.report(TODAY, A, 100)
    desk.report(YESTERDAY, A, 1000)
    desk.poll()
    desk.wait()
    return desk


def test_late_data_of_a_day_of_the_baseline_is_flow() -> None:
    """A closed day contributes what it has grown by since the baseline."""
    desk = begun()
    desk.report(YESTERDAY, A, 1007)
    desk.poll()

    assert {A: 7.0} == desk.shown()


def test_a_day_after_the_baseline_counts_whole() -> None:
    """What nobody has seen before is all flow."""
    desk = begun()
    desk.now += DAY
    desk.report(TODAY + DAY, A, 11)
    desk.poll()

    assert {A: 11.0} == desk.shown()


def test_a_revision_down_holds_the_counter_still_until_growth_has_caught_up() -> None:
    """A fall would be taken for a reset, and the whole value added again."""
    desk = begun()
    shown = []
    for value in (150, 120, 140, 160):
        desk.report(TODAY, A, value)
        desk.poll()
        shown.append((desk.shown(), desk.ledger.excess()[desk.first.name]))

    assert [({A: 50.0}, 0.0), ({A: 50.0}, 30.0), ({A: 50.0}, 10.0), ({A: 60.0}, 0.0)] == shown


def test_money_that_moves_between_days_of_the_baseline_is_not_counted() -> None:
    """What one bucket loses against its baseline and another gains is no change of the sum, however often it moves."""
    desk = begun()
    for moved in (2, 4, 6):
        desk.report(YESTERDAY, A, 1000 - moved)
        desk.report(TODAY, A, 100 + moved)
        desk.poll()

    assert {A: 0.0} == desk.shown()
    assert 0.0 == desk.ledger.excess()[desk.first.name]


def test_counters_less_excess_are_the_net_figure_after_a_credit() -> None:
    """A bucket that falls below its baseline lowers the net figure, and growth makes up for it first."""
    desk = begun()
    net = []
    for yesterday, today in ((980, 130), (980, 100), (976, 100), (976, 150)):
        desk.report(YESTERDAY, A, yesterday)
        desk.report(TODAY, A, today)
        desk.poll()
        counter = (desk.shown() or {})[A]
        net.append((counter, counter - desk.ledger.excess()[desk.first.name]))

    assert [(10.0, 10.0), (10.0, -20.0), (10.0, -24.0), (26.0, 26.0)] == net


def test_counters_less_excess_are_the_net_figure_while_increases_are_held_back() -> None:
    """The excess is negative then: the counter stands below what is reported."""
    desk = begun()
    desk.report(TODAY, B, 42)
    desk.poll()

    assert ({A: 0.0, B: 0.0}, -42.0) == (desk.shown(), desk.ledger.excess()[desk.first.name])


def test_a_row_that_disappears_is_a_revision_to_zero() -> None:
    """A covered bucket without the row says 0, not nothing."""
    desk = begun()
    desk.report(TODAY, A, 150)
    desk.poll()
    desk.report(TODAY, A)
    desk.poll()

    assert {A: 50.0} == desk.shown()
    assert 150.0 == desk.ledger.excess()[desk.first.name]
    assert {A: 0.0} == desk.shown("today")


def test_repeated_rows_are_summed() -> None:
    """One label set in several rows of a bucket is one value."""
    desk = begun()
    answer = desk.answer()
    bucket = answer.buckets[-1]
    rows = bucket.rows
    assert rows
    doubled = type(bucket)(bucket.start, bucket.end, ([(A, (70,)), (A, (60,))],))
    desk.ledger.apply(type(answer)(answer.start, answer.end, (*answer.buckets[:-1], doubled), answer.received))
    desk.unsaved = True
    desk.publish()

    assert {A: 30.0} == desk.shown()


def test_a_new_counter_is_shown_at_zero_before_it_rises() -> None:
    """A scrape has to see the lower end of the step."""
    desk = begun()
    desk.report(TODAY, B, 42)
    desk.poll()
    at_birth = desk.shown()
    desk.wait(HOLD - 1)
    at_last = desk.shown()
    desk.wait(1)

    assert [{A: 0.0, B: 0.0}, {A: 0.0, B: 0.0}, {A: 0.0, B: 42.0}] == [at_birth, at_last, desk.shown()]


def test_the_end_of_a_hold_is_a_moment_to_publish_at() -> None:
    """No poll is needed for a counter to take its value."""
    desk = begun()
    desk.report(TODAY, B, 42)
    desk.poll()
    desk.views()

    assert HOLD == desk.coordinator.until_change(desk.moment)


def test_after_a_restart_counters_are_shown_where_they_were_committed(tmp_path: Path) -> None:
    """What grew during the outage follows when the hold is over."""
    desk = begun(store=Store(tmp_path / "state.db"))
    desk.report(TODAY, A, 150)
    desk.poll()
    desk.restart()
    desk.report(TODAY, A, 175)
    desk.poll()
    at_start = desk.shown()
    desk.wait()

    assert [{A: 50.0}, {A: 75.0}] == [at_start, desk.shown()]
    assert desk.store
    desk.store.close()


def test_growth_that_was_never_shown_is_not_lost_by_a_restart(tmp_path: Path) -> None:
    """A hold that a restart cuts short begins anew, from the same value."""
    desk = begun(store=Store(tmp_path / "state.db"))
    desk.report(TODAY, B, 42)
    desk.poll()
    desk.restart()
    desk.publish()
    at_start = desk.shown()
    desk.wait()

    assert [{A: 0.0, B: 0.0}, {A: 0.0, B: 42.0}] == [at_start, desk.shown()]
    assert desk.store
    desk.store.close()


def test_without_a_hold_a_counter_takes_its_value_at_once() -> None:
    """0 switches it off: for those who know that the first steps will be missed."""
    desk = begun(hold=0.0)
    desk.report(TODAY, B, 42)
    desk.poll()

    assert {A: 0.0, B: 42.0} == desk.shown()


def test_nothing_is_shown_that_is_not_on_disk(tmp_path: Path) -> None:
    """The state that a crash leaves behind has every value that was shown."""
    desk = begun(store=Store(tmp_path / "state.db"))
    desk.report(TODAY, A, 150)
    desk.poll(publish=False)
    before = desk.shown()
    desk.publish()
    shown = desk.shown()
    desk.restart()
    desk.publish()

    assert [{A: 0.0}, {A: 50.0}, {A: 50.0}] == [before, shown, desk.shown()]
    assert desk.store
    desk.store.close()


def test_a_poll_that_was_not_committed_is_repeated_after_a_crash(tmp_path: Path) -> None:
    """What only memory knew is asked for again."""
    desk = begun(store=Store(tmp_path / "state.db"))
    desk.report(TODAY, A, 150)
    desk.poll(publish=False)
    desk.restart()
    desk.poll()
    desk.wait()

    assert {A: 50.0} == desk.shown()
    assert desk.store
    desk.store.close()


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
    desk = begun(store=store, plan=plan(max_series=5000))
    store.full = True
    rows = [("a", f"model-{number:05}" * 8) for number in range(2000)]
    for number in rows:
        desk.report(TODAY, number, 5)
    desk.report(TODAY, A, 150)
    desk.poll()
    held, gauges = desk.shown(), desk.shown("today") or {}
    store.full = False
    desk.wait()
    caught_up = (desk.shown() or {})[A]
    desk.wait()

    assert dict.fromkeys((A, *rows), 0.0) == held
    assert (150.0, 5.0) == (gauges[A], gauges[rows[0]])
    assert 50.0 == caught_up
    assert dict.fromkeys(rows, 5.0) | {A: 50.0} == desk.shown()
    store.close()


def test_a_commit_that_fails_saves_nothing(tmp_path: Path) -> None:
    """The file still holds the last snapshot, whole."""
    store = FullStore(tmp_path / "state.db")
    desk = begun(store=store, plan=plan(max_series=5000))
    store.full = True
    desk.report(TODAY, A, 150)
    for number in range(2000):
        desk.report(TODAY, ("a", f"model-{number:05}" * 8), 5)
    desk.poll(publish=False)
    with pytest.raises(StateUnwritableError, match="full"):
        store.save([], {"x" * 100_000: "y"})
    desk.publish()
    store.full = False
    desk.restart()
    desk.publish()

    assert {A: 0.0} == desk.shown()
    store.close()


def test_without_any_state_counters_start_at_zero_with_the_process() -> None:
    """As plain counters do."""
    desk = begun()
    desk.report(TODAY, A, 150)
    desk.poll()
    before = desk.shown()
    desk.restart()
    desk.poll()
    desk.wait()
    desk.report(TODAY, A, 160)
    desk.poll()

    assert not desk.coordinator.writable
    assert [{A: 50.0}, {A: 10.0}] == [before, desk.shown()]


def test_money_is_counted_to_the_last_digit() -> None:
    """Sums are exact, whatever the order of the rows; floats are made when all is added up."""
    desk = LedgerHarness(costs())
    row = ("a", "gpt")
    desk.poll()
    for day, amount in ((TODAY, "0.1"), (YESTERDAY, "0.2")):
        desk.report(day, row, dollars(amount))
    desk.poll()
    desk.wait()

    assert {row: 0.3} == desk.shown()


@pytest.mark.parametrize("step", [-3600, 2 * DAY, -2 * DAY])
def test_a_wall_clock_that_steps_does_not_delay_a_counter(step: float) -> None:
    """Holds go by the time that passes: a clock that is set back or forward makes no counter wait longer."""
    desk = begun(clock_error=-step)
    desk.report(TODAY, B, 42)
    desk.poll()
    at_first = (desk.shown() or {})[B]
    desk.clock_error = 0.0
    desk.wait()

    assert [0.0, 42.0] == [at_first, (desk.shown() or {})[B]]


def test_a_counter_remembers_when_it_began(tmp_path: Path) -> None:
    """At the baseline, or with the poll that brought its series: also after a restart."""
    desk = begun(store=Store(tmp_path / "state.db"))
    baseline = desk.now - HOLD
    desk.report(TODAY, B, 42)
    desk.poll()
    later = desk.now
    desk.restart()
    desk.publish()
    (view,) = [view for view in desk.ledger.views(desk.now) if view.counter]
    assert view.created is not None

    assert {A: baseline, B: later} == dict(zip(view.rows.sets, view.created.tolist(), strict=True))
    assert desk.store
    desk.store.close()
