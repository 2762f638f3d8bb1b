"""What one measure has accrued, row by row: the counters' side of the ledger."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exporter.ledger.columns import Column, Mask, fit


@dataclass(slots=True)
class Cells:
    """One bucket of one book."""

    present: Mask
    """Which rows the answer had."""
    values: list[Column]
    """For each measure of the book; 0 where nothing is known."""
    known: list[Mask]
    """For each measure, where the answer had a value. Present but not known is unknown; not present is zero."""

    def fit(self, rows: int) -> "Cells":
        """Return the cells with room for rows that came later."""
        return Cells(
            fit(self.present, rows),
            [fit(column, rows) for column in self.values],
            [fit(mask, rows) for mask in self.known],
        )


@dataclass(slots=True)
class CounterState:
    """The accrued side of one flow measure."""

    dtype: np.dtype[Any]
    waiting: bool = False
    """Whether a complete sync found rows, but no value: the first value is then the baseline."""
    since: int | None = None
    """Start of the oldest bucket that counts, Unix seconds; None before the baseline."""
    base: dict[int, Column] = field(default_factory=dict)
    """For each bucket that was there at the baseline, what it held then."""
    undetermined: dict[int, Mask] = field(default_factory=dict)
    """For buckets of `base`, the rows that were there at the baseline without a value: their first value is history."""
    flow: Column = field(default_factory=lambda: np.zeros(0))
    """What has been reported since the baseline, revisions down included."""
    accrued: Column = field(default_factory=lambda: np.zeros(0))
    """The maximum of the flow over time."""
    released: Column = field(default_factory=lambda: np.zeros(0))
    """What the counter may show: committed, and never taken back."""
    counting: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    """Which rows have a counter: those for which a value was ever known."""
    shown_since: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Unix seconds at which the running process first showed the counter; NaN where it has not."""

    def __post_init__(self) -> None:
        """Give empty columns their type."""
        for name in ("flow", "accrued", "released"):
            if not len(getattr(self, name)):
                setattr(self, name, np.zeros(0, self.dtype))

    def restore(self, cells: dict[int, Column], offset: Column, lead: Column, pending: Column) -> None:
        """Take over what was saved: see `offset`; `lead` is accrued less flow, `pending` accrued less released."""
        self.flow = offset
        for start, column in cells.items():
            self.flow = self.flow + fit(self.contribution(start, column), len(offset))
        self.accrued = self.flow + lead
        self.released = self.accrued - pending

    def offset(self, cells: dict[int, Column]) -> Column:
        """Return what the flow holds beyond the contributions of these buckets: what expired or moved."""
        offset = self.flow
        for start, column in cells.items():
            offset = offset - fit(self.contribution(start, column), len(offset))
        return offset

    def grow(self, rows: int) -> None:
        """Make room for new rows."""
        self.flow = fit(self.flow, rows)
        self.accrued = fit(self.accrued, rows)
        self.released = fit(self.released, rows)
        self.counting = fit(self.counting, rows)
        unseen = rows - len(self.shown_since)
        if unseen:
            self.shown_since = np.concatenate((self.shown_since, np.full(unseen, np.nan)))

    def start(self, buckets: dict[int, Cells], measure: int) -> None:
        """Take what the buckets hold now as the baseline: it is history, not flow."""
        self.base = {start: cells.values[measure].copy() for start, cells in buckets.items()}
        unknown = {start: cells.present & ~cells.known[measure] for start, cells in buckets.items()}
        self.undetermined = {start: mask for start, mask in unknown.items() if mask.any()}
        self.since = min(buckets)

    def contribution(self, start: int, values: Column) -> Column:
        """Return what a bucket adds to the flow of each row."""
        if self.since is None or start < self.since:
            return np.zeros(len(values), self.dtype)
        base = self.base.get(start)
        return values if base is None else values - fit(base, len(values))

    def learn(self, start: int, new: Cells, measure: int) -> None:
        """Take as history the first value of a row that was in a bucket at the baseline without one."""
        undetermined = self.undetermined.pop(start, None)
        if undetermined is None:
            return
        undetermined = fit(undetermined, len(new.present))
        late = undetermined & new.known[measure]
        if late.any():
            self.base[start] = np.where(late, new.values[measure], fit(self.base[start], len(late)))
        undetermined &= new.present & ~late
        if undetermined.any():
            self.undetermined[start] = undetermined

    def rebase(self, start: int, place: int, moved: Any) -> bool:  # noqa: ANN401 # a float or whole quanta
        """Let `moved` leave a row's history in one bucket; return whether that bucket has a history."""
        base = self.base.get(start)
        if base is None:
            return False
        base = fit(base, max(len(base), place + 1)).copy()
        base[place] -= moved
        self.base[start] = base
        return True

    def raise_to_flow(self) -> None:
        """Raise the accrued values to the flow, where that is higher."""
        if self.since is not None:
            self.accrued = np.maximum(self.accrued, self.flow)

    def expire(self, horizon: int) -> None:
        """Fold in what is older than the horizon (Unix seconds): it stays counted, and is never counted again."""
        if self.since is not None:
            self.since = max(self.since, horizon)
        for start in [start for start in self.base if start < horizon]:
            del self.base[start]
            self.undetermined.pop(start, None)

    def keep(self, places: list[int]) -> None:
        """Keep these rows, in this order."""
        self.flow = self.flow[places]
        self.accrued = self.accrued[places]
        self.released = self.released[places]
        self.counting = self.counting[places]
        self.shown_since = self.shown_since[places]
        self.base = {
            start: np.array([base[place] if place < len(base) else 0 for place in places], self.dtype)
            for start, base in self.base.items()
        }
        rows = len(self.undetermined) and max(places, default=-1) + 1
        self.undetermined = {start: fit(mask, rows)[places] for start, mask in self.undetermined.items()}

    @property
    def excess(self) -> Any:  # noqa: ANN401 # a float or whole quanta
        """How far the counters stand above the flow, all rows together; negative while increases are held back."""
        return (self.released - self.flow).sum() if len(self.flow) else 0
