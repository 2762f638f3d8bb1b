"""The lists of the directory endpoints and their three ways of paging."""

from enum import Enum
from typing import Any, Final

import msgspec

from exporter.openai import errors
from exporter.openai.document import decode

MAX_PAGES: Final = 1000
"""A list that is longer does not end."""


class Pagination(Enum):
    """Where the next page's `after` comes from."""

    LAST_ID = "last_id"
    """The answer's `last_id`; without one, the last row's id."""
    LAST_ROW = "last row"
    """The last row's `id`."""
    NEXT = "next"
    """The answer's `next`."""


class _Envelope(msgspec.Struct):
    data: list[dict[str, Any]]
    has_more: bool = False
    last_id: str | None = None
    next: str | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


class Listing:
    """Collects the pages of a list and says where to go on."""

    def __init__(self, style: Pagination) -> None:
        self.rows: list[dict[str, Any]] = []
        self._style = style
        self._pages = 0
        self._cursors: set[str] = set()

    def add(self, body: bytes) -> str:
        """Take a page in and return the next one's `after`, empty when this was the last. Raises InvalidResponse."""
        envelope = decode(_ENVELOPE, body)
        self.rows += envelope.data
        self._pages += 1
        if not envelope.has_more:
            return ""
        if self._pages == MAX_PAGES:
            raise errors.Endless(f"a list of more than {MAX_PAGES} pages")
        cursor = self._cursor(envelope)
        if not cursor:
            raise errors.MissingCursor(f"page {self._pages} of a list says that more follow, but not after what")
        if cursor in self._cursors:
            raise errors.RepeatedCursor(f"page {self._pages} of a list goes back to a page before it")
        self._cursors.add(cursor)
        return cursor

    def _cursor(self, envelope: _Envelope) -> str:
        last = envelope.data[-1].get("id") if envelope.data else None
        found = {
            Pagination.LAST_ID: envelope.last_id or last,
            Pagination.LAST_ROW: last,
            Pagination.NEXT: envelope.next,
        }[self._style]
        return found if isinstance(found, str) else ""
