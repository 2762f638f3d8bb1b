"""Which buckets have been read, and when; what an answer leaves out."""

from dataclasses import dataclass, field

from exporter.catalog import Plan, PollResult

_LAG = 900
"""Seconds for which the API may be behind with opening its newest buckets."""


@dataclass(frozen=True, slots=True)
class Audit:
    """How an answer compares with what was asked."""

    missing: tuple[int, ...] = ()
    """Starts of buckets that should be there; they stay as they were."""
    gap: tuple[int, int] | None = None
    """Start and end of what was never read and is served no more, Unix seconds."""


@dataclass(slots=True)
class Coverage:
    """What of the past one resource has seen."""

    read: dict[int, float] = field(default_factory=dict)
    """For each bucket kept, by its start, the time of the last answer that had it. Unix seconds."""
    until: float = 0.0
    """Up to here nothing is missing. Unix seconds, 0 before the first answer."""
    gap_until: int = 0
    """End of the newest span that was lost for good."""

    def audit(self, plan: Plan, answer: PollResult) -> Audit:
        """Judge an answer before it is applied."""
        width = plan.width_seconds
        held = {bucket.start for bucket in answer.buckets}
        expected = range(answer.start // width * width, answer.end, width)
        oldest, newest = min(held, default=expected.start), max(held, default=expected.start - width)
        missing = [start for start in expected if oldest < start < newest and start not in held]
        missing += [
            start
            for start in expected
            if start > newest and (start in self.read or start + max(width, _LAG) < answer.end)
        ]
        before = [start for start in expected if start < oldest]
        if self.until and any(start >= self.until for start in before):
            return Audit(tuple(missing), gap=(int(self.until), oldest))
        missing += [start for start in before if start in self.read]
        return Audit(tuple(sorted(missing)))

    def advance(self, plan: Plan, answer: PollResult, audit: Audit) -> None:
        """Note what an answer has covered."""
        for bucket in answer.buckets:
            self.read[bucket.start] = answer.received
        if audit.gap:
            self.gap_until = audit.gap[1]
        must_redecode = [start for start in audit.missing if start not in self.read]
        if must_redecode:
            self.until = max(self.until, min(must_redecode))
        elif answer.buckets:
            newest = answer.buckets[-1]
            self.until = max(self.until, min(newest.end, newest.start + plan.width_seconds, answer.received))

    def expire(self, horizon: int) -> None:
        """Forget buckets older than the horizon, Unix seconds."""
        self.read = {start: time for start, time in self.read.items() if start >= horizon}

    def complete(self, start: int, end: int, width: int) -> bool:
        """Tell whether no bucket between the oldest and the newest that were read is missing in a span."""
        if not self.read:
            return False
        first, last = max(start, min(self.read)), min(end - width, max(self.read))
        return all(bucket in self.read for bucket in range(first, last + 1, width))
