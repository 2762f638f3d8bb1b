"""What can go wrong on demand: which request a fault hits, and the answers that are wrong as a whole."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from re import search
from typing import Any, Final

from exporter.simulator.answers import Answer, ApiError, Delivery, html_answer, json_answer
from exporter.simulator.corruption import CORRUPTIONS

_BILLING_CODES: Final = (
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
)


@dataclass(slots=True)
class Fault:
    """One fault and when it strikes."""

    kind: str
    path: str = ""
    """A regular expression that is searched for in the path and query (`usage/`, `costs`, `page=`); empty is all."""
    count: int | None = None
    """How many requests it still hits; None is all."""
    probability: float = 1.0
    seed: int = 0
    skip: int = 0
    """Matching requests that are let through first."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the kind needs: see the functions of this module and of `spoil`."""
    hits: int = 0
    _random: Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a kind that does not exist: ValueError."""
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind!r}: there are {', '.join(sorted(KINDS))}")
        self._random = Random(self.seed)

    def strikes(self, target: str) -> bool:
        """Decide about one request, and count it."""
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
        """Return an option, or what stands for it."""
        return self.options.get(name, default)


class Faults:
    """The faults that are switched on."""

    def __init__(self) -> None:
        """Begin with none."""
        self.active: list[Fault] = []

    def add(self, kind: str, **settings: Any) -> Fault:  # noqa: ANN401 -- options are any JSON value
        """Switch a fault on; what is no field of Fault is one of its options. Raises ValueError."""
        own = {
            name: settings.pop(name) for name in ("path", "count", "probability", "seed", "skip") if name in settings
        }
        fault = Fault(kind, **own, options=settings)
        self.active.append(fault)
        return fault

    def clear(self) -> None:
        """Switch all off."""
        self.active.clear()

    def striking(self, target: str) -> list[Fault]:
        """Return the faults that hit this request."""
        return [fault for fault in list(self.active) if fault.strikes(target)]


def replacement(fault: Fault, now: float) -> Answer | None:
    """Return the answer that is sent instead of the real one; None when the fault leaves that to others."""
    make = _REPLACING.get(fault.kind)
    return make(fault, now) if make else None


def alter(answer: Answer, fault: Fault, now: float, *, gzip_accepted: bool = True) -> None:
    """Change a finished answer: its headers, its body's bytes, or how it is delivered."""
    change = _ALTERING.get(fault.kind)
    if change is None or (fault.kind == "gzip" and not gzip_accepted):
        return
    change(answer, fault, now)


def rate_limited(fault: Fault, now: float) -> Answer:
    """429. `retry_after`: a number of seconds (default 1), null for no header, or any text.

    `form`: `seconds`, `date`, or `ms` (both `retry-after` and `retry-after-ms`).
    """
    seconds = fault.option("retry_after", 1)
    wait = f" Please try again in {seconds}s." if seconds is not None else ""
    answer = ApiError(
        429,
        f"Rate limit reached for organization on admin requests per min.{wait}",
        kind="requests",
        code="rate_limit_exceeded",
    ).answer()
    answer.headers |= retry_headers(seconds, fault.option("form", "seconds"), now)
    return answer


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


def _billing(fault: Fault, _now: float) -> Answer:
    """429 that a person has to clear. `code`: one of the documented ones."""
    code = fault.option("code", _BILLING_CODES[0])
    return ApiError(
        429, "You exceeded your current quota, please check your plan and billing details.", kind=code, code=code
    ).answer()


def _slow_down(fault: Fault, now: float) -> Answer:
    answer = ApiError(429, "You are ramping up too fast.", kind="rate_limit_error", code="slow_down").answer()
    answer.headers |= retry_headers(fault.option("retry_after", None), "seconds", now)
    return answer


def _server_error(_fault: Fault, _now: float) -> Answer:
    return ApiError(500, "The server had an error while processing your request. Sorry!", kind="server_error").answer()


def _bad_gateway(_fault: Fault, _now: float) -> Answer:
    return html_answer(502, "Bad Gateway")


def _unavailable(fault: Fault, now: float) -> Answer:
    """503. `retry_after`: seconds (default: no header)."""
    answer = ApiError(
        503,
        "The server is currently overloaded. Please try again later.",
        kind="service_unavailable_error",
        code="server_is_overloaded",
    ).answer()
    answer.headers |= retry_headers(fault.option("retry_after", None), fault.option("form", "seconds"), now)
    return answer


def _status(fault: Fault, _now: float) -> Answer:
    """Any status. `status`, `body`: `json` (default), `html`, `text` or `empty`; `message`, `type`, `param`, `code`."""
    status = fault.option("status", 400)
    message = fault.option("message", "Something is wrong with the request.")
    match fault.option("body", "json"):
        case "html":
            return html_answer(status, message)
        case "text":
            return Answer(status, message.encode(), {"content-type": "text/plain"})
        case "empty":
            return Answer(status, b"")
    return ApiError(
        status,
        message,
        kind=fault.option("type", "invalid_request_error"),
        param=fault.option("param", None),
        code=fault.option("code", None),
    ).answer()


def _redirect(fault: Fault, _now: float) -> Answer:
    """302. `location`."""
    return Answer(302, b"", {"location": fault.option("location", "http://127.0.0.1:9/elsewhere")})


def _not_json(_fault: Fault, _now: float) -> Answer:
    return Answer(200, b"<!doctype html><title>Welcome</title>", {"content-type": "text/html"})


def _nested(fault: Fault, _now: float) -> Answer:
    """JSON as deep as `depth` (default 100,000)."""
    depth = fault.option("depth", 100_000)
    return Answer(200, b"[" * depth + b"]" * depth, {"content-type": "application/json"})


def _never(_fault: Fault, _now: float) -> Answer:
    answer = json_answer(None)
    answer.delivery = Delivery(never=True)
    return answer


def _slow(answer: Answer, fault: Fault, _now: float) -> None:
    """Send the body in pieces. `pause` seconds (default 0.05) after each `piece` bytes (default 64)."""
    answer.delivery.pause = fault.option("pause", 0.05)
    answer.delivery.piece = fault.option("piece", 64)


def _reset(answer: Answer, fault: Fault, _now: float) -> None:
    """Reset the connection after `bytes` of the body (default: half of it)."""
    answer.delivery.reset_after = fault.option("bytes", len(answer.body) // 2)


def _truncated(answer: Answer, fault: Fault, _now: float) -> None:
    """End the JSON early: after `bytes` (default: half of it)."""
    answer.body = answer.body[: fault.option("bytes", len(answer.body) // 2)]


def _huge(answer: Answer, fault: Fault, _now: float) -> None:
    """Precede the JSON with white space: `bytes` of it (default 64 MiB)."""
    answer.delivery.filler = fault.option("bytes", 64 * 2**20)


def _organization(answer: Answer, fault: Fault, _now: float) -> None:
    """Name another organization in the header: `id`."""
    answer.headers["openai-organization"] = fault.option("id", "org-another")


def _clock_skew(answer: Answer, fault: Fault, now: float) -> None:
    """Let the header `date` be off by `seconds` (default 3600)."""
    answer.headers["date"] = formatdate(now + fault.option("seconds", 3600), usegmt=True)


def _gzip(answer: Answer, _fault: Fault, _now: float) -> None:
    answer.body = gzip.compress(answer.body, mtime=0)
    answer.headers["content-encoding"] = "gzip"


def _header(answer: Answer, fault: Fault, _now: float) -> None:
    """Send further headers: `headers`."""
    answer.headers |= {str(name).lower(): str(value) for name, value in fault.option("headers", {}).items()}


_REPLACING: Final[Mapping[str, Callable[[Fault, float], Answer]]] = {
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

_ALTERING: Final[Mapping[str, Callable[[Answer, Fault, float], None]]] = {
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
"""The path is answered as one that does not exist."""

KINDS: Final = frozenset({*_REPLACING, *_ALTERING, *CORRUPTIONS, UNSUPPORTED})
"""Every kind of fault there is."""
