"""From families to compressed bodies: what did not change since the last publish is not done again."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from weakref import WeakKeyDictionary

from exporter.exposition.families import Family, Type
from exporter.exposition.lines import ColumnLines, LabelTexts
from exporter.exposition.snapshot import Body, Format
from exporter.ledger import Rows

_PIECE: Final = 65536
"""Bytes before compression, at least, of a piece that is compressed in one call."""

_LEVEL: Final = 3


class Encoder:
    """Turns families into bodies. Called again with the next families, it formats and compresses only what changed."""

    def __init__(self) -> None:
        self._texts: WeakKeyDictionary[Rows, LabelTexts] = WeakKeyDictionary()
        self._lines: dict[tuple[object, ...], ColumnLines] = {}
        self._pieces: dict[tuple[bytes, ...], _Piece] = {}

    def encode(self, families: Sequence[Family]) -> dict[Format, Body]:
        """Return the bodies of all formats."""
        chunks = self._update(families)
        pieces: dict[tuple[bytes, ...], _Piece] = {}
        bodies = {format_: self._body(pieces, _parts(chunks, format_), Body()) for format_ in Format}
        self._pieces = pieces
        return bodies

    def extend(self, body: Body, families: Sequence[Family], format_: Format) -> Body:
        """Return a body of one format with the families behind what it holds."""
        pieces: dict[tuple[bytes, ...], _Piece] = {}
        extended = self._body(pieces, _parts(self._update(families), format_), body)
        self._pieces = pieces
        return extended

    def _update(self, families: Sequence[Family]) -> list[tuple[Family, list[bytes]]]:
        lines = self._lines
        self._lines = {}
        return [(family, list(self._chunks(family, lines))) for family in families]

    def _chunks(self, family: Family, kept: dict[tuple[object, ...], ColumnLines]) -> Iterator[bytes]:
        for column in family.columns:
            if (texts := self._texts.get(column.rows)) is None:
                texts = self._texts[column.rows] = LabelTexts()
            key = family.name, id(column.rows), column.before, column.after
            lines = kept.pop(key, None) or ColumnLines(family.name, column.after)
            self._lines[key] = lines
            yield from lines.update(column, *texts.of(column.rows, column.before))

    def _body(self, pieces: dict[tuple[bytes, ...], "_Piece"], parts: Iterable[bytes], before: Body) -> Body:
        body = list(before.pieces)
        length, crc = before.length, before.crc
        for group in _groups(parts):
            piece = pieces.get(group) or self._pieces.get(group) or _Piece(group)
            pieces[group] = piece
            body.append(piece.deflated)
            length += piece.length
            crc = piece.checksum(crc)
        return Body(tuple(body), length, crc)


class _Piece:
    def __init__(self, group: tuple[bytes, ...]) -> None:
        compressor = zlib.compressobj(_LEVEL, wbits=-15)
        self.length = sum(map(len, group))
        self._group = group
        self.deflated = b"".join(map(compressor.compress, group)) + compressor.flush(zlib.Z_FULL_FLUSH)

    def checksum(self, before: int) -> int:
        for part in self._group:
            before = zlib.crc32(part, before)
        return before


def _parts(chunks: Iterable[tuple[Family, list[bytes]]], format_: Format) -> Iterator[bytes]:
    for family, samples in chunks:
        if samples:
            yield _head(family, format_)
            yield from samples


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


def _head(family: Family, format_: Format) -> bytes:
    name, text = family.name, family.help.replace("\\", r"\\").replace("\n", r"\n")
    if format_ is Format.OPENMETRICS:
        text = text.replace('"', r"\"")
        if family.type is Type.COUNTER:
            name = name.removesuffix("_total")
    return f"# HELP {name} {text}\n# TYPE {name} {family.type.value}\n".encode()
