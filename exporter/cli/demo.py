"""`demo`: a simulated organization and the exporter of it, in one process."""

import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import structlog

from exporter.cli.process import raise_descriptor_limit
from exporter.cli.service import open_store, serve_until_signalled
from exporter.cli.signals import ignore_stray_signals
from exporter.settings import GivenKey, SimulateSettings
from exporter.simulator import keys
from exporter.simulator.app import Simulator
from exporter.simulator.server import REALISTIC_DELAYS, serve
from exporter.store import Store
from exporter.web import WebConfigError

_log = structlog.get_logger("exporter")


def execute(settings: SimulateSettings) -> int:
    """Serve until a signal. The state is kept for as long as the process lives."""
    ignore_stray_signals()
    raise_descriptor_limit()
    with tempfile.TemporaryDirectory(prefix="openai-usage-exporter-demo-") as folder:
        store = open_store(Path(folder) / "state.db")
        try:
            asyncio.run(_serve(settings, store))
        except (OSError, WebConfigError) as error:
            _log.error("start_failed", error=str(error))
            return 1
        finally:
            if store:
                store.close()
    return 0


async def _serve(settings: SimulateSettings, store: Store | None) -> None:
    simulator = Simulator(settings.seed, delays=REALISTIC_DELAYS)
    async with serve(simulator) as base_url:
        key = GivenKey(keys.FULL, "demo")
        organizations = tuple(
            replace(organization, admin_key=key, base_url=base_url) for organization in settings.organizations
        )
        await serve_until_signalled(replace(settings, organizations=organizations), store, _on_listening)


def _on_listening(url: str) -> None:
    sys.stdout.write(
        f"A simulated organization:\n  metrics      {url}/metrics\n  status page  {url}/\nCtrl-C ends it.\n"
    )
    sys.stdout.flush()
