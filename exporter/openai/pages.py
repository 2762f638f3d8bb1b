"""Pages of buckets: the envelope first, and of the rows only those that are not known already."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from exporter.catalog import Bucket, Plan
from exporter.openai import errors
from exporter.openai.responses import decode
from exporter.openai.rows import reader


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer."""

    buckets: tuple[Bucket, ...]
    has_more: bool
    next_page: str | None
    """The cursor of the next page, as it was given."""


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


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


def read_page(body: bytes, plan: Plan, known: Mapping[int, bytes], *, first: bool = True) -> Page:
    """Read a page of a plan's resource.

    Of a bucket whose results have the digest in `known` (by the start of the bucket), the rows are not read: they are
    None. Only the first bucket of the `first` page may start between two boundaries. Raises InvalidResponse.
    """
    envelope = decode(_ENVELOPE, body)
    rows = reader(plan)
    buckets = []
    for place, raw in enumerate(envelope.data):
        start = _boundary(raw, plan, clipped=first and place == 0)
        digest = blake2b(raw.results, digest_size=16).digest()
        same = known.get(start) == digest
        buckets.append(Bucket(start, raw.end_time, None if same else rows.read(raw.results), digest))
    return Page(tuple(buckets), envelope.has_more, envelope.next_page)


def _boundary(bucket: _Bucket, plan: Plan, *, clipped: bool) -> int:
    width = plan.width_seconds
    start = bucket.start_time - bucket.start_time % width
    if start != bucket.start_time and not clipped:
        raise errors.MisplacedBucket(f"a bucket starts at {bucket.start_time}, which is no boundary of {plan.width}")
    if not bucket.start_time < bucket.end_time <= start + width:
        raise errors.MisplacedBucket(
            f"a bucket of {plan.width} lasts from {bucket.start_time} to {bucket.end_time} (exclusive)"
        )
    return start
