"""Drops dimensions from a grouping that the API refuses."""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from exporter.catalog import Plan, PollResult
from exporter.openai.errors import BadRequest

_REFUSALS: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
_GROUPING: Final = re.compile(r"\bgroup(?:s|ed|ing|ings)?(?:[ _-]?by)?\b", re.IGNORECASE)


async def negotiate(
    plan: Plan, poll: Callable[[Plan], Awaitable[PollResult]], *, suspicious: bool = False
) -> tuple[Plan, PollResult, BadRequest | None]:
    """Poll with ever fewer of the dimensions that the API may refuse, until it answers.

    Only a 400 or 422 whose `param` or message is about the grouping drops a dimension. With `suspicious`, one that
    names no parameter does so as well, provided that the whole grouping is refused again after a narrower
    one was answered.

    Returns the plan that was answered, the result, and the refusal that narrowed the plan. Raises the first refusal
    when no narrower grouping is answered, and every error of `poll`.
    """
    try:
        return plan, await poll(plan), None
    except BadRequest as error:
        refusal = error
    if not (_about_grouping(refusal, plan) or (suspicious and _unspecific(refusal))):
        raise refusal
    narrower = _narrowed(plan, refusal)
    while narrower is not None:
        try:
            result = await poll(narrower)
        except BadRequest as error:
            if not (_about_grouping(error, narrower) or _unspecific(error)):
                raise refusal from None
            narrower = _narrowed(narrower, error)
        else:
            if _about_grouping(refusal, plan):
                return narrower, result, refusal
            return await _verified(plan, poll, narrower, result, refusal)
    raise refusal


async def _verified(
    plan: Plan, poll: Callable[[Plan], Awaitable[PollResult]], narrower: Plan, result: PollResult, refusal: BadRequest
) -> tuple[Plan, PollResult, BadRequest | None]:
    try:
        return plan, await poll(plan), None
    except BadRequest as error:
        if not (_about_grouping(error, plan) or _unspecific(error)):
            raise
        return narrower, result, refusal


def _about_grouping(error: BadRequest, plan: Plan) -> bool:
    if error.from_gateway or error.status not in _REFUSALS:
        return False
    if error.param:
        return error.param in plan.group_by or _GROUPING.match(error.param) is not None
    return _GROUPING.search(error.message) is not None


def _unspecific(error: BadRequest) -> bool:
    return not error.from_gateway and error.status in _REFUSALS and not error.param and not error.refuses_cursor


def _narrowed(plan: Plan, error: BadRequest) -> Plan | None:
    """Return the plan without one dimension: the one that the refusal names, or the first that may be dropped.

    None when the plan has no dimension that may be dropped.
    """
    droppable = [dimension for dimension in plan.resource.droppable_dimensions if dimension in plan.group_by]
    if not droppable:
        return None
    named = [dimension for dimension in droppable if dimension in f"{error.param} {error.message}"]
    dropped = (named or droppable)[0]
    return plan.regrouped(tuple(dimension for dimension in plan.group_by if dimension != dropped))
