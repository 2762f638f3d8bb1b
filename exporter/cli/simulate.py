"""`simulate`: the simulated Admin API alone; `demo`: together with an exporter of it, in one process."""

import asyncio
import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from exporter.cli.process import stop_signal
from exporter.cli.service import open_store, serve_until_signalled
from exporter.redaction import write_unredacted
from exporter.settings import GivenKey, SimulateSettings
from exporter.simulator import REALISTIC_DELAYS, Simulator, keys, serve
from exporter.store import Store
from exporter.web import WebConfigError

_ALL_ADDRESSES: Final = "0.0.0.0"  # noqa: S104 # the meaning of an address without a host

_KEYS: Final = (
    (keys.FULL, "admin key with all scopes"),
    (keys.USAGE_ONLY, "admin key that can read usage and costs, but no names or limits"),
    (keys.MANAGEMENT_ONLY, "admin key that can read names and limits, but no usage or costs"),
    (keys.ORDINARY, "ordinary key, which the Admin API refuses"),
    (keys.OTHER_ORGANIZATION, "admin key of a second organization"),
)

_log = structlog.get_logger("exporter")


def execute(settings: SimulateSettings) -> int:
    """Serve the API until a signal. Returns 1 when the address cannot be used."""
    try:
        asyncio.run(_simulate(settings))
    except OSError as error:
        _log.error("start_failed", error=str(error))  # an expected failure: the traceback adds nothing
        return 1
    return 0


async def _simulate(settings: SimulateSettings) -> None:
    stop = stop_signal()
    simulator = Simulator(settings.seed, delays=REALISTIC_DELAYS)
    async with contextlib.AsyncExitStack() as servers:
        urls = [
            await servers.enter_async_context(serve(simulator, address.host or _ALL_ADDRESSES, address.port))
            for address in settings.web.listen_address
        ]
        width = max(len(key) for key, _ in _KEYS)
        known = "".join(f"  {key:<{width}}  {meaning}\n" for key, meaning in _KEYS)
        write_unredacted(
            f"A simulated Admin API is listening on {', '.join(urls)}\n"
            f"It accepts these keys:\n{known}"
            "To export its metrics, run in another terminal:\n"
            f"  OPENAI_ADMIN_KEY={keys.FULL} openai-usage-exporter run --api.base-url {urls[0]}\n"
            "Press Ctrl-C to stop."
        )
        await stop.wait()


def execute_demo(settings: SimulateSettings) -> int:
    """Serve the API and the exporter until a signal. The state is deleted when the process ends."""
    with tempfile.TemporaryDirectory(prefix="openai-usage-exporter-demo-") as folder:
        store = open_store(Path(folder) / "state.db")
        try:
            asyncio.run(_demo(settings, store))
        except (OSError, WebConfigError) as error:
            _log.error("start_failed", error=str(error))  # an expected failure: the traceback adds nothing
            return 1
        finally:
            store.close()
    return 0


async def _demo(settings: SimulateSettings, store: Store) -> None:
    simulator = Simulator(settings.seed, delays=REALISTIC_DELAYS)
    async with serve(simulator) as base_url:
        key = GivenKey(keys.FULL, "demo")
        organizations = tuple(
            replace(organization, admin_key=key, base_url=base_url) for organization in settings.organizations
        )
        await serve_until_signalled(replace(settings, organizations=organizations), store, _on_listening)


def _on_listening(url: str) -> None:
    write_unredacted(
        f"A simulated organization:\n  metrics      {url}/metrics\n  status page  {url}/\nPress Ctrl-C to stop."
    )
