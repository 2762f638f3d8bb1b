"""Content negotiation: format and encoding by the headers Accept and Accept-Encoding."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from exporter.exposition.snapshot import Format

_VERSIONS: Final = {Format.TEXT: "0.0.4", Format.OPENMETRICS: "1.0.0"}
_MEDIA: Final = {Format.TEXT: "text/plain", Format.OPENMETRICS: "application/openmetrics-text"}
_QUALITY: Final = re.compile(r"\d?(\.\d+)?|\d\.")


@dataclass(frozen=True, slots=True)
class _Choice:
    """One element of an Accept or Accept-Encoding header."""

    name: str
    parameters: dict[str, str]
    quality: float
    position: int


def exposition_format(accept: str) -> Format:
    """Return the format that the client prefers.

    That is the text format where both are equally good, and where neither is acceptable: a scraper that accepts only
    something else is better served with metrics than with 406.
    """
    choices = tuple(_choices(accept))
    openmetrics, text = (_preference(choices, candidate) for candidate in (Format.OPENMETRICS, Format.TEXT))
    return Format.OPENMETRICS if openmetrics[0] > 0 and openmetrics > text else Format.TEXT


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
    if choice.name == "*/*":
        return 0
    if choice.name == f"{media.partition('/')[0]}/*":
        return 1
    if choice.name != media:
        return None
    version = choice.parameters.get("version")
    if version is None:
        return 2
    return 3 if version == _VERSIONS[candidate] else None


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
