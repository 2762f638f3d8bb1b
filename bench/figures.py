"""Figures of the benchmarks: medians with their spread, and ratios of two pieces of work that take turns."""

import gc
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure at one size."""

    name: str
    samples: int
    """Exported samples."""
    unit: str
    median: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """The median with the spread behind it."""
        spread = f"{_short(self.low)}-{_short(self.high)}"
        return (
            f"{_short(self.median)}{self.unit}"
            if self.low == self.high
            else f"{_short(self.median)}{self.unit} ({spread})"
        )


def figure(name: str, samples: int, unit: str, values: Sequence[float]) -> Figure:
    """Return the figure that repeated measurements make."""
    return Figure(name, samples, unit, median(values), min(values), max(values))


def processor_ms(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the milliseconds of processor time that the work takes, garbage collected before."""
    gc.collect()
    started = clock()
    work()
    return (clock() - started) * 1000


def ratios(work: Callable[[], object], anchor: Callable[[], object], repetitions: int) -> list[float]:
    """Return, for each of several turns, how many times as long as the work its anchor took."""
    return [processor_ms(anchor) / processor_ms(work) for _ in range(repetitions)]


def emit(figures: Iterable[Figure]) -> None:
    """Print figures for the process that started this one."""
    sys.stdout.write(json.dumps([asdict(each) for each in figures]) + "\n")


def _short(value: float) -> str:
    if abs(value) >= 100:  # noqa: PLR2004 -- three digits
        return f"{value:,.0f}"
    return f"{value:.3g}"
