"""The exporter's own metrics, which end every exposition."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter.exposition import protobuf
from exporter.exposition.encoder import Encoder
from exporter.exposition.families import Column, Family, Type
from exporter.exposition.snapshot import Body, Format
from exporter.ledger import Rows
from exporter.telemetry import Instrument, Telemetry

_ENDS: Final = {Format.TEXT: b"", Format.OPENMETRICS: b"# EOF\n", Format.PROTOBUF: b""}


def render(registry: CollectorRegistry, format_: Format) -> bytes:
    """Return the metrics of a registry as of now; OpenMetrics ends with `# EOF`."""
    if format_ is Format.PROTOBUF:
        return protobuf.render(registry.collect())
    if format_ is Format.OPENMETRICS:
        text: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]
        return text
    return generate_latest(registry)


class Tail:
    """The exporter's own metrics as of the moment of a scrape.

    Those with a series for every resource of every organization, of which there can be a hundred thousand, go through
    an encoder; the library renders the few others. What has not changed since the last scrape is not rendered again.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._text_encoder, self._protobuf_encoder = Encoder(), Encoder()
        self._sources = [_Source(instrument) for instrument in telemetry.labelled]
        self._families: list[Family] = []
        self._extended: dict[Format, tuple[Body, Body]] = {}
        """The last body of each format, without and with these families; empty when a value has changed."""
        self._collectors = telemetry.others
        self._rendered: dict[tuple[str, Format], tuple[list[float], bytes]] = {}
        """Values and text of each other family, as of the last scrape."""

    def many(self, body: Body, format_: Format) -> Body:
        """Return the body followed by the metrics that have many series."""
        changed = [source.update() for source in self._sources]
        if any(changed):
            self._families = [source.family for source in self._sources]
            self._extended.clear()
        last = self._extended.get(format_)
        if last is None or last[0] is not body:
            encoder = self._protobuf_encoder if format_ is Format.PROTOBUF else self._text_encoder
            last = self._extended[format_] = body, encoder.extend(body, self._families, format_)
        return last[1]

    def others(self, format_: Format) -> bytes:
        """Return the other metrics, and what ends the format."""
        texts = [text for collector in self._collectors for text in self._texts(collector, format_)]
        return b"".join((*texts, _ENDS[format_]))

    def _texts(self, collector: Collector, format_: Format) -> Iterator[bytes]:
        if isinstance(collector, MetricWrapperBase):
            yield self._text(collector._name, _values(collector), collector.collect, format_)  # noqa: SLF001
        else:
            for metric in collector.collect():
                values = [sample.value for sample in metric.samples]
                yield self._text(metric.name, values, partial(tuple, (metric,)), format_)

    def _text(self, name: str, values: list[float], collect: Callable[[], Iterable[Metric]], format_: Format) -> bytes:
        last = self._rendered.get((name, format_))
        if last is None or last[0] != values:
            registry = SimpleNamespace(collect=collect)
            text = render(registry, format_).removesuffix(_ENDS[format_])  # type: ignore[arg-type] # it only collects
            last = self._rendered[name, format_] = values, text
        return last[1]


def _values(instrument: MetricWrapperBase) -> list[float]:
    """Return every value of an instrument, without an object for each sample."""
    children = list(instrument._metrics.values()) if instrument._labelnames else [instrument]  # noqa: SLF001
    cells: list[Any] = []
    for child in children:
        cells += (*child._buckets, child._sum) if isinstance(child, Histogram) else (child._value,)  # type: ignore[attr-defined] # noqa: SLF001
    return [cell._value for cell in cells]  # noqa: SLF001


class _Source:
    """Reads the values of one instrument where the library keeps them: its own way makes an object of each sample."""

    def __init__(self, instrument: Instrument) -> None:
        (description,) = instrument.describe()
        counter = isinstance(instrument, Counter)
        self._instrument = instrument
        self._name = f"{description.name}_total" if counter else description.name
        self._help = description.documentation
        self._type = Type.COUNTER if counter else Type.GAUGE
        self._cells: list[Any] = []
        self._values: list[float] = []
        self._rows = Rows(tuple(instrument._labelnames), 0)  # noqa: SLF001 - the library offers no other way
        self.family = Family(self._name, self._help, self._type)

    def update(self) -> bool:
        """Read every value, and return whether any has changed."""
        children: dict[tuple[str, ...], Any] = self._instrument._metrics  # type: ignore[assignment] # noqa: SLF001
        if len(children) > len(self._cells):
            for labels, child in list(children.items())[len(self._cells) :]:
                self._rows.add(labels)
                self._cells.append(child._value)  # noqa: SLF001
        values = [cell._value for cell in self._cells]  # noqa: SLF001 - `get` takes a lock, which one read does not need
        if values == self._values:
            return False
        self._values = values
        column = Column(self._rows, np.array(values, np.float64), np.ones(len(values), np.bool_))
        self.family = Family(self._name, self._help, self._type, (column,))
        return True
