"""The ledger of one resource of one organization: buckets in, views out. It sees no clock and no network."""

from dataclasses import dataclass, field

import numpy as np

from exporter.catalog import Kind, Measure, Plan, PollResult
from exporter.ledger.buckets import BucketStore, Revision
from exporter.ledger.columns import as_floats
from exporter.ledger.counters import PendingRelease
from exporter.ledger.coverage import Audit, Coverage
from exporter.ledger.gauges import Gauges, View


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What a poll has changed in the ledger."""

    changed: bool
    audit: Audit
    revision: Revision
    baseline: tuple[Measure, ...] = ()
    """Measures whose counters start with this poll."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a baseline belongs to: another identity has another baseline."""

    group_by: tuple[str, ...]
    filters: tuple[tuple[str, str], ...]
    width: str

    @classmethod
    def of(cls, plan: Plan) -> "Identity":
        """Return the identity of what a plan pulls; the order in which its settings are written does not matter."""
        labels = tuple(name for name in plan.resource.dimensions if name in plan.group_by)
        return cls(labels, tuple(sorted(plan.filters)), plan.width)


@dataclass(slots=True)
class Ledger:
    """Everything known of one resource, and what of it is shown at a given moment."""

    plan: Plan
    stores: tuple[BucketStore, ...] = ()
    """One for each label group of the plan."""
    coverage: Coverage = field(default_factory=Coverage)
    digests: dict[int, bytes] = field(default_factory=dict)
    must_redecode: bool = False
    """Whether a measure is new, so that every bucket has to be decoded even if its digest is unchanged."""
    last_success: float | None = None
    """Time of the last response that lacked no bucket, or closed ones only: these keep their values. Unix seconds."""
    last_change: float | None = None
    """Time of the last response that changed any value, Unix seconds."""
    revision: int = field(default=0, repr=False, compare=False)
    """Incremented by every response that is taken over."""
    gauges: Gauges = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make a store for every label group of the plan."""
        if not self.stores:
            self.stores = tuple(
                BucketStore(group, self.plan.max_series, self.plan.unexported) for group in self.plan.label_groups
            )
        self.gauges = Gauges(self.plan, self.stores, self.coverage)

    @property
    def identity(self) -> Identity:
        """What the baselines belong to."""
        return Identity.of(self.plan)

    @property
    def series(self) -> int:
        """Label sets that are kept."""
        return sum(len(store.rows) for store in self._exported)

    @property
    def folded(self) -> int:
        """Label sets that are folded into one; with very many of them at least so many."""
        return sum(store.rows.folded_count for store in self._exported)

    @property
    def _exported(self) -> list[BucketStore]:
        unexported = self.plan.unexported
        return [store for store in self.stores if any(each.name not in unexported for each in store.group.measures)]

    @property
    def known(self) -> dict[int, bytes]:
        """Digests of the buckets that need not be decoded again when their bytes are the same."""
        folded = any(store.rows.folded_count for store in self.stores)
        return {} if folded or self.must_redecode else self.digests

    def start_of_poll(self, now: float, *, full: bool) -> int:
        """Return the `start_time` of a poll at `now`, Unix seconds: nothing that was missed is left out."""
        lookback = self.plan.lookback_start(now)
        if not self.coverage.until:
            return lookback
        start = self.plan.refetch_start(now, self.coverage.until)
        return min(start, lookback) if full else start

    def apply(self, result: PollResult) -> ApplyResult:
        """Take over what was polled. Buckets that it lacks stay as they were, and are listed in the audit."""
        self.revision += 1
        audit = self.coverage.audit(self.plan, result)
        lookback = self.plan.lookback_start(result.received)
        full = result.start <= lookback and not audit.missing
        closed = {start for start, read in self.coverage.read.items() if read >= start + self.plan.width_seconds}
        versions = [store.version for store in self.stores]
        revision = Revision()
        for index, store in enumerate(self.stores):
            part = store.apply(result.buckets, index, full=full, closed=closed, at=result.received)
            revision = Revision(revision.up + part.up, revision.down + part.down)
        self.digests |= {bucket.start: bucket.digest for bucket in result.buckets if bucket.digest}
        self.coverage.advance(self.plan, result, audit)
        self.must_redecode = self.must_redecode and not full
        baseline = [
            measure
            for store in self.stores
            if store.cells
            for measure in store.start_counters(full=full, at=result.received)
        ]
        changed = versions != [store.version for store in self.stores]
        if changed or self.last_change is None:
            self.last_change = result.received
        self._expire(min(lookback, int(self.coverage.until)), full=full)
        newest = max((bucket.start for bucket in result.buckets), default=0)
        if not audit.missing or newest >= result.end - self.plan.width_seconds:
            self.last_success = result.received
        return ApplyResult(changed, audit, revision, tuple(baseline))

    def views(self, now: float) -> list[View]:
        """Return what is shown at `now`, Unix seconds, in the order of the table."""
        fresh = self.fresh(now)
        views = []
        for index, store in enumerate(self.stores):
            for position, measure in enumerate(store.group.measures):
                if measure.name in self.plan.unexported:
                    continue
                if fresh:
                    views += self.gauges.views(index, position, now)
                if measure.kind is Kind.FLOW:
                    counter = store.counters[measure.name]
                    views.append(
                        View(
                            measure,
                            store.rows,
                            as_floats(counter.released),
                            counter.shown,
                            counter=True,
                            created=counter.created,
                            immediate=as_floats(counter.committed),
                        )
                    )
        return views

    def next_change(self, now: float) -> float:
        """Return the next moment, Unix seconds, at which time alone changes the gauges."""
        moments = [*self.gauges.next_edge(now)]
        if self.last_success is not None:
            moments.append(self.last_success + self.plan.stale_after)
        return min(moment for moment in moments if moment > now)

    def propose(self, now: float, hold: float) -> list[PendingRelease]:
        """Return what the counters may show at `now` (monotonic seconds); new ones are held for `hold` seconds."""
        proposals = [counter.propose(now, hold) for store in self.stores for counter in store.counters.values()]
        return [proposal for proposal in proposals if proposal]

    def next_release(self, now: float, hold: float) -> float | None:
        """Return when the next counter's hold ends, monotonic seconds."""
        ends = (counter.next_release(now, hold) for store in self.stores for counter in store.counters.values())
        return min((end for end in ends if end is not None), default=None)

    def excess(self) -> dict[str, float]:
        """Return for each flow measure by how much its counters exceed the net total reported since the baseline.

        Negative while increases are held back.
        """
        return {
            name: float(as_floats(np.array([counter.excess], counter.dtype))[0])
            for store in self.stores
            for name, counter in store.counters.items()
        }

    def fresh(self, now: float) -> bool:
        """Return whether the last success is recent enough at `now`, Unix seconds, for gauges to be shown."""
        return self.last_success is not None and now < self.last_success + self.plan.stale_after

    def mark_saved(self) -> None:
        """Note that everything is in the state."""
        for store in self.stores:
            store.mark_saved()

    def mark_unsaved(self) -> None:
        """Note that nothing is in the state."""
        for store in self.stores:
            store.mark_unsaved()

    def _expire(self, lookback: int, *, full: bool) -> None:
        horizon = lookback // self.plan.width_seconds * self.plan.width_seconds
        for store in self.stores:
            store.expire(horizon, full=full)
        self.coverage.expire(horizon)
        self.digests = {start: digest for start, digest in self.digests.items() if start >= horizon}
