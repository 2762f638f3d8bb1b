"""The protobuf format, as the protobuf library reads it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition import Body, Column, Encoder, Family, Format, Type
from exporter.ledger import LabelSets
from tests.support.bodies import inflate
from tests.support.client_model import COUNTER, GAUGE, families

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
VALUES = st.floats(allow_nan=False)
SETS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8, unique=True)


def column(sets: Sequence[tuple[str, str]], values: Sequence[float], **changes: object) -> Column:
    """Return a column in which every row shows its value."""
    rows = LabelSets(("project_id", "model"), 10**6)
    for labels in sets:
        rows.add(labels)
    made = Column(rows, np.array(values, np.float64), np.ones(len(values), np.bool_), (("organization", "acme"),))
    return replace(made, **changes)  # type: ignore[arg-type]


def read(body: Body) -> list[tuple[str, str, int, list[tuple[dict[str, str], float, float | None]]]]:
    """Return name, help and type of each family, and of its metrics the labels, the value and the start."""
    return [
        (
            family.name,
            family.help,
            family.type,
            [
                (
                    {pair.name: pair.value for pair in metric.label},
                    (metric.counter if family.type == COUNTER else metric.gauge).value,
                    metric.counter.created_timestamp.seconds + metric.counter.created_timestamp.nanos / 1e9
                    if metric.counter.HasField("created_timestamp")
                    else None,
                )
                for metric in family.metric
            ],
        )
        for family in families(inflate(body))
    ]


@given(SETS, st.data())
def test_the_library_reads_what_was_given(sets: list[tuple[str, str]], data: st.DataObject) -> None:
    """Names, help, types, labels, values and start timestamps, first and after some values changed."""
    size = len(sets)
    encoder, drawn = Encoder(), st.lists(VALUES, min_size=size, max_size=size)
    began = data.draw(st.lists(st.integers(1, 2**32), min_size=size, max_size=size))
    text = data.draw(TEXTS)
    first = column(sets, data.draw(drawn), after=(("window", "7d"),))
    counters = column(sets, data.draw(drawn), created=np.array(began, np.float64))
    for _ in range(2):
        given_families = [
            Family("openai_window_x", text, Type.GAUGE, (first,)),
            Family("openai_accrued_x_total", text, Type.COUNTER, (counters,)),
        ]
        labels = [{"organization": "acme", "project_id": project, "model": model} for project, model in sets]
        gauges = [(each | {"window": "7d"}, value, None) for each, value in zip(labels, first.values, strict=True)]
        totals = [*zip(labels, counters.values, began, strict=True)]
        expected = [
            ("openai_window_x", text, GAUGE, gauges),
            ("openai_accrued_x_total", text, COUNTER, totals),
        ]

        assert expected == read(encoder.encode(given_families, [Format.PROTOBUF])[Format.PROTOBUF])
        first = replace(first, values=np.array(data.draw(drawn), np.float64))
        counters = replace(counters, values=counters.values + 1)


def test_large_families_are_one_message() -> None:
    """More metrics than are written at once still make one family."""
    sets = [(f"proj_{number}", "gpt") for number in range(10_000)]
    (family,) = read(
        Encoder().encode([Family("openai_x", "x", Type.GAUGE, (column(sets, range(10_000)),))], [Format.PROTOBUF])[
            Format.PROTOBUF
        ]
    )

    assert [float(number) for number in range(10_000)] == [value for _, value, _ in family[3]]
