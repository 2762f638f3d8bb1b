"""Reads the rows of the metadata table: which request each takes, and what of its answer is used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final
from urllib.parse import quote

import msgspec

from exporter.catalog import MetadataKind, MetadataResource
from exporter.openai import errors
from exporter.openai.client import Client, Observer
from exporter.openai.rate_limiter import Priority
from exporter.openai.responses import ObjectDecoder, Rejections

_MAX_OBJECT: Final = 1 << 20
"""Bytes of a single object."""

PRIORITIES: Final = {MetadataKind.NAMES: Priority.NAMES, MetadataKind.LIMITS: Priority.LIMITS}


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of an answer: what the row of the table reads of it, as far as it is there."""

    id: str = ""
    """Empty where the answer is one object."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """By API field; booleans as `true` and `false`."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """By API field, as the API writes them: Unix seconds, cents, requests."""


class MetadataClient:
    """Asks for the rows of the table. Every method raises UpstreamError; `due` is in seconds of monotonic time."""

    def __init__(self, client: Client, observer: Observer) -> None:
        self._client = client
        self._observer = observer

    async def fetch(self, row: MetadataResource, due: float, parent: str = "") -> tuple[Entry, ...]:
        """Return what the row's endpoint has, about one project or group where its scope says so; nothing for 404."""
        path = row.path.format_map({row.scope.value: quote(parent, safe="")})
        if row.pagination is None:
            entry = await self._object(row, path, due)
            return () if entry is None else (entry,)
        found = await self._client.listing(
            path,
            row.query,
            _type_of(row),
            row.pagination,
            row.page_size,
            resource=row.name,
            priority=PRIORITIES[row.kind],
            due=due,
            optional=row.optional,
        )
        entries = (_entry(row, each) for each in found)
        return tuple({entry.id: entry for entry in entries if entry.id}.values())

    async def look_up(self, row: MetadataResource, id_: str, due: float) -> Entry | None:
        """Return a single entry of a list, None where there is none of this id."""
        found = await self._client.get_json(
            f"{row.path}/{quote(id_, safe='')}",
            resource=row.name,
            priority=PRIORITIES[row.kind],
            due=due,
            optional=True,
            expected=True,
            read=partial(_read, row),
        )
        return None if found is None else self._checked(row, found)

    async def _object(self, row: MetadataResource, path: str, due: float) -> Entry | None:
        try:
            found = await self._client.get_json(
                path,
                row.query,
                resource=row.name,
                priority=PRIORITIES[row.kind],
                due=due,
                optional=row.optional,
                read=partial(_read, row),
            )
        except errors.Forbidden as error:
            if not row.legacy:
                raise
            raise errors.BrowserOnly(error.message, status=error.status, request_id=error.request_id) from None
        return None if found is None else self._checked(row, found)

    def _checked(self, row: MetadataResource, found: tuple[Entry | None, Rejections]) -> Entry:
        entry, rejections = found
        if entry is None or not (entry.texts or entry.numbers):
            expected = ", ".join((*row.text_fields, *row.number_fields))
            error = errors.InvalidResponse(f"the response is not an object with any of {expected}")
            self._observer.error(row.name, error)
            raise error
        self._observer.rejected(row.name, rejections)
        return entry


def _read(row: MetadataResource, body: bytes) -> tuple[Entry | None, Rejections]:
    if len(body) > _MAX_OBJECT:
        raise errors.InvalidResponse(f"an object of more than {_MAX_OBJECT >> 20} MiB")
    rejections = Rejections()
    found = ObjectDecoder(_type_of(row)).decode(body, rejections)
    return None if found is None else _entry(row, found), rejections


@cache
def _type_of(row: MetadataResource) -> type[msgspec.Struct]:
    """Return the type of the objects of an answer: what the row reads of them, the id alone required in lists."""
    fields: dict[str, Any] = {}
    for name in row.text_fields:
        _add(fields, name.split("."), str | bool | None)
    for name in row.number_fields:
        _add(fields, name.split("."), float | None)
    ids: list[tuple[str, Any]] = [] if row.pagination is None else [(row.id_field, str)]
    return _struct(row.name, ids, fields)


def _add(fields: dict[str, Any], path: list[str], kind: object) -> None:
    *outer, last = path
    for part in outer:
        fields = fields.setdefault(part, {})
    fields[last] = kind


def _struct(name: str, required: list[tuple[str, Any]], fields: dict[str, Any]) -> type[msgspec.Struct]:
    optional = [
        (key, (_struct(f"{name}_{key}", [], kind) | None) if isinstance(kind, dict) else kind, None)
        for key, kind in fields.items()
    ]
    return msgspec.defstruct(name, [*required, *optional])


def _entry(row: MetadataResource, found: msgspec.Struct) -> Entry:
    texts = {name: _text(value) for name in row.text_fields if (value := _at(found, name)) not in {None, ""}}
    numbers = {name: value for name in row.number_fields if (value := _at(found, name)) is not None}
    return Entry("" if row.pagination is None else getattr(found, row.id_field), texts, numbers)


def _at(found: Any, name: str) -> Any:  # noqa: ANN401 -- a field of a type that is made from the table
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
