"""What a ledger shows at a moment: today, windows, levels and counters, as columns for the encoder."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exporter.catalog import Measure
from exporter.ledger.columns import Mask
from exporter.ledger.label_sets import Rows


@dataclass(frozen=True, slots=True)
class View:
    """One face of one measure: a value for each row that shows one."""

    measure: Measure
    rows: Rows
    values: NDArray[np.float64]
    shown: Mask
    window: str = ""
    """The value of the label `window`; empty for other faces."""
    counter: bool = False
