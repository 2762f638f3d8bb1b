"""Projects with believable habits, minute by minute: what they use, when that can be read, and planted spikes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

DAY: Final = 1440
"""Minutes: the unit of all times here."""
FIRST_DAY: Final = 35
"""The first day, counted from 1 January 1970: a Thursday, the fifth of a February."""

Floats = NDArray[np.float64]
Minutes = NDArray[np.int64]
Profile = Callable[[Minutes, np.random.Generator], Floats]
"""Returns requests per hour for each minute."""

_MONTHS: Final = (31, 28, 31, 30)
_FACTORS: Final = (3, 3, 3, 4, 5, 6, 8, 10)
_SPIKE_MINUTES: Final = (60, 90, 120, 180, 180, 240)
_SPIKES: Final = 5
_ACTIVE_MINUTES: Final = 30
"""Minutes of a spike in which there is usage at all, except for a job of a few minutes an hour."""
_CLOCK_CHANGES: Final = (66 - FIRST_DAY, 87 - FIRST_DAY)
"""The Sundays on which clocks go forward in America and in Europe."""
_PRICE: Final = 0.005
"""US dollars per request, so that the floors of both alerts are met at the same rate."""
_FLOOR: Final = 1500
"""Requests per hour below which no spike is planted: the bundled floor is 1,000."""


@dataclass(frozen=True, slots=True)
class Spike:
    """A planted spike; times in minutes."""

    start: int
    minutes: int
    factor: float
    onset: int
    """The first minute in which it shows: an hourly job may run up to an hour after the start."""


@dataclass(slots=True)
class Habit:
    """One project over some weeks."""

    profile: str
    counter: Floats
    """The accrued counter of requests as the exporter shows it at each minute."""
    estimate: Floats
    """The counter of estimated spend."""
    spikes: list[Spike] = field(default_factory=list)
    costs: dict[str, Floats] = field(default_factory=dict)
    """By window, what the exporter shows of reported costs at each minute."""
    launched: int | None = None
    """When the project began to be used, if that is within these weeks."""


@dataclass(slots=True)
class Polls:
    """How an exporter fares: for each minute whether it runs and whether its poll succeeds."""

    up: NDArray[np.bool_]
    succeeded: NDArray[np.bool_]


def _weekday(minutes: Minutes) -> Minutes:
    return (minutes // DAY + 3) % 7


def _hour(minutes: Minutes, zone: float = 0.0) -> Floats:
    return np.asarray((minutes % DAY / 60 + zone) % 24)


def _between(hour: Floats, start: float, end: float, soft: float = 1.0) -> Floats:
    return np.asarray(1 / (1 + np.exp(-(hour - start) / soft * 3)) / (1 + np.exp((hour - end) / soft * 3)))


def _days_left(minutes: Minutes) -> Minutes:
    day = minutes // DAY + FIRST_DAY
    ends = np.cumsum(_MONTHS)
    return np.asarray(ends[np.searchsorted(ends, day, side="right")] - 1 - day)


def _office(minutes: Minutes, rate: float, zone: float) -> Floats:
    weekend = _weekday(minutes + int(zone * 60)) >= 5
    return np.asarray(rate * (0.05 + _between(_hour(minutes, zone), 8.5, 18)) * np.where(weekend, 0.15, 1.0))


def _online(minutes: Minutes, rng: np.random.Generator, low: float, high: float) -> Floats:
    hour = _hour(minutes, rng.uniform(-8, 8))
    weekend = np.where(_weekday(minutes) >= 5, 0.6, 1.0)
    return np.asarray(rng.uniform(low, high) * (0.3 + _between(hour, 8, 22, 2)) * weekend)


def office_with_holidays(minutes: Minutes, rng: np.random.Generator) -> Floats:
    """Office hours, three single holidays and one of three days."""
    rate = _office(minutes, rng.uniform(3000, 40000), rng.uniform(-8, 8))
    days = int(minutes[-1]) // DAY
    long = int(rng.integers(20, 30))
    for day in (*rng.choice(np.arange(5, days - 1), 3, replace=False), long, long + 1, long + 2):
        rate = np.where(minutes // DAY == day, rate * 0.1, rate)
    return rate


def nightly_batch(minutes: Minutes, rng: np.random.Generator) -> Floats:
    """A job each night, of varying length and start, over little or nothing else."""
    start, hours = rng.uniform(0, 5), rng.uniform(0.7, 3)
    rate = np.full(len(minutes), float(rng.choice([0, 50, 1000])))
    for day in range(int(minutes[-1]) // DAY + 1):
        begin = max(day * DAY + int(60 * start + rng.normal(0, 8)), 0)
        rate[begin : begin + int(60 * hours * rng.uniform(0.8, 1.25))] += 20000 * rng.lognormal(0, 0.15)
    return rate


def hourly_cron(minutes: Minutes, rng: np.random.Generator) -> Floats:
    """A few minutes of work in each hour."""
    minute, length = int(rng.integers(0, 55)), int(rng.integers(2, 8))
    on = (minutes % 60 >= minute) & (minutes % 60 < minute + length)
    return np.where(on, rng.uniform(3000, 20000) * 60 / length, float(rng.choice([0, 100])))


def growth(minutes: Minutes, rng: np.random.Generator) -> Floats:
    """An online product that grows by 5 % a week."""
    return np.asarray(_online(minutes, rng, 2000, 20000) * 1.05 ** (minutes / DAY / 7))


def month_end_bursts(minutes: Minutes, rng: np.random.Generator) -> Floats:
    """Office hours, and three to five times as much on the last two days of a month, nights included."""
    rate = _office(minutes, rng.uniform(3000, 20000), rng.uniform(-3, 3))
    return np.where(_days_left(minutes) < 2, rate * rng.uniform(3, 5) + 2000, rate)


def few_requests(minutes: Minutes, rng: np.random.Generator) -> Floats:
    """A few requests a day."""
    return np.full(len(minutes), rng.uniform(0.1, 1.0))


def launch(minutes: Minutes, rng: np.random.Generator) -> Floats:
    """From nothing or a trickle to steady use, within minutes, hours or days."""
    hour = _hour(minutes, rng.uniform(-8, 8))
    day = int(rng.integers(10, 35))
    ramp = np.clip((minutes / DAY - day - 0.4) / float(rng.choice([0.01, 0.2, 3])), 0, 1)
    trickle = float(rng.choice([0, 0, 30])) * _between(hour, 9, 18)
    weekend = np.where(_weekday(minutes) >= 5, 0.6, 1.0)
    return np.asarray(trickle + rng.uniform(3000, 30000) * (0.2 + _between(hour, 8, 22, 2)) * weekend * ramp)


def busy_weekends(minutes: Minutes, rng: np.random.Generator) -> Floats:
    """Weekends with two and a half times the use of weekdays."""
    hour = _hour(minutes, rng.uniform(-8, 8))
    weekend = np.where(_weekday(minutes) >= 5, 2.5, 1.0)
    return np.asarray(rng.uniform(3000, 30000) * (0.15 + _between(hour, 10, 23, 1.5)) * weekend)


def slow_growth(minutes: Minutes, rng: np.random.Generator) -> Floats:
    """An online product that grows by 2 % a week."""
    return np.asarray(_online(minutes, rng, 2000, 40000) * 1.02 ** (minutes // DAY // 7))


def clock_change(minutes: Minutes, rng: np.random.Generator) -> Floats:
    """Office hours with a lunch break, in a country that puts its clocks forward."""
    zone = rng.uniform(-8, 8)
    change = int(rng.choice(_CLOCK_CHANGES))
    moved = minutes + np.where(minutes + int(zone * 60) >= change * DAY + 120, 60, 0)
    lunch = 1 - 0.6 * _between(_hour(moved, zone), 12, 13, 0.5)
    return np.asarray(_office(moved, rng.uniform(3000, 40000), zone) * lunch)


def three_shifts(minutes: Minutes, rng: np.random.Generator) -> Floats:
    """Work around the clock in three shifts, with a pause between them, less at night and on Sundays."""
    hour = _hour(minutes, rng.uniform(-8, 8))
    into = (hour - 6) % 8
    shift = _between(into, 0.25, 7.75, 0.5) * np.where((hour >= 22) | (hour < 6), 0.5, 1.0)
    sunday = np.where(_weekday(minutes) == 6, 0.4, 1.0)
    return np.asarray(rng.uniform(3000, 30000) * (0.1 + shift) * sunday)


def shop_with_newsletter(minutes: Minutes, rng: np.random.Generator) -> Floats:
    """A shop with a peak at noon and one in the evening, and a newsletter on Tuesdays that brings an hour's rush."""
    zone = rng.uniform(-8, 8)
    hour = _hour(minutes, zone)
    rate = 0.1 + 0.6 * _between(hour, 11.5, 13.5, 1.5) + _between(hour, 18, 22, 1.5)
    for week in range(int(minutes[-1]) // DAY // 7 + 1):
        sent = (week * 7 + 5) * DAY + int(600 - zone * 60 + rng.normal(0, 4))
        rate[max(sent, 0) : sent + 60] += rng.uniform(0.8, 1.2)
    return np.asarray(rng.uniform(3000, 30000) * rate)


PROFILES: Final[dict[str, Profile]] = {
    "office hours, holidays": office_with_holidays,
    "nightly batch": nightly_batch,
    "hourly cron": hourly_cron,
    "growth of 5 % a week": growth,
    "month-end bursts": month_end_bursts,
    "a few requests a day": few_requests,
    "launch": launch,
    "busy weekends": busy_weekends,
    "growth of 2 % a week": slow_growth,
    "clock change": clock_change,
    "three shifts": three_shifts,
    "shop, newsletter": shop_with_newsletter,
}


def polls(seed: int, days: int) -> Polls:
    """Return the fate of one exporter: it is down three times, and one poll in 2,000 fails."""
    rng = np.random.default_rng([seed, 99])
    up = np.ones(days * DAY, np.bool_)
    for _ in range(3):
        start = int(rng.uniform(0, days * DAY - DAY))
        up[start : start + int(rng.choice([3, 15, 120, 400]))] = False
    return Polls(up, up & (rng.random(days * DAY) >= 0.0005))


def habit(profile: str, seed: int, days: int, polled: Polls) -> Habit:
    """Return a project of a profile: noise, late data and corrections included.

    Usage can be read one to three minutes after it happened. Four times, for 40 minutes to 8 hours, all or half of it
    is reported only at the end. Eight times the day before is corrected, by -3 to +5 %, in one piece.
    """
    rng = np.random.default_rng([seed, list(PROFILES).index(profile)])
    count = days * DAY
    minutes = np.arange(count)
    rate = PROFILES[profile](minutes, rng)
    usual = rate * _noise(rng, minutes, days)
    factors, taken, spikes = np.ones(count), ~polled.up, []
    for _ in range(2000 if profile != "a few requests a day" else 0):
        start, length = int(rng.uniform(7.2 * DAY, count - DAY)), int(rng.choice(_SPIKE_MINUTES))
        factor = float(rng.choice(_FACTORS))
        clear = not taken[max(0, start - DAY) : start + length + DAY].any()
        large = usual[start : start + 60].mean() * factor >= _FLOOR
        if clear and large and not _holiday(rate, start) and _shows(profile, rate[start : start + length]):
            inside = rate[start : start + length]
            spikes.append(Spike(start, length, factor, start + int(np.argmax(inside >= 0.2 * inside.max()))))
            factors[start : start + length] = factor
            taken[start : start + length] = True
        if len(spikes) == _SPIKES:
            break
    amounts = rng.poisson(usual * factors / 60).astype(np.float64)
    readable = _late(rng, minutes, taken)
    reported = np.bincount(np.minimum(readable, count - 1), amounts, minlength=count)
    daily = np.bincount(minutes // DAY, amounts)
    for at in rng.uniform(DAY, count, 8).astype(int):
        reported[at] += daily[at // DAY - 1] * rng.choice([-0.03, -0.01, 0.01, 0.03, 0.05])
    polled_at = np.maximum.accumulate(np.where(polled.succeeded, minutes, 0))
    return Habit(
        profile,
        np.maximum.accumulate(np.cumsum(reported))[polled_at],
        _estimate(np.random.default_rng([seed, list(PROFILES).index(profile), 1]), reported)[polled_at],
        sorted(spikes, key=lambda spike: spike.start),
        _costs(profile, rate),
        int(np.argmax(rate >= 0.02 * rate.max())) if profile == "launch" else None,
    )


def _estimate(rng: np.random.Generator, reported: Floats) -> Floats:
    """Return the counter of estimated spend, as a stand-in for the exporter's estimator makes it.

    Usage counts at a learned price that is wrong by 2 % a day (standard deviation). Each hour's cost is reported 5 to
    19 hours later and replaces the estimate; the counter never falls.
    """
    count = len(reported)
    minutes = np.arange(count)
    errors = rng.normal(0, 0.02, count // DAY + 1)[minutes // DAY]
    settled = minutes // 60 * 60 + 60 + rng.integers(300, 1140, count // 60 + 1)[minutes // 60]
    corrections = np.bincount(np.minimum(settled, count), -errors * reported, minlength=count + 1)[:count]
    return np.asarray(np.maximum.accumulate(np.cumsum(reported * (1 + errors) + corrections)) * _PRICE)


def _costs(profile: str, rate: Floats) -> dict[str, Floats]:
    """Return the windows of costs. What was before the first day is as four weeks later; for a launch, nothing."""
    by_day = rate.reshape(-1, DAY).sum(axis=1) / 60 * _PRICE
    days = np.concatenate([np.zeros(28) if profile == "launch" else np.resize(by_day, 28), by_day])
    totals = np.concatenate([[0.0], np.cumsum(days)])
    today = 28 + np.arange(len(by_day))
    ends = np.cumsum(_MONTHS) - FIRST_DAY + 28
    last = ends[np.searchsorted(ends, today, side="right") - 1]
    windows = {
        "7d": totals[today + 1] - totals[today - 6],
        "30d": totals[today + 1] - totals[np.maximum(today - 29, 0)],
        "previous_month_end": totals[last] - totals[last - 2],
    }
    return {window: np.repeat(values, DAY) for window, values in windows.items()}


def _holiday(rate: Floats, start: int) -> bool:
    """Return whether there is far less usage than a week before and after: three times that is no spike."""
    others = (rate[at : at + 60].mean() for at in (start - 7 * DAY, start + 7 * DAY) if 0 <= at < len(rate))
    return bool(rate[start : start + 60].mean() < 0.4 * min(others))


def _shows(profile: str, rate: Floats) -> bool:
    active = rate >= 0.2 * rate.max()
    return bool(rate[:30].mean() >= 0.2 * rate.mean()) and bool(
        active.sum() >= _ACTIVE_MINUTES or profile == "hourly cron"
    )


def _late(rng: np.random.Generator, minutes: Minutes, taken: NDArray[np.bool_]) -> Minutes:
    count = len(minutes)
    readable = minutes + 1 + rng.integers(0, 3, count)
    spans = 0
    while spans < 4:
        start, length = int(rng.uniform(0, count - DAY)), int(rng.choice([40, 90, 240, 480]))
        if taken[max(0, start - 60) : start + length + 60].any():
            continue
        late = (minutes >= start) & (minutes < start + length) & (rng.random(count) < rng.choice([1, 1, 0.5]))
        readable = np.where(late, np.maximum(readable, start + length), readable)
        spans += 1
    return readable


def _noise(rng: np.random.Generator, minutes: Minutes, days: int) -> Floats:
    hours = days * 24 + 2
    noise = np.zeros(hours)
    for hour in range(1, hours):
        noise[hour] = 0.8 * noise[hour - 1] + rng.normal(0, 0.072)
    daily = np.exp(rng.normal(0, 0.08, days))[minutes // DAY]
    return np.asarray(np.exp(np.interp(minutes / 60, np.arange(hours), noise)) * daily)
