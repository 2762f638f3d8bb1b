"""Measurements of the benchmarks: medians with their spread, and ratios of two alternating pieces of work."""

import gc
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median


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


def ratios(work: Callable[[], object], anchor: Callable[[], object], repetitions: int) -> list[float]:
    """Return the time of the work as a multiple of that of its reference, for each repetition."""
    return [processor_ms(anchor) / processor_ms(work) for _ in range(repetitions)]


def emit(measurements: Iterable[Measurement]) -> None:
    """Print measurements for the parent process."""
    sys.stdout.write(json.dumps([asdict(each) for each in measurements]) + "\n")


def _short(value: float) -> str:
    if abs(value) >= 100:  # noqa: PLR2004 -- three digits
        return f"{value:,.0f}"
    return f"{value:.3g}"
