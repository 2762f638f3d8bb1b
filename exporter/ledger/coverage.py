"""Which buckets have been read, and when; what a response leaves out."""

from dataclasses import dataclass, field

from exporter.catalog import Plan, PollResult

_LAG = 900
"""Seconds for which the API may be behind with opening its newest buckets."""


@dataclass(frozen=True, slots=True)
class Audit:
    """How a response compares with its request."""

    missing: tuple[int, ...] = ()
    """Starts of buckets that should be there; they keep their values."""
    gap: tuple[int, int] | None = None
    """Start and end of a span that was never read and is no longer served, Unix seconds."""


@dataclass(slots=True)
class Coverage:
    """Which buckets of one resource have been read."""

    read: dict[int, float] = field(default_factory=dict)
    """For each bucket kept, by its start, the time of the last response that had it. Unix seconds."""
    until: float = 0.0
    """Up to here nothing is missing. Unix seconds, 0 before the first result."""
    gap_until: int = 0
    """End of the newest span that was lost for good."""

    def audit(self, plan: Plan, result: PollResult) -> Audit:
        """Compare a result with its request before it is applied."""
        width = plan.width_seconds
        held = {bucket.start for bucket in result.buckets}
        expected = range(result.start // width * width, result.end, width)
        oldest, newest = min(held, default=expected.start), max(held, default=expected.start - width)
        missing = [start for start in expected if oldest < start < newest and start not in held]
        missing += [
            start
            for start in expected
            if start > newest and (start in self.read or start + max(width, _LAG) < result.end)
        ]
        before = [start for start in expected if start < oldest]
        if self.until and any(start >= self.until for start in before):
            return Audit(tuple(missing), gap=(int(self.until), oldest))
        missing += [start for start in before if start in self.read]
        return Audit(tuple(sorted(missing)))

    def advance(self, plan: Plan, result: PollResult, audit: Audit) -> None:
        """Note what a response has covered."""
        for bucket in result.buckets:
            self.read[bucket.start] = result.received
        if audit.gap:
            self.gap_until = audit.gap[1]
        unread = [start for start in audit.missing if start not in self.read]
        if unread:
            self.until = max(self.until, min(unread))
        elif result.buckets:
            newest = result.buckets[-1]
            self.until = max(self.until, min(newest.end, newest.start + plan.width_seconds, result.received))

    def expire(self, horizon: int) -> None:
        """Forget buckets older than the horizon, Unix seconds."""
        self.read = {start: time for start, time in self.read.items() if start >= horizon}

    def complete(self, start: int, end: int, width: int) -> bool:
        """Return whether no bucket between the oldest and the newest that were read is missing in a span."""
        if not self.read:
            return False
        first, last = max(start, min(self.read)), min(end - width, max(self.read))
        return all(bucket in self.read for bucket in range(first, last + 1, width))
