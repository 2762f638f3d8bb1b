"""Real costs and usage from the simulator's usage log, over any span of time."""

from collections import defaultdict
from dataclasses import dataclass

from exporter.catalog import DAY, day_of
from exporter.simulator import Scenario


@dataclass(frozen=True, slots=True)
class UsageLog:
    """The real totals of one organization."""

    scenario: Scenario

    def dollars(self, since: float, until: float, *, by: str = "") -> dict[str, float]:
        """Return the costs in US dollars from one moment to another, by a dimension or together."""
        return self._sums("costs", "amount", (since, until), by, currency="usd")

    def used(self, resource: str, field: str, since: float, until: float, *, by: str = "") -> dict[str, float]:
        """Return a usage figure from one moment to another, by a dimension or together."""
        return self._sums(resource, field, (since, until), by)

    def _sums(
        self, resource: str, field: str, span: tuple[float, float], by: str, *, currency: str = ""
    ) -> dict[str, float]:
        totals: dict[str, float] = defaultdict(float)
        for sign, start, end in _spans(*span):
            for row in self.scenario.truth(resource, (by,) if by else (), since=start, until=end):
                dimensions, values = row["dimensions"], row["values"]
                assert isinstance(dimensions, dict)
                assert isinstance(values, dict)
                if not currency or dimensions["currency"] == currency:
                    totals[str(dimensions[by]) if by else ""] += sign * float(str(values[field]))
        return dict(totals)


def _spans(since: float, until: float) -> list[tuple[int, float, float]]:
    """Cover a span by whole days from its first midnight on, less what comes before it."""
    first = day_of(since)
    before = [(-1, float(first), since)] if since > first else []
    return [(1, float(first), until), *before]


def week(now: float) -> tuple[float, float]:
    """Return the span of the window `7d`, as far as it has passed."""
    return day_of(now) - 6 * DAY, now
