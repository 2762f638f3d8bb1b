"""Switches for undocumented behaviour of the API, and the request limit that they set."""

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True)
class Policy:
    """How the simulated API behaves where the documentation of the real one leaves it open."""

    over_limit: Literal["refuse", "clamp"] = "refuse"
    """A `limit` above the maximum."""
    future_end: Literal["clip", "keep"] = "clip"
    """An `end_time` in the future: the last bucket ends now, or there are empty buckets after now."""
    scope_error: Literal["object", "string"] = "object"
    """The error for a key without the scope."""
    scope_status: Literal[403, 401] = 403
    costs_by_user_and_project: bool = True
    """Whether costs can be grouped by `user_id` together with `project_id`."""
    costs_by_key_since: bool = True
    """Whether costs grouped by a dimension are refused before the day on which the API began to record it."""
    ratelimit_headers: bool = False
    """Whether responses have `x-ratelimit-*` headers."""
    iso_times: bool = False
    """Whether buckets have the undocumented `start_time_iso` and `end_time_iso`."""
    organization_header: bool = True
    """Whether responses have the header `openai-organization`."""
    requests_per_minute: float = 0.0
    """Request rate above which clients get 429; 0 is no limit."""
    burst: int = 10
    """Number of requests that may arrive at once."""
    legacy: Literal["refuse", "answer"] = "refuse"
    """Response of the legacy billing endpoints to a key that is not a browser session."""


class Throttle:
    """Counts requests of one organization against the policy's rate."""

    def __init__(self) -> None:
        """Start with a full token bucket."""
        self._tokens: float | None = None
        self._at = 0.0

    def wait(self, now: float, policy: Policy) -> float:
        """Count a request at `now` and return 0, or return the seconds to wait without counting it."""
        rate = policy.requests_per_minute / 60
        if rate <= 0:
            self._tokens = None
            return 0.0
        tokens = policy.burst if self._tokens is None else self._tokens + max(now - self._at, 0.0) * rate
        self._tokens = min(tokens, policy.burst)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / rate
