"""Switches for what the API's documentation leaves open, or what differs between organizations."""

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True)
class Policy:
    """How the simulated API behaves where the real one could go either way."""

    over_limit: Literal["refuse", "clamp"] = "refuse"
    """A `limit` above the maximum."""
    future_end: Literal["clip", "keep"] = "clip"
    """An `end_time` in the future: the last bucket ends now, or there are empty buckets after now."""
    scope_error: Literal["object", "string"] = "object"
    """The body of an answer to a key without the scope."""
    scope_status: Literal[403, 401] = 403
    costs_by_user_and_project: bool = True
    """Whether costs can be asked by `user_id` together with `project_id`."""
    costs_by_key_since: bool = True
    """Whether costs grouped by a key are refused before the day on which the API began to record it."""
    ratelimit_headers: bool = False
    """Whether answers carry `x-ratelimit-*`."""
    iso_times: bool = False
    """Whether buckets carry the undocumented `start_time_iso` and `end_time_iso`."""
    organization_header: bool = True
    """Whether answers carry `openai-organization`."""
    requests_per_minute: float = 0.0
    """How fast a client may be before it gets 429; 0 does not look."""
    burst: int = 10
    """How many requests may come at once."""
    legacy: Literal["refuse", "answer"] = "refuse"
    """What the billing endpoints of before 2024 do with a key that is not a browser's session."""
