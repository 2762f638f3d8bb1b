"""Spend: how much, on what, against which budget, and what changed."""

from typing import Final

from grafana.dashboards import breakdown, variables
from grafana.dashboards.amounts import (
    FRESH,
    LATE,
    MIDNIGHT,
    NO_BUDGET,
    NO_COSTS,
    PROJECTION,
    WHOLE,
    against,
    amount,
    organization_costs,
    organization_projection,
)
from grafana.dashboards.board import Board, Row
from grafana.dashboards.endpoints import read_age
from grafana.dashboards.links import PROJECT_OF_SERIES
from grafana.dashboards.panels import daily_bars, figure, lines, sheet
from grafana.dashboards.promql import (
    ORGANIZATION,
    by,
    costs,
    daily_costs,
    named_daily,
    owned,
    projected_costs,
    select,
    window_costs,
)
from grafana.dashboards.vocabulary import (
    DOLLARS,
    OF_BUDGET,
    PLAIN,
    PROJECT_NAME,
    SECONDS,
    SHARE,
    YES,
    Column,
    Query,
    Sheet,
    Size,
    Style,
    Words,
)

_NO_LIMIT: Final = "no limit set"
_BUDGET: Final = select("openai_organization_budget_usd", ORGANIZATION)
_LIMIT: Final = select("openai_organization_spend_limit_usd", ORGANIZATION)
_ALERT: Final = select("openai_organization_spend_alert_threshold_usd", ORGANIZATION)
_ENFORCING: Final = select("openai_organization_spend_limit_enforcing", ORGANIZATION)


def _now() -> Row:
    return Row(
        "Now",
        [
            amount("Today", "Costs of the current UTC day so far.", by("", costs())),
            amount("Yesterday", "Costs of the last whole UTC day.", by("", window_costs("yesterday"))),
            amount("Last 7 days", "Costs of seven UTC days, today so far included.", by("", window_costs("7d"))),
            amount("This month", "Costs of the UTC month to date.", by("", window_costs("month"))),
            amount("Projected month", PROJECTION, projected_costs()),
            figure(
                Words("Of the budget", f"Month to date as a share of the configured budget. {WHOLE} {LATE}", NO_BUDGET),
                Query(against(organization_costs("month"), _BUDGET), "{{organization}}"),
                unit=SHARE,
                size=Size(6, 3),
                steps=OF_BUDGET,
                decimals=0,
            ),
            figure(
                Words(
                    "Of OpenAI's limit",
                    f"Month to date as a share of the spend limit that is set at OpenAI. {WHOLE} {LATE}",
                    _NO_LIMIT,
                ),
                Query(against(organization_costs("month"), _LIMIT), "{{organization}}"),
                unit=SHARE,
                size=Size(6, 3),
                steps=OF_BUDGET,
                decimals=0,
            ),
            figure(
                Words(
                    "Costs were read",
                    "Time since costs were last read from OpenAI, of the organization where it is longest. "
                    "What was read may itself be hours behind.",
                    "not read yet",
                ),
                read_age("costs"),
                unit=SECONDS,
                size=Size(6, 3),
                steps=FRESH,
            ),
        ],
    )


def _over_time() -> Row:
    month = organization_costs("month")
    return Row(
        "Over time",
        [
            daily_bars(
                Words("Spend per day", f"Costs of each UTC day as last reported, by project. {LATE}", NO_COSTS),
                Query(owned(named_daily(daily_costs("organization, project_id"))), PROJECT_NAME),
                unit=DOLLARS,
                size=Size(16, 10),
                links=[PROJECT_OF_SERIES],
            ),
            lines(
                Words(
                    "Month to date and its bounds",
                    "Month to date, the configured budget, OpenAI's limit, and the thresholds of OpenAI's alerts. "
                    f"{WHOLE} {MIDNIGHT} {LATE}",
                    NO_COSTS,
                ),
                Query(month, "{{organization}}: month to date"),
                Query(f"max by (organization) ({_BUDGET})", "{{organization}}: budget"),
                Query(f"max by (organization) ({_LIMIT})", "{{organization}}: limit at OpenAI"),
                Query(f"max by (organization, alert_id) ({_ALERT})", "{{organization}}: alert at OpenAI"),
                Query(organization_costs("previous_month"), "{{organization}}: month before"),
                unit=DOLLARS,
                size=Size(8, 10),
                interval="1h",
                styles={1: Style("orange"), 2: Style("red"), 3: Style("yellow"), 4: Style("text")},
            ),
        ],
    )


def _organizations() -> Row:
    month, projected = organization_costs("month"), organization_projection()
    return Row(
        "Organizations",
        [
            sheet(
                Words(
                    "Organizations, budgets and limits",
                    f"Each organization's month against its bounds. {PROJECTION} {WHOLE} {LATE}",
                    NO_COSTS,
                ),
                Sheet(
                    {"organization": "Organization"},
                    [
                        Column("Month to date", month, DOLLARS),
                        Column("Month before", organization_costs("previous_month"), DOLLARS),
                        Column("Projected", projected, DOLLARS),
                        Column("Budget", f"max by (organization) ({_BUDGET})", DOLLARS),
                        Column("Projected of budget", against(projected, _BUDGET), SHARE, OF_BUDGET),
                        Column("OpenAI's limit", f"max by (organization) ({_LIMIT})", DOLLARS),
                        Column("Projected of limit", against(projected, _LIMIT), SHARE, OF_BUDGET),
                        Column("Limit is enforced", f"max by (organization) ({_ENFORCING})", PLAIN, meanings=YES),
                        Column("First alert at", f"min by (organization) ({_ALERT})", DOLLARS),
                    ],
                    sort="Month to date",
                ),
                size=Size(24, 5),
            )
        ],
    )


def board() -> Board:
    """Return the dashboard."""
    return Board(
        "openai-spend",
        "OpenAI / Spend",
        f"What OpenAI costs, on what, and against which budget. {MIDNIGHT} {LATE}",
        [variables.source(), variables.organization(), variables.project(), variables.model_of_costs()],
        [
            _now(),
            _over_time(),
            _organizations(),
            breakdown.where_it_goes(),
            breakdown.movers(),
            breakdown.unit_costs(),
            breakdown.reported(),
            breakdown.other_money(),
        ],
    )
