"""What is wrong with the settings, in words that say what to do."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct."""

    where: str
    """The setting's path (`web.listen_address`), a flag, a variable or a file."""
    what: str
    """What is wrong and what to do; never a value that could be a secret."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class SettingsError(Exception):
    """The settings cannot be used; `problems` lists everything that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)
