"""Exporter: is the data right and fresh, and what does getting it take."""

from typing import Final

from grafana.dashboards import variables
from grafana.dashboards.board import Board, Row
from grafana.dashboards.panels import (
    BAD_FROM_ONE,
    BYTES,
    COUNT,
    GOOD_WHEN_ONE,
    PER_MINUTE,
    PLAIN,
    SECONDS,
    SHARE,
    TIME,
    Column,
    Query,
    Sheet,
    Size,
    Style,
    Words,
    figure,
    lines,
    ranking,
    sheet,
)
from grafana.dashboards.promql import ORGANIZATION, RESOURCE, by, growth, select

_NOTHING: Final = "the exporter is not scraped"
_QUIET: Final = "none"
_NUMBER: Final = Size(4, 4)
_THIRD: Final = Size(8, 8)
_INTERVALS: Final = ((None, "green"), (3.0, "orange"), (10.0, "red"))
_RATES: Final = "5m"
_ON_EXPORTER: Final = "and on (job, instance) openai_exporter_build_info"
"""Other jobs have the metrics of a process too."""


def _own(name: str, *matchers: str, resource: bool = True) -> str:
    chosen = (ORGANIZATION, RESOURCE) if resource else (ORGANIZATION,)
    return select(f"openai_exporter_{name}", *chosen, *matchers)


def _age(metric: str) -> str:
    return f"time() - min by (organization, resource) ({metric})"


def _now() -> Row:
    behind = (
        f"max by (organization) (({_age(_own('last_success_timestamp_seconds'))}) / on (organization, resource) "
        f"max by (organization, resource) ({_own('poll_interval_seconds')}))"
    )
    paused = f"clamp_min(max({_own('throttle_paused_until_timestamp_seconds', resource=False)}) - time(), 0)"
    return Row(
        "Now",
        [
            figure(
                Words(
                    "Up",
                    "1 while the last poll of every enabled, supported endpoint with buckets succeeded; names and "
                    "limits do not count.",
                    _NOTHING,
                ),
                Query(f"min by (organization) ({_own('up', resource=False)})", "{{organization}}"),
                unit=PLAIN,
                size=_NUMBER,
                steps=GOOD_WHEN_ONE,
            ),
            figure(
                Words(
                    "Furthest behind",
                    "Time since the last successful poll, in intervals of the endpoint that is furthest behind: up to "
                    "1 is on time, more than 3 is late.",
                    "not polled yet",
                ),
                Query(behind, "{{organization}}"),
                unit=COUNT,
                size=_NUMBER,
                steps=_INTERVALS,
                decimals=1,
            ),
            figure(
                Words(
                    "Errors in this time range",
                    "Requests to the Admin API that failed, retries that succeeded later included.",
                    _NOTHING,
                ),
                by("", growth(_own("api_errors_total"))),
                unit=COUNT,
                size=_NUMBER,
                steps=BAD_FROM_ONE,
                decimals=0,
            ),
            figure(
                Words("Degraded endpoints", "Endpoints that are exported with something missing.", _QUIET),
                f"sum(max by (organization, resource) ({_own('resource_degraded')}))",
                unit=COUNT,
                size=_NUMBER,
                steps=BAD_FROM_ONE,
                decimals=0,
            ),
            figure(
                Words("Paused for", "How much longer no request is sent, because OpenAI said so.", _NOTHING),
                paused,
                unit=SECONDS,
                size=_NUMBER,
                steps=((None, "green"), (1.0, "orange"), (300.0, "red")),
                decimals=0,
            ),
            figure(
                Words(
                    "State is written",
                    "1 while the state file can be written. Otherwise counters stand still, and begin at 0 after a "
                    "restart.",
                    _NOTHING,
                ),
                "min(openai_exporter_state_writable)",
                unit=PLAIN,
                size=_NUMBER,
                steps=GOOD_WHEN_ONE,
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
                    _NOTHING,
                ),
                Sheet(
                    {"resource": "Endpoint", "organization": "Organization"},
                    [
                        Column("Up", f"min by ({labels}) ({_own('resource_up')})", PLAIN, GOOD_WHEN_ONE),
                        Column("Since last success", _age(_own("last_success_timestamp_seconds")), SECONDS),
                        Column("Since last change", _age(_own("last_change_timestamp_seconds")), SECONDS),
                        Column("Interval", f"max by ({labels}) ({_own('poll_interval_seconds')})", SECONDS),
                        Column("Series", f"max by ({labels}) ({_own('series')})", COUNT),
                        Column("Folded into one", f"max by ({labels}) ({_own('series_folded')})", COUNT, BAD_FROM_ONE),
                        Column("Requests in range", by(labels, growth(_own("api_requests_total"))), COUNT),
                        Column("Errors in range", by(labels, growth(_own("api_errors_total"))), COUNT, BAD_FROM_ONE),
                    ],
                    sort="Since last success",
                ),
                size=Size(24, 12),
            ),
            lines(
                Words(
                    "Since the last success", "By endpoint: a saw that stays below its interval is on time.", _NOTHING
                ),
                Query(_age(_own("last_success_timestamp_seconds")), "{{organization}} {{resource}}"),
                unit=SECONDS,
                size=Size(12, 9),
            ),
            lines(
                Words(
                    "Since the last change",
                    "By endpoint: how long OpenAI has reported nothing new. Nights and week-ends are seen here too.",
                    _NOTHING,
                ),
                Query(_age(_own("last_change_timestamp_seconds")), "{{organization}} {{resource}}"),
                unit=SECONDS,
                size=Size(12, 9),
            ),
        ],
    )


def _trouble() -> Row:
    return Row(
        "Trouble",
        [
            lines(
                Words("Errors by reason", "Failed requests to the Admin API per minute.", _QUIET),
                Query(by("reason", f"rate({_own('api_errors_total')}[$__rate_interval])") + " * 60 > 0", "{{reason}}"),
                unit=PER_MINUTE,
                size=_THIRD,
                interval=_RATES,
            ),
            sheet(
                Words(
                    "Degraded",
                    "Endpoints that are exported with something missing, and why: `gap` is a span that was never read, "
                    "`group_by_refused` a label that OpenAI would not give, `unsupported` an endpoint that this host "
                    "does not have, `organization_changed` a key of another organization.",
                    _QUIET,
                ),
                Sheet(
                    {"resource": "Endpoint", "reason": "Reason", "organization": "Organization"},
                    [
                        Column(
                            "Now",
                            f"max by (organization, resource, reason) ({_own('resource_degraded')}) > 0",
                            PLAIN,
                            BAD_FROM_ONE,
                        )
                    ],
                    sort="Endpoint",
                ),
                size=_THIRD,
            ),
            lines(
                Words(
                    "Up over time",
                    "By endpoint: 1 while the last poll succeeded. Names and limits are endpoints here too.",
                    _NOTHING,
                ),
                Query(f"min by (organization, resource) ({_own('resource_up')})", "{{organization}} {{resource}}"),
                unit=PLAIN,
                size=_THIRD,
                maximum=1,
            ),
        ],
    )


def _budget() -> Row:
    sent = f"rate({_own('api_requests_total')}[$__rate_interval])"
    allowed = f"max by (organization) ({_own('throttle_requests_per_minute', resource=False)})"
    return Row(
        "Request budget",
        [
            lines(
                Words(
                    "Requests per minute and what is allowed",
                    "Requests to the Admin API of all endpoints together, and the rate that OpenAI's answers leave.",
                    _NOTHING,
                ),
                Query(f"{by('organization', sent)} * 60", "{{organization}}"),
                Query(allowed, "{{organization}}: allowed"),
                unit=PER_MINUTE,
                size=_THIRD,
                interval=_RATES,
                styles={1: Style("red")},
            ),
            lines(
                Words("Share of the budget", "Requests by the rate that is allowed.", _NOTHING),
                Query(f"{by('organization', sent)} * 60 / on (organization) {allowed}", "{{organization}}"),
                unit=SHARE,
                size=_THIRD,
                interval=_RATES,
            ),
            lines(
                Words(
                    "Waited for the shared rate",
                    "Seconds that requests waited, per second, by endpoint: 1 is one request waiting all the time.",
                    _NOTHING,
                ),
                Query(by("resource", f"rate({_own('throttle_wait_seconds_total')}[$__rate_interval])"), "{{resource}}"),
                unit=SECONDS,
                size=_THIRD,
                interval=_RATES,
            ),
            lines(
                Words(
                    "Duration of requests", "Median and 95th percentile, from sending to the whole answer.", _NOTHING
                ),
                *_quantiles("api_request_duration_seconds"),
                unit=SECONDS,
                size=Size(12, 8),
                interval=_RATES,
            ),
            lines(
                Words("Duration of polls", "Median and 95th percentile, all pages and waits included.", _NOTHING),
                *_quantiles("poll_duration_seconds"),
                unit=SECONDS,
                size=Size(12, 8),
                interval=_RATES,
            ),
        ],
    )


def _quantiles(name: str) -> list[Query]:
    buckets = by("organization, le", f"rate({_own(f'{name}_bucket', resource=False)}[$__rate_interval])")
    return [
        Query(f"histogram_quantile({share}, {buckets})", f"{{{{organization}}}}: {word}")
        for share, word in ((0.5, "median"), (0.95, "95th percentile"))
    ]


def _exactness() -> Row:
    return Row(
        "Exactness",
        [
            lines(
                Words(
                    "Revisions of closed buckets",
                    "Pairs of series and closed bucket that polls changed, per minute: OpenAI revises usage for "
                    "minutes and costs for days.",
                    _QUIET,
                ),
                Query(
                    by("resource, direction", f"rate({_own('revisions_total')}[$__rate_interval])") + " * 60 > 0",
                    "{{resource}} {{direction}}",
                ),
                unit=PER_MINUTE,
                size=_THIRD,
                interval=_RATES,
            ),
            ranking(
                Words(
                    "Counters above the ledger",
                    "How far the counters stand above what OpenAI reports, because buckets were revised down: in the "
                    "measure's own unit. Take it off a counter for the net figure.",
                    _QUIET,
                ),
                Query(
                    f"max by (organization, resource, measure) ({_own('accrued_excess')}) > 0",
                    "{{organization}} {{measure}}",
                ),
                unit=COUNT,
                size=_THIRD,
            ),
            lines(
                Words(
                    "Series by endpoint",
                    "Label sets that are kept, before measures and faces; and how many are folded into `other`.",
                    _NOTHING,
                ),
                Query(f"max by (organization, resource) ({_own('series')})", "{{organization}} {{resource}}"),
                Query(
                    f"max by (organization, resource) ({_own('series_folded')}) > 0",
                    "{{organization}} {{resource}}: folded",
                ),
                unit=COUNT,
                size=_THIRD,
                styles={1: Style("red")},
            ),
        ],
    )


def _process_row() -> Row:
    return Row(
        "The process",
        [
            lines(
                Words("Time to publish", "Seconds from polls to a new snapshot, the last one's.", _NOTHING),
                Query("max by (instance) (openai_exporter_publish_duration_seconds)", "{{instance}}"),
                unit=SECONDS,
                size=_THIRD,
            ),
            lines(
                Words("State", "Bytes of the state file and its write-ahead log.", _NOTHING),
                Query("max by (instance) (openai_exporter_state_size_bytes)", "{{instance}}"),
                unit=BYTES,
                size=_THIRD,
            ),
            lines(
                Words("Memory", "Resident memory of the exporter's process.", _NOTHING),
                Query(f"process_resident_memory_bytes {_ON_EXPORTER}", "{{instance}}"),
                unit=BYTES,
                size=_THIRD,
            ),
            lines(
                Words("Processor", "Processor seconds per second.", _NOTHING),
                Query(f"rate(process_cpu_seconds_total[$__rate_interval]) {_ON_EXPORTER}", "{{instance}}"),
                unit=SHARE,
                size=_THIRD,
                interval=_RATES,
            ),
            lines(
                Words("Open files", "Share of the file descriptors that the process may open.", _NOTHING),
                Query(f"process_open_fds / process_max_fds {_ON_EXPORTER}", "{{instance}}"),
                unit=SHARE,
                size=_THIRD,
            ),
            sheet(
                Words("What is running", "Version of the exporter and of Python, and when it was started.", _NOTHING),
                Sheet(
                    {"version": "Version", "pythonversion": "Python", "instance": "Instance", "job": "Job"},
                    [
                        Column(
                            "Started",
                            "process_start_time_seconds * 1000 * on (job, instance) group_left (version, pythonversion)"
                            " openai_exporter_build_info",
                            TIME,
                        )
                    ],
                    sort="Started",
                ),
                size=_THIRD,
            ),
        ],
        folded=True,
    )


def _admin_keys() -> Row:
    labels = "organization, api_key_id"
    info = f"max by ({labels}, api_key_name) (openai_admin_api_key_info)"

    def time(what: str) -> str:
        metric = select(f"openai_admin_api_key_{what}_timestamp_seconds", ORGANIZATION)
        return f"max by ({labels}) ({metric}) * 1000 * on ({labels}) group_left (api_key_name) {info}"

    return Row(
        "Admin keys, when they are read",
        [
            sheet(
                Words(
                    "Admin keys",
                    "The organization's admin keys as OpenAI lists them: renew the exporter's before it expires.",
                    "admin keys are not read: a setting that is off by default",
                ),
                Sheet(
                    {"api_key_name": "Admin key", "api_key_id": "Id", "organization": "Organization"},
                    [
                        Column(
                            "Known",
                            f"max by ({labels}, api_key_name) ({select('openai_admin_api_key_info', ORGANIZATION)})",
                            PLAIN,
                        ),
                        Column("Last used", time("last_used"), TIME),
                        Column("Expires", time("expires"), TIME),
                    ],
                    sort="Expires",
                ),
                size=Size(24, 6),
            )
        ],
        folded=True,
    )


def board() -> Board:
    """Return the dashboard."""
    return Board(
        "openai-exporter",
        "OpenAI / Exporter",
        "Whether the figures are right and fresh, and what getting them takes.",
        [variables.source(), variables.organization(), variables.resource()],
        [_now(), _freshness(), _trouble(), _budget(), _exactness(), _process_row(), _admin_keys()],
        since="now-6h",
    )
