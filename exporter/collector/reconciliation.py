"""Once a day the costs of the look-back, requested without grouping, are compared with the rows that are shown."""

from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from exporter.catalog import QUANTA, ApiFamily, Measure, Plan, PollResult
from exporter.clock import Clock
from exporter.collector.bucket_job import BucketJob
from exporter.collector.poller import Status
from exporter.collector.schedule import Outcome
from exporter.exposition import DegradedReason
from exporter.openai import BucketSource, Priority, Runner
from exporter.telemetry import Telemetry

RECONCILIATION: Final = "reconciliation"

_FRESH: Final = 30.0
"""Seconds for which a full sync of the costs counts as of the same instant as the total."""

_ATTEMPTS: Final = 5
"""Comparisons of one round: while two in a row differ by another amount, costs are still arriving."""


class ReconciliationJob:
    """Compares the total of the costs with the sum over the label sets of the ledger, exactly.

    Late data must not look like a difference: the total is requested right after a full sync of the costs, and a
    difference counts only when the next full sync confirms it to the last digit.
    """

    name = RECONCILIATION
    priority = Priority.LIMITS
    affects_up = False

    def __init__(
        self,
        costs: BucketJob,
        source: BucketSource,
        clock: Clock,
        run: Runner,
        telemetry: Telemetry,
        *,
        interval: float,
    ) -> None:
        """Take the job whose ledger is compared, and seconds between two rounds."""
        self.interval = interval
        self.status = Status()
        self._costs = costs
        self._source, self._clock, self._run, self._telemetry = source, clock, run, telemetry
        self._log = structlog.get_logger("poll").bind(organization=costs.organization, resource=self.name)
        self._compared_at = float("-inf")
        self._attempts = 0
        self._unconfirmed: int | None = None

    async def poll(self, due: float) -> Outcome:
        """Compare, as soon as the costs have been read from end to end. Raises UpstreamError."""
        measure = _costs_of(self._costs)
        now = self._clock.now()
        synced_at = self._costs.synced_at
        if measure is None or DegradedReason.LEGACY in self._costs.status.degraded:
            return Outcome.DATA
        if synced_at is None or synced_at <= self._compared_at or synced_at < now - _FRESH:
            self._costs.request_full_sync()
            return Outcome.WAITING
        ledger = self._costs.ledger
        plan = replace(ledger.plan.regrouped(()), resource=replace(ledger.plan.resource, name=self.name))
        start = ledger.plan.lookback_start(now)
        answer = await self._source.poll(plan, start, due=due, priority=self.priority)
        if DegradedReason.LEGACY in self.status.degraded:
            return Outcome.DATA
        if self._costs.synced_at != synced_at:
            return Outcome.WAITING
        shown = await self._run(partial(ledger.gauges.sums, measure))
        self._compared_at = synced_at
        totals = _totals(plan, answer, measure)
        return self._compare(sum(total - shown.get(start, 0) for start, total in totals.items()))

    def _compare(self, difference: int) -> Outcome:
        self._attempts += 1
        confirmed = difference in {0, self._unconfirmed}
        self._unconfirmed = difference
        if not confirmed and self._attempts < _ATTEMPTS:
            self._costs.request_full_sync()
            return Outcome.WAITING
        if confirmed:
            self._telemetry.reconciliation_difference_usd.labels(self._costs.organization).set(difference / QUANTA)
            if difference:
                self._log.warning(
                    "reconciliation_difference",
                    difference_usd=difference / QUANTA,
                    detail="the total of the costs is not the sum of the exported series",
                )
        else:
            self._log.info("reconciliation_postponed", detail="costs keep changing between two requests")
        self._attempts, self._unconfirmed = 0, None
        return Outcome.DATA


def reconcilable(job: BucketJob) -> bool:
    """Return whether a job's ledger holds costs in US dollars."""
    return job.ledger.plan.resource.branch is ApiFamily.COSTS and _costs_of(job) is not None


def _costs_of(job: BucketJob) -> Measure | None:
    """Return the measure of costs in US dollars, None where it is not exported."""
    measures = job.ledger.plan.measures
    return next((measure for measure in measures if measure.exact and measure.only and not measure.only.negate), None)


def _totals(plan: Plan, answer: PollResult, measure: Measure) -> dict[int, int]:
    """Return the total of each bucket in quanta, by its start (Unix seconds)."""
    index, position = next(
        (index, group.measures.index(measure))
        for index, group in enumerate(plan.label_groups)
        if measure in group.measures
    )
    return {
        bucket.start: sum(int(values[position] or 0) for _, values in bucket.rows[index])
        for bucket in answer.buckets
        if bucket.rows is not None
    }
