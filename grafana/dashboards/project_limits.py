"""A project's rate limits, API keys, service accounts and certificates."""

from typing import Final

from grafana.dashboards import promql
from grafana.dashboards.layout import Row
from grafana.dashboards.model import (
    COUNT,
    PLAIN,
    PROJECT_NAME,
    TIME,
    Column,
    PanelText,
    Query,
    SeriesStyle,
    Size,
    TableSpec,
)
from grafana.dashboards.panels import PanelBuilder, table, timeseries
from grafana.dashboards.promql import ORGANIZATION, PROJECT, accrued, by, named, owned, rate_per_minute, select
from grafana.dashboards.tokens import NOTHING

OPT_IN: Final = "rate limits are not read (limits.rate_limits)"
LABELS: Final = "organization, project_id"


def rate_limits() -> Row:
    """Return the folded row of rate limits and usage."""
    labels = f"{LABELS}, model"

    def limit(what: str) -> str:
        metric = select(f"openai_project_rate_limit_{what}", ORGANIZATION, PROJECT, promql.MODEL)
        return f"min by ({labels}) ({metric})"

    both = " + ".join(
        by(labels, rate_per_minute(accrued(f"completions_{direction}_tokens"))) for direction in ("input", "output")
    )
    requests = by(labels, rate_per_minute(accrued("completions_requests")))
    average = "Usage is an average over several minutes, but OpenAI limits each minute."
    return Row(
        "Rate limits (opt-in)",
        [
            timeseries(
                PanelText("Requests per minute and limit", f"By model; limits are dashed. {average}", NOTHING),
                Query(owned(named(requests)), f"{PROJECT_NAME}: {{{{model}}}}"),
                Query(owned(named(limit("requests_per_minute"))), f"{PROJECT_NAME}: {{{{model}}}}, limit"),
                unit=COUNT,
                size=Size(12, 9),
                interval="5m",
                styles={1: SeriesStyle("red")},
            ),
            timeseries(
                PanelText("Tokens per minute and limit", f"By model; limits are dashed. {average}", NOTHING),
                Query(owned(named(f"({both})")), f"{PROJECT_NAME}: {{{{model}}}}"),
                Query(owned(named(limit("tokens_per_minute"))), f"{PROJECT_NAME}: {{{{model}}}}, limit"),
                unit=COUNT,
                size=Size(12, 9),
                interval="5m",
                styles={1: SeriesStyle("red")},
            ),
            table(
                PanelText("Rate limits", "What OpenAI allows the project, by model.", OPT_IN),
                TableSpec(
                    {"project_name": "Project", "model": "Model", "organization": "Organization"},
                    [
                        Column("Requests per minute", named(limit("requests_per_minute")), COUNT),
                        Column("Tokens per minute", named(limit("tokens_per_minute")), COUNT),
                        Column("Images per minute", named(limit("images_per_minute")), COUNT),
                        Column("Audio MB per minute", named(limit("audio_megabytes_per_minute")), COUNT),
                        Column("Requests per day", named(limit("requests_per_day")), COUNT),
                        Column("Batch tokens per day", named(limit("batch_tokens_per_day")), COUNT),
                    ],
                    sort="Requests per minute",
                    hidden=["project_id"],
                ),
                size=Size(24, 8),
            ),
        ],
        folded=True,
    )


def keys() -> Row:
    """Return the folded row of API keys, service accounts and certificates."""
    labels = "organization, project_id, api_key_id, api_key_name"
    key = f"{LABELS}, api_key_id"
    names = f"group_left (api_key_name) max by ({labels}) (openai_api_key_info)"

    def time(what: str) -> str:
        metric = select(f"openai_api_key_{what}_timestamp_seconds", ORGANIZATION, PROJECT)
        return f"max by ({key}) ({metric}) * 1000 * on ({key}) {names}"

    info = select("openai_api_key_info", ORGANIZATION, PROJECT)
    return Row(
        "API keys, service accounts, certificates (opt-in)",
        [
            table(
                PanelText(
                    "API keys",
                    "The project's keys as OpenAI lists them; deleted keys keep their names. Read every 15 minutes.",
                    "keys are not read (names.api_keys)",
                ),
                TableSpec(
                    {
                        "api_key_name": "API key",
                        "api_key_id": "Id",
                        "owner_type": "Owner",
                        "organization": "Organization",
                    },
                    [
                        Column("Known", f"max by ({labels}, owner_type) ({info})", PLAIN),
                        Column("Last used", time("last_used"), TIME),
                        Column("Expires", time("expires"), TIME),
                    ],
                    sort="Last used",
                    hidden=["project_id"],
                    dropped=["Known"],
                ),
                size=Size(24, 8),
            ),
            _service_accounts(),
            _certificates(),
        ],
        folded=True,
    )


def _service_accounts() -> PanelBuilder:
    labels = f"{LABELS}, service_account_id, service_account_name, role"
    info = select("openai_service_account_info", ORGANIZATION, PROJECT)
    return table(
        PanelText(
            "Service accounts",
            "The service accounts of the selected projects as OpenAI lists them.",
            "service accounts are not read (names.service_accounts)",
        ),
        TableSpec(
            {
                "service_account_name": "Service account",
                "service_account_id": "Id",
                "role": "Role",
                "project_name": "Project",
                "organization": "Organization",
            },
            [Column("Known", named(f"group by ({labels}) ({info})"), PLAIN)],
            sort="Service account",
            hidden=["project_id"],
            dropped=["Known"],
        ),
        size=Size(12, 8),
    )


def _certificates() -> PanelBuilder:
    info = select("openai_project_certificate_info", ORGANIZATION, PROJECT)
    expires = select("openai_project_certificate_expires_timestamp_seconds", ORGANIZATION, PROJECT)
    certificate, name = f"{LABELS}, certificate_id", "certificate_name, active"
    names = f"group by ({certificate}, {name}) ({info})"
    time = f"max by ({certificate}) ({expires}) * 1000 * on ({certificate}) group_left ({name}) {names}"
    return table(
        PanelText(
            "Certificates",
            "The certificates of the selected projects, and when they expire.",
            "certificates are not read (names.project_certificates)",
        ),
        TableSpec(
            {
                "certificate_name": "Certificate",
                "certificate_id": "Id",
                "active": "Active",
                "project_name": "Project",
                "organization": "Organization",
            },
            [Column("Known", named(names), PLAIN), Column("Expires", named(time), TIME)],
            sort="Expires",
            hidden=["project_id"],
            dropped=["Known"],
        ),
        size=Size(12, 8),
    )
