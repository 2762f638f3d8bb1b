"""Daily costs as bars: an SVG, and the same figures as a table."""

import math
from collections.abc import Iterable
from typing import Final

from exporter.catalog import DAY, day_of
from exporter.web.formatting import cents, date, dollars, dollars_element, iso_date

_HEIGHT: Final = 100.0
_STEP: Final = 10
_BAR: Final = 7.6
_LONGEST: Final = 400
"""Days that are drawn at the most."""

_NICE: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


def daily_chart(daily: tuple[tuple[int, float], ...], now: float, index: int = 1) -> str:
    """Return the figure of organization number `index`, with today's bar marked as unfinished.

    `daily` holds UTC midnights (Unix seconds) and dollars.
    """
    today = day_of(now)
    shown = [(day, amount) for day, amount in daily if 0 <= today - day < _LONGEST * DAY and math.isfinite(amount)]
    if not shown:
        return '<p class="unknown">No daily costs have been reported yet.</p>'
    top, bottom = _bounds([amount for _, amount in shown])
    first, last = shown[0][0], shown[-1][0]
    days = (last - first) // DAY + 1
    largest = max(shown, key=lambda entry: entry[1])
    description = (
        f"Daily costs from {date(first)} to {date(last)}, UTC. "
        f"The highest day is {date(largest[0])} with {dollars(largest[1])}."
    )
    bars = "".join(_bar((day - first) // DAY, day, amount, (top, bottom), today) for day, amount in shown)
    width = days * _STEP
    lines = "".join(
        f'<line class="{kind}" x1="0" x2="{width}" y1="{y:g}" y2="{y:g}"/>'
        for kind, y in (("grid", 0.0), ("grid", _HEIGHT / 2), ("base", _y(0, top, bottom)))
    )
    scale = "".join(f"<span>{text}</span>" for text in _scale(top, bottom))
    ends = [date(first), date(first + (days // 2) * DAY), "today" if last == today else date(last)]
    axis = "".join(f"<span>{end}</span>" for end in (ends if days > 2 else ends[-days:]))  # noqa: PLR2004 - ends and middle
    return (
        '<h3>Daily costs</h3><figure class="chart"><div class="plot">'
        f'<svg role="img" aria-label="{description}" viewBox="0 0 {width} {_HEIGHT:g}" preserveAspectRatio="none">'
        f"{lines}{bars}</svg>"
        f'<div class="scale" aria-hidden="true">{scale}</div></div>'
        f'<div class="axis" aria-hidden="true">{axis}</div>{_table(shown, today, index)}</figure>'
    )


def share_bar(share: float, marks: Iterable[float] = ()) -> str:
    """Return a bar that is filled to this share, 0 to 1, with marks; decoration, for the figures are text."""
    filled = min(max(share, 0.0), 1.0) * 100
    lines = "".join(f'<rect class="mark" x="{mark * 100 - 0.3:.1f}" width="0.6" height="4"/>' for mark in marks)
    return (
        '<svg class="share" aria-hidden="true" viewBox="0 0 100 4" preserveAspectRatio="none">'
        f'<rect class="track" width="100" height="4"/><rect class="bar" width="{filled:.1f}" height="4"/>{lines}</svg>'
    )


def _bar(column: int, day: int, amount: float, bounds: tuple[float, float], today: int) -> str:
    zero, end = _y(0, *bounds), _y(amount, *bounds)
    inset = (_STEP - _BAR) / 2
    top, height = min(zero, end), abs(zero - end)
    kind = "bar open" if day == today else "bar"
    left = column * _STEP
    so_far = " so far" if day == today else ""
    return (
        f"<g><title>{date(day)}: {dollars(amount)}{so_far}</title>"
        f'<rect class="day" x="{left}" y="0" width="{_STEP}" height="{_HEIGHT:g}"/>'
        f'<rect class="{kind}" x="{left + inset:g}" y="{top:.2f}" width="{_BAR:g}" height="{height:.2f}"/></g>'
    )


def _table(shown: list[tuple[int, float]], today: int, index: int) -> str:
    rows = "".join(
        f'<tr><th scope="row"><time datetime="{iso_date(day)}">{date(day)}</time>'
        f"{' (so far)' if day == today else ''}</th>"
        f'<td class="number">{dollars_element(amount, cents)}</td></tr>'
        for day, amount in reversed(shown)
    )
    return (
        f'<details class="figures" id="days-{index}"><summary>Table of daily costs</summary><table>'
        '<caption class="hidden">Costs of each UTC day in US dollars</caption><thead><tr>'
        '<th scope="col">Day (UTC)</th><th scope="col" class="number">Costs</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></details>"
    )


def _scale(top: float, bottom: float) -> list[str]:
    values = (top, (top + bottom) / 2, bottom)
    whole = all(value == int(value) for value in values)
    return [dollars(value).removesuffix(".00") if whole else dollars(value) for value in values]


def _y(amount: float, top: float, bottom: float) -> float:
    return (top - amount) / (top - bottom) * _HEIGHT


def _bounds(amounts: list[float]) -> tuple[float, float]:
    """Return round numbers that the bars fit between; without any costs a scale of one dollar."""
    top, bottom = _round_up(max(*amounts, 0.0)), -_round_up(max(*(-amount for amount in amounts), 0.0))
    return (top or (0.0 if bottom else 1.0)), bottom


def _round_up(amount: float) -> float:
    if amount <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(amount))
    return next((step * power for step in _NICE if step * power >= amount), 10 * power)
