"""Which users there are: their roles, and their names where personal data is switched on."""

from collections.abc import Iterable, Mapping
from functools import partial

from exporter.exposition import Family
from exporter.organization.annex_jobs import UNKNOWN, AnnexSurroundings
from exporter.organization.described import USER_INFO
from exporter.organization.job import Status
from exporter.organization.known_names import USER
from exporter.organization.schedule import Outcome
from exporter.upstream import Directory, Priority
from exporter.upstream.names import USERS, User


class Users:
    """Keeps `openai_user_info`: one series for every user that is listed or shown."""

    name = USERS
    priority = Priority.NAMES
    counts = False

    def __init__(self, around: AnnexSurroundings, directory: Directory, *, interval: float) -> None:
        self.interval = interval
        self.status = Status()
        self._around, self._directory = around, directory
        self._listed: frozenset[str] = frozenset()

    async def poll(self, due: float) -> Outcome:
        """Ask for the list."""
        users = await self._directory.users(due)
        if await self._around.run(partial(self._learn, users)):
            self.status.last_change = self._around.clock.now()
        return Outcome.DATA

    def families(self, now: float) -> Iterable[Family]:  # noqa: ARG002 -- names do not age
        """Return the info family."""
        known = self._around.memory.of(USER)
        ids = sorted(self._listed | self._around.shown.ids("user_id"))
        yield USER_INFO.family((self._labels(id_, known.get(id_, {})), 1.0) for id_ in ids)

    def _labels(self, id_: str, facts: Mapping[str, str]) -> tuple[str, ...]:
        labels = (self._around.organization, id_, facts.get("role") or UNKNOWN)
        return (*labels, facts.get("name") or id_) if self._around.personal_data else labels

    def _learn(self, users: list[User]) -> bool:
        listed = frozenset(user.id for user in users)
        changed = listed != self._listed
        self._listed = listed
        for user in users:
            facts = {"role": user.role or ""}
            if self._around.personal_data:
                facts["name"] = user.name or ""
            changed |= self._around.memory.learn(USER, user.id, facts)
        return changed
