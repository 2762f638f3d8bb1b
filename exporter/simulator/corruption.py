"""Faults in the content of bucket pages: invalid, unexpected or unusual values."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

import msgspec

from exporter.simulator.paging import Cursor
from exporter.simulator.request import Query
from exporter.simulator.responses import Json

_SPARSE: Final = frozenset(
    {
        "object",
        "input_tokens",
        "output_tokens",
        "num_model_requests",
        "project_id",
        "user_id",
        "api_key_id",
        "model",
        "batch",
        "input_cached_tokens",
        "input_audio_tokens",
        "output_audio_tokens",
    }
)
"""The fields of a completions row in early 2025."""


_ABSENT: Final = object()


class FaultOptions(Protocol):
    """The kind and the options of a fault."""

    kind: str

    def option(self, name: str, default: Any) -> Any:  # noqa: ANN401 -- an option is any JSON value
        """Return an option, or the default."""
        ...


def corrupt(page: Json, fault: FaultOptions, query: Query) -> Json:
    """Return the page with the fault applied; kinds that do not concern pages change nothing."""
    if change := CORRUPTIONS.get(fault.kind):
        change(page, fault, query)
    return page


def _rows(page: Json) -> Iterator[dict[str, Json]]:
    for bucket in page["data"]:
        yield from bucket["results"]


def _more_without_cursor(page: Json, _fault: FaultOptions, _query: Query) -> None:
    page["has_more"], page["next_page"] = True, None


def _repeated_cursor(page: Json, _fault: FaultOptions, query: Query) -> None:
    page["has_more"] = True
    page["next_page"] = query.text("page") or page["next_page"] or "page_AAAA="


def _endless(page: Json, _fault: FaultOptions, query: Query) -> None:
    """Return a new cursor on every page, so that pagination never ends."""
    if not page["has_more"]:
        page["has_more"], page["next_page"] = True, _longer_cursor(query)


def _longer_cursor(query: Query) -> str:
    """Return a valid cursor that differs from that of the request."""
    page = query.text("page")
    cursor = Cursor.parse(page) if page else Cursor(0.0, 0)
    return str(Cursor(cursor.instant, cursor.start + 1))


def _missing_bucket(page: Json, fault: FaultOptions, _query: Query) -> None:
    """Omit a bucket: the one at `index` (default 1; negative ones count from the end)."""
    index = fault.option("index", 1)
    if -len(page["data"]) <= index < len(page["data"]):
        del page["data"][index]


def _odd_field(page: Json, fault: FaultOptions, _query: Query) -> None:
    """Change one field of a row of the newest bucket.

    `row` is its index (default 0), `field` a dotted path; `value` any JSON, `literal` JSON as text, neither: absent.
    """
    rows = page["data"][-1]["results"] if page["data"] else []
    index = fault.option("row", 0)
    if not -len(rows) <= index < len(rows):
        return
    *path, name = fault.option("field", "project_id").split(".")
    target = rows[index]
    for part in path:
        target = target[part]
    if literal := fault.option("literal", None):
        target[name] = msgspec.Raw(literal.encode())
    elif (value := fault.option("value", _ABSENT)) is _ABSENT:
        target.pop(name, None)
    else:
        target[name] = value


def _odd_row(page: Json, fault: FaultOptions, _query: Query) -> None:
    """Add `value` (default null) to the rows of the newest bucket."""
    if page["data"]:
        page["data"][-1]["results"].append(fault.option("value", None))


def _odd_bucket(page: Json, fault: FaultOptions, _query: Query) -> None:
    """Add a bucket: a copy of the newest one with `fields` replaced, or `value` instead of a bucket."""
    if page["data"]:
        replaced = {**page["data"][-1], **fault.option("fields", {})}
        page["data"].append(fault.option("value", replaced))


def _duplicate_bucket(page: Json, fault: FaultOptions, _query: Query) -> None:
    """Send a bucket twice: the one at `index` (default 0)."""
    index = fault.option("index", 0)
    page["data"][index:index] = page["data"][index : index + 1]


def _foreign_row(page: Json, fault: FaultOptions, _query: Query) -> None:
    """Set `object` of the first row to that of another endpoint."""
    for row in _rows(page):
        row["object"] = fault.option("object", "organization.usage.elsewhere.result")
        break


def _literal(text: str) -> Callable[[Json, FaultOptions, Query], None]:
    def change(page: Json, _fault: FaultOptions, _query: Query) -> None:
        for row in _rows(page):
            if "amount" in row:
                row["amount"]["value"] = msgspec.Raw(text.encode())
            else:
                row[_first_number(row)] = msgspec.Raw(text.encode())
            break

    return change


def _first_number(row: dict[str, Json]) -> str:
    return next(name for name, value in row.items() if isinstance(value, int))


def _amount_string(page: Json, fault: FaultOptions, _query: Query) -> None:
    """Send amounts as text with `decimals` digits (default 33), zero as 0E-6176."""
    decimals = fault.option("decimals", 33)
    for row in _rows(page):
        if value := (row.get("amount") or {}).get("value"):
            text = bytes(value).decode()
            whole, _, parts = text.partition(".")
            row["amount"]["value"] = "0E-6176" if text == "0" else f"{whole}.{parts:0<{decimals}}"


def _amount_zero_exponent(page: Json, _fault: FaultOptions, _query: Query) -> None:
    """Send amounts of zero as the number 0E-6176."""
    for row in _rows(page):
        if "amount" in row and bytes(row["amount"]["value"]) == b"0":
            row["amount"]["value"] = msgspec.Raw(b"0E-6176")


def _amount_absent(page: Json, fault: FaultOptions, _query: Query) -> None:
    """Omit the amount of the first row, or with `null` send null."""
    for row in _rows(page):
        if fault.option("null", default=False):
            row["amount"] = None
        else:
            row.pop("amount", None)
        break


def _dimension(value: str | None) -> Callable[[Json, FaultOptions, Query], None]:
    def change(page: Json, fault: FaultOptions, _query: Query) -> None:
        name = fault.option("dimension", "project_id")
        for row in _rows(page):
            if name in row:
                row[name] = value

    return change


def _duplicate_rows(page: Json, _fault: FaultOptions, _query: Query) -> None:
    """Split every row of usage into two rows with the same dimensions and the same total."""
    for bucket in page["data"]:
        bucket["results"] = [half for row in bucket["results"] for half in _halves(row)]


def _halves(row: dict[str, Json]) -> tuple[dict[str, Json], ...]:
    numbers = {name: value for name, value in row.items() if isinstance(value, int) and not isinstance(value, bool)}
    if not numbers:
        return (row, row | {"amount": {**row["amount"], "value": 0}, "quantity": row["quantity"] and 0})
    smaller = {name: value // 3 for name, value in numbers.items()}
    return (row | smaller, row | {name: value - smaller[name] for name, value in numbers.items()})


def _sparse(page: Json, _fault: FaultOptions, _query: Query) -> None:
    """Send completions rows with the fields of early 2025 only."""
    for bucket in page["data"]:
        bucket["results"] = [
            {name: value for name, value in row.items() if name in _SPARSE} if "input_text_tokens" in row else row
            for row in bucket["results"]
        ]


def _unknown_fields(page: Json, _fault: FaultOptions, _query: Query) -> None:
    """Add unknown fields at every level."""
    page["served_from"] = {"region": "mars", "hops": [1, 2, None]}
    for bucket in page["data"]:
        bucket["revision"] = 7
    for row in _rows(page):
        row |= {"output_smell_tokens": 3, "mood": None, "organization_name": "Northwind Robotics"}


def _unknown_values(page: Json, _fault: FaultOptions, _query: Query) -> None:
    """Use undocumented values of enumerations."""
    novel = {
        "service_tier": "hyper",
        "api_source": "carrier_pigeon",
        "context_level": "ultra",
        "quantity_unit": "sighs",
    }
    for row in _rows(page):
        row |= {name: value for name, value in novel.items() if row.get(name) is not None}


def _second_currency(page: Json, fault: FaultOptions, _query: Query) -> None:
    """Add to every bucket of costs a copy of its first row in `currency` (default eur)."""
    for bucket in page["data"]:
        for row in bucket["results"][:1]:
            amount = {**row["amount"], "currency": fault.option("currency", "eur")}
            bucket["results"].append({**row, "amount": amount})


def _currency(page: Json, fault: FaultOptions, _query: Query) -> None:
    """Set the currency of every amount to `currency` (default null)."""
    for row in _rows(page):
        if row.get("amount"):
            row["amount"]["currency"] = fault.option("currency", None)


CORRUPTIONS: Final[Mapping[str, Callable[[Json, FaultOptions, Query], None]]] = {
    "more_without_cursor": _more_without_cursor,
    "repeated_cursor": _repeated_cursor,
    "endless": _endless,
    "missing_bucket": _missing_bucket,
    "odd_field": _odd_field,
    "odd_row": _odd_row,
    "odd_bucket": _odd_bucket,
    "duplicate_bucket": _duplicate_bucket,
    "foreign_row": _foreign_row,
    "nan": _literal("NaN"),
    "infinity": _literal("Infinity"),
    "amount_string": _amount_string,
    "amount_zero_exponent": _amount_zero_exponent,
    "amount_absent": _amount_absent,
    "null_dimension": _dimension(None),
    "empty_dimension": _dimension(""),
    "duplicate_rows": _duplicate_rows,
    "sparse": _sparse,
    "unknown_fields": _unknown_fields,
    "unknown_values": _unknown_values,
    "second_currency": _second_currency,
    "currency": _currency,
}
"""Every corruption by the kind of its fault."""
