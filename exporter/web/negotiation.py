"""Content negotiation: format and encoding by the headers Accept and Accept-Encoding."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Final

from exporter.exposition import Format

_MEDIA: Final = {
    Format.TEXT: "text/plain",
    Format.OPENMETRICS: "application/openmetrics-text",
    Format.PROTOBUF: "application/vnd.google.protobuf",
}
_PARAMETERS: Final = {
    Format.TEXT: {"version": "0.0.4"},
    Format.OPENMETRICS: {"version": "1.0.0"},
    Format.PROTOBUF: {"proto": "io.prometheus.client.MetricFamily", "encoding": "delimited"},
}
"""What a client that names a parameter must name."""
_PREFERENCE: Final = (Format.TEXT, Format.OPENMETRICS, Format.PROTOBUF)
"""Where a client likes formats equally well, the first of them."""
_REMEMBERED: Final = 16
"""Headers: scrapers send the same ones every time."""

_QUALITY: Final = re.compile(r"\d?(\.\d+)?|\d\.")


@dataclass(frozen=True, slots=True)
class _Choice:
    """One element of an Accept or Accept-Encoding header."""

    name: str
    parameters: dict[str, str]
    quality: float
    position: int


@lru_cache(maxsize=_REMEMBERED)
def exposition_format(accept: str, available: tuple[Format, ...] = tuple(Format)) -> Format:
    """Return the available format that the client prefers.

    That is the text format where none is acceptable: a scraper that accepts only something else is better served with
    metrics than with 406. Protobuf has to be named: `*/*` means a person or a tool that reads text.
    """
    choices = tuple(_choices(accept))
    ranked = [
        (preference, -rank, format_)
        for rank, format_ in enumerate(_PREFERENCE)
        if format_ in available and (preference := _preference(choices, format_))[0] > 0
    ]
    return max(ranked, key=itemgetter(0, 1))[2] if ranked else Format.TEXT


@lru_cache(maxsize=_REMEMBERED)
def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether the client accepts gzip, and prefers plain bytes no more than it where it names both."""
    qualities = {choice.name: choice.quality for choice in _choices(accept_encoding)}
    gzip = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def _preference(choices: tuple[_Choice, ...], candidate: Format) -> tuple[float, int, int]:
    """Return quality, specificity and position of the element that names the format most specifically."""
    matches = [
        (specificity, choice) for choice in choices if (specificity := _specificity(choice, candidate)) is not None
    ]
    if not matches:
        return 0.0, 0, 0
    most = max(specificity for specificity, _ in matches)
    choice = max(
        (choice for specificity, choice in matches if specificity == most),
        key=lambda choice: (choice.quality, -choice.position),
    )
    return choice.quality, min(most, 2), -choice.position if most > 1 else 0


def _specificity(choice: _Choice, candidate: Format) -> int | None:
    media = _MEDIA[candidate]
    if choice.name != media:
        any_text = {"*/*": 0, f"{media.partition('/')[0]}/*": 1}
        return None if candidate is Format.PROTOBUF else any_text.get(choice.name)
    required = _PARAMETERS[candidate]
    named = {name: value for name, value in choice.parameters.items() if name in required}
    if candidate is Format.PROTOBUF and named != required:
        return None
    return 3 if named == required else None if named else 2


def _choices(header: str) -> Iterator[_Choice]:
    for position, element in enumerate(header.split(",")):
        name, *rest = (part.strip() for part in element.split(";"))
        parameters = {
            key.strip().lower(): value.strip().strip('"')
            for key, found, value in (p.partition("=") for p in rest)
            if found
        }
        quality = parameters.pop("q", "1")
        if name and quality and _QUALITY.fullmatch(quality):
            yield _Choice(name.lower(), parameters, min(float(quality), 1.0), position)
