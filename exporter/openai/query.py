"""The parameters of a request for buckets."""

from typing import Final

from exporter.catalog import Plan

_BARE: Final = frozenset({"batch"})
"""Filters that are one value rather than an array."""


def bucket_query(plan: Plan, start: int, limit: int, page: str = "") -> list[tuple[str, str]]:
    """Return names and values, not yet percent-encoded; arrays repeat their name with brackets, as OpenAI's SDKs do.

    There is no `end_time`: the open bucket is asked for as well. `page` is the cursor of the page before.
    """
    query = [("start_time", str(start)), ("bucket_width", plan.width), ("limit", str(limit))]
    query += [("group_by[]", dimension) for dimension in plan.group_by]
    query += [(name if name in _BARE else f"{name}[]", value) for name, value in plan.filters]
    if page:
        query.append(("page", page))
    return query
