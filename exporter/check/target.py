"""Whom to examine: one organization as it is configured."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from exporter.catalog import Plan
from exporter.check.lookups import Lookup


class KeyKind(Enum):
    """What a key is by its first letters, in words."""

    ADMIN = "an admin key"
    ORDINARY = "an ordinary key, as applications use it"
    SESSION = "a browser's session token"
    UNKNOWN = "unlike any key of OpenAI's"

    @classmethod
    def of(cls, key: str) -> "KeyKind":
        """Return the kind of a key."""
        for prefix, kind in (("sk-admin-", cls.ADMIN), ("sk-", cls.ORDINARY), ("sess-", cls.SESSION)):
            if key.startswith(prefix):
                return kind
        return cls.UNKNOWN

    @property
    def hopeless(self) -> bool:
        """Whether the Admin API answers no key of this kind."""
        return self in {KeyKind.ORDINARY, KeyKind.SESSION}


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
        """What the key is, as far as its first letters tell; `UNKNOWN` when it cannot be read."""
        try:
            return KeyKind.of(self.key().strip())
        except OSError:
            return KeyKind.UNKNOWN
