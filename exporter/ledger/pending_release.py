"""What counters are about to show: proposed, committed, then adopted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exporter.ledger.buckets import BucketStore
from exporter.ledger.columns import Column
from exporter.ledger.counters import CounterState


@dataclass(frozen=True, slots=True)
class PendingRelease:
    """New values of the counters of one measure, which nobody may see before they are on disk."""

    book: BucketStore
    counter: CounterState
    released: Column
    shown_since: NDArray[np.float64]

    def adopt(self) -> None:
        """Let the counters show these values."""
        self.counter.released = self.released
        self.counter.shown_since = self.shown_since
