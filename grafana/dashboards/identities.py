"""API keys, users and groups, when the settings group by them."""

from typing import Final

from grafana.dashboards.layout import Row
from grafana.dashboards.model import COUNT, DOLLARS, Column, PanelText, Size, TableSpec
from grafana.dashboards.panels import PanelBuilder, table
from grafana.dashboards.promql import ORGANIZATION, PROJECT, accrued, by, growth, select, usage
from grafana.dashboards.tokens import IN_RANGE

_KEY_NAMES: Final = (
    "* on (organization, api_key_id) group_left (api_key_name) "
    "max by (organization, api_key_id, api_key_name) (openai_api_key_info)"
)
_USER_NAMES: Final = (
    "* on (organization, user_id) group_left (user_name, role) "
    "max by (organization, user_id, user_name, role) (openai_user_info)"
)


def _identities(dimension: str, join: str, title: str, headings: dict[str, str], text: str) -> PanelBuilder:
    labels = f"organization, {dimension}"
    present = f'{dimension}!=""'

    def used(measure: str) -> str:
        return f"{by(labels, growth(accrued(f'completions_{measure}', present)))} {join}"

    today = by(labels, usage("completions_requests", present))
    spent = by(labels, select("openai_window_cost_usd", ORGANIZATION, PROJECT, present, 'window="7d"'))
    return table(
        PanelText(title, f"{IN_RANGE} {text}", f"{dimension} is not in group_by"),
        TableSpec(
            headings,
            [
                Column("Requests", used("requests"), COUNT),
                Column("Input tokens", used("input_tokens"), COUNT),
                Column("Output tokens", used("output_tokens"), COUNT),
                Column("Requests today", f"{today} {join}", COUNT),
                Column("Costs, 7 days", f"{spent} {join}", DOLLARS),
            ],
            sort="Requests",
        ),
        size=Size(24, 8),
    )


def _groups() -> PanelBuilder:
    labels = "organization, group_id, group_name"
    members = f"group by ({labels}, user_id) ({select('openai_group_info', ORGANIZATION)})"

    def used(measure: str) -> str:
        usage_of_users = by("organization, user_id", growth(accrued(f"completions_{measure}", 'user_id!=""')))
        return by(labels, f"{members} * on (organization, user_id) group_left () {usage_of_users}")

    return table(
        PanelText(
            "Groups",
            f"{IN_RANGE} Members of several groups count in each. Needs `user_id` in the group_by of completions.",
            "groups are not read (names.groups)",
        ),
        TableSpec(
            {"group_name": "Group", "group_id": "Id", "organization": "Organization"},
            [
                Column("Members", f"count by ({labels}) ({members})", COUNT),
                Column("Requests", used("requests"), COUNT),
                Column("Input tokens", used("input_tokens"), COUNT),
                Column("Output tokens", used("output_tokens"), COUNT),
            ],
            sort="Members",
        ),
        size=Size(24, 8),
    )


def who() -> Row:
    """Return the row of keys, users and groups."""
    needs = (
        "Needs `{0}` in the group_by of completions, and of costs for the amounts: settings that are off by default, "
        "because they multiply the series."
    )
    return Row(
        "By API key, user and group, when grouped by them",
        [
            _identities(
                "api_key_id",
                _KEY_NAMES,
                "API keys",
                {"api_key_name": "API key", "api_key_id": "Id", "organization": "Organization"},
                needs.format("api_key_id"),
            ),
            _identities(
                "user_id",
                _USER_NAMES,
                "Users",
                {"user_name": "User", "role": "Role", "user_id": "Id", "organization": "Organization"},
                needs.format("user_id") + " Names need names.personal_data.",
            ),
            _groups(),
        ],
        folded=True,
    )
