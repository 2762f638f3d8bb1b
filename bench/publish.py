"""Time of a publish relative to `generate_latest` of the same families, which neither compresses nor caches."""

import sys
from collections.abc import Callable, Iterator
from functools import partial

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bench.dense import DAYS, NOW, TODAY, Organization, plan, result
from bench.measurements import Measurement, emit, measurement, processor_ms, ratios, repetitions
from exporter.catalog import DAY
from exporter.exposition import TEXT_FORMATS, Column, Encoder, Family, Format, Type, columns_of, of_measures
from exporter.ledger import Ledger


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
    encoder, both = Encoder(), Encoder()

    def publish(encoder: Encoder, now: float, formats: tuple[Format, ...] = (Format.TEXT,)) -> None:
        library.families = of_measures(columns_of("default", ledger.views(now)))
        encoder.encode(library.families, formats)

    def encode(columns: list[tuple[str, Column]]) -> None:
        encoder.encode(of_measures(columns), (Format.TEXT,))

    publish(encoder, NOW)
    publish(both, NOW, TEXT_FORMATS)
    times: dict[str, list[float]] = {}

    def take(name: str, work: Callable[[], object]) -> None:
        times.setdefault(name, []).append(processor_ms(work))

    for turn in range(1, repetitions(samples) + 1):
        now = NOW + 60 * turn
        organization.grow()
        _poll(ledger, organization, [TODAY], now)
        take("changed", partial(publish, encoder, now))
        take("generate_latest", partial(generate_latest, registry))
        take("first", partial(publish, Encoder(), now))
        take("changed, both", partial(publish, both, now, TEXT_FORMATS))
        take("first, both", partial(publish, Encoder(), now, TEXT_FORMATS))
        columns = columns_of("default", ledger.views(now))
        encode(columns)
        take("unchanged", partial(encode, columns))
    text = generate_latest(registry)
    if len(text) != Encoder().encode(library.families)[Format.TEXT].length:
        raise ValueError("the library writes something else")
    exported = sum(int(column.shown.sum()) for family in library.families for column in family.columns)
    titles = {
        "publish, 2 % changed": "changed",
        "publish, first": "first",
        "publish, 2 % changed, with OpenMetrics": "changed, both",
        "publish, first, with OpenMetrics": "first, both",
    }
    return [
        *(
            measurement(f"{title}: generate_latest takes", exported, "x", ratios(times["generate_latest"], times[name]))
            for title, name in titles.items()
        ),
        *(measurement(title, exported, " ms", times[name]) for title, name in titles.items()),
        measurement("publish, nothing changed", exported, " ms", times["unchanged"]),
    ]


def _poll(ledger: Ledger, organization: Organization, starts: list[int], now: float) -> None:
    ledger.apply(result((organization.page([start], now=now) for start in starts), ledger.plan, now))
    for release in ledger.propose(now, 0.0):
        release.adopt()


if __name__ == "__main__":
    emit(measure(int(sys.argv[1])))
