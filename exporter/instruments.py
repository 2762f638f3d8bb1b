"""Instruments of which there can be a hundred thousand series, and the values of those that prometheus_client keeps."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

_FAMILIES: Final = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}


class Cell:
    """The value of one series; only one thread increments it."""

    __slots__ = ("_vector", "value")

    def __init__(self, vector: "Vector") -> None:
        self._vector = vector
        self.value = 0.0

    def set(self, value: float) -> None:
        """Replace the value."""
        if value != self.value:
            self.value = float(value)
            self._vector.changed = True

    def inc(self, amount: float = 1.0) -> None:
        """Add to the value."""
        if amount:
            self.value += amount
            self._vector.changed = True


class Vector(Collector):
    """A gauge or counter with labels. A series of prometheus_client's is an instrument in itself, of a kilobyte."""

    def __init__(
        self, type_: str, name: str, documentation: str, label_names: Iterable[str], registry: CollectorRegistry
    ) -> None:
        """`type_` is `gauge` or `counter`; the name of a counter is without `_total`."""
        self.type = type_
        self.name, self.documentation, self.label_names = name, documentation, tuple(label_names)
        self.cells: dict[tuple[str, ...], Cell] = {}
        """By label values, in the order in which they were made."""
        self.changed = False
        """Set when a value changes or a series is new; whoever exports the series resets it, then reads them."""
        registry.register(self)

    @property
    def sample_name(self) -> str:
        """The name of each sample."""
        return f"{self.name}_total" if self.type == "counter" else self.name

    def labels(self, *values: str) -> Cell:
        """Return the cell of a series, which is exported as 0 from its first use on."""
        cell = self.cells.get(values)
        if cell is None:
            cell = self.cells[tuple(map(str, values))] = Cell(self)
            self.changed = True
        return cell

    def describe(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """Return the family without samples."""
        return [_FAMILIES[self.type](self.name, self.documentation, labels=self.label_names)]

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """Return the family with a sample for each series."""
        (family,) = self.describe()
        family.samples = [
            Sample(self.sample_name, dict(zip(self.label_names, values, strict=True)), cell.value)
            for values, cell in self.cells.items()
        ]
        return [family]


def label_names(instrument: MetricWrapperBase | Vector) -> tuple[str, ...]:
    """Return the names of the instrument's labels."""
    return instrument.label_names if isinstance(instrument, Vector) else tuple(instrument._labelnames)  # noqa: SLF001


def metric_name(instrument: MetricWrapperBase) -> str:
    """Return the name of the instrument's family."""
    name: str = instrument._name  # noqa: SLF001
    return name


class Values:
    """The values of several of the library's instruments, read without an object for each sample and without locks."""

    def __init__(self, instruments: Iterable[MetricWrapperBase]) -> None:
        self._instruments = tuple(instruments)
        self._series: list[Any] = [each._metrics for each in self._instruments if label_names(each)]  # noqa: SLF001
        self._lengths: list[int] = []
        self._cells: list[Any] = []
        self._values: list[float] = []

    def update(self) -> bool:
        """Read every value, and return whether any has changed or is new."""
        lengths = list(map(len, self._series))
        if lengths != self._lengths or not self._cells:
            self._lengths = lengths
            self._cells = [cell for each in self._instruments for cell in _cells(each)]
        last, self._values = self._values, [cell._value for cell in self._cells]  # noqa: SLF001
        return last != self._values


def values(instrument: MetricWrapperBase) -> list[float]:
    """Return every value of an instrument."""
    return [cell._value for cell in _cells(instrument)]  # noqa: SLF001


def family_of_child(instrument: MetricWrapperBase, labels: tuple[str, ...]) -> Metric:
    """Return the family of an instrument with labels, with the samples of one child."""
    (family,) = instrument.describe()
    named = dict(zip(label_names(instrument), labels, strict=True))
    for sample in instrument._metrics[labels]._child_samples():  # noqa: SLF001
        family.add_sample(family.name + sample.name, named | sample.labels, sample.value)
    return family


def children(instrument: MetricWrapperBase) -> list[tuple[str, ...]]:
    """Return the label values of each child of an instrument with labels, in the order in which they were made."""
    return [tuple(labels) for labels in instrument._metrics]  # noqa: SLF001


def sample_values(instrument: MetricWrapperBase, count: int) -> NDArray[np.float64]:
    """Return the values of the samples of the first `count` children, in their order.

    Of a histogram these are the cumulative buckets, the count and the sum.
    """
    held = [cell._value for child in islice(instrument._metrics.values(), count) for cell in _cells_of_child(child)]  # noqa: SLF001
    rows = np.array(held, np.float64).reshape(count, len(held) // max(count, 1))
    if count and isinstance(instrument, Histogram):
        buckets = np.cumsum(rows[:, :-1], axis=1)
        rows = np.concatenate((buckets, buckets[:, -1:], rows[:, -1:]), axis=1)
    return rows.ravel()


def _cells(instrument: MetricWrapperBase) -> Iterator[Any]:
    """Yield what holds each value."""
    series: Any = instrument._metrics.values() if label_names(instrument) else (instrument,)  # noqa: SLF001
    for child in series:
        yield from _cells_of_child(child)


def _cells_of_child(child: Any) -> tuple[Any, ...]:  # noqa: ANN401 -- the library's
    return (*child._buckets, child._sum) if isinstance(child, Histogram) else (child._value,)  # noqa: SLF001
