"""The Admin API as it really is, seen through one request rate per organization."""

from exporter.upstream.client import Client, Runner, inline
from exporter.upstream.errors import (
    BadRequest,
    BillingLimit,
    BrowserOnly,
    Forbidden,
    InvalidResponse,
    LegacyClosed,
    MissingBucket,
    MissingScopes,
    NetworkError,
    NotFound,
    RateLimited,
    Timeout,
    Unauthorized,
    UpstreamError,
)
from exporter.upstream.grouping import negotiate
from exporter.upstream.legacy import CreditGrants, LegacyClient, credit_grants
from exporter.upstream.limits import Limits, RateLimit, Spending
from exporter.upstream.listing import Pagination
from exporter.upstream.names import Directory
from exporter.upstream.observer import Observer, Silent
from exporter.upstream.pace import SIDE_SHARE, Priority
from exporter.upstream.throttle import Throttle

__all__ = [
    "SIDE_SHARE",
    "BadRequest",
    "BillingLimit",
    "BrowserOnly",
    "Client",
    "CreditGrants",
    "Directory",
    "Forbidden",
    "InvalidResponse",
    "LegacyClient",
    "LegacyClosed",
    "Limits",
    "MissingBucket",
    "MissingScopes",
    "NetworkError",
    "NotFound",
    "Observer",
    "Pagination",
    "Priority",
    "RateLimit",
    "RateLimited",
    "Runner",
    "Silent",
    "Spending",
    "Throttle",
    "Timeout",
    "Unauthorized",
    "UpstreamError",
    "credit_grants",
    "inline",
    "negotiate",
]
