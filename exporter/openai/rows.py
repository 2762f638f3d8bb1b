"""Decodes result rows into rows of the ledger, as the resource table describes them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntFlag
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import numpy as np

from exporter.catalog import BucketRows, CountColumn, Kind, LabelGroup, Measure, Plan, Row
from exporter.openai.amounts import MAX_AMOUNT, quanta_column
from exporter.openai.error_responses import excerpt
from exporter.openai.errors import InvalidResponse, WrongObject
from exporter.openai.responses import Rejections, decimal_of, decode, decode_untyped, label_value
from exporter.openai.row_fields import (
    blank_group,
    dimensions_of,
    measures_of,
    selecting_fields,
    selecting_groups,
    selection_of,
    separate_labels,
)
from exporter.redaction import redact
from exporter.telemetry import RejectionReason

UNKNOWN: Final = "unknown"
"""The label value of what the API leaves null or empty."""

_MAX_COUNT: Final = 10**15
"""Counts from here on are rejected: their sums would not be exact."""

_MAX_LEVEL: Final = 10**18
"""Bytes from here on are rejected; they are never summed."""

_MAX_EMPTY_ROWS: Final = 10_000
"""A bucket with more rows without any value is rejected."""

_Count: TypeAlias = Annotated[float, msgspec.Meta(gt=-_MAX_COUNT, lt=_MAX_COUNT)]
_Level: TypeAlias = Annotated[float, msgspec.Meta(gt=-_MAX_LEVEL, lt=_MAX_LEVEL)]
_RawLabel: TypeAlias = str | bool | None
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


class BucketTrait(IntFlag):
    """What a digest remembers of the rows of a bucket besides the hash of their bytes."""

    SELECTED = 1
    """A row has the value that a measure selects: an amount in US dollars."""
    OTHER = 2
    """A row has another value there: an amount in another currency."""
    BLANK = 4
    """A row has no value there: an amount without currency."""
    REJECTED = 8
    """Something was rejected."""


@dataclass(slots=True)
class DecodedRows:
    """The rows of one bucket."""

    groups: tuple[Sequence[Row], ...]
    """For each label group its rows."""
    traits: BucketTrait
    rejections: Rejections
    incomplete: frozenset[int] = frozenset()
    """Indexes of the label groups of which a row could not be attributed."""


@dataclass(slots=True)
class _TolerantRead:
    """What reading rows one by one has found."""

    rejections: Rejections
    rows: list[Any] = field(default_factory=list)
    incomplete: set[int] = field(default_factory=set)
    empty: int = 0
    """Rows without any value."""


class LabelCache:
    """Label values by what the API has for them, so that each is cleaned once for a response.

    It must not outlive the response: a secret that is registered later has to be redacted as well.
    """

    def __init__(self) -> None:
        self._exact: dict[_RawLabel, str] = {}
        self._folded: dict[_RawLabel, str] = {}

    def column(self, raw: Sequence[_RawLabel], *, folded: bool = False) -> list[str]:
        """Return label values: redacted, cut, and with a word for what is null or empty; `folded`: in lower case."""
        known = self._folded if folded else self._exact
        try:
            return list(map(known.__getitem__, raw))
        except KeyError:
            new = set(raw) - known.keys()
            joined = "\n".join(text for text in new if isinstance(text, str))
            clean = redact(joined) == joined
            known |= {each: _label(each, clean=clean, folded=folded) for each in new}
            return list(map(known.__getitem__, raw))


def reader(plan: Plan) -> "RowReader":
    """Return the reader of a plan's rows."""
    return _reader(plan.resource.object, plan.label_groups)


class RowReader:
    """Decodes the results of buckets with one resource, grouping and set of measures."""

    def __init__(self, row_object: str, label_groups: tuple[LabelGroup, ...]) -> None:
        self._object = row_object
        self._label_groups = label_groups
        self._measures = {measure.field: measure for measure in measures_of(label_groups)}
        self._dimensions = frozenset(dimensions_of(label_groups))
        self._separate_labels = separate_labels(label_groups)
        self._exact = sorted(name for name, measure in self._measures.items() if measure.exact)
        self._primary = [measure.field for measure in label_groups[0].measures]
        self._primary_optional = not any(measure.required for measure in label_groups[0].measures)
        self._selection = selection_of(label_groups)
        self._blank = blank_group(label_groups)
        self._selecting = selecting_groups(label_groups)
        types: dict[str, Any] = dict.fromkeys(selecting_fields(label_groups), str | None)
        types |= dict.fromkeys(dimensions_of(label_groups), str | bool | None)
        types |= {name: _type(measure) for name, measure in self._measures.items()}
        nested: dict[str, dict[str, Any]] = {}
        for path, kind in types.items():
            whole, _, part = path.rpartition(".")
            nested.setdefault(whole, {})[part] = kind
        self._fields: Mapping[str, Sequence[str]] = {whole: tuple(parts) for whole, parts in nested.items()}
        flat = nested.pop("", {})
        self._structs = {name: _struct(members) for name, members in nested.items()}
        self._empty = {name: kind() for name, kind in self._structs.items()}
        flat |= {name: kind | None for name, kind in self._structs.items()}
        self._row = _struct({"object": Literal[row_object], **flat})
        self._row_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(self._row)
        self._decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[self._row])  # type: ignore[name-defined]

    def read(self, results: msgspec.Raw, cache: LabelCache | None = None) -> DecodedRows:
        """Return the rows of each label group; a `cache` can be shared by the buckets of a response.

        A value that is missing or not a number is unknown and counted; a row that is not an object, or has a label of
        an unexpected type, is left out and counted. Raises WrongObject for a row of another endpoint and
        InvalidResponse for what is not a list.
        """
        rejections = Rejections()
        incomplete: set[int] = set()
        try:
            rows = decode(self._decoder, results, "a bucket")
        except WrongObject:
            raise
        except InvalidResponse:
            found = self._row_by_row(results, rejections)
            rows, incomplete = found.rows, found.incomplete
        else:
            incomplete = self._fill_in(rows, rejections)
        cache = cache or LabelCache()
        amounts = {path: quanta_column(_column(rows, path), rejections) for path in self._exact}
        dimensions = {name: cache.column(_column(rows, name)) for name in dimensions_of(self._label_groups)}
        groups = tuple(_rows_of(group, rows, dimensions, amounts, cache) for group in self._label_groups)
        traits = self._traits(rows)
        traits = traits | BucketTrait.REJECTED if rejections else traits
        return DecodedRows(groups, traits, rejections, frozenset(incomplete))

    def select_blank(self, groups: tuple[Sequence[Row], ...]) -> tuple[Sequence[Row], ...]:
        """Return the rows with those without a selecting value (a currency) counted as selected (US dollars)."""
        if self._blank is None:
            return groups
        source, target, position = self._blank
        width = len(self._label_groups[target].measures)
        chosen, others = list(groups[target]), []
        for labels, values in groups[source]:
            if labels[-1] == UNKNOWN:
                chosen.append((labels[:-1], tuple(values[0] if at == position else None for at in range(width))))
            else:
                others.append((labels, values))
        moved: dict[int, Sequence[Row]] = {source: others, target: chosen}
        return tuple(moved.get(index, rows) for index, rows in enumerate(groups))

    def _fill_in(self, rows: list[Any], rejections: Rejections) -> set[int]:
        """Fill in what is absent; return the label groups that a row without its selecting text may belong to."""
        incomplete: set[int] = set()
        for name, empty in self._empty.items():
            for row in rows:
                if getattr(row, name) is None:
                    setattr(row, name, empty)
                    incomplete.update(*(groups for path, groups in self._selecting.items() if _part_of(path, name)))
        if self._primary_optional and rows:
            columns = [_column(rows, name) for name in self._primary]
            if all(None in column for column in columns):
                missing = sum(all(value is None for value in values) for values in zip(*columns, strict=True))
                if missing:
                    rejections[RejectionReason.MISSING_VALUE] += missing
        return incomplete

    def _row_by_row(self, results: msgspec.Raw, rejections: Rejections) -> _TolerantRead:
        read = _TolerantRead(rejections)
        sound = []
        for raw in decode(_LIST, results, "the results of a bucket"):
            try:
                row = decode(self._row_decoder, raw, "a bucket")
            except WrongObject:
                raise
            except InvalidResponse:
                self._unsound_row(raw, read)
            else:
                read.rows.append(row)
                sound.append(row)
            if read.empty > _MAX_EMPTY_ROWS:
                raise InvalidResponse(f"a bucket has more than {_MAX_EMPTY_ROWS} rows without any value")
        read.incomplete |= self._fill_in(sound, rejections)
        return read

    def _unsound_row(self, raw: msgspec.Raw, read: _TolerantRead) -> None:
        try:
            row = decode_untyped(raw)
        except InvalidResponse:
            row = None
        if not isinstance(row, dict):
            read.rejections[RejectionReason.INVALID_ROW] += 1
            read.incomplete.update(range(len(self._label_groups)))
            read.empty += 1
            return
        found = row.get("object")
        if isinstance(found, str) and found != self._object:
            raise WrongObject(f"a bucket has an unexpected object: {excerpt(found)!r}")
        self._tolerant_row(row, read)

    def _tolerant_row(self, row: Mapping[str, object], read: _TolerantRead) -> None:
        rejections = read.rejections
        if not all(_is_label(_raw(row, name)) for name in self._dimensions):
            rejections[RejectionReason.INVALID_FIELD] += 1
            read.incomplete.update(range(len(self._label_groups)))
            return
        row = dict(row)
        for index, (label, value) in self._separate_labels.items():
            if not _is_text(_raw(row, label)):
                row.pop(value, None)
                read.incomplete.add(index)
        for path, groups in self._selecting.items():
            if not _is_selecting_text(row, path):
                read.incomplete |= groups
        values: dict[str, Any] = {"object": self._object}
        for whole, parts in self._fields.items():
            content = row.get(whole) if whole else row
            if content is not None and not isinstance(content, dict):
                rejections[RejectionReason.INVALID_FIELD] += 1
            found = content if isinstance(content, dict) else {}
            members = {part: self._value(f"{whole}.{part}".lstrip("."), found.get(part), rejections) for part in parts}
            values |= {whole: self._structs[whole](**members)} if whole else members
        made = self._row(**values)
        read.empty += all(_raw(row, path) is None for path in self._measures)
        if self._primary_optional and all(_raw(row, path) is None for path in self._primary):
            rejections[RejectionReason.MISSING_VALUE] += 1
        read.rows.append(made)

    def _value(self, path: str, value: object, rejections: Rejections) -> object:
        measure = self._measures.get(path)
        if measure is None:
            if _is_label(value) if path in self._dimensions else _is_text(value):
                return value
            rejections[RejectionReason.INVALID_FIELD] += 1
            return None
        if value is None:
            if measure.required:
                rejections[RejectionReason.MISSING_VALUE] += 1
            return None
        number = decimal_of(value)
        if number is None:
            rejections[RejectionReason.INVALID_VALUE] += 1
            return None
        limit = MAX_AMOUNT if measure.exact else _MAX_LEVEL if measure.kind is Kind.LEVEL else _MAX_COUNT
        if not -limit < number < limit:
            rejections[RejectionReason.OUT_OF_RANGE] += 1
            return None
        return number if measure.exact else float(number)

    def _traits(self, rows: list[Any]) -> BucketTrait:
        traits = BucketTrait(0)
        if self._selection is None:
            return traits
        selecting, amount = self._selection
        texts = zip(_column(rows, selecting.field), _column(rows, amount), strict=True)
        for text in {text for text, value in texts if value is not None}:
            if not text:
                traits |= BucketTrait.BLANK
            else:
                traits |= BucketTrait.SELECTED if selecting.admits(text) else BucketTrait.OTHER
        return traits


def _rows_of(
    group: LabelGroup,
    rows: list[Any],
    dimensions: dict[str, list[str]],
    amounts: dict[str, list[int | None]],
    cache: LabelCache,
) -> BucketRows:
    names = [dimensions[label] for label in group.labels if label in dimensions]
    extra = group.measures[0].extra
    if not extra and not any(measure.only for measure in group.measures):
        labels = list(_transposed(names, len(rows)))
        return BucketRows(
            labels, [amounts[each.field] if each.exact else _counts(rows, each.field) for each in group.measures]
        )
    columns = [amounts[measure.field] if measure.exact else _column(rows, measure.field) for measure in group.measures]
    if extra:
        folded = any(measure.only and measure.only.field == extra.field for measure in group.measures)
        names.append(cache.column(_column(rows, extra.field), folded=folded))
    counted = [_counted(measure, rows, column) for measure, column in zip(group.measures, columns, strict=True)]
    masked = [
        [value if yes else None for value, yes in zip(column, admitted, strict=True)]
        for column, admitted in zip(columns, counted, strict=True)
    ]
    kept = [
        (labels, values)
        for labels, values, admitted in zip(
            _transposed(names, len(rows)), _transposed(masked, len(rows)), zip(*counted, strict=True), strict=True
        )
        if any(admitted)
    ]
    return BucketRows.of(kept, group.measures)


def _counted(measure: Measure, rows: list[Any], values: list[Any]) -> list[bool]:
    """Return for each row whether the measure counts it.

    A row with neither value nor selecting text (`amount` is absent) is an unknown value of the first label group, and
    not part of the others.
    """
    selecting = measure.only.field if measure.only else measure.extra.field if measure.extra else None
    if selecting is None:
        return [True] * len(rows)
    texts = _column(rows, selecting)
    admits = {text: measure.only.admits(text) if measure.only else True for text in set(texts)}
    blank = measure.extra is None
    return [admits[text] if text or value is not None else blank for text, value in zip(texts, values, strict=True)]


def _transposed(columns: list[Any], length: int) -> Iterable[tuple[Any, ...]]:
    return zip(*columns, strict=True) if columns else [()] * length


def _column(rows: list[Any], path: str) -> list[Any]:
    return list(map(attrgetter(path), rows))


def _counts(rows: list[Any], path: str) -> CountColumn:
    values = attrgetter(path)
    try:
        return np.fromiter(map(values, rows), np.float64, len(rows))
    except TypeError:
        return np.array(list(map(values, rows)), np.float64)


def _raw(row: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 -- decoded JSON
    whole, _, part = path.rpartition(".")
    content = row.get(whole) if whole else row
    return content.get(part) if isinstance(content, dict) else content


def _label(raw: _RawLabel, *, clean: bool, folded: bool) -> str:
    if isinstance(raw, bool):
        return str(raw).lower()
    text = label_value((raw if clean else redact(raw)) if raw else UNKNOWN)
    return text.lower() if folded else text


def _is_label(value: object) -> bool:
    return value is None or isinstance(value, str | bool)


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_selecting_text(row: Mapping[str, Any], path: str) -> bool:
    whole = path.rpartition(".")[0]
    return (not whole or isinstance(row.get(whole), dict)) and _is_text(_raw(row, path))


def _part_of(path: str, whole: str) -> bool:
    return path.rpartition(".")[0] == whole


def _type(measure: Measure) -> Any:  # noqa: ANN401 -- a type form
    kind: Any = Decimal if measure.exact else _Level if measure.kind is Kind.LEVEL else _Count
    return kind if measure.required else kind | None


def _struct(fields: dict[str, Any]) -> type[Any]:
    required = [(name, kind) for name, kind in fields.items() if type(None) not in getattr(kind, "__args__", ())]
    optional = [(name, kind, None) for name, kind in fields.items() if (name, kind) not in required]
    return msgspec.defstruct("Row", [*required, *optional], kw_only=True, gc=False)


@lru_cache(maxsize=64)
def _reader(row_object: str, label_groups: tuple[LabelGroup, ...]) -> RowReader:
    return RowReader(row_object, label_groups)
