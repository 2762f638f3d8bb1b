"""A project's rate limits and API keys."""

from typing import Final

from grafana.dashboards import promql
from grafana.dashboards.board import Row
from grafana.dashboards.panels import lines, sheet
from grafana.dashboards.promql import ORGANIZATION, PROJECT, accrued, by, named, owned, rate_per_minute, select
from grafana.dashboards.tokens import LATE, NOTHING
from grafana.dashboards.vocabulary import COUNT, PLAIN, PROJECT_NAME, TIME, Column, Query, Sheet, Size, Style, Words

OPT_IN: Final = "limits of projects are not read: a setting that is off by default"
LABELS: Final = "organization, project_id"


def rate_limits() -> Row:
    """Return the folded row of rate limits beside usage."""
    labels = f"{LABELS}, model"

    def limit(what: str) -> str:
        metric = select(f"openai_project_rate_limit_{what}_per_minute", ORGANIZATION, PROJECT, promql.MODEL)
        return f"min by ({labels}) ({metric})"

    both = " + ".join(
        by(labels, rate_per_minute(accrued(f"completions_{direction}_tokens"))) for direction in ("input", "output")
    )
    requests = by(labels, rate_per_minute(accrued("completions_requests")))
    average = "Usage is an average over minutes, OpenAI counts each minute: leave room."
    return Row(
        "Rate limits, when they are read",
        [
            lines(
                Words("Requests per minute and their limit", f"By model; limits are dashed. {average} {LATE}", NOTHING),
                Query(owned(named(requests)), f"{PROJECT_NAME}: {{{{model}}}}"),
                Query(owned(named(limit("requests"))), f"{PROJECT_NAME}: {{{{model}}}}, limit"),
                unit=COUNT,
                size=Size(12, 9),
                interval="5m",
                styles={1: Style("red")},
            ),
            lines(
                Words("Tokens per minute and their limit", f"By model; limits are dashed. {average} {LATE}", NOTHING),
                Query(owned(named(f"({both})")), f"{PROJECT_NAME}: {{{{model}}}}"),
                Query(owned(named(limit("tokens"))), f"{PROJECT_NAME}: {{{{model}}}}, limit"),
                unit=COUNT,
                size=Size(12, 9),
                interval="5m",
                styles={1: Style("red")},
            ),
            sheet(
                Words("Rate limits", "What each model allows the project in a minute.", OPT_IN),
                Sheet(
                    {"project_name": "Project", "model": "Model", "organization": "Organization"},
                    [
                        Column("Requests per minute", named(limit("requests")), COUNT),
                        Column("Tokens per minute", named(limit("tokens")), COUNT),
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
    """Return the folded row of API keys."""
    labels = "organization, project_id, api_key_id, api_key_name"
    key = f"{LABELS}, api_key_id"
    names = f"group_left (api_key_name) max by ({labels}) (openai_api_key_info)"

    def time(what: str) -> str:
        metric = select(f"openai_api_key_{what}_timestamp_seconds", ORGANIZATION, PROJECT)
        return f"max by ({key}) ({metric}) * 1000 * on ({key}) {names}"

    info = select("openai_api_key_info", ORGANIZATION, PROJECT)
    return Row(
        "API keys, when they are read",
        [
            sheet(
                Words(
                    "API keys",
                    "The project's keys as OpenAI lists them; deleted ones keep their name. Read every quarter of an "
                    "hour, when grouped by key or switched on.",
                    "keys are not read: a setting that is off by default",
                ),
                Sheet(
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
                    dropped=["Value", "Value #A"],
                ),
                size=Size(24, 8),
            ),
        ],
        folded=True,
    )
