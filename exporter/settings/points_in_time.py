"""Moments in the past: a span before now (`90d`) or a UTC date (`2026-01-31`)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from exporter.settings.durations import parse_duration


@dataclass(frozen=True, slots=True)
class PointInTime:
    """Either so many seconds ago, or a fixed Unix time."""

    ago: float | None = None
    """Seconds."""
    time: float = 0.0
    """Unix seconds."""

    def at(self, now: float) -> float:
        """Return Unix seconds, seen from `now`."""
        return self.time if self.ago is None else now - self.ago


def parse_point_in_time(value: object) -> PointInTime:
    """Return the moment. Raises ValueError that says how moments are written."""
    if isinstance(value, PointInTime):
        return value
    try:
        return PointInTime(ago=parse_duration(value))
    except ValueError:
        pass
    try:
        day = date.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError("expects a span before now such as 90d, or a UTC date such as 2026-01-31") from None
    return PointInTime(time=datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
