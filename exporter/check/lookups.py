"""The rows of the metadata table as `check` asks for them: one page of each."""

from collections.abc import Collection
from typing import Final

from exporter.catalog import METADATA, MetadataKind, MetadataResource, Scope

Lookup = MetadataResource

_PAGE_SIZE: Final = "20"
_CONSEQUENCES: Final = {MetadataKind.NAMES: "names stay ids", MetadataKind.LIMITS: "limits are left out"}


def lookups(names: Collection[str]) -> tuple[MetadataResource, ...]:
    """Return the rows of these names, organization-wide ones first, with the lists that others are asked about by."""
    rows = [row for row in METADATA if row.name in names]
    needed = {row.scope.listed_by for row in rows}
    wanted = [row for row in METADATA if row in rows or row.name in needed]
    return tuple(sorted(wanted, key=lambda row: (row.name not in needed, row.scope is not Scope.ORGANIZATION)))


def query_of(row: MetadataResource) -> tuple[tuple[str, str], ...]:
    """Return the query of one small page."""
    return row.query if row.pagination is None else (("limit", _PAGE_SIZE), *row.query)


def consequence_of(row: MetadataResource) -> str:
    """Return what the exporter does when a row cannot be read."""
    return _CONSEQUENCES[row.kind]
