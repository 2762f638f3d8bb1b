"""A long answer becomes what the live gauge would have shown on each day."""

import math
from dataclasses import replace

import pytest

from exporter.backfill.history import History
from exporter.backfill.span import Span
from exporter.catalog import DAY, Bucket, Plan, PollResult, Row
from exporter.openai import MissingBucket
from tests.support.scripted_api import TODAY, plan

Days = dict[int, list[Row]]
"""Rows by how many days ago they are."""


def history(wanted: Plan, days: Days, *, length: int = 5, absent: tuple[int, ...] = ()) -> History:
    """Return the history of so many days before today, and today."""
    start = TODAY - length * DAY
    empty = tuple([()] * (len(wanted.label_groups) - 1))
    buckets = tuple(
        Bucket(TODAY - ago * DAY, TODAY - (ago - 1) * DAY, (days.get(ago, []), *empty))
        for ago in range(length, -1, -1)
        if ago not in absent
    )
    answer = PollResult(start, TODAY + DAY, buckets, TODAY + 60.0)
    return History(wanted, answer, Span(start, TODAY, TODAY, DAY))


def values(told: History, name: str) -> dict[tuple[str, ...], list[float | None]]:
    """Return the values of a measure by label set, None where there is none."""
    measure = next(measure for measure in told.plan.measures if measure.name == name)
    return {
        tuple(value for _, value in series.labels): [
            value if shown else None for value, shown in zip(series.values.tolist(), series.shown.tolist(), strict=True)
        ]
        for series in told.series(measure)
    }


def test_sums() -> None:
    """Rows that repeat are summed; before the first there is nothing, afterwards a day without rows is 0."""
    told = history(
        plan("embeddings"),
        {4: [(("a", "m"), (5, 1)), (("a", "m"), (6, 1))], 2: [(("b", "m"), (7, 3))], 0: [(("a", "m"), (99, 9))]},
    )

    assert {("a", "m"): [None, 11, 0, 0, 0], ("b", "m"): [None, None, None, 7, 0]} == values(
        told, "embeddings_input_tokens"
    )
    assert {("a", "m"): [None, 2, 0, 0, 0], ("b", "m"): [None, None, None, 3, 0]} == values(told, "embeddings_requests")


def test_forgotten() -> None:
    """A series that was not seen for the length of the look-back is no longer shown."""
    wanted = replace(plan("embeddings"), lookback_days=2)
    told = history(wanted, {5: [(("a", "m"), (5, 1))], 1: [(("a", "m"), (6, 1))]})

    assert {("a", "m"): [5, 0, None, None, 6]} == values(told, "embeddings_input_tokens")


def test_unknown() -> None:
    """An optional measure without a value is no series on that day, rather than 0."""
    wanted = plan("completions", measures=("completions_input_tokens", "completions_input_cached_tokens"))
    labels = ("a", "m", "false")
    told = history(wanted, {5: [(labels, (5, None))], 4: [(labels, (6, 2))], 3: [(labels, (7, None))]})

    assert {labels: [None, 2, None, 0, 0]} == values(told, "completions_input_cached_tokens")


def test_level() -> None:
    """A level stays where the newest bucket with rows has it; who is not in that bucket is at 0."""
    told = history(plan("vector_stores"), {5: [(("a",), (100,)), (("b",), (7,))], 3: [(("a",), (120,))]})

    assert {("a",): [100, 100, 120, 120, 120], ("b",): [7, 7, 0, 0, 0]} == values(told, "vector_stores_usage_bytes")


def test_money_exact() -> None:
    """Money is summed exactly and published as the live gauge does."""
    third = 10**30 // 10
    rows: list[Row] = [(("a", "x"), (third,))] * 3
    told = history(plan("costs", measures=("cost_usd",)), {1: rows})

    assert [0.3] == [value for value in values(told, "cost_usd")["a", "x"] if value is not None]


def test_lost_past() -> None:
    """Days that the API serves no more are left out, not zero."""
    told = history(plan("embeddings"), {3: [(("a", "m"), (5, 1))]}, absent=(5, 4))

    assert {("a", "m"): [None, None, 5, 0, 0]} == values(told, "embeddings_input_tokens")


def test_hole() -> None:
    """A day that is missing in the middle is an error: nothing is written that could be wrong."""
    with pytest.raises(MissingBucket):
        history(plan("embeddings"), {}, absent=(3,))


def test_folding() -> None:
    """More label sets than max_series are folded, as they are live."""
    wanted = replace(plan("embeddings"), max_series=1)
    told = history(wanted, {1: [(("a", "m"), (5, 1)), (("b", "m"), (4, 1)), (("c", "m"), (3, 1))]})

    assert {("a", "m"): 5, ("other", "other"): 7} == {
        labels: math.fsum(value or 0 for value in days)
        for labels, days in values(told, "embeddings_input_tokens").items()
    }
