"""Pagination of buckets, with a cursor that holds the time of the first request, and of lists, in three styles."""

import binascii
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from exporter.catalog import MINUTE, WIDTHS
from exporter.simulator.request import Query
from exporter.simulator.responses import ApiError, Json

_CURSOR: Final = struct.Struct(">QIQ")
_PREFIX: Final = "page_"
_BILLION: Final = 10**9


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position of the next page, and the time as of which all pages of a response are."""

    instant: float
    """Unix seconds."""
    start: int
    """Unix seconds of the next bucket's start."""

    def __str__(self) -> str:
        """Return the opaque form."""
        nanoseconds = int(Fraction(self.instant) * _BILLION)
        return _PREFIX + b64encode(_CURSOR.pack(*divmod(nanoseconds, _BILLION), self.start)).decode()

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read the opaque form. Raises ApiError."""
        try:
            seconds, nanoseconds, start = _CURSOR.unpack(b64decode(text.removeprefix(_PREFIX), validate=True))
        except (binascii.Error, struct.error, ValueError):
            raise ApiError(
                400, "Invalid 'page': the cursor is not valid.", param="page", code="invalid_value"
            ) from None
        return cls((seconds * _BILLION + nanoseconds) / _BILLION, start)


@dataclass(frozen=True, slots=True)
class BucketPage:
    """The buckets of one page: spans of Unix seconds, and the cursor of the next page."""

    instant: float
    spans: tuple[tuple[int, int], ...]
    next: Cursor | None


def bucket_page(
    query: Query, now: float, width: str, maximum: int, default: int, *, clamp: bool, keep_future: bool
) -> BucketPage:
    """Return the requested buckets. Raises ApiError."""
    limit = query.limit(default, maximum, clamp=clamp)
    start = query.whole("start_time")
    if start is None:
        raise ApiError(
            400, "Missing required parameter: 'start_time'.", param="start_time", code="missing_required_parameter"
        )
    page = query.text("page")
    cursor = Cursor.parse(page) if page else Cursor(now, start // MINUTE * MINUTE)
    end = query.whole("end_time")
    if end is not None and end <= start:
        raise ApiError(
            400, "Invalid 'end_time': it must be after 'start_time'.", param="end_time", code="invalid_value"
        )
    until = int(cursor.instant) if end is None else end if keep_future else min(end, int(cursor.instant))
    seconds = WIDTHS[width]
    spans: list[tuple[int, int]] = []
    position = cursor.start
    while position < until and len(spans) < limit:
        boundary = position // seconds * seconds + seconds
        spans.append((position, min(boundary, until)))
        position = boundary
    following = Cursor(cursor.instant, position) if position < until else None
    return BucketPage(cursor.instant, tuple(spans), following)


def _slice(
    query: Query, rows: Sequence[Json], name: Callable[[Json], str], *, default: int, maximum: int, lowest: int
) -> tuple[list[Json], bool]:
    limit = query.limit(default, maximum, minimum=lowest)
    names = [name(row) for row in rows]
    first = 0
    for parameter, step in (("after", 1), ("before", -1)):
        if anchor := query.text(parameter):
            if anchor not in names:
                raise ApiError(400, f"Invalid '{parameter}': no such object.", param=parameter, code="invalid_value")
            position = names.index(anchor)
            if step > 0:
                first = position + 1
            else:
                return list(rows[max(position - limit, 0) : position]), position > limit
    return list(rows[first : first + limit]), first + limit < len(rows)


def opaque(key: str) -> str:
    """Return a row's id as in `first_id` and `last_id`, which differs from that in the row."""
    return key.replace("_", "-").replace("proj-", "project-").swapcase()


def list_by_last_id(
    query: Query, rows: Sequence[Json], *, default: int = 20, maximum: int = 100, lowest: int = 1
) -> Json:
    """Return a page that continues with `after=<last_id>`."""
    chosen, more = _slice(query, rows, lambda row: opaque(row["id"]), default=default, maximum=maximum, lowest=lowest)
    return _envelope(chosen, more=more)


def list_by_last_row(query: Query, rows: Sequence[Json], *, default: int = 20, maximum: int = 100) -> Json:
    """Return a page that continues with `after=<id of the last row>`."""
    chosen, more = _slice(query, rows, lambda row: str(row["id"]), default=default, maximum=maximum, lowest=1)
    return _envelope(chosen, more=more)


def list_by_next(query: Query, rows: Sequence[Json], *, default: int = 100, maximum: int = 1000) -> Json:
    """Return a page that continues with `after=<next>`."""
    chosen, more = _slice(query, rows, lambda row: opaque(row["id"]), default=default, maximum=maximum, lowest=0)
    return {
        "object": "list",
        "data": chosen,
        "has_more": more,
        "next": opaque(chosen[-1]["id"]) if more and chosen else None,
    }


def _envelope(rows: list[Json], *, more: bool) -> Json:
    return {
        "object": "list",
        "data": rows,
        "first_id": opaque(rows[0]["id"]) if rows else None,
        "last_id": opaque(rows[-1]["id"]) if rows else None,
        "has_more": more,
    }
