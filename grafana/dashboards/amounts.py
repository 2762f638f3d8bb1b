"""Amounts of money: how they are asked for, held against bounds, and spoken of."""

from typing import Final

from grafana.dashboards import promql
from grafana.dashboards.panels import PanelBuilder, figure
from grafana.dashboards.promql import ORGANIZATION, by, select, window_costs
from grafana.dashboards.vocabulary import DOLLARS, Size, Words

LATE: Final = "OpenAI reports costs hours late and revises them for days."
MIDNIGHT: Final = "Days and months are UTC."
PROJECTION: Final = (
    "The month to date, and for the days that are left the mean of the last six whole days. The rest of today counts "
    "as the fraction of a day that it is."
)
FRESH: Final = ((None, "green"), (900.0, "orange"), (3600.0, "red"))

WHOLE: Final = "All projects of the organization, whatever projects and models are chosen."
NAMED_BY: Final = "Read from the names of the line items; tools and storage name no model."
HISTORY: Final = "needs a week of history in Prometheus"
NO_BUDGET: Final = "no budget"
NO_COSTS: Final = "no costs"


def organization_costs(window: str) -> str:
    """Return a window's costs of each chosen organization, all its projects together."""
    return by("organization", select("openai_window_cost_usd", ORGANIZATION, f'window="{window}"'))


def organization_projection() -> str:
    """Return the projected month of each chosen organization, all its projects together."""
    today = by("organization", select("openai_cost_usd", ORGANIZATION))
    month, week = organization_costs("month"), organization_costs("7d")
    return f"{month} + clamp_min({week} - {today}, 0) / 6 * {promql.DAYS_LEFT}"


def against(amount: str, bound: str, labels: str = "organization") -> str:
    """Return an amount's share of what it is held against, both by the same labels."""
    return f"({amount}) / on ({labels}) max by ({labels}) ({bound})"


def change(labels: str, window: str = "7d") -> str:
    """Return what the last 7 days cost more, or less, than the 7 days before, by labels.

    What did not exist a week ago counts as 0 then, if the organization was seen at all; what is gone counts as 0 now.
    """
    now, before = by(labels, window_costs(window)), by(labels, f"{window_costs(window)} offset 7d")
    return f"({now} - {before} or ({now} and on (organization) {before}) or -1 * {before})"


def amount(title: str, description: str, expression: str, *, nothing: str = NO_COSTS) -> PanelBuilder:
    """Return an amount of money as a large number."""
    words = Words(title, f"{description} {LATE}", nothing)
    return figure(words, expression, unit=DOLLARS, size=Size(6, 3), decimals=2)
