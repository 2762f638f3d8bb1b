"""What API keys are called, when they were last used and when they expire."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from exporter.catalog import DAY
from exporter.collector.metadata_jobs import PLACEHOLDERS, UNKNOWN, MetadataContext, PerProjectJob, Rotation
from exporter.collector.metrics import (
    ADMIN_API_KEY_EXPIRES,
    ADMIN_API_KEY_INFO,
    ADMIN_API_KEY_LAST_USED,
    API_KEY_EXPIRES,
    API_KEY_INFO,
    API_KEY_LAST_USED,
)
from exporter.collector.name_cache import API_KEY
from exporter.collector.poller import Status
from exporter.collector.schedule import Outcome
from exporter.exposition import Family
from exporter.openai import Directory, Priority
from exporter.openai.names import ADMIN_API_KEYS, API_KEYS, ApiKey

_SEARCHED: Final = DAY
"""Seconds after which the projects without usage are searched again for keys of which no project is known."""


class ApiKeys:
    """Keeps the families of project keys: every key of the projects that are asked about, and every one shown."""

    def __init__(
        self,
        context: MetadataContext,
        rotation: Rotation,
        *,
        in_use: Callable[[], Collection[str]],
        listed: Callable[[], Collection[str]],
    ) -> None:
        """Take which projects have usage, and which there are: both are called on the ledgers' thread."""
        self._context, self._rotation = context, rotation
        self._searches = Rotation(_SEARCHED, 1 << 30)
        self._in_use, self._listed = in_use, listed
        self._keys: dict[str, tuple[ApiKey, ...]] = {}
        self._revision = 0
        self._stamp: object = None
        self._state: object = None
        self._infos: dict[str, tuple[str, str]] = {}
        self._made: list[Family] = []

    def job(self, directory: Directory, interval: float) -> PerProjectJob[list[ApiKey]]:
        """Return what asks about one project after the other."""
        return PerProjectJob(
            API_KEYS,
            self._context,
            self._rotation,
            interval=interval,
            priority=Priority.NAMES,
            due=self._due,
            ask=directory.api_keys,
            keep=self._keep,
        )

    def project_ids(self) -> set[str]:
        """Return the project of every key that has an info series."""
        self._refresh()
        return {project_id for project_id, _ in self._infos.values()}

    def families(self, now: float) -> Iterable[Family]:  # noqa: ARG002 -- names do not age
        """Return info, last use and expiry."""
        self._refresh()
        return self._made

    def _refresh(self) -> None:
        """Make everything anew if a key, its project or its facts have changed."""
        shown = self._context.shown
        stamp = self._revision, self._context.memory.revision, shown.stamp()
        if self._stamp == stamp:
            return
        self._stamp = stamp
        state = *stamp[:2], shown.ids("api_key_id"), self._owners()
        if self._state != state:
            self._state, self._infos = state, self._find()
            self._made = list(self._make())

    def _make(self) -> Iterable[Family]:
        organization = self._context.organization
        known = self._context.memory.of(API_KEY)
        yield API_KEY_INFO.family(
            ((organization, project_id, id_, name, known.get(id_, {}).get("owner_type") or UNKNOWN), 1.0)
            for id_, (project_id, name) in sorted(self._infos.items())
        )
        times = {key.id: (project_id, key) for project_id, keys in sorted(self._keys.items()) for key in keys}
        for described, attribute in ((API_KEY_LAST_USED, "last_used_at"), (API_KEY_EXPIRES, "expires_at")):
            yield described.family(
                ((organization, project_id, id_), time)
                for id_, (project_id, key) in sorted(times.items())
                if (time := getattr(key, attribute)) is not None
            )

    def _find(self) -> dict[str, tuple[str, str]]:
        """Return project and name of every key that is listed or shown."""
        known = self._context.memory.of(API_KEY)
        owners = self._owners()
        listed = {key.id: project_id for project_id, keys in self._keys.items() for key in keys}
        infos = {}
        for id_ in listed.keys() | self._context.shown.ids("api_key_id"):
            facts = known.get(id_, {})
            project_id = listed.get(id_) or facts.get("project_id") or owners.get(id_) or UNKNOWN
            infos[id_] = project_id, self._context.name(facts.get("name")) or id_
        return infos

    def _owners(self) -> Mapping[str, str]:
        """Return the project of each key, as far as usage that is grouped by both tells it."""
        pairs = self._context.shown.values("api_key_id", "project_id")
        return {key: project for key, project in sorted(pairs) if project not in PLACEHOLDERS}

    def _due(self, now: float) -> list[str]:
        known = self._context.memory.of(API_KEY)
        owners = self._owners()
        unnamed = self._context.shown.ids("api_key_id") - known.keys() - PLACEHOLDERS
        in_use, listed = set(self._in_use()), set(self._listed())
        wanted = in_use or listed
        if unnamed - owners.keys():
            wanted |= set(self._searches.due(listed, now))
        kept = {project_id: keys for project_id, keys in self._keys.items() if project_id in in_use | listed}
        self._revision += len(kept) != len(self._keys)
        self._keys = kept
        urgent = {owners[key] for key in unnamed if key in owners} | set(self._rotation.never(in_use))
        return self._rotation.due(wanted, now, urgent)

    def _keep(self, project_id: str, keys: list[ApiKey], now: float) -> bool:
        self._searches.read(project_id, now)
        changed = self._keys.get(project_id) != tuple(keys)
        self._keys[project_id] = tuple(keys)
        for key in keys:
            facts = {
                "name": self._context.name(key.name),
                "project_id": project_id,
                "owner_type": (key.owner.type if key.owner else None) or UNKNOWN,
            }
            self._context.memory.learn(API_KEY, key.id, facts)
        self._revision += changed
        return changed


class AdminApiKeys:
    """Keeps the families of admin keys. A deleted one has no series: no metric shows it."""

    name = ADMIN_API_KEYS
    priority = Priority.NAMES
    counts = False

    def __init__(self, context: MetadataContext, directory: Directory, *, interval: float) -> None:
        self.interval = interval
        self.status = Status()
        self._context, self._directory = context, directory
        self._keys: dict[str, ApiKey] = {}

    async def poll(self, due: float) -> Outcome:
        """Ask for the list."""
        listed = {key.id: key for key in await self._directory.admin_api_keys(due)}
        if listed != self._keys:
            self.status.last_change = self._context.clock.now()
        self._keys = listed
        return Outcome.DATA

    def families(self, now: float) -> Iterable[Family]:  # noqa: ARG002 -- names do not age
        """Return info, last use and expiry."""
        organization, keys = self._context.organization, self._keys.values()
        yield ADMIN_API_KEY_INFO.family(
            ((organization, key.id, self._context.name(key.name) or key.id), 1.0) for key in keys
        )
        for described, attribute in ((ADMIN_API_KEY_LAST_USED, "last_used_at"), (ADMIN_API_KEY_EXPIRES, "expires_at")):
            yield described.family(
                ((organization, key.id), time) for key in keys if (time := getattr(key, attribute)) is not None
            )
