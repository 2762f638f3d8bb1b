"""An Admin API that needs almost no CPU time: every bucket of an endpoint has the same few rows, and today's grow.

Started as `python -m bench.cheap_api`; prints its base URL.
"""

import asyncio
import json
import sys
import time
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from exporter.catalog import CATALOG, DAY, ApiFamily, Resource

_ROWS: Final = 10
"""Label sets of each endpoint."""

_BY_PATH: Final = {f"/v1/organization/{row.path}": row for row in CATALOG}
_EMPTY: Final[dict[str, Any]] = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
_SPEND_LIMIT: Final = {"threshold_amount": 100, "currency": "USD", "enforcement": {"status": "inactive"}}


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


def _page(path: str, query: dict[str, list[str]]) -> str:
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
    return f'{{"object":"page","data":[{buckets}],"has_more":{more}}}'


def _body(path: str, query: dict[str, list[str]]) -> str:
    if path in _BY_PATH:
        return _page(path, query)
    return json.dumps(_SPEND_LIMIT if path.endswith("/spend_limit") else _EMPTY)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            target = urlsplit(head.split(b" ", 2)[1].decode())
            body = _body(target.path, parse_qs(target.query)).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
