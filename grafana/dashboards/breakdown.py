"""What the money went for: projects, line items, models; what changed, what a unit costs."""

from typing import Final

from grafana.dashboards.amounts import HISTORY, LATE, NAMED_BY, NO_COSTS, against, amount, change
from grafana.dashboards.board import Row
from grafana.dashboards.endpoints import MODEL_REQUESTS
from grafana.dashboards.links import PROJECT_OF_ROW
from grafana.dashboards.panels import daily_bars, figure, lines, ranking, sheet
from grafana.dashboards.promql import (
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
    named,
    select,
    window_costs,
    with_model,
)
from grafana.dashboards.vocabulary import COUNT, DOLLARS, OF_BUDGET, PLAIN, SHARE, Column, Query, Sheet, Size, Words

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
            sheet(
                Words("Projects", f"Costs by project; a click on a name opens the project. {LATE}", NO_COSTS),
                Sheet(
                    {"project_name": "Project", "organization": "Organization"},
                    [
                        Column("Last 7 days", named(week), DOLLARS),
                        Column("Today", by_project(costs()), DOLLARS),
                        Column("Yesterday", by_project(window_costs("yesterday")), DOLLARS),
                        Column("Week before", named(before), DOLLARS),
                        Column("Change", named(f"({week} - {before})"), DOLLARS),
                        Column("Last 30 days", by_project(window_costs("30d")), DOLLARS),
                        Column("Month to date", named(month), DOLLARS),
                        Column("Month before", by_project(window_costs("previous_month")), DOLLARS),
                        Column("Budget", named(f"max by ({project}) ({_PROJECT_BUDGET})"), DOLLARS),
                        Column("Of budget", named(f"({against(month, _PROJECT_BUDGET, project)})"), SHARE, OF_BUDGET),
                    ],
                    sort="Last 7 days",
                    hidden=["project_id"],
                    links={"Project": [PROJECT_OF_ROW]},
                ),
                size=Size(24, 10),
            ),
            ranking(
                Words("Line items, last 7 days", f"The fifteen line items that cost most. {LATE}", NO_COSTS),
                Query(f"topk(15, {by('line_item', window_costs('7d'))})", "{{line_item}}"),
                unit=DOLLARS,
                size=Size(12, 12),
            ),
            ranking(
                Words("Models, last 7 days", f"Costs by model. {NAMED_BY} {LATE}", NO_COSTS),
                Query(f"topk(15, {by('model', with_model(window_costs('7d')))})", "{{model}}"),
                unit=DOLLARS,
                size=Size(12, 12),
            ),
            daily_bars(
                Words(
                    "Spend per day by model",
                    f"Costs of each UTC day as last reported, by model. {NAMED_BY} {LATE}",
                    NO_COSTS,
                ),
                Query(daily_costs("model", model=True), "{{model}}"),
                unit=DOLLARS,
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
            sheet(
                Words(
                    "Top movers against last week",
                    "The ten line items of projects whose last 7 days differ most, in dollars, from the 7 days before "
                    f"as they stood a week ago: both end at the same hour of the same weekday. {LATE}",
                    HISTORY,
                ),
                Sheet(
                    {"project_name": "Project", "line_item": "Line item", "organization": "Organization"},
                    [
                        Column("Change", named(f"({moved} and {top})"), DOLLARS),
                        Column("Last 7 days", named(f"({now} and {top})"), DOLLARS),
                        Column("Week before", named(f"({before} and {top})"), DOLLARS),
                        Column("Change, relative", named(f"(({now} - {before}) / ({before} > 0) and {top})"), SHARE),
                    ],
                    sort="Change",
                    hidden=["project_id"],
                    links={"Project": [PROJECT_OF_ROW]},
                ),
                size=Size(16, 10),
            ),
            ranking(
                Words(
                    "Models that cost more than last week",
                    f"Last 7 days less the 7 days before, where that is more than nothing. {NAMED_BY} {LATE}",
                    HISTORY,
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
    model = by("model", with_model(window_costs("7d")))
    requests = by("model", across(f"openai_window_{MODEL_REQUESTS}_requests", 'window="7d"'))
    thousand = f"{model} / ({requests} > 0) * 1000"
    return Row(
        "Unit costs",
        [
            figure(
                Words("Per 1,000 requests", f"Costs of 7 days for a thousand requests to models. {LATE}", _NO_REQUESTS),
                f"{by('', model)} / ({by('', requests)} > 0) * 1000",
                unit=DOLLARS,
                size=Size(4, 8),
                decimals=2,
            ),
            lines(
                Words(
                    "Costs of 1,000 requests",
                    f"Costs of 7 days by the requests of the same 7 days, by model. {NAMED_BY} {LATE}",
                    _NO_REQUESTS,
                ),
                Query(thousand, "{{model}}"),
                unit=DOLLARS,
                size=Size(9, 8),
                interval="1h",
            ),
            sheet(
                Words("Unit costs by model", f"Costs and requests of 7 days. {NAMED_BY} {LATE}", NO_COSTS),
                Sheet(
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


def reported() -> Row:
    """Return the folded row of what counters tell: over a long time range they read many samples."""
    spent, tokens = by("model", with_model(growth(accrued_costs()))), _tokens("model")
    return Row(
        "Reported in this time range, and what a million tokens cost",
        [
            amount(
                "Reported in range",
                "By how much costs grew in the time range of the dashboard: what was reported in it, also for earlier "
                "days. Counted from the exporter's installation on; revisions downwards are not taken off.",
                by("", growth(accrued_costs())),
            ),
            sheet(
                Words(
                    "Costs of tokens",
                    "Costs and tokens that were reported in the time range of the dashboard, from the exporter's "
                    "installation on. Costs come later than usage, so a short time range looks too cheap. "
                    f"{NAMED_BY} {LATE}",
                    NO_COSTS,
                ),
                Sheet(
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
    """Return the folded row of what is no cost in dollars."""
    credits_ = [
        ("openai_credit_granted_usd", "granted"),
        ("openai_credit_used_usd", "used"),
        ("openai_credit_available_usd", "available"),
    ]
    other = "organization, project_id, currency"
    return Row(
        "Prepaid credit and other currencies",
        [
            lines(
                Words(
                    "Prepaid credit",
                    "Credit grants as OpenAI's legacy billing endpoint tells them. Only with an ordinary API key.",
                    "an admin key cannot read credit grants",
                ),
                *(
                    Query(by("organization", select(metric, ORGANIZATION)), f"{{{{organization}}}}: {word}")
                    for metric, word in credits_
                ),
                unit=DOLLARS,
                size=Size(12, 8),
            ),
            sheet(
                Words(
                    "Costs in other currencies",
                    f"What OpenAI bills in another currency than US dollars: it is in no figure above. {LATE}",
                    "all costs are in US dollars",
                ),
                Sheet(
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
                size=Size(12, 8),
            ),
        ],
        folded=True,
    )


def _other_currency(metric: str, *matchers: str) -> str:
    return select(metric, ORGANIZATION, PROJECT, *matchers)
