"""What to leave out of a grouping that the API refuses."""

from collections.abc import Awaitable, Callable

from exporter.catalog import Plan, PollResult
from exporter.openai.errors import BadRequest


async def negotiate(
    plan: Plan, ask: Callable[[Plan], Awaitable[PollResult]]
) -> tuple[Plan, PollResult, BadRequest | None]:
    """Ask with ever fewer of the dimensions that the API may refuse, until it answers.

    Returns the plan that was answered, the answer, and the first refusal. Raises that one when nothing is left that
    may be refused, and whatever else asking raises.
    """
    refused: BadRequest | None = None
    while True:
        try:
            return plan, await ask(plan), refused
        except BadRequest as error:
            refused = refused or error
            narrower = _relent(plan, error)
            if narrower is None:
                raise refused from None
            plan = narrower


def _relent(plan: Plan, error: BadRequest) -> Plan | None:
    """Return the plan without one dimension: the one that the refusal names, or the first that is ever given up.

    None when the plan has no dimension that the API may refuse, so that the refusal has another reason.
    """
    droppable = [dimension for dimension in plan.resource.droppable_dimensions if dimension in plan.group_by]
    if not droppable:
        return None
    named = [dimension for dimension in droppable if dimension in f"{error.param} {error.message}"]
    dropped = (named or droppable)[0]
    return plan.regrouped(tuple(dimension for dimension in plan.group_by if dimension != dropped))
