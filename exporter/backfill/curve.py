"""How the values of one measure grow from bucket to bucket, and what that is at given times."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exporter.backfill.baselines import Held, fit_to
from exporter.backfill.span import DAY_COMPLETE
from exporter.catalog import DAY
from exporter.ledger import Column, Mask, as_floats

_BLOCK: Final = 1 << 18
"""Values that are sampled at once."""

_DIGITS: Final = 6
"""Decimal places of amounts between the ends of a bucket; at its ends they are exact."""

Sampled = tuple[NDArray[np.int64], NDArray[np.float64], Mask]


@dataclass(frozen=True, slots=True)
class View:
    """A measure exported in one way, over the buckets of one part. All matrices are buckets x rows."""

    family: str
    window: str
    """The value of the label `window`, empty for others than window gauges."""
    before: NDArray[np.float64]
    """The value at the start of each bucket."""
    after: NDArray[np.float64]
    """The value at the end of each bucket."""
    shown: Mask
    whole: bool
    """Whether values are whole numbers."""
    begins: Mask | None = None
    """Where a series begins that has to be shown at its first value, for Prometheus to see it rise."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of some series. Matrices are series x times."""

    labels: Sequence[tuple[tuple[str, str], ...]]
    """The labels of each series, without organization and window."""
    times: NDArray[np.int64]
    """Unix seconds."""
    values: NDArray[np.float64]
    shown: Mask


class Curve:
    """One measure over the buckets of one part. Matrices are buckets x rows."""

    def __init__(  # noqa: PLR0917 - the columns of one measure
        self,
        starts: NDArray[np.int64],
        width: int,
        end: int,
        values: Column,
        known: Mask,
        last_present: NDArray[np.int64],
    ) -> None:
        """Take the buckets' starts and the history's end (Unix seconds), their width, and what they hold."""
        self.starts, self.width, self.end = starts, width, end
        self.values, self.known, self.last_present = values, known, last_present
        self.running = values
        """The total at the start of each bucket, and at the end of the last: one row more."""
        self.last_known = last_present

    def fit(self, held: Mapping[int, Held], unit: int) -> None:
        """Let the values add up to what the live counters' baseline held over each span of `unit` seconds."""
        starts = self.starts.tolist()
        for span, (_, known) in held.items():
            for at in [at for at, start in enumerate(starts) if span <= start < min(span + unit, self.end)][-1:]:
                self.known[at] |= known
        self.values = fit_to(self.values, starts, held, unit, self.end)

    def add_up(self, total: Column, last_known: NDArray[np.int64]) -> None:
        """Take the totals at the start and, for each row, the newest bucket that had a value."""
        self.running = np.cumsum(np.vstack([total, self.values]), axis=0, dtype=total.dtype)
        found = np.where(self.known, self.starts[:, None], np.iinfo(np.int64).min // 2).reshape(self.known.shape)
        self.last_known = np.maximum.accumulate(np.vstack([last_known, found]), axis=0)[1:]

    def above(self, base: Column) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return by how much the total exceeds a base, at the start and at the end of each bucket."""
        return as_floats(self.running[:-1] - base), as_floats(self.running[1:] - base)

    def ends(self) -> NDArray[np.int64]:
        """Return when each bucket is complete: the last of a day a few minutes early, the last of all at the end."""
        ends = self.starts + self.width
        ends = np.where(ends % DAY == 0, ends - (DAY - DAY_COMPLETE), ends)
        return np.maximum(np.minimum(ends, self.end), self.starts + 1)


def sampled(curve: Curve, view: View, times: NDArray[np.int64]) -> Iterator[tuple[range, Sampled]]:
    """Yield samples at the times up to the curve's end, some rows at once; rows that show nothing are left out.

    A series that begins between two of the times has a sample there as well.
    """
    if not len(curve.starts):
        return
    begins = np.zeros_like(view.shown) if view.begins is None else view.begins
    wanted = np.union1d(times, curve.starts[begins.any(axis=1)])
    wanted = wanted[(wanted >= curve.starts[0]) & (wanted < curve.end)]
    at = np.searchsorted(curve.starts, wanted, "right") - 1
    inside = wanted < curve.starts[at] + curve.width
    wanted, at = wanted[inside], at[inside]
    if curve.starts[-1] < curve.end <= curve.starts[-1] + curve.width:
        wanted, at = np.append(wanted, curve.end), np.append(at, len(curve.starts) - 1)
    if not len(wanted):
        return
    extra = ~np.isin(wanted, times) & (wanted < curve.end)
    starts = curve.starts[at]
    grown = np.clip((wanted - starts) / (curve.ends()[at] - starts), 0.0, 1.0)
    rows = view.before.shape[1]
    size = max(_BLOCK // len(wanted), 1)
    for first in range(0, rows, size):
        block = range(first, min(first + size, rows))
        columns = slice(block.start, block.stop)
        shown = view.shown[:, columns].T[:, at]
        shown &= ~extra | begins[:, columns].T[:, at]
        if not shown.any():
            continue
        before, after = view.before[:, columns].T[:, at], view.after[:, columns].T[:, at]
        yield block, (wanted, _between(before, after, grown, whole=view.whole), shown)


def _between(
    before: NDArray[np.float64], after: NDArray[np.float64], grown: NDArray[np.float64], *, whole: bool
) -> NDArray[np.float64]:
    values = before + (after - before) * grown
    values = np.floor(values + 1e-9) if whole else np.round(values, _DIGITS)
    values = np.clip(values, np.minimum(before, after), np.maximum(before, after))
    return np.where(grown >= 1, after, np.where(grown <= 0, before, values))
