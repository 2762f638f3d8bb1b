"""The ids that the ledgers of one organization show."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from exporter.catalog import UNKNOWN
from exporter.ledger import LabelSets, Ledger

Labels = tuple[str, ...]

PLACEHOLDERS: Final = frozenset({UNKNOWN, "other"})
"""Label values that mean no id, or many."""


class LedgerOwner(Protocol):
    """Has the ledger of one resource."""

    @property
    def ledger(self) -> Ledger:
        """Return the ledger, which may be replaced by another."""
        ...


@dataclass(slots=True)
class _Seen:
    """What has been read of the label sets of one bucket store."""

    generation: int
    length: int = 0
    values: set[Labels] = field(default_factory=set)


class LabelIndex:
    """Looks ids up in the label sets of all ledgers; each label set is read once. For the ledgers' thread only."""

    def __init__(self, bucket_jobs: Sequence[LedgerOwner]) -> None:
        self._bucket_jobs = bucket_jobs
        self._seen: WeakKeyDictionary[LabelSets, dict[Labels, _Seen]] = WeakKeyDictionary()

    def version(self) -> object:
        """Return a value that is equal as long as the same label sets are shown."""
        return tuple((rows, rows.generation, len(rows.sets)) for rows in self._all_rows())

    def values(self, *labels: str) -> set[Labels]:
        """Return the values of these labels, together, in the label sets that have all of them."""
        found: set[Labels] = set()
        for rows in self._all_rows():
            if set(labels) <= set(rows.names):
                found |= self._of(rows, labels)
        return found

    def ids(self, label: str) -> set[str]:
        """Return every value of a label, `unknown` and `other` included."""
        return {value for (value,) in self.values(label)}

    def _all_rows(self) -> list[LabelSets]:
        return [store.rows for bucket_job in self._bucket_jobs for store in bucket_job.ledger.stores]

    def _of(self, rows: LabelSets, labels: Labels) -> set[Labels]:
        kept = self._seen.setdefault(rows, {})
        seen = kept.get(labels)
        if seen is None or seen.generation != rows.generation:
            seen = kept[labels] = _Seen(rows.generation)
        indexes = [rows.names.index(label) for label in labels]
        seen.values.update(tuple(labels[index] for index in indexes) for labels in rows.sets[seen.length :])
        seen.length = len(rows.sets)
        return seen.values
