"""The state file: what must outlive the process."""

from exporter.store.file import StateInUseError, StateUnwritableError
from exporter.store.store import Entry, Name, Refusal, Store

__all__ = ["Entry", "Name", "Refusal", "StateInUseError", "StateUnwritableError", "Store"]
