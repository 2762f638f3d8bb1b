"""Polls the buckets of one resource into its ledger, and drops dimensions that the API refuses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import structlog

from exporter.catalog import DAY, ApiFamily, Bucket, Plan, PollResult, day_of
from exporter.clock import Clock
from exporter.collector.poller import Status
from exporter.collector.schedule import Outcome
from exporter.exposition import DegradedReason
from exporter.ledger import ApplyResult, Identity, Ledger
from exporter.openai import (
    BadRequest,
    BucketSource,
    MissingBucket,
    Observer,
    Priority,
    Runner,
    UpstreamError,
    negotiate,
)
from exporter.store import Refusal
from exporter.telemetry import Telemetry

_SUSPICIOUS = 2
"""After how many unspecific refusals in a row narrower groupings are tried."""

_PRIORITIES = {ApiFamily.COSTS: Priority.COSTS, ApiFamily.USAGE: Priority.USAGE}


class LedgerStore(Protocol):
    """Where ledgers are kept while the process does not run."""

    def load(self, organization: str, plan: Plan) -> Ledger:
        """Return the saved ledger of a plan, or a new one."""
        ...

    def refusal(self, organization: str, resource: str) -> Refusal:
        """Return what the API last refused to group a resource by."""
        ...


class NoStore:
    """Keeps nothing: every ledger is new."""

    def load(self, organization: str, plan: Plan) -> Ledger:  # noqa: ARG002 # the protocol has them
        """Return a new ledger."""
        return Ledger(plan)

    def refusal(self, organization: str, resource: str) -> Refusal:  # noqa: ARG002 # the protocol has them
        """Return that nothing was refused."""
        return Refusal()


@dataclass(frozen=True, slots=True)
class JobContext:
    """What the bucket jobs of one organization share."""

    organization: str
    source: BucketSource
    observer: Observer
    clock: Clock
    telemetry: Telemetry
    run: Runner
    """Does work on the thread that owns the ledgers."""
    admit: Callable[[str, PollResult], None]
    """Raises UpstreamError when a result belongs to another organization."""


class BucketJob:
    """Keeps one ledger up to date with what OpenAI reports."""

    affects_up = True

    def __init__(self, plan: Plan, context: JobContext, store: LedgerStore) -> None:
        """Load the ledger, grouped by what the API last accepted of the plan's dimensions."""
        self.organization = context.organization
        self.name = plan.resource.name
        self.interval = plan.interval
        self.priority = _PRIORITIES[plan.resource.branch]
        self.status = Status()
        self._configured_plan = plan
        self._context = context
        self._log = structlog.get_logger("poll").bind(organization=context.organization, resource=self.name)
        self._synced_day: int | None = None
        self.synced_at: float | None = None
        """Unix seconds of the last poll that read the whole look-back."""
        self._bad_requests = 0
        """How many polls in a row were answered with 400."""
        self.refusal = store.refusal(context.organization, self.name)
        if not set(self.refusal.dimensions) <= set(plan.group_by):
            self.refusal = Refusal()
        self.ledger = store.load(context.organization, _without(plan, self.refusal.dimensions))
        self.unsaved = False
        """Whether the ledger has changed since it was last saved."""
        self._report()

    async def poll(self, due: float) -> Outcome:
        """Request everything that may have changed, and apply it."""
        now = self._context.clock.now()
        retried = bool(self.refusal.dimensions) and now >= self.refusal.at + DAY
        plan, result = await self._negotiate(
            self._configured_plan if retried else self.ledger.plan, now, due, retried=retried
        )
        result = _with_open_day(plan, result, self.ledger.digests)
        self.status.answered = True
        try:
            self._context.admit(self.name, result)
        except UpstreamError as refused:
            self._context.observer.error(self.name, refused)
            raise
        applied = await self._context.run(lambda: self._apply(plan, result, now if retried else None))
        self._report_result(applied)
        if applied.audit.missing or result.unreadable:
            error = MissingBucket(
                f"{len(applied.audit.missing)} of the requested buckets are missing, {result.unreadable} unreadable"
            )
            self._context.observer.error(self.name, error)
            raise error
        if result.start <= plan.lookback_start(result.received):
            self._synced_day, self.synced_at = day_of(now), result.received
        return Outcome.DATA if self.ledger.series else Outcome.EMPTY

    def request_full_sync(self) -> None:
        """Have the next poll read the whole look-back."""
        self._synced_day = None

    async def _negotiate(self, plan: Plan, now: float, due: float, *, retried: bool) -> tuple[Plan, PollResult]:
        async def poll(plan: Plan) -> PollResult:
            start, decode_all = await self._context.run(partial(self._poll_start, plan, now))
            return await self._context.source.poll(
                plan, start, due=due, priority=self.priority, known=self.ledger.digests, decode_all=decode_all
            )

        suspicious = retried or self._bad_requests >= _SUSPICIOUS
        try:
            answered, result, refused = await negotiate(plan, poll, suspicious=suspicious)
        except BadRequest:
            self._bad_requests += 1
            raise
        except UpstreamError:
            self._bad_requests = 0
            raise
        self._bad_requests = 0
        if refused:
            self._log.warning(
                "grouping_refused",
                group_by=self._configured_plan.group_by,
                answered=answered.group_by,
                error=str(refused),
                detail="the refused labels are dropped, and requested again in a day",
            )
        return answered, result

    def _poll_start(self, plan: Plan, now: float) -> tuple[int, bool]:
        """Return where a poll has to start, Unix seconds, and whether all buckets have to be decoded."""
        if Identity.of(plan) != self.ledger.identity:
            return plan.lookback_start(now), True
        full = self._synced_day != day_of(now)
        return self.ledger.start_of_poll(now, full=full), not self.ledger.known

    def _apply(self, plan: Plan, result: PollResult, retried: float | None) -> ApplyResult:
        regrouped = Identity.of(plan) != self.ledger.identity
        if regrouped or result.resets_counters:
            self.ledger = Ledger(plan)
        if regrouped or retried:
            refused = tuple(name for name in self._configured_plan.group_by if name not in plan.group_by)
            self.refusal = Refusal(refused, result.received)
        applied = self.ledger.apply(result)
        self.unsaved = True
        self._report()
        return applied

    def _report(self) -> None:
        ledger, labels = self.ledger, (self.organization, self.name)
        telemetry = self._context.telemetry
        telemetry.series.labels(*labels).set(ledger.series)
        telemetry.series_folded.labels(*labels).set(ledger.folded)
        self.status.answered |= ledger.last_success is not None
        self.status.last_success, self.status.last_change = ledger.last_success, ledger.last_change
        gap = ledger.coverage.gap_until
        lookback = ledger.plan.lookback_start(self._context.clock.now())
        for reason, present in (
            (DegradedReason.GAP, gap > lookback),
            (DegradedReason.GROUP_BY_REFUSED, bool(self.refusal.dimensions)),
        ):
            (self.status.degraded.add if present else self.status.degraded.discard)(reason)

    def _report_result(self, applied: ApplyResult) -> None:
        labels = self.organization, self.name
        revisions = self._context.telemetry.revisions
        revisions.labels(*labels, "up").inc(applied.revision.up)
        revisions.labels(*labels, "down").inc(applied.revision.down)
        if applied.baseline:
            self._log.info("counter_baseline_set", measures=[measure.name for measure in applied.baseline])
        if applied.audit.gap:
            self._log.error(
                "data_gap_detected", span=applied.audit.gap, detail="it was never read, and OpenAI no longer serves it"
            )


def _with_open_day(plan: Plan, result: PollResult, digests: Mapping[int, bytes]) -> PollResult:
    """Return the result with an empty bucket for the open day if only that one is missing, and was never there.

    The API may open a day late; the day is then known to have nothing yet. `digests` are those of answered buckets.
    """
    width = plan.width_seconds
    today = result.end - width
    held = {bucket.start for bucket in result.buckets}
    closed = set(range(min(held, default=result.start), today, width))
    if width != DAY or result.unreadable or today in held or today in digests or not closed <= held:
        return result
    empty = Bucket(today, int(result.received), tuple(() for _ in plan.label_groups))
    return replace(result, buckets=(*result.buckets, empty))


def _without(plan: Plan, dimensions: tuple[str, ...]) -> Plan:
    return plan.regrouped(tuple(dimension for dimension in plan.group_by if dimension not in dimensions))
