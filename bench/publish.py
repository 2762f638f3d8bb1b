"""Time of a publish relative to `generate_latest` of the same families, which neither compresses nor caches."""

import sys
from collections.abc import Iterator
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bench.dense import DAYS, NOW, TODAY, Organization, plan, result
from bench.measurements import Measurement, emit, measurement, processor_ms
from exporter.catalog import DAY
from exporter.exposition import Column, Encoder, Family, Format, Type, columns_of, of_measures
from exporter.ledger import Ledger

_REPETITIONS: Final = 5


class Library:
    """The same families as objects of `prometheus_client`."""

    def __init__(self, families: list[Family]) -> None:
        self.families = families

    def collect(self) -> Iterator[Metric]:
        """Yield the library's families."""
        for family in self.families:
            for column in family.columns:
                constant = (*column.before, *column.after)
                make = CounterMetricFamily if family.type is Type.COUNTER else GaugeMetricFamily
                metric = make(family.name, family.help, labels=[*(name for name, _ in constant), *column.rows.names])
                values = [value for _, value in constant]
                rows = zip(column.rows.sets, column.values.tolist(), column.shown.tolist(), strict=False)
                for labels, value, shown in rows:
                    if shown:
                        metric.add_metric([*values, *labels], value)
                yield metric


def measure(samples: int) -> list[Measurement]:
    """Return the time of publishes at a number of exported samples."""
    organization, settings = Organization(samples), plan(samples)
    ledger, library, registry = Ledger(settings), Library([]), CollectorRegistry()
    registry.register(library)
    days = [TODAY - age * DAY for age in reversed(range(DAYS))]
    _poll(ledger, organization, days, NOW)
    encoder = Encoder()

    def publish(encoder: Encoder, now: float) -> None:
        library.families = of_measures(columns_of("default", ledger.views(now)))
        encoder.encode(library.families)

    def encode(columns: list[tuple[str, Column]]) -> None:
        encoder.encode(of_measures(columns))

    def generate() -> None:
        generate_latest(registry)

    publish(encoder, NOW)
    changed, unchanged, first = [], [], []
    for turn in range(1, _REPETITIONS + 1):
        now = NOW + 60 * turn
        organization.grow()
        _poll(ledger, organization, [TODAY], now)
        ours = processor_ms(partial(publish, encoder, now))
        anchor = processor_ms(generate)
        changed.append(anchor / ours)
        columns = columns_of("default", ledger.views(now))
        encode(columns)
        unchanged.append(processor_ms(partial(encode, columns)))
        first.append(anchor / processor_ms(partial(publish, Encoder(), now)))
    text = generate_latest(registry)
    if len(text) != Encoder().encode(library.families)[Format.TEXT].length:
        raise ValueError("the library writes something else")
    exported = sum(int(column.shown.sum()) for family in library.families for column in family.columns)
    return [
        measurement("publish, 2 % changed: generate_latest takes", exported, "x", changed),
        measurement("publish, first: generate_latest takes", exported, "x", first),
        measurement("publish, nothing changed", exported, " ms", unchanged),
    ]


def _poll(ledger: Ledger, organization: Organization, starts: list[int], now: float) -> None:
    ledger.apply(result((organization.page([start], now=now) for start in starts), ledger.plan, now))
    for release in ledger.propose(now, 0.0):
        release.adopt()


if __name__ == "__main__":
    emit(measure(int(sys.argv[1])))
