"""Who used it: API keys and users, when the settings group by them."""

from typing import Final

from grafana.dashboards.board import Row
from grafana.dashboards.panels import PanelBuilder, sheet
from grafana.dashboards.promql import ORGANIZATION, PROJECT, accrued, by, growth, select, usage
from grafana.dashboards.tokens import IN_RANGE, LATE
from grafana.dashboards.vocabulary import COUNT, DOLLARS, Column, Sheet, Size, Words

_KEY_NAMES: Final = (
    "* on (organization, api_key_id) group_left (api_key_name) "
    "max by (organization, api_key_id, api_key_name) (openai_api_key_info)"
)
_USER_NAMES: Final = (
    "* on (organization, user_id) group_left (user_name, role) "
    "max by (organization, user_id, user_name, role) (openai_user_info)"
)


def _identities(dimension: str, join: str, title: str, headings: dict[str, str], words: str) -> PanelBuilder:
    labels = f"organization, {dimension}"
    told = f'{dimension}!=""'

    def used(measure: str) -> str:
        return f"{by(labels, growth(accrued(f'completions_{measure}', told)))} {join}"

    today = by(labels, usage("completions_requests", told))
    spent = by(labels, select("openai_window_cost_usd", ORGANIZATION, PROJECT, told, 'window="7d"'))
    return sheet(
        Words(title, f"{IN_RANGE} {words} {LATE}", f"group_by holds no {dimension}"),
        Sheet(
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


def who() -> Row:
    """Return the row of keys and users."""
    needs = (
        "Needs `{0}` in the group_by of completions, and of costs for the money: settings that are off by default, for "
        "they multiply the series."
    )
    return Row(
        "By API key and by user, when grouped by them",
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
                needs.format("user_id") + " Names are there only when personal data is switched on.",
            ),
        ],
        folded=True,
    )
