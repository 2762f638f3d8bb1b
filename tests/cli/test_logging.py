"""The format of the log, and what is never logged."""

import io
import json
import logging

import pytest
import structlog

from exporter.cli.logging import configure_logging
from exporter.redaction import redact
from exporter.settings import Log

_SECRET = "sk-admin-never-to-be-shown"


pytestmark = pytest.mark.usefixtures("logging_restored")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_one_event_is_one_line_of_json() -> None:
    """Keys and values, the time in UTC; the default where standard error is not a terminal."""
    stream = io.StringIO()
    configure_logging(Log(), stream)

    structlog.get_logger("exporter.x").info("polled", organization="a", resource="costs")

    (line,) = _lines(stream)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "polled",
        "level": "info",
        "logger": "exporter.x",
        "organization": "a",
        "resource": "costs",
    }


def test_libraries_log_warnings_only() -> None:
    """Requests of httpx are not logged; warnings of libraries are, in the same format."""
    stream = io.StringIO()
    configure_logging(Log(level="debug"), stream)

    logging.getLogger("httpx").info("HTTP Request: %s", "GET")
    logging.getLogger("uvicorn.error").warning("Invalid %s", "request")
    logging.getLogger("exporter.y").debug("detail")

    assert [("warning", "uvicorn.error", "Invalid request"), ("debug", "exporter.y", "detail")] == [
        (line["level"], line["logger"], line["event"]) for line in _lines(stream)
    ]


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_is_the_minimum(level: str, count: int) -> None:
    """Events below the configured level are not logged."""
    stream = io.StringIO()
    configure_logging(Log.model_validate({"level": level}), stream)
    log = structlog.get_logger("exporter.x")

    for method in (log.debug, log.info, log.warning, log.error):
        method("event")

    assert count == len(_lines(stream))


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_key_is_ever_logged(form: str) -> None:
    """Keys are redacted in values, messages, exceptions and messages of libraries."""
    stream = _Terminal()
    configure_logging(Log.model_validate({"format": form}), stream)
    log = structlog.get_logger("exporter.x")

    log.info("a", key=_SECRET, nested={"headers": [f"Bearer {_SECRET}"]})
    log.info("line\n%s inside", _SECRET)
    logging.getLogger("uvicorn.error").warning("header %s", f"Bearer {_SECRET}")
    try:
        raise ValueError(_SECRET)  # noqa: TRY301 - the traceback is what is judged
    except ValueError:
        log.exception("failed")
        logging.getLogger("uvicorn.error").exception("failed")

    assert "never-to-be-shown" not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


def test_a_terminal_gets_the_console_format() -> None:
    """Console lines instead of JSON."""
    stream = _Terminal()
    configure_logging(Log(), stream)

    structlog.get_logger("exporter.x").info("polled")

    assert "polled" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sk-proj-abcdef123", "sk-***"),
        ("key=sk-admin-A_b-c.", "key=sk-***"),
        ("Authorization: Bearer abcdef.ghi==", "Authorization: Bearer ***"),
        ("sess-abcdefgh", "sess-***"),
        (r"line\nsk-abcdefgh \u001bsk-abcdefgh", r"line\nsk-*** \u001bsk-***"),
        ("\x1b[35msk-abcdefgh\x1b[0msk-abcdefgh", "\x1b[35msk-***\x1b[0msk-***"),
        ("disk-usage-is-high task-force sk-1", "disk-usage-is-high task-force sk-1"),
        (
            "it starts with sk-admin-; ordinary ones with sk-proj-",
            "it starts with sk-admin-; ordinary ones with sk-proj-",
        ),
    ],
)
def test_a_text_like_a_key_is_redacted(text: str, expected: str) -> None:
    """Keys keep their prefix, other text is unchanged."""
    assert expected == redact(text)
