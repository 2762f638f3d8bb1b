"""Times and amounts for people."""

import pytest

from exporter.web.formatting import (
    ago,
    cents,
    change,
    count,
    date,
    dollars,
    dollars_element,
    percent,
    quantity,
    text_of,
)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0.0, "$0.00"),
        (-0.0, "$0.00"),
        (0.0042, "$0.0042"),
        (0.00001234, "$0.0000"),
        (0.01, "$0.01"),
        (1.005, "$1.00"),
        (999.994, "$999.99"),
        (1234.5, "$1,234"),
        (1_234_567.8, "$1,234,568"),
        (-3.5, "−$3.50"),  # noqa: RUF001 - a minus sign is what is meant
    ],
)
def test_dollars(amount: float, expected: str) -> None:
    """Whole dollars from a thousand on, cents below, more digits below a cent."""
    assert expected == dollars(amount)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (987, "987"),
        (1.5, "1.5"),
        (1000, "1.00 k"),
        (12_345, "12.3 k"),
        (999_499, "999 k"),
        (999_999, "1.00 M"),
        (412_345_678, "412 M"),
        (4.2e13, "42.0 T"),
        (-1500, "−1.50 k"),  # noqa: RUF001 - a minus sign is what is meant
    ],
)
def test_quantities(value: float, expected: str) -> None:
    """Three digits and a letter, with a no-break space."""
    assert expected.replace(" ", "\N{NO-BREAK SPACE}") == quantity(value)


def test_times() -> None:
    """A time is shown as its age, with the exact time for programs; without a time it is never."""
    assert '<time datetime="1970-01-01T00:01:00Z" title="1970-01-01T00:01:00Z">2 min ago</time>' == ago(60, 180)
    assert "never" in ago(None, 180)
    assert "1 Jan" == date(60)


def test_amounts_to_the_cent() -> None:
    """Large amounts have their cents in the invoice's format, and on hovering in the short one."""
    assert ["$1,234.50", "\N{MINUS SIGN}$1,234.50", "$0.0042"] == [
        cents(amount) for amount in (1234.5, -1234.5, 0.0042)
    ]
    assert '<data value="1234.5" title="$1,234.50">$1,234</data>' == dollars_element(1234.5)
    assert '<data value="1.5">$1.50</data>' == dollars_element(1.5)


def test_differences_and_shares() -> None:
    """A rise has a plus sign; a share below ten percent has one digit after the point."""
    assert ["+$1.00", "$0.00", "\N{MINUS SIGN}$1.00"] == [change(amount) for amount in (1.0, 0.0, -1.0)]
    assert ["0 %", "3.6 %", "10 %", "147 %"] == [
        percent(ratio).replace("\N{NO-BREAK SPACE}", " ") for ratio in (0, 0.036, 0.0999, 1.466)
    ]


def test_count() -> None:
    """One is singular."""
    assert ["0 days", "1 day", "1,000 days", "2 thieves"] == [
        *(count(number, "day") for number in (0, 1, 1000)),
        count(2, "thief", "thieves"),
    ]


def test_text() -> None:
    """Markup is escaped, control characters are replaced; letters of all scripts stay."""
    assert "&lt;b&gt; &amp; &quot;ü日\N{REPLACEMENT CHARACTER}" == text_of('<b> & "ü日\x1b')
