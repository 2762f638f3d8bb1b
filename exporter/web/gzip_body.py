"""Response bodies: the snapshot's families and the tail as one gzip member, or as plain bytes."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from isal import isal_zlib

from exporter.exposition import Body

PIECE: Final = 256 * 1024
"""Bytes of a body that are handed to a connection at once, at most."""

_SMALL: Final = 64 * 1024
"""Copying fewer bytes costs less than sending them separately."""

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
class GzipMembers:
    """Makes gzip members; keeps the compressed pieces of the last body of each kind, joined, for the next response."""

    _last: dict[Hashable, tuple[Body, bytes]] = field(default_factory=dict)

    def member(self, kind: Hashable, body: Body, tail: bytes) -> Content:
        """Return the body and the tail as one gzip member: clients stop reading after the first member."""
        last, joined = self._last.get(kind, (None, b""))
        if last is not body:
            joined = b"".join((_HEADER, *(piece.deflated for piece in body.pieces)))
            self._last[kind] = body, joined
        ending = _ending(body, tail)
        return Content(len(joined) + len(ending), _portions((joined, ending)))


def gzip_member(body: Body, tail: bytes) -> Content:
    """Return a gzip member of which nothing is kept."""
    return GzipMembers().member(None, body, tail)


def plain(body: Body, tail: bytes) -> Content:
    """Return the body and the tail as they are."""
    return Content(body.length + len(tail), _portions((*(text for piece in body.pieces for text in piece.texts), tail)))


def _ending(body: Body, tail: bytes) -> bytes:
    deflater = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
    checksum = isal_zlib.crc32(tail, body.crc)
    length = (body.length + len(tail)) % _WRAP
    return deflater.compress(tail) + deflater.flush() + checksum.to_bytes(4, "little") + length.to_bytes(4, "little")


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
