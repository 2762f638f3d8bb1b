"""Odd values: negative, unknown, in other money, and exact to the last digit."""

from itertools import permutations

from exporter.catalog import DAY, QUANTA
from tests.support.ledger_harness import NOW, TODAY, YESTERDAY, A, B, LedgerHarness, costs, dollars, plan, with_windows

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
