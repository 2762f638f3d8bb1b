"""Project: one project in detail, the target of the other dashboards' links."""

from typing import Final

from grafana.dashboards import annotations, money, project_limits, tokens, variables
from grafana.dashboards.endpoints import calls
from grafana.dashboards.guide import getting_started
from grafana.dashboards.layout import Dashboard, Row
from grafana.dashboards.model import (
    BYTES,
    COUNT,
    DOLLARS,
    DOLLARS_SCALED,
    OF_BUDGET,
    PLAIN,
    PROJECT_NAME,
    SHARE,
    YES,
    Column,
    PanelText,
    Query,
    SeriesStyle,
    Size,
    TableSpec,
)
from grafana.dashboards.money import NO_BUDGET, PROJECTION, amount
from grafana.dashboards.panels import PanelBuilder, bar_gauge, daily_bars, stat, table, timeseries
from grafana.dashboards.project_limits import LABELS
from grafana.dashboards.promql import (
    ORGANIZATION,
    PROJECT,
    accrued,
    by,
    costs,
    daily_costs,
    daily_usage,
    latest,
    named,
    owned,
    projected_costs,
    rate_per_minute,
    select,
    usage,
    window_costs,
    with_model,
)
from grafana.dashboards.tokens import NOTHING, PER_DAY

_BUDGET: Final = select("openai_project_budget_usd", ORGANIZATION, PROJECT)
_LIMIT: Final = select("openai_project_spend_limit_usd", ORGANIZATION, PROJECT)
_RUNWAY: Final = select("openai_project_budget_runway_days", ORGANIZATION, PROJECT)
_MONTH: Final = select("openai_window_cost_usd", ORGANIZATION, PROJECT, 'window="month"')
_ENFORCING: Final = select("openai_project_spend_limit_enforcing", ORGANIZATION, PROJECT)
_ALERT: Final = select("openai_project_spend_alert_threshold_usd", ORGANIZATION, PROJECT)


def _all_models(metric: str, *matchers: str) -> str:
    return by(LABELS, select(metric, ORGANIZATION, PROJECT, *matchers))


def _share_of(title: str, description: str, bound: str, no_value: str) -> PanelBuilder:
    month = _all_models("openai_window_cost_usd", 'window="month"')
    return stat(
        PanelText(title, f"{description} Covers all models.", no_value),
        Query(owned(named(f"({money.ratio(month, bound, LABELS)})")), PROJECT_NAME),
        unit=SHARE,
        size=Size(4, 3) if title == "Budget used" else Size(5, 3),
        thresholds=OF_BUDGET,
        decimals=0,
    )


def _now() -> Row:
    info = select("openai_project_info", ORGANIZATION, PROJECT)
    return Row(
        "Now",
        [
            table(
                PanelText(
                    "Selected projects",
                    "Name, id and status as OpenAI lists them: `active`, `archived`, or `deleted` when it is no longer "
                    "listed. Read every 15 minutes.",
                    "no project is known yet",
                ),
                TableSpec(
                    {
                        "project_name": "Project",
                        "project_id": "Id",
                        "status": "Status",
                        "organization": "Organization",
                    },
                    [Column("Known", f"max by ({LABELS}, project_name, status) ({info})", PLAIN)],
                    sort="Project",
                    dropped=["Known"],
                ),
                size=Size(24, 4),
            ),
            amount("Today, reported", "Costs of the current UTC day that OpenAI has reported.", by("", costs())),
            amount(
                "Today, estimated",
                "Reported costs, plus usage that is not billed yet at the price last paid.",
                money.estimated_costs(""),
                no_value=money.NO_ESTIMATE,
            ),
            amount("Yesterday", "Costs of the last full UTC day.", by("", window_costs("yesterday"))),
            amount("Last 7 days", "Costs of seven UTC days, including today.", by("", window_costs("7d"))),
            stat(
                PanelText(
                    "Change since last week",
                    "Last 7 days less the 7 days before, at the same hour of the same weekday: needs a week of history "
                    "in Prometheus.",
                    "needs a week",
                ),
                by("", money.change(LABELS)),
                unit=DOLLARS_SCALED,
                size=Size(5, 3),
                decimals=2,
            ),
            amount("Month to date", "Costs of the current UTC month.", by("", window_costs("month")), size=Size(5, 3)),
            amount("Projected month", PROJECTION, projected_costs(), size=Size(5, 3)),
            _share_of("Budget used", "Month to date as a share of the configured budget.", _BUDGET, NO_BUDGET),
            _share_of(
                "OpenAI limit used",
                "Month to date as a share of the project's spend limit at OpenAI (limits.projects).",
                _LIMIT,
                "none known",
            ),
        ],
    )


def _costs() -> Row:
    labels = f"{LABELS}, line_item"
    week, before = by(labels, window_costs("7d")), by(labels, f"{window_costs('7d')} offset 7d")
    return Row(
        "Costs",
        [
            daily_bars(
                PanelText("Spend per day", "Costs of each UTC day as last reported, by model.", NOTHING),
                Query(daily_costs("model", model=True), "{{model}}"),
                unit=DOLLARS_SCALED,
                size=Size(14, 9),
            ),
            timeseries(
                PanelText(
                    "Month to date, budget and limits",
                    "Month to date, the configured budget, and OpenAI's limit, in yellow the thresholds of its alerts. "
                    "Covers all models.",
                    NOTHING,
                ),
                Query(
                    owned(named(by(LABELS, latest(_MONTH)))),
                    f"{PROJECT_NAME}: month to date",
                ),
                Query(owned(named(f"max by ({LABELS}) ({latest(_BUDGET)})")), f"{PROJECT_NAME}: budget"),
                Query(owned(named(f"max by ({LABELS}) ({latest(_LIMIT)})")), f"{PROJECT_NAME}: limit at OpenAI"),
                Query(
                    owned(named(f"max by ({LABELS}, alert_id) ({latest(_ALERT)})")), f"{PROJECT_NAME}: alert at OpenAI"
                ),
                unit=DOLLARS_SCALED,
                size=Size(10, 9),
                interval="1h",
                styles={1: SeriesStyle("orange"), 2: SeriesStyle("red"), 3: SeriesStyle("yellow", in_legend=False)},
            ),
            table(
                PanelText("Line items", "Costs by line item of the bill.", NOTHING),
                TableSpec(
                    {"line_item": "Line item", "project_name": "Project", "organization": "Organization"},
                    [
                        Column("Last 7 days", named(week), DOLLARS),
                        Column("Today", named(by(labels, costs())), DOLLARS),
                        Column("Previous week", named(before), DOLLARS),
                        Column("Change", named(f"({week} - {before})"), DOLLARS_SCALED),
                        Column("Month to date", named(by(labels, window_costs("month"))), DOLLARS),
                    ],
                    sort="Last 7 days",
                    hidden=["project_id"],
                ),
                size=Size(17, 10),
            ),
            bar_gauge(
                PanelText("Models, last 7 days", "Costs by model, read from the line items.", NOTHING),
                Query(f"topk(15, {by('model', with_model(window_costs('7d')))})", "{{model}}"),
                unit=DOLLARS,
                size=Size(7, 10),
            ),
            table(
                PanelText(
                    "Budget and limits",
                    "Configured budgets, and limits set at OpenAI. An enforced limit blocks requests.",
                    NO_BUDGET,
                ),
                TableSpec(
                    {"project_name": "Project", "organization": "Organization"},
                    [
                        Column("Budget", named(f"max by ({LABELS}) ({_BUDGET})"), DOLLARS),
                        Column("Budget left, days", named(f"max by ({LABELS}) ({_RUNWAY})"), PLAIN),
                        Column("OpenAI limit", named(f"max by ({LABELS}) ({_LIMIT})"), DOLLARS),
                        Column("Limit enforced", named(f"max by ({LABELS}) ({_ENFORCING})"), PLAIN, mappings=YES),
                        Column("First alert at", named(f"min by ({LABELS}) ({_ALERT})"), DOLLARS),
                    ],
                    sort="Budget",
                    hidden=["project_id"],
                ),
                size=Size(24, 5),
            ),
        ],
    )


def _usage() -> Row:
    return Row(
        "Usage",
        [
            timeseries(
                PanelText("Requests per minute", "By endpoint, when it was reported.", NOTHING),
                *calls(accrued, wrap=rate_per_minute),
                unit=COUNT,
                size=Size(12, 9),
                interval="5m",
            ),
            daily_bars(
                PanelText("Requests per day by model", f"To language models. {PER_DAY}", NOTHING),
                Query(daily_usage("model", "completions_requests"), "{{model}}"),
                unit=COUNT,
                size=Size(12, 9),
            ),
            tokens.per_minute("completions", "language models", Size(12, 9)),
            tokens.per_day("completions", "language models", Size(12, 9)),
            tokens.by_model("completions", "range", "Models in this time range", Size(24, 8)),
            bar_gauge(
                PanelText("Today by endpoint", "Calls on the current UTC day so far.", NOTHING),
                *calls(usage),
                unit=COUNT,
                size=Size(12, 8),
            ),
            timeseries(
                PanelText(
                    "Stored in vector stores",
                    "Bytes as of the most recent day that OpenAI reports: a level, not a sum over days.",
                    NOTHING,
                ),
                Query(owned(named(by(LABELS, latest(usage("vector_stores_usage_bytes", model=False))))), PROJECT_NAME),
                unit=BYTES,
                size=Size(12, 8),
                interval="1h",
            ),
        ],
    )


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        "openai-project",
        "OpenAI / Project",
        "One project, or a few, in detail.",
        [variables.source(), variables.organization(), variables.project(), variables.model_of_usage()],
        [getting_started(), _now(), _costs(), _usage(), project_limits.rate_limits(), project_limits.keys()],
        annotations=[annotations.ALERTS, annotations.RESTARTS, annotations.new_line_items()],
    )
