"""What a Prometheus server holds of an exporter after some days: made from what happened, and when it was reported."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.support.promtool import Labels, Replay, Values

HOUR: Final = 3600
DAY: Final = 86400
PAST: Final = 62
"""Days that happened before the first scrape."""

Rate = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Of times (Unix seconds, negative before the first scrape), how much happens an hour."""

Span = tuple[float, float]
"""From and to, in days."""


def steady(rate: float) -> Rate:
    """Return a rate that never changes."""
    return lambda times: np.full(len(times), rate)


def office(rate: float) -> Rate:
    """Return the rate of people's work: twice the mean by day, a tenth by night, a quarter on weekends."""

    def at(times: NDArray[np.float64]) -> NDArray[np.float64]:
        hour = times % DAY // HOUR
        weekday = (times // DAY + 3) % 7
        busy = np.where((hour >= 7) & (hour < 18), 2.0, 0.1)
        return rate * busy * np.where(weekday >= 5, 0.25, 1.0)

    return at


def times_as_much(rate: Rate, factor: float, *spans: Span) -> Rate:
    """Return a rate that is so many times as high in some spans."""
    return lambda times: rate(times) * np.where(_inside(times, spans), factor, 1.0)


def scaled(rate: Rate, factor: float) -> Rate:
    """Return a rate that is always so many times as high."""
    return lambda times: rate(times) * factor


def late(*spans: Span) -> Rate:
    """Return the delay, in seconds, of what happens in some spans and is reported all at once at their end."""

    def at(times: NDArray[np.float64]) -> NDArray[np.float64]:
        delays = np.zeros(len(times))
        for start, end in spans:
            delays = np.where(_inside(times, [(start, end)]), end * DAY - times, delays)
        return delays

    return at


def only(rate: Rate, *spans: Span) -> Rate:
    """Return a rate that is zero outside of some spans."""
    return lambda times: rate(times) * _inside(times, spans)


def _inside(times: NDArray[np.float64], spans: Iterable[Span]) -> NDArray[np.bool_]:
    inside = np.zeros(len(times), np.bool_)
    for start, end in spans:
        inside |= (times >= start * DAY) & (times < end * DAY)
    return inside


@dataclass(slots=True)
class History:
    """One exporter of one organization, day by day. All times are in days from the first scrape."""

    organization: str
    days: float
    step: int = 300
    """Seconds from scrape to scrape; polls come as often."""
    down: tuple[Span, ...] = ()
    """When the exporter did not run."""
    unreachable: tuple[Span, ...] = ()
    """When the exporter ran, but no poll succeeded."""
    resources: tuple[str, ...] = ("costs", "completions", "moderations")
    series: dict[tuple[str, tuple[tuple[str, str], ...]], Values] = field(default_factory=dict)

    @property
    def times(self) -> NDArray[np.float64]:
        """The times of the scrapes, Unix seconds."""
        return np.arange(0, self.days * DAY + 1, self.step, dtype=np.float64)

    @property
    def target(self) -> dict[str, str]:
        """The labels that Prometheus gives to what it scrapes."""
        return {"job": "openai-usage-exporter", "instance": f"{self.organization}:10180"}

    def write(self, replay: Replay) -> None:
        """Hand everything over."""
        self._watch()
        for (name, labels), values in self.series.items():
            replay.add(name, dict(labels), values)

    def arrays(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], NDArray[np.float64]]:
        """Return everything as arrays, with NaN where there is no sample."""
        self._watch()
        return {
            key: np.array([np.nan if value is None else value for value in column])
            for key, column in self.series.items()
        }

    def put(self, name: str, labels: Labels, values: Values | float, *, during: Span | None = None) -> None:
        """Add a series, if there is none, with gaps where the exporter was down; one value stands for all scrapes.

        `during`: when the series was there, in days.
        """
        column: list[float | None] = [values] * len(self.times) if isinstance(values, int | float) else list(values)
        gone = _inside(self.times, self.down)
        if during:
            gone |= ~_inside(self.times, [during])
        for place in np.flatnonzero(gone):
            column[place] = None
        self.series.setdefault((name, tuple(labels.items())), column)

    def usage(
        self,
        measure: str,
        labels: Labels,
        rate: Rate,
        *,
        delay: Rate | None = None,
        windows: Iterable[str] = ("7d",),
        since: float = -PAST,
    ) -> None:
        """Add the faces of a measure of one label set.

        `delay`: for times of events, after how many seconds they are reported. `since`: the day on which it began.
        """
        views = self._faces(rate, delay, since)
        known = views["known"] > 0
        shown: dict[tuple[str, str], NDArray[np.float64]] = {
            (f"openai_{measure}", ""): views["today"],
            (f"openai_accrued_{measure}_total", ""): views["total"],
        }
        shown |= {(f"openai_window_{measure}", window): views[window] for window in windows}
        for (name, window), column in shown.items():
            values = [float(value) if seen else None for value, seen in zip(column, known, strict=True)]
            self.put(name, {**labels, "window": window} if window else labels, values)

    def requests(self, project: str, rate: Rate, *, delay: Rate | None = None, since: float = -PAST) -> None:
        """Add requests of a project, with a thousand tokens each: `rate` is in requests an hour."""
        labels = {"organization": self.organization, "project_id": project, "model": "gpt-x", "batch": "false"}
        self.usage("completions_requests", labels, rate, delay=delay, since=since)
        for measure, tokens in (("completions_input_tokens", 800.0), ("completions_output_tokens", 200.0)):
            self.usage(measure, labels, scaled(rate, tokens), delay=delay, since=since, windows=())

    def estimate(self, project: str, rate: Rate) -> None:
        """Add the counter of the estimated cost of a project: `rate` is in US dollars an hour."""
        labels = {"organization": self.organization, "project_id": project, "model": "gpt-x"}
        totals = self._faces(rate, None, -PAST)["total"]
        self.put("openai_accrued_estimated_cost_usd_total", labels, [float(value) for value in totals])

    def cost(
        self, project: str, rate: Rate, *, item: str = "gpt-x, input", delay: Rate | None = None, since: float = -PAST
    ) -> None:
        """Add the costs of a project: `rate` is in US dollars an hour."""
        labels = {"organization": self.organization, "project_id": project, "line_item": item}
        windows = ("yesterday", "7d", "30d", "month", "previous_month")
        self.usage("cost_usd", labels, rate, delay=delay, windows=windows, since=since)

    def _faces(self, rate: Rate, delay: Rate | None, since: float) -> dict[str, NDArray[np.float64]]:
        scrapes = self.times
        events = np.arange(-PAST * DAY, scrapes[-1] + self.step, self.step, dtype=np.float64)
        amounts = rate(events) * self.step / HOUR * (events >= since * DAY)
        visible = events + self.step + (delay(events) if delay else 0.0)
        order = np.argsort(visible, kind="stable")
        days = (events // DAY).astype(int) + PAST
        by_day = np.zeros(days[-1] + 2)
        polled = ~_inside(scrapes, (*self.down, *self.unreachable))
        names = ("known", "today", "total", "yesterday", "7d", "30d", "month", "previous_month")
        views = {name: np.zeros(len(scrapes)) for name in names}
        place, baseline, seen = 0, 0.0, 0.0
        for index, now in enumerate(scrapes):
            while polled[index] and place < len(order) and visible[order[place]] <= now:
                by_day[days[order[place]]] += amounts[order[place]]
                seen += amounts[order[place]]
                place += 1
            if index == 0:
                baseline = seen
            today = int(now // DAY) + PAST
            first, before = _months(today)
            for name, start, end in (
                ("today", today, today + 1),
                ("yesterday", today - 1, today),
                ("7d", today - 6, today + 1),
                ("30d", today - 29, today + 1),
                ("month", first, today + 1),
                ("previous_month", before, first),
                ("known", today - 30, today + 1),
            ):
                views[name][index] = by_day[start:end].sum()
            views["total"][index] = seen - baseline
        return views

    def _watch(self) -> None:
        times = self.times
        target = self.target
        running = ~_inside(times, self.down)
        reached = running & ~_inside(times, self.unreachable)
        starts = np.maximum.accumulate(np.where(running & ~np.roll(running, 1), times, 0.0))
        success = np.maximum.accumulate(np.where(reached, times, 0.0))
        self.series["up", tuple(target.items())] = [float(value) for value in running]
        self.put("process_start_time_seconds", target, [float(value) for value in starts])
        self.put("openai_exporter_build_info", target, 1)
        self.put("openai_exporter_state_writable", target, 1)
        own = {**target, "organization": self.organization}
        self.put("openai_exporter_up", own, [float(up) for up in reached])
        for resource in self.resources:
            labels = {**own, "resource": resource}
            self.put("openai_exporter_resource_up", labels, [float(up) for up in reached])
            self.put("openai_exporter_last_success_timestamp_seconds", labels, [float(at) for at in success])
            self.put("openai_exporter_last_change_timestamp_seconds", labels, [float(at) for at in success])
            self.put("openai_exporter_poll_interval_seconds", labels, max(300.0, self.step))
            self.put("openai_exporter_series", labels, 1)


_MONTHS: Final = (31, 28, 31, 30, 31, 30, 31)


def _months(today: int) -> tuple[int, int]:
    """Return the first days of this month and of the last, counted like `today`; day PAST is the first of January."""
    first, before = PAST, PAST - 31
    for length in _MONTHS:
        if today < first + length:
            break
        first, before = first + length, first
    return first, before
