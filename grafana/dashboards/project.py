"""Project: one project in depth, where the other dashboards' links lead."""

from typing import Final

from grafana.dashboards import amounts, project_limits, tokens, variables
from grafana.dashboards.amounts import NO_BUDGET, PROJECTION, amount
from grafana.dashboards.board import Board, Row
from grafana.dashboards.endpoints import calls
from grafana.dashboards.panels import PanelBuilder, daily_bars, figure, lines, ranking, sheet
from grafana.dashboards.project_limits import LABELS
from grafana.dashboards.promql import (
    ORGANIZATION,
    PROJECT,
    accrued,
    by,
    costs,
    daily_costs,
    daily_usage,
    named,
    owned,
    projected_costs,
    rate_per_minute,
    select,
    usage,
    window_costs,
    with_model,
)
from grafana.dashboards.tokens import LATE, NOTHING, PER_DAY
from grafana.dashboards.vocabulary import (
    BYTES,
    COUNT,
    DOLLARS,
    OF_BUDGET,
    PLAIN,
    PROJECT_NAME,
    SHARE,
    YES,
    Column,
    Query,
    Sheet,
    Size,
    Style,
    Words,
)

_BUDGET: Final = select("openai_project_budget_usd", ORGANIZATION, PROJECT)
_LIMIT: Final = select("openai_project_spend_limit_usd", ORGANIZATION, PROJECT)
_ENFORCING: Final = select("openai_project_spend_limit_enforcing", ORGANIZATION, PROJECT)
_ALERT: Final = select("openai_project_spend_alert_threshold_usd", ORGANIZATION, PROJECT)


def _all_models(metric: str, *matchers: str) -> str:
    return by(LABELS, select(metric, ORGANIZATION, PROJECT, *matchers))


def _share_of(title: str, description: str, bound: str, nothing: str) -> PanelBuilder:
    month = _all_models("openai_window_cost_usd", 'window="month"')
    return figure(
        Words(title, f"{description} All models, whichever are chosen. {amounts.LATE}", nothing),
        Query(owned(named(f"({amounts.against(month, bound, LABELS)})")), PROJECT_NAME),
        unit=SHARE,
        size=Size(6, 3),
        steps=OF_BUDGET,
        decimals=0,
    )


def _now() -> Row:
    info = select("openai_project_info", ORGANIZATION, PROJECT)
    return Row(
        "Now",
        [
            sheet(
                Words(
                    "Chosen projects",
                    "Name, id and status as OpenAI lists them: `active`, `archived`, or `deleted` when the list has "
                    "the project no more. Read every quarter of an hour.",
                    "no project is known yet",
                ),
                Sheet(
                    {
                        "project_name": "Project",
                        "project_id": "Id",
                        "status": "Status",
                        "organization": "Organization",
                    },
                    [Column("Known", f"max by ({LABELS}, project_name, status) ({info})", PLAIN)],
                    sort="Project",
                    dropped=["Value"],
                ),
                size=Size(24, 4),
            ),
            amount("Today", "Costs of the current UTC day so far.", by("", costs())),
            amount("Yesterday", "Costs of the last whole UTC day.", by("", window_costs("yesterday"))),
            amount("Last 7 days", "Costs of seven UTC days, today so far included.", by("", window_costs("7d"))),
            amount(
                "Change against last week",
                "Last 7 days less the 7 days before, as they stood a week ago at the same hour: needs a week of "
                "history in Prometheus.",
                by("", amounts.change(LABELS)),
                nothing="needs a week",
            ),
            amount("This month", "Costs of the UTC month to date.", by("", window_costs("month"))),
            amount("Projected month", PROJECTION, projected_costs()),
            _share_of("Of the budget", "Month to date as a share of the configured budget.", _BUDGET, NO_BUDGET),
            _share_of(
                "Of OpenAI's limit",
                "Month to date as a share of the project's spend limit at OpenAI, which is read if a setting says so.",
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
                Words("Spend per day", f"Costs of each UTC day as last reported, by model. {amounts.LATE}", NOTHING),
                Query(daily_costs("model", model=True), "{{model}}"),
                unit=DOLLARS,
                size=Size(14, 9),
            ),
            lines(
                Words(
                    "Month to date and its bounds",
                    "Month to date, the configured budget, the limit and the alert thresholds that are set at OpenAI. "
                    f"All models, whichever are chosen. {amounts.LATE}",
                    NOTHING,
                ),
                Query(
                    owned(named(_all_models("openai_window_cost_usd", 'window="month"'))),
                    f"{PROJECT_NAME}: month to date",
                ),
                Query(owned(named(f"max by ({LABELS}) ({_BUDGET})")), f"{PROJECT_NAME}: budget"),
                Query(owned(named(f"max by ({LABELS}) ({_LIMIT})")), f"{PROJECT_NAME}: limit at OpenAI"),
                Query(owned(named(f"max by ({LABELS}, alert_id) ({_ALERT})")), f"{PROJECT_NAME}: alert at OpenAI"),
                unit=DOLLARS,
                size=Size(10, 9),
                interval="1h",
                styles={1: Style("orange"), 2: Style("red"), 3: Style("yellow")},
            ),
            sheet(
                Words("Line items", f"What the money went for. {amounts.LATE}", NOTHING),
                Sheet(
                    {"line_item": "Line item", "project_name": "Project", "organization": "Organization"},
                    [
                        Column("Last 7 days", named(week), DOLLARS),
                        Column("Today", named(by(labels, costs())), DOLLARS),
                        Column("Week before", named(before), DOLLARS),
                        Column("Change", named(f"({week} - {before})"), DOLLARS),
                        Column("Month to date", named(by(labels, window_costs("month"))), DOLLARS),
                    ],
                    sort="Last 7 days",
                    hidden=["project_id"],
                ),
                size=Size(16, 10),
            ),
            ranking(
                Words("Models, last 7 days", f"Costs by model, read from the line items. {amounts.LATE}", NOTHING),
                Query(f"topk(15, {by('model', with_model(window_costs('7d')))})", "{{model}}"),
                unit=DOLLARS,
                size=Size(8, 10),
            ),
            sheet(
                Words(
                    "Budget and limits",
                    "What is configured, and what is set at OpenAI. A limit that is enforced stops requests.",
                    NO_BUDGET,
                ),
                Sheet(
                    {"project_name": "Project", "organization": "Organization"},
                    [
                        Column("Budget", named(f"max by ({LABELS}) ({_BUDGET})"), DOLLARS),
                        Column("OpenAI's limit", named(f"max by ({LABELS}) ({_LIMIT})"), DOLLARS),
                        Column("Limit is enforced", named(f"max by ({LABELS}) ({_ENFORCING})"), PLAIN, meanings=YES),
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
            lines(
                Words("Requests per minute", f"By endpoint, as they were reported. {LATE}", NOTHING),
                *calls(accrued, wrap=rate_per_minute),
                unit=COUNT,
                size=Size(12, 9),
                interval="5m",
            ),
            daily_bars(
                Words("Requests per day by model", f"To language models. {PER_DAY} {LATE}", NOTHING),
                Query(daily_usage("model", "completions_requests"), "{{model}}"),
                unit=COUNT,
                size=Size(12, 9),
            ),
            tokens.per_minute("completions", "language models", Size(12, 9)),
            tokens.per_day("completions", "language models", Size(12, 9)),
            tokens.by_model("completions", "range", "Models in this time range", Size(24, 8)),
            ranking(
                Words("Today by endpoint", f"Calls on the current UTC day so far. {LATE}", NOTHING),
                *calls(usage),
                unit=COUNT,
                size=Size(12, 8),
            ),
            lines(
                Words(
                    "Stored in vector stores",
                    "Bytes as of the newest day that OpenAI reports: a level, not a sum over days.",
                    NOTHING,
                ),
                Query(owned(named(by(LABELS, usage("vector_stores_usage_bytes", model=False)))), PROJECT_NAME),
                unit=BYTES,
                size=Size(12, 8),
                interval="1h",
            ),
        ],
    )


def board() -> Board:
    """Return the dashboard."""
    return Board(
        "openai-project",
        "OpenAI / Project",
        f"One project, or a few, in depth. {amounts.MIDNIGHT} {amounts.LATE}",
        [variables.source(), variables.organization(), variables.project(), variables.model_of_usage()],
        [_now(), _costs(), _usage(), project_limits.rate_limits(), project_limits.keys()],
    )
