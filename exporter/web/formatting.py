"""Times, amounts and names for people, safe inside HTML."""

from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from typing import Final

from exporter.durations import approximate_duration

UNKNOWN: Final = '<span class="unknown">not known yet</span>'
"""Where a figure would be."""

_CENT: Final = 0.01
_SMALLEST: Final = 0.0001
_WHOLE_DOLLARS: Final = 1000
"""US dollars from which cents are left out."""
_ROUNDS_UP: Final = 0.9995
"""Share of a scale from which three digits round up to it."""
_SCALES: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def name(text: str) -> str:
    """Return a name from outside as an element that contains its markup and its writing direction."""
    return f"<bdi>{text_of(text)}</bdi>"


def text_of(text: str) -> str:
    """Return text from outside with markup escaped and control characters replaced."""
    return escape("".join(char if char.isprintable() or char == " " else "\N{REPLACEMENT CHARACTER}" for char in text))


def dollars(amount: float) -> str:
    """Return US dollars: whole from a thousand on, with cents below, two digits below a cent."""
    size = abs(amount)
    if size == 0:
        figures = "0.00"
    elif size < _CENT:
        figures = f"{size:.2g}" if size >= _SMALLEST else "0.0000"
    else:
        figures = f"{size:,.0f}" if size >= _WHOLE_DOLLARS else f"{size:,.2f}"
    return _signed(amount, f"${figures}")


def cents(amount: float) -> str:
    """Return US dollars to the cent, as on an invoice."""
    size = abs(amount)
    return dollars(amount) if size < _CENT else _signed(amount, f"${size:,.2f}")


def dollars_element(amount: float | None, text: Callable[[float], str] = dollars) -> str:
    """Return the amount with its exact value for programs, and to the cent on hovering."""
    if amount is None:
        return UNKNOWN
    title = f' title="{cents(amount)}"' if abs(amount) >= _WHOLE_DOLLARS and text is dollars else ""
    return f'<data value="{amount!r}"{title}>{text(amount)}</data>'


def change(amount: float) -> str:
    """Return a difference of US dollars with its sign."""
    return dollars(amount) if amount <= 0 else f"+{dollars(amount)}"


def change_percent(ratio: float) -> str:
    """Return a relative difference with its sign."""
    return percent(ratio) if ratio <= 0 else f"+{percent(ratio)}"


def percent(ratio: float) -> str:
    """Return a share in percent, with a digit after the point below ten."""
    share = abs(ratio) * 100
    digits = 1 if 0 < share < 9.95 else 0  # noqa: PLR2004 - rounds to 10
    return _signed(ratio, f"{share:,.{digits}f}\N{NO-BREAK SPACE}%")


def quantity(value: float) -> str:
    """Return a number with three significant digits: 987, 12.3 k, 4.56 M."""
    size = abs(value)
    for scale, letter in _SCALES:
        if size >= scale * _ROUNDS_UP:
            digits = 0 if size >= 99.95 * scale else 1 if size >= 9.995 * scale else 2
            return _signed(value, f"{size / scale:.{digits}f}\N{NO-BREAK SPACE}{letter}")
    return _signed(value, f"{size:,.0f}" if size == int(size) else f"{size:,.1f}")


def quantity_element(value: float) -> str:
    """Return the number with its exact value for programs."""
    return f'<data value="{value!r}">{quantity(value)}</data>'


def ago(time: float | None, now: float) -> str:
    """Return how long ago a time was, with the time itself for programs and on hovering."""
    if time is None:
        return '<span class="unknown">never</span>'
    return f'<time datetime="{iso_time(time)}" title="{iso_time(time)}">{approximate_duration(now - time)} ago</time>'


def clock(time: float) -> str:
    """Return the time of day, UTC."""
    return f'<time datetime="{iso_time(time)}" title="{iso_time(time)}">{_at(time):%H:%M:%S} UTC</time>'


def date(time: float) -> str:
    """Return the UTC date."""
    moment = _at(time)
    return f"{moment.day} {moment:%b}"


def iso_date(time: float) -> str:
    """Return the UTC date for programs."""
    return f"{_at(time):%Y-%m-%d}"


def iso_time(time: float) -> str:
    """Return the UTC time for programs (RFC 3339)."""
    return f"{_at(time):%Y-%m-%dT%H:%M:%SZ}"


def count(number: int, one: str, more: str = "") -> str:
    """Return a number and its noun."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def _signed(value: float, text: str) -> str:
    return f"\N{MINUS SIGN}{text}" if value < 0 else text


def _at(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)
