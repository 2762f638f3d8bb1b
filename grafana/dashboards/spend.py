"""Spend: how much, on what, against which budget, and what changed."""

from typing import Final

from grafana.dashboards import annotations, spend_breakdown, variables
from grafana.dashboards.endpoints import read_age
from grafana.dashboards.guide import getting_started
from grafana.dashboards.layout import Dashboard, Row
from grafana.dashboards.model import (
    DOLLARS,
    DOLLARS_SCALED,
    OF_BUDGET,
    PLAIN,
    PROJECT_NAME,
    PROJECT_OF_SERIES,
    SECONDS,
    SHARE,
    YES,
    Column,
    PanelText,
    Query,
    SeriesStyle,
    Size,
    TableSpec,
)
from grafana.dashboards.money import (
    FRESH,
    MODEL_FROM_LINE_ITEM,
    NO_BUDGET,
    NO_COSTS,
    NO_ESTIMATE,
    PROJECTION,
    WHOLE,
    amount,
    estimated_costs,
    organization_costs,
    organization_costs_over_time,
    organization_projection,
    ratio,
)
from grafana.dashboards.panels import daily_bars, stat, table, timeseries
from grafana.dashboards.promql import (
    ORGANIZATION,
    by,
    costs,
    daily_costs,
    latest,
    named_daily,
    owned,
    projected_costs,
    select,
    window_costs,
)

_NO_LIMIT: Final = "no limit set"
_BUDGET: Final = select("openai_organization_budget_usd", ORGANIZATION)
_LIMIT: Final = select("openai_organization_spend_limit_usd", ORGANIZATION)
_ALERT: Final = select("openai_organization_spend_alert_threshold_usd", ORGANIZATION)
_ENFORCING: Final = select("openai_organization_spend_limit_enforcing", ORGANIZATION)
_RUNWAY: Final = select("openai_organization_budget_runway_days", ORGANIZATION)


def _now() -> Row:
    wide, narrow = Size(6, 3), Size(5, 3)
    return Row(
        "Now",
        [
            amount("Today, reported", "Costs of the current UTC day that OpenAI has reported.", by("", costs())),
            amount(
                "Today, estimated",
                "Reported costs, plus usage that is not billed yet at the price last paid. An estimate: see the row "
                "Estimate.",
                estimated_costs(""),
                no_value=NO_ESTIMATE,
            ),
            amount("Yesterday", "Costs of the last full UTC day.", by("", window_costs("yesterday"))),
            amount("Last 7 days", "Costs of seven UTC days, including today.", by("", window_costs("7d")), size=wide),
            amount("Month to date", "Costs of the current UTC month.", by("", window_costs("month")), size=narrow),
            amount("Projected month", PROJECTION, projected_costs(), size=narrow),
            stat(
                PanelText("Budget used", f"Month to date as a share of the configured budget. {WHOLE}", NO_BUDGET),
                Query(ratio(organization_costs("month"), _BUDGET), "{{organization}}"),
                unit=SHARE,
                size=narrow,
                thresholds=OF_BUDGET,
                decimals=0,
            ),
            stat(
                PanelText(
                    "OpenAI limit used",
                    f"Month to date as a share of the spend limit at OpenAI. {WHOLE}",
                    _NO_LIMIT,
                ),
                Query(ratio(organization_costs("month"), _LIMIT), "{{organization}}"),
                unit=SHARE,
                size=narrow,
                thresholds=OF_BUDGET,
                decimals=0,
            ),
            stat(
                PanelText(
                    "Last cost update",
                    "Time since the exporter last read costs, of the organization where it is longest.",
                    "not read yet",
                ),
                read_age("costs"),
                unit=SECONDS,
                size=Size(4, 3),
                thresholds=FRESH,
            ),
        ],
    )


def _over_time() -> Row:
    return Row(
        "Over time",
        [
            daily_bars(
                PanelText("Spend per day", "Costs of each UTC day as last reported, by project.", NO_COSTS),
                Query(owned(named_daily(daily_costs("organization, project_id"))), PROJECT_NAME),
                unit=DOLLARS_SCALED,
                size=Size(16, 10),
                links=[PROJECT_OF_SERIES],
            ),
            timeseries(
                PanelText(
                    "Month to date, budget and limits",
                    "Month to date, the configured budget, OpenAI's limit, and in yellow the thresholds of OpenAI's "
                    f"alerts. {WHOLE}",
                    NO_COSTS,
                ),
                Query(organization_costs_over_time("month"), "{{organization}}: month to date"),
                Query(f"max by (organization) ({latest(_BUDGET)})", "{{organization}}: budget"),
                Query(f"max by (organization) ({latest(_LIMIT)})", "{{organization}}: limit at OpenAI"),
                Query(f"max by (organization, alert_id) ({latest(_ALERT)})", "{{organization}}: alert at OpenAI"),
                Query(organization_costs_over_time("previous_month"), "{{organization}}: previous month"),
                unit=DOLLARS_SCALED,
                size=Size(8, 10),
                interval="1h",
                styles={
                    1: SeriesStyle("orange"),
                    2: SeriesStyle("red"),
                    3: SeriesStyle("yellow", in_legend=False),
                    4: SeriesStyle("text"),
                },
            ),
        ],
    )


def _organizations() -> Row:
    month, projected = organization_costs("month"), organization_projection()
    return Row(
        "Organizations",
        [
            table(
                PanelText("Organizations, budgets and limits", f"{PROJECTION} {WHOLE}", NO_COSTS),
                TableSpec(
                    {"organization": "Organization"},
                    [
                        Column("Month to date", month, DOLLARS),
                        Column("Previous month", organization_costs("previous_month"), DOLLARS),
                        Column("Projected month", projected, DOLLARS),
                        Column("Budget", f"max by (organization) ({_BUDGET})", DOLLARS),
                        Column("Budget, projected", ratio(projected, _BUDGET), SHARE, OF_BUDGET),
                        Column("Budget left, days", f"max by (organization) ({_RUNWAY})", PLAIN),
                        Column("OpenAI limit", f"max by (organization) ({_LIMIT})", DOLLARS),
                        Column("Limit, projected", ratio(projected, _LIMIT), SHARE, OF_BUDGET),
                        Column("Limit enforced", f"max by (organization) ({_ENFORCING})", PLAIN, mappings=YES),
                        Column("First alert at", f"min by (organization) ({_ALERT})", DOLLARS),
                    ],
                    sort="Month to date",
                ),
                size=Size(24, 5),
            )
        ],
    )


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        "openai-spend",
        "OpenAI / Spend",
        "What OpenAI costs, on what, and against which budget.",
        [variables.source(), variables.organization(), variables.project(), variables.model_of_costs()],
        [
            getting_started(
                MODEL_FROM_LINE_ITEM,
                "Amounts in full, as `$1234.56`, compare with an invoice; axes and differences are rounded.",
            ),
            _now(),
            _over_time(),
            _organizations(),
            spend_breakdown.where_it_goes(),
            spend_breakdown.movers(),
            spend_breakdown.unit_costs(),
            spend_breakdown.estimate(),
            spend_breakdown.reported(),
            spend_breakdown.other_money(),
        ],
        annotations=[annotations.ALERTS, annotations.RESTARTS, annotations.new_line_items()],
    )
