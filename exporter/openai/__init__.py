"""The client of the Admin API: one request rate per organization, retries, pagination, decoding."""

from exporter.openai.client import BucketSource, Client, Observer, Runner, SilentObserver, inline
from exporter.openai.error_responses import excerpt
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
    ServerError,
    Timeout,
    Unauthorized,
    UpstreamError,
)
from exporter.openai.fallback import FallbackListener, FallbackSource
from exporter.openai.grouping import negotiate
from exporter.openai.metadata import PRIORITIES, Entry, MetadataClient
from exporter.openai.rate_limiter import BACKGROUND_SHARE, Priority
from exporter.openai.responses import MAX_LABEL_BYTES
from exporter.openai.retry import retry_after
from exporter.openai.throttle import Throttle
from exporter.openai.transport import no_cookies

__all__ = [
    "BACKGROUND_SHARE",
    "MAX_LABEL_BYTES",
    "PRIORITIES",
    "BadRequest",
    "BillingLimit",
    "BrowserOnly",
    "BucketSource",
    "Client",
    "Entry",
    "FallbackListener",
    "FallbackSource",
    "Forbidden",
    "InvalidResponse",
    "LegacyClosed",
    "MetadataClient",
    "MissingBucket",
    "MissingScopes",
    "NetworkError",
    "NotFound",
    "Observer",
    "Priority",
    "RateLimited",
    "Runner",
    "ServerError",
    "SilentObserver",
    "Throttle",
    "Timeout",
    "Unauthorized",
    "UpstreamError",
    "excerpt",
    "inline",
    "negotiate",
    "no_cookies",
    "retry_after",
]
