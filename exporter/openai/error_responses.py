"""Converts responses other than 200 to errors."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import msgspec

from exporter.openai import errors
from exporter.openai.retry import retry_after
from exporter.redaction import redact

_BILLING: Final = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    }
)
_KINDS: Final[Mapping[int, type[errors.UpstreamError]]] = {
    HTTPStatus.UNAUTHORIZED: errors.Unauthorized,
    HTTPStatus.FORBIDDEN: errors.Forbidden,
    HTTPStatus.NOT_FOUND: errors.NotFound,
    HTTPStatus.REQUEST_TIMEOUT: errors.Timeout,
    HTTPStatus.CONFLICT: errors.ServerError,
    HTTPStatus.TOO_MANY_REQUESTS: errors.RateLimited,
    HTTPStatus.SERVICE_UNAVAILABLE: errors.Overloaded,
}
_FAMILIES: Final[Mapping[int, type[errors.UpstreamError]]] = {
    3: errors.Redirected,
    4: errors.BadRequest,
    5: errors.ServerError,
}
_CLIENT_ERROR: Final = 4
"""First digit of the status."""

_LONGEST: Final = 200
_PAGE_BYTES: Final = 2000
"""How much of a page that is not JSON is searched for its title."""

_SCOPE: Final = re.compile(r"[a-z_]+(?:\.[a-z_]+)+")
_SCOPES: Final = re.compile(rf"[Mm]issing scopes?:?\s*({_SCOPE.pattern}(?:[,\s]+{_SCOPE.pattern})*)")
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_REQUEST_ID: Final = re.compile(r"[\w.:-]{1,100}")


def classify(status: int, headers: Mapping[str, str], body: bytes, *, now: float = 0.0) -> errors.UpstreamError:
    """Return the error for a response other than 200, with every text redacted.

    `headers` have lower-case names, `now` (Unix seconds) is what dates are measured from.
    """
    report = _Report(body)
    error = _error(status, headers, report, now=now)
    if status // 100 == _CLIENT_ERROR and not (report.explained or error.retryable):
        error.mark_from_gateway()
        error.retry_after = retry_after(headers, now)
    return error


def _error(status: int, headers: Mapping[str, str], report: "_Report", *, now: float) -> errors.UpstreamError:
    message = excerpt(report.message) or f"no explanation with HTTP {status}"
    request_id = request_id_of(headers)
    kind = _kind(status, report)
    if issubclass(kind, errors.MissingScopes):
        return kind(message, report.scopes, status=status, request_id=request_id)
    if issubclass(kind, errors.BadRequest):
        return kind(
            message,
            param=excerpt(report.param),
            code=excerpt(report.code),
            status=status,
            request_id=request_id,
        )
    if issubclass(kind, errors.Redirected):
        message = f"a redirect to {_host(headers.get('location', ''))}"
    elif issubclass(kind, errors.InvalidResponse):
        message = f"HTTP {status} instead of 200"
    pause = retry_after(headers, now) if kind.retryable else None
    return kind(message, status=status, request_id=request_id, retry_after=pause)


def _kind(status: int, report: "_Report") -> type[errors.UpstreamError]:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and report.scopes:
        return errors.MissingScopes
    if status == HTTPStatus.TOO_MANY_REQUESTS and {report.code, report.type} & _BILLING:
        return errors.BillingLimit
    return _KINDS.get(status) or _FAMILIES.get(status // 100, errors.InvalidResponse)


def excerpt(text: str) -> str:
    """Return the beginning of a text on one line, redacted."""
    text = redact(text[: 20 * _LONGEST])
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the header `x-request-id` if it looks like one."""
    found = headers.get("x-request-id", "")
    return found if _REQUEST_ID.fullmatch(found) and redact(found) == found else ""


class _Report:
    """The body of a refusal: an object under `error`, a plain string there, or anything else."""

    def __init__(self, body: bytes) -> None:
        self.message = self.type = self.code = self.param = ""
        try:
            whole = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            whole = None
        error = whole.get("error") if isinstance(whole, dict) else None
        if isinstance(error, dict):
            self.message = _text(error.get("message"))
            self.type, self.code, self.param = (_text(error.get(name)) for name in ("type", "code", "param"))
            self.message = self.message or self.code or self.type
        elif isinstance(error, str):
            self.message = redact(error)
        self.explained = isinstance(error, dict | str)
        """Whether the body has an error of the API."""
        if not self.explained:
            text = body[:_PAGE_BYTES].decode(errors="replace")
            title = _TITLE.search(text)
            self.message = redact(title[1] if title else text)
        found = _SCOPES.search(self.message)
        self.scopes = tuple(dict.fromkeys(_SCOPE.findall(excerpt(found[1])))) if found else ()


def _text(value: object) -> str:
    return redact(value) if isinstance(value, str) else ""


def _host(location: str) -> str:
    try:
        parts = urlsplit(redact(location))
        host = f"{parts.scheme}://{parts.hostname}" if parts.hostname else parts.path
    except ValueError:
        host = ""
    return excerpt(host) or "nowhere"
