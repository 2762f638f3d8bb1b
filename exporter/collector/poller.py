"""Something that is polled again and again, and the loop that does it."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from exporter.clock import Clock
from exporter.collector.schedule import Outcome, Schedule
from exporter.exposition import Family
from exporter.openai import NotFound, Priority, UpstreamError
from exporter.telemetry import Telemetry


@dataclass(slots=True)
class Status:
    """How a job is doing."""

    decided: bool = False
    """Whether a first poll has succeeded or failed."""
    up: bool = False
    supported: bool = True
    error: str = ""
    advice: str = ""
    degraded: set[str] = field(default_factory=set)
    """Reasons, as in the label of `openai_exporter_resource_degraded`."""
    shown_degraded: set[str] = field(default_factory=set)
    """Reasons that have been exported once, and are shown as 0 when they no longer hold."""
    last_success: float | None = None
    """Unix seconds."""
    last_change: float | None = None
    """Unix seconds."""
    interval: float = 0.0
    """Seconds: the pace in force."""


class Job(Protocol):
    """One endpoint, or a few that belong together, of one organization."""

    name: str
    """The value of the label `resource`."""
    interval: float
    """Seconds from start to start."""
    priority: Priority
    status: Status

    @property
    def counts(self) -> bool:
        """Whether `openai_exporter_up` depends on it."""
        ...

    async def poll(self, due: float) -> Outcome:
        """Ask once and apply the answer. `due` is in seconds of monotonic time. Raises UpstreamError."""
        ...


class Source(Protocol):
    """Something beside the ledgers that has families to publish."""

    def families(self, now: float) -> Iterable[Family]:
        """Return them as of `now`, Unix seconds. Called on the thread that owns the ledgers."""
        ...


class Poller:
    """Polls one job for as long as the process lives."""

    def __init__(
        self, organization: str, job: Job, clock: Clock, telemetry: Telemetry, decided: Callable[[], None]
    ) -> None:
        """`decided` is called after every poll, with the job's status brought up to date."""
        self._job, self._clock, self._telemetry, self._decided = job, clock, telemetry, decided
        self._labels = organization, job.name
        self._organization = organization
        self._log = structlog.get_logger("poll").bind(organization=organization, resource=job.name)
        self._told = ""
        """What the last failure had to say, which is not said twice in a row."""
        job.status.interval = job.interval

    async def run(self) -> None:
        """Poll until cancelled."""
        schedule = Schedule(self._job.interval, self._clock.monotonic())
        while True:
            await self._clock.sleep(max(0.0, schedule.due - self._clock.monotonic()))
            outcome = await self.poll(schedule.due)
            jitter = random.random()  # noqa: S311 # spreads retries, keeps no secret
            schedule = schedule.after(outcome, self._clock.monotonic(), jitter)
            self._job.status.interval = schedule.pace
            self._decided()

    async def poll(self, due: float) -> Outcome:
        """Poll once, and bring the status of the job up to date."""
        status = self._job.status
        started = self._clock.monotonic()
        try:
            outcome = await self._job.poll(due)
        except UpstreamError as error:
            outcome = self._fail(error)
        except Exception as error:  # noqa: BLE001 # whatever it is, it must not end the polling of this resource
            self._log.exception("poll failed for a reason of the exporter's own")
            status.up, status.error = False, f"{type(error).__name__}: {error}"
            self._told = status.error
            status.advice = "This is a defect of the exporter: please report it with the log."
            outcome = Outcome.FAILED
        else:
            if self._told:
                self._log.info("poll succeeds again")
            self._told = ""
            status.up, status.error, status.advice, status.supported = True, "", "", True
            status.degraded.discard("unsupported")
            status.last_success = self._clock.now()
        status.decided = True
        self._telemetry.poll_duration_seconds.labels(self._organization).observe(self._clock.monotonic() - started)
        return outcome

    def _fail(self, error: UpstreamError) -> Outcome:
        status = self._job.status
        status.up = False
        status.error, status.advice = str(error), error.advice
        repeated, self._told = self._told == error.message, error.message
        if isinstance(error, NotFound):
            status.supported = False
            status.degraded.add("unsupported")
            self._log.warning("this host does not have the endpoint: it is asked again in a day", error=str(error))
            return Outcome.UNSUPPORTED
        say = self._log.debug if repeated else self._log.warning
        say("poll failed", reason=error.reason, error=str(error), advice=error.advice)
        return Outcome.REFUSED if error.needs_human else Outcome.FAILED
