"""What is fuzzed: each target takes any bytes, and fails on every error that its interface does not name."""

import math
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from structlog.testing import capture_logs

from exporter.catalog import DAY, PollResult
from exporter.exposition import Encoder, Format, columns_of, of_measures
from exporter.ledger import Ledger
from exporter.openai import UpstreamError
from exporter.openai.error_responses import classify
from exporter.openai.pages import read_page
from exporter.openai.retry import MAX_PAUSE, rate_limit, retry_after, server_time
from exporter.redaction import register_secret
from exporter.settings import SettingsError, load
from exporter.store import StateInUseError, StateUnwritableError, Store
from exporter.web.negotiation import accepts_gzip, exposition_format
from exporter.web.webconfig import WebConfigError, read_web_config
from tests.support.ledger_harness import TODAY, A, LedgerHarness
from tests.support.scripted_api import plan
from tests.support.states import plans

Target = Callable[[bytes], None]

_SECRET: Final = "secret-of-the-fuzzer"
_NOW: Final = TODAY + 3600.0
_FOLDER: Final = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))  # noqa: S108

register_secret(_SECRET)


def pages(data: bytes) -> None:
    """A page of buckets is read or refused; what was read can be applied and exposed."""
    for name in ("completions", "costs"):
        settings = plan(name)
        try:
            page = read_page(data, settings, {}, open_end=2**62)
        except UpstreamError:
            continue
        ledger = Ledger(settings)
        starts = [bucket.start for bucket in page.buckets]
        if not starts or len(set(starts)) != len(starts) or max(starts) > _NOW or min(starts) < _NOW - 31 * DAY:
            continue
        ledger.apply(PollResult(min(starts), TODAY + DAY, page.buckets, _NOW))
        bodies = Encoder().encode(of_measures(columns_of("default", ledger.views(_NOW))))
        assert b"nan" not in b"".join(text for piece in bodies[Format.TEXT].pieces for text in piece.texts).lower()


def headers(data: bytes) -> None:
    """Whatever a response's headers and error body hold, waits are bounded and finite."""
    head, _, body = data.partition(b"\n\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\n"))
    given = {name.strip().lower(): value.strip() for name, _, value in lines}
    wait = retry_after(given, _NOW)
    assert wait is None or 0 <= wait <= MAX_PAUSE
    limits = rate_limit(given)
    assert all(value is None or math.isfinite(value) for value in (limits.limit, limits.remaining, limits.reset))
    date = server_time(given)
    assert date is None or math.isfinite(date)
    for status in (400, 401, 403, 404, 429, 500):
        error = classify(status, given, body, now=_NOW)
        assert _SECRET not in f"{error} {error.advice}"


def requests(data: bytes) -> None:
    """Whatever a scraper accepts, it is given one of the formats."""
    text = data.decode("latin-1")
    assert exposition_format(text) in Format
    accepts_gzip(text)


def settings(data: bytes) -> None:
    """A settings file is taken, or refused with an error that does not repeat values."""
    path = _FOLDER / "settings.yaml"
    path.write_bytes(data)
    with suppress(SettingsError):
        load("run", ["--config.file", str(path)], {"OPENAI_ADMIN_KEY": "sk-admin-of-the-fuzzer"})


def web_config(data: bytes) -> None:
    """A web configuration is taken or refused."""
    path = _FOLDER / "web.yaml"
    path.write_bytes(data)
    with suppress(WebConfigError):
        read_web_config(path)


def state(data: bytes) -> None:
    """Whatever the state file holds, the exporter starts, applies a poll and saves it, or says that it cannot."""
    path = _FOLDER / "state.db"
    for old in _FOLDER.glob("state.db*"):
        old.unlink()
    path.write_bytes(data)
    with capture_logs(), suppress(StateInUseError, StateUnwritableError):
        store = Store(path)
        store.names("default")
        harness = LedgerHarness(plans()[0], store)
        harness.report(TODAY, A, 5, 5)
        harness.poll()
        store.close()


TARGETS: Final[dict[str, Target]] = {
    target.__name__: target for target in (pages, headers, requests, settings, web_config, state)
}
