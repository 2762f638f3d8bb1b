"""Bodies of an exposition, for tests."""

import zlib

from exporter.exposition import Body


def inflate(body: Body) -> bytes:
    """Return the text that a body's compressed pieces hold."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    return b"".join(stream.decompress(piece.deflated) for piece in body.pieces) + stream.flush()
