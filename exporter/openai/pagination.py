"""The pages of one poll, until the buckets that were asked for are all there."""

from exporter.catalog import Bucket, Plan, PollResult
from exporter.openai import errors
from exporter.openai.pages import Page


class BucketPaginator:
    """Collects pages and says where to go on. Buckets before the start are not kept."""

    def __init__(self, plan: Plan, start: int, now: float) -> None:
        """Begin at the bucket in which `start` lies (Unix seconds)."""
        self.start = start - start % plan.width_seconds
        self._plan = plan
        self._end = plan.open_end(now)
        self._pages = 0
        self._received = 0
        self._buckets: dict[int, Bucket] = {}
        self._cursors: set[str] = set()

    def wanted(self, now: float) -> int:
        """Return how many buckets there are from the start to the one that is open."""
        return max((self._plan.open_end(now) - self.start) // self._plan.width_seconds, 1)

    def add(self, page: Page, now: float) -> str:
        """Take a page in and return the cursor of the next one, empty when this was the last.

        Raises DuplicateBucket, MissingCursor, RepeatedCursor and Endless.
        """
        for bucket in page.buckets:
            if bucket.start in self._buckets:
                raise errors.DuplicateBucket(f"two buckets of {bucket.start}")
            if bucket.start >= self.start:
                self._buckets[bucket.start] = bucket
        self._pages += 1
        self._received += len(page.buckets)
        most = self.wanted(now) + 1
        if self._received > most or (page.has_more and self._pages >= most):
            raise errors.Endless(
                f"{self._received} buckets on {self._pages} pages{' and more to come' if page.has_more else ''}, "
                f"where {most - 1} were asked for"
            )
        return self._cursor(page) if page.has_more else ""

    def answer(self, received: float, organization: str) -> PollResult:
        """Return everything, with the moment (Unix seconds) and the organization of the last page."""
        buckets = tuple(bucket for _, bucket in sorted(self._buckets.items()))
        return PollResult(self.start, self._end, buckets, received, organization)

    def _cursor(self, page: Page) -> str:
        if not page.next_page:
            raise errors.MissingCursor(f"page {self._pages} says that more follow, but has no next_page")
        if page.next_page in self._cursors:
            raise errors.RepeatedCursor(f"page {self._pages} has the next_page of a page before it")
        self._cursors.add(page.next_page)
        return page.next_page
