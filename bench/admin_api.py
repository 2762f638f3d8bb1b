"""An Admin API as a process: HTTP for a function that answers, and what the benchmarks do not ask for."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

Query: TypeAlias = Mapping[str, Sequence[str]]
"""The values of each parameter."""

_SPEND_LIMIT: Final = {"threshold_amount": 100, "currency": "USD", "enforcement": {"status": "inactive"}}
_EMPTY: Final = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def serve(page: Callable[[str, Query], bytes | None]) -> None:
    """Print a base URL and respond until killed.

    `page` returns the body for a path below `/v1/organization/`; for None a spend limit or an empty list is sent.
    """
    asyncio.run(_serve(page))


@contextmanager
def admin_api(module: str, *arguments: object) -> Iterator[str]:
    """Yield the base URL of a process that runs a module with such an API."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip() if process.stdout else ""
    finally:
        process.kill()
        process.wait()


async def _serve(page: Callable[[str, Query], bytes | None]) -> None:
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                target = urlsplit(head.split(b" ", 2)[1].decode())
                body = page(target.path.removeprefix("/v1/organization/"), parse_qs(target.query))
                if body is None:
                    body = json.dumps(_SPEND_LIMIT if target.path.endswith("/spend_limit") else _EMPTY).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
                )
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1\n")
    sys.stdout.flush()
    await server.serve_forever()
