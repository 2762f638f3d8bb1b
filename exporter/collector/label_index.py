"""The ids that the ledgers of one organization show."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from exporter.collector.bucket_job import BucketJob
from exporter.ledger import Rows

Labels = tuple[str, ...]


@dataclass(slots=True)
class _Seen:
    """What has been read of the rows of one book."""

    generation: int
    length: int = 0
    values: set[Labels] = field(default_factory=set)


class LabelIndex:
    """Looks ids up in the label sets of all ledgers; every label set is looked at once. For the ledgers' thread."""

    def __init__(self, bucket_jobs: Sequence[BucketJob]) -> None:
        self._bucket_jobs = bucket_jobs
        self._seen: WeakKeyDictionary[Rows, dict[Labels, _Seen]] = WeakKeyDictionary()

    def stamp(self) -> object:
        """Return what is another as soon as anything else is shown."""
        return tuple(
            (book.rows, book.rows.generation, len(book.rows.sets))
            for bucket_job in self._bucket_jobs
            for book in bucket_job.ledger.books
        )

    def values(self, *labels: str) -> set[Labels]:
        """Return what these labels hold, together, in the label sets that have all of them."""
        found: set[Labels] = set()
        for bucket_job in self._bucket_jobs:
            for book in bucket_job.ledger.books:
                if set(labels) <= set(book.rows.names):
                    found |= self._of(book.rows, labels)
        return found

    def ids(self, label: str) -> set[str]:
        """Return every value of a label, `unknown` and `other` included."""
        return {value for (value,) in self.values(label)}

    def _of(self, rows: Rows, labels: Labels) -> set[Labels]:
        kept = self._seen.setdefault(rows, {})
        seen = kept.get(labels)
        if seen is None or seen.generation != rows.generation:
            seen = kept[labels] = _Seen(rows.generation)
        places = [rows.names.index(label) for label in labels]
        seen.values.update(tuple(row[place] for place in places) for row in rows.sets[seen.length :])
        seen.length = len(rows.sets)
        return seen.values
