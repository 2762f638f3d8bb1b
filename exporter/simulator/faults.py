"""Faults on demand: which requests a fault applies to, and the responses that it sends or changes."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from re import search
from typing import Any, Final

from exporter.simulator.corruption import CORRUPTIONS
from exporter.simulator.responses import ApiError, Delivery, Response, html_response, json_response

_BILLING_CODES: Final = (
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
)


@dataclass(slots=True)
class Fault:
    """One fault and the requests that it applies to."""

    kind: str
    path: str = ""
    """A regular expression to search for in path and query (`usage/`, `costs`, `page=`); empty matches all."""
    count: int | None = None
    """Number of requests it applies to; None is no limit."""
    probability: float = 1.0
    seed: int = 0
    skip: int = 0
    """Matching requests that pass first."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the kind: see the functions of this module and of `corruption`."""
    hits: int = 0
    _random: Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown kind."""
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"no fault {self.kind!r}: there are {', '.join(sorted(FAULT_KINDS))}")
        self._random = Random(self.seed)

    def matches(self, target: str) -> bool:
        """Return whether the fault applies to a request, and count it."""
        if self.count is not None and self.hits >= self.count:
            return False
        if self.path and not search(self.path, target):
            return False
        if self.probability < 1 and self._random.random() >= self.probability:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.hits += 1
        return True

    def option(self, name: str, default: Any) -> Any:  # noqa: ANN401 -- an option is any JSON value
        """Return an option, or the default."""
        return self.options.get(name, default)


class Faults:
    """The active faults."""

    def __init__(self) -> None:
        """Start with none."""
        self.active: list[Fault] = []

    def add(self, kind: str, **settings: Any) -> Fault:  # noqa: ANN401 -- options are any JSON value
        """Activate a fault; settings that are not fields of Fault become its options. Raises ValueError."""
        own = {
            name: settings.pop(name) for name in ("path", "count", "probability", "seed", "skip") if name in settings
        }
        fault = Fault(kind, **own, options=settings)
        self.active.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all faults."""
        self.active.clear()

    def matching(self, target: str) -> list[Fault]:
        """Return the faults that apply to this request."""
        return [fault for fault in list(self.active) if fault.matches(target)]


def replacement(fault: Fault, now: float) -> Response | None:
    """Return the response that replaces the real one; None if the fault replaces none."""
    make = _REPLACEMENTS.get(fault.kind)
    return make(fault, now) if make else None


def alter(response: Response, fault: Fault, now: float, *, gzip_accepted: bool = True) -> None:
    """Change a finished response: its headers, its body, or its delivery."""
    change = _ALTERATIONS.get(fault.kind)
    if change is None or (fault.kind == "gzip" and not gzip_accepted):
        return
    change(response, fault, now)


def rate_limited(fault: Fault, now: float) -> Response:
    """429. `retry_after`: a number of seconds (default 1), null for no header, or any text.

    `form`: `seconds`, `date`, or `ms` (both `retry-after` and `retry-after-ms`).
    """
    seconds = fault.option("retry_after", 1)
    wait = f" Please try again in {seconds}s." if seconds is not None else ""
    response = ApiError(
        429,
        f"Rate limit reached for organization on admin requests per min.{wait}",
        kind="requests",
        code="rate_limit_exceeded",
    ).response()
    response.headers |= retry_headers(seconds, fault.option("form", "seconds"), now)
    return response


def retry_headers(seconds: float | str | None, form: str, now: float) -> dict[str, str]:
    """Return `Retry-After` in one of its forms."""
    if seconds is None:
        return {}
    if isinstance(seconds, str):
        return {"retry-after": seconds}
    if form == "date":
        return {"retry-after": formatdate(now + seconds, usegmt=True)}
    plain = {"retry-after": f"{-int(-seconds // 1)}"}
    return plain | {"retry-after-ms": f"{seconds * 1000:.0f}"} if form == "ms" else plain


def _billing(fault: Fault, _now: float) -> Response:
    """429 that lasts until somebody pays or raises a limit. `code`: one of the documented ones."""
    code = fault.option("code", _BILLING_CODES[0])
    return ApiError(
        429, "You exceeded your current quota, please check your plan and billing details.", kind=code, code=code
    ).response()


def _slow_down(fault: Fault, now: float) -> Response:
    response = ApiError(429, "You are ramping up too fast.", kind="rate_limit_error", code="slow_down").response()
    response.headers |= retry_headers(fault.option("retry_after", None), "seconds", now)
    return response


def _server_error(_fault: Fault, _now: float) -> Response:
    return ApiError(
        500, "The server had an error while processing your request. Sorry!", kind="server_error"
    ).response()


def _bad_gateway(_fault: Fault, _now: float) -> Response:
    return html_response(502, "Bad Gateway")


def _unavailable(fault: Fault, now: float) -> Response:
    """503. `retry_after`: seconds (default: no header)."""
    response = ApiError(
        503,
        "The server is currently overloaded. Please try again later.",
        kind="service_unavailable_error",
        code="server_is_overloaded",
    ).response()
    response.headers |= retry_headers(fault.option("retry_after", None), fault.option("form", "seconds"), now)
    return response


def _status(fault: Fault, _now: float) -> Response:
    """Any status. `status`, `body`: `json` (default), `html`, `text` or `empty`; `message`, `type`, `param`, `code`."""
    status = fault.option("status", 400)
    message = fault.option("message", "Something is wrong with the request.")
    match fault.option("body", "json"):
        case "html":
            return html_response(status, message)
        case "text":
            return Response(status, message.encode(), {"content-type": "text/plain"})
        case "empty":
            return Response(status, b"")
    return ApiError(
        status,
        message,
        kind=fault.option("type", "invalid_request_error"),
        param=fault.option("param", None),
        code=fault.option("code", None),
    ).response()


def _redirect(fault: Fault, _now: float) -> Response:
    """302. `location`."""
    return Response(302, b"", {"location": fault.option("location", "http://127.0.0.1:9/elsewhere")})


def _not_json(_fault: Fault, _now: float) -> Response:
    return Response(200, b"<!doctype html><title>Welcome</title>", {"content-type": "text/html"})


def _nested(fault: Fault, _now: float) -> Response:
    """JSON as deep as `depth` (default 100,000)."""
    depth = fault.option("depth", 100_000)
    return Response(200, b"[" * depth + b"]" * depth, {"content-type": "application/json"})


def _never(_fault: Fault, _now: float) -> Response:
    response = json_response(None)
    response.delivery = Delivery(never=True)
    return response


def _slow(response: Response, fault: Fault, _now: float) -> None:
    """Send the body in pieces. `pause` seconds (default 0.05) after each `piece` bytes (default 64)."""
    response.delivery.pause = fault.option("pause", 0.05)
    response.delivery.piece = fault.option("piece", 64)


def _reset(response: Response, fault: Fault, _now: float) -> None:
    """Reset the connection after `bytes` of the body (default: half of it)."""
    response.delivery.reset_after = fault.option("bytes", len(response.body) // 2)


def _truncated(response: Response, fault: Fault, _now: float) -> None:
    """End the JSON early: after `bytes` (default: half of it)."""
    response.body = response.body[: fault.option("bytes", len(response.body) // 2)]


def _huge(response: Response, fault: Fault, _now: float) -> None:
    """Precede the JSON with white space: `bytes` of it (default 64 MiB)."""
    response.delivery.filler = fault.option("bytes", 64 * 2**20)


def _organization(response: Response, fault: Fault, _now: float) -> None:
    """Send another organization in the header: `id`."""
    response.headers["openai-organization"] = fault.option("id", "org-another")


def _clock_skew(response: Response, fault: Fault, now: float) -> None:
    """Shift the header `date` by `seconds` (default 3600)."""
    response.headers["date"] = formatdate(now + fault.option("seconds", 3600), usegmt=True)


def _gzip(response: Response, _fault: Fault, _now: float) -> None:
    response.body = gzip.compress(response.body, mtime=0)
    response.headers["content-encoding"] = "gzip"


def _header(response: Response, fault: Fault, _now: float) -> None:
    """Send additional headers: `headers`."""
    response.headers |= {str(name).lower(): str(value) for name, value in fault.option("headers", {}).items()}


_REPLACEMENTS: Final[Mapping[str, Callable[[Fault, float], Response]]] = {
    "rate_limited": rate_limited,
    "billing": _billing,
    "slow_down": _slow_down,
    "server_error": _server_error,
    "bad_gateway": _bad_gateway,
    "unavailable": _unavailable,
    "status": _status,
    "redirect": _redirect,
    "not_json": _not_json,
    "nested": _nested,
    "never": _never,
}

_ALTERATIONS: Final[Mapping[str, Callable[[Response, Fault, float], None]]] = {
    "slow": _slow,
    "reset": _reset,
    "truncated": _truncated,
    "huge": _huge,
    "organization": _organization,
    "clock_skew": _clock_skew,
    "gzip": _gzip,
    "headers": _header,
}

UNSUPPORTED: Final = "unsupported"
"""Respond as if the path did not exist."""

FAULT_KINDS: Final = frozenset({*_REPLACEMENTS, *_ALTERATIONS, *CORRUPTIONS, UNSUPPORTED})
"""Every kind of fault."""
