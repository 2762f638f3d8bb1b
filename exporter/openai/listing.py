"""Paginates the lists of the organization's objects: projects, keys, users, limits."""

from typing import Any, Final, Generic, TypeVar

import msgspec

from exporter.catalog import Pagination
from exporter.openai import errors
from exporter.openai.pagination import MAX_CURSOR
from exporter.openai.responses import ObjectDecoder, Rejections, decode, redact_json
from exporter.telemetry import RejectionReason

T = TypeVar("T")

MAX_PAGES: Final = 1000
"""Pages of a list; more are an error."""

MAX_ROWS: Final = 50_000
"""Objects of a list; more are an error."""


class _Envelope(msgspec.Struct):
    data: list[msgspec.Raw]
    has_more: bool | None = None
    last_id: Any = None
    next: Any = None


class _Identified(msgspec.Struct):
    id: Any = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_IDENTIFIED: Final = msgspec.json.Decoder(_Identified)


class ListPaginator(Generic[T]):
    """Collects the rows of a list, each as an instance of a msgspec struct, and returns the cursors.

    A row that is not usable is left out and counted in `rejections`.
    """

    def __init__(self, kind: type[T], style: Pagination) -> None:
        self.rows: list[T] = []
        self.rejections: Rejections = Rejections()
        self._style = style
        self._decoder = ObjectDecoder(kind)
        self._pages = 0
        self._cursors: set[str] = set()

    def add(self, body: bytes) -> str:
        """Add a page and return the next one's `after`, empty after the last page. Raises InvalidResponse."""
        envelope = decode(_ENVELOPE, redact_json(body))
        self._pages += 1
        if len(self.rows) + len(envelope.data) > MAX_ROWS:
            raise errors.Endless(f"a list of more than {MAX_ROWS} objects")
        decoded = (self._decoder.decode(raw, self.rejections) for raw in envelope.data)
        self.rows += (row for row in decoded if row is not None)
        if not envelope.has_more:
            return ""
        if self._pages == MAX_PAGES:
            raise errors.Endless(f"a list of more than {MAX_PAGES} pages")
        cursor = self._cursor(envelope)
        if not cursor:
            raise errors.MissingCursor(f"page {self._pages} of a list has has_more but no cursor")
        if len(cursor) > MAX_CURSOR:
            raise errors.InvalidResponse(f"page {self._pages} of a list has a cursor of over {MAX_CURSOR} characters")
        if cursor in self._cursors:
            raise errors.RepeatedCursor(f"page {self._pages} of a list repeats the cursor of an earlier page")
        self._cursors.add(cursor)
        return cursor

    def check(self) -> None:
        """Raise InvalidResponse if the list has objects, and none of them is usable: it is another list."""
        if self.rejections[RejectionReason.INVALID_ROW] and not self.rows:
            raise errors.InvalidResponse("no object of the list is usable: it may be another endpoint's")

    def _cursor(self, envelope: _Envelope) -> str:
        if self._style is Pagination.NEXT:
            found = envelope.next
        elif self._style is Pagination.LAST_ID and envelope.last_id:
            found = envelope.last_id
        else:
            found = _id_of(envelope.data[-1]) if envelope.data else None
        return found if isinstance(found, str) else ""


def _id_of(raw: msgspec.Raw) -> Any:  # noqa: ANN401 -- decoded JSON
    try:
        return decode(_IDENTIFIED, raw).id
    except errors.InvalidResponse:
        return None
