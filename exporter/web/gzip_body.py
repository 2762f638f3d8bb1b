"""Response bodies: the snapshot's families, the exporter's own and a tail as one gzip member, or as plain bytes."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from isal import isal_zlib

from exporter.exposition import Body

PIECE: Final = 256 * 1024
"""Bytes of a body that are handed to a connection at once, at most."""

_SMALL: Final = 64 * 1024
"""Copying fewer bytes costs less than sending them separately."""

_EMPTY: Final = Body()
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""RFC 1952: deflate, no flags, no time, unknown system."""

_LEVEL: Final = 1
_WRAP: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of one response."""

    length: int
    """Bytes in total."""
    pieces: Iterable[bytes | memoryview]
    """Each at most `PIECE` bytes; can be iterated once."""


@dataclass(frozen=True, slots=True)
class _Member:
    """What a gzip member was made of, and its bytes: the first body's, and all that follows them."""

    first: Body
    second: Body
    tail: bytes
    start: bytes
    end: bytes


@dataclass(frozen=True, slots=True)
class GzipMembers:
    """Makes gzip members; what the last one of each kind has in common with the next is kept."""

    _last: dict[Hashable, _Member] = field(default_factory=dict)

    def member(self, kind: Hashable, tail: bytes, first: Body, second: Body) -> Content:
        """Return both bodies and the tail as one gzip member: clients stop reading after the first member."""
        last = self._last.get(kind)
        if last is None or last.first is not first:
            start = b"".join((_HEADER, *(piece.deflated for piece in first.pieces)))
            last = self._last[kind] = _Member(first, second, tail, start, _ending(tail, first, second))
        elif last.second is not second or last.tail is not tail:
            last = self._last[kind] = replace(last, second=second, tail=tail, end=_ending(tail, first, second))
        return Content(len(last.start) + len(last.end), _portions((last.start, last.end)))


def gzip_member(tail: bytes, first: Body = _EMPTY, second: Body = _EMPTY) -> Content:
    """Return a gzip member of which nothing is kept."""
    return GzipMembers().member(None, tail, first, second)


def plain(tail: bytes, first: Body = _EMPTY, second: Body = _EMPTY) -> Content:
    """Return both bodies and the tail as they are."""
    texts = (text for piece in (*first.pieces, *second.pieces) for text in piece.texts)
    return Content(first.length + second.length + len(tail), _portions((*texts, tail)))


def _ending(tail: bytes, first: Body, second: Body) -> bytes:
    """Return what follows the first body."""
    deflater = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
    checksum = isal_zlib.crc32(tail, isal_zlib.crc32_combine(first.crc, second.crc, second.length))
    length = (first.length + second.length + len(tail)) % _WRAP
    deflated = (*(piece.deflated for piece in second.pieces), deflater.compress(tail), deflater.flush())
    return b"".join((*deflated, checksum.to_bytes(4, "little"), length.to_bytes(4, "little")))


def _portions(chunks: Iterable[bytes]) -> Iterator[bytes | memoryview]:
    """Join small chunks and slice large ones, so that there are few portions, none too large, and little is copied."""
    pending: list[memoryview] = []
    size = 0
    for chunk in chunks:
        view = memoryview(chunk)
        for part in (view[start : start + PIECE] for start in range(0, len(view), PIECE)):
            if pending and (len(part) >= _SMALL or size + len(part) > PIECE):
                yield _one(pending)
                pending, size = [], 0
            pending.append(part)
            size += len(part)
    if pending:
        yield _one(pending)


def _one(parts: Sequence[memoryview]) -> bytes | memoryview:
    return parts[0] if len(parts) == 1 else b"".join(parts)
