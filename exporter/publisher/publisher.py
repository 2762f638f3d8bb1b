"""Makes snapshots from ledgers and the time, in the order propose, commit, adopt, encode."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from exporter.clock import Clock, Moment, moment
from exporter.collector import Organization
from exporter.estimate import Estimator, of_columns
from exporter.exposition import (
    Column,
    Encoder,
    Family,
    Format,
    OrganizationReport,
    Snapshot,
    columns_of,
    merge,
    of_measures,
)
from exporter.publisher.commit import CommitCoordinator, TrackedLedger
from exporter.publisher.summary import Summary
from exporter.store import Store
from exporter.telemetry import Telemetry
from exporter.worker import Worker

_GAP: Final = 1.0
"""Minimum seconds between two publishes, unless time alone changes what is shown before."""

_SHARE: Final = 0.25
"""The most of the time that publishing takes where one publish is long: then publishes are further apart."""

_LONGEST_REST: Final = 15.0
"""Maximum seconds between the end of a publish and the next one while polls end: one slow publish delays no data."""

_CLOCK_CHECK: Final = 60.0
"""Seconds after which the calendar is checked again, in case the clock was set forward."""


class Publisher:
    """Makes a snapshot after polls, and when time alone changes one."""

    def __init__(
        self,
        organizations: Sequence[Organization],
        *,
        store: Store | None,
        worker: Worker,
        clock: Clock,
        telemetry: Telemetry,
        new_counter_hold: float,
        estimators: Sequence[Estimator] = (),
        created_series: bool = True,
    ) -> None:
        """`new_counter_hold` (seconds): how long a newly shown counter stays at its committed value.

        `estimators` are those of the organizations that have an estimate of costs; `created_series` gives OpenMetrics
        the `_created` sample of every counter.
        """
        self._organizations = organizations
        self._estimators = {estimator.organization: estimator for estimator in estimators}
        self._store, self._worker, self._clock, self._telemetry = store, worker, clock, telemetry
        self._encoder = Encoder(created_samples=created_series)
        self._coordinator = CommitCoordinator(store, new_counter_hold)
        self._columns: dict[tuple[str, str], list[tuple[str, Column]]] = {}
        self._excess: dict[tuple[str, str], dict[str, float]] = {}
        """By organization and resource, for the snapshot being made: it and its counters have to agree."""
        self._summaries = {organization.name: Summary() for organization in organizations}
        self._formats = [Format.TEXT]
        self._families: list[Family] = []
        """Of the last snapshot."""
        self._encoding = asyncio.Lock()
        self._wake = asyncio.Event()
        self.snapshot = Snapshot()

    def notify(self) -> None:
        """Note that a poll has ended: its result is published within a second."""
        self._wake.set()

    async def want(self, format_: Format) -> None:
        """Publish a format from now on, and return when the snapshot has it.

        A format that no scraper requests costs nothing.
        """
        async with self._encoding:
            if format_ not in self._formats:
                self._formats.append(format_)
            if self.snapshot.bodies and format_ not in self.snapshot.bodies:
                bodies = await self._worker.run(lambda: self._encoder.encode(self._families, tuple(self._formats)))
                self.snapshot = replace(self.snapshot, bodies=bodies)

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            started = self._clock.monotonic()
            await self.publish()
            ended = self._clock.monotonic()
            took = ended - started
            rest = min(max(_GAP, took / _SHARE) - took, _LONGEST_REST)
            await self._clock.sleep(max(min(rest, self._until_change()), 0.0))
            while not await self._wait():
                pass

    async def publish(self) -> None:
        """Make one snapshot and replace the last one with it."""
        self._wake.clear()
        started = self._clock.monotonic()
        reports = [organization.report() for organization in self._organizations]
        ready = all(organization.ready for organization in self._organizations)
        self.snapshot = await self._worker.run(lambda: self._make(moment(self._clock), reports, ready=ready))
        if self._coordinator.pending:
            self._wake.set()
        for names, excess in self._excess.items():
            for measure, value in excess.items():
                self._telemetry.accrued_excess.labels(*names, measure).set(value)
        self._telemetry.publish_duration_seconds.set(self._clock.monotonic() - started)

    async def _wait(self) -> bool:
        """Wait until there is something to publish, or for a minute; return whether there is."""
        woken = asyncio.ensure_future(self._wake.wait())
        until_change = self._until_change()
        due = asyncio.ensure_future(self._clock.sleep(max(min(until_change, _CLOCK_CHECK), 0.0)))
        try:
            await asyncio.wait((woken, due), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            due.cancel()
        return self._wake.is_set() or self._until_change() <= 0

    def _until_change(self) -> float:
        return self._coordinator.until_change(moment(self._clock))

    def _make(self, at: Moment, reports: Sequence[OrganizationReport], *, ready: bool) -> Snapshot:
        for organization in self._organizations:
            if organization.ready and (estimator := self._estimators.get(organization.name)):
                estimator.update(at.now)
        self._commit(at)
        self._excess = {}
        changed: dict[str, set[str]] = {organization.name: set() for organization in self._organizations}

        def shown(tracked: TrackedLedger) -> list[tuple[str, Column]]:
            columns, moved = self._columns_of(tracked, at)
            if moved:
                changed[tracked.organization].add(tracked.name)
            return columns

        families = of_measures(
            column
            for organization in self._organizations
            for bucket_job in organization.bucket_jobs
            for column in shown(bucket_job)
        )
        families += of_columns(column for each in self._estimators.values() for column in shown(each))
        estimated = {name: list(each.families(at.now)) for name, each in self._estimators.items()}
        described = {
            organization.name: [family for source in organization.sources for family in source.families(at.now)]
            for organization in self._organizations
        }
        families += merge(family for each in estimated.values() for family in each)
        families += merge(family for each in described.values() for family in each)
        self._families = families
        complete = tuple(
            self._summaries[organization.name].complete(
                report,
                [bucket_job.ledger for bucket_job in organization.bucket_jobs],
                estimator.ledger if (estimator := self._estimators.get(organization.name)) else None,
                [*described[organization.name], *estimated.get(organization.name, ())],
                at.now,
                changed=changed[organization.name],
            )
            for organization, report in zip(self._organizations, reports, strict=True)
        )
        return Snapshot(
            self._encoder.encode(families, tuple(self._formats)),
            complete,
            state_writable=self._store is None or self._coordinator.writable,
            published=at.now,
            ready=ready and not self._coordinator.first_pending,
        )

    def _columns_of(self, tracked: TrackedLedger, at: Moment) -> tuple[list[tuple[str, Column]], bool]:
        """Return the exported columns of a ledger, and whether they differ from the last ones."""
        shown, changed = self._coordinator.views(tracked, at)
        key = tracked.organization, tracked.name
        if changed:
            self._columns[key] = columns_of(tracked.organization, shown)
            self._excess[key] = tracked.ledger.excess()
        return self._columns[key], changed

    def _commit(self, at: Moment) -> None:
        tracked_ledgers: list[TrackedLedger] = [
            bucket_job for organization in self._organizations for bucket_job in organization.bucket_jobs
        ]
        tracked_ledgers += self._estimators.values()
        openai_ids = {organization.name: organization.openai_id for organization in self._organizations}
        names = [name for organization in self._organizations for name in organization.names_to_save()]
        if self._coordinator.commit(tracked_ledgers, openai_ids, at, names):
            for organization in self._organizations:
                organization.names_saved()
        self._telemetry.state_writable.set(self._coordinator.writable)
        if self._store:
            self._telemetry.state_size_bytes.set(self._store.size)
