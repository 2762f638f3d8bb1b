"""Decodes JSON from an untrusted source: every defect becomes an UpstreamError or a counted rejection."""

import json
import re
from collections import Counter
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec

from exporter.openai import errors
from exporter.openai.error_responses import excerpt
from exporter.redaction import may_contain_secret, redact
from exporter.telemetry import RejectionReason

T = TypeVar("T")

MAX_LABEL_BYTES: Final = 256
"""UTF-8 bytes of a label value; longer ones are cut."""

Rejections = Counter[RejectionReason]
"""How many rows, or values of rows, were not used, by reason."""

_DIGEST_BYTES: Final = 8
_ELLIPSIS: Final = "..."
_KEPT_BYTES: Final = MAX_LABEL_BYTES - len(_ELLIPSIS) - 2 * _DIGEST_BYTES
_ANYTHING: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder()
_INT64: Final = 2**63
_LARGEST: Final = Decimal(10**40)
"""More than any count, amount or time in a response that is used."""
_MAX_UTF8_BYTES: Final = 4
"""Bytes of one character."""

_STRING_OR_CONSTANT: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|-?\b(?:NaN|Infinity)\b', re.DOTALL)
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, what: str = "the response") -> T:
    """Return the decoded body. Raises InvalidResponse that names the field.

    Text that is not UTF-8 and half a surrogate pair become U+FFFD, NaN and Infinity become texts: one bad value must
    not cost the rest of the response.
    """
    try:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError):
            return decoder.decode(repair(bytes(body)))
    except msgspec.ValidationError as error:
        raise _invalid(excerpt(str(error)), what) from None
    except msgspec.DecodeError as error:
        raise _malformed(bytes(body), str(error), what) from None
    except RecursionError:
        raise errors.TooDeep(f"{what} is nested too deep") from None


def repair(body: bytes) -> bytes:
    """Return JSON without bytes that are not UTF-8, unpaired surrogates, NaN and Infinity."""
    body = body.decode(errors="replace").encode()
    body = _STRING_OR_CONSTANT.sub(lambda token: token[0] if token[0][:1] == b'"' else b'"%s"' % token[0], body)
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape["half"] else escape[0], body)


def redact_json(body: bytes) -> bytes:
    """Return JSON with every string redacted, so that no name or id in it can repeat a secret."""
    if body.lstrip()[:1] not in {b"{", b"["} or not may_contain_secret(body):
        return body
    redacted: dict[bytes, bytes] = {}

    def replace(match: re.Match[bytes]) -> bytes:
        token = match[0]
        if token not in redacted:
            redacted[token] = _redact_token(token) if may_contain_secret(token) else token
        return redacted[token]

    return _STRING_OR_CONSTANT.sub(replace, body)


def _redact_token(token: bytes) -> bytes:
    try:
        text = json.loads(repair(token))
    except ValueError:
        return redact(token.decode(errors="replace")).encode()
    found = redact(text)
    return token if found == text else json.dumps(found).encode()


def decode_object(body: bytes) -> Any:  # noqa: ANN401 -- decoded JSON
    """Return a whole response without a type. Raises InvalidResponse.

    Numbers are those of Python; all are Decimals where one of them does not fit a double.
    """
    try:
        return decode(_ANYTHING, body)
    except errors.NotFinite:
        return decode_untyped(body)


def decode_untyped(body: bytes | msgspec.Raw) -> Any:  # noqa: ANN401 -- decoded JSON
    """Return JSON with every number as a Decimal, NaN beyond what that can hold. Raises InvalidResponse."""
    try:
        return json.loads(repair(bytes(body)), parse_float=_parsed_number, parse_int=_parsed_number)
    except ValueError as error:
        raise errors.NotJson(f"a part of the response is not JSON: {excerpt(str(error))}") from None
    except RecursionError:
        raise errors.TooDeep("a part of the response is nested too deep") from None


def decimal_of(value: object) -> Decimal | None:
    """Return a number, or a text that holds one, as a finite Decimal; None for anything else.

    Beyond `_LARGEST` it is that: a few bytes of exponent would take hours to write out as an integer.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float | str):
        return None
    try:
        number = Decimal(str(value).strip()) if isinstance(value, str | float) else Decimal(value)
    except InvalidOperation:
        return None
    return max(-_LARGEST, min(number, _LARGEST)) if number.is_finite() else None


def _parsed_number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


def label_value(text: str) -> str:
    """Return a text as the value of a label: over `MAX_LABEL_BYTES` its beginning and a digest of the whole."""
    if len(text) * _MAX_UTF8_BYTES <= MAX_LABEL_BYTES:
        return text
    encoded = text.encode(errors="replace")
    if len(encoded) <= MAX_LABEL_BYTES:
        return text
    digest = blake2b(encoded, digest_size=_DIGEST_BYTES).hexdigest()
    return encoded[:_KEPT_BYTES].decode(errors="ignore") + _ELLIPSIS + digest


class ObjectDecoder:
    """Decodes objects of one msgspec struct, one by one, so that a bad one does not harm the others."""

    def __init__(self, kind: type[Any]) -> None:
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
        self._kind = kind

    def decode(self, raw: bytes | msgspec.Raw, rejections: Rejections) -> Any:  # noqa: ANN401 -- an instance of `kind`
        """Return the object, texts cut to the length of labels.

        An optional field of an unexpected type is left out and counted. Without a required field the result is None,
        counted as well.
        """
        try:
            found = decode(self._decoder, raw)
        except errors.InvalidResponse:
            found = self._field_by_field(raw, rejections)
        if found is None:
            rejections[RejectionReason.INVALID_ROW] += 1
        else:
            _cut_texts(found)
        return found

    def _field_by_field(self, raw: bytes | msgspec.Raw, rejections: Rejections) -> Any:  # noqa: ANN401
        content = decode_untyped(raw)
        if not isinstance(content, dict):
            return None
        fields = {}
        for field in msgspec.structs.fields(self._kind):
            if field.encode_name in content:
                try:
                    fields[field.encode_name] = _convert(content[field.encode_name], field.type)
                except (msgspec.ValidationError, RecursionError):
                    rejections[RejectionReason.INVALID_FIELD] += 1
        try:
            return msgspec.convert(fields, self._kind)
        except msgspec.ValidationError:
            return None


def _convert(value: object, kind: Any) -> Any:  # noqa: ANN401 -- a type form, and a value of it
    number = decimal_of(value)
    if not isinstance(value, Decimal):
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            if number is None:
                raise
    if number is None or not -_INT64 <= number < _INT64:
        raise msgspec.ValidationError
    return msgspec.convert(int(number) if number == number.to_integral_value() else float(number), kind)


def _cut_texts(found: msgspec.Struct) -> None:
    for name in found.__struct_fields__:
        value = getattr(found, name)
        if isinstance(value, str):
            msgspec.structs.force_setattr(found, name, label_value(value))
        elif isinstance(value, msgspec.Struct):
            _cut_texts(value)


def _invalid(complaint: str, what: str) -> errors.InvalidResponse:
    if complaint.startswith("Invalid enum value") and complaint.endswith(".object`"):
        return errors.WrongObject(f"{what} has an unexpected object: {complaint}")
    if "out of range" in complaint or complaint.startswith(("Expected `float` <", "Expected `float` >")):
        return errors.NotFinite(f"{what} has a number out of range: {complaint}")
    return errors.InvalidResponse(f"{what} does not match the API's schema: {complaint}")


def _malformed(body: bytes, complaint: str, what: str) -> errors.InvalidResponse:
    if not body.strip():
        return errors.NotJson(f"{what} is empty")
    if "truncated" in complaint:
        return errors.Truncated(f"{what} ends early, after {len(body)} bytes")
    return errors.NotJson(f"{what} is not JSON; it starts with {excerpt(body[:100].decode(errors='replace'))!r}")
