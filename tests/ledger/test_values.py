"""Odd values: negative, unknown, in other money, and exact to the last digit."""

from itertools import permutations
from pathlib import Path

from exporter.catalog import DAY, QUANTA, Bucket, PollResult, Row
from exporter.store import Store
from tests.support.ledger_harness import (
    NOW,
    TODAY,
    YESTERDAY,
    A,
    B,
    Labels,
    LedgerHarness,
    costs,
    dollars,
    plan,
    with_windows,
)

CACHED = "completions_input_cached_tokens"
ROW = ("a", "gpt-5, input")


def test_negative_amounts_are_kept() -> None:
    """A credit lowers the day's sum, and the counter stays."""
    harness = LedgerHarness(with_windows(costs(), "2d"))
    harness.report(TODAY, ROW, dollars("2"))
    harness.poll()
    harness.now += DAY
    harness.report(TODAY + DAY, ROW, dollars("-0.75"))
    harness.poll()
    harness.wait()

    assert [{ROW: -0.75}, {ROW: 1.25}] == [harness.shown("today"), harness.shown("2d")]
    assert {ROW: 0.0} == harness.shown()
    assert 0.75 == harness.ledger.excess()["cost_usd"]


def test_a_missing_optional_field_is_unknown_and_no_series() -> None:
    """Zero would be a claim."""
    harness = LedgerHarness(plan(measures=["completions_input_tokens", CACHED]))
    harness.report(TODAY, A, 10, None)
    harness.report(TODAY, B, 10, 4)
    harness.poll()

    assert {A: 10.0, B: 10.0} == harness.shown("today")
    assert {B: 4.0} == harness.shown("today", CACHED)
    assert {B: 0.0} == harness.shown(measure=CACHED)


def test_a_field_that_is_known_on_other_days_is_unknown_today() -> None:
    """The window has the known values; today, where the value is unknown, has none."""
    harness = LedgerHarness(with_windows(plan(measures=[CACHED]), "2d"))
    harness.report(YESTERDAY, A, 40)
    harness.report(TODAY, A, None)
    harness.poll()

    assert [{}, {A: 40.0}] == [harness.shown("today"), harness.shown("2d")]


def test_other_currencies_have_a_separate_metric() -> None:
    """Never a sum of dollars and anything else."""
    harness = LedgerHarness(costs())
    assert [("cost_usd",), ("cost_other_currency",)] == [
        tuple(measure.name for measure in group.measures) for group in harness.plan.label_groups
    ]
    harness.report(TODAY, ROW, dollars("1.5"))
    harness.report(TODAY, (*ROW, "eur"), dollars("2.5"), group=1)
    harness.poll()
    harness.report(TODAY, (*ROW, "eur"), dollars("3"), group=1)
    harness.poll()
    harness.wait()

    assert {ROW: 1.5} == harness.shown("today")
    assert {(*ROW, "eur"): 3.0} == harness.shown("today", "cost_other_currency")
    assert {(*ROW, "eur"): 0.5} == harness.shown(measure="cost_other_currency")


def test_unchanged_money_never_changes_a_published_digit() -> None:
    """Sums are exact, so the order of rows and days makes no difference."""
    amounts = ["0.1", "0.2", "0.3", "1", "7.123456789012345678901234567891"]
    sums = set()
    for order in permutations(amounts):
        harness = LedgerHarness(costs())
        answer = harness.answer()
        rows = [(ROW, (dollars(amount),)) for amount in order]
        buckets = [*answer.buckets[:-1], type(answer.buckets[-1])(TODAY, int(NOW), (rows, []))]
        harness.ledger.apply(type(answer)(answer.start, answer.end, tuple(buckets), NOW))
        sums.add((harness.shown("today") or {})[ROW])

    exact = sum(dollars(amount) for amount in amounts)
    assert {exact / QUANTA} == sums


def test_money_far_below_a_cent_adds_up() -> None:
    """A million parts that a float would round away."""
    harness = LedgerHarness(costs())
    answer = harness.answer()
    rows = [(ROW, (dollars("1000000000"),)), *[(ROW, (dollars("0.00000001"),))] * 1000]
    buckets = [*answer.buckets[:-1], type(answer.buckets[-1])(TODAY, int(NOW), (rows, []))]
    harness.ledger.apply(type(answer)(answer.start, answer.end, tuple(buckets), NOW))

    assert {ROW: 1000000000.00001} == harness.shown("today")


def test_a_change_of_presence_alone_is_a_change() -> None:
    """A row with nothing but zeros is there or is not: gauges differ in whether they know."""
    harness = LedgerHarness()
    harness.report(TODAY, A, 0)
    assert harness.poll().changed
    assert not harness.poll().changed
    harness.report(TODAY, A)
    assert harness.poll().changed


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    """Rows repeat: while one of them lacks its value, today's gauge is absent, and neither counter nor excess moves."""
    harness = LedgerHarness(with_windows(costs(), "7d"))
    poll_rows(harness)
    poll_rows(harness, (ROW, dollars("1")), (ROW, dollars("2")))
    before = shown_values(harness)
    poll_rows(harness, (ROW, dollars("1")), (ROW, None))
    during = shown_values(harness)
    poll_rows(harness, (ROW, dollars("1")), (ROW, dollars("2")))

    assert ({ROW: 3.0}, {ROW: 3.0}, {ROW: 3.0}, 0.0) == before == shown_values(harness)
    assert ({}, {ROW: 3.0}, {ROW: 3.0}, 0.0) == during


def test_folded_label_sets_sum_what_is_known() -> None:
    """One unknown value among thousands of folded label sets does not hide the others."""
    harness = LedgerHarness(costs(max_series=1))
    poll_rows(harness, (ROW, dollars("9")), (("b", "x"), dollars("1")), (("c", "x"), None))

    assert {ROW: 9.0, ("other", "other"): 1.0} == harness.shown("today")


def test_what_a_bucket_lacks_is_unknown_while_a_row_of_it_cannot_be_attributed() -> None:
    """The row without readable labels may be any that is missing: no counter counts it twice, and others count on."""
    harness = LedgerHarness(with_windows(costs(), "7d"))
    other = ("b", "gpt-5, input")
    poll_rows(harness)
    poll_rows(harness, (ROW, dollars("3")), (other, dollars("1")))
    poll_rows(harness, (other, dollars("2")), incomplete=True)
    during = shown_values(harness)
    poll_rows(harness, (ROW, dollars("3")), (other, dollars("2")))

    assert ({other: 2.0}, {ROW: 3.0, other: 2.0}, {ROW: 3.0, other: 2.0}, 0.0) == during
    assert ({ROW: 3.0, other: 2.0}, {ROW: 3.0, other: 2.0}, {ROW: 3.0, other: 2.0}, 0.0) == shown_values(harness)


def test_a_row_that_the_baseline_could_not_attribute_is_history(tmp_path: Path) -> None:
    """Its bucket's first complete response ends that, also after a restart: what comes later is flow."""
    harness = LedgerHarness(costs(), Store(tmp_path / "state.db"))
    other = ("b", "gpt-5, input")
    poll_rows(harness, (other, dollars("1")), incomplete=True)
    harness.restart()
    poll_rows(harness, (ROW, dollars("3")), (other, dollars("1")))
    harness.restart()
    poll_rows(harness, (ROW, dollars("4")), (other, dollars("1")), (("c", "x"), dollars("2")))

    assert {ROW: 1.0, other: 0.0, ("c", "x"): 2.0} == harness.shown()


def test_what_the_first_complete_response_adds_to_a_row_of_the_baseline_is_history(tmp_path: Path) -> None:
    """The unreadable row may have been another one of the same label set; growth before and after it counts."""
    harness = LedgerHarness(costs(), Store(tmp_path / "state.db"))
    poll_rows(harness, (ROW, dollars("5")), incomplete=True)
    poll_rows(harness, (ROW, dollars("6")), incomplete=True)
    harness.restart()
    poll_rows(harness, (ROW, dollars("6")), (ROW, dollars("3")))
    assert {ROW: 1.0} == harness.shown()
    harness.restart()
    poll_rows(harness, (ROW, dollars("7")), (ROW, dollars("3")))

    assert ({ROW: 2.0}, 0.0) == (harness.shown(), harness.ledger.excess()["cost_usd"])


def test_a_value_that_is_unknown_in_the_first_complete_response_is_history_later() -> None:
    """Its row was there at the baseline, so its first value is old; a row that was not there is new."""
    harness = LedgerHarness(costs())
    other, new = ("b", "gpt-5, input"), ("c", "x")
    poll_rows(harness, (other, dollars("2")), (ROW, None), incomplete=True)
    poll_rows(harness, (other, dollars("2")), (ROW, None))
    poll_rows(harness, (other, dollars("2")), (ROW, dollars("4")), (new, dollars("1")))
    poll_rows(harness, (other, dollars("2")), (ROW, dollars("5")), (new, dollars("1")))

    assert {other: 0.0, ROW: 1.0, new: 1.0} == harness.shown()


def poll_rows(harness: LedgerHarness, *rows: tuple[Labels, int | None], incomplete: bool = False) -> None:
    """Apply these rows of today, which may repeat or lack one, and show them."""
    harness.now += 60
    groups = harness.plan.label_groups
    empty: list[list[Row]] = [[] for _ in groups]
    starts = range(harness.plan.lookback_start(harness.now), TODAY, DAY)
    today: tuple[list[Row], ...] = ([(labels, (amount,)) for labels, amount in rows], *empty[1:])
    lacking = frozenset(range(len(groups))) if incomplete else frozenset()
    buckets = [Bucket(start, start + DAY, tuple(empty)) for start in starts]
    buckets.append(Bucket(TODAY, int(harness.now), today, incomplete=lacking))
    harness.ledger.apply(PollResult(starts.start, TODAY + DAY, tuple(buckets), harness.now))
    harness.unsaved = True
    harness.publish()
    harness.wait()


def shown_values(harness: LedgerHarness) -> tuple[object, ...]:
    """Return today's gauge, the week, the counters and the excess."""
    return harness.shown("today"), harness.shown("7d"), harness.shown(), harness.ledger.excess()["cost_usd"]
