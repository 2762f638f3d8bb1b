"""The counters of one measure: the flow since the baseline, the highest it has been, and what is shown of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exporter.ledger.columns import Column, Mask, Times, fit, fit_times


@dataclass(frozen=True, slots=True)
class BucketValues:
    """The values of one measure in one bucket, row by row."""

    values: Column
    """0 where nothing is known."""
    present: Mask
    """Rows that the response had."""
    known: Mask
    """Rows for which the response had a value."""


@dataclass(frozen=True, slots=True)
class BucketChange:
    """What a poll has changed in one bucket. All columns have a value for every row of the store."""

    start: int
    """Unix seconds."""
    before: Column
    after: BucketValues
    complete: bool
    """Whether the response had every row of the bucket, as far as this store is concerned."""


@dataclass(frozen=True, slots=True)
class Unfolded:
    """Rows that a poll has admitted after they had been counted in the row of the folded ones."""

    rows: Sequence[int] = ()
    other: int | None = None
    """The row that holds what is folded."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the buckets held when the counters of a measure began."""

    taken_at: float
    """Unix seconds."""
    label_sets: tuple[tuple[str, ...], ...]
    """The label set of each row."""
    buckets: Mapping[int, tuple[Column, Mask]]
    """For each bucket, by its start (Unix seconds), the value of each row and whether it was known."""


@dataclass(slots=True)
class CounterState:
    """The counters of one flow measure."""

    dtype: np.dtype[Any]
    awaiting_value: bool = False
    """Whether a complete sync found rows, but no value: the first value is then the baseline."""
    oldest_bucket: int | None = None
    """Start of the oldest bucket that counts, Unix seconds; None before the baseline."""
    baseline_at: float = 0.0
    """When the baseline was taken, Unix seconds."""
    base: dict[int, Column] = field(default_factory=dict)
    """For each bucket that was there at the baseline, what it held then: the bucket's own column while it has not
    changed, so neither is ever changed in place."""
    undetermined: dict[int, Mask] = field(default_factory=dict)
    """For buckets of `base`, the rows that were there at the baseline without a value: their first value is history."""
    partial: set[int] = field(default_factory=set)
    """Starts of buckets of `base` of which no response had every row yet: what the first one that does adds, also to
    rows that were there, is history as well."""
    flow: Column = field(default_factory=lambda: np.zeros(0))
    """The net change of the reported sum since the baseline."""
    accrued: Column = field(default_factory=lambda: np.zeros(0))
    """The maximum of the flow over time."""
    released: Column = field(default_factory=lambda: np.zeros(0))
    """What is shown: committed, and never taken back."""
    committed: Column = field(default_factory=lambda: np.zeros(0))
    """`accrued` as the state holds it: what may be shown where nothing has to be held back."""
    created: Times = field(default_factory=lambda: np.zeros(0))
    """Unix seconds at which each counter began at 0; NaN for rows of which no value was ever known."""
    shown_since: Times = field(default_factory=lambda: np.zeros(0))
    """Monotonic seconds at which this process first showed the counter; NaN where it has not."""
    unsaved_baseline: Baseline | None = None
    """The baseline until it is saved; the state remembers it when its buckets have left the look-back."""

    def __post_init__(self) -> None:
        """Give empty columns their type."""
        for name in ("flow", "accrued", "released", "committed"):
            if not len(getattr(self, name)):
                setattr(self, name, np.zeros(0, self.dtype))

    @property
    def counting(self) -> Mask:
        """Rows that have a counter: those of which a value was ever known."""
        return ~np.isnan(self.created)

    @property
    def shown(self) -> Mask:
        """Rows whose counter is shown."""
        return ~np.isnan(self.shown_since)

    @property
    def excess(self) -> Any:  # noqa: ANN401 # a float or an integer in quanta
        """By how much the counters exceed the flow, all rows together; negative while increases are held back."""
        return (self.released - self.flow).sum() if len(self.flow) else 0

    def apply(self, changes: Iterable[BucketChange], rows: int, at: float, unfolded: Unfolded) -> None:
        """Take over what one poll, received `at` (Unix seconds), has changed, for a store that has so many rows."""
        self._grow(rows)
        if self.oldest_bucket is None:
            return
        for change in changes:
            if change.complete and change.start in self.partial:
                self._complete(change)
            else:
                self._add(change, unfolded)
            begun = change.after.known & np.isnan(self.created)
            if begun.any():
                self.created = np.where(begun, at, self.created)
        self.accrued = np.maximum(self.accrued, self.flow)

    def start(
        self,
        buckets: Mapping[int, BucketValues],
        ever_known: Mask,
        at: float,
        label_sets: Iterable[tuple[str, ...]],
        partial: Iterable[int] = (),
    ) -> None:
        """Take what the buckets hold `at` (Unix seconds) as the baseline: it is history, not flow.

        `partial` are the starts of buckets whose rows could not all be read.
        """
        self.base = {start: bucket.values for start, bucket in buckets.items()}
        self.partial = self.base.keys() & set(partial)
        unknown = {
            start: ~bucket.known if start in self.partial else bucket.present & ~bucket.known
            for start, bucket in buckets.items()
        }
        self.undetermined = {start: mask for start, mask in unknown.items() if mask.any() or start in self.partial}
        self.oldest_bucket = min(buckets)
        self.baseline_at = at
        self.created = np.where(ever_known, at, np.nan)
        known = {start: (self.base[start], bucket.known) for start, bucket in buckets.items()}
        self.unsaved_baseline = Baseline(at, tuple(label_sets), known)

    def restore(self, buckets: Mapping[int, Column], offset: Column, lead: Column, pending: Column) -> None:
        """Take over what was saved: see `offset`; `lead` is accrued less flow, `pending` accrued less released."""
        self.flow = offset
        for start, column in buckets.items():
            if self.base.get(start) is not column:
                self.flow = self.flow + fit(self.contribution(start, column), len(offset))
        self.accrued = self.flow + lead
        self.released = self.accrued - pending
        self.committed = self.accrued
        self._grow(len(offset))

    def offset(self, buckets: Mapping[int, Column]) -> Column:
        """Return what the flow holds beyond the contributions of these buckets: what expired or was folded."""
        offset = self.flow
        for start, column in buckets.items():
            if self.base.get(start) is not column:
                offset = offset - fit(self.contribution(start, column), len(offset))
        return offset

    def contribution(self, start: int, values: Column) -> Column:
        """Return what a bucket adds to the flow of each row: its change since the baseline, or all of it."""
        if self.oldest_bucket is None or start < self.oldest_bucket:
            return np.zeros(len(values), self.dtype)
        base = self.base.get(start)
        return values if base is None else values - fit(base, len(values))

    def expire(self, horizon: int) -> None:
        """Keep what buckets older than the horizon (Unix seconds) have contributed, and never count them again."""
        if self.oldest_bucket is not None:
            self.oldest_bucket = max(self.oldest_bucket, horizon)
        for start in [start for start in self.base if start < horizon]:
            del self.base[start]
            self.undetermined.pop(start, None)
            self.partial.discard(start)

    def keep(self, rows: list[int]) -> None:
        """Keep these rows, in this order."""
        size = len(self.flow)
        self.flow, self.accrued, self.released = self.flow[rows], self.accrued[rows], self.released[rows]
        self.committed = self.committed[rows]
        self.created, self.shown_since = self.created[rows], self.shown_since[rows]
        self.base = {start: fit(column, size)[rows] for start, column in self.base.items()}
        self.undetermined = {start: self._fit_mask(start, size)[rows] for start in self.undetermined}

    def propose(self, now: float, hold: float) -> "PendingRelease | None":
        """Return what may be shown at `now` (monotonic seconds); None where nothing changes.

        A counter that was not shown before starts where it was committed, and stays there for `hold` seconds.
        """
        unseen = self.counting & ~self.shown
        if not (unseen.any() or (self.accrued != self.released).any()):
            return None  # released up to accrued before, so that all of it is committed
        shown_since = np.where(unseen, now, self.shown_since)
        due = shown_since + hold <= now
        return PendingRelease(self, np.where(due, self.accrued, self.released), self.accrued, shown_since)

    def next_release(self, now: float, hold: float) -> float | None:
        """Return when the next hold ends, monotonic seconds."""
        held = self.shown_since[self.shown_since + hold > now]
        return float(held.min()) + hold if held.size else None

    def _grow(self, rows: int) -> None:
        self.flow, self.accrued = fit(self.flow, rows), fit(self.accrued, rows)
        self.released, self.committed = fit(self.released, rows), fit(self.committed, rows)
        self.created, self.shown_since = fit_times(self.created, rows), fit_times(self.shown_since, rows)

    def _add(self, change: BucketChange, unfolded: Unfolded) -> None:
        start, after = change.start, change.after
        added = -self.contribution(start, change.before)
        self._determine(start, after)
        moved = sum(after.values[row] for row in unfolded.rows)
        rebased = unfolded.other is not None and bool(unfolded.rows) and self._rebase(start, unfolded.other, moved)
        added = added + self.contribution(start, after.values)
        for row in unfolded.rows:
            added[row] = 0
        if unfolded.rows and unfolded.other is not None and not rebased and start >= (self.oldest_bucket or 0):
            added[unfolded.other] += moved
        self.flow = self.flow + added

    def _complete(self, change: BucketChange) -> None:
        """Take as history all that the first response with every row of a bucket changes in it.

        A row that could not be read before may have been another one of any label set.
        """
        start, after = change.start, change.after
        self.base[start] = fit(self.base[start], len(after.values)) + (after.values - change.before)
        undetermined = self._fit_mask(start, len(after.known)) & after.present & ~after.known
        self.partial.discard(start)
        self.undetermined[start] = undetermined
        if not undetermined.any():
            del self.undetermined[start]

    def _determine(self, start: int, after: BucketValues) -> None:
        """Take as history the first value of a row that was in a bucket at the baseline without one."""
        if start not in self.undetermined:
            return
        undetermined = self._fit_mask(start, len(after.present))
        late = undetermined & after.known
        if late.any():
            self.base[start] = np.where(late, after.values, fit(self.base[start], len(late)))
        undetermined &= ~late if start in self.partial else after.present & ~late
        self.undetermined[start] = undetermined
        if start not in self.partial and not undetermined.any():
            del self.undetermined[start]

    def _fit_mask(self, start: int, rows: int) -> Mask:
        """Return the undetermined rows of a bucket; those that were added later are, where the baseline is partial."""
        mask = self.undetermined[start]
        return np.concatenate((mask, np.full(rows - len(mask), start in self.partial, np.bool_)))

    def _rebase(self, start: int, row: int, moved: Any) -> bool:  # noqa: ANN401 # a float or an integer in quanta
        """Take `moved` out of what a row held at the baseline in one bucket; return whether that bucket had one."""
        base = self.base.get(start)
        if base is None:
            return False
        base = fit(base, row + 1).copy()
        base[row] -= moved
        self.base[start] = base
        return True


@dataclass(frozen=True, slots=True)
class PendingRelease:
    """New values of the counters of one measure, which nobody may see before they are on disk."""

    counter: CounterState
    released: Column
    accrued: Column
    shown_since: Times

    def adopt(self) -> None:
        """Let the counters show these values."""
        self.counter.released = self.released
        self.counter.committed = self.accrued
        self.counter.shown_since = self.shown_since

    def hold(self) -> None:
        """Let the counters show what was committed before, because these values could not be."""
        self.counter.shown_since = self.shown_since
