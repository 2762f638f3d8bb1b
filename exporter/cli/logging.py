"""Logging: one event per line with key-value fields, for structlog and the standard library's loggers."""

import logging
import sys
from typing import TYPE_CHECKING, Final, TextIO

import structlog

from exporter.redaction import redact

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

    from exporter.settings import Log

_QUIET: Final = ("httpx", "httpcore", "h11", "asyncio", "uvicorn", "uvicorn.error", "uvicorn.access")
"""Loggers of libraries whose `info` messages do not concern an operator."""


def configure_logging(log: "Log", stream: TextIO | None = None) -> None:
    """Log to the stream (default: standard error), in the format and at the level of the settings, redacted."""
    stream = stream or sys.stderr
    console = log.format == "console" or (log.format is None and stream.isatty())
    level = logging.getLevelNamesMapping()[log.level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if console:
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        rendering += [renderer, _redacted]
    else:
        rendering += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(), _redacted]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=rendering, foreign_pre_chain=[*shared], use_get_message=True)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(level, logging.WARNING))


def _redacted(_: "WrappedLogger", __: str, line: "str | bytes | EventDict") -> str:
    return redact(str(line))
