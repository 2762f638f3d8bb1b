"""A remote write receiver: authentication, retries, and advice on what it refuses."""

import errno
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from exporter import __version__
from exporter.backfill.answer import Answer, ask
from exporter.clock import Clock
from exporter.openai import excerpt, no_cookies, retry_after
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

_TIMEOUT: Final = 60.0
"""Seconds until the status of an answer, and from there to its end."""

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
_UNVERIFIED: Final = (
    "its certificate cannot be verified: set --remote-write-ca-file to the certificates of its authority, and use the"
    " host name that its certificate has"
)
_USE_HTTP: Final = "it does not speak TLS at this port: use http:// or the port of https"
_USE_HTTPS: Final = "it speaks TLS at this port: use https://"
_CLIENT_CERTIFICATE: Final = (
    "it wants another client certificate, or one at all: set --remote-write-cert-file and --remote-write-key-file"
)
_PLAIN_TEXT: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"})
_TO_A_TLS_PORT: Final = ("http request to an https server", "plain http request was sent to https port")
_CHECK_URL: Final = "check the URL of --remote-write"
_UNKNOWN_HOST: Final = f"its host name is not known here: {_CHECK_URL}"
_UNREACHABLE: Final = "check the scheme, host and port of --remote-write, and whether it is running"


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
        return httpx.AsyncClient(
            verify=context, headers=headers, auth=auth, cookies=no_cookies(), timeout=_TIMEOUT, trust_env=False
        )


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
        timeout: float = _TIMEOUT,
    ) -> None:
        """`report` gets a line about every failure that is retried; `oldest` is the first sample, Unix seconds.

        `timeout`: seconds until the status of an answer, and from there to its end.
        """
        self._target, self._client, self._clock, self._report = target, client, clock, report
        self._oldest, self._timeout = oldest, timeout

    async def post(self, body: bytes) -> None:
        """Send one request. Raises ReceiverError when the receiver refuses it, or fails for too long."""
        for pause in (*_PAUSES, None):
            wait = 0.0
            try:
                request = self._client.build_request("POST", self._target.url, content=body, headers=_HEADERS)
                answer = await ask(self._client, request, self._timeout)
            except TimeoutError:
                problem, advice, passes = f"no answer within {self._timeout:g} s", _UNREACHABLE, True
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                problem = ": ".join(filter(None, (type(error).__name__, str(error))))
                advice, passes = _advice_of(error)
            else:
                if answer.successful and not answer.is_page:
                    return
                problem, advice, passes = answer.described(), self._advice(answer), _passes(answer)
                wait = min(retry_after(answer.headers, self._clock.now()) or 0.0, _LONGEST)
            problem = excerpt(problem)
            if pause is None or not passes:
                raise ReceiverError(": ".join(filter(None, (redact(self._target.url), problem, advice))))
            seconds = max(float(pause), wait)
            self._report(f"remote write: {problem}: retrying in {seconds:.0f} s")
            await self._clock.sleep(seconds)

    def _advice(self, answer: Answer) -> str:
        said = answer.text.lower()
        if any(text in said for text in _TOO_OLD):
            days = int((self._clock.now() - self._oldest) // 86400) + 2
            return _OUT_OF_ORDER.format(age=days)
        if "duplicate sample" in said:
            return (
                "it has other values of these series at the same times: end before them with --until, or use other"
                " values of --label"
            )
        if any(text in said for text in _TO_A_TLS_PORT):
            return _USE_HTTPS
        if answer.status in _ADVICE:
            return _ADVICE[answer.status]
        missing = answer.status in _NO_RECEIVER or answer.redirects or "unsupported path" in said
        return _WRONG_PATH if missing or (answer.is_page and not answer.fails) else ""


def _passes(answer: Answer) -> bool:
    """Return whether the same request may succeed later."""
    return answer.status == httpx.codes.TOO_MANY_REQUESTS or answer.fails


def _advice_of(error: Exception) -> tuple[str, bool]:
    """Return what to do about a request without an answer, and whether the same request may succeed later."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _UNVERIFIED, False
        reason = (cause.reason or "") if isinstance(cause, ssl.SSLError) else ""
        if reason in _PLAIN_TEXT:
            return _USE_HTTP, False
        if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "HANDSHAKE" in reason):
            return _CLIENT_CERTIFICATE, False
        if isinstance(cause, socket.gaierror):
            return _UNKNOWN_HOST, True
    if isinstance(error, httpx.RemoteProtocolError) and "location header" in str(error):
        return _WRONG_PATH, False
    passes = isinstance(error, httpx.TransportError) and not isinstance(
        error, httpx.LocalProtocolError | httpx.UnsupportedProtocol
    )
    return (_UNREACHABLE if passes else _CHECK_URL), passes


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


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
