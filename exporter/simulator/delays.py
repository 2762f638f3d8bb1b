"""Late data: how long after the fact usage and costs become visible."""

from bisect import insort
from dataclasses import dataclass
from typing import Final

_EVER: Final = float("-inf")


@dataclass(frozen=True, slots=True, order=True)
class Delay:
    """What applies from a moment on."""

    since: float
    seconds: float
    """How long after it happened usage is reported."""
    late_percent: int = 0
    """Of the streams of usage, how many in a hundred are reported later still."""
    late_seconds: float = 0.0
    """How much later those are."""


class Delays:
    """The delays of one resource over time. What was visible once stays visible."""

    def __init__(self, seconds: float = 0.0) -> None:
        """Take the delay that has always applied."""
        self._history = [Delay(_EVER, seconds)]

    def change(self, delay: Delay) -> None:
        """Apply another delay from `delay.since` on."""
        insort(self._history, delay)

    def horizons(self, as_of: float) -> tuple[int, int]:
        """Return up to when usage is visible at `as_of`: of prompt streams and of late ones, Unix seconds."""
        prompt = late = _EVER
        ends = [delay.since for delay in self._history[1:]]
        for delay, until in zip(self._history, [*ends, as_of], strict=True):
            if delay.since <= as_of:
                seen = min(until, as_of) - delay.seconds
                prompt = max(prompt, seen)
                late = max(late, seen - delay.late_seconds)
        return int(prompt), int(late)

    def late_percent(self, as_of: float) -> int:
        """Return how many streams in a hundred are late at `as_of`."""
        return max(
            (delay for delay in self._history if delay.since <= as_of), key=lambda delay: delay.since
        ).late_percent
