"""`simulate`: the simulated Admin API alone."""

import asyncio
import sys
from typing import Final

from exporter.settings import SimulateSettings
from exporter.simulator.server import run

_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 # what an address without a host asks for


def execute(settings: SimulateSettings) -> int:
    """Serve until interrupted."""
    asyncio.run(_serve(settings))
    return 0


async def _serve(settings: SimulateSettings) -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    address = settings.web.listen_address
    ready.add_done_callback(lambda url: sys.stderr.write(f"simulated Admin API on {url.result()}\n"))
    await run(address.host or _EVERYWHERE, address.port, settings.seed, ready=ready)
