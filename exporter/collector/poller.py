"""Jobs and the loop that polls them."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from exporter.clock import Clock
from exporter.collector.schedule import Outcome, Schedule
from exporter.exposition import DegradedReason, Family
from exporter.openai import MissingScopes, NetworkError, NotFound, Priority, UpstreamError
from exporter.telemetry import Telemetry

_IN_A_ROW: Final = 3
"""After how many polls a refused key is polled rarely, and an endpoint that never answered counts as unsupported."""


Failure = tuple[str, ...]


@dataclass(slots=True)
class Status:
    """How a job is doing."""

    first_poll_done: bool = False
    """Whether a first poll has succeeded or failed."""
    up: bool = False
    supported: bool = True
    answered: bool = False
    """Whether the endpoint has ever answered."""
    error: str = ""
    advice: str = ""
    degraded: set[DegradedReason] = field(default_factory=set)
    shown_degraded: set[DegradedReason] = field(default_factory=set)
    """Reasons that have been exported once, and are shown as 0 when they no longer hold."""
    last_success: float | None = None
    """Unix seconds."""
    last_change: float | None = None
    """Unix seconds."""
    interval: float = 0.0
    """Seconds between polls now."""


class Job(Protocol):
    """One endpoint, or a few related ones, of one organization."""

    name: str
    """The value of the label `resource`."""
    interval: float
    """Seconds from start to start."""
    priority: Priority
    status: Status

    @property
    def affects_up(self) -> bool:
        """Whether `openai_exporter_up` depends on it."""
        ...

    async def poll(self, due: float) -> Outcome:
        """Poll once and apply the result. `due` is in monotonic seconds. Raises UpstreamError."""
        ...


class Source(Protocol):
    """Something other than the ledgers with families to publish."""

    def families(self, now: float) -> Iterable[Family]:
        """Return them as of `now`, Unix seconds. Called on the thread that owns the ledgers."""
        ...


class FailureLog:
    """The failures that an organization's resources are in. All its pollers share it.

    What has one cause for all resources, such as a refused key, is one failure, logged for the first resource that
    meets it.
    """

    def __init__(self) -> None:
        self._failures: dict[str, Failure] = {}

    def failed(self, resource: str, message: str, *, shared: bool) -> bool:
        """Record why a poll failed, and return whether that is new and has to be logged.

        `shared`: whether the cause is the same for every resource that fails with this message.
        """
        failure = (message,) if shared else (message, resource)
        new = failure not in self._failures.values()
        self._failures[resource] = failure
        return new

    def succeeded(self, resource: str) -> bool:
        """Record a poll that succeeded, and return whether that ends a failure, for all resources that were in it."""
        failure = self._failures.pop(resource, None)
        return failure is not None and failure not in self._failures.values()


class Poller:
    """Polls one job until the process ends."""

    def __init__(
        self,
        organization: str,
        job: Job,
        clock: Clock,
        telemetry: Telemetry,
        on_poll: Callable[[], None],
        *,
        failures: FailureLog | None = None,
    ) -> None:
        """`on_poll` is called after every poll; pollers that share `failures` log a common cause once."""
        self._failures = failures or FailureLog()
        self._job, self._clock, self._telemetry, self._on_poll = job, clock, telemetry, on_poll
        self._labels = organization, job.name
        self._organization = organization
        self._log = structlog.get_logger("poll").bind(organization=organization, resource=job.name)
        self._absences = 0
        """How many polls in a row were answered with 404."""
        self._refusals = 0
        """How many polls in a row failed because of the key or the account."""
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
            self._on_poll()

    async def poll(self, due: float) -> Outcome:
        """Poll once, and update the status of the job."""
        status = self._job.status
        started = self._clock.monotonic()
        try:
            outcome = await self._job.poll(due)
        except UpstreamError as error:
            outcome = self._fail(error)
        except Exception as error:  # noqa: BLE001 # a defect must not end the polling of this resource
            self._log.exception("poll_crashed")
            status.up, status.error = False, f"{type(error).__name__}: {error}"
            self._failures.failed(self._job.name, status.error, shared=False)
            status.advice = "This is a defect of the exporter: please report it with the log."
            outcome = Outcome.FAILED
        else:
            if self._failures.succeeded(self._job.name):
                self._log.info("poll_recovered")
            self._absences, self._refusals = 0, 0
            status.up, status.error, status.advice, status.supported = True, "", "", True
            status.answered = True
            status.degraded.discard(DegradedReason.UNSUPPORTED)
            status.last_success = self._clock.now()
        status.first_poll_done = True
        self._telemetry.poll_duration_seconds.labels(self._organization).observe(self._clock.monotonic() - started)
        return outcome

    def _fail(self, error: UpstreamError) -> Outcome:
        status = self._job.status
        status.up = False
        status.error, status.advice = str(error), error.advice
        shared = error.needs_human or isinstance(error, NetworkError)
        cause = " ".join(error.scopes) if isinstance(error, MissingScopes) else error.message
        new = self._failures.failed(self._job.name, cause, shared=shared)
        self._absences = self._absences + 1 if isinstance(error, NotFound) else 0
        self._refusals = self._refusals + 1 if error.needs_human else 0
        if self._absences >= _IN_A_ROW and not status.answered and self._job.priority is not Priority.COSTS:
            if status.supported:
                self._log.warning("endpoint_unsupported", error=str(error), detail="polled hourly, later daily")
            status.supported = False
            status.degraded.add(DegradedReason.UNSUPPORTED)
            return Outcome.UNSUPPORTED
        log = self._log.warning if new else self._log.debug
        log("poll_failed", reason=error.reason, error=str(error), advice=error.advice)
        return Outcome.REFUSED if self._refusals >= _IN_A_ROW else Outcome.FAILED
