"""Times and amounts as people read them."""

import pytest

from exporter.web.formatting import ago, date, dollars, quantity, several, text_of


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0.0, "$0.00"),
        (-0.0, "$0.00"),
        (0.0042, "$0.0042"),
        (0.00001234, "$1.2e-05"),
        (0.01, "$0.01"),
        (1.005, "$1.00"),
        (1234.5, "$1,234.50"),
        (99_999.994, "$99,999.99"),
        (1_234_567.8, "$1,234,568"),
        (-3.5, "−$3.50"),  # noqa: RUF001 - a minus sign is what is meant
    ],
)
def test_dollars(amount: float, expected: str) -> None:
    """Cents where they matter, more digits below a cent, none in the hundred thousands."""
    assert expected == dollars(amount)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (987, "987"),
        (1.5, "1.5"),
        (1000, "1.00 k"),
        (12_345, "12.3 k"),
        (999_999, "1000 k"),
        (412_345_678, "412 M"),
        (4.2e13, "42.0 T"),
        (-1500, "−1.50 k"),  # noqa: RUF001 - a minus sign is what is meant
    ],
)
def test_quantities(value: float, expected: str) -> None:
    """Three digits and a letter, with a space that does not break."""
    assert expected.replace(" ", "\N{NO-BREAK SPACE}") == quantity(value)


def test_times() -> None:
    """A time says how long ago it was, to machines when it was; none is never."""
    assert '<time datetime="1970-01-01T00:01:00Z" title="1970-01-01T00:01:00Z">2 min ago</time>' == ago(60, 180)
    assert "never" in ago(None, 180)
    assert "1 Jan" == date(60)


def test_several() -> None:
    """One is singular."""
    assert ["0 days", "1 day", "1,000 days", "2 thieves"] == [
        *(several(number, "day") for number in (0, 1, 1000)),
        several(2, "thief", "thieves"),
    ]


def test_text() -> None:
    """Markup and control characters do nothing; letters of all scripts stay."""
    assert "&lt;b&gt; &amp; &quot;ü日\N{REPLACEMENT CHARACTER}" == text_of('<b> & "ü日\x1b')
