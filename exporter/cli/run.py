"""`run`: polls and serves."""

import asyncio

import structlog

from exporter.cli.process import raise_descriptor_limit
from exporter.cli.service import open_store, serve_until_signalled
from exporter.cli.signals import ignore_stray_signals
from exporter.settings import Settings
from exporter.store import StateInUseError
from exporter.web import WebConfigError

_log = structlog.get_logger("exporter")


def execute(settings: Settings) -> int:
    """Serve until a signal. Returns 1 when the state or the address belongs to somebody else."""
    ignore_stray_signals()
    raise_descriptor_limit()
    try:
        store = open_store(settings.state_path)
    except StateInUseError as error:
        _log.error("start_failed", error=str(error))
        return 1
    try:
        asyncio.run(serve_until_signalled(settings, store))
    except (OSError, WebConfigError) as error:
        _log.error("start_failed", error=str(error))
        return 1
    finally:
        if store:
            store.close()
    return 0
