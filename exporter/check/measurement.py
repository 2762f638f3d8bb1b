"""What an answer with buckets amounts to, in one line that can be compared with the billing page."""

from dataclasses import dataclass

from exporter.catalog import QUANTA, ApiFamily, Plan, PollResult
from exporter.durations import approximate_duration


@dataclass(frozen=True, slots=True)
class Reading:
    """The sum of one answer."""

    plan: Plan
    answer: PollResult

    @property
    def label_sets(self) -> int:
        """How many series each measure would have."""
        return len({(index, labels) for index, rows in enumerate(self._books) for labels, _ in rows})

    @property
    def total(self) -> float:
        """The sum of the resource's first measure, in its unit."""
        measure = self.plan.measures[0]
        total = sum(values[0] or 0 for _, values in self._books[0]) if self._books else 0
        return total / QUANTA if measure.exact else float(total)

    @property
    def idle(self) -> bool:
        """Whether nothing but zeros was reported."""
        return not any(value for rows in self._books for _, values in rows for value in values)

    def __str__(self) -> str:
        """Say it: span, label sets, and the sum of money."""
        span = approximate_duration(self.answer.end - self.answer.start)
        if not self.label_sets:
            return f"nothing in {span}"
        sets = f"{self.label_sets} label set{'' if self.label_sets == 1 else 's'} in {span}"
        if self.plan.resource.branch is ApiFamily.COSTS:
            return f"{sets}, {self.total:,.2f} US dollars together"
        return f"{sets}, all of them zero" if self.idle else sets

    @property
    def _books(self) -> list[list[tuple[tuple[str, ...], tuple[int | float | None, ...]]]]:
        buckets = [bucket.rows for bucket in self.answer.buckets if bucket.rows is not None]
        return [[row for rows in buckets for row in rows[index]] for index in range(len(self.plan.label_groups))]
