"""What goes back to the client: status, headers, body, and how the body is delivered; and the API's errors."""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

Json = Any
"""A JSON value."""

_UNAUTHORIZED: Final = 401
"""The status that the API repeats in the body."""

_HTML: Final = (
    b"<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%d %s</h1></center>\r\n</body></html>"
)


@dataclass(slots=True)
class Delivery:
    """How a body travels when it does not simply arrive."""

    never: bool = False
    """Nothing is ever answered."""
    pause: float = 0.0
    """Seconds between pieces."""
    piece: int = 0
    """Bytes of a piece; 0 is the whole body."""
    reset_after: int | None = None
    """Bytes after which the connection is reset."""
    filler: int = 0
    """Bytes of white space that go before the body."""


@dataclass(slots=True)
class Answer:
    """One response."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    delivery: Delivery = field(default_factory=Delivery)


class ApiError(Exception):
    """The request is answered with an error of the documented shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        plain: bool = False,
    ) -> None:
        """Take status, words and fields; `plain` sends the message alone instead of an object."""
        super().__init__(message)
        self.status = status
        self.error: Json = message if plain else {"message": message, "type": kind, "param": param, "code": code}

    def answer(self) -> Answer:
        """Return the response."""
        body = {"error": self.error}
        return json_answer(body | {"status": self.status} if self.status == _UNAUTHORIZED else body, self.status)


def json_answer(content: Json, status: int = 200) -> Answer:
    """Return a response with a JSON body."""
    return Answer(status, msgspec.json.encode(content), {"content-type": "application/json"})


def html_answer(status: int, words: str) -> Answer:
    """Return an error page as the edge of a network sends it."""
    page = _HTML % (status, words.encode(), status, words.encode())
    return Answer(status, page, {"content-type": "text/html"})


def unknown_url(method: str, path: str) -> ApiError:
    """Return the error of a path that does not exist."""
    return ApiError(404, f"Invalid URL ({method} {path})")


def number(amount: int, unit: int) -> str:
    """Return a whole number of parts, `unit` of which make one, as the shortest decimal; unit is a power of ten."""
    digits = len(str(unit)) - 1
    sign = "-" if amount < 0 else ""
    whole, parts = divmod(abs(amount), unit)
    decimals = f"{parts:0{digits}d}".rstrip("0") if digits else ""
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"
