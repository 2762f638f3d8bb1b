"""The Admin API as it really is, seen through one request rate per organization."""

from exporter.openai.client import Client, Runner, inline
from exporter.openai.errors import (
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
from exporter.openai.fallback import CreditGrants, FallbackClient, credit_grants
from exporter.openai.grouping import negotiate
from exporter.openai.limits import Limits, RateLimit, Spending
from exporter.openai.listing import Pagination
from exporter.openai.names import Directory
from exporter.openai.observer import Observer, Silent
from exporter.openai.rate_limiter import SIDE_SHARE, Priority
from exporter.openai.responses import MAX_LABEL_BYTES
from exporter.openai.throttle import Throttle

__all__ = [
    "MAX_LABEL_BYTES",
    "SIDE_SHARE",
    "BadRequest",
    "BillingLimit",
    "BrowserOnly",
    "Client",
    "CreditGrants",
    "Directory",
    "FallbackClient",
    "Forbidden",
    "InvalidResponse",
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
