"""The same search where two label sets have a place and all others are one series."""

from dataclasses import replace
from typing import Final

from exporter.catalog import PollResult, Row
from exporter.ledger import OTHER
from tests.exactness.test_search import NAMES, UsageSearch, plan, search
from tests.support.exactness import Labels

LARGE: Final = (("a", "m"), ("b", "m"))
"""What is used so much each day that it has the two places from the first poll on."""


class FoldedSearch(UsageSearch):
    """One measure of usage; for the model, every label set without a place is called `other`."""

    plan = replace(plan("completions", NAMES[:1], ("project_id", "model")), max_series=len(LARGE))

    def reported(self, day: int, *, repeated: bool) -> tuple[list[Row], ...]:
        """Return what is reported, and the large usage of each day."""
        (rows,) = super().reported(day, repeated=repeated)
        width = len(self.plan.group_by)
        return ([*rows, *((labels[:width], (10**6,)) for labels in LARGE)],)

    def applied(self, answer: PollResult, *, complete: bool) -> None:
        """Let the model follow. It forgets `other` with the first complete sync that has nothing to fold."""
        width = len(self.plan.group_by)
        other, places = (OTHER,) * width, {labels[:width] for labels in LARGE}

        def shown(labels: Labels) -> Labels:
            return labels if labels in places else other

        buckets = [
            replace(
                bucket, rows=tuple([(shown(labels), values) for labels, values in rows] for rows in bucket.rows or ())
            )
            for bucket in answer.buckets
        ]
        days = [bucket.start for bucket in buckets for rows in bucket.rows or () if other in dict(rows)]
        (model,) = self.models
        last = max([model.seen.get(other, 0), *days])
        if days:
            model.seen[other] = max(last, self.plan.lookback_start(self.now))
        super().applied(replace(answer, buckets=tuple(buckets)), complete=complete)
        if other in model.seen:
            model.seen[other] = last

    def end_with_other_measures(self) -> None:
        """Left out: of an optional measure `other` sums what is known."""


TestFolded = FoldedSearch.TestCase
TestFolded.settings = search
