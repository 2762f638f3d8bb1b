"""`run`: polls and serves."""

import asyncio

import structlog

from exporter.cli.service import open_store, serve_until_signalled
from exporter.settings import Settings
from exporter.store import StateInUseError
from exporter.web import WebConfigError

_log = structlog.get_logger("exporter")


def execute(settings: Settings) -> int:
    """Serve until a signal. Returns 1 when the state or the address belongs to somebody else."""
    try:
        store = open_store(settings.state_path)
    except StateInUseError as error:
        _log.error("cannot start", error=str(error))  # the words say it all
        return 1
    try:
        asyncio.run(serve_until_signalled(settings, store))
    except (OSError, WebConfigError) as error:
        _log.error("cannot start", error=str(error))  # likewise
        return 1
    finally:
        if store:
            store.close()
    return 0
