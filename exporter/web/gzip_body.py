"""Response bodies: the snapshot's families and the tail as one gzip member, or as plain bytes."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from isal import isal_zlib

from exporter.exposition import Body

PIECE: Final = 256 * 1024
"""Bytes of a body that are handed to a connection at once, at most."""

_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""RFC 1952: deflate, no flags, no time, unknown system."""

_LEVEL: Final = 1
_WRAP: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of one response."""

    length: int
    """Bytes in total."""
    pieces: Iterable[bytes]
    """Each at most `PIECE` bytes; can be iterated once."""


@dataclass(frozen=True, slots=True)
class _Joined:
    body: Body
    pieces: tuple[bytes, ...]
    length: int


@dataclass(frozen=True, slots=True)
class GzipMembers:
    """Makes gzip members; keeps the compressed pieces of the last body of each kind, joined, for the next response."""

    _last: dict[Hashable, _Joined] = field(default_factory=dict)

    def member(self, kind: Hashable, body: Body, tail: bytes) -> Content:
        """Return the body and the tail as one gzip member: clients stop reading after the first member."""
        joined = self._last.get(kind)
        if joined is None or joined.body is not body:
            pieces = tuple(_joined((_HEADER, *(piece.deflated for piece in body.pieces))))
            joined = self._last[kind] = _Joined(body, pieces, sum(map(len, pieces)))
        ending = _ending(body, tail)
        return Content(joined.length + len(ending), (*joined.pieces, *_sliced(ending)))


def gzip_member(body: Body, tail: bytes) -> Content:
    """Return a gzip member of which nothing is kept."""
    return GzipMembers().member(None, body, tail)


def plain(body: Body, tail: bytes) -> Content:
    """Return the body and the tail as they are."""
    return Content(body.length + len(tail), _joined((*(text for piece in body.pieces for text in piece.texts), tail)))


def _ending(body: Body, tail: bytes) -> bytes:
    deflater = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
    checksum = isal_zlib.crc32(tail, body.crc)
    length = (body.length + len(tail)) % _WRAP
    return deflater.compress(tail) + deflater.flush() + checksum.to_bytes(4, "little") + length.to_bytes(4, "little")


def _joined(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Join what is small and slice what is large, so that there are few pieces and none is larger than `PIECE`."""
    pending: list[bytes] = []
    size = 0
    for chunk in chunks:
        if pending and size + len(chunk) > PIECE:
            yield b"".join(pending)
            pending, size = [], 0
        if len(chunk) > PIECE:
            yield from _sliced(chunk)
        else:
            pending.append(chunk)
            size += len(chunk)
    if pending:
        yield b"".join(pending)


def _sliced(chunk: bytes) -> Iterator[bytes]:
    for start in range(0, len(chunk), PIECE):
        yield chunk[start : start + PIECE]
