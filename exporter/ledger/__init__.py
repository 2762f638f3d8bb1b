"""What OpenAI has reported, and the gauges and counters that are derived from it."""

from exporter.ledger.buckets import BucketStore, Cells, UnsavedChanges
from exporter.ledger.columns import EXACT, Column, Mask, Times, as_floats
from exporter.ledger.counters import Baseline, CounterState, PendingRelease
from exporter.ledger.coverage import Audit, Coverage
from exporter.ledger.gauges import Gauges, View, day_gauge
from exporter.ledger.label_sets import OTHER, LabelSets
from exporter.ledger.ledger import ApplyResult, Identity, Ledger

__all__ = [
    "EXACT",
    "OTHER",
    "ApplyResult",
    "Audit",
    "Baseline",
    "BucketStore",
    "Cells",
    "Column",
    "CounterState",
    "Coverage",
    "Gauges",
    "Identity",
    "LabelSets",
    "Ledger",
    "Mask",
    "PendingRelease",
    "Times",
    "UnsavedChanges",
    "View",
    "as_floats",
    "day_gauge",
]
