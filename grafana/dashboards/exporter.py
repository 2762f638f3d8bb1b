"""Exporter: whether the data is correct and current, and what the exporter needs for it."""

from typing import Final

from grafana.dashboards import annotations, internals, variables
from grafana.dashboards.guide import getting_started
from grafana.dashboards.internals import BUILD, NONE, NOTHING, RATES, own
from grafana.dashboards.layout import Dashboard, Row
from grafana.dashboards.model import (
    BAD_FROM_ONE,
    BAD_YES,
    COUNT,
    ENDPOINT,
    GOOD_YES,
    PLAIN,
    RELOADED,
    SECONDS,
    UP,
    Column,
    PanelText,
    Query,
    Size,
    TableSpec,
)
from grafana.dashboards.panels import stat, state_timeline, table, timeseries
from grafana.dashboards.promql import by, growth, owned

_NOT_SCRAPED: Final = "not scraped"
_NUMBER: Final = Size(6, 3)
_SKEW: Final = ((None, "green"), (10.0, "orange"), (60.0, "red"))
_INTERVALS: Final = ((None, "green"), (3.0, "orange"), (10.0, "red"))


def _age(metric: str) -> str:
    return f"time() - min by (organization, resource) ({metric})"


def _now() -> Row:
    behind = (
        f"max by (organization) (({_age(own('last_success_timestamp_seconds'))}) / on (organization, resource) "
        f"max by (organization, resource) ({own('poll_interval_seconds')}))"
    )
    paused = f"clamp_min(max({own('throttle_paused_until_timestamp_seconds', resource=False)}) - time(), 0)"
    return Row(
        "Now",
        [
            stat(
                PanelText(
                    "Up",
                    "Whether the last poll of every enabled and supported usage and cost endpoint succeeded.",
                    _NOT_SCRAPED,
                ),
                Query(f"min by (organization) ({own('up', resource=False)})", "{{organization}}"),
                unit=PLAIN,
                size=_NUMBER,
                mappings=UP,
            ),
            stat(
                PanelText(
                    "Furthest behind",
                    "Time since the last successful poll in poll intervals, of the endpoint that is furthest behind: "
                    "up to 1 is on time, more than 3 is late.",
                    "not read yet",
                ),
                Query(behind, "{{organization}}"),
                unit=COUNT,
                size=_NUMBER,
                thresholds=_INTERVALS,
                decimals=1,
            ),
            stat(
                PanelText(
                    "Errors in range",
                    "Requests to the Admin API that failed, including those whose retry succeeded.",
                    _NOT_SCRAPED,
                ),
                by("", growth(own("api_errors_total"))),
                unit=COUNT,
                size=_NUMBER,
                thresholds=BAD_FROM_ONE,
                decimals=0,
            ),
            stat(
                PanelText("Degraded endpoints", "Endpoints that are exported incompletely.", _NOT_SCRAPED),
                f"sum(max by (organization, resource) ({own('resource_degraded')})) or 0 * max({BUILD})",
                unit=COUNT,
                size=_NUMBER,
                thresholds=BAD_FROM_ONE,
                decimals=0,
            ),
            stat(
                PanelText("Paused for", "Time until requests resume, after OpenAI asked to wait.", _NOT_SCRAPED),
                paused,
                unit=SECONDS,
                size=_NUMBER,
                thresholds=((None, "green"), (1.0, "orange"), (300.0, "red")),
                decimals=0,
            ),
            stat(
                PanelText(
                    "State writable",
                    "Whether the state file can be written. If not, counters do not rise, and lose their values at a "
                    "restart.",
                    _NOT_SCRAPED,
                ),
                "min(openai_exporter_state_writable)",
                unit=PLAIN,
                size=_NUMBER,
                mappings=GOOD_YES,
            ),
            stat(
                PanelText(
                    "Last reload",
                    "Whether the last reload of settings, keys and web configuration succeeded.",
                    _NOT_SCRAPED,
                ),
                "min(openai_exporter_config_last_reload_successful)",
                unit=PLAIN,
                size=_NUMBER,
                mappings=RELOADED,
            ),
            stat(
                PanelText(
                    "Clock skew",
                    "Seconds by which the exporter's clock differs from OpenAI's, of the organization where it differs "
                    "most.",
                    "not read yet",
                ),
                f"max(abs({own('clock_skew_seconds', resource=False)}))",
                unit=SECONDS,
                size=_NUMBER,
                thresholds=_SKEW,
            ),
        ],
    )


def _freshness() -> Row:
    labels = "organization, resource"
    return Row(
        "Freshness",
        [
            table(
                PanelText(
                    "Endpoints",
                    "A change is a poll that returned any new value: when changes stop while polls succeed, OpenAI is "
                    "late.",
                    NOTHING,
                ),
                TableSpec(
                    {"resource": "Endpoint", "organization": "Organization"},
                    [
                        Column("Up", f"min by ({labels}) ({own('resource_up')})", PLAIN, mappings=UP),
                        Column("Since success", _age(own("last_success_timestamp_seconds")), SECONDS),
                        Column("Since change", _age(own("last_change_timestamp_seconds")), SECONDS),
                        Column("Interval", f"max by ({labels}) ({own('poll_interval_seconds')})", SECONDS),
                        Column("Series", f"max by ({labels}) ({own('series')})", COUNT),
                        Column("Folded into other", f"max by ({labels}) ({own('series_folded')})", COUNT, BAD_FROM_ONE),
                        Column("Requests in range", by(labels, growth(own("api_requests_total"))), COUNT),
                        Column("Errors in range", by(labels, growth(own("api_errors_total"))), COUNT, BAD_FROM_ONE),
                    ],
                    sort="Since success",
                ),
                size=Size(24, 12),
            ),
            timeseries(
                PanelText(
                    "Since the last success", "By endpoint. On time while it stays below the poll interval.", NOTHING
                ),
                Query(owned(_age(own("last_success_timestamp_seconds"))), ENDPOINT),
                unit=SECONDS,
                size=Size(12, 9),
            ),
            timeseries(
                PanelText(
                    "Since the last change",
                    "By endpoint: time since OpenAI reported anything new. It also rises while nothing is used.",
                    NOTHING,
                ),
                Query(owned(_age(own("last_change_timestamp_seconds"))), ENDPOINT),
                unit=SECONDS,
                size=Size(12, 9),
            ),
        ],
    )


def _errors() -> Row:
    missing = f'(label_replace(vector(0), "resource", "{NOTHING}", "", "") unless on () max({BUILD}))'
    return Row(
        "Errors",
        [
            timeseries(
                PanelText("Errors by reason", "Failed requests to the Admin API per minute.", NONE),
                Query(by("reason", f"rate({own('api_errors_total')}[$__rate_interval])") + " * 60 > 0", "{{reason}}"),
                unit=COUNT,
                size=Size(12, 8),
                interval=RATES,
            ),
            table(
                PanelText(
                    "Degraded",
                    "Endpoints that are exported incompletely, and why: `gap` is a time span that was never read, "
                    "`group_by_refused` a label that OpenAI refused, `unsupported` an endpoint that this host "
                    "does not have, `organization_changed` a key of another organization.",
                    NONE,
                ),
                TableSpec(
                    {"resource": "Endpoint", "reason": "Reason", "organization": "Organization"},
                    [
                        Column(
                            "Now",
                            f"max by (organization, resource, reason) ({own('resource_degraded')}) > 0",
                            PLAIN,
                            mappings=BAD_YES,
                        )
                    ],
                    sort="Endpoint",
                ),
                size=Size(12, 8),
            ),
            state_timeline(
                PanelText(
                    "Up over time",
                    "By endpoint, including those of names and limits: whether the last poll succeeded.",
                    NOTHING,
                ),
                Query(owned(f"min by (organization, resource) ({own('resource_up')}) or {missing}"), ENDPOINT),
                size=Size(24, 10),
                mappings=UP,
            ),
        ],
    )


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        "openai-exporter",
        "OpenAI / Exporter",
        "Whether the data is correct and current, and what the exporter needs for it.",
        [variables.source(), variables.organization(), variables.resource()],
        [
            getting_started(),
            _now(),
            _freshness(),
            _errors(),
            internals.budget(),
            internals.exactness(),
            internals.process(),
            internals.credentials(),
        ],
        since="now-6h",
        annotations=[annotations.ALERTS, annotations.RESTARTS],
    )
