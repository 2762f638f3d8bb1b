"""The request rate of one organization: arithmetic on monotonic seconds that are passed in."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from exporter.openai.retry import MAX_PAUSE, RateLimitHeaders, backoff

BURST: Final = 10
"""Requests that may be sent at once after a rest."""

BACKGROUND_SHARE: Final = 0.1
"""The share of the rate, and of the burst, that limits and names may use together."""

SERVER_LIMIT_SECONDS: Final = 600.0
"""Seconds after which a limit of `x-ratelimit-limit-requests` no longer applies, unless it was repeated. An answer
without the header ends it at once."""

_FLOOR: Final = 1 / 16
"""The share of the configured rate below which refusals do not lower it."""

_RECOVERY: Final = 1 / 64
"""The share of the configured rate that a success restores."""

_ROUNDING: Final = 1e-6
"""Tokens that may be missing because of rounding."""


class Priority(IntEnum):
    """The order in which waiting requests are sent."""

    COSTS = 0
    USAGE = 1
    LIMITS = 2
    NAMES = 3

    @property
    def background(self) -> bool:
        """Whether requests of this kind share the small part of the rate."""
        return self >= Priority.LIMITS


class TokenBucket:
    """Admits at most `burst` requests at once and `per_minute` in the long run."""

    def __init__(self, per_minute: float, burst: float, now: float) -> None:
        self._rate = per_minute / 60
        self._burst = burst
        self._tokens = burst
        self._updated = now

    def wait(self, now: float) -> float:
        """Return the seconds until the next token."""
        self._fill(now)
        missing = 1 - self._tokens
        return missing / self._rate if missing > _ROUNDING else 0.0

    def take(self, now: float) -> None:
        """Take a token."""
        self._fill(now)
        self._tokens -= 1

    def give_back(self) -> None:
        """Return a token that was not used."""
        self._tokens = min(self._tokens + 1, self._burst)

    def cap(self, now: float, tokens: float) -> None:
        """Keep at most this many tokens."""
        self._fill(now)
        self._tokens = min(self._tokens, tokens)

    def set_rate(self, now: float, per_minute: float) -> None:
        """Change the rate."""
        self._fill(now)
        self._rate = per_minute / 60

    def _fill(self, now: float) -> None:
        self._tokens = min(self._tokens + max(now - self._updated, 0.0) * self._rate, self._burst)
        self._updated = max(now, self._updated)


class AdaptiveRateLimiter:
    """The rate of one organization, as configured and as the server's responses have it.

    A refusal closes the gate: a pause, then one probe at a time, until one is answered. Every grant ends with exactly
    one of `answered`, `refused`, `failed` and `withdrawn`.
    """

    def __init__(self, per_minute: float, now: float, chance: Callable[[], float], burst: int = BURST) -> None:
        """Take the configured requests per minute, and the source of the jitter of pauses (0 to 1)."""
        self._configured = per_minute
        self._chance = chance
        self._learned = per_minute
        self._server_limits: dict[str, tuple[float, float]] = {}
        """By resource the requests per minute of the last header, and until when it applies."""
        self._all = TokenBucket(per_minute, burst, now)
        self._background = TokenBucket(per_minute * BACKGROUND_SHARE, max(burst * BACKGROUND_SHARE, 1), now)
        self._open = True
        self._probing = False
        self._refusals = 0
        self._closings = 0
        self._paused_until = now

    def per_minute(self, now: float) -> float:
        """Return the requests per minute that are allowed."""
        limits = [limit for limit, until in self._server_limits.values() if now < until]
        return min(self._learned, self._configured, *limits)

    def paused_until(self, now: float) -> float | None:
        """Return when the pause ends, None without one."""
        return self._paused_until if self._paused_until > now else None

    def wait(self, priority: Priority, now: float) -> float | None:
        """Return the seconds until the next try, 0 if a request may start; None until a probe is answered."""
        if not self._open and self._probing:
            return None
        expiry = self._forget_expired(now)
        wait = max(self._all.wait(now), self._paused_until - now, 0.0)
        wait = max(wait, self._background.wait(now)) if priority.background else wait
        return min(wait, expiry) if expiry is not None else wait

    def start(self, priority: Priority, now: float) -> "Grant":
        """Grant a request that need not wait."""
        self._all.take(now)
        if priority.background:
            self._background.take(now)
        self._probing = not self._open
        return Grant(priority, self._closings, probe=not self._open)

    def withdrawn(self, grant: "Grant") -> None:
        """End a grant whose request was not sent."""
        self._all.give_back()
        if grant.priority.background:
            self._background.give_back()
        self.failed(grant)

    def failed(self, grant: "Grant") -> None:
        """End a grant that got no answer, or a server error: the next request is a probe as well."""
        if grant.probe:
            self._probing = False

    def answered(self, grant: "Grant", resource: str, now: float, limit: RateLimitHeaders) -> None:
        """End a grant that was not refused: a probe opens the gate, and the rate grows a little."""
        if grant.probe:
            self._probing, self._open, self._refusals = False, True, 0
        self._learned = min(self._learned + self._configured * _RECOVERY, self._configured)
        self._apply_headers(resource, now, limit)

    def refused(
        self,
        grant: "Grant",
        resource: str,
        now: float,
        limit: RateLimitHeaders,
        retry_after: float | None,
        *,
        slower: bool,
    ) -> None:
        """End a grant with 429 (`slower`: halve the rate, unless headers give it) or 503, and close the gate.

        Requests that were in flight when the gate closed bring no news: they can only prolong the pause.
        """
        self.failed(grant)
        if grant.probe or grant.closings == self._closings:
            self._refusals += 1
            if slower and limit.limit is None:
                self._learned = max(self._learned / 2, self._configured * _FLOOR)
            if retry_after is None:
                retry_after = backoff(self._refusals, self._chance())
        self._apply_headers(resource, now, limit)
        self._close(now, retry_after or 0.0)

    def _apply_headers(self, resource: str, now: float, limit: RateLimitHeaders) -> None:
        if limit.limit is not None:
            self._server_limits[resource] = limit.limit, now + SERVER_LIMIT_SECONDS
        else:
            self._server_limits.clear()
        self._update_rates(now)
        if limit.remaining is not None:
            self._all.cap(now, limit.remaining)
            if not limit.remaining and limit.reset:
                self._close(now, limit.reset)

    def _forget_expired(self, now: float) -> float | None:
        """Drop the server's limits that no longer apply; return the seconds until the next one expires."""
        kept = {resource: limit for resource, limit in self._server_limits.items() if now < limit[1]}
        if len(kept) < len(self._server_limits):
            self._server_limits = kept
            self._update_rates(now)
        return min((until - now for _, until in kept.values()), default=None)

    def _update_rates(self, now: float) -> None:
        per_minute = self.per_minute(now)
        self._all.set_rate(now, per_minute)
        self._background.set_rate(now, per_minute * BACKGROUND_SHARE)

    def _close(self, now: float, seconds: float) -> None:
        if self._open:
            self._open = False
            self._closings += 1
        self._paused_until = max(self._paused_until, now + min(seconds, MAX_PAUSE))


@dataclass(frozen=True, slots=True)
class Grant:
    """A request that was let through."""

    priority: Priority
    closings: int
    """How often the gate had closed before."""
    probe: bool
