"""The encoder against the reference, `prometheus_client`: byte for byte, and again after changes."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from exporter.exposition import TEXT_FORMATS, Encoder, Family, Format, Type, merge, of_samples, render
from exporter.exposition.chunks import ROWS_PER_CHUNK
from exporter.exposition.families import Column
from exporter.ledger import LabelSets
from tests.support.bodies import inflate

NASTY = [
    "",
    "plain",
    'say "hi"',
    "back\\slash",
    "line\nbreak",
    "\\n",
    "tab\t",
    "ünï 🚀",
    "\r",
    "\u2028",
    "a,b}",
    "{",
    " ",
]

TEXTS = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
VALUES = st.one_of(
    st.floats(allow_nan=False),
    st.integers(-(2**53), 2**53).map(float),
    st.sampled_from([0.0, -0.0, 1e6, 999999.0, 1e-5, 0.1, 1e21, 123456789012345.0, float("inf"), float("-inf")]),
)
MOMENTS = st.floats(0, 4e9)
SETS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12, unique=True)


@dataclass(frozen=True, eq=False)
class Given(Collector):
    """The same families for the reference."""

    families: Sequence[Family]
    created: bool

    def collect(self) -> Iterable[Metric]:
        """Yield them as the library has them."""
        for family in self.families:
            made: Metric = (
                CounterMetricFamily(family.name.removesuffix("_total"), family.help)
                if family.type is Type.COUNTER
                else GaugeMetricFamily(family.name, family.help)
            )
            for column in family.columns:
                for index in np.flatnonzero(column.shown):
                    row = dict(zip(column.rows.names, column.rows.sets[index], strict=True))
                    labels = dict(column.before) | row | dict(column.after)
                    made.add_sample(family.name, labels, float(column.values[index]))
                    if self.created and column.created is not None:
                        name = f"{family.name.removesuffix('_total')}_created"
                        made.add_sample(name, labels, float(column.created[index]))
            yield made


def reference(families: Sequence[Family], format_: Format) -> bytes:
    """Return what the library makes of families, without what ends the format."""
    registry = CollectorRegistry()
    registry.register(Given(families, created=format_ is Format.OPENMETRICS))
    return render(registry, format_).removesuffix(b"# EOF\n")


def rows(sets: Iterable[tuple[str, ...]], names: tuple[str, ...] = ("project_id", "model")) -> LabelSets:
    """Return rows of these label sets."""
    made = LabelSets(names, 10**6)
    for labels in sets:
        made.add(labels)
    return made


def column(of: LabelSets, values: Sequence[float], shown: Sequence[bool] | None = None, window: str = "") -> Column:
    """Return a column as an organization has it."""
    mask = np.ones(len(values), np.bool_) if shown is None else np.array(shown, np.bool_)
    after = (("window", window),) if window else ()
    return Column(of, np.array(values, np.float64), mask, (("organization", "acme"),), after)


def gauge(*columns: Column, name: str = "openai_x", text: str = "What it is.") -> Family:
    """Return a gauge family."""
    return Family(name, text, Type.GAUGE, columns)


@pytest.mark.parametrize("format_", TEXT_FORMATS)
@given(SETS, st.data())
def test_the_encoder_writes_the_same_bytes_as_the_library(
    format_: Format, sets: list[tuple[str, str]], data: st.DataObject
) -> None:
    """For all labels and values, in both text formats, gauges and counters."""
    values = data.draw(st.lists(VALUES, min_size=len(sets), max_size=len(sets)))
    shown = data.draw(st.lists(st.booleans(), min_size=len(sets), max_size=len(sets)))
    text = data.draw(TEXTS)
    began = np.array(data.draw(st.lists(MOMENTS, min_size=len(sets), max_size=len(sets))), np.float64)
    shown[0] = True
    store = rows(sets)
    families = [
        gauge(column(store, values, shown), text=text),
        gauge(column(store, values, window="7d"), column(store, values[::-1], window="month"), name="openai_window_x"),
        Family("openai_accrued_x_total", text, Type.COUNTER, (column(store, values, shown),)),
        Family("openai_accrued_y_total", text, Type.COUNTER, (replace(column(store, values, shown), created=began),)),
    ]
    body = Encoder().encode(families)[format_]
    plain = inflate(body)

    assert reference(families, format_) == plain
    assert plain == b"".join(text for piece in body.pieces for text in piece.texts)
    assert (len(plain), zlib.crc32(plain)) == (body.length, body.crc)


@given(st.lists(SETS, min_size=2, max_size=4), st.data())
def test_an_incremental_encode_equals_a_fresh_one(rounds: list[list[tuple[str, str]]], data: st.DataObject) -> None:
    """After changes of values, shown rows, new rows, forgotten rows and families."""
    encoder, store = Encoder(), LabelSets(("project_id", "model"), 10**6)
    for arriving in rounds:
        for labels in arriving:
            if labels not in store.sets:
                store.add(labels)
        if len(store) > 1 and data.draw(st.booleans()):
            store.forget([data.draw(st.integers(0, len(store) - 1))])
        size = len(store)
        values = data.draw(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=size, max_size=size))
        shown = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
        created = np.full(size, 1.5e9)
        families = [
            gauge(column(store, values, shown)),
            Family("openai_y_total", "y", Type.COUNTER, (replace(column(store, values), created=created),)),
        ]
        families = families[: data.draw(st.integers(0, 2))]

        assert Encoder().encode(families, Format) == encoder.encode(families, Format)


def test_only_changed_pieces_are_compressed_again() -> None:
    """All other pieces are the same objects."""
    size = 12 * ROWS_PER_CHUNK
    store = rows([(f"proj_{number:06}", "gpt") for number in range(size)])
    values = np.arange(size, dtype=np.float64)
    encoder = Encoder()
    before = encoder.encode([gauge(column(store, values.tolist()))])
    values[5 * ROWS_PER_CHUNK + 7] += 1
    after = encoder.encode([gauge(column(store, values.tolist()))])

    for format_ in TEXT_FORMATS:
        pairs = list(zip(before[format_].pieces, after[format_].pieces, strict=True))
        assert 8 < len(pairs)
        assert 1 == sum(old is not new for old, new in pairs)


def test_an_unchanged_publish_reuses_every_piece() -> None:
    """A publish without a change returns the same piece objects."""
    store = rows([("a", "b"), ("c", "d")])
    encoder = Encoder()
    before, after = (encoder.encode([gauge(column(store, [1.0, 2.0]))]) for _ in range(2))

    assert all(old is new for old, new in zip(before[Format.TEXT].pieces, after[Format.TEXT].pieces, strict=True))


def test_two_organizations_with_the_same_label_sets_stay_apart() -> None:
    """Columns of one family from different stores do not share lines."""
    encoder = Encoder()
    ours, theirs = rows([("a", "b")]), rows([("a", "b")])
    families = [gauge(column(ours, [1.0]), replace(column(theirs, [2.0]), before=(("organization", "zeta"),)))]
    for _ in range(2):
        assert reference(families, Format.TEXT) == inflate(encoder.encode(families)[Format.TEXT])


def test_a_new_store_at_the_address_of_a_freed_one_is_encoded_afresh() -> None:
    """An object that reuses the memory address of a freed one is not mistaken for it."""
    encoder = Encoder()
    for number in range(50):
        families = [gauge(column(rows([(f"proj_{number}", "gpt")]), [1.0]))]
        encoded = inflate(encoder.encode(families)[Format.TEXT])

        assert reference(families, Format.TEXT) == encoded
        del families


def test_pieces_can_be_followed_by_another_stream() -> None:
    """Each piece ends on a byte boundary without ending the stream, so the exporter's own metrics can follow."""
    body = Encoder().encode([gauge(column(rows([("a", "b")]), [1.0]))])[Format.TEXT]
    last = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    tail = last.compress(b"tail\n") + last.flush()

    assert zlib.decompress(b"".join(piece.deflated for piece in body.pieces) + tail, -zlib.MAX_WBITS).endswith(
        b"} 1.0\ntail\n"
    )


def test_families_without_samples_are_left_out() -> None:
    """An empty family gets neither HELP nor TYPE."""
    store = rows([("a", "b")])
    families = [gauge(), gauge(column(store, [1.0], [False])), of_samples("openai_z", "Nothing.", [])]

    assert {b""} == {inflate(body) for body in Encoder().encode(families).values()}


def test_samples_become_a_family() -> None:
    """Metrics outside the ledgers are given as label sets and values."""
    family = of_samples("openai_project_info", "1.", [({"organization": "acme", "project_name": 'a "b"\n'}, 1.0)])
    expected = (
        b"# HELP openai_project_info 1.\n# TYPE openai_project_info gauge\n"
        b'openai_project_info{organization="acme",project_name="a \\"b\\"\\n"} 1.0\n'
    )

    assert expected == inflate(Encoder().encode([family])[Format.TEXT])


def test_families_of_one_name_are_merged_in_the_order_of_their_names() -> None:
    """All samples of a name are contiguous, as the formats require."""
    one, two, three = (
        of_samples(name, "1.", [({"a": value}, 1.0)]) for name, value in (("x", "1"), ("y", "2"), ("x", "3"))
    )
    merged = merge([one, two, three])

    assert ["x", "y"] == [family.name for family in merged]
    assert (*one.columns, *three.columns) == tuple(merged[0].columns)


@given(SETS)
def test_both_text_formats_parse_back_to_the_same_samples(sets: list[tuple[str, str]]) -> None:
    """With the library's parsers, the strict one for OpenMetrics included."""
    bodies = Encoder().encode([gauge(column(rows(sets), [float(index) for index in range(len(sets))]))])
    for format_, parse, end in ((Format.TEXT, parse_text, ""), (Format.OPENMETRICS, parse_openmetrics, "# EOF\n")):
        [family] = parse(inflate(bodies[format_]).decode() + end)

        assert sets == [(sample.labels["project_id"], sample.labels["model"]) for sample in family.samples]
