"""Whom to examine: one organization as it is configured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.catalog import Plan
from exporter.check.lookups import Lookup
from exporter.redaction import KeyKind

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
    """One organization, and what is known of it before it is asked."""

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
