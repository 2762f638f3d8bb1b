# ruff: noqa: N818 -- the names describe the failure; `except` already marks them as errors
"""The failures of requests to the Admin API, as one tree of exceptions.

    UpstreamError
    ├── Unauthorized            auth, gateway     the key is not accepted
    │   └── MissingScopes       auth              the key lacks the scope
    │       └── LegacyClosed    auth              ... and the legacy billing endpoints give nothing
    ├── Forbidden               forbidden, gateway any other 403
    │   └── BrowserOnly         forbidden         a legacy billing endpoint that answers no key
    ├── RateLimited             rate_limited      429: too many requests
    ├── BillingLimit            rate_limited      429: the account's money or limits, not the rate
    ├── ServerError             server            5xx, 409
    │   └── Overloaded          server            503
    ├── Timeout                 timeout           no complete answer within `api.timeout`, 408
    ├── NetworkError            network           no connection, or one that broke
    │   └── Interrupted         network           the connection ended inside the body
    ├── NotFound                not_found         404
    ├── BadRequest              bad_request       any other 4xx
    │   └── RefusedCursor       bad_request       the cursor of a page
    └── InvalidResponse         invalid_response  a response that does not fit the request
        ├── Redirected                            a redirect, which is not followed
        ├── NotJson                               HTML, nothing at all, ...
        │   └── Truncated                         JSON that ends too early
        ├── NotFinite                             NaN, Infinity, or an absurd amount
        ├── TooDeep                               nested beyond reason
        ├── OversizedPage                         a body larger than `api.max_body`
        ├── WrongObject                           a row, or a page, of another endpoint
        ├── MissingCursor                         `has_more` without a cursor
        ├── RepeatedCursor                        pages that go round in a circle
        ├── Endless                               more pages than can be
        ├── MissingBucket                         a requested bucket is missing
        └── DuplicateBucket                       a bucket is there twice

`str(error)` is one line that says what happened, `error.advice` what an operator should do; neither holds a secret.
"""

import re
from typing import ClassVar, Final

_CURSOR: Final = re.compile(r"\b(?:page|cursor)\b", re.IGNORECASE)


_GATEWAY_ADVICE: Final = (
    "The refusal is not OpenAI's: it has no error of the API. Find the proxy, firewall or gateway that gave it; "
    "the key may be right."
)


class UpstreamError(Exception):
    """The base of the tree."""

    reason: str
    """One of the telemetry's `ERROR_REASONS`; 401 and 403 without an error object of the API have `gateway`."""
    retryable: bool = False
    """Whether the same request can succeed a moment later."""
    needs_human: bool = False
    """Whether only somebody with access to the account can help, so that frequent requests are pointless."""
    from_gateway: bool = False
    """Whether a 4xx came without an error object of the API: from a proxy, firewall or load balancer."""
    advice_text: ClassVar[str]

    def __init__(
        self, message: str, *, status: int | None = None, request_id: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        """What failed, in one short line without secrets."""
        self.status = status
        """HTTP status, when there was an answer."""
        self.request_id = request_id
        """The answer header `x-request-id`, for OpenAI's support."""
        self.retry_after = retry_after
        """Seconds after which the API accepts a retry."""

    @property
    def advice(self) -> str:
        """What an operator should do."""
        return _GATEWAY_ADVICE if self.reason == "gateway" else self.advice_text

    def mark_from_gateway(self) -> None:
        """Mark a 4xx without an error object of the API: it is retried like a 502."""
        self.from_gateway, self.retryable, self.needs_human = True, True, False
        if isinstance(self, Unauthorized | Forbidden):
            self.reason = "gateway"

    @property
    def pauses_organization(self) -> bool:
        """Whether every endpoint of the organization has to pause."""
        return False

    def __str__(self) -> str:
        """Return one line: the message, the status and the request id."""
        origin = [f"HTTP {self.status}"] if self.status else []
        if self.request_id:
            origin.append(self.request_id)
        return f"{self.message} ({', '.join(origin)})" if origin else self.message


class Unauthorized(UpstreamError):
    """The key is unknown, malformed, expired or unreadable, or lacks a scope (`MissingScopes`)."""

    reason = "auth"
    needs_human = True
    advice_text = (
        "Create an admin key (it starts with sk-admin-) as an organization owner under Settings, Organization, "
        "Admin keys, and give it in OPENAI_ADMIN_KEY or OPENAI_ADMIN_KEY_FILE."
    )


class MissingScopes(Unauthorized):
    """The key may not do this: an ordinary project key, or a restricted admin key. Comes with 403, or with 401."""

    def __init__(self, message: str, scopes: tuple[str, ...], *, status: int | None, request_id: str = "") -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.scopes = scopes
        """Such as `api.usage.read` or `api.management.read`."""

    @property
    def advice(self) -> str:
        """What an operator should do."""
        return (
            f"The key lacks {' and '.join(self.scopes)}: use an admin key (it starts with sk-admin-; ordinary project "
            "keys never have this scope) whose permissions are All, Read only, or include it."
        )


class LegacyClosed(MissingScopes):
    """The Admin API refuses the key, and the legacy billing endpoints give nothing either."""

    @property
    def advice(self) -> str:
        """What an operator should do."""
        return f"{super().advice} {self.advice_text}"


class Forbidden(UpstreamError):
    """403 for another reason than a missing scope: country, network policy, key of the wrong kind."""

    reason = "forbidden"
    needs_human = True
    advice_text = (
        "Check that the key belongs to this organization, that its IP allow-list admits this machine, "
        "and that OpenAI serves the country that requests come from."
    )


class BrowserOnly(Forbidden):
    """A legacy billing endpoint that wants a browser's session key."""

    advice_text = "Nothing: OpenAI shows this in the browser only, under Settings, Organization, Billing."


class RateLimited(UpstreamError):
    """429: too many requests. The whole organization pauses."""

    reason = "rate_limited"
    retryable = True
    advice_text = (
        "Nothing, if it is rare: the request rate adapts. Otherwise lower api.requests_per_minute, "
        "or find out what else uses this organization's admin keys."
    )

    @property
    def pauses_organization(self) -> bool:
        """Whether every endpoint of the organization has to pause: always."""
        return True


class BillingLimit(UpstreamError):
    """429 because the account is out of credit or at a spend limit."""

    reason = "rate_limited"
    needs_human = True
    advice_text = "Add credit or raise the limit under Settings, Organization, Billing and Limits."


class ServerError(UpstreamError):
    """5xx or 409: the API failed."""

    reason = "server"
    retryable = True
    advice_text = "Nothing, if it passes. Otherwise see status.openai.com and report the request id."


class Overloaded(ServerError):
    """503. The whole organization pauses if there is a `Retry-After`; otherwise one endpoint failed."""

    @property
    def pauses_organization(self) -> bool:
        """Whether every endpoint of the organization has to pause: where there is a `Retry-After`."""
        return self.retry_after is not None


class Timeout(UpstreamError):
    """No complete answer within `api.timeout`, or 408."""

    reason = "timeout"
    retryable = True
    advice_text = "Check the network and api.proxy, or raise api.timeout."


class NetworkError(UpstreamError):
    """No connection (name, route, port, TLS, proxy), or one that broke."""

    reason = "network"
    retryable = True
    advice_text = "Check DNS, firewall, api.base_url and api.proxy; if certificates are not trusted, set api.ca_file."


class Interrupted(NetworkError):
    """The connection ended before the body did."""


class NotFound(UpstreamError):
    """404: this host has no such endpoint or object."""

    reason = "not_found"
    advice_text = "Check api.base_url (it ends in /v1); an endpoint that this host does not have can be switched off."


class BadRequest(UpstreamError):
    """400, or another refusal of the request as it is."""

    reason = "bad_request"

    def __init__(
        self, message: str, *, param: str = "", code: str = "", status: int | None = None, request_id: str = ""
    ) -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.param = param
        """`error.param` of the body: the refused parameter; empty if not given."""
        self.code = code
        """`error.code` of the body."""

    @property
    def refuses_cursor(self) -> bool:
        """Whether the refused parameter is `page`."""
        if self.param:
            return self.param == "page"
        return not self.from_gateway and _CURSOR.search(self.message) is not None

    @property
    def advice(self) -> str:
        """What an operator should do."""
        which = f" ({self.param})" if self.param else ""
        return f"Check group_by, filters and bucket_width of this resource{which}."


class RefusedCursor(BadRequest):
    """A cursor that the API gave and does not accept: expired, or of another deployment."""

    advice_text = "Nothing, if it is rare: the pages are read from the first again. Otherwise report the request id."

    @classmethod
    def of(cls, error: BadRequest) -> "RefusedCursor":
        """Return the same refusal as one of a cursor."""
        return cls(error.message, param=error.param, code=error.code, status=error.status, request_id=error.request_id)

    @property
    def advice(self) -> str:
        """What an operator should do."""
        return self.advice_text


class InvalidResponse(UpstreamError):
    """A response that does not fit the request."""

    reason = "invalid_response"
    advice_text = "Check that api.base_url is the OpenAI API itself; if it is, report this with the request id."


class Redirected(InvalidResponse):
    """A redirect; following it could hand the key to another host."""

    advice_text = "Set api.base_url to where the redirect points, if that is meant."


class NotJson(InvalidResponse):
    """The body is not JSON: HTML of a proxy, nothing at all, an unknown encoding."""

    advice_text = "Check that api.base_url is the API (it ends in /v1) and that no proxy or login page answers for it."


class Truncated(NotJson):
    """The JSON ends too early."""


class NotFinite(InvalidResponse):
    """NaN, Infinity, or an amount beyond reason."""


class TooDeep(InvalidResponse):
    """JSON nested beyond reason."""


class OversizedPage(InvalidResponse):
    """The body is larger than `api.max_body` once decompressed."""

    def __init__(self, size: int, *, dimension: str = "", status: int | None = None, request_id: str = "") -> None:
        what = "one bucket alone makes a body" if dimension else "a body"
        super().__init__(f"{what} of more than {size} bytes (api.max_body)", status=status, request_id=request_id)
        self.size = size
        """Bytes that are allowed."""
        self.dimension = dimension
        """What to drop from `group_by`; empty while fewer buckets a page may still help."""

    @property
    def advice(self) -> str:
        """What an operator should do."""
        drop = f"Drop {self.dimension} from the resource's group_by, or raise" if self.dimension else "Raise"
        return f"{drop} api.max_body."


class WrongObject(InvalidResponse):
    """A row, or a whole answer, whose `object` is not that of the endpoint."""


class MissingCursor(InvalidResponse):
    """`has_more` without a cursor."""


class RepeatedCursor(InvalidResponse):
    """A cursor that an earlier page had."""


class Endless(InvalidResponse):
    """More pages, buckets or objects than there can be."""

    advice_text = "Check this machine's clock; if it is right, report this with the request id."


class MissingBucket(InvalidResponse):
    """A bucket inside the requested range is not in the response."""


class DuplicateBucket(InvalidResponse):
    """Two buckets of one time."""
