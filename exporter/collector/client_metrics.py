"""Records the client's requests in the exporter's own metrics."""

from collections.abc import Callable, Mapping

import structlog

from exporter.collector.poller import Status
from exporter.exposition import DegradedReason
from exporter.openai import UpstreamError
from exporter.telemetry import RejectionReason, Telemetry


class ClientMetrics:
    """The observer of one organization's client."""

    def __init__(self, organization: str, telemetry: Telemetry) -> None:
        self._organization = organization
        self._telemetry = telemetry
        self._log = structlog.get_logger("poll").bind(organization=organization)
        self.statuses: dict[str, Status] = {}
        """Of every job by its name."""
        self.refused: Callable[[], None] = lambda: None
        """Called when all endpoints pause, so that a refusal is exported at once: the retry may be minutes away."""

    def request(self, resource: str) -> None:
        """Count a request."""
        self._telemetry.api_requests.labels(self._organization, resource).inc()

    def error(self, resource: str, error: UpstreamError) -> None:
        """Count an attempt that failed."""
        self._telemetry.api_errors.labels(self._organization, resource, error.reason).inc()
        if error.pauses_organization:
            self._paused(resource, error)

    def fallback_changed(self, resource: str, *, active: bool) -> None:
        """Record whether a resource uses the legacy billing endpoints."""
        if status := self.statuses.get(resource):
            (status.degraded.add if active else status.degraded.discard)(DegradedReason.LEGACY)

    def duration(self, seconds: float) -> None:
        """Observe how long an attempt took."""
        self._telemetry.api_request_duration_seconds.labels(self._organization).observe(seconds)

    def rejected(self, resource: str, rejections: Mapping[RejectionReason, int]) -> None:
        """Count rows, or values of rows, that were not used."""
        for reason, count in rejections.items():
            self._telemetry.rows_rejected.labels(self._organization, resource, reason).inc(count)

    def waited(self, resource: str, seconds: float) -> None:
        """Count the seconds that a request waited in the queue."""
        self._telemetry.throttle_wait_seconds.labels(self._organization, resource).inc(seconds)

    def _paused(self, resource: str, error: UpstreamError) -> None:
        if (refused := self.statuses.get(resource)) and (refused.up or not refused.first_poll_done):
            self._log.warning("organization_paused", resource=resource, error=str(error))
        for name, status in self.statuses.items():
            if name == resource or not status.first_poll_done:
                status.first_poll_done, status.up, status.error, status.advice = True, False, str(error), error.advice
        self.refused()
