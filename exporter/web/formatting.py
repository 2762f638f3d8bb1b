"""Times, amounts and names as people read them, safe to stand in HTML."""

from datetime import UTC, datetime
from html import escape
from typing import Final

from exporter.durations import approximate_duration

_CENT: Final = 0.01
_MANY_DOLLARS: Final = 100_000
_SCALES: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def name(text: str) -> str:
    """Return a name from outside as an element that neither markup nor its writing direction gets out of."""
    return f"<bdi>{text_of(text)}</bdi>"


def text_of(text: str) -> str:
    """Return text from outside: markup and control characters do nothing."""
    return escape("".join(char if char.isprintable() or char == " " else "\N{REPLACEMENT CHARACTER}" for char in text))


def dollars(amount: float) -> str:
    """Return an amount of US dollars: to the cent, finer below one, to the dollar where cents do not matter."""
    size = abs(amount)
    if size == 0:
        figures = "0.00"
    elif size < _CENT:
        figures = f"{size:.2g}" if size >= _CENT / 100 else f"{size:.1e}"
    else:
        figures = f"{size:,.0f}" if size >= _MANY_DOLLARS else f"{size:,.2f}"
    return _signed(amount, f"${figures}")


def dollars_element(amount: float | None) -> str:
    """Return the amount with its exact value for machines, or words when it is not known."""
    if amount is None:
        return '<span class="unknown">not known yet</span>'
    return f'<data value="{amount!r}">{dollars(amount)}</data>'


def quantity(value: float) -> str:
    """Return a number with three digits at least: 987, 12.3 k, 4.56 M."""
    size = abs(value)
    for scale, letter in _SCALES:
        if size >= scale:
            digits = 0 if size >= 100 * scale else 1 if size >= 10 * scale else 2
            return _signed(value, f"{size / scale:.{digits}f}\N{NO-BREAK SPACE}{letter}")
    return _signed(value, f"{size:,.0f}" if size == int(size) else f"{size:,.1f}")


def quantity_element(value: float) -> str:
    """Return the number with its exact value for machines."""
    return f'<data value="{value!r}">{quantity(value)}</data>'


def ago(time: float | None, now: float) -> str:
    """Return how long ago a time was, with the time itself for machines and on hovering."""
    if time is None:
        return '<span class="unknown">never</span>'
    return f'<time datetime="{_iso(time)}" title="{_iso(time)}">{approximate_duration(now - time)} ago</time>'


def clock(time: float) -> str:
    """Return the time of day, UTC."""
    return f'<time datetime="{_iso(time)}" title="{_iso(time)}">{_at(time):%H:%M:%S} UTC</time>'


def date(time: float) -> str:
    """Return the UTC date."""
    moment = _at(time)
    return f"{moment.day} {moment:%b}"


def iso_date(time: float) -> str:
    """Return the UTC date for machines."""
    return f"{_at(time):%Y-%m-%d}"


def several(number: int, one: str, more: str = "") -> str:
    """Return a number and its noun."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def _signed(value: float, text: str) -> str:
    return f"\N{MINUS SIGN}{text}" if value < 0 else text


def _iso(time: float) -> str:
    return f"{_at(time):%Y-%m-%dT%H:%M:%SZ}"


def _at(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)
