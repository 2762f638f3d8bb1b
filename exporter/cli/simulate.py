"""`simulate`: the simulated Admin API alone."""

import asyncio
import contextlib
import sys
from typing import Final

import structlog

from exporter.cli.signals import stopping
from exporter.settings import SimulateSettings
from exporter.simulator import REALISTIC_DELAYS, Simulator, keys, serve

_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 # what an address without a host asks for

_log = structlog.get_logger("simulator")


def execute(settings: SimulateSettings) -> int:
    """Serve until a signal. Returns 1 when the address is taken."""
    try:
        asyncio.run(_serve(settings))
    except OSError as error:
        _log.error("start_failed", error=str(error))
        return 1
    return 0


async def _serve(settings: SimulateSettings) -> None:
    stop = stopping()
    simulator = Simulator(settings.seed, delays=REALISTIC_DELAYS)
    async with contextlib.AsyncExitStack() as servers:
        for address in settings.web.listen_address:
            _on_listening(
                await servers.enter_async_context(serve(simulator, address.host or _EVERYWHERE, address.port))
            )
        await stop.wait()


def _on_listening(url: str) -> None:
    sys.stdout.write(
        f"A simulated Admin API listens on {url}\n"
        "To see it through the exporter, in another terminal:\n"
        f"  OPENAI_ADMIN_KEY={keys.FULL} OPENAI_EXPORTER_API__BASE_URL={url} openai-usage-exporter run\n"
        "Ctrl-C ends it.\n"
    )
    sys.stdout.flush()
