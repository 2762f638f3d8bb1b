"""Costs by project, line item and model; what changed, what a unit costs, and the estimate."""

from typing import Final

from grafana.dashboards.endpoints import MODEL_REQUESTS
from grafana.dashboards.layout import Row
from grafana.dashboards.model import (
    COUNT,
    DOLLARS,
    DOLLARS_SCALED,
    OF_BUDGET,
    PLAIN,
    PROJECT_OF_ROW,
    SHARE,
    Column,
    PanelText,
    Query,
    SeriesStyle,
    Size,
    TableSpec,
)
from grafana.dashboards.money import HISTORY, NO_COSTS, NO_ESTIMATE, amount, change, estimated_costs, ratio
from grafana.dashboards.panels import bar_gauge, daily_bars, stat, table, timeseries
from grafana.dashboards.promql import (
    LINE_ITEM,
    MODEL,
    ORGANIZATION,
    PROJECT,
    accrued,
    accrued_costs,
    across,
    by,
    by_project,
    costs,
    daily_costs,
    growth,
    latest,
    named,
    select,
    window_costs,
    with_model,
)

_PROJECT_BUDGET: Final = select("openai_project_budget_usd", ORGANIZATION, PROJECT)

_NO_REQUESTS: Final = "no requests"


def where_it_goes() -> Row:
    """Return the row of projects, line items and models."""
    project = "organization, project_id"
    week, before = by(project, window_costs("7d")), by(project, f"{window_costs('7d')} offset 7d")
    month = by(project, window_costs("month"))
    return Row(
        "Where it goes",
        [
            table(
                PanelText("Projects", "Costs by project. The name links to the project's dashboard.", NO_COSTS),
                TableSpec(
                    {"project_name": "Project", "organization": "Organization"},
                    [
                        Column("Last 7 days", named(week), DOLLARS),
                        Column("Today", by_project(costs()), DOLLARS),
                        Column("Yesterday", by_project(window_costs("yesterday")), DOLLARS),
                        Column("Previous week", named(before), DOLLARS),
                        Column("Change", named(f"({week} - {before})"), DOLLARS_SCALED),
                        Column("Last 30 days", by_project(window_costs("30d")), DOLLARS),
                        Column("Month to date", named(month), DOLLARS),
                        Column("Previous month", by_project(window_costs("previous_month")), DOLLARS),
                        Column("Budget", named(f"max by ({project}) ({_PROJECT_BUDGET})"), DOLLARS),
                        Column("Budget used", named(f"({ratio(month, _PROJECT_BUDGET, project)})"), SHARE, OF_BUDGET),
                    ],
                    sort="Last 7 days",
                    hidden=["project_id"],
                    links={"Project": [PROJECT_OF_ROW]},
                ),
                size=Size(24, 10),
            ),
            bar_gauge(
                PanelText("Line items, last 7 days", "The fifteen line items that cost most.", NO_COSTS),
                Query(f"topk(15, {by('line_item', window_costs('7d'))})", "{{line_item}}"),
                unit=DOLLARS,
                size=Size(12, 12),
            ),
            bar_gauge(
                PanelText("Models, last 7 days", "Costs by model.", NO_COSTS),
                Query(f"topk(15, {by('model', with_model(window_costs('7d')))})", "{{model}}"),
                unit=DOLLARS,
                size=Size(12, 12),
            ),
            daily_bars(
                PanelText(
                    "Spend per day by model",
                    "Costs of each UTC day as last reported, by model.",
                    NO_COSTS,
                ),
                Query(daily_costs("model", model=True), "{{model}}"),
                unit=DOLLARS_SCALED,
                size=Size(24, 10),
            ),
        ],
    )


def movers() -> Row:
    """Return the row of what differs from a week ago."""
    labels = "organization, project_id, line_item"
    moved = change(labels)
    top = f"topk(10, abs({moved}))"
    now, before = by(labels, window_costs("7d")), by(labels, f"{window_costs('7d')} offset 7d")
    return Row(
        "What changed",
        [
            table(
                PanelText(
                    "Largest changes since last week",
                    "The ten line items of projects whose costs of 7 days differ most from those a week ago, at the "
                    "same hour of the same weekday.",
                    HISTORY,
                ),
                TableSpec(
                    {"project_name": "Project", "line_item": "Line item", "organization": "Organization"},
                    [
                        Column("Change", named(f"({moved} and {top})"), DOLLARS_SCALED),
                        Column("Last 7 days", named(f"({now} and {top})"), DOLLARS),
                        Column("Previous week", named(f"({before} and {top})"), DOLLARS),
                        Column("Change, percent", named(f"(({now} - {before}) / ({before} > 0) and {top})"), SHARE),
                    ],
                    sort="Change",
                    hidden=["project_id"],
                    links={"Project": [PROJECT_OF_ROW]},
                ),
                size=Size(16, 10),
            ),
            bar_gauge(
                PanelText(
                    "Models that cost more than last week",
                    "Last 7 days less the 7 days before, where that is an increase. Needs a week of history.",
                    "no increase",
                ),
                Query(
                    f"topk(10, {by('model', with_model(window_costs('7d')))}"
                    f" - {by('model', with_model(window_costs('7d') + ' offset 7d'))} > 0)",
                    "{{model}}",
                ),
                unit=DOLLARS,
                size=Size(8, 10),
            ),
        ],
    )


def _tokens(labels: str) -> str:
    """Return the tokens that were reported in the time range; no model answers at two endpoints."""
    parts = [
        f"{by(labels, growth(accrued(f'{endpoint}_input_tokens')))}"
        f" + {by(labels, growth(accrued(f'{endpoint}_output_tokens')))}"
        for endpoint in ("completions", "decisions")
    ]
    parts += [by(labels, growth(accrued(f"{endpoint}_input_tokens"))) for endpoint in ("embeddings", "moderations")]
    return "(" + " or ".join(parts) + ")"


def unit_costs() -> Row:
    """Return the row of costs by requests."""
    requested = across(f"openai_window_{MODEL_REQUESTS}_requests", 'window="7d"')
    model, requests = by("model", with_model(window_costs("7d"))), by("model", requested)
    thousand = f"{model} / ({requests} > 0) * 1000"
    over_time = f"{by('model', with_model(latest(window_costs('7d'))))} / ({by('model', latest(requested))} > 0) * 1000"
    return Row(
        "Unit costs",
        [
            stat(
                PanelText("Per 1,000 requests", "Costs of 7 days for a thousand requests to models.", _NO_REQUESTS),
                f"{by('', model)} / ({by('', requests)} > 0) * 1000",
                unit=DOLLARS,
                size=Size(4, 8),
                decimals=2,
            ),
            timeseries(
                PanelText(
                    "Cost per 1,000 requests over time",
                    "Costs of 7 days divided by the requests of the same 7 days, by model.",
                    _NO_REQUESTS,
                ),
                Query(over_time, "{{model}}"),
                unit=DOLLARS_SCALED,
                size=Size(9, 8),
                interval="1h",
            ),
            table(
                PanelText("Unit costs by model", "Costs and requests of 7 days.", NO_COSTS),
                TableSpec(
                    {"model": "Model"},
                    [
                        Column("Last 7 days", model, DOLLARS),
                        Column("Requests, 7 days", requests, COUNT),
                        Column("Per 1,000 requests", thousand, DOLLARS),
                    ],
                    sort="Last 7 days",
                ),
                size=Size(11, 8),
            ),
        ],
    )


def estimate() -> Row:
    """Return the row of the estimate of today, and of prepaid credit, which is calculated from it."""
    labels = "organization, project_id"
    reported_today, estimated = by(labels, costs()), estimated_costs(labels)
    accrued_estimate = select("openai_accrued_estimated_cost_usd_total", ORGANIZATION, PROJECT, MODEL)
    coverage = select("openai_estimated_cost_coverage_ratio", ORGANIZATION)
    price = select("openai_effective_price_usd", ORGANIZATION, LINE_ITEM)
    balance = f"max by (organization) ({select('openai_prepaid_balance_usd', ORGANIZATION)})"
    runway = f"max by (organization) ({select('openai_prepaid_runway_days', ORGANIZATION)})"
    return Row(
        "Estimate",
        [
            timeseries(
                PanelText(
                    "Today, estimated and reported",
                    "Costs of the current UTC day so far. The estimate adds usage that is not billed yet, at the price "
                    "that the organization last paid.",
                    NO_ESTIMATE,
                ),
                Query(estimated_costs("organization"), "{{organization}}: estimated"),
                Query(by("organization", costs()), "{{organization}}: reported"),
                unit=DOLLARS_SCALED,
                size=Size(12, 8),
                styles={1: SeriesStyle("text", dashed=False)},
            ),
            timeseries(
                PanelText("Estimated spend per hour", "Growth of the estimate, by organization.", NO_ESTIMATE),
                Query(
                    by("organization", f"rate({accrued_estimate}[$__rate_interval])") + " * 3600", "{{organization}}"
                ),
                unit=DOLLARS_SCALED,
                size=Size(12, 8),
                interval="15m",
            ),
            stat(
                PanelText(
                    "Estimate coverage",
                    "Share of today's requests whose usage has a price in the estimate.",
                    "no requests",
                ),
                Query(f"min by (organization) ({coverage})", "{{organization}}"),
                unit=SHARE,
                size=Size(5, 8),
                decimals=0,
            ),
            table(
                PanelText("Projects today, estimated", "Estimated and reported costs of today so far.", NO_ESTIMATE),
                TableSpec(
                    {"project_name": "Project", "organization": "Organization"},
                    [
                        Column("Estimated", named(estimated), DOLLARS),
                        Column("Reported", named(reported_today), DOLLARS),
                        Column("Not billed yet", named(f"({estimated} - {reported_today})"), DOLLARS_SCALED),
                    ],
                    sort="Estimated",
                    hidden=["project_id"],
                    links={"Project": [PROJECT_OF_ROW]},
                ),
                size=Size(12, 8),
            ),
            table(
                PanelText(
                    "Prepaid credit",
                    "Balance and days until it is spent, calculated from the top-ups in the settings and estimated "
                    "costs.",
                    "no top-ups in the settings (prepaid)",
                ),
                TableSpec(
                    {"organization": "Organization"},
                    [Column("Balance", balance, DOLLARS), Column("Days left", runway, PLAIN)],
                    sort="Balance",
                ),
                size=Size(7, 8),
            ),
            table(
                PanelText(
                    "Effective prices",
                    "What one unit of a line item last cost, learned from reported costs and quantities.",
                    "no price learned yet",
                ),
                TableSpec(
                    {"line_item": "Line item", "unit": "Unit", "organization": "Organization"},
                    [Column("Per million units", f"max by (organization, line_item, unit) ({price}) * 1e6", DOLLARS)],
                    sort="Per million units",
                ),
                size=Size(12, 8),
            ),
        ],
        folded=True,
    )


def reported() -> Row:
    """Return the folded row of counters: over a long time range they read many samples."""
    spent, tokens = by("model", with_model(growth(accrued_costs()))), _tokens("model")
    return Row(
        "Reported in this time range, cost per million tokens",
        [
            amount(
                "Reported in range",
                "Costs that OpenAI reported during the time range of the dashboard, also for earlier days. Counted "
                "since the exporter was installed; downward revisions are not subtracted.",
                by("", growth(accrued_costs())),
            ),
            table(
                PanelText(
                    "Costs of tokens",
                    "Costs and tokens reported during the time range of the dashboard, since the exporter was "
                    "installed. Costs come later than usage, so a short time range looks too cheap.",
                    NO_COSTS,
                ),
                TableSpec(
                    {"model": "Model"},
                    [
                        Column("Costs", spent, DOLLARS),
                        Column("Tokens", tokens, COUNT),
                        Column("Per million tokens", f"{spent} / ({tokens} > 0) * 1000000", DOLLARS),
                    ],
                    sort="Costs",
                ),
                size=Size(18, 9),
            ),
        ],
        folded=True,
    )


def other_money() -> Row:
    """Return the folded row of credit, and of costs in other currencies."""
    credits_ = [
        ("openai_credit_granted_usd", "granted"),
        ("openai_credit_used_usd", "used"),
        ("openai_credit_available_usd", "available"),
    ]
    other = "organization, project_id, currency"
    return Row(
        "Credit grants and other currencies",
        [
            timeseries(
                PanelText(
                    "Credit grants",
                    "Credit grants from OpenAI's legacy billing endpoint, which only an ordinary API key can read.",
                    "an admin key cannot read credit grants",
                ),
                *(
                    Query(by("organization", select(metric, ORGANIZATION)), f"{{{{organization}}}}: {word}")
                    for metric, word in credits_
                ),
                unit=DOLLARS_SCALED,
                size=Size(10, 8),
            ),
            table(
                PanelText(
                    "Costs in other currencies",
                    "What OpenAI bills in currencies other than US dollars. No other panel includes it.",
                    "all costs are in US dollars",
                ),
                TableSpec(
                    {"project_name": "Project", "currency": "Currency", "organization": "Organization"},
                    [
                        Column(
                            "Month to date",
                            named(by(other, _other_currency("openai_window_cost_other_currency", 'window="month"'))),
                            PLAIN,
                        ),
                        Column("Today", named(by(other, _other_currency("openai_cost_other_currency"))), PLAIN),
                        Column(
                            "In range",
                            named(by(other, growth(_other_currency("openai_accrued_cost_other_currency_total")))),
                            PLAIN,
                        ),
                    ],
                    sort="Month to date",
                    hidden=["project_id"],
                    links={"Project": [PROJECT_OF_ROW]},
                ),
                size=Size(14, 8),
            ),
        ],
        folded=True,
    )


def _other_currency(metric: str, *matchers: str) -> str:
    return select(metric, ORGANIZATION, PROJECT, *matchers)
