"""A remote write receiver: authentication, retries, and advice on what it refuses."""

import errno
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from exporter import __version__
from exporter.clock import Clock
from exporter.openai import retry_after
from exporter.redaction import redact, register_secret

_HEADERS: Final = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_PAUSES: Final = (1, 2, 4, 8, 15, 30, 30, 60, 60, 60)
"""Seconds before each repetition."""

_LONGEST: Final = 120.0
"""Seconds that a receiver may ask to wait."""

_SHOWN: Final = 300
_TOO_OLD: Final = ("out of bounds", "out of order", "too old", "too far behind", "err-mimir-sample-timestamp-too-old")
_OUT_OF_ORDER: Final = (
    "it refuses samples of the past. Prometheus: set storage.tsdb.out_of_order_time_window in its configuration file to"
    " {age}d or more and reload it. Mimir: set out_of_order_time_window of the tenant. Thanos Receive: set"
    " --tsdb.out-of-order.time-window. VictoriaMetrics: set -retentionPeriod"
)
_WRONG_PATH: Final = (
    "check the path of the URL. Prometheus with --web.enable-remote-write-receiver and VictoriaMetrics: /api/v1/write."
    " Mimir: /api/v1/push. Thanos Receive: /api/v1/receive"
)
_NO_RECEIVER: Final = frozenset({404, 405})
_ADVICE: Final = {
    401: "set --remote-write-bearer-token-file, or --remote-write-username and --remote-write-password-file",
    403: "the user or token may not write: give it that permission",
    413: "the receiver takes smaller requests only: raise its limit (Mimir: distributor.max-recv-msg-size)",
    429: "it limits the rate: raise its ingestion limit for the time of the backfill, and run this again",
}


class ReceiverError(Exception):
    """The receiver does not take the samples; the message says what to set."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to write and how to authenticate."""

    url: str
    bearer_token_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    headers: Mapping[str, str] | None = None

    def client(self) -> httpx.AsyncClient:
        """Return a client. Raises OSError, with the name of the file, when a file cannot be used."""
        for file in filter(None, (self.ca_file, self.cert_file, self.key_file)):
            file.open("rb").close()
        with _named(self.ca_file):
            context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file:
            with _named(self.cert_file):
                context.load_cert_chain(self.cert_file, self.key_file)
        headers = {"User-Agent": f"openai-usage-exporter/{__version__}", **(self.headers or {})}
        auth = None
        if self.bearer_token_file:
            headers["Authorization"] = f"Bearer {_secret(self.bearer_token_file)}"
        elif self.username is not None and self.password_file:
            auth = httpx.BasicAuth(self.username, _secret(self.password_file))
        return httpx.AsyncClient(verify=context, headers=headers, auth=auth, timeout=60.0, trust_env=False)


class Receiver:
    """Sends request bodies until they are stored."""

    def __init__(
        self,
        target: Target,
        client: httpx.AsyncClient,
        clock: Clock,
        report: Callable[[str], None],
        *,
        oldest: float,
    ) -> None:
        """`report` gets a line about every failure that is retried; `oldest` is the first sample, Unix seconds."""
        self._target, self._client, self._clock, self._report = target, client, clock, report
        self._oldest = oldest

    async def post(self, body: bytes) -> None:
        """Send one request. Raises ReceiverError when the receiver refuses it, or fails for too long."""
        for pause in (*_PAUSES, None):
            response = None
            try:
                response = await self._client.post(self._target.url, content=body, headers=_HEADERS)
            except httpx.HTTPError as error:
                problem, wait = f"{type(error).__name__}: {error}", 0.0
            else:
                if response.is_success and not _is_page(response):
                    return
                problem, wait = f"{response.status_code} {_text(response)}", self._wait(response)
            if pause is None or (response is not None and not _passes(response)):
                raise ReceiverError(
                    redact(": ".join(filter(None, (self._target.url, problem, self._advice(response)))))
                )
            seconds = max(float(pause), wait)
            self._report(f"remote write: {redact(problem)}: retrying in {seconds:.0f} s")
            await self._clock.sleep(seconds)

    def _wait(self, response: httpx.Response) -> float:
        return min(retry_after(response.headers, self._clock.now()) or 0.0, _LONGEST)

    def _advice(self, response: httpx.Response | None) -> str:
        if response is None:
            return ""
        said = response.text.lower()
        if any(text in said for text in _TOO_OLD):
            days = int((self._clock.now() - self._oldest) // 86400) + 2
            return _OUT_OF_ORDER.format(age=days)
        if "duplicate sample" in said:
            return (
                "it has other values of these series at the same times: end before them with --until, or use other"
                " values of --label"
            )
        if response.status_code in _ADVICE:
            return _ADVICE[response.status_code]
        missing = response.status_code in _NO_RECEIVER or response.is_redirect or "unsupported path" in said
        return _WRONG_PATH if missing or (_is_page(response) and not response.is_server_error) else ""


def _passes(response: httpx.Response) -> bool:
    """Return whether the same request may succeed later."""
    return response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error


def _is_page(response: httpx.Response) -> bool:
    return "html" in response.headers.get("Content-Type", "")


def _text(response: httpx.Response) -> str:
    """Return what the receiver says: of a redirect where it leads, of a web page only that it is one."""
    if response.is_redirect:
        return f"{response.reason_phrase} to {response.headers.get('Location')}"
    if _is_page(response):
        return f"{response.reason_phrase} with a web page"
    return " ".join(response.text.split())[:_SHOWN] or response.reason_phrase


@contextmanager
def _named(path: Path | None) -> Iterator[None]:
    """Add the file's name to errors of the ssl module."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _secret(path: Path) -> str:
    secret = path.read_text(encoding="ascii", errors="replace").strip()
    if not secret.isascii() or not secret.isprintable() or not secret:
        raise OSError(errno.EINVAL, "expects one line of ASCII characters", str(path))
    register_secret(secret)
    return secret
