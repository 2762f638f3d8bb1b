"""Spend: how much, on what, against which budget, and what changed."""

from typing import Final

from grafana.dashboards import promql, variables
from grafana.dashboards.board import Board, Row
from grafana.dashboards.endpoints import MODEL_REQUESTS, read_age
from grafana.dashboards.links import PROJECT_OF_ROW, PROJECT_OF_SERIES
from grafana.dashboards.panels import (
    COUNT,
    DOLLARS,
    OF_BUDGET,
    PLAIN,
    SECONDS,
    SHARE,
    Column,
    PanelBuilder,
    Query,
    Sheet,
    Size,
    Style,
    Words,
    daily_bars,
    figure,
    lines,
    ranking,
    sheet,
)
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
    named_daily,
    projected_costs,
    select,
    window_costs,
    with_model,
)

LATE: Final = "OpenAI reports costs hours late and revises them for days."
MIDNIGHT: Final = "Days and months are UTC."
PROJECTION: Final = (
    "The month to date, and for the days that are left the mean of the last six whole days. The rest of today counts "
    "as the fraction of a day that it is."
)
FRESH: Final = ((None, "green"), (900.0, "orange"), (3600.0, "red"))

_WHOLE: Final = "All projects of the organization, whatever projects and models are chosen."
_NAMED_BY: Final = "Read from the names of the line items; tools and storage name no model."
_HISTORY: Final = "needs a week of history in Prometheus"
_NO_BUDGET: Final = "no budget is configured"
_NO_LIMIT: Final = "no limit is set at OpenAI"
_NO_COSTS: Final = "no costs reported"

_BUDGET: Final = select("openai_organization_budget_usd", ORGANIZATION)
_LIMIT: Final = select("openai_organization_spend_limit_usd", ORGANIZATION)
_ALERT: Final = select("openai_organization_spend_alert_threshold_usd", ORGANIZATION)
_ENFORCING: Final = select("openai_organization_spend_limit_enforcing", ORGANIZATION)
_PROJECT_BUDGET: Final = select("openai_project_budget_usd", ORGANIZATION, PROJECT)


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


def amount(title: str, description: str, expression: str, *, nothing: str = _NO_COSTS) -> PanelBuilder:
    """Return an amount of money as a large number."""
    words = Words(title, f"{description} {LATE}", nothing)
    return figure(words, expression, unit=DOLLARS, size=Size(3, 4), decimals=2)


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
                Words(
                    "Of the budget", f"Month to date as a share of the configured budget. {_WHOLE} {LATE}", _NO_BUDGET
                ),
                Query(against(organization_costs("month"), _BUDGET), "{{organization}}"),
                unit=SHARE,
                size=Size(3, 4),
                steps=OF_BUDGET,
                decimals=0,
            ),
            figure(
                Words(
                    "Of OpenAI's limit",
                    f"Month to date as a share of the spend limit that is set at OpenAI. {_WHOLE} {LATE}",
                    _NO_LIMIT,
                ),
                Query(against(organization_costs("month"), _LIMIT), "{{organization}}"),
                unit=SHARE,
                size=Size(3, 4),
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
                size=Size(3, 4),
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
                Words("Spend per day", f"Costs of each UTC day as last reported, by project. {LATE}", _NO_COSTS),
                Query(named_daily(daily_costs("organization, project_id")), "{{project_name}}"),
                unit=DOLLARS,
                size=Size(16, 10),
                links=[PROJECT_OF_SERIES],
            ),
            lines(
                Words(
                    "Month to date and its bounds",
                    "Month to date, the configured budget, OpenAI's limit, and the thresholds of OpenAI's alerts. "
                    f"{_WHOLE} {MIDNIGHT} {LATE}",
                    _NO_COSTS,
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
                    f"Each organization's month against its bounds. {PROJECTION} {_WHOLE} {LATE}",
                    _NO_COSTS,
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
                        Column("Limit is enforced", f"max by (organization) ({_ENFORCING})", PLAIN),
                        Column("First alert at", f"min by (organization) ({_ALERT})", DOLLARS),
                    ],
                    sort="Month to date",
                ),
                size=Size(24, 5),
            )
        ],
    )


def _breakdown() -> Row:
    project = "organization, project_id"
    week, before = by(project, window_costs("7d")), by(project, f"{window_costs('7d')} offset 7d")
    month = by(project, window_costs("month"))
    return Row(
        "Where it goes",
        [
            sheet(
                Words("Projects", f"Costs by project; a click on a name opens the project. {LATE}", _NO_COSTS),
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
                Words("Line items, last 7 days", f"The fifteen line items that cost most. {LATE}", _NO_COSTS),
                Query(f"topk(15, {by('line_item', window_costs('7d'))})", "{{line_item}}"),
                unit=DOLLARS,
                size=Size(12, 12),
            ),
            ranking(
                Words("Models, last 7 days", f"Costs by model. {_NAMED_BY} {LATE}", _NO_COSTS),
                Query(f"topk(15, {by('model', with_model(window_costs('7d')))})", "{{model}}"),
                unit=DOLLARS,
                size=Size(12, 12),
            ),
            daily_bars(
                Words(
                    "Spend per day by model",
                    f"Costs of each UTC day as last reported, by model. {_NAMED_BY} {LATE}",
                    _NO_COSTS,
                ),
                Query(daily_costs("model", model=True), "{{model}}"),
                unit=DOLLARS,
                size=Size(24, 10),
            ),
        ],
    )


def _movers() -> Row:
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
                    _HISTORY,
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
                    f"Last 7 days less the 7 days before, where that is more than nothing. {_NAMED_BY} {LATE}",
                    _HISTORY,
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


def _unit_costs() -> Row:
    model = by("model", with_model(window_costs("7d")))
    requests = by("model", across(f"openai_window_{MODEL_REQUESTS}_requests", 'window="7d"'))
    spent = by("model", with_model(growth(accrued_costs())))
    tokens = _tokens("model")
    behind = "Costs are reported later than usage, so short time ranges look too cheap."
    return Row(
        "Unit costs",
        [
            amount(
                "Reported in this time range",
                "By how much costs grew in the time range of the dashboard: what was reported in it, also for earlier "
                "days. Counted from the exporter's installation on; revisions downwards are not taken off.",
                by("", growth(accrued_costs())),
            ),
            figure(
                Words(
                    "Per 1,000 requests", f"Costs of 7 days for a thousand requests of models. {LATE}", "no requests"
                ),
                f"{by('', model)} / ({by('', requests)} > 0) * 1000",
                unit=DOLLARS,
                size=Size(3, 4),
                decimals=2,
            ),
            lines(
                Words(
                    "Costs of 1,000 requests",
                    f"Costs of 7 days by the requests of the same 7 days, by model. {_NAMED_BY} {LATE}",
                    "no requests",
                ),
                Query(f"{model} / ({requests} > 0) * 1000", "{{model}}"),
                unit=DOLLARS,
                size=Size(18, 8),
                interval="1h",
            ),
            sheet(
                Words(
                    "Unit costs by model",
                    "Costs and requests of 7 days; costs and tokens that were reported in the time range of the "
                    f"dashboard, since the exporter's installation. {behind} {_NAMED_BY} {LATE}",
                    _NO_COSTS,
                ),
                Sheet(
                    {"model": "Model"},
                    [
                        Column("Last 7 days", model, DOLLARS),
                        Column("Requests, 7 days", requests, COUNT),
                        Column("Per 1,000 requests", f"{model} / ({requests} > 0) * 1000", DOLLARS),
                        Column("Reported in range", spent, DOLLARS),
                        Column("Tokens in range", tokens, COUNT),
                        Column("Per million tokens", f"{spent} / ({tokens} > 0) * 1000000", DOLLARS),
                    ],
                    sort="Last 7 days",
                ),
                size=Size(24, 9),
            ),
        ],
    )


def _other_money() -> Row:
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
                            "Reported in range",
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
            _breakdown(),
            _movers(),
            _unit_costs(),
            _other_money(),
        ],
    )
