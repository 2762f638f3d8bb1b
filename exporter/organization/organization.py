"""One organization: its client, its ledgers, and the jobs that keep them in step."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from exporter.catalog import Answer, Plan
from exporter.clock import Clock
from exporter.exposition import OrganizationReport, ResourceReport
from exporter.organization.annex import Annex, AnnexPlan
from exporter.organization.annex_jobs import AnnexSurroundings
from exporter.organization.job import Job, Poller, Source
from exporter.organization.known_names import KnownNames
from exporter.organization.mirror import Mirror, Shelf, Surroundings
from exporter.organization.shown_ids import ShownIds
from exporter.organization.watch import Watch
from exporter.store import Name
from exporter.telemetry import Telemetry
from exporter.upstream import Client, Forbidden, Runner, Throttle


class OrganizationChanged(Forbidden):  # named as its base is
    """The key belongs to another organization than the one that the state mirrors."""

    remedy = (
        "Give the key of the organization that this state belongs to; "
        "for another organization use another name, or another state.path."
    )


class Organization:
    """Everything about one organization that lives as long as the process."""

    def __init__(
        self,
        name: str,
        plans: Sequence[Plan],
        *,
        client: Client,
        throttle: Throttle,
        watch: Watch,
        clock: Clock,
        telemetry: Telemetry,
        run: Runner,
        shelf: Shelf,
        openai_id: str = "",
        annex_plan: AnnexPlan | None = None,
        names: Iterable[Name] = (),
    ) -> None:
        """`openai_id` and `names` are what the state remembers: of the header `openai-organization`, and of names."""
        self.name = name
        self.openai_id = openai_id
        self._client, self._throttle, self._clock, self._telemetry = client, throttle, clock, telemetry
        self._log = structlog.get_logger("poll").bind(organization=name)
        around = Surroundings(name, client, watch, clock, telemetry, run, self._admit)
        for plan in plans:
            telemetry.begin(name, plan.resource.name, buckets=True)
        self.mirrors = [Mirror(plan, around, shelf) for plan in plans]
        self._memory = KnownNames(name, names)
        annex_plan = annex_plan or AnnexPlan()
        shown = ShownIds(self.mirrors)
        beside = AnnexSurroundings(
            name, client, watch, clock, run, self._memory, shown, annex_plan.personal_data, self._settled
        )
        annex = Annex(annex_plan, beside)
        for job in annex.jobs:
            telemetry.begin(name, job.name, buckets=False)
        self.jobs: list[Job] = [*self.mirrors, *annex.jobs]
        self.sources: list[Source] = annex.sources
        self._watch = watch
        watch.statuses = {job.name: job.status for job in self.jobs}
        self._show()

    @property
    def ready(self) -> bool:
        """Whether everything with buckets has been polled once, with whatever result: names may come later."""
        return all(job.status.decided for job in self.jobs if job.counts)

    async def run(self, polled: Callable[[], None]) -> None:
        """Poll until cancelled; `polled` is called after every poll and every refusal that silences all endpoints."""

        def decided() -> None:
            self._show()
            polled()

        self._watch.refused = decided
        async with asyncio.TaskGroup() as group:
            for job in self.jobs:
                poller = Poller(self.name, job, self._clock, self._telemetry, decided)
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
        """Return how every job is doing, and the request rate. What was spent is not known here."""
        ledgers = {mirror.name: mirror.ledger for mirror in self.mirrors}
        return OrganizationReport(
            self.name,
            tuple(
                ResourceReport(
                    name=job.name,
                    decided=job.status.decided,
                    up=job.status.up,
                    series=ledgers[job.name].series if job.name in ledgers else 0,
                    interval=job.status.interval,
                    last_success=job.status.last_success,
                    last_change=job.status.last_change,
                    error=job.status.error,
                    advice=job.status.advice,
                    degraded=tuple(sorted(job.status.degraded)),
                )
                for job in self.jobs
            ),
            requests_per_minute=self._throttle.requests_per_minute,
            paused_until=self._throttle.paused_until,
        )

    def refresh(self) -> None:
        """Bring the metrics of the moment up to date: called when they are about to be read."""
        telemetry = self._telemetry
        telemetry.throttle_requests_per_minute.labels(self.name).set(self._throttle.requests_per_minute)
        if (paused_until := self._throttle.paused_until) is not None:
            telemetry.throttle_paused_until_timestamp_seconds.labels(self.name).set(paused_until)

    def _settled(self) -> bool:
        return all(mirror.status.decided for mirror in self.mirrors)

    def _show(self) -> None:
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
        counted = [job.status for job in self.jobs if job.counts and job.status.supported]
        telemetry.up.labels(self.name).set(bool(counted) and all(status.up for status in counted))

    def _admit(self, answer: Answer) -> None:
        if not answer.organization:
            return
        if self.openai_id and answer.organization != self.openai_id:
            for job in self.mirrors:
                job.status.degraded.add("organization_changed")
            raise OrganizationChanged(
                f"the key belongs to {answer.organization}, but the state mirrors {self.openai_id}: nothing is applied"
            )
        if not self.openai_id:
            self._log.info("mirrors an OpenAI organization", openai_organization=answer.organization)
        self.openai_id = answer.organization
        for job in self.mirrors:
            job.status.degraded.discard("organization_changed")
