"""Where the fuzzer begins: sound inputs of every target, and what earlier runs found."""

import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.ledger_harness import TODAY
from tests.support.states import play

FOUND: Final = Path(__file__).parent / "found"
"""Inputs that once failed, by target: tests/fuzz/found/TARGET/NAME, large ones compressed as NAME.gz."""

_BAD_SETTINGS: Final = Path(__file__).parent.parent / "settings" / "bad"
_PAGE: Final = (
    '{"object":"page","data":[{"object":"bucket","start_time":%d,"end_time":%d,"results":[%s]}],'
    '"has_more":false,"next_page":null}'
)
_ROWS: Final = (
    '{"object":"organization.usage.completions.result","input_tokens":10,"output_tokens":"7","num_model_requests":1}',
    '{"object":"organization.usage.completions.result","project_id":"proj_a","model":"gpt-5","batch":false}',
    '{"object":"organization.costs.result","amount":{"value":"0E-6176","currency":"usd"},"line_item":"x, y"}',
    '{"object":"organization.costs.result","amount":{"value":1e3,"currency":"EUR"},"project_id":"","line_item":null}',
    '{"object":"organization.usage.completions.result","input_tokens":1E-400,"output_tokens":-1E999999999999999999999}',
    '{"object":"organization.costs.result","amount":{"value":1E999999999,"currency":"usd"},"quantity":"1E-999999999"}',
)
_ODD_TIMES: Final = (
    '{"object":"page","data":[{"object":"bucket","start_time":17E4000,"end_time":-1E4000,"results":[]}],"has_more":false}',
    '{"object":"page","data":[{"object":"bucket","start_time":"1795046400","end_time":1795.0464e6,"results":[]}],"has_more":false}',
)
_HEADERS: Final = (
    'x-ratelimit-limit-requests: 30,000\nx-ratelimit-reset-requests: 1m30s\n\n{"error":{"message":"a","code":"b"}}',
    "retry-after-ms: 45190\ndate: Wed, 18 Nov 2026 15:42:17 GMT\nx-ratelimit-remaining-requests: 0\n\n<html>",
    'retry-after: Wed, 18 Nov 2026 15:42:17 GMT\n\n{"error":"Missing scopes: api.usage.read"}',
)
_REQUESTS: Final = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
    "gzip;q=0.5, identity, *;q=0",
)
_WEB_CONFIG: Final = (
    "basic_auth_users:\n  alice: $2b$04$abcdefghijklmnopqrstuuH8TbeUoRYI0mG3M0dQ1H0aDXBfJvW3y\n",
    "tls_server_config:\n  cert_file: a.pem\n  key_file: b.pem\n  min_version: TLS12\n",
    "http_server_config:\n  http2: true\n  headers:\n    X-A: b\n",
)


def seeds(target: str) -> Iterator[bytes]:
    """Yield the inputs that a target begins with."""
    texts = {
        "pages": [*(_PAGE % (TODAY, TODAY + 3600, row) for row in _ROWS), *_ODD_TIMES],
        "headers": _HEADERS,
        "requests": _REQUESTS,
        "settings": [path.read_text() for path in sorted(_BAD_SETTINGS.glob("*.yaml"))],
        "web_config": _WEB_CONFIG,
    }
    yield from (text.encode() for text in texts.get(target, ()))
    if target == "state":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "state.db"
            play(path)
            yield path.read_bytes()
    if target == "state_rows":
        yield from (bytes((table, 0, action, 3, 5, 0, 7, 0)) for table in range(13) for action in range(4))
    yield from (_content(path) for path in sorted((FOUND / target).glob("*")))


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data
