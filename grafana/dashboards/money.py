"""Queries and panels of money that several dashboards share: amounts, projections, shares of budgets and limits."""

from typing import Final

from grafana.dashboards import promql
from grafana.dashboards.model import DOLLARS, PanelText, Size
from grafana.dashboards.panels import PanelBuilder, stat
from grafana.dashboards.promql import ORGANIZATION, PROJECT, by, latest, select, window_costs

PROJECTION: Final = (
    "The month to date, plus the mean of the last six full days for each remaining day. The rest of today counts as a "
    "fraction of a day."
)
FRESH: Final = ((None, "green"), (900.0, "orange"), (3600.0, "red"))

WHOLE: Final = "Covers all projects of the organization, regardless of the selected projects and models."
MODEL_FROM_LINE_ITEM: Final = "Models are read from the text of line items; tools and storage have none."
HISTORY: Final = "needs a week of history in Prometheus"
NO_BUDGET: Final = "no budget"
NO_COSTS: Final = "no costs"
NO_ESTIMATE: Final = "no estimate"


def organization_costs(window: str) -> str:
    """Return a window's costs of each selected organization, all its projects together."""
    return by("organization", _organization_window(window))


def organization_costs_over_time(window: str) -> str:
    """Return the same for a chart over time, which shows a new Prometheus' first minutes too."""
    return by("organization", latest(_organization_window(window)))


def organization_projection() -> str:
    """Return the projected month of each selected organization, all its projects together."""
    today = by("organization", select("openai_cost_usd", ORGANIZATION))
    month, week = organization_costs("month"), organization_costs("7d")
    return f"{month} + clamp_min({week} - {today}, 0) / 6 * {promql.DAYS_LEFT}"


def ratio(value: str, bound: str, labels: str = "organization") -> str:
    """Return an amount's share of a budget or limit, both by the same labels."""
    return f"({value}) / on ({labels}) max by ({labels}) ({bound})"


def change(labels: str, window: str = "7d") -> str:
    """Return the costs of the last 7 days less those of the 7 days before, by labels.

    What did not exist a week ago counts as 0 then, if the organization was seen at all; what is gone counts as 0 now.
    """
    now, before = by(labels, window_costs(window)), by(labels, f"{window_costs(window)} offset 7d")
    return f"({now} - {before} or ({now} and on (organization) {before}) or -1 * {before})"


def estimated_costs(labels: str) -> str:
    """Return the estimated costs of today so far, by labels."""
    return by(labels, select("openai_estimated_cost_usd", ORGANIZATION, PROJECT, 'model=~"$model"'))


def amount(
    title: str, description: str, expression: str, *, no_value: str = NO_COSTS, size: Size | None = None
) -> PanelBuilder:
    """Return an amount of money as a large number."""
    text = PanelText(title, description, no_value)
    return stat(text, expression, unit=DOLLARS, size=size or Size(6, 3), decimals=2)


def _organization_window(window: str) -> str:
    return select("openai_window_cost_usd", ORGANIZATION, f'window="{window}"')
