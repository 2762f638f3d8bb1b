"""The exporter's own metrics, as they end an exposition."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporter.exposition import protobuf
from exporter.exposition.encoder import Encoder
from exporter.exposition.families import Column, Family, Type
from exporter.exposition.snapshot import Body, Format
from exporter.ledger import Rows
from exporter.telemetry import Instrument, Telemetry


def render(registry: CollectorRegistry, format_: Format) -> bytes:
    """Return the metrics of a registry as of now; for OpenMetrics `# EOF` stands at the end."""
    if format_ is Format.PROTOBUF:
        return protobuf.render(registry.collect())
    if format_ is Format.OPENMETRICS:
        text: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]
        return text
    return generate_latest(registry)


class Tail:
    """The exporter's own metrics as of the moment at which they are asked for.

    Those with a series for every resource of every organization, of which there can be a hundred thousand, go through
    an encoder that does again only what changed; the library renders the few others.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._text_encoder, self._protobuf_encoder = Encoder(), Encoder()
        self._many = [_Source(instrument) for instrument in telemetry.labelled]
        self._others = SimpleNamespace(
            collect=lambda: (metric for collector in telemetry.others for metric in collector.collect())
        )

    def many(self, body: Body, format_: Format) -> Body:
        """Return a body with those metrics behind it that have many series."""
        encoder = self._protobuf_encoder if format_ is Format.PROTOBUF else self._text_encoder
        return encoder.extend(body, [source.family() for source in self._many], format_)

    def others(self, format_: Format) -> bytes:
        """Return the rest, and what ends the format."""
        return render(self._others, format_)  # type: ignore[arg-type] # all that rendering asks for is `collect`


class _Source:
    def __init__(self, instrument: Instrument) -> None:
        (described,) = instrument.describe()
        counter = isinstance(instrument, Counter)
        self._instrument = instrument
        self._name = f"{described.name}_total" if counter else described.name
        self._help = described.documentation
        self._type = Type.COUNTER if counter else Type.GAUGE
        self._read: list[Callable[[], float]] = []
        self._rows = Rows(tuple(instrument._labelnames), 0)  # noqa: SLF001 - the library tells them nowhere else

    def family(self) -> Family:
        """Read every value where the library keeps it: its own way makes an object of each sample."""
        there: dict[tuple[str, ...], Any] = self._instrument._metrics  # type: ignore[assignment] # noqa: SLF001
        if len(there) > len(self._read):
            for labels, child in list(there.items())[len(self._read) :]:
                self._rows.add(labels)
                self._read.append(child._value.get)  # noqa: SLF001
        values = np.array([read() for read in self._read], np.float64)
        column = Column(self._rows, values, np.ones(len(values), np.bool_))
        return Family(self._name, self._help, self._type, (column,))
