"""The exporter's own metrics: those that begin with `openai_exporter_`."""

import platform
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

import exporter
from exporter.instruments import Vector

ERROR_REASONS: Final = (
    "auth",
    "forbidden",
    "gateway",
    "rate_limited",
    "server",
    "timeout",
    "network",
    "invalid_response",
    "not_found",
    "bad_request",
)
"""Every value of the label `reason` of `openai_exporter_api_errors_total`."""


class RejectionReason(StrEnum):
    """Every value of the label `reason` of `openai_exporter_rows_rejected_total`."""

    MISSING_VALUE = "missing_value"
    INVALID_VALUE = "invalid_value"
    OUT_OF_RANGE = "out_of_range"
    INVALID_FIELD = "invalid_field"
    INVALID_ROW = "invalid_row"
    INVALID_BUCKET = "invalid_bucket"
    FUTURE_BUCKET = "future_bucket"

    @property
    def meaning(self) -> str:
        """What was wrong in the response, and how it was handled."""
        return _MEANINGS[self]


_MEANINGS: Final = {
    RejectionReason.MISSING_VALUE: "a count or amount is null or absent: that value is unknown",
    RejectionReason.INVALID_VALUE: "a count or amount is not a number: that value is unknown",
    RejectionReason.OUT_OF_RANGE: "a count or amount is too large to be true: that value is unknown",
    RejectionReason.INVALID_FIELD: (
        "an id, name or time has an unexpected type: the field is unknown; a row of usage or costs is ignored"
    ),
    RejectionReason.INVALID_ROW: "a row is not an object, or lacks its id: the row is ignored",
    RejectionReason.INVALID_BUCKET: "a bucket is unreadable or not of the requested width: the bucket is ignored",
    RejectionReason.FUTURE_BUCKET: "a bucket starts after the open one: the bucket is ignored",
}

_REQUEST_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_POLL_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

Instrument: TypeAlias = MetricWrapperBase | Vector


class Telemetry:
    """The instruments, each as `openai_exporter_<attribute>`, in one registry."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._machine = ProcessCollector(registry=self.registry), PlatformCollector(registry=self.registry)
        organization, resource = ("organization",), ("organization", "resource")

        def single(name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
            return Gauge(f"openai_exporter_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str, labels: Iterable[str]) -> Vector:
            return Vector("gauge", f"openai_exporter_{name}", text, labels, self.registry)

        def counter(name: str, text: str, labels: Iterable[str]) -> Vector:
            return Vector("counter", f"openai_exporter_{name}", text, labels, self.registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"openai_exporter_{name}", text, organization, registry=self.registry, buckets=buckets)

        self.build_info = single("build_info", "1, labelled with what is running.", ("version", "pythonversion"))
        self.build_info.labels(exporter.__version__, platform.python_version()).set(1)
        self.up = gauge(
            "up", "1 if the last poll of every enabled, supported endpoint with buckets succeeded.", organization
        )
        self.resource_up = gauge("resource_up", "1 if the last poll succeeded.", resource)
        self.resource_degraded = gauge(
            "resource_degraded", "1 while the resource is exported with something missing.", (*resource, "reason")
        )
        self.last_success_timestamp_seconds = gauge(
            "last_success_timestamp_seconds", "Unix time of the last poll that succeeded.", resource
        )
        self.last_change_timestamp_seconds = gauge(
            "last_change_timestamp_seconds", "Unix time of the last poll that changed any value.", resource
        )
        self.poll_interval_seconds = gauge(
            "poll_interval_seconds", "Seconds between polls, as is now in force.", resource
        )
        self.series = gauge("series", "Label sets kept, each with a series for every measure and view.", resource)
        self.series_folded = gauge("series_folded", "Label sets beyond max_series, summed as `other`.", resource)
        self.accrued_excess = gauge(
            "accrued_excess",
            "Amount by which counters exceed the net reported total since the baseline: positive after downward"
            " revisions, negative while increases are held back.",
            (*resource, "measure"),
        )
        self.reconciliation_difference_usd = gauge(
            "reconciliation_difference_usd",
            "US dollars by which the costs of the look-back, requested without grouping, exceed the exported ones.",
            organization,
        )
        self.throttle_requests_per_minute = gauge(
            "throttle_requests_per_minute", "Requests a minute that are now allowed.", organization
        )
        self.throttle_paused_until_timestamp_seconds = gauge(
            "throttle_paused_until_timestamp_seconds",
            "Unix time until which no request is sent; in the past when none is held back.",
            organization,
        )
        self.clock_skew_seconds = gauge(
            "clock_skew_seconds",
            "Seconds by which this machine's clock is ahead of the last response's Date header; negative if behind.",
            organization,
        )
        self.state_size_bytes = single("state_size_bytes", "Bytes of the state file and its write-ahead log.")
        self.state_writable = single("state_writable", "1 if the last commit of the state succeeded.")
        self.config_last_reload_successful = single(
            "config_last_reload_successful", "1 if the last reload of settings, keys and web configuration succeeded."
        )
        self.config_last_reload_success_timestamp_seconds = single(
            "config_last_reload_success_timestamp_seconds", "Unix time of the last successful reload, or of the start."
        )
        self.publish_duration_seconds = single("publish_duration_seconds", "Seconds that the last publish took.")
        self.api_requests = counter("api_requests", "Requests to the Admin API, retries included.", resource)
        self.api_errors = counter("api_errors", "Requests to the Admin API that failed.", (*resource, "reason"))
        self.rows_rejected = counter(
            "rows_rejected",
            "Rows, or values of rows, in successful responses that were not used.",
            (*resource, "reason"),
        )
        self.revisions = counter(
            "revisions", "Pairs of series and closed bucket that a poll changed.", (*resource, "direction")
        )
        self.throttle_wait_seconds = counter(
            "throttle_wait_seconds", "Seconds that requests waited for the shared rate.", resource
        )
        self.api_request_duration_seconds = histogram(
            "api_request_duration_seconds", "Seconds from sending a request to its complete response.", _REQUEST_SECONDS
        )
        self.poll_duration_seconds = histogram(
            "poll_duration_seconds", "Seconds of a poll, all pages and waits included.", _POLL_SECONDS
        )

    def begin(self, organization: str, resource: str, *, buckets: bool) -> None:
        """Export every counter of a resource at 0, so that its first increase counts; `buckets`: it has revisions."""
        for reason in ERROR_REASONS:
            self.api_errors.labels(organization, resource, reason)
        for rejection in RejectionReason:
            self.rows_rejected.labels(organization, resource, rejection)
        for family in (self.api_requests, self.throttle_wait_seconds, self.resource_up):
            family.labels(organization, resource)
        if buckets:
            for direction in ("up", "down"):
                self.revisions.labels(organization, resource, direction)

    @property
    def families(self) -> tuple[Instrument, ...]:
        """Every instrument, in the order in which it is documented."""
        return tuple(value for value in vars(self).values() if isinstance(value, MetricWrapperBase | Vector))

    @property
    def vectors(self) -> tuple[Vector, ...]:
        """Instruments with a series for every organization, at least."""
        return tuple(family for family in self.families if isinstance(family, Vector))

    @property
    def others(self) -> tuple[Collector, ...]:
        """Every other collector of the registry: process, platform, histograms and metrics of the whole exporter."""
        return (*self._machine, *(family for family in self.families if not isinstance(family, Vector)))
