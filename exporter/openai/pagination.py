"""The requests and pages of one poll of buckets."""

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Final

from exporter.catalog import Bucket, BucketRows, Plan, PollResult
from exporter.openai import errors
from exporter.openai.pages import Page, traits_of
from exporter.openai.responses import Rejections
from exporter.openai.rows import BucketTrait, reader
from exporter.telemetry import RejectionReason

MAX_CURSOR: Final = 4096
"""Characters of a cursor; a longer one is an error."""

_SINGLE: Final = frozenset({"batch"})
"""Filters that are one value rather than an array."""


def bucket_query(
    plan: Plan, start: int, limit: int, page: str = "", *, end: int | None = None
) -> list[tuple[str, str]]:
    """Return names and values, not yet percent-encoded; arrays repeat their name with brackets, as OpenAI's SDKs do.

    Without `end` (Unix seconds, exclusive) the open bucket is included. `page` is the cursor of the previous page.
    """
    query = [("start_time", str(start)), ("bucket_width", plan.width), ("limit", str(limit))]
    if end is not None:
        query.append(("end_time", str(end)))
    query += [("group_by[]", dimension) for dimension in plan.group_by]
    query += [(name if name in _SINGLE else f"{name}[]", value) for name, value in plan.filters]
    if page:
        query.append(("page", page))
    return query


class BucketPaginator:
    """Collects pages and returns their cursors. Buckets before the start are not kept."""

    def __init__(self, plan: Plan, start: int, now: float, end: int | None = None, known: Iterable[bytes] = ()) -> None:
        """Start at the bucket that contains `start`, and end before `end` or with the open bucket. Unix seconds.

        `known`: the digests of all earlier buckets.
        """
        self.start = start - start % plan.width_seconds
        self.rejections: Rejections = Rejections()
        self._plan = plan
        self._limit = end
        self._end = self._open_end(now)
        self._pages = 0
        self._received = 0
        self._buckets: dict[int, Bucket] = {}
        self._cursors: set[str] = set()
        self._labels: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._known = known

    def wanted(self, now: float) -> int:
        """Return how many buckets there are from the start to the open one."""
        return max((self._open_end(now) - self.start) // self._plan.width_seconds, 1)

    def add(self, page: Page, now: float) -> str:
        """Add a page and return the cursor of the next one, empty after the last page.

        Raises DuplicateBucket, MissingCursor, RepeatedCursor and Endless.
        """
        for bucket in page.buckets:
            if bucket.start in self._buckets:
                raise errors.DuplicateBucket(f"two buckets start at {bucket.start}")
            if bucket.start >= self.start:
                self._buckets[bucket.start] = self._with_shared_labels(bucket)
        self.rejections.update(page.rejections)
        self._pages += 1
        self._received += len(page.buckets)
        most = self.wanted(now) + 1
        if self._received > most or (page.has_more and self._pages >= most):
            raise errors.Endless(
                f"{self._received} buckets on {self._pages} pages{', with more to come' if page.has_more else ''}, "
                f"where {most - 1} were requested"
            )
        return self._cursor(page) if page.has_more else ""

    def result(self, received: float, organization: str) -> PollResult:
        """Return all buckets, with the time (Unix seconds) and the organization of the last page."""
        buckets = tuple(bucket for _, bucket in sorted(self._buckets.items()))
        unreadable = self.rejections[RejectionReason.INVALID_BUCKET]
        return PollResult(self.start, self._end, self._with_currency(buckets), received, organization, unreadable)

    def _open_end(self, now: float) -> int:
        end = self._plan.open_end(now)
        return end if self._limit is None else min(self._limit, end)

    def _with_shared_labels(self, bucket: Bucket) -> Bucket:
        """Let equal label sets of all buckets be one object: most are in many buckets."""
        if bucket.rows is None:
            return bucket
        share = self._labels.setdefault
        for rows in bucket.rows:
            if isinstance(rows, BucketRows):
                rows.labels = list(map(share, rows.labels, rows.labels))
        return bucket

    def _with_currency(self, buckets: tuple[Bucket, ...]) -> tuple[Bucket, ...]:
        """Count amounts without a currency as US dollars where every other amount is, of all buckets that are known."""
        traits = _union(bucket.digest for bucket in buckets)
        if BucketTrait.BLANK not in traits:
            return buckets
        traits |= _union(self._known)
        if BucketTrait.SELECTED not in traits or BucketTrait.OTHER in traits:
            return buckets
        rows = reader(self._plan)
        return tuple(
            replace(bucket, rows=rows.select_blank(bucket.rows))
            if bucket.rows is not None and BucketTrait.BLANK in traits_of(bucket.digest)
            else bucket
            for bucket in buckets
        )

    def _cursor(self, page: Page) -> str:
        if not page.next_page:
            raise errors.MissingCursor(f"page {self._pages} has has_more but no next_page")
        if page.next_page in self._cursors:
            raise errors.RepeatedCursor(f"page {self._pages} repeats the next_page of an earlier page")
        if len(page.next_page) > MAX_CURSOR:
            raise errors.InvalidResponse(f"page {self._pages} has a next_page of more than {MAX_CURSOR} characters")
        self._cursors.add(page.next_page)
        return page.next_page


def _union(digests: Iterable[bytes]) -> BucketTrait:
    return reduce(or_, map(traits_of, digests), BucketTrait(0))
