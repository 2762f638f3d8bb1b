"""What is checked, which requests that takes, and what is found: one organization as it is configured."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from exporter.catalog import METADATA, MetadataKind, MetadataResource, Plan, Scope
from exporter.redaction import KeyKind


class Grade(Enum):
    """How severe a finding is; the value is shown in the report."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; usage and costs can be read all the same."""
    UNSUPPORTED = "unsupported"
    """The host does not have the endpoint, and `run` goes on without it."""
    NOT_ASKED = "not asked"
    FAILED = "failed"
    """Usage or costs cannot be read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    grade: Grade
    topic: str
    """The resource, or `clock`, `organization`."""
    message: str
    """What was found. Holds no key."""
    advice: str = ""
    """What to do; empty when there is nothing to do."""


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


KEY_DESCRIPTIONS: Final[Mapping[KeyKind, str]] = {
    KeyKind.ADMIN: "an admin key",
    KeyKind.ORDINARY: "an ordinary key, as applications use it",
    KeyKind.SESSION: "a browser's session token",
    KeyKind.UNKNOWN: "not a key that OpenAI issues",
}
REFUSED_KEYS: Final = frozenset({KeyKind.ORDINARY, KeyKind.SESSION})
"""The kinds that the Admin API never accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTarget:
    """One organization, and what is known of it before the first request."""

    name: str
    base_url: str
    plans: tuple[Plan, ...]
    lookups: tuple[Lookup, ...] = ()
    key: Callable[[], str] = field(repr=False)
    key_origin: str
    """Where the key comes from: the name of a variable or of a file."""
    organization_id: str = ""
    """What is sent as `OpenAI-Organization`; empty for nothing."""
    project_ids: tuple[str, ...] = ()
    """The filter on projects; empty for none."""
    proxied: bool = False
    patience: float = 90.0
    """Seconds for one endpoint, retries and waits included."""

    @property
    def key_kind(self) -> KeyKind:
        """The kind of the key by its prefix; `UNKNOWN` when it cannot be read."""
        try:
            return KeyKind.of(self.key().strip())
        except OSError:
            return KeyKind.UNKNOWN
