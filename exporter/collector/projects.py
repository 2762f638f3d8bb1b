"""What projects are called."""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Final

from exporter.collector.metadata_jobs import PLACEHOLDERS, UNKNOWN, MetadataContext
from exporter.collector.metrics import PROJECT_INFO
from exporter.collector.name_cache import PROJECT, Facts
from exporter.collector.poller import Status
from exporter.collector.schedule import Outcome
from exporter.exposition import Family
from exporter.openai import BadRequest, Directory, Priority
from exporter.openai.names import PROJECTS, Project

_LOOKUPS: Final = 20
"""Ids, at most, that one poll looks up singly."""

ACTIVE: Final = "active"
ARCHIVED: Final = "archived"
DELETED: Final = "deleted"
_LISTED: Final = "listed"


class ProjectNames:
    """Keeps `openai_project_info`: one series for every project that is listed, was known, or is shown."""

    name = PROJECTS
    priority = Priority.NAMES
    counts = False

    def __init__(
        self,
        context: MetadataContext,
        directory: Directory,
        *,
        interval: float,
        only: Collection[str] = (),
        also: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """`only` narrows what is listed to a filter's projects; `also` gives ids that families without ledgers show."""
        self.interval = interval
        self.status = Status()
        self._context, self._directory = context, directory
        self._only = frozenset(only)
        self._also = also
        self._family: tuple[object, Family] | None = None

    async def poll(self, due: float) -> Outcome:
        """Ask for the list, and singly for what is shown but neither listed nor known to be nowhere."""
        listed = await self._directory.projects(due)
        for project_id in await self._context.run(partial(self._compare, listed)):
            due = self._context.clock.monotonic()
            try:
                found = await self._directory.project(project_id, due)
            except BadRequest:
                found = None
            await self._context.run(partial(self._note, project_id, found))
        return Outcome.DATA

    def having(self, *statuses: str) -> set[str]:
        """Return the projects with one of these statuses."""
        return {id_ for id_, facts in self._context.memory.of(PROJECT).items() if facts.get("status") in statuses}

    def families(self, now: float) -> Iterable[Family]:  # noqa: ARG002 -- names do not age
        """Return the info family, anew only when something changed."""
        state = self._context.memory.revision, self._context.shown.stamp(), frozenset(self._also())
        if self._family is None or self._family[0] != state:
            self._family = state, PROJECT_INFO.family((self._labels(id_), 1.0) for id_ in self._ids())
        yield self._family[1]

    def _shown(self) -> set[str]:
        return self._context.shown.ids("project_id") | set(self._also())

    def _ids(self) -> list[str]:
        known = self._context.memory.of(PROJECT).keys()
        return sorted(self._shown() | {id_ for id_ in known if self._wanted(id_)})

    def _wanted(self, id_: str) -> bool:
        return not self._only or id_ in self._only

    def _labels(self, id_: str) -> tuple[str, ...]:
        facts = self._context.memory.of(PROJECT).get(id_, {})
        name = self._context.name(facts.get("name"))
        return self._context.organization, id_, name or id_, facts.get("status") or UNKNOWN

    def _compare(self, listed: list[Project]) -> list[str]:
        """Take the list over; return what has to be looked up."""
        present = {project.id: project for project in listed}
        shown = self._shown()
        for id_, project in present.items():
            if self._wanted(id_) or id_ in shown:
                self._learn(id_, _facts(project, listed=True))
        known = self._context.memory.of(PROJECT)
        for id_, facts in list(known.items()):
            if id_ not in present and facts.get(_LISTED):
                self._learn(id_, {**facts, "status": DELETED})
        return sorted(shown - known.keys() - PLACEHOLDERS)[:_LOOKUPS]

    def _note(self, id_: str, found: Project | None) -> None:
        self._learn(id_, _facts(found or Project(id_, status=DELETED), listed=False))

    def _learn(self, id_: str, facts: Facts) -> None:
        if self._context.memory.learn(PROJECT, id_, {**facts, "name": self._context.name(facts["name"])}):
            self.status.last_change = self._context.clock.now()


def _facts(project: Project, *, listed: bool) -> Facts:
    return {"name": project.name or "", "status": project.status or UNKNOWN, _LISTED: "yes" if listed else ""}
