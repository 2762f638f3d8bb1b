"""What counters are about to show: proposed, committed, then adopted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exporter.ledger.book import Book
from exporter.ledger.columns import Column
from exporter.ledger.tally import Tally


@dataclass(frozen=True, slots=True)
class Release:
    """New values of the counters of one measure, which nobody may see before they are on disk."""

    book: Book
    tally: Tally
    released: Column
    shown_since: NDArray[np.float64]

    def adopt(self) -> None:
        """Let the counters show these values."""
        self.tally.released = self.released
        self.tally.shown_since = self.shown_since
