"""Exporter: is the data right and fresh, and what does getting it take."""

from typing import Final

from grafana.dashboards import effort, variables
from grafana.dashboards.board import Board, Row
from grafana.dashboards.effort import BUILD, NOTHING, QUIET, RATES, own
from grafana.dashboards.panels import figure, lines, sheet, states
from grafana.dashboards.promql import by, growth, owned
from grafana.dashboards.vocabulary import (
    BAD_FROM_ONE,
    BAD_YES,
    COUNT,
    ENDPOINT,
    GOOD_YES,
    PLAIN,
    SECONDS,
    UP,
    Column,
    Query,
    Sheet,
    Size,
    Words,
)

_SILENT: Final = "not scraped"
_NUMBER: Final = Size(4, 4)
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
            figure(
                Words(
                    "Up",
                    "Whether the last poll of every enabled, supported endpoint with buckets succeeded; names and "
                    "limits do not count.",
                    _SILENT,
                ),
                Query(f"min by (organization) ({own('up', resource=False)})", "{{organization}}"),
                unit=PLAIN,
                size=_NUMBER,
                meanings=UP,
            ),
            figure(
                Words(
                    "Furthest behind",
                    "Time since the last successful poll, in intervals of the endpoint that is furthest behind: up to "
                    "1 is on time, more than 3 is late.",
                    "not read yet",
                ),
                Query(behind, "{{organization}}"),
                unit=COUNT,
                size=_NUMBER,
                steps=_INTERVALS,
                decimals=1,
            ),
            figure(
                Words(
                    "Errors in range",
                    "Requests to the Admin API that failed, retries that succeeded later included.",
                    _SILENT,
                ),
                by("", growth(own("api_errors_total"))),
                unit=COUNT,
                size=_NUMBER,
                steps=BAD_FROM_ONE,
                decimals=0,
            ),
            figure(
                Words("Degraded endpoints", "Endpoints that are exported with something missing.", _SILENT),
                f"sum(max by (organization, resource) ({own('resource_degraded')})) or 0 * max({BUILD})",
                unit=COUNT,
                size=_NUMBER,
                steps=BAD_FROM_ONE,
                decimals=0,
            ),
            figure(
                Words("Paused for", "How much longer no request is sent, because OpenAI said so.", _SILENT),
                paused,
                unit=SECONDS,
                size=_NUMBER,
                steps=((None, "green"), (1.0, "orange"), (300.0, "red")),
                decimals=0,
            ),
            figure(
                Words(
                    "State is written",
                    "Whether the state file can be written. If not, counters stand still, and begin at 0 after a "
                    "restart.",
                    _SILENT,
                ),
                "min(openai_exporter_state_writable)",
                unit=PLAIN,
                size=_NUMBER,
                meanings=GOOD_YES,
            ),
        ],
    )


def _freshness() -> Row:
    labels = "organization, resource"
    return Row(
        "Freshness",
        [
            sheet(
                Words(
                    "Endpoints",
                    "How each endpoint is doing. A change is a poll that brought any new figure: when it lags while "
                    "polls succeed, OpenAI itself is late.",
                    NOTHING,
                ),
                Sheet(
                    {"resource": "Endpoint", "organization": "Organization"},
                    [
                        Column("Up", f"min by ({labels}) ({own('resource_up')})", PLAIN, meanings=UP),
                        Column("Since last success", _age(own("last_success_timestamp_seconds")), SECONDS),
                        Column("Since last change", _age(own("last_change_timestamp_seconds")), SECONDS),
                        Column("Interval", f"max by ({labels}) ({own('poll_interval_seconds')})", SECONDS),
                        Column("Series", f"max by ({labels}) ({own('series')})", COUNT),
                        Column("Folded into one", f"max by ({labels}) ({own('series_folded')})", COUNT, BAD_FROM_ONE),
                        Column("Requests in range", by(labels, growth(own("api_requests_total"))), COUNT),
                        Column("Errors in range", by(labels, growth(own("api_errors_total"))), COUNT, BAD_FROM_ONE),
                    ],
                    sort="Since last success",
                ),
                size=Size(24, 12),
            ),
            lines(
                Words(
                    "Since the last success", "By endpoint: a saw that stays below its interval is on time.", NOTHING
                ),
                Query(owned(_age(own("last_success_timestamp_seconds"))), ENDPOINT),
                unit=SECONDS,
                size=Size(12, 9),
            ),
            lines(
                Words(
                    "Since the last change",
                    "By endpoint: how long OpenAI has reported nothing new. Nights and week-ends are seen here too.",
                    NOTHING,
                ),
                Query(owned(_age(own("last_change_timestamp_seconds"))), ENDPOINT),
                unit=SECONDS,
                size=Size(12, 9),
            ),
        ],
    )


def _trouble() -> Row:
    missing = f'(label_replace(vector(0), "resource", "{NOTHING}", "", "") unless on () max({BUILD}))'
    return Row(
        "Trouble",
        [
            lines(
                Words("Errors by reason", "Failed requests to the Admin API per minute.", QUIET),
                Query(by("reason", f"rate({own('api_errors_total')}[$__rate_interval])") + " * 60 > 0", "{{reason}}"),
                unit=COUNT,
                size=Size(12, 8),
                interval=RATES,
            ),
            sheet(
                Words(
                    "Degraded",
                    "Endpoints that are exported with something missing, and why: `gap` is a span that was never read, "
                    "`group_by_refused` a label that OpenAI would not give, `unsupported` an endpoint that this host "
                    "does not have, `organization_changed` a key of another organization.",
                    QUIET,
                ),
                Sheet(
                    {"resource": "Endpoint", "reason": "Reason", "organization": "Organization"},
                    [
                        Column(
                            "Now",
                            f"max by (organization, resource, reason) ({own('resource_degraded')}) > 0",
                            PLAIN,
                            meanings=BAD_YES,
                        )
                    ],
                    sort="Endpoint",
                ),
                size=Size(12, 8),
            ),
            states(
                Words(
                    "Up over time",
                    "By endpoint: whether the last poll succeeded. Names and limits are endpoints here too.",
                    NOTHING,
                ),
                Query(owned(f"min by (organization, resource) ({own('resource_up')}) or {missing}"), ENDPOINT),
                size=Size(24, 10),
                meanings=UP,
            ),
        ],
    )


def board() -> Board:
    """Return the dashboard."""
    return Board(
        "openai-exporter",
        "OpenAI / Exporter",
        "Whether the figures are right and fresh, and what getting them takes.",
        [variables.source(), variables.organization(), variables.resource()],
        [_now(), _freshness(), _trouble(), effort.budget(), effort.exactness(), effort.process(), effort.admin_keys()],
        since="now-6h",
    )
