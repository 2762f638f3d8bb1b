"""Which users there are: their roles, and their names where personal data is switched on."""

from collections.abc import Iterable, Mapping
from functools import partial

from exporter.collector.metadata_jobs import UNKNOWN, MetadataContext
from exporter.collector.metrics import USER_INFO
from exporter.collector.name_cache import USER
from exporter.collector.poller import Status
from exporter.collector.schedule import Outcome
from exporter.exposition import Family
from exporter.openai import Directory, Priority
from exporter.openai.names import USERS, User


class Users:
    """Keeps `openai_user_info`: one series for every user that is listed or shown."""

    name = USERS
    priority = Priority.NAMES
    counts = False

    def __init__(self, context: MetadataContext, directory: Directory, *, interval: float) -> None:
        self.interval = interval
        self.status = Status()
        self._context, self._directory = context, directory
        self._listed: frozenset[str] = frozenset()

    async def poll(self, due: float) -> Outcome:
        """Ask for the list."""
        users = await self._directory.users(due)
        if await self._context.run(partial(self._learn, users)):
            self.status.last_change = self._context.clock.now()
        return Outcome.DATA

    def families(self, now: float) -> Iterable[Family]:  # noqa: ARG002 -- names do not age
        """Return the info family."""
        known = self._context.memory.of(USER)
        ids = sorted(self._listed | self._context.shown.ids("user_id"))
        yield USER_INFO.family((self._labels(id_, known.get(id_, {})), 1.0) for id_ in ids)

    def _labels(self, id_: str, facts: Mapping[str, str]) -> tuple[str, ...]:
        labels = (self._context.organization, id_, facts.get("role") or UNKNOWN)
        return (*labels, facts.get("name") or id_) if self._context.personal_data else labels

    def _learn(self, users: list[User]) -> bool:
        listed = frozenset(user.id for user in users)
        changed = listed != self._listed
        self._listed = listed
        for user in users:
            facts = {"role": user.role or ""}
            if self._context.personal_data:
                facts["name"] = user.name or ""
            changed |= self._context.memory.learn(USER, user.id, facts)
        return changed
