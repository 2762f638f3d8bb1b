"""Three small exporters with the polling of other exporters, for comparison.

Started as `python -m bench.other_exporters STRATEGY BASE_URL KEY PORT`; they count the tokens of completions.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import httpx

FIELDS: Final = ("input_tokens", "output_tokens")
_LABELS: Final = ("project_id", "model", "batch")
_MINUTE, _DAY = 60, 86400
_TRAILING_MINUTES: Final = 2
"""An hour would be usual; but then the run would be shorter than the window, and restarts would not show."""

Labels = tuple[str, ...]
Values = tuple[int, ...]


@dataclass
class Counters:
    """The counters of one process."""

    values: dict[Labels, list[int]] = field(default_factory=dict)

    def add(self, labels: Labels, values: Values) -> None:
        """Increase the counters of a label set."""
        held = self.values.get(labels, [0] * len(FIELDS))
        self.values = self.values | {labels: [a + b for a, b in zip(held, values, strict=True)]}

    def text(self) -> str:
        """Return the counters in the text format."""
        return "".join(
            f"other_exporter_{name}_total{{{_shown(labels)}}} {values[index]}\n"
            for labels, values in self.values.items()
            for index, name in enumerate(FIELDS)
        )


@dataclass
class Api:
    """The endpoint that is polled."""

    base_url: str
    key: str

    def rows(self, width: str, start: int, limit: int) -> Iterator[tuple[int, Labels, Values]]:
        """Yield start of bucket, labels and values. Raises httpx.HTTPError and ValueError."""
        parameters: dict[str, Any] = {"bucket_width": width, "start_time": start, "limit": limit}
        answer = httpx.get(
            f"{self.base_url}/organization/usage/completions",
            params=parameters | {"group_by[]": list(_LABELS)},
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=10,
            trust_env=False,
        )
        answer.raise_for_status()
        for bucket in answer.json()["data"]:
            for row in bucket["results"]:
                yield bucket["start_time"], _labels(row), tuple(int(row[name]) for name in FIELDS)


def once(api: Api, counters: Counters) -> None:
    """Request each minute once, right after its end, and continue with the next even after a failure."""
    minute = int(time.time()) // _MINUTE * _MINUTE
    while True:
        time.sleep(max(0.0, minute + _MINUTE - time.time()))
        try:
            for _, labels, values in list(api.rows("1m", minute, 1)):
                counters.add(labels, values)
        except (httpx.HTTPError, ValueError):
            pass
        minute += _MINUTE


def first(api: Api, counters: Counters) -> None:
    """Request the last minutes, and keep the first value of each minute, even of an open one."""
    seen = set()
    while True:
        start = int(time.time()) // _MINUTE * _MINUTE - (_TRAILING_MINUTES - 1) * _MINUTE
        try:
            for minute, labels, values in list(api.rows("1m", start, _TRAILING_MINUTES)):
                if (minute, labels) not in seen:
                    seen.add((minute, labels))
                    counters.add(labels, values)
        except (httpx.HTTPError, ValueError):
            pass
        time.sleep(1)


def deltas(api: Api, counters: Counters) -> None:
    """Request today's bucket, and add its increase since the last poll."""
    before: dict[tuple[int, Labels], Values] | None = None
    while True:
        try:
            rows = list(api.rows("1d", int(time.time()) // _DAY * _DAY, 1))
        except (httpx.HTTPError, ValueError):
            pass
        else:
            now = {(day, labels): values for day, labels, values in rows}
            for key, values in now.items():
                base = values if before is None else before.get(key, (0,) * len(FIELDS))
                counters.add(key[1], tuple(max(a - b, 0) for a, b in zip(values, base, strict=True)))
            before = (before or {}) | now
        time.sleep(1)


STRATEGIES: Final[Mapping[str, Callable[[Api, Counters], None]]] = {"once": once, "first": first, "deltas": deltas}


def serve(port: int, counters: Counters) -> None:
    """Serve the counters until the process ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = counters.text().encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def _labels(row: Mapping[str, object]) -> Labels:
    return tuple(
        str(value).lower() if isinstance(value := row[name], bool) else str(value or "unknown") for name in _LABELS
    )


def _shown(labels: Labels) -> str:
    return ",".join(f'{name}="{value}"' for name, value in zip(_LABELS, labels, strict=True))


def main(strategy: str, base_url: str, key: str, port: str) -> None:
    """Poll with one of the strategies, and serve."""
    counters = Counters()
    threading.Thread(target=STRATEGIES[strategy], args=(Api(base_url, key), counters), daemon=True).start()
    serve(int(port), counters)


if __name__ == "__main__":
    main(*sys.argv[1:])
