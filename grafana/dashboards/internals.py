"""The exporter's requests, revisions, series, process, admin keys and certificates."""

from typing import Final

from grafana.dashboards.layout import Row
from grafana.dashboards.model import (
    BYTES,
    COUNT,
    DOLLARS_SCALED,
    ENDPOINT,
    PLAIN,
    SECONDS,
    SHARE,
    TIME,
    Column,
    PanelText,
    Query,
    SeriesStyle,
    Size,
    TableSpec,
)
from grafana.dashboards.panels import PanelBuilder, table, timeseries
from grafana.dashboards.promql import ORGANIZATION, RESOURCE, by, owned, select

NOTHING: Final = "the exporter is not scraped"
NONE: Final = "none"
THIRD: Final = Size(8, 8)
RATES: Final = "5m"
BUILD: Final = "openai_exporter_build_info"
"""A metric that every scraped exporter has."""

_ON_EXPORTER: Final = f"and on (job, instance) {BUILD}"
"""Other jobs have the metrics of a process too."""


def own(name: str, *matchers: str, resource: bool = True) -> str:
    """Select a metric of the exporter; `resource`: whether it has that label."""
    chosen = (ORGANIZATION, RESOURCE) if resource else (ORGANIZATION,)
    return select(f"openai_exporter_{name}", *chosen, *matchers)


def budget() -> Row:
    """Return the row of the request budget."""
    sent = f"rate({own('api_requests_total')}[$__rate_interval])"
    allowed = f"max by (organization) ({own('throttle_requests_per_minute', resource=False)})"
    return Row(
        "Request budget",
        [
            timeseries(
                PanelText(
                    "Requests per minute and limit",
                    "Requests to the Admin API, and the rate that OpenAI's rate limit headers allow.",
                    NOTHING,
                ),
                Query(f"{by('organization', sent)} * 60", "{{organization}}"),
                Query(allowed, "{{organization}}: limit"),
                unit=COUNT,
                size=THIRD,
                interval=RATES,
                styles={1: SeriesStyle("red")},
            ),
            timeseries(
                PanelText("Share of the request budget", "Requests divided by the rate that is allowed.", NOTHING),
                Query(f"{by('organization', sent)} * 60 / on (organization) {allowed}", "{{organization}}"),
                unit=SHARE,
                size=THIRD,
                interval=RATES,
            ),
            timeseries(
                PanelText(
                    "Waiting for the rate limit",
                    "Seconds that requests waited per second, by endpoint: at 1, one request is always waiting.",
                    NOTHING,
                ),
                Query(by("resource", f"rate({own('throttle_wait_seconds_total')}[$__rate_interval])"), "{{resource}}"),
                unit=SECONDS,
                size=THIRD,
                interval=RATES,
            ),
            timeseries(
                PanelText(
                    "Duration of requests",
                    "Median and 95th percentile, from sending to the end of the response.",
                    NOTHING,
                ),
                *_quantiles("api_request_duration_seconds"),
                unit=SECONDS,
                size=Size(12, 8),
                interval=RATES,
            ),
            timeseries(
                PanelText("Duration of polls", "Median and 95th percentile, including all pages and waits.", NOTHING),
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
        Query(f"histogram_quantile({share}, {buckets})", f"{{{{organization}}}}: {name_of_quantile}")
        for share, name_of_quantile in ((0.5, "median"), (0.95, "95th percentile"))
    ]


def exactness() -> Row:
    """Return the row of revisions and series."""
    return Row(
        "Exactness",
        [
            timeseries(
                PanelText(
                    "Revisions of closed buckets",
                    "Values of closed buckets that OpenAI revised, per minute, by endpoint and direction.",
                    NONE,
                ),
                Query(
                    by("resource, direction", f"rate({own('revisions_total')}[$__rate_interval])") + " * 60 > 0",
                    "{{resource}} {{direction}}",
                ),
                unit=COUNT,
                size=THIRD,
                interval=RATES,
            ),
            table(
                PanelText(
                    "Counter excess",
                    "Amount by which counters exceed the reported total after downward revisions, in the unit of the "
                    "measure. Subtract it from a counter's sum for the net total.",
                    NONE,
                ),
                TableSpec(
                    {"measure": "Measure", "organization": "Organization"},
                    [Column("Excess", f"max by (organization, measure) ({own('accrued_excess')}) > 0", COUNT)],
                    sort="Excess",
                ),
                size=THIRD,
            ),
            timeseries(
                PanelText(
                    "Series by endpoint",
                    "Label sets that are kept, and how many are folded into `other`.",
                    NOTHING,
                ),
                Query(owned(f"max by (organization, resource) ({own('series')})"), ENDPOINT),
                Query(owned(f"max by (organization, resource) ({own('series_folded')}) > 0"), f"{ENDPOINT}: folded"),
                unit=COUNT,
                size=THIRD,
                styles={1: SeriesStyle("red")},
            ),
            timeseries(
                PanelText(
                    "Reconciliation difference",
                    "US dollars by which the costs of the look-back, requested without grouping, exceed the exported "
                    "ones: 0 when nothing is missing.",
                    "not compared yet",
                ),
                Query(
                    f"max by (organization) ({own('reconciliation_difference_usd', resource=False)})",
                    "{{organization}}",
                ),
                unit=DOLLARS_SCALED,
                size=Size(12, 8),
            ),
            timeseries(
                PanelText(
                    "Rejected rows",
                    "Rows, or values of rows, of OpenAI's responses that were not used, per minute, by endpoint and "
                    "reason.",
                    NONE,
                ),
                Query(
                    by("resource, reason", f"rate({own('rows_rejected_total')}[$__rate_interval])") + " * 60 > 0",
                    "{{resource}}: {{reason}}",
                ),
                unit=COUNT,
                size=Size(12, 8),
                interval=RATES,
            ),
        ],
    )


def process() -> Row:
    """Return the folded row of the process."""
    return Row(
        "The process",
        [
            timeseries(
                PanelText("Publish duration", "Duration of the last publish.", NOTHING),
                Query("max by (instance) (openai_exporter_publish_duration_seconds)", "{{instance}}"),
                unit=SECONDS,
                size=THIRD,
            ),
            timeseries(
                PanelText("State size", "Bytes of the state file and its write-ahead log.", NOTHING),
                Query("max by (instance) (openai_exporter_state_size_bytes)", "{{instance}}"),
                unit=BYTES,
                size=THIRD,
            ),
            timeseries(
                PanelText("Memory", "Resident memory of the exporter's process.", NOTHING),
                Query(f"process_resident_memory_bytes {_ON_EXPORTER}", "{{instance}}"),
                unit=BYTES,
                size=THIRD,
            ),
            timeseries(
                PanelText("CPU", "CPU seconds per second.", NOTHING),
                Query(f"rate(process_cpu_seconds_total[$__rate_interval]) {_ON_EXPORTER}", "{{instance}}"),
                unit=SHARE,
                size=Size(6, 8),
                interval=RATES,
            ),
            timeseries(
                PanelText("Open files", "Share of the maximum number of file descriptors.", NOTHING),
                Query(f"process_open_fds / process_max_fds {_ON_EXPORTER}", "{{instance}}"),
                unit=SHARE,
                size=Size(6, 8),
            ),
            table(
                PanelText(
                    "Version", "Versions of the exporter and of Python, start, and last successful reload.", NOTHING
                ),
                TableSpec(
                    {"version": "Exporter", "pythonversion": "Python", "instance": "Instance", "job": "Job"},
                    [
                        Column(
                            "Started",
                            "process_start_time_seconds * 1000 * on (job, instance) group_left (version, pythonversion)"
                            f" {BUILD}",
                            TIME,
                        ),
                        Column(
                            "Reloaded",
                            "openai_exporter_config_last_reload_success_timestamp_seconds * 1000 * on (job, instance)"
                            f" group_left (version, pythonversion) {BUILD}",
                            TIME,
                        ),
                    ],
                    sort="Started",
                ),
                size=Size(12, 8),
            ),
        ],
        folded=True,
    )


def credentials() -> Row:
    """Return the folded row of admin keys and of the organization's certificates."""
    labels = "organization, api_key_id"
    info = f"max by ({labels}, api_key_name) (openai_admin_api_key_info)"

    def time(what: str) -> str:
        metric = select(f"openai_admin_api_key_{what}_timestamp_seconds", ORGANIZATION)
        return f"max by ({labels}) ({metric}) * 1000 * on ({labels}) group_left (api_key_name) {info}"

    return Row(
        "Admin keys and certificates (opt-in)",
        [
            table(
                PanelText(
                    "Admin keys",
                    "The organization's admin keys as OpenAI lists them. Renew the exporter's before it expires.",
                    "admin keys are not read (names.admin_api_keys)",
                ),
                TableSpec(
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
                    dropped=["Known"],
                ),
                size=Size(12, 6),
            ),
            _certificates(),
        ],
        folded=True,
    )


def _certificates() -> PanelBuilder:
    certificate, name = "organization, certificate_id", "certificate_name, active"
    names = f"group by ({certificate}, {name}) ({select('openai_organization_certificate_info', ORGANIZATION)})"
    expires = select("openai_organization_certificate_expires_timestamp_seconds", ORGANIZATION)
    time = f"max by ({certificate}) ({expires}) * 1000 * on ({certificate}) group_left ({name}) {names}"
    return table(
        PanelText(
            "Certificates",
            "The organization's certificates as OpenAI lists them, and when they expire.",
            "certificates are not read (names.certificates)",
        ),
        TableSpec(
            {
                "certificate_name": "Certificate",
                "certificate_id": "Id",
                "active": "Active",
                "organization": "Organization",
            },
            [Column("Known", names, PLAIN), Column("Expires", time, TIME)],
            sort="Expires",
            dropped=["Known"],
        ),
        size=Size(12, 6),
    )
