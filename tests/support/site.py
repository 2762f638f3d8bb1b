"""The HTTP server in a separate thread, on a free port, with a snapshot to serve."""

import asyncio
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from exporter.exposition.snapshot import Body, Format, Piece, Snapshot
from exporter.web.app import App
from exporter.web.connection_limits import Limits
from exporter.web.security import Security
from exporter.web.server import Server

NOON = 1_763_640_000.0
"""2025-11-20 12:00:00 UTC."""


def compressed(text: bytes, piece: int = 4096) -> Body:
    """Return a body as a publish makes it: one raw deflate stream, flushed after every piece, not ended."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    pieces = tuple(
        Piece((part,), deflater.compress(part) + deflater.flush(zlib.Z_FULL_FLUSH), len(part), zlib.crc32(part))
        for part in (text[start : start + piece] for start in range(0, len(text), piece))
    )
    return Body(pieces, len(text), zlib.crc32(text))


TEXT = b"# TYPE openai_cost_usd gauge\n" + b"".join(b'openai_cost_usd{n="%d"} %d\n' % (n, n * n) for n in range(2000))
OPENMETRICS = TEXT.replace(b"openai_cost_usd", b"openai_open_usd")
TAILS = {
    Format.TEXT: b"# TYPE openai_exporter_up gauge\nopenai_exporter_up 1.0\n",
    Format.OPENMETRICS: b"# TYPE openai_exporter_up gauge\nopenai_exporter_up 1.0\n# EOF\n",
}
WHOLE = {Format.TEXT: TEXT + TAILS[Format.TEXT], Format.OPENMETRICS: OPENMETRICS + TAILS[Format.OPENMETRICS]}
"""What a scrape of either format has to hold."""


@dataclass
class Site:
    """What is served, which a test may exchange, and where."""

    snapshot: Snapshot = field(
        default_factory=lambda: Snapshot(
            bodies={Format.TEXT: compressed(TEXT), Format.OPENMETRICS: compressed(OPENMETRICS)},
            published=NOON,
            ready=True,
        )
    )
    port: int = 0

    def connect(self, timeout: float = 10.0) -> socket.socket:
        """Return a connected socket."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def app(self) -> App:
        """Return the application that serves this."""
        return App(
            snapshot=lambda: self.snapshot,
            tail=TAILS.__getitem__,
            version="1.2.3",
            now=lambda: NOON,
        )


@contextmanager
def serving(
    site: Site | None = None,
    *,
    web_config: Path | None = None,
    limits: Limits | None = None,
    app: App | None = None,
) -> Iterator[Site]:
    """Serve until the block ends."""
    site = site or Site()
    started, ended = threading.Event(), threading.Event()
    failure: list[BaseException] = []

    async def serve() -> None:
        async with Server(app or site.app(), [("127.0.0.1", 0)], Security(web_config), limits=limits) as server:
            site.port = server.port
            started.set()
            await asyncio.to_thread(ended.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - raised again on the test's own thread
            failure.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=run, name="site")
    thread.start()
    started.wait()
    try:
        if not failure:
            yield site
    finally:
        ended.set()
        thread.join(15)
    assert not thread.is_alive(), "the server did not stop"
    if failure:
        raise failure[0]


def raw(site: Site, request: bytes, timeout: float = 10.0) -> bytes:
    """Send the bytes, return all that comes until the server closes."""
    with site.connect(timeout) as client:
        client.sendall(request)
        return everything(client)


def everything(client: socket.socket) -> bytes:
    """Return what comes until the other side closes."""
    received: list[bytes] = []
    while data := client.recv(1 << 18):
        received.append(data)
    return b"".join(received)
