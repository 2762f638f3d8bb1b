"""The server's own limit: a bucket of tokens that refuses clients which are too fast."""

from exporter.simulator.policy import Policy


class Throttle:
    """Counts requests of one organization against the policy's rate."""

    def __init__(self) -> None:
        """Begin with a full bucket."""
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
