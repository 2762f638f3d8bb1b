"""The keys of the simulated API and their scopes."""

from dataclasses import dataclass
from typing import Final

USAGE: Final = "api.usage.read"
MANAGEMENT: Final = "api.management.read"

FULL: Final = "sk-admin-simulated-full-7hGt"
"""An admin key that may read everything of the first organization."""
USAGE_ONLY: Final = "sk-admin-simulated-usage-3kLp"
"""A restricted admin key: usage and costs, no names."""
MANAGEMENT_ONLY: Final = "sk-admin-simulated-management-9xZr"
"""A restricted admin key: names and limits, no usage."""
ORDINARY: Final = "sk-proj-simulated-ordinary-0QqR"
"""A project's key, as applications use it: admin endpoints refuse it."""
OTHER_ORGANIZATION: Final = "sk-admin-simulated-other-5vNb"
"""An admin key that may read everything of the second organization."""
SESSION: Final = "sess-simulated-browser-2wEd"
"""What a browser sends to the legacy billing pages."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Organization and scopes of a key."""

    kind: str
    """Its name in the request log."""
    organization: int
    """0 for the first organization, 1 for the second."""
    scopes: frozenset[str] = frozenset()


CREDENTIALS: Final = {
    FULL: Credential("full", 0, frozenset({USAGE, MANAGEMENT})),
    USAGE_ONLY: Credential("usage_only", 0, frozenset({USAGE})),
    MANAGEMENT_ONLY: Credential("management_only", 0, frozenset({MANAGEMENT})),
    ORDINARY: Credential("ordinary", 0),
    OTHER_ORGANIZATION: Credential("other_organization", 1, frozenset({USAGE, MANAGEMENT})),
    SESSION: Credential("session", 0),
}


def redacted(key: str) -> str:
    """Return the key as error messages show it: only its first and last characters."""
    return f"{key[:8]}{'*' * 5}{key[-4:]}" if len(key) > 16 else "*****"  # noqa: PLR2004 -- shorter is all ends
