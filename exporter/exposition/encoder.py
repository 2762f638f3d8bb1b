"""Encodes families to compressed bodies; parts unchanged since the last publish are reused."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary, WeakValueDictionary

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


_Lines: TypeAlias = ColumnLines | ColumnRecords

TEXT_FORMATS: Final = (Format.TEXT, Format.OPENMETRICS)


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A column of a family in one syntax, with its samples."""

    column: Column
    lines: _Lines
    texts: Sequence[bytes]


_EncodedFamilies: TypeAlias = dict[tuple[Format, str], dict[int, _Encoded]]
"""By format and name of the family, then by the identity of the column."""


class Encoder:
    """Turns families into bodies. Called again with the next families, it formats and compresses only what changed."""

    def __init__(self, *, created_samples: bool = True) -> None:
        """`created_samples`: whether OpenMetrics has the `_created` sample of every counter."""
        self._created_samples = created_samples
        self._labels: WeakKeyDictionary[LabelSets, LabelTexts] = WeakKeyDictionary()
        self._label_records: WeakKeyDictionary[LabelSets, LabelRecords] = WeakKeyDictionary()
        self._lines: WeakValueDictionary[tuple[object, ...], _Lines] = WeakValueDictionary()
        """Of the columns that are encoded."""
        self._encoded: _EncodedFamilies = {}
        """An unchanged column is not looked at again."""
        self._headers: dict[tuple[object, ...], bytes] = {}
        self._pieces: dict[tuple[int, ...], Piece] = {}
        """By the identity of their texts, which they keep alive: no text is compared or hashed."""

    def encode(self, families: Sequence[Family], formats: Iterable[Format] = TEXT_FORMATS) -> dict[Format, Body]:
        """Return the bodies of the formats."""
        last, self._encoded = self._encoded, {}
        pieces: dict[tuple[int, ...], Piece] = {}
        bodies = {format_: self._body(pieces, self._parts(families, format_, last)) for format_ in formats}
        self._pieces = pieces
        return bodies

    def _parts(self, families: Sequence[Family], format_: Format, last: _EncodedFamilies) -> Iterator[bytes]:
        for family in families:
            samples: list[bytes] = []
            before = last.get((format_, family.name), {})
            now = self._encoded[format_, family.name] = {}
            for column in family.columns:
                identity = id(column)
                encoded = before.get(identity)
                if encoded is None or encoded.column is not column:
                    encoded = self._encode(family, column, format_)
                now[identity] = encoded
                samples += encoded.texts
            if samples:
                length = sum(map(len, samples)) if format_ is Format.PROTOBUF else 0
                name = family.name, family.help, format_, length
                if (header := self._headers.get(name)) is None:
                    header = self._headers[name] = _header(family, format_, length)
                yield header
                yield from samples

    def _syntax(self, column: Column, format_: Format) -> Format:
        """Return the format whose samples of this column are those of `format_`."""
        if format_ is Format.OPENMETRICS and not (self._created_samples and column.created is not None):
            return Format.TEXT
        return format_

    def _encode(self, family: Family, column: Column, format_: Format) -> _Encoded:
        syntax = self._syntax(column, format_)
        if syntax is not format_:
            same = self._encoded.get((syntax, family.name), {}).get(id(column))
            if same is not None and same.column is column:
                return same
        key = syntax, family.name, id(column.rows), column.before, column.after
        lines = self._lines.get(key)
        if syntax is Format.PROTOBUF:
            records = self._label_records.setdefault(column.rows, LabelRecords())
            records.update(column.rows, column.before)
            if not isinstance(lines, ColumnRecords):
                lines = self._lines[key] = ColumnRecords(family.type, column.after)
            immediate = column.values if column.immediate is None else column.immediate
            return _Encoded(column, lines, lines.update(replace(column, values=immediate), records))
        labels = self._labels.setdefault(column.rows, LabelTexts())
        labels.update(column.rows, column.before)
        if not isinstance(lines, ColumnLines):
            lines = self._lines[key] = ColumnLines(family.name, column.after, created=syntax is Format.OPENMETRICS)
        return _Encoded(column, lines, lines.update(column, labels))

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
