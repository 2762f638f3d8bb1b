"""An Admin API that needs almost no CPU time: every bucket of an endpoint has the same few rows, and today's grow.

Started as `python -m bench.cheap_api`; prints its base URL.
"""

import json
import time
from functools import cache
from typing import Any, Final

from bench.admin_api import Query, serve
from exporter.catalog import CATALOG, DAY, ApiFamily, Resource

_ROWS: Final = 10
"""Label sets of each endpoint."""

_BY_PATH: Final = {row.path: row for row in CATALOG}


@cache
def _results(path: str, group_by: tuple[str, ...], scale: int) -> str:
    row = _BY_PATH[path]
    return json.dumps([_result(row, group_by, number, scale) for number in range(_ROWS)])


def _result(row: Resource, group_by: tuple[str, ...], number: int, scale: int) -> dict[str, Any]:
    values: dict[str, Any] = {name: _label(name, number) if name in group_by else None for name in row.dimensions}
    if row.branch is ApiFamily.COSTS:
        return {"object": row.object, "amount": {"value": scale * (number + 1) / 8, "currency": "usd"}, **values}
    return {"object": row.object, **{measure.field: scale * (number + 1) for measure in row.select()}, **values}


def _label(name: str, number: int) -> Any:  # noqa: ANN401 -- a dimension is text, or true and false
    return number % 2 == 0 if name == "batch" else f"{name.removesuffix('_id')}-{number}"


def _page(path: str, query: Query) -> bytes | None:
    if path not in _BY_PATH:
        return None
    start, limit = int(query["start_time"][0]), int(query["limit"][0])
    if "page" in query:
        start = int(query["page"][0])
    now, group_by = time.time(), tuple(query.get("group_by[]", ()))
    starts = [at for at in range(start, start + limit * DAY, DAY) if at < now]
    end = starts[-1] + DAY
    buckets = ",".join(
        f'{{"object":"bucket","start_time":{at},"end_time":{min(at + DAY, int(now))},'
        f'"results":{_results(path, group_by, int(now) // 60 % 1440 if at + DAY > now else 1440)}}}'
        for at in starts
    )
    more = f'true,"next_page":"{end}"' if end < now else 'false,"next_page":null'
    return f'{{"object":"page","data":[{buckets}],"has_more":{more}}}'.encode()


if __name__ == "__main__":
    serve(_page)
