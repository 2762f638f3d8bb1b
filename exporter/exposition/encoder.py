"""Encodes families to compressed bodies; parts unchanged since the last publish are reused."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final
from weakref import WeakKeyDictionary

from isal import isal_zlib

from exporter.exposition import protobuf
from exporter.exposition.families import Column, Family, Type
from exporter.exposition.lines import ColumnLines, LabelTexts
from exporter.exposition.protobuf import ColumnRecords, LabelRecords
from exporter.exposition.snapshot import Body, Format, Piece
from exporter.ledger import LabelSets

_PIECE: Final = 65536
"""Bytes before compression, at least, of a piece that is compressed in one call."""

_LEVEL: Final = 1


TEXT_FORMATS: Final = (Format.TEXT, Format.OPENMETRICS)


class Encoder:
    """Turns families into bodies. Called again with the next families, it formats and compresses only what changed."""

    def __init__(self, *, created_samples: bool = True) -> None:
        """`created_samples`: whether OpenMetrics has the `_created` sample of every counter."""
        self._created_samples = created_samples
        self._labels: WeakKeyDictionary[LabelSets, LabelTexts] = WeakKeyDictionary()
        self._label_records: WeakKeyDictionary[LabelSets, LabelRecords] = WeakKeyDictionary()
        self._lines: dict[tuple[object, ...], ColumnLines | ColumnRecords] = {}
        self._headers: dict[tuple[object, ...], bytes] = {}
        self._pieces: dict[tuple[int, ...], Piece] = {}
        """By the identity of their texts, which they keep alive: no text is compared or hashed."""

    def encode(self, families: Sequence[Family], formats: Iterable[Format] = TEXT_FORMATS) -> dict[Format, Body]:
        """Return the bodies of the formats."""
        kept, self._lines = self._lines, {}
        pieces: dict[tuple[int, ...], Piece] = {}
        bodies = {format_: self._body(pieces, self._parts(families, format_, kept)) for format_ in formats}
        self._pieces = pieces
        return bodies

    def _parts(
        self,
        families: Sequence[Family],
        format_: Format,
        kept: Mapping[tuple[object, ...], ColumnLines | ColumnRecords],
    ) -> Iterator[bytes]:
        for family in families:
            samples = [text for column in family.columns for text in self._samples(family, column, format_, kept)]
            if samples:
                length = sum(map(len, samples)) if format_ is Format.PROTOBUF else 0
                key = family.name, family.help, format_, length
                if (header := self._headers.get(key)) is None:
                    header = self._headers[key] = _header(family, format_, length)
                yield header
                yield from samples

    def _samples(
        self,
        family: Family,
        column: Column,
        format_: Format,
        kept: Mapping[tuple[object, ...], ColumnLines | ColumnRecords],
    ) -> Sequence[bytes]:
        created = self._created_samples and format_ is Format.OPENMETRICS and column.created is not None
        syntax = format_ if created or format_ is Format.PROTOBUF else Format.TEXT
        key = syntax, family.name, id(column.rows), column.before, column.after
        lines = self._lines.get(key) or kept.get(key)
        if format_ is Format.PROTOBUF:
            records = self._label_records.setdefault(column.rows, LabelRecords())
            records.update(column.rows, column.before)
            if not isinstance(lines, ColumnRecords):
                lines = ColumnRecords(family.type, column.after)
            self._lines[key] = lines
            immediate = column.values if column.immediate is None else column.immediate
            return lines.update(replace(column, values=immediate), records)
        labels = self._labels.setdefault(column.rows, LabelTexts())
        labels.update(column.rows, column.before)
        if not isinstance(lines, ColumnLines):
            lines = ColumnLines(family.name, column.after, created=created)
        self._lines[key] = lines
        return lines.update(column, labels)

    def _body(self, pieces: dict[tuple[int, ...], Piece], parts: Iterable[bytes]) -> Body:
        body: list[Piece] = []
        length = crc = 0
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
    """Join small parts; large ones, which are samples and the same in all formats, stay separate."""
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


def _header(family: Family, format_: Format, length: int) -> bytes:
    if format_ is Format.PROTOBUF:
        return protobuf.header(family.name, family.help, family.type, length)
    name, text = family.name, family.help.replace("\\", r"\\").replace("\n", r"\n")
    if format_ is Format.OPENMETRICS:
        text = text.replace('"', r"\"")
        if family.type is Type.COUNTER:
            name = name.removesuffix("_total")
    return f"# HELP {name} {text}\n# TYPE {name} {family.type.value}\n".encode()
