"""Requests as the endpoints see them, with their query parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from exporter.simulator.responses import ApiError

_WHOLE: Final = frozenset({"line_items"})
"""Array parameters whose values contain commas."""


class Query:
    """The query parameters of a request."""

    def __init__(self, text: str) -> None:
        """Parse the query string; brackets after a name are dropped."""
        self._values: dict[str, list[str]] = {}
        for name, value in parse_qsl(text, keep_blank_values=True):
            self._values.setdefault(name.removesuffix("[]"), []).append(value)

    def text(self, name: str) -> str | None:
        """Return a parameter's last value, None when it was not sent."""
        values = self._values.get(name)
        return values[-1] if values else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the values of an array parameter: bracketed, repeated or joined with commas."""
        values = self._values.get(name, [])
        split = values if name in _WHOLE else [part for value in values for part in value.split(",")]
        return tuple(dict.fromkeys(part for part in split if part))

    def choices(self, name: str, known: Sequence[str]) -> tuple[str, ...]:
        """Return the values of an array parameter, which must be known. Raises ApiError."""
        values = self.texts(name)
        for value in values:
            _check_choice(name, value, known)
        return values

    def choice(self, name: str, known: Sequence[str], default: str) -> str:
        """Return one of the known values."""
        value = self.text(name)
        if value is None:
            return default
        _check_choice(name, value, known)
        return value

    def flag(self, name: str) -> bool | None:
        """Return a boolean, None when it was not sent."""
        value = self.text(name)
        if value is None:
            return None
        if value not in {"true", "false"}:
            raise ApiError(
                400,
                f"Invalid type for '{name}': expected a boolean, but got a string instead.",
                param=name,
                code="invalid_type",
            )
        return value == "true"

    def whole(self, name: str) -> int | None:
        """Return an integer, None when it was not sent."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return int(value)
        except ValueError:
            raise ApiError(
                400,
                f"Invalid type for '{name}': expected an integer, but got a string instead.",
                param=name,
                code="invalid_type",
            ) from None

    def limit(self, default: int, maximum: int, *, minimum: int = 1, clamp: bool = False) -> int:
        """Return the parameter `limit` within its bounds."""
        value = self.whole("limit")
        if value is None:
            return default
        if value > maximum and clamp:
            return maximum
        if not minimum <= value <= maximum:
            side, sign, bound = ("above max", "<=", maximum) if value > maximum else ("below min", ">=", minimum)
            raise ApiError(
                400,
                f"Invalid 'limit': integer {side}imum value. Expected a value {sign} {bound}, but got {value} instead.",
                param="limit",
                code=f"integer_{side.replace(' ', '_')}_value",
            )
        return value


def _check_choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        quoted = ", ".join(f"'{choice}'" for choice in known)
        raise ApiError(
            400,
            f"Invalid value: '{value}'. Supported values are: {quoted}.",
            param=name,
            code="invalid_value",
        )


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query_string: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes = b""
    client: str = ""
    """The client's address."""

    @property
    def query(self) -> Query:
        """The parameters."""
        return Query(self.query_string)

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query_string}" if self.query_string else self.path

    @property
    def key(self) -> str:
        """The bearer key, empty when there is none."""
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""

    @property
    def parts(self) -> list[str]:
        """The segments of the path."""
        return self.path.strip("/").split("/")
