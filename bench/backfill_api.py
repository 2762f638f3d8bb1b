"""An Admin API whose completions have every label set in every bucket. Run as `python -m bench.backfill_api SETS`."""

import asyncio
import json
import sys
import time
from typing import Final
from urllib.parse import parse_qs, urlsplit

from exporter.catalog import DAY, HOUR, resource

_EMPTY: Final = json.dumps({"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False})
_ROW: Final = resource("completions")


def _page(query: dict[str, list[str]], sets: int, now: float) -> bytes:
    width = HOUR if query["bucket_width"][0] == "1h" else DAY
    start = int(query.get("page", query["start_time"])[0]) // width * width
    end = min(int(query.get("end_time", [str(int(now) + 1)])[0]), int(now) + 1)
    starts = list(range(start, end, width))
    chosen = starts[: int(query["limit"][0])]
    data = [
        {
            "object": "bucket",
            "start_time": at,
            "end_time": min(at + width, int(now) + 1),
            "results": [_result(number, at // HOUR, width // HOUR) for number in range(sets)],
        }
        for at in chosen
    ]
    more = len(chosen) < len(starts)
    page = {"object": "page", "data": data, "has_more": more, "next_page": str(chosen[-1] + width) if more else None}
    return json.dumps(page).encode()


def _result(number: int, hour: int, hours: int) -> dict[str, object]:
    requests = hours * (number % 17 + 1) + hour % 24
    return {
        "object": _ROW.object,
        "project_id": f"proj_{number % 20:024}",
        "model": f"model-{number // 20}",
        "batch": False,
        "input_tokens": requests * 731,
        "output_tokens": requests * 211,
        "input_cached_tokens": requests * 97,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
        "num_model_requests": requests,
    }


async def _main() -> None:
    sets = int(sys.argv[1])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                url = urlsplit(head.split(b" ", 2)[1].decode())
                asked = url.path.endswith("/usage/completions")
                body = _page(parse_qs(url.query), sets, time.time()) if asked else _EMPTY.encode()
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
