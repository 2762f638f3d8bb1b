"""`run`: polls and serves."""

import asyncio

import structlog

from exporter.cli.process import prepare_allocator, prepare_garbage_collector
from exporter.cli.service import open_store, serve_until_signalled
from exporter.settings import Settings
from exporter.store import StateInUseError, StateUnwritableError
from exporter.web import WebConfigError

_log = structlog.get_logger("exporter")


def execute(settings: Settings) -> int:
    """Serve until a signal. Returns 1 when the state or the address cannot be used."""
    prepare_allocator()
    prepare_garbage_collector()
    try:
        store = open_store(settings.state_path, required=not settings.state_path_is_default)
    except StateInUseError as error:
        _log.error("start_failed", error=str(error))  # an expected failure: the traceback adds nothing
        return 1
    except (StateUnwritableError, OSError) as error:
        _log.error("start_failed", error=str(error), advice="make state.path writable, or set another one")
        return 1
    try:
        asyncio.run(serve_until_signalled(settings, store))
    except (OSError, WebConfigError) as error:
        _log.error("start_failed", error=str(error))
        return 1
    finally:
        store.close()
    return 0
