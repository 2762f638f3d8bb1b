"""Decodes pages of buckets: the envelope first, and of the rows only those that changed since the last poll."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import msgspec
import xxhash

from exporter.catalog import Bucket, Plan
from exporter.openai import errors
from exporter.openai.error_responses import excerpt
from exporter.openai.responses import Rejections, decimal_of, decode, decode_untyped
from exporter.openai.rows import BucketTrait, DecodedRows, LabelCache, reader
from exporter.telemetry import RejectionReason

_HASH_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a response."""

    buckets: tuple[Bucket, ...]
    has_more: bool
    next_page: str | None
    """The cursor of the next page, as it was given."""
    rejections: Rejections
    """What was not used."""


class _Bucket(msgspec.Struct):
    start_time: int
    end_time: int
    results: msgspec.Raw
    object: Literal["bucket"] = "bucket"


class _Envelope(msgspec.Struct):
    object: Literal["page"]
    data: list[_Bucket]
    has_more: bool
    next_page: str | None = None


class _TolerantEnvelope(msgspec.Struct):
    object: Literal["page"]
    data: list[msgspec.Raw]
    has_more: bool
    next_page: str | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_TOLERANT_ENVELOPE: Final = msgspec.json.Decoder(_TolerantEnvelope)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_page(body: bytes, plan: Plan, known: Mapping[int, bytes], *, open_end: int, first: bool = True) -> Page:
    """Read a page of a plan's resource.

    Buckets whose results have the digest in `known` (by the start of the bucket) come without rows (None). A bucket
    that is not readable, not of the plan's width, or starts at or after `open_end` (Unix seconds) is ignored and
    counted; only the first bucket of the `first` page may start between two boundaries. Raises InvalidResponse.
    """
    rejections = Rejections()
    envelope = _envelope(body, plan, rejections)
    read_rows = partial(reader(plan).read, cache=LabelCache())
    buckets = []
    for index, raw in enumerate(envelope.data):
        start = _boundary(raw, plan, clipped=first and index == 0)
        if raw.start_time >= open_end:
            rejections[RejectionReason.FUTURE_BUCKET] += 1
        elif start is None:
            rejections[RejectionReason.INVALID_BUCKET] += 1
        elif (bucket := _decoded(raw, start, read_rows, known.get(start, b""), rejections)) is not None:
            buckets.append(bucket)
    return Page(tuple(buckets), envelope.has_more, envelope.next_page, rejections)


def traits_of(digest: bytes) -> BucketTrait:
    """Return what the digest of a bucket remembers of its rows."""
    return BucketTrait(digest[_HASH_BYTES]) if len(digest) > _HASH_BYTES else BucketTrait(0)


def _envelope(body: bytes, plan: Plan, rejections: Rejections) -> _Envelope:
    try:
        return decode(_ENVELOPE, body)
    except errors.WrongObject:
        raise
    except errors.InvalidResponse:
        envelope = decode(_TOLERANT_ENVELOPE, body)
    buckets = [_tolerant_bucket(raw, plan) for raw in envelope.data]
    readable = [bucket for bucket in buckets if bucket is not None]
    if len(readable) < len(buckets):
        rejections[RejectionReason.INVALID_BUCKET] += len(buckets) - len(readable)
    return _Envelope("page", readable, envelope.has_more, envelope.next_page)


def _tolerant_bucket(raw: msgspec.Raw, plan: Plan) -> _Bucket | None:
    try:
        members = decode(_MEMBERS, raw)
    except errors.InvalidResponse:
        return None
    found = _value(members, "object")
    if isinstance(found, str) and found != "bucket":
        raise errors.WrongObject(f"a page has an unexpected object: {excerpt(found)!r}")
    start, end = decimal_of(_value(members, "start_time")), decimal_of(_value(members, "end_time"))
    if start is None or start != start.to_integral_value() or "results" not in members:
        return None
    width = plan.width_seconds
    readable_end = end is not None and end == end.to_integral_value()
    whole_end = int(end) if end is not None and readable_end else int(start) // width * width + width
    return _Bucket(int(start), whole_end, members["results"])


def _value(members: Mapping[str, msgspec.Raw], name: str) -> Any:  # noqa: ANN401 -- decoded JSON
    return decode_untyped(members[name]) if name in members else None


def _decoded(
    raw: _Bucket, start: int, read_rows: Callable[[msgspec.Raw], DecodedRows], known: bytes, rejections: Rejections
) -> Bucket | None:
    digest = xxhash.xxh3_128_digest(raw.results)
    if known[:_HASH_BYTES] == digest and not known[-1] & (BucketTrait.BLANK | BucketTrait.REJECTED):
        return Bucket(start, raw.end_time, None, known)
    try:
        decoded = read_rows(raw.results)
    except errors.WrongObject:
        raise
    except errors.InvalidResponse:
        rejections[RejectionReason.INVALID_BUCKET] += 1
        return None
    rejections.update(decoded.rejections)
    traits = bytes([decoded.traits])
    return Bucket(start, raw.end_time, decoded.groups, digest + traits, decoded.incomplete)


def _boundary(bucket: _Bucket, plan: Plan, *, clipped: bool) -> int | None:
    """Return the start of the bucket of the plan's width that it is, None when it is none."""
    width = plan.width_seconds
    start = bucket.start_time - bucket.start_time % width
    if start != bucket.start_time and not clipped:
        return None
    return start if bucket.start_time < bucket.end_time <= start + width else None
