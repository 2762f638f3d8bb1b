"""JSON that does not trust its source: every way in which it can be wrong is one of our errors."""

import re
from typing import Any, Final, TypeVar

import msgspec

from exporter.openai import errors
from exporter.openai.error_responses import excerpt

T = TypeVar("T")

ANYTHING: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder()
"""For answers without a shape of their own."""

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_NOT_FINITE: Final = re.compile(rb"[:\[,]\s*-?(?:NaN|Infinity)\b")


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, what: str = "the answer") -> T:
    """Return what the decoder makes of the body. Raises InvalidResponse that names the place.

    Half a surrogate pair, which no text can have, becomes U+FFFD: a label must not cost the rest of the page.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(excerpt(str(error)), what) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        mended = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape["half"] else escape[0], bytes(body))
        if mended != body:
            return decode(decoder, mended, what)
        raise _malformed(bytes(body), str(error), what) from None
    except RecursionError:
        raise errors.TooDeep(f"{what} is nested too deep") from None


def _invalid(complaint: str, what: str) -> errors.InvalidResponse:
    if complaint.startswith("Invalid enum value") and complaint.endswith(".object`"):
        return errors.WrongObject(f"{what} has the object of something else: {complaint}")
    if "out of range" in complaint or complaint.startswith(("Expected `float` <", "Expected `float` >")):
        return errors.NotFinite(f"{what} has an amount beyond reason: {complaint}")
    return errors.InvalidResponse(f"{what} is not what the API promises: {complaint}")


def _malformed(body: bytes, complaint: str, what: str) -> errors.InvalidResponse:
    if not body.strip():
        return errors.NotJson(f"{what} is empty")
    if _NOT_FINITE.search(body):
        return errors.NotFinite(f"{what} has NaN or Infinity where a number belongs")
    if "truncated" in complaint:
        return errors.Truncated(f"{what} ends too early, after {len(body)} bytes")
    return errors.NotJson(f"{what} is not JSON but begins with {excerpt(body[:100].decode(errors='replace'))!r}")
