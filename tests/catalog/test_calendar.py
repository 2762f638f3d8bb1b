"""UTC days, months and windows."""

from datetime import UTC, datetime

import pytest

from exporter.catalog import DAY, HOUR, MINUTE, Window, day_of, month_start


def at(text: str) -> float:
    """Return the Unix time of a moment, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-11-18T15:42:17", "2026-11-18"),
        ("2026-11-18T00:00:00", "2026-11-18"),
        ("2026-11-18T23:59:59.999", "2026-11-18"),
        ("2028-02-29T12:00:00", "2028-02-29"),
    ],
)
def test_a_day_begins_at_its_utc_midnight(moment: str, day: str) -> None:
    """The second of midnight belongs to the new day."""
    assert at(day) == day_of(at(moment))


@pytest.mark.parametrize(
    ("moment", "months_ago", "start"),
    [
        ("2026-11-18T15:42:17", 0, "2026-11-01"),
        ("2026-11-01T00:00:00", 0, "2026-11-01"),
        ("2026-11-18T15:42:17", 1, "2026-10-01"),
        ("2027-01-31T23:59:59", 1, "2026-12-01"),
        ("2026-11-18T15:42:17", 11, "2025-12-01"),
        ("2026-11-18T15:42:17", 23, "2024-12-01"),
    ],
)
def test_months_begin_on_their_first(moment: str, months_ago: int, start: str) -> None:
    """Also across the turn of a year."""
    assert at(start) == month_start(at(moment), months_ago)


@pytest.mark.parametrize(
    ("name", "width", "start", "end"),
    [
        ("yesterday", DAY, "2026-11-17", "2026-11-18"),
        ("1d", DAY, "2026-11-18", "2026-11-19"),
        ("7d", DAY, "2026-11-12", "2026-11-19"),
        ("month", DAY, "2026-11-01", "2026-11-19"),
        ("previous_month", DAY, "2026-10-01", "2026-11-01"),
        ("previous_month_end", DAY, "2026-10-30", "2026-11-01"),
        ("7d", HOUR, "2026-11-12", "2026-11-19"),
        ("3h", HOUR, "2026-11-18T13:00", "2026-11-18T16:00"),
        ("1h", HOUR, "2026-11-18T14:00", "2026-11-18T16:00"),
        ("1h", MINUTE, "2026-11-18T14:43", "2026-11-18T15:43"),
        ("15m", MINUTE, "2026-11-18T15:28", "2026-11-18T15:43"),
        ("1m", MINUTE, "2026-11-18T15:41", "2026-11-18T15:43"),
    ],
)
def test_spans_of_windows(name: str, width: int, start: str, end: str) -> None:
    """Days are whole UTC days; hours and minutes end with the open bucket, and have two of them at least."""
    assert (at(start), at(end)) == Window(name).span(at("2026-11-18T15:42:17"), width)


@pytest.mark.parametrize(
    ("name", "unit", "longest"),
    [
        ("yesterday", DAY, 2 * DAY),
        ("month", DAY, 31 * DAY),
        ("previous_month", DAY, 62 * DAY),
        ("previous_month_end", DAY, 33 * DAY),
        ("30d", DAY, 30 * DAY),
        ("12h", HOUR, 12 * HOUR),
        ("15m", MINUTE, 15 * MINUTE),
    ],
)
def test_windows_require_width_and_lookback(name: str, unit: int, longest: int) -> None:
    """A bucket width that is no coarser, and a look-back that is no shorter."""
    window = Window(name)

    assert (unit, longest) == (window.unit, window.longest)


@pytest.mark.parametrize("window", ["yesterday", "month", "previous_month", "previous_month_end"])
@pytest.mark.parametrize(
    "moment", ["2026-03-31T12:00", "2027-01-01T00:00", "2028-02-29T23:59:59", "2026-12-31T23:59:59"]
)
def test_no_window_is_longer_than_it_says(window: str, moment: str) -> None:
    """From its start to the end of the open day."""
    start, _ = Window(window).span(at(moment), DAY)

    assert day_of(at(moment)) + DAY - start <= Window(window).longest


@pytest.mark.parametrize("name", ["", "0d", "07d", "7", "d", "7w", "1.5h", "-1d", "today", "7d ", "10000d", "٣d"])
def test_an_invalid_window_is_refused_with_the_valid_ones(name: str) -> None:
    """The message lists the names and the forms."""
    with pytest.raises(
        ValueError,
        match="is not a window: use yesterday, month, previous_month, previous_month_end, or a number of days",
    ):
        Window(name)
