"""The enabled rows of the metadata table: their jobs, and the sources of their families."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from exporter.catalog import METADATA, MINUTE, MetadataResource, PollInterval, Scope
from exporter.clock import Clock
from exporter.collector.label_index import PLACEHOLDERS
from exporter.collector.metadata_families import Budgets, MetadataContext, MetadataSource, RememberedSource
from exporter.collector.metadata_jobs import OrganizationJob, PerParentJob, Rotation
from exporter.collector.poller import Job, Source
from exporter.openai import BACKGROUND_SHARE, Entry, MetadataClient, Runner

_ROTATING_SHARE: Final = 0.8
"""What the rows that are asked project by project may take, together, of the rate of names and limits."""

_ROTATING_LEAST: Final = 4
"""The number of such rows up to which each has the same share."""

_ACTIVE: Final = "active"
_ARCHIVED: Final = "archived"
_DELETED: Final = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataPlan:
    """Which rows of the metadata table are polled, and how often."""

    resources: frozenset[str] = frozenset()
    """Names of rows."""
    personal_data: bool = False
    """Whether names of users, and names that look like e-mail addresses, may be shown."""
    budget: float | None = None
    """US dollars a month."""
    project_budgets: Mapping[str, float] = field(default_factory=dict)
    """US dollars a month, by project."""
    project_ids: tuple[str, ...] = ()
    """The filter of the organization, empty for all."""
    requests_per_minute: float = 60.0
    """The rate of the organization."""
    intervals: Mapping[PollInterval, float] = field(
        default_factory=lambda: {
            PollInterval.DIRECTORY: 15.0 * MINUTE,
            PollInterval.COSTS: 5.0 * MINUTE,
            PollInterval.LIMITS: 60.0 * MINUTE,
        }
    )
    """Seconds from the start of a poll to the start of the next."""
    stale_after: float = 21600.0
    """Seconds without an answer after which limits are no longer shown."""

    @property
    def rows(self) -> tuple[MetadataResource, ...]:
        """What is polled, in the order of the table."""
        return tuple(row for row in METADATA if row.name in self.resources)


class Metadata:
    """The jobs and sources of one organization that have no ledger."""

    def __init__(
        self,
        metadata_plan: MetadataPlan,
        context: MetadataContext,
        client: MetadataClient,
        clock: Clock,
        run: Runner,
        *,
        polled_once: Callable[[], bool],
    ) -> None:
        """Build what is polled. `polled_once`: whether every ledger was polled, so that the ids in use are known."""
        self.jobs: list[Job] = []
        self.sources: list[Source] = []
        self._plan, self._context = metadata_plan, context
        self._by_name: dict[str, MetadataSource] = {}
        for row in metadata_plan.rows:
            interval = metadata_plan.intervals[row.interval]
            if row.scope is Scope.ORGANIZATION:
                source = self._source(row, None)
                self.jobs.append(OrganizationJob(row, source, client, clock, run, interval=interval))
            else:
                rotation = Rotation(interval, self._quota(interval))
                source = self._source(row, rotation)
                job = PerParentJob(
                    row, source, client, clock, run, interval=interval, rotation=rotation, ready=polled_once
                )
                self.jobs.append(job)
            self._by_name[row.name] = source
            self.sources.append(source)
        if metadata_plan.budget is not None or metadata_plan.project_budgets:
            self.sources.append(Budgets(context.organization, metadata_plan.budget, metadata_plan.project_budgets))

    def _source(self, row: MetadataResource, rotation: Rotation | None) -> MetadataSource:
        stale_after = self._plan.stale_after
        if not row.remembered:
            return MetadataSource(
                row,
                self._context,
                stale_after=stale_after,
                rotation=rotation,
                parents=self._parents(row),
                parent_entries=partial(self._listed, row.scope.listed_by),
            )
        is_parent = row.name == Scope.PROJECT.listed_by
        return RememberedSource(
            row,
            self._context,
            stale_after=stale_after,
            rotation=rotation,
            parents=partial(self._in_use, _DELETED) if rotation else lambda: ("",),
            only=self._plan.project_ids if is_parent else (),
            also_shown=self._project_ids if is_parent else tuple,
            all_parents=partial(self._having, _ACTIVE),
        )

    def _parents(self, row: MetadataResource) -> Callable[[], Collection[str]]:
        match row.scope:
            case Scope.ORGANIZATION:
                return lambda: ("",)
            case Scope.PROJECT:
                return lambda: self._in_use(_DELETED, _ARCHIVED) or self._having(_ACTIVE)
            case Scope.GROUP:
                return lambda: self._listed(row.scope.listed_by).keys()

    def _quota(self, interval: float) -> int:
        """Return about how many projects a poll may ask about in its share of the rate of names and limits."""
        rotating = sum(row.scope is not Scope.ORGANIZATION for row in self._plan.rows)
        share = _ROTATING_SHARE / max(rotating, _ROTATING_LEAST)
        return max(int(share * BACKGROUND_SHARE * self._plan.requests_per_minute * interval / MINUTE), 1)

    def _in_use(self, *excluded: str) -> set[str]:
        label = Scope.PROJECT.value
        return self._context.shown.ids(label) - PLACEHOLDERS - self._having(*excluded)

    def _having(self, *statuses: str) -> set[str]:
        source = self._by_name.get(Scope.PROJECT.listed_by)
        return source.having(*statuses) if isinstance(source, RememberedSource) else set()

    def _listed(self, name: str) -> dict[str, Entry]:
        source = self._by_name.get(name)
        return source.entries() if source else {}

    def _project_ids(self) -> set[str]:
        """Return the projects that families without ledgers show."""
        found = set(self._plan.project_budgets)
        for source in self._by_name.values():
            if isinstance(source, RememberedSource) and source.row.scope is Scope.PROJECT:
                found |= source.parents_shown()
        return found
