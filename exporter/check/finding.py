"""What was found out about one endpoint, or about the organization as a whole."""

from dataclasses import dataclass
from enum import Enum


class Grade(Enum):
    """How bad it is, in the word that the report shows."""

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
    words: str
    """What is so. Holds no key."""
    advice: str = ""
    """What to do; empty when there is nothing to do."""
