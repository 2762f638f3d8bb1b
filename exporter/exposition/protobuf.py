"""Families in Prometheus' protobuf format: `io.prometheus.client.MetricFamily` messages with length prefixes.

Metrics are kept as bytes from one publish to the next; a changed value is eight bytes in place. Five messages of
prometheus/client_model's metrics.proto are written: MetricFamily, Metric, LabelPair, Gauge and Counter.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from exporter.exposition.chunks import ColumnChunks
from exporter.exposition.families import Column, Type
from exporter.ledger import LabelSets

_TYPES: Final = {Type.COUNTER: 0, Type.GAUGE: 1}
_VALUE_FIELDS: Final = {Type.COUNTER: 3, Type.GAUGE: 2}
_LIBRARY_TYPES: Final = {"counter": 0, "gauge": 1, "histogram": 4}
_DOUBLE: Final = b"\x09" + bytes(8)
"""Field 1 of Gauge and Counter, the value."""


def varint(number: int) -> bytes:
    """Return a number that is not negative as a base-128 varint."""
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 -- seven bits a byte
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def message(field: int, content: bytes) -> bytes:
    """Return a length-delimited field: a string or an embedded message."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def header(name: str, text: str, type_: Type, length: int) -> bytes:
    """Return total length, name, help and type of a family message whose metrics are `length` bytes."""
    fields = message(1, name.encode()) + message(2, text.encode()) + b"\x18" + varint(_TYPES[type_])
    return varint(len(fields) + length) + fields


def label_pairs(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return the label fields of a metric."""
    return b"".join(message(1, message(1, name.encode()) + message(2, value.encode())) for name, value in pairs)


def timestamp(seconds: float) -> bytes:
    """Return a google.protobuf.Timestamp of Unix seconds."""
    whole, part = divmod(round(seconds * 1e9), 10**9)
    return b"\x08" + varint(whole) + (b"\x10" + varint(part) if part else b"")


class LabelRecords:
    """The label fields of the rows of one bucket store, which all families of the store share."""

    def __init__(self) -> None:
        self.generation = -1
        self.records: list[bytes] = []

    def update(self, rows: LabelSets, before: tuple[tuple[str, str], ...]) -> None:
        """Make records for the rows that have none; all of them when rows were forgotten."""
        if self.generation != rows.generation:
            self.generation, self.records = rows.generation, []
        constant = label_pairs(before)
        for labels in rows.sets[len(self.records) :]:
            self.records.append(constant + label_pairs(zip(rows.names, labels, strict=True)))


class ColumnRecords(ColumnChunks[LabelRecords]):
    """The metrics of one column of one family."""

    def __init__(self, type_: Type, after: tuple[tuple[str, str], ...]) -> None:
        """Take the family's type, and the constant labels after those of the rows."""
        pairs = label_pairs(after)
        super().__init__(lambda: _Chunk(_VALUE_FIELDS[type_], pairs))


class _Chunk:
    __slots__ = ("_after", "_field", "_positions", "_shown", "_values", "text")

    def __init__(self, field: int, after: bytes) -> None:
        self._field, self._after = field, after
        self.text = b""
        self._shown = np.zeros(0, np.bool_)
        self._values = np.zeros(0)
        """Of the rows that are shown, as the following."""
        self._positions = np.zeros(0, np.intp)
        """Where each value's eight bytes begin."""

    def update(self, column: Column, rows: slice, labels: LabelRecords) -> None:
        shown = column.shown[rows]
        values = column.values[rows][shown]
        if np.array_equal(shown, self._shown):
            changed = np.flatnonzero(values != self._values)
            if len(changed):
                self._write(changed, values)
        else:
            indexes = np.flatnonzero(shown) + rows.start
            created = (
                [b""] * len(indexes) if column.created is None else [*map(_created, column.created[indexes].tolist())]
            )
            metrics = [
                _metric(labels.records[index] + self._after, self._field, each)
                for index, each in zip(indexes.tolist(), created, strict=True)
            ]
            self.text = b"".join(metrics)
            ends = np.cumsum([*map(len, metrics)], dtype=np.intp)
            self._positions = ends - np.array([*map(len, created)], np.intp) - 8
            self._write(np.arange(len(values)), values)
            self._shown = shown.copy()
        self._values = values

    def _write(self, changed: NDArray[np.intp], values: NDArray[np.float64]) -> None:
        text = np.frombuffer(self.text, np.uint8).copy()
        indexes = self._positions[changed][:, np.newaxis] + np.arange(8)
        text[indexes] = values[changed].astype("<f8").view(np.uint8).reshape(-1, 8)
        self.text = text.tobytes()


def _metric(labels: bytes, field: int, created: bytes) -> bytes:
    return message(4, labels + message(field, _DOUBLE + created))


def _created(seconds: float) -> bytes:
    return message(3, timestamp(seconds)) if seconds > 0 else b""


def render(metrics: Iterable[Metric]) -> bytes:
    """Return the library's metrics: gauges, counters and histograms, with start timestamps where it keeps them."""
    return b"".join(_library_family(metric) for metric in metrics if metric.samples)


def _library_family(metric: Metric) -> bytes:
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    fields = message(1, name.encode()) + message(2, metric.documentation.encode())
    fields += b"\x18" + varint(_LIBRARY_TYPES[metric.type])
    groups: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for sample in metric.samples:
        labels = tuple(pair for pair in sample.labels.items() if pair[0] != "le" or metric.type != "histogram")
        groups.setdefault(labels, []).append(sample)
    for labels, samples in groups.items():
        fields += message(4, label_pairs(labels) + _library_value(metric, samples))
    return varint(len(fields)) + fields


def _library_value(metric: Metric, samples: Sequence[Sample]) -> bytes:
    by_suffix = {sample.name.removeprefix(metric.name): sample.value for sample in samples}
    created = by_suffix.get("_created", 0.0)
    if metric.type == "histogram":
        count, total = int(by_suffix["_count"]), by_suffix["_sum"]
        buckets = b"".join(
            message(3, b"\x08" + varint(int(sample.value)) + b"\x11" + struct.pack("<d", float(sample.labels["le"])))
            for sample in samples
            if sample.name.endswith("_bucket")
        )
        started = message(15, timestamp(created)) if created else b""
        return message(7, b"\x08" + varint(count) + b"\x11" + struct.pack("<d", total) + buckets + started)
    if metric.type == "counter":
        return message(3, b"\x09" + struct.pack("<d", by_suffix["_total"]) + _created(created))
    return message(2, b"\x09" + struct.pack("<d", by_suffix[""]))
