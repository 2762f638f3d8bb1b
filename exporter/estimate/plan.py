"""What the ledger of estimates holds: a resource that no endpoint answers."""

from collections.abc import Iterable
from typing import Final

from exporter.catalog import DAY, ApiFamily, Measure, Plan, Resource
from exporter.estimate.reader import LABELS
from exporter.ledger import Ledger

_KEPT_DAYS: Final = 21
"""UTC days, today included, whose estimates are kept."""

ESTIMATED_COST: Final = Measure(
    "estimated_cost_usd",
    "estimate",
    "ESTIMATE, not reported by OpenAI: costs in US dollars as far as they are reported, plus usage that is not billed"
    " yet at the price that the organization last paid",
    exact=True,
)

ESTIMATED_COSTS: Final = Resource(
    name="estimated_costs",
    path="",
    object="",
    dimensions=LABELS,
    group_by=LABELS,
    filters=(),
    measures=(ESTIMATED_COST,),
    branch=ApiFamily.COSTS,
    widths={"1d": 180},
)
"""Not a row of the catalog: its buckets are calculated."""


def plan_of(costs: Plan | None, ledgers: Iterable[Ledger]) -> Plan:
    """Return the plan of an estimate: without `project_id` where one of the ledgers is not grouped by it."""
    ungrouped = any("project_id" not in each.plan.group_by for each in ledgers)
    days = min(costs.lookback_days, _KEPT_DAYS) if costs else _KEPT_DAYS
    return Plan(
        resource=ESTIMATED_COSTS,
        group_by=LABELS[1:] if ungrouped else LABELS,
        filters=costs.filters if costs else (),
        width="1d",
        measures=ESTIMATED_COSTS.measures,
        windows=(),
        interval=costs.interval if costs else DAY,
        lookback_days=days,
        refetch_days=days,
        stale_after=costs.stale_after if costs else 0,
        max_series=costs.max_series if costs else 1,
    )
