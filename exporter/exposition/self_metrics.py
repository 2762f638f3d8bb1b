"""The exporter's own metrics, at the end of every exposition."""

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
from prometheus_client.registry import Collector

from exporter.exposition import protobuf
from exporter.exposition.encoder import Encoder
from exporter.exposition.families import Column, Family, Type
from exporter.exposition.snapshot import Body, Format
from exporter.instruments import Cell, Vector, metric_name, values
from exporter.ledger import LabelSets
from exporter.telemetry import Telemetry

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
    through an encoder; the library renders the few others. A family that has not changed since the last scrape is not
    rendered again.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._text_encoder, self._protobuf_encoder = Encoder(), Encoder()
        self._sources = [_Source(vector) for vector in telemetry.vectors]
        self._families: list[Family] = []
        self._extended: dict[Format, tuple[Body, Body]] = {}
        """The last body of each format, without and with these families; empty when a value has changed."""
        self._collectors = telemetry.others
        self._rendered: dict[tuple[str, Format], tuple[list[float], bytes]] = {}
        """Values and text of each other family, as of the last scrape."""

    def append_labelled(self, body: Body, format_: Format) -> Body:
        """Return the body followed by the families with a series for every organization."""
        changed = [source.update() for source in self._sources]
        if any(changed):
            self._families = [source.family for source in self._sources]
            self._extended.clear()
        last = self._extended.get(format_)
        if last is None or last[0] is not body:
            encoder = self._protobuf_encoder if format_ is Format.PROTOBUF else self._text_encoder
            last = self._extended[format_] = body, encoder.extend(body, self._families, format_)
        return last[1]

    def render_rest(self, format_: Format) -> bytes:
        """Return the other families and the end marker of the format."""
        texts = [text for collector in self._collectors for text in self._texts(collector, format_)]
        return b"".join((*texts, _ENDS[format_]))

    def _texts(self, collector: Collector, format_: Format) -> Iterator[bytes]:
        if isinstance(collector, MetricWrapperBase):
            yield self._text(metric_name(collector), values(collector), collector.collect, format_)
        else:
            for metric in collector.collect():
                samples = [sample.value for sample in metric.samples]
                yield self._text(metric.name, samples, partial(tuple, (metric,)), format_)

    def _text(self, name: str, current: list[float], collect: Callable[[], Iterable[Metric]], format_: Format) -> bytes:
        last = self._rendered.get((name, format_))
        if last is None or last[0] != current:
            registry = SimpleNamespace(collect=collect)
            text = render(registry, format_).removesuffix(_ENDS[format_])  # type: ignore[arg-type] # it only collects
            last = self._rendered[name, format_] = current, text
        return last[1]


class _Source:
    """Makes a family of one vector whenever a value has changed."""

    def __init__(self, vector: Vector) -> None:
        self._vector = vector
        self._cells: list[Cell] = []
        self._values: list[float] = []
        self._label_sets = LabelSets(vector.label_names, 0)
        self.family = Family(vector.sample_name, vector.documentation, Type(vector.type))

    def update(self) -> bool:
        """Read every value, and return whether any has changed."""
        series = self._vector.cells
        if len(series) > len(self._cells):
            for labels, cell in list(series.items())[len(self._cells) :]:
                self._label_sets.add(labels)
                self._cells.append(cell)
        current = [cell.value for cell in self._cells]
        if current == self._values:
            return False
        self._values = current
        column = Column(self._label_sets, np.array(current, np.float64), np.ones(len(current), np.bool_))
        self.family = replace(self.family, columns=(column,))
        return True
