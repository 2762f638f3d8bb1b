"""The ledger of one resource of one organization: buckets in, faces out. It sees no clock and no network."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exporter.catalog import DAY, Kind, Measure, Plan, PollResult, Window, day_of
from exporter.ledger.buckets import BucketStore, Revision
from exporter.ledger.columns import Column, as_floats
from exporter.ledger.coverage import Audit, Coverage
from exporter.ledger.gauges import View
from exporter.ledger.pending_release import PendingRelease


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What an answer has done to the ledger."""

    changed: bool
    audit: Audit
    revision: Revision
    baseline: tuple[Measure, ...] = ()
    """Measures whose counters begin here."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a baseline belongs to: another one begins anew."""

    group_by: tuple[str, ...]
    filters: tuple[tuple[str, str], ...]
    width: str

    @classmethod
    def of(cls, plan: Plan) -> "Identity":
        """Return the identity of what a plan pulls, whatever the order in which it is written."""
        labels = tuple(name for name in plan.resource.dimensions if name in plan.group_by)
        return cls(labels, tuple(sorted(plan.filters)), plan.width)


@dataclass(slots=True)
class Ledger:
    """Everything known of one resource, and what of it is published at a given moment."""

    plan: Plan
    books: tuple[BucketStore, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)
    digests: dict[int, bytes] = field(default_factory=dict)
    must_redecode: bool = False
    """Whether a measure is new, so that every bucket has to be decoded, whatever its digest."""
    last_success: float | None = None
    """Time of the last complete answer, Unix seconds."""
    last_change: float | None = None
    """Time of the last answer that changed any value, Unix seconds."""
    _sums: dict[tuple[int, int, int, int], tuple[tuple[int, int], Column]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Open a book for every sheet of the plan."""
        if not self.books:
            self.books = tuple(BucketStore(sheet, self.plan.max_series) for sheet in self.plan.label_groups)

    @property
    def identity(self) -> Identity:
        """What the baselines belong to."""
        return Identity.of(self.plan)

    @property
    def series(self) -> int:
        """Label sets that are kept."""
        return sum(len(book.rows) for book in self.books)

    @property
    def folded(self) -> int:
        """Label sets that are folded into one."""
        return sum(len(book.rows.folded) for book in self.books)

    @property
    def known(self) -> dict[int, bytes]:
        """Digests of the buckets that need not be decoded again when their bytes are the same."""
        return {} if self.folded or self.must_redecode else self.digests

    def start_of_poll(self, now: float, *, full: bool) -> int:
        """Return the `start_time` of a poll at `now`, Unix seconds: nothing missed is left out."""
        lookback = self.plan.lookback_start(now)
        if not self.coverage.until:
            return lookback
        start = self.plan.refetch_start(now, self.coverage.until)
        return min(start, lookback) if full else start

    def apply(self, answer: PollResult) -> ApplyResult:
        """Take over an answer. Buckets that it lacks stay as they were, and are named in the audit."""
        audit = self.coverage.audit(self.plan, answer)
        lookback = self.plan.lookback_start(answer.received)
        full = answer.start <= lookback and not audit.missing
        settled = {start for start, read in self.coverage.read.items() if read >= start + self.plan.width_seconds}
        stamps = [book.stamp for book in self.books]
        revision = Revision()
        for index, book in enumerate(self.books):
            part = book.apply(answer.buckets, index, full=full, settled=settled)
            revision = Revision(revision.up + part.up, revision.down + part.down)
        self.digests |= {bucket.start: bucket.digest for bucket in answer.buckets if bucket.digest}
        self.coverage.advance(self.plan, answer, audit)
        self.must_redecode = self.must_redecode and not full
        baseline = [measure for book in self.books if book.cells for measure in book.start_counters(full=full)]
        changed = stamps != [book.stamp for book in self.books]
        if changed or self.last_change is None:
            self.last_change = answer.received
        self._expire(min(lookback, int(self.coverage.until)), full=full)
        if not audit.missing:
            self.last_success = answer.received
        return ApplyResult(changed, audit, revision, tuple(baseline))

    def views(self, now: float) -> list[View]:
        """Return what is shown at `now`, Unix seconds, in the order of the table."""
        fresh = self.fresh(now)
        views = []
        for index, book in enumerate(self.books):
            for position, measure in enumerate(book.sheet.measures):
                if measure.kind is Kind.LEVEL:
                    views += self._level(book, position) if fresh else []
                    continue
                if fresh:
                    views += self._gauges(index, position, now)
                counter = book.counters[measure.name]
                shown = ~np.isnan(counter.shown_since)
                views.append(View(measure, book.rows, as_floats(counter.released), shown, counter=True))
        return views

    def next_change(self, now: float) -> float:
        """Return the next moment, Unix seconds, at which time alone changes the faces."""
        today = day_of(now)
        moments = [float(today + DAY)]
        if self.last_success is not None:
            moments.append(self.last_success + self.plan.stale_after)
            if not self._covered(today):
                moments.append(today + 2 * self.plan.interval)
        width = self.plan.width_seconds
        if any(window.unit < DAY for _, windows in self.plan.windows for window in windows):
            edge = now // width * width
            moments += [edge + width, edge + 2 * self.plan.interval]
        return min(moment for moment in moments if moment > now)

    def propose(self, now: float, hold: float) -> list[PendingRelease]:
        """Return what each counter may show at `now`: new ones start where they were committed, for `hold` seconds."""
        proposals = []
        for book in self.books:
            for counter in book.counters.values():
                fresh = counter.counting & np.isnan(counter.shown_since)
                if fresh.any() or (counter.accrued != counter.released).any():
                    shown_since = np.where(fresh, now, counter.shown_since)
                    due = shown_since + hold <= now
                    released = np.where(due, counter.accrued, counter.released)
                    proposals.append(PendingRelease(book, counter, released, shown_since))
        return proposals

    def next_release(self, now: float, hold: float) -> float | None:
        """Return when the next counter's hold ends, Unix seconds."""
        ends = [
            float(pending.min()) + hold
            for book in self.books
            for counter in book.counters.values()
            if (pending := counter.shown_since[counter.shown_since + hold > now]).size
        ]
        return min(ends, default=None)

    def excess(self) -> dict[str, float]:
        """Return for each flow measure by how much its counters exceed the net total reported since the baseline.

        Negative while increases are held back.
        """
        return {
            name: float(as_floats(np.array([counter.excess], counter.dtype))[0])
            for book in self.books
            for name, counter in book.counters.items()
        }

    def fresh(self, now: float) -> bool:
        """Tell whether gauges are shown at `now`, Unix seconds: whether the last success is recent enough."""
        return self.last_success is not None and now < self.last_success + self.plan.stale_after

    def daily(self, measure: Measure, now: float) -> list[tuple[int, float]]:
        """Return for each UTC day of the look-back its midnight (Unix seconds) and the sum over all rows."""
        book, position = self._find(measure)
        days: dict[int, list[int]] = {}
        for start in sorted(book.cells):
            if start <= now:
                days.setdefault(day_of(start), []).append(start)
        sums = {day: book.column(position, starts).sum(keepdims=True) for day, starts in days.items()}
        return [(day, float(as_floats(value)[0])) for day, value in sums.items()]

    def sums(self, measure: Measure) -> dict[int, int]:
        """Return for each bucket of an exact measure its start (Unix seconds) and the sum of all rows in quanta."""
        book, position = self._find(measure)
        return {start: int(book.column(position, [start]).sum()) for start in book.cells}

    def total(self, measure: Measure, now: float, window: Window | None = None) -> float | None:
        """Return the sum over all rows of today so far, or of a window; None where there are no gauges to add up."""
        width, today = self.plan.width_seconds, day_of(now)
        start, end = window.span(now, width) if window else (today, today + DAY)
        told = self._tellable(window, start, end, now) if window else self._begun(now)
        if not told or not self.fresh(now) or start < self.plan.lookback_start(now):
            return None
        book, position = self._find(measure)
        return float(as_floats(book.column(position, self._starts(start, end)).sum(keepdims=True))[0])

    def by_label(self, measure: Measure, label: str, start: int, end: int) -> dict[str, float]:
        """Return the sum over a span (Unix seconds) for each value of a label, nothing where that is not grouped by."""
        book, position = self._find(measure)
        if label not in book.rows.names:
            return {}
        place = book.rows.names.index(label)
        column = book.column(position, self._starts(start, end))
        sums: dict[str, Any] = {}
        for labels, value in zip(book.rows.sets, column.tolist(), strict=True):
            sums[labels[place]] = sums.get(labels[place], 0) + value
        return dict(zip(sums, as_floats(np.array(list(sums.values()), column.dtype)).tolist(), strict=True))

    def _find(self, measure: Measure) -> tuple[BucketStore, int]:
        return next(
            (book, position)
            for book in self.books
            for position, candidate in enumerate(book.sheet.measures)
            if candidate.name == measure.name
        )

    def _expire(self, lookback: int, *, full: bool) -> None:
        horizon = lookback // self.plan.width_seconds * self.plan.width_seconds
        for book in self.books:
            book.expire(horizon, full=full)
        self.coverage.expire(horizon)
        self.digests = {start: digest for start, digest in self.digests.items() if start >= horizon}

    def _covered(self, day: int) -> bool:
        return any(day <= start < day + DAY for start in self.coverage.read)

    def _begun(self, now: float) -> bool:
        """Tell whether something can be said of today; at first that there is nothing yet."""
        today = day_of(now)
        return self._covered(today) or now < today + 2 * self.plan.interval

    def _gauges(self, index: int, position: int, now: float) -> list[View]:
        book = self.books[index]
        measure = book.sheet.measures[position]
        today = day_of(now)
        ever = book.ever_known(position)
        views = []
        if self._begun(now):
            starts = self._starts(today, today + DAY)
            values = self._sum(index, position, today, today + DAY)
            views.append(View(measure, book.rows, values, ever & ~book.unknown(position, starts)))
        windows = next((windows for owner, windows in self.plan.windows if owner.name == measure.name), ())
        views += [
            View(measure, book.rows, self._sum(index, position, start, end), ever, window.name)
            for window in windows
            for start, end in [window.span(now, self.plan.width_seconds)]
            if self._tellable(window, start, end, now)
        ]
        return views

    def _tellable(self, window: Window, start: int, end: int, now: float) -> bool:
        width = self.plan.width_seconds
        if not self.coverage.complete(start, end, width):
            return False
        if window.unit < DAY:
            return now < max(self.coverage.read) + width + 2 * self.plan.interval
        if end <= day_of(now):
            return self.coverage.read.get(end - width, 0) >= end
        return True

    def _level(self, book: BucketStore, position: int) -> list[View]:
        measured = [start for start, cells in book.cells.items() if cells.present.any()]
        if not measured:
            return []
        newest = [max(measured)]
        shown = book.ever_known(position) & ~book.unknown(position, newest)
        values = as_floats(book.column(position, newest))
        return [View(book.sheet.measures[position], book.rows, values, shown)]

    def _starts(self, start: int, end: int) -> list[int]:
        return [bucket for bucket in self.coverage.read if start <= bucket < end]

    def _sum(self, index: int, position: int, start: int, end: int) -> Column:
        book = self.books[index]
        stamp = (book.stamp, len(book.rows))
        key = (index, position, start, end)
        cached = self._sums.get(key)
        if cached is None or cached[0] != stamp:
            self._sums = {other: entry for other, entry in self._sums.items() if entry[0] == stamp or other[0] != index}
            cached = stamp, as_floats(book.column(position, self._starts(start, end)))
            self._sums[key] = cached
        return cached[1]
