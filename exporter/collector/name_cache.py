"""Last known names of everything that has an id, kept across restarts, and the masking of personal data in them."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from exporter.store import Name

Facts = Mapping[str, str]

_ADDRESS: Final = re.compile(r"([^\s@<>()\[\]\",;:])[^\s@<>()\[\]\",;:]*@[^\s@<>()\[\]\",;:]+")


def masked(text: str) -> str:
    """Return a text in which everything that looks like an e-mail address is `m***@***`."""
    return _ADDRESS.sub(r"\1***@***", text)


class NameCache:
    """The last known facts of one organization's projects, keys and users. Nothing is ever forgotten."""

    def __init__(self, organization: str, names: Iterable[Name] = ()) -> None:
        """Take what the state remembers."""
        self._organization = organization
        self._facts: dict[str, dict[str, Facts]] = {}
        self._unsaved: dict[tuple[str, str], Facts] = {}
        self.revision = 0
        """Counts the changes."""
        for name in names:
            self._facts.setdefault(name.kind, {})[name.id] = name.facts

    def of(self, kind: str) -> Mapping[str, Facts]:
        """Return the facts of everything of a kind (`project`, `api_key`, `user`), by id."""
        return self._facts.get(kind, {})

    def learn(self, kind: str, id_: str, facts: Facts) -> bool:
        """Replace older facts, and return whether anything changed."""
        known = self._facts.setdefault(kind, {})
        if known.get(id_) == facts:
            return False
        known[id_] = self._unsaved[kind, id_] = facts
        self.revision += 1
        return True

    def unsaved(self) -> list[Name]:
        """Return what has changed since it was last saved."""
        return [Name(self._organization, kind, id_, facts) for (kind, id_), facts in self._unsaved.items()]

    def saved(self) -> None:
        """Record that everything is on disk."""
        self._unsaved.clear()
