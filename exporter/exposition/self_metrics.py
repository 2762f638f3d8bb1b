"""The exporter's own metrics, at the end of every exposition."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Final

import numpy as np
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporter.exposition import protobuf
from exporter.exposition.encoder import Encoder
from exporter.exposition.families import Column, Family, Type
from exporter.exposition.lines import numbers
from exporter.exposition.snapshot import Body, Format
from exporter.instruments import (
    Cell,
    Values,
    Vector,
    children,
    family_of_child,
    label_names,
    metric_name,
    sample_values,
    values,
)
from exporter.ledger import LabelSets
from exporter.telemetry import Telemetry

_SYSTEM_SECONDS: Final = 1.0
"""Until process and platform are read again."""

_ENDS: Final = {Format.TEXT: b"", Format.OPENMETRICS: b"# EOF\n", Format.PROTOBUF: b""}


def render(registry: CollectorRegistry, format_: Format) -> bytes:
    """Return the metrics of a registry as of now; OpenMetrics ends with `# EOF`."""
    if format_ is Format.PROTOBUF:
        return protobuf.render(registry.collect())
    if format_ is Format.OPENMETRICS:
        text: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]
        return text
    return generate_latest(registry)


class SelfMetrics:
    """The exporter's own metrics at the time of a scrape.

    Instruments with a series for every resource of every organization, of which there can be a hundred thousand, go
    through an encoder; the library renders the few others. Nothing is rendered again that has not changed, and what the
    operating system knows of the process is read at most once a second.
    """

    def __init__(self, telemetry: Telemetry, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` gives seconds."""
        self._text_encoder, self._protobuf_encoder = Encoder(), Encoder()
        self._sources = [_Source(vector) for vector in telemetry.vectors]
        self._bodies: dict[Format, Body] = {}
        """Of the vectors; empty when a value has changed."""
        self._instruments = [each for each in telemetry.others if isinstance(each, MetricWrapperBase)]
        self._values = Values(self._instruments)
        self._system = [each for each in telemetry.others if not isinstance(each, MetricWrapperBase)]
        self._system_metrics: list[Metric] = []
        self._system_read = float("-inf")
        self._monotonic = monotonic
        self._rests: dict[Format, bytes] = {}
        """Of everything but the vectors; empty when a value has changed."""
        self._rendered: dict[tuple[str, Format], tuple[list[float], bytes]] = {}
        """Values and text of each of those families."""
        self._children: dict[tuple[str, Format], _ChildTexts] = {}
        """Of those that have labels."""

    def labelled(self, format_: Format) -> Body:
        """Return the families with a series for every organization."""
        changed = [source.update() for source in self._sources]
        if any(changed):
            self._bodies.clear()
        if (body := self._bodies.get(format_)) is None:
            encoder = self._protobuf_encoder if format_ is Format.PROTOBUF else self._text_encoder
            body = encoder.encode([source.family for source in self._sources], (format_,))[format_]
            self._bodies[format_] = body
        return body

    def rest(self, format_: Format) -> bytes:
        """Return the other families and the end marker of the format."""
        if self._values.update():
            self._rests.clear()
        if (now := self._monotonic()) - self._system_read >= _SYSTEM_SECONDS:
            self._system_metrics = [metric for each in self._system for metric in each.collect()]
            self._system_read = now
            self._rests.clear()
        if (text := self._rests.get(format_)) is None:
            text = self._rests[format_] = b"".join((*self._texts(format_), _ENDS[format_]))
        return text

    def _texts(self, format_: Format) -> Iterator[bytes]:
        for metric in self._system_metrics:
            samples = [sample.value for sample in metric.samples]
            yield self._text(metric.name, samples, partial(tuple, (metric,)), format_)
        for instrument in self._instruments:
            name = metric_name(instrument)
            if format_ is Format.PROTOBUF or not label_names(instrument):
                yield self._text(name, values(instrument), instrument.collect, format_)
            else:
                texts = self._children.setdefault((name, format_), _ChildTexts(instrument, format_))
                yield texts.update()

    def _text(self, name: str, current: list[float], collect: Callable[[], Iterable[Metric]], format_: Format) -> bytes:
        last = self._rendered.get((name, format_))
        if last is None or last[0] != current:
            last = self._rendered[name, format_] = current, _rendered(collect, format_)
        return last[1]


class _ChildTexts:
    """A family with labels in a text format: the library renders each child once, later only values are formatted."""

    def __init__(self, instrument: MetricWrapperBase, format_: Format) -> None:
        self._instrument, self._format = instrument, format_
        self._header = _rendered(instrument.describe, format_)
        self._children = 0
        self._names: list[str] = []
        """Each line up to its value."""
        self._values = np.zeros(0)
        self._text = self._header

    def update(self) -> bytes:
        """Return the family as of now."""
        for labels in children(self._instrument)[self._children :]:
            family = family_of_child(self._instrument, labels)
            text = _rendered(partial(tuple, (family,)), self._format).removeprefix(self._header).decode()
            self._names += [line.rpartition(" ")[0] for line in text.removesuffix("\n").split("\n")]
            self._children += 1
        current = sample_values(self._instrument, self._children)
        if not np.array_equal(current, self._values):
            lines = zip(self._names, numbers(current), strict=True)
            self._values, self._text = current, self._header + "".join([f"{a} {b}\n" for a, b in lines]).encode()
        return self._text


def _rendered(collect: Callable[[], Iterable[Metric]], format_: Format) -> bytes:
    registry = SimpleNamespace(collect=collect)
    return render(registry, format_).removesuffix(_ENDS[format_])  # type: ignore[arg-type] # it only collects


class _Source:
    """Makes a family of one vector whenever a value has changed."""

    def __init__(self, vector: Vector) -> None:
        self._vector = vector
        self._label_sets = LabelSets(vector.label_names, 0)
        self._cells: list[Cell] = []
        self.family = Family(vector.sample_name, vector.documentation, Type(vector.type))

    def update(self) -> bool:
        """Read every value if any has changed, and return whether that is so."""
        if not self._vector.changed:
            return False
        self._vector.changed = False
        if len(self._vector.cells) > len(self._cells):
            for labels, cell in list(self._vector.cells.items())[len(self._cells) :]:
                self._label_sets.add(labels)
                self._cells.append(cell)
        current = np.fromiter((cell.value for cell in self._cells), np.float64, len(self._cells))
        column = Column(self._label_sets, current, np.ones(len(current), np.bool_))
        self.family = replace(self.family, columns=(column,))
        return True
