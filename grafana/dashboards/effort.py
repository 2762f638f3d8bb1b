"""What it takes to get the figures, and what holds them: requests, revisions, series, the process."""

from typing import Final

from grafana.dashboards.board import Row
from grafana.dashboards.panels import lines, sheet
from grafana.dashboards.promql import ORGANIZATION, RESOURCE, by, owned, select
from grafana.dashboards.vocabulary import (
    BYTES,
    COUNT,
    ENDPOINT,
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
)

NOTHING: Final = "the exporter is not scraped"
QUIET: Final = "none"
THIRD: Final = Size(8, 8)
RATES: Final = "5m"
BUILD: Final = "openai_exporter_build_info"
"""Is there wherever the exporter is scraped."""

_ON_EXPORTER: Final = f"and on (job, instance) {BUILD}"
"""Other jobs have the metrics of a process too."""


def own(name: str, *matchers: str, resource: bool = True) -> str:
    """Select a metric of the exporter; `resource`: whether it goes by endpoint."""
    chosen = (ORGANIZATION, RESOURCE) if resource else (ORGANIZATION,)
    return select(f"openai_exporter_{name}", *chosen, *matchers)


def budget() -> Row:
    """Return the row of the request budget."""
    sent = f"rate({own('api_requests_total')}[$__rate_interval])"
    allowed = f"max by (organization) ({own('throttle_requests_per_minute', resource=False)})"
    return Row(
        "Request budget",
        [
            lines(
                Words(
                    "Requests per minute and what is allowed",
                    "Requests to the Admin API of all endpoints together, and the rate that OpenAI's answers leave.",
                    NOTHING,
                ),
                Query(f"{by('organization', sent)} * 60", "{{organization}}"),
                Query(allowed, "{{organization}}: allowed"),
                unit=COUNT,
                size=THIRD,
                interval=RATES,
                styles={1: Style("red")},
            ),
            lines(
                Words("Share of the budget", "Requests by the rate that is allowed.", NOTHING),
                Query(f"{by('organization', sent)} * 60 / on (organization) {allowed}", "{{organization}}"),
                unit=SHARE,
                size=THIRD,
                interval=RATES,
            ),
            lines(
                Words(
                    "Waited for the shared rate",
                    "Seconds that requests waited, per second, by endpoint: 1 is one request waiting all the time.",
                    NOTHING,
                ),
                Query(by("resource", f"rate({own('throttle_wait_seconds_total')}[$__rate_interval])"), "{{resource}}"),
                unit=SECONDS,
                size=THIRD,
                interval=RATES,
            ),
            lines(
                Words("Duration of requests", "Median and 95th percentile, from sending to the whole answer.", NOTHING),
                *_quantiles("api_request_duration_seconds"),
                unit=SECONDS,
                size=Size(12, 8),
                interval=RATES,
            ),
            lines(
                Words("Duration of polls", "Median and 95th percentile, all pages and waits included.", NOTHING),
                *_quantiles("poll_duration_seconds"),
                unit=SECONDS,
                size=Size(12, 8),
                interval=RATES,
            ),
        ],
    )


def _quantiles(name: str) -> list[Query]:
    buckets = by("organization, le", f"rate({own(f'{name}_bucket', resource=False)}[$__rate_interval])")
    return [
        Query(f"histogram_quantile({share}, {buckets})", f"{{{{organization}}}}: {word}")
        for share, word in ((0.5, "median"), (0.95, "95th percentile"))
    ]


def exactness() -> Row:
    """Return the row of revisions and series."""
    return Row(
        "Exactness",
        [
            lines(
                Words(
                    "Revisions of closed buckets",
                    "Pairs of series and closed bucket that polls changed, per minute: OpenAI revises usage for "
                    "minutes and costs for days.",
                    QUIET,
                ),
                Query(
                    by("resource, direction", f"rate({own('revisions_total')}[$__rate_interval])") + " * 60 > 0",
                    "{{resource}} {{direction}}",
                ),
                unit=COUNT,
                size=THIRD,
                interval=RATES,
            ),
            sheet(
                Words(
                    "Counters above the ledger",
                    "How far the counters stand above what OpenAI reports, because buckets were revised down: in the "
                    "measure's own unit. Take it off a counter's sum for the net figure.",
                    QUIET,
                ),
                Sheet(
                    {"measure": "Measure", "organization": "Organization"},
                    [Column("Above", f"max by (organization, measure) ({own('accrued_excess')}) > 0", COUNT)],
                    sort="Above",
                ),
                size=THIRD,
            ),
            lines(
                Words(
                    "Series by endpoint",
                    "Label sets that are kept, before measures and faces; and how many are folded into `other`.",
                    NOTHING,
                ),
                Query(owned(f"max by (organization, resource) ({own('series')})"), ENDPOINT),
                Query(owned(f"max by (organization, resource) ({own('series_folded')}) > 0"), f"{ENDPOINT}: folded"),
                unit=COUNT,
                size=THIRD,
                styles={1: Style("red")},
            ),
        ],
    )


def process() -> Row:
    """Return the folded row of the process."""
    return Row(
        "The process",
        [
            lines(
                Words("Time to publish", "Seconds from polls to a new snapshot, the last one's.", NOTHING),
                Query("max by (instance) (openai_exporter_publish_duration_seconds)", "{{instance}}"),
                unit=SECONDS,
                size=THIRD,
            ),
            lines(
                Words("State", "Bytes of the state file and its write-ahead log.", NOTHING),
                Query("max by (instance) (openai_exporter_state_size_bytes)", "{{instance}}"),
                unit=BYTES,
                size=THIRD,
            ),
            lines(
                Words("Memory", "Resident memory of the exporter's process.", NOTHING),
                Query(f"process_resident_memory_bytes {_ON_EXPORTER}", "{{instance}}"),
                unit=BYTES,
                size=THIRD,
            ),
            lines(
                Words("Processor", "Processor seconds per second.", NOTHING),
                Query(f"rate(process_cpu_seconds_total[$__rate_interval]) {_ON_EXPORTER}", "{{instance}}"),
                unit=SHARE,
                size=THIRD,
                interval=RATES,
            ),
            lines(
                Words("Open files", "Share of the file descriptors that the process may open.", NOTHING),
                Query(f"process_open_fds / process_max_fds {_ON_EXPORTER}", "{{instance}}"),
                unit=SHARE,
                size=THIRD,
            ),
            sheet(
                Words("What is running", "Version of the exporter and of Python, and when it was started.", NOTHING),
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
                size=THIRD,
            ),
        ],
        folded=True,
    )


def admin_keys() -> Row:
    """Return the folded row of admin keys."""
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
                    dropped=["Value", "Value #A"],
                ),
                size=Size(24, 6),
            )
        ],
        folded=True,
    )
