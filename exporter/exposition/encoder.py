"""From families to compressed bodies: what did not change since the last publish is not done again."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from weakref import WeakKeyDictionary

from isal import isal_zlib

from exporter.exposition.families import Family, Type
from exporter.exposition.lines import ColumnLines, LabelTexts
from exporter.exposition.snapshot import Body, Format, Piece
from exporter.ledger import Rows

_PIECE: Final = 65536
"""Bytes before compression, at least, of a piece that is compressed in one call."""

_LEVEL: Final = 1


class Encoder:
    """Turns families into bodies. Called again with the next families, it formats and compresses only what changed."""

    def __init__(self) -> None:
        self._labels: WeakKeyDictionary[Rows, LabelTexts] = WeakKeyDictionary()
        self._lines: dict[tuple[object, ...], ColumnLines] = {}
        self._headers: dict[tuple[object, ...], bytes] = {}
        self._pieces: dict[tuple[int, ...], Piece] = {}
        """By the identity of their texts, which they keep alive: no text is compared or hashed."""

    def encode(self, families: Sequence[Family]) -> dict[Format, Body]:
        """Return the bodies of all formats."""
        texts = self._update(families)
        pieces: dict[tuple[int, ...], Piece] = {}
        bodies = {format_: self._body(pieces, self._parts(texts, format_), Body()) for format_ in Format}
        self._pieces = pieces
        return bodies

    def extend(self, body: Body, families: Sequence[Family], format_: Format) -> Body:
        """Return a body of one format with the families behind what it holds."""
        pieces: dict[tuple[int, ...], Piece] = {}
        extended = self._body(pieces, self._parts(self._update(families), format_), body)
        self._pieces = pieces
        return extended

    def _update(self, families: Sequence[Family]) -> list[tuple[Family, list[bytes]]]:
        lines = self._lines
        self._lines = {}
        return [(family, list(self._samples(family, lines))) for family in families]

    def _samples(self, family: Family, kept: dict[tuple[object, ...], ColumnLines]) -> Iterator[bytes]:
        for column in family.columns:
            if (labels := self._labels.get(column.rows)) is None:
                labels = self._labels[column.rows] = LabelTexts()
            labels.update(column.rows, column.before)
            key = family.name, id(column.rows), column.before, column.after
            lines = kept.pop(key, None) or ColumnLines(family.name, column.after)
            self._lines[key] = lines
            yield from lines.update(column, labels)

    def _parts(self, texts: Iterable[tuple[Family, list[bytes]]], format_: Format) -> Iterator[bytes]:
        for family, samples in texts:
            if samples:
                key = family.name, family.help, format_
                if (header := self._headers.get(key)) is None:
                    header = self._headers[key] = _header(family, format_)
                yield header
                yield from samples

    def _body(self, pieces: dict[tuple[int, ...], Piece], parts: Iterable[bytes], before: Body) -> Body:
        body = list(before.pieces)
        length, crc = before.length, before.crc
        for group in _groups(parts):
            key = tuple(map(id, group))
            piece = pieces.get(key) or self._pieces.get(key) or _compress(group)
            pieces[key] = piece
            body.append(piece)
            length += piece.length
            crc = isal_zlib.crc32_combine(crc, piece.crc, piece.length)
        return Body(tuple(body), length, crc)


def _compress(texts: tuple[bytes, ...]) -> Piece:
    compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
    crc = 0
    for text in texts:
        crc = isal_zlib.crc32(text, crc)
    deflated = b"".join(map(compressor.compress, texts)) + compressor.flush(isal_zlib.Z_FULL_FLUSH)
    return Piece(texts, deflated, sum(map(len, texts)), crc)


def _groups(parts: Iterable[bytes]) -> Iterator[tuple[bytes, ...]]:
    """Put small parts together; large ones, which are samples and the same in all formats, stay alone."""
    group: list[bytes] = []
    size = 0
    for part in parts:
        if len(part) >= _PIECE:
            if group:
                yield tuple(group)
            yield (part,)
            group, size = [], 0
            continue
        group.append(part)
        size += len(part)
        if size >= _PIECE:
            yield tuple(group)
            group, size = [], 0
    if group:
        yield tuple(group)


def _header(family: Family, format_: Format) -> bytes:
    name, text = family.name, family.help.replace("\\", r"\\").replace("\n", r"\n")
    if format_ is Format.OPENMETRICS:
        text = text.replace('"', r"\"")
        if family.type is Type.COUNTER:
            name = name.removesuffix("_total")
    return f"# HELP {name} {text}\n# TYPE {name} {family.type.value}\n".encode()
