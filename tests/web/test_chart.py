"""The bars of daily spend."""

import re

import pytest

from exporter.catalog import DAY, day_of
from exporter.web.chart import daily_chart, share_bar
from tests.support.site import NOON

_TODAY = day_of(NOON)


def _bars(html: str) -> list[tuple[float, float, float]]:
    """Return left edge, top and height of every bar."""
    found = re.findall(r'<rect class="bar[^"]*" x="([\d.]+)" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', html)
    return [(float(x), float(y), float(height)) for x, y, height in found]


def _scale(html: str) -> list[str]:
    (scale,) = re.findall('<div class="scale"[^>]*>(.*?)</div>', html)
    return re.findall("<span>(.*?)</span>", scale)


def test_bars_are_proportional() -> None:
    """Heights are shares of a round scale and start at the zero line."""
    html = daily_chart(((_TODAY - 2 * DAY, 50.0), (_TODAY - DAY, 100.0), (_TODAY, 25.0)), NOON)

    assert ["$100", "$50", "$0"] == _scale(html)
    assert [(50.0, 50.0), (0.0, 100.0), (75.0, 25.0)] == [(y, height) for _, y, height in _bars(html)]


def test_a_missing_day_leaves_a_gap() -> None:
    """A bar is where its day is on the axis."""
    lefts = [x for x, _, _ in _bars(daily_chart(((_TODAY - 3 * DAY, 1.0), (_TODAY, 1.0)), NOON))]

    assert 30 == lefts[1] - lefts[0]


def test_credits_hang_below_the_line() -> None:
    """A negative day is drawn downwards from zero."""
    html = daily_chart(((_TODAY - DAY, 10.0), (_TODAY, -10.0)), NOON)

    assert ["$10", "$0", "−$10"] == _scale(html)  # noqa: RUF001 - a minus sign is what is meant
    assert [(0.0, 50.0), (50.0, 50.0)] == [(y, height) for _, y, height in _bars(html)]


def test_today_is_marked_as_unfinished() -> None:
    """The open day looks different, with the reason on hovering and in the table."""
    html = daily_chart(((_TODAY - DAY, 1.0), (_TODAY, 2.0)), NOON)

    assert 1 == html.count('class="bar open"')
    assert ": $2.00 so far</title>" in html
    assert "</time> (so far)</th>" in html


@pytest.mark.parametrize("daily", [(), ((_TODAY, float("nan")),), ((_TODAY + DAY, 1.0),), ((0, 1.0),)])
def test_nothing_to_draw_is_text(daily: tuple[tuple[int, float], ...]) -> None:
    """Without a day that can be drawn there is a sentence."""
    assert '<p class="unknown">No daily costs have been reported yet.</p>' == daily_chart(daily, NOON)


@pytest.mark.parametrize(
    ("amounts", "top"), [((0.0,), "$1.00"), ((0.003,), "$0.005"), ((7e5,), "$1,000,000"), ((12.0, 0.0, 1.0), "$20")]
)
def test_the_scale_is_round(amounts: tuple[float, ...], top: str) -> None:
    """The highest line is the next round amount; without costs it is a dollar."""
    daily = tuple((_TODAY - age * DAY, amount) for age, amount in enumerate(reversed(amounts)))[::-1]

    assert top == _scale(daily_chart(daily, NOON))[0]


def test_all_negative_days_have_zero_on_top() -> None:
    """The scale of credits alone ends at zero."""
    assert "$0.00" == _scale(daily_chart(((_TODAY, -3.0),), NOON))[0]


def test_shares_stay_inside() -> None:
    """A share below zero is empty, one above one is full."""
    assert ["0.0", "50.0", "100.0"] == [
        re.findall(r'class="bar" width="([\d.]+)"', share_bar(share))[0] for share in (-1, 0.5, 7)
    ]
