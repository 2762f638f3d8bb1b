"""One organization: its client, its ledgers, and the jobs that keep them in step."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence

import structlog

from exporter.catalog import Plan, PollResult
from exporter.clock import Clock
from exporter.collector.bucket_job import BucketJob, JobContext, LedgerStore
from exporter.collector.client_metrics import ClientMetrics
from exporter.collector.identity import OrganizationChanged, OrganizationIdentity
from exporter.collector.label_index import LabelIndex, LedgerOwner
from exporter.collector.metadata import Metadata, MetadataPlan
from exporter.collector.metadata_families import MetadataContext
from exporter.collector.name_cache import NameCache
from exporter.collector.poller import FailureLog, Job, Poller, Source
from exporter.collector.reconciliation import ReconciliationJob, reconcilable
from exporter.exposition import DegradedReason, OrganizationReport, ResourceReport
from exporter.openai import BucketSource, Client, MetadataClient, Runner, Throttle
from exporter.store import Name
from exporter.telemetry import Telemetry


class Organization:
    """One organization: its client, its jobs and what they collect."""

    def __init__(
        self,
        name: str,
        plans: Sequence[Plan],
        *,
        client: Client,
        source: BucketSource | None = None,
        throttle: Throttle,
        watch: ClientMetrics,
        clock: Clock,
        telemetry: Telemetry,
        run: Runner,
        store: LedgerStore,
        openai_id: str = "",
        metadata_plan: MetadataPlan | None = None,
        names: Iterable[Name] = (),
        reconciliation_interval: float = 0.0,
        same_organization: Collection[str] = (),
    ) -> None:
        """Take the client and, where buckets do not come from it, their `source`.

        The state remembers `openai_id` (of the header `openai-organization`) and `names`.

        `reconciliation_interval`: seconds, 0 for never; `same_organization`: OpenAI ids of one organization.
        """
        self.name = name
        self._identity = OrganizationIdentity(openai_id, same_organization)
        self._client, self._throttle, self._clock, self._telemetry = client, throttle, clock, telemetry
        self._log = structlog.get_logger("poll").bind(organization=name)
        context = JobContext(name, source or client, watch, clock, telemetry, run, self._admit)
        for plan in plans:
            telemetry.begin(name, plan.resource.name, buckets=True)
        self.bucket_jobs = [BucketJob(plan, context, store) for plan in plans]
        self._shown: list[LedgerOwner] = [*self.bucket_jobs]
        self._memory = NameCache(name, names)
        metadata_plan = metadata_plan or MetadataPlan()
        metadata = Metadata(
            metadata_plan,
            MetadataContext(name, self._memory, LabelIndex(self._shown), metadata_plan.personal_data),
            MetadataClient(client, watch),
            clock,
            run,
            polled_once=self._polled_once,
        )
        reconciliations: list[Job] = [
            ReconciliationJob(job, source or client, clock, run, telemetry, interval=reconciliation_interval)
            for job in self.bucket_jobs
            if reconciliation_interval and reconcilable(job)
        ]
        for job in (*metadata.jobs, *reconciliations):
            telemetry.begin(name, job.name, buckets=False)
        self.jobs: list[Job] = [*self.bucket_jobs, *metadata.jobs, *reconciliations]
        self.sources: list[Source] = metadata.sources
        self._resources: tuple[ResourceReport, ...] | None = None
        """The reports of all jobs, None when one has been polled since."""
        self._watch = watch
        watch.statuses = {job.name: job.status for job in self.jobs}
        self._show()

    @property
    def openai_id(self) -> str:
        """The OpenAI organization that the key belongs to, for the state; empty while unknown."""
        return self._identity.known

    @property
    def ready(self) -> bool:
        """Whether every bucket endpoint has been polled once, with any result; names may come later."""
        return all(job.status.first_poll_done for job in self.jobs if job.affects_up)

    def show(self, owner: LedgerOwner) -> None:
        """Resolve the names of the ids in another ledger as well. Before `run`."""
        self._shown.append(owner)

    async def run(self, polled: Callable[[], None]) -> None:
        """Poll until cancelled; `polled` is called after every poll and every refusal that silences all endpoints."""

        def on_poll() -> None:
            self._show()
            polled()

        self._watch.refused = on_poll
        failures = FailureLog()
        async with asyncio.TaskGroup() as group:
            for job in self.jobs:
                poller = Poller(self.name, job, self._clock, self._telemetry, on_poll, failures=failures)
                group.create_task(poller.run(), name=f"{self.name}/{job.name}")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def names_to_save(self) -> list[Name]:
        """Return what has been learned and is not in the state. Called on the thread that owns the ledgers."""
        return self._memory.unsaved()

    def names_saved(self) -> None:
        """Take note that all of that is in the state."""
        self._memory.saved()

    def report(self) -> OrganizationReport:
        """Return how every job is doing, and the request rate. The publisher adds what the ledgers and sources hold."""
        if self._resources is None:
            self._resources = self._report_resources()
        return OrganizationReport(
            self.name,
            self._resources,
            requests_per_minute=self._throttle.requests_per_minute,
            paused_until=self._throttle.paused_until,
        )

    def refresh(self) -> None:
        """Bring the metrics of the moment up to date: called when they are about to be read."""
        telemetry = self._telemetry
        telemetry.throttle_requests_per_minute.labels(self.name).set(self._throttle.requests_per_minute)
        if (paused_until := self._throttle.paused_until) is not None:
            telemetry.throttle_paused_until_timestamp_seconds.labels(self.name).set(paused_until)
        if self._client.skew is not None:
            telemetry.clock_skew_seconds.labels(self.name).set(self._client.skew)

    def _report_resources(self) -> tuple[ResourceReport, ...]:
        ledgers = {bucket_job.name: bucket_job.ledger for bucket_job in self.bucket_jobs}
        return tuple(
            ResourceReport(
                name=job.name,
                first_poll_done=job.status.first_poll_done,
                up=job.status.up,
                series=ledgers[job.name].series if job.name in ledgers else None,
                interval=job.status.interval,
                last_success=job.status.last_success,
                last_change=job.status.last_change,
                error=job.status.error,
                advice=job.status.advice,
                degraded=tuple(sorted(job.status.degraded)),
            )
            for job in self.jobs
        )

    def _polled_once(self) -> bool:
        return all(bucket_job.status.first_poll_done for bucket_job in self.bucket_jobs)

    def _show(self) -> None:
        self._resources = None
        telemetry = self._telemetry
        telemetry.throttle_paused_until_timestamp_seconds.labels(self.name)
        for job in self.jobs:
            labels, status = (self.name, job.name), job.status
            telemetry.resource_up.labels(*labels).set(status.up)
            telemetry.poll_interval_seconds.labels(*labels).set(status.interval or job.interval)
            for gauge, time in (
                (telemetry.last_success_timestamp_seconds, status.last_success),
                (telemetry.last_change_timestamp_seconds, status.last_change),
            ):
                if time is not None:
                    gauge.labels(*labels).set(time)
            for reason in status.shown_degraded | status.degraded:
                telemetry.resource_degraded.labels(*labels, reason).set(reason in status.degraded)
            status.shown_degraded |= status.degraded
        counted = [job.status for job in self.jobs if job.affects_up and job.status.supported]
        telemetry.up.labels(self.name).set(bool(counted) and all(status.up for status in counted))

    def _admit(self, resource: str, answer: PollResult) -> None:
        before = self._identity.known
        try:
            self._identity.admit(resource, answer.organization)
        except OrganizationChanged:
            for job in self.bucket_jobs:
                job.status.degraded.add(DegradedReason.ORGANIZATION_CHANGED)
            raise
        if self._identity.known != before:
            self._log.info("organization_identified", openai_organization=self._identity.known, before=before)
        if answer.organization:
            for job in self.bucket_jobs:
                job.status.degraded.discard(DegradedReason.ORGANIZATION_CHANGED)
