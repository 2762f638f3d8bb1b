"""The Admin API as it really is, seen through one request rate per organization."""

from exporter.upstream.client import Client, Runner, inline
from exporter.upstream.errors import (
    BadRequest,
    BillingLimit,
    Forbidden,
    InvalidResponse,
    MissingBucket,
    MissingScopes,
    NetworkError,
    NotFound,
    RateLimited,
    Timeout,
    Unauthorized,
    UpstreamError,
)
from exporter.upstream.listing import Pagination
from exporter.upstream.observer import Observer, Silent
from exporter.upstream.pace import Priority
from exporter.upstream.throttle import Throttle

__all__ = [
    "BadRequest",
    "BillingLimit",
    "Client",
    "Forbidden",
    "InvalidResponse",
    "MissingBucket",
    "MissingScopes",
    "NetworkError",
    "NotFound",
    "Observer",
    "Pagination",
    "Priority",
    "RateLimited",
    "Runner",
    "Silent",
    "Throttle",
    "Timeout",
    "Unauthorized",
    "UpstreamError",
    "inline",
]
