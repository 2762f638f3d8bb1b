"""What to leave out of a grouping that the API refuses."""

from exporter.catalog import Plan
from exporter.upstream.errors import BadRequest


def relent(plan: Plan, error: BadRequest) -> Plan | None:
    """Return the plan without one dimension: the one that the refusal names, or the first that is ever given up.

    None when the plan has no dimension that the API may refuse, so that the refusal has another reason.
    """
    droppable = [dimension for dimension in plan.resource.gives_up if dimension in plan.group_by]
    if not droppable:
        return None
    named = [dimension for dimension in droppable if dimension in f"{error.param} {error.message}"]
    dropped = (named or droppable)[0]
    return plan.regrouped(tuple(dimension for dimension in plan.group_by if dimension != dropped))
