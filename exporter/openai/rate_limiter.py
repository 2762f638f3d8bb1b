"""How fast one organization may be asked: arithmetic on moments that are passed in (monotonic seconds)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from exporter.openai.retry import MAX_PAUSE, RateLimitHeaders, backoff

BURST: Final = 10
"""Requests that may go out at once after a rest."""

SIDE_SHARE: Final = 0.1
"""What limits and names together may take of the rate, and of the burst."""

_FLOOR: Final = 1 / 16
"""The share of the configured rate below which refusals do not press."""

_RECOVERY: Final = 1 / 64
"""The share of the configured rate that a success wins back."""

_MISSING: Final = 1e-6
"""Tokens that rounding may take away."""


class Priority(IntEnum):
    """Who goes first when requests wait."""

    COSTS = 0
    USAGE = 1
    LIMITS = 2
    NAMES = 3

    @property
    def aside(self) -> bool:
        """Whether requests of this kind share the small part of the rate."""
        return self >= Priority.LIMITS


class TokenBucket:
    """At most `burst` at once and `per_minute` in the long run."""

    def __init__(self, per_minute: float, burst: float, now: float) -> None:
        self._rate = per_minute / 60
        self._burst = burst
        self._tokens = burst
        self._then = now

    def wait(self, now: float) -> float:
        """Return the seconds until the next one may go."""
        self._fill(now)
        missing = 1 - self._tokens
        return missing / self._rate if missing > _MISSING else 0.0

    def take(self, now: float) -> None:
        """Let one go."""
        self._fill(now)
        self._tokens -= 1

    def give_back(self) -> None:
        """Take back one that did not go after all."""
        self._tokens = min(self._tokens + 1, self._burst)

    def cap(self, now: float, tokens: float) -> None:
        """Keep no more than so many in hand."""
        self._fill(now)
        self._tokens = min(self._tokens, tokens)

    def change(self, now: float, per_minute: float) -> None:
        """Go on at another rate."""
        self._fill(now)
        self._rate = per_minute / 60

    def _fill(self, now: float) -> None:
        self._tokens = min(self._tokens + max(now - self._then, 0.0) * self._rate, self._burst)
        self._then = max(now, self._then)


class AdaptiveRateLimiter:
    """The rate of one organization, as configured and as the server's answers have it.

    A refusal closes the gate: silence, then one probe at a time, until one is answered.
    """

    def __init__(self, per_minute: float, now: float, chance: Callable[[], float], burst: int = BURST) -> None:
        """Take the configured requests per minute, and where the jitter of pauses comes from (0 to 1)."""
        self._configured = per_minute
        self._chance = chance
        self._learned = per_minute
        self._told: dict[str, int] = {}
        self._all = TokenBucket(per_minute, burst, now)
        self._aside = TokenBucket(per_minute * SIDE_SHARE, max(burst * SIDE_SHARE, 1), now)
        self._open = True
        self._probing = False
        self._refusals = 0
        self._round = 0
        self._paused_until = now

    @property
    def per_minute(self) -> float:
        """Requests per minute that are allowed now."""
        return min(self._learned, *self._told.values(), self._configured)

    def paused_until(self, now: float) -> float | None:
        """Return when the silence ends, None when there is none."""
        return self._paused_until if self._paused_until > now else None

    def wait(self, priority: Priority, now: float) -> float | None:
        """Return the seconds until a request may go; None while that depends on the answer to a probe."""
        if not self._open and self._probing:
            return None
        wait = max(self._all.wait(now), self._paused_until - now, 0.0)
        return max(wait, self._aside.wait(now)) if priority.aside else wait

    def start(self, priority: Priority, now: float) -> "Grant":
        """Let a request go that need not wait."""
        self._all.take(now)
        if priority.aside:
            self._aside.take(now)
        self._probing = not self._open
        return Grant(priority, self._round, probe=not self._open)

    def withdraw(self, passage: "Grant") -> None:
        """Take back a request that did not go after all."""
        self._all.give_back()
        if passage.priority.aside:
            self._aside.give_back()
        self.failed(passage)

    def failed(self, passage: "Grant") -> None:
        """Learn nothing, for there was no answer: the next one is a probe as well."""
        if passage.probe:
            self._probing = False

    def answered(self, passage: "Grant", resource: str, now: float, limit: RateLimitHeaders) -> None:
        """Learn from an answer that is no refusal: the gate opens if it was a probe's, the rate grows a little."""
        if passage.probe:
            self._probing, self._open, self._refusals = False, True, 0
        self._learned = min(self._learned + self._configured * _RECOVERY, self._configured)
        self._heed(resource, now, limit)

    def refused(
        self,
        passage: "Grant",
        resource: str,
        now: float,
        limit: RateLimitHeaders,
        retry_after: float | None,
        *,
        slower: bool,
    ) -> None:
        """Close the gate, after 429 (`slower`: halve the rate, unless headers tell it) or 503.

        Requests that were under way when the gate closed say nothing new: they can only prolong the silence.
        """
        self.failed(passage)
        if passage.probe or passage.round == self._round:
            self._refusals += 1
            if slower and limit.limit is None:
                self._learned = max(self._learned / 2, self._configured * _FLOOR)
            if retry_after is None:
                retry_after = backoff(self._refusals, self._chance())
        self._heed(resource, now, limit)
        self._close(now, retry_after or 0.0)

    def _heed(self, resource: str, now: float, limit: RateLimitHeaders) -> None:
        if limit.limit is not None:
            self._told[resource] = limit.limit
        self._all.change(now, self.per_minute)
        self._aside.change(now, self.per_minute * SIDE_SHARE)
        if limit.remaining is not None:
            self._all.cap(now, limit.remaining)
            if not limit.remaining and limit.reset:
                self._close(now, limit.reset)

    def _close(self, now: float, seconds: float) -> None:
        if self._open:
            self._open = False
            self._round += 1
        self._paused_until = max(self._paused_until, now + min(seconds, MAX_PAUSE))


@dataclass(frozen=True, slots=True)
class Grant:
    """A request that was let go."""

    priority: Priority
    round: int
    """How often the gate had closed before."""
    probe: bool
