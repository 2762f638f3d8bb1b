"""Response bodies: the snapshot's families and the tail as one gzip member, or as plain bytes."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from exporter.exposition.snapshot import Body

PIECE: Final = 64 * 1024
"""Bytes of a body that are handed to a connection at once, at most."""

_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""RFC 1952: deflate, no flags, no time, unknown system."""

_WRAP: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of one response, made while they are sent."""

    length: int
    """Bytes in total."""
    pieces: Iterator[bytes]
    """Each at most `PIECE` bytes; can be iterated once."""


def gzip_member(body: Body, tail: bytes) -> Content:
    """Return the body and the tail as one gzip member: clients stop reading after the first member."""
    ending = _ending(body, tail)
    length = len(_HEADER) + sum(len(piece.deflated) for piece in body.pieces) + len(ending)
    return Content(length, _sliced((_HEADER, *(piece.deflated for piece in body.pieces), ending)))


def plain(body: Body, tail: bytes) -> Content:
    """Return the body and the tail as they are."""
    return Content(body.length + len(tail), _sliced((*(text for piece in body.pieces for text in piece.texts), tail)))


def _ending(body: Body, tail: bytes) -> bytes:
    deflater = zlib.compressobj(level=zlib.Z_BEST_SPEED, wbits=-zlib.MAX_WBITS)
    checksum = zlib.crc32(tail, body.crc)
    length = (body.length + len(tail)) % _WRAP
    return deflater.compress(tail) + deflater.flush() + checksum.to_bytes(4, "little") + length.to_bytes(4, "little")


def _sliced(chunks: tuple[bytes, ...]) -> Iterator[bytes]:
    for chunk in chunks:
        if len(chunk) <= PIECE:
            yield chunk
        else:
            view = memoryview(chunk)
            for start in range(0, len(chunk), PIECE):
                yield bytes(view[start : start + PIECE])
