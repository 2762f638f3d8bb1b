"""A dense organization's Admin API. Started as `python -m bench.dense_api SAMPLES`; prints its base URL."""

import asyncio
import json
import sys
import time
from typing import Final
from urllib.parse import parse_qs, urlsplit

from bench.dense import Organization
from exporter.catalog import DAY

_PAGE_BYTES: Final = 24 * 2**20
_ROW_BYTES: Final = 420
_EMPTY: Final = json.dumps({"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False})
_EMPTY_PAGE: Final = json.dumps({"object": "page", "data": [], "has_more": False, "next_page": None})
_SPEND_LIMIT: Final = json.dumps({"threshold_amount": 100, "currency": "USD", "enforcement": {"status": "inactive"}})


class Api:
    """Responds to `usage/completions` with the rows, to `spend_limit` with a limit, otherwise with nothing."""

    def __init__(self, samples: int) -> None:
        self._organization = Organization(samples)
        self._buckets = max(_PAGE_BYTES // (self._organization.sets * _ROW_BYTES), 1)
        self._minute = 0

    def answer(self, target: str) -> bytes:
        """Return a body. Pages are limited to a size that the exporter accepts, as api.openai.com may do."""
        url = urlsplit(target)
        if url.path.endswith("/spend_limit"):
            return _SPEND_LIMIT.encode()
        if not url.path.endswith("/usage/completions"):
            buckets = "/usage/" in url.path or url.path.endswith("/costs")
            return (_EMPTY_PAGE if buckets else _EMPTY).encode()
        query, now = parse_qs(url.query), time.time()
        if int(now // 60) != self._minute:
            self._minute = int(now // 60)
            self._organization.grow()
        start = int(query.get("page", query["start_time"])[0])
        starts = list(range(start, int(now), DAY))[: min(self._buckets, int(query["limit"][0]))]
        return self._organization.page(starts, now=now, more=starts[-1] + DAY < now)


async def _main() -> None:
    api = Api(int(sys.argv[1]))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = api.answer(head.split(b" ", 2)[1].decode())
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
                )
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
