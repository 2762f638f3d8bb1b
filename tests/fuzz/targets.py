"""What is fuzzed: each target takes any bytes, and fails on every error that its interface does not name."""

import math
import sqlite3
import struct
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
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
from exporter.store.schema import TABLES
from exporter.web.negotiation import accepts_gzip, exposition_format
from exporter.web.webconfig import WebConfigError, read_web_config
from tests.support.ledger_harness import TODAY, LedgerHarness
from tests.support.scripted_api import plan
from tests.support.states import plans, play

Target = Callable[[bytes], None]

_SECRET: Final = "secret-of-the-fuzzer"
_NOW: Final = TODAY + 3600.0
_CHANGE: Final = struct.Struct("<BBBBI")
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
    _use_state(_state_file(data))


def state_rows(data: bytes) -> None:
    """Rows of a sound state file may be changed or missing, with right checksums: the exporter starts and saves.

    Each eight bytes of the input are one change: table, row, what to do, column, and a number.
    """
    path = _state_file(_sound_state())
    database = sqlite3.connect(path, isolation_level=None)
    for start in range(0, min(len(data), 10 * _CHANGE.size) - _CHANGE.size + 1, _CHANGE.size):
        _change_row(database, _CHANGE.unpack_from(data, start))
    database.close()
    _use_state(path)


@cache
def _sound_state() -> bytes:
    with tempfile.TemporaryDirectory(dir=_FOLDER) as folder:
        path = Path(folder) / "state.db"
        play(path)
        return path.read_bytes()


def _state_file(content: bytes) -> Path:
    path = _FOLDER / "state.db"
    for old in _FOLDER.glob("state.db*"):
        old.unlink()
    path.write_bytes(content)
    return path


def _use_state(path: Path) -> None:
    with capture_logs(), suppress(StateInUseError, StateUnwritableError):
        store = Store(path)
        store.names("default")
        store.organization("default")
        for plan_ in plans():
            store.refusal("default", plan_.resource.name)
            harness = LedgerHarness(plan_, store)
            harness.poll()
            harness.wait(DAY)
            harness.views()
        with suppress(StateUnwritableError):
            store.baselines("default")
        store.close()


def _change_row(database: sqlite3.Connection, change: tuple[int, ...]) -> None:
    """Change or delete one row, and give it the checksum of its content."""
    table, row, action, column, number = change
    changed = TABLES[table % len(TABLES)]
    rows = database.execute(f"SELECT {', '.join(changed.columns)} FROM {changed.name}").fetchall()  # noqa: S608 # our own names
    if not rows:
        return
    values = list(rows[row % len(rows)])
    keys = " AND ".join(f"{name} IS ?" for name in changed.columns)
    database.execute(f"DELETE FROM {changed.name} WHERE {keys}", values)  # noqa: S608 # names from the schema
    if action % 4:
        position = column % len(values)
        values[position] = _changed(values[position], action, number)
        with suppress(sqlite3.IntegrityError):
            changed.insert(database, [tuple(values)])


def _changed(value: object, action: int, number: int) -> object:
    match action % 4, value:
        case 1, bytes() if value:
            return _repacked(value, number)
        case 2, bytes():
            return value[: number % (len(value) + 1)]
        case 1, str():
            return value.replace("a", chr(number % 0xD800))
        case 2, str():
            return value[: number % (len(value) + 1)]
        case 1, _:
            return number - 2**15
        case _:
            return (None, -1, 1e300, 2**62, "", b"", "[]", "[[1]]", "nan", zlib.compress(b"nan"))[number % 10]


def _repacked(value: bytes, number: int) -> bytes:
    """Change one byte; of compressed content, one that was compressed."""
    try:
        plain = bytearray(zlib.decompress(value)) or bytearray(1)
        plain[number % len(plain)] = number >> 16 & 255
        return zlib.compress(bytes(plain))
    except zlib.error:
        plain = bytearray(value)
        plain[number % len(plain)] = number >> 16 & 255
        return bytes(plain)


TARGETS: Final[dict[str, Target]] = {
    target.__name__: target for target in (pages, headers, requests, settings, web_config, state, state_rows)
}
