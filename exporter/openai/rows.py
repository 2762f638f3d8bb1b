"""Result rows as rows of the ledger's sheets: everything that is known of them comes from the table."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from exporter.catalog import QUANTA, LabelGroup, Measure, Plan, Row
from exporter.openai.error_responses import excerpt
from exporter.openai.errors import NotFinite
from exporter.openai.responses import decode

UNKNOWN: Final = "unknown"
"""The label of what the API leaves null or empty."""

_ABSURD: Final = 10**15
"""An amount of money, or a billed quantity, that cannot be."""

_ABSURD_COUNT: Final = 10**18
"""Likewise a count: stored bytes reach far."""

_PLACES: Final = len(str(QUANTA)) - 1
_QUANTUM: Final = Decimal(1).scaleb(-_PLACES)
_EXACT: Final = Context(prec=100, rounding=ROUND_HALF_EVEN)

_Count: TypeAlias = Annotated[float, msgspec.Meta(gt=-_ABSURD_COUNT, lt=_ABSURD_COUNT)]


def reader(plan: Plan) -> "RowReader":
    """Return what reads the rows of a plan."""
    return _reader(plan.resource.object, plan.label_groups)


class RowReader:
    """Reads the results of the buckets of one shape: a resource, its grouping and its measures."""

    def __init__(self, row_object: str, label_groups: tuple[LabelGroup, ...]) -> None:
        self._sheets = label_groups
        self._exact = sorted({measure.field for measure in _measures(label_groups) if measure.exact})
        fields: dict[str, Any] = dict.fromkeys(_words(label_groups), str | None)
        fields |= dict.fromkeys(_dimensions(label_groups), str | bool | None)
        fields |= {measure.field: _type(measure) for measure in _measures(label_groups)}
        parts: dict[str, dict[str, Any]] = {}
        for path, kind in fields.items():
            whole, _, part = path.rpartition(".")
            parts.setdefault(whole, {})[part] = kind
        flat = parts.pop("", {})
        self._empty = []
        for name, members in parts.items():
            struct = _struct(members)
            self._empty.append((name, struct()))
            flat[name] = struct | None
        row = _struct({"object": Literal[row_object], **flat})
        self._decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]

    def read(self, results: msgspec.Raw) -> tuple[Sequence[Row], ...]:
        """Return the rows of each sheet. Raises InvalidResponse."""
        rows = decode(self._decoder, results, "a bucket")
        for name, empty in self._empty:
            for row in rows:
                if getattr(row, name) is None:
                    setattr(row, name, empty)
        amounts = {path: [quanta(amount) for amount in map(attrgetter(path), rows)] for path in self._exact}
        dimensions = {name: _labels(_column(rows, name)) for name in _dimensions(self._sheets)}
        return tuple(_fill(sheet, rows, dimensions, amounts) for sheet in self._sheets)


def quanta(amount: Decimal | None) -> int | None:
    """Return an exact amount as a whole number of quanta, rounded half to even. Raises NotFinite."""
    if amount is None:
        return None
    try:
        if -_ABSURD < amount < _ABSURD:
            return int(_EXACT.scaleb(_EXACT.quantize(amount, _QUANTUM), _PLACES))
    except InvalidOperation:
        pass
    raise NotFinite(f"an amount is beyond reason: {excerpt(str(amount))}")


def _fill(
    sheet: LabelGroup, rows: list[Any], dimensions: dict[str, list[str]], amounts: dict[str, list[int | None]]
) -> list[Row]:
    names = [dimensions[label] for label in sheet.labels if label in dimensions]
    columns = [amounts[measure.field] if measure.exact else _column(rows, measure.field) for measure in sheet.measures]
    extra = sheet.measures[0].extra
    if not extra and not any(measure.only for measure in sheet.measures):
        return list(zip(_transposed(names, len(rows)), _transposed(columns, len(rows)), strict=True))
    if extra:
        folded = any(measure.only and measure.only.field == extra.field for measure in sheet.measures)
        names.append(_labels(_column(rows, extra.field), folded=folded))
    counted = [_counted(measure, rows, column) for measure, column in zip(sheet.measures, columns, strict=True)]
    masked = [
        [value if yes else None for value, yes in zip(column, admitted, strict=True)]
        for column, admitted in zip(columns, counted, strict=True)
    ]
    return [
        (labels, values)
        for labels, values, admitted in zip(
            _transposed(names, len(rows)), _transposed(masked, len(rows)), zip(*counted, strict=True), strict=True
        )
        if any(admitted)
    ]


def _counted(measure: Measure, rows: list[Any], values: list[Any]) -> list[bool]:
    """Tell for each row whether the measure counts it.

    A row that says neither value nor word (`amount` is absent) is an unknown value of the first sheet, and nothing to
    the others.
    """
    field = measure.only.field if measure.only else measure.extra.field if measure.extra else None
    if field is None:
        return [True] * len(rows)
    words = _column(rows, field)
    verdicts = {word: measure.only.admits(word) if measure.only else True for word in set(words)}
    blank = measure.extra is None
    return [verdicts[word] if word or value is not None else blank for word, value in zip(words, values, strict=True)]


def _transposed(columns: list[Any], length: int) -> Iterable[tuple[Any, ...]]:
    return zip(*columns, strict=True) if columns else [()] * length


def _column(rows: list[Any], path: str) -> list[Any]:
    return list(map(attrgetter(path), rows))


_Raw: TypeAlias = str | bool | None


class _Labels(dict[_Raw, str]):
    def __missing__(self, raw: _Raw) -> str:
        label = str(raw).lower() if isinstance(raw, bool) else raw or UNKNOWN
        self[raw] = label
        return label


def _labels(raw: list[_Raw], *, folded: bool = False) -> list[str]:
    labels = _Labels()
    if folded:
        return [labels[word].lower() for word in raw]
    return [labels[word] for word in raw]


def _measures(label_groups: Iterable[LabelGroup]) -> list[Measure]:
    return [measure for sheet in label_groups for measure in sheet.measures]


def _dimensions(label_groups: Sequence[LabelGroup]) -> tuple[str, ...]:
    sheet = label_groups[0]
    return sheet.labels[:-1] if sheet.key else sheet.labels


def _words(label_groups: Iterable[LabelGroup]) -> list[str]:
    sources = [source for measure in _measures(label_groups) for source in (measure.extra, measure.only)]
    return [source.field for source in sources if source]


def _type(measure: Measure) -> Any:  # noqa: ANN401 -- a type form
    kind: Any = Decimal if measure.exact else _Count
    return kind if measure.required else kind | None


def _struct(fields: dict[str, Any]) -> type[Any]:
    required = [(name, kind) for name, kind in fields.items() if type(None) not in getattr(kind, "__args__", ())]
    optional = [(name, kind, None) for name, kind in fields.items() if (name, kind) not in required]
    return msgspec.defstruct("Row", [*required, *optional], kw_only=True, gc=False)


@lru_cache(maxsize=64)
def _reader(row_object: str, label_groups: tuple[LabelGroup, ...]) -> RowReader:
    return RowReader(row_object, label_groups)
