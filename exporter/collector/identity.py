"""Which OpenAI organization a state belongs to, by the response header `openai-organization`."""

from collections.abc import Collection
from typing import Final

from exporter.openai import Forbidden, InvalidResponse

_ID_PREFIX: Final = "org-"
_IN_A_ROW: Final = 2
"""After how many polls in a row that name another id a resource stops applying polls."""


class OrganizationChanged(Forbidden):  # named as its base is
    """The key belongs to another organization than the state."""

    advice_text = (
        "Configure the key of the organization that this state belongs to. For another organization use another name "
        "or another state.path. If both ids are the same organization, list them in state.same_organization."
    )


class ForeignOrganization(InvalidResponse):  # named as its base is
    """A response of another organization, seen once: it may come from a faulty gateway."""

    advice_text = "Nothing, if it passes: the poll is repeated, and not applied."


class OrganizationIdentity:
    """Compares the organization of each response with the one that the state remembers.

    The header holds an id (`org-...`) or a slug, and may change from one to the other for one key. Only two ids
    contradict each other.
    """

    def __init__(self, known: str, same: Collection[str] = ()) -> None:
        """Take what the state remembers, empty for nothing, and ids that are one and the same organization."""
        self.known = known
        """The id; a slug or nothing until a response had an id."""
        self._same = frozenset(same)
        self._contradictions: dict[str, int] = {}

    def admit(self, resource: str, answered: str) -> None:
        """Learn from a response that may be applied.

        Raises ForeignOrganization when a resource sees another organization's id for the first time, and
        OrganizationChanged when it sees one again in its next poll.
        """
        if not answered:
            return
        ids = {answered, self.known}
        if len(ids) > 1 and all(map(_is_id, ids)) and not ids <= self._same:
            count = self._contradictions[resource] = self._contradictions.get(resource, 0) + 1
            message = f"the response belongs to {answered}, but the state to {self.known}: nothing is applied"
            raise OrganizationChanged(message) if count >= _IN_A_ROW else ForeignOrganization(message)
        self._contradictions.pop(resource, None)
        if not self.known or _is_id(answered):
            self.known = answered


def _is_id(text: str) -> bool:
    return text.startswith(_ID_PREFIX)
