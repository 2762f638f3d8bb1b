"""The mirror of what OpenAI reports, and the counters that are derived from it."""

from exporter.ledger.buckets import BucketStore, UnsavedChanges
from exporter.ledger.columns import EXACT, Column, Mask
from exporter.ledger.counters import Cells, CounterState
from exporter.ledger.coverage import Audit, Coverage
from exporter.ledger.gauges import View
from exporter.ledger.label_sets import OTHER, Rows
from exporter.ledger.ledger import ApplyResult, Identity, Ledger
from exporter.ledger.pending_release import PendingRelease

__all__ = [
    "EXACT",
    "OTHER",
    "ApplyResult",
    "Audit",
    "BucketStore",
    "Cells",
    "Column",
    "CounterState",
    "Coverage",
    "Identity",
    "Ledger",
    "Mask",
    "PendingRelease",
    "Rows",
    "UnsavedChanges",
    "View",
]
