"""Measurements of the benchmarks: medians with their spread, and ratios of two alternating pieces of work."""

import gc
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Final

_MANY: Final = 300_000


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement at one size."""

    name: str
    samples: int
    """Exported samples."""
    unit: str
    median: float
    low: float
    high: float

    @property
    def grows(self) -> bool:
        """Whether it is an amount of work, which grows with the samples."""
        return self.unit.strip() in {"ms", "s", "MiB"} and self.median > 0

    @property
    def text(self) -> str:
        """The median and the spread."""
        spread = f"{_short(self.low)}-{_short(self.high)}"
        return (
            f"{_short(self.median)}{self.unit}"
            if self.low == self.high
            else f"{_short(self.median)}{self.unit} ({spread})"
        )


def measurement(name: str, samples: int, unit: str, values: Sequence[float]) -> Measurement:
    """Return the measurement of repeated values."""
    return Measurement(name, samples, unit, median(values), min(values), max(values))


def processor_ms(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the milliseconds of CPU time of the work, after a garbage collection."""
    gc.collect()
    started = clock()
    work()
    return (clock() - started) * 1000


def repetitions(samples: int) -> int:
    """Return how often a figure is measured: three times where it takes long."""
    return 3 if samples > _MANY else 5


def ratios(numbers: Sequence[float], anchors: Sequence[float]) -> list[float]:
    """Return each number as a multiple of its reference, which was measured in the same turn."""
    return [number / anchor for number, anchor in zip(numbers, anchors, strict=True)]


def emit(measurements: Iterable[Measurement]) -> None:
    """Print measurements for the parent process."""
    sys.stdout.write(json.dumps([asdict(each) for each in measurements]) + "\n")


def _short(value: float) -> str:
    if abs(value) >= 100:  # noqa: PLR2004 -- three digits
        return f"{value:,.0f}"
    return f"{value:.3g}"
