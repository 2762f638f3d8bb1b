"""`simulate`: the simulated Admin API alone."""

import asyncio
import sys

from exporter.settings import SimulateSettings
from exporter.simulator.server import run


def execute(settings: SimulateSettings) -> int:
    """Serve until interrupted."""
    asyncio.run(_serve(settings))
    return 0


async def _serve(settings: SimulateSettings) -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    address = settings.web.listen_address
    ready.add_done_callback(lambda url: sys.stderr.write(f"simulated Admin API on {url.result()}\n"))
    await run(address.host or "127.0.0.1", address.port, settings.seed, ready=ready)
