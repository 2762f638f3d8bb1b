"""Names and values of prometheus_client's instruments, which the library keeps in private attributes."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

Cell: TypeAlias = Any
"""The library's object that holds one value."""


def metric_name(instrument: MetricWrapperBase) -> str:
    """Return the name of the instrument's family."""
    name: str = instrument._name  # noqa: SLF001
    return name


def label_names(instrument: MetricWrapperBase) -> tuple[str, ...]:
    """Return the names of the instrument's labels."""
    return tuple(instrument._labelnames)  # noqa: SLF001


def children(instrument: MetricWrapperBase) -> Mapping[tuple[str, ...], Any]:
    """Return the series of an instrument that has labels, by label values, in the order in which they were made."""
    series: Any = instrument._metrics  # noqa: SLF001
    return series  # type: ignore[no-any-return]


def cell_of(child: Any) -> Cell:  # noqa: ANN401 -- the library types a series only by its class
    """Return what holds the value of one counter or gauge."""
    return child._value  # noqa: SLF001


def read(cells: list[Cell]) -> list[float]:
    """Return the values of cells. `get` would take a lock, which a single read does not need."""
    return [cell._value for cell in cells]  # noqa: SLF001


def values(instrument: MetricWrapperBase) -> list[float]:
    """Return every value of an instrument, without an object for each sample."""
    series = children(instrument).values() if label_names(instrument) else (instrument,)
    cells: list[Cell] = []
    for child in series:
        cells += (*child._buckets, child._sum) if isinstance(child, Histogram) else (cell_of(child),)  # noqa: SLF001
    return read(cells)
