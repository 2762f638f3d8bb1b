"""The state file: what must outlive the process."""

from exporter.store.file import StateInUseError, StateUnwritableError
from exporter.store.store import Entry, MeasureBaseline, Name, Refusal, Store, read_baselines

__all__ = [
    "Entry",
    "MeasureBaseline",
    "Name",
    "Refusal",
    "StateInUseError",
    "StateUnwritableError",
    "Store",
    "read_baselines",
]
