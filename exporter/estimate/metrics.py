"""The families of an estimate. Their names and HELP texts say that OpenAI did not report them."""

from collections.abc import Iterable
from typing import Final

from exporter.catalog import accrued_name, today_name
from exporter.collector import MetricDesc
from exporter.estimate.plan import ESTIMATED_COST
from exporter.estimate.prices import EffectivePrice
from exporter.exposition import Column, Family, Type

_ORGANIZATION: Final = ("organization",)
_PROJECT: Final = ("organization", "project_id")

ESTIMATED: Final = MetricDesc(
    today_name(ESTIMATED_COST),
    (*_PROJECT, "model"),
    "ESTIMATE, not reported by OpenAI: costs of the current UTC day so far in US dollars, as reported plus usage that"
    " is not billed yet at the price last paid. The model none is what belongs to no model.",
)
ACCRUED: Final = MetricDesc(
    accrued_name(ESTIMATED_COST),
    (*_PROJECT, "model"),
    "ESTIMATE, not reported by OpenAI: all estimated costs since the first estimate in US dollars. An estimate that was"
    " too high is made up for before the counter rises again.",
    type="counter",
)
COVERAGE: Final = MetricDesc(
    "openai_estimated_cost_coverage_ratio",
    _ORGANIZATION,
    "Share of today's requests whose usage has a price in the estimate of costs; absent without requests.",
)
EFFECTIVE_PRICE: Final = MetricDesc(
    "openai_effective_price_usd",
    ("organization", "model", "line_item", "unit"),
    "LEARNED, not reported by OpenAI: US dollars that the organization last paid for one unit of the line item.",
)
PREPAID_BALANCE: Final = MetricDesc(
    "openai_prepaid_balance_usd",
    _ORGANIZATION,
    "ESTIMATE, not reported by OpenAI: prepaid credit that is left in US dollars: the top-ups of the settings (prepaid)"
    " less estimated costs since the first of them.",
)
PREPAID_RUNWAY: Final = MetricDesc(
    "openai_prepaid_runway_days",
    _ORGANIZATION,
    "ESTIMATE, not reported by OpenAI: days until the prepaid credit is spent, at the mean estimated costs of the last"
    " 7 full UTC days.",
)
ORGANIZATION_BUDGET_RUNWAY: Final = MetricDesc(
    "openai_organization_budget_runway_days",
    _ORGANIZATION,
    "ESTIMATE, not reported by OpenAI: days until the month's budget (budgets.monthly_usd of the settings) is spent, at"
    " the mean estimated costs of the last 7 full UTC days. Beyond the end of the month it is not spent.",
)
PROJECT_BUDGET_RUNWAY: Final = MetricDesc(
    "openai_project_budget_runway_days",
    _PROJECT,
    "ESTIMATE, not reported by OpenAI: days until the month's budget of the project (budgets.projects of the settings)"
    " is spent, at its mean estimated costs of the last 7 full UTC days. Beyond the end of the month it is not spent.",
)

METRICS: Final = (
    ESTIMATED,
    ACCRUED,
    COVERAGE,
    EFFECTIVE_PRICE,
    PREPAID_BALANCE,
    PREPAID_RUNWAY,
    ORGANIZATION_BUDGET_RUNWAY,
    PROJECT_BUDGET_RUNWAY,
)
"""Every family of the estimate, in the order of the reference."""


def of_columns(named: Iterable[tuple[str, Column]]) -> list[Family]:
    """Return the families of the ledgers of estimates from columns and the names of their families."""
    columns: dict[str, list[Column]] = {}
    for name, column in named:
        columns.setdefault(name, []).append(column)
    return [
        Family(described.name, described.help, Type(described.type), columns[described.name])
        for described in (ESTIMATED, ACCRUED)
        if described.name in columns
    ]


def of_prices(organization: str, prices: Iterable[EffectivePrice], coverage: float | None) -> list[Family]:
    """Return the families of an organization's learned prices."""
    return [
        COVERAGE.family([((organization,), coverage)] if coverage is not None else []),
        EFFECTIVE_PRICE.family(
            ((organization, price.model, price.line_item, price.unit), price.usd) for price in prices
        ),
    ]
