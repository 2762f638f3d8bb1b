"""Families that do not come from buckets: what was last read of each row of the metadata table, and budgets."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from exporter.catalog import (
    DAY,
    METADATA,
    UNKNOWN,
    US_DOLLARS,
    EntryLabel,
    MetadataFamily,
    MetadataKind,
    MetadataResource,
    Scope,
    ValueKind,
)
from exporter.collector.label_index import PLACEHOLDERS, LabelIndex
from exporter.collector.metadata_jobs import Rotation
from exporter.collector.name_cache import Facts, NameCache, masked
from exporter.exposition import Family, of_samples
from exporter.openai import Entry

_CENTS: Final = 100
_NO_RATE_LIMIT: Final = 2**31 - 1
_DELETED: Final = "deleted"
_LISTED: Final = "listed"
_REMEMBERED: Final = 100_000
"""Names of one kind; beyond, only those are remembered that metrics show."""

_SEARCH_INTERVAL: Final = DAY
"""Seconds after which the projects without usage are searched again for keys of which no project is known."""

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetricDesc:
    """A gauge, as the reference describes it."""

    name: str
    labels: Labels
    help: str
    optional: Labels = ()
    """Further labels, when the settings ask for them."""
    type: str = "gauge"

    def family(self, samples: Iterable[tuple[Sequence[str], float]]) -> Family:
        """Return the family with these samples; label values are in the order of the labels."""
        names = (*self.labels, *self.optional)
        return of_samples(
            self.name, self.help, ((dict(zip(names, values, strict=False)), value) for values, value in samples)
        )


def _described(row: MetadataResource, family: MetadataFamily) -> MetricDesc:
    labels = row.labels(family)
    return MetricDesc(family.name, labels, row.help(family), row.labels(family, personal=True)[len(labels) :])


ORGANIZATION_BUDGET: Final = MetricDesc(
    "openai_organization_budget_usd",
    ("organization",),
    "Budget of the organization, US dollars a month (budgets.monthly_usd of the settings).",
)
PROJECT_BUDGET: Final = MetricDesc(
    "openai_project_budget_usd",
    ("organization", "project_id"),
    "Budget of the project, US dollars a month (budgets.projects of the settings).",
)

ALL: Final = (
    *(_described(row, family) for row in METADATA for family in row.families),
    ORGANIZATION_BUDGET,
    PROJECT_BUDGET,
)
"""Every family without buckets, in the order of the reference."""


@dataclass(frozen=True, slots=True)
class MetadataContext:
    """What the sources of one organization share."""

    organization: str
    memory: NameCache
    shown: LabelIndex
    personal_data: bool = False

    def name(self, text: str) -> str:
        """Return a name as it may be shown."""
        return text if self.personal_data else masked(text)


class MetadataSource:
    """What was last read of one row of the table, as families. For the thread that owns the ledgers."""

    def __init__(
        self,
        row: MetadataResource,
        context: MetadataContext,
        *,
        stale_after: float,
        rotation: Rotation | None = None,
        parents: Callable[[], Collection[str]] = lambda: ("",),
        parent_entries: Callable[[], Mapping[str, Entry]] = dict,
    ) -> None:
        """Take where the projects or groups come from that are asked about.

        `stale_after`: seconds without an answer after which limits are no longer shown, a whole round of the rotation
        not included.
        """
        self.row, self._context = row, context
        self._stale_after, self._rotation, self._parents = stale_after, rotation, parents
        self._parent_entries = parent_entries
        self._read: dict[str, tuple[float, tuple[Entry, ...]]] = {}
        self._version = 0
        self._made: tuple[object, list[Family]] = (None, [])
        self._foreign: set[str] = set()
        self._log = structlog.get_logger("poll").bind(organization=context.organization, resource=row.name)

    def due(self, now: float) -> list[str]:
        """Return the projects or groups to ask about now, and forget those that do not count any more."""
        parents = self._retain(self._parents())
        return self._rotation.due(parents, now) if self._rotation else list(parents)

    def take(self, parent: str, answer: tuple[Entry, ...], now: float) -> bool:
        """Replace what was known of a project or group (of the organization: ""), and return whether it changed."""
        before = self._read.get(parent)
        changed = before is None or before[1] != answer
        self._read[parent] = now, answer
        self._version += changed
        self._warn_of_currencies(parent, answer)
        return changed

    def unresolved(self) -> list[str]:
        """Return nothing: only what is remembered is looked up."""
        return []

    def resolve(self, id_: str, entry: Entry | None) -> bool:  # noqa: ARG002 -- only what is remembered is looked up
        """Change nothing."""
        return False

    def entries(self) -> dict[str, Entry]:
        """Return everything that is listed, by its id."""
        return {entry.id: entry for _, entries in self._read.values() for entry in entries}

    def families(self, now: float) -> Iterable[Family]:
        """Return the families of the row, built again only when something changed."""
        fresh = self._fresh(now)
        state = self._version, tuple(fresh), self._state()
        if self._made[0] != state:
            self._made = state, list(self._make(fresh))
        return self._made[1]

    def _state(self) -> object:
        """Return what the families depend on, apart from the entries."""
        return self._parent_entries()

    def _make(self, fresh: Mapping[str, tuple[Entry, ...]]) -> Iterator[Family]:
        for family in self.row.families:
            yield self._family(family, ((parent, entry) for parent, found in fresh.items() for entry in found))

    def _family(self, family: MetadataFamily, entries: Iterable[tuple[str, Entry]]) -> Family:
        samples = {
            self._labels(family, parent, entry): value
            for parent, entry in entries
            if (value := _value(family, entry)) is not None
        }
        return _described(self.row, family).family(samples.items())

    def _labels(self, family: MetadataFamily, parent: str, entry: Entry) -> Labels:
        ids = (
            self._context.organization,
            *((parent,) if self.row.scope.value else ()),
            *((entry.id,) if self.row.id_label else ()),
        )
        parents = self._parent_entries() if any(label.of_parent for label in family.labels) else {}
        return ids + tuple(
            self._text(label, parents.get(parent, Entry(parent)) if label.of_parent else entry)
            for label in family.labels
            if self._context.personal_data or not label.personal
        )

    def _text(self, label: EntryLabel, entry: Entry) -> str:
        text = entry.texts.get(label.field, "")
        return (self._context.name(text) or entry.id) if label.is_name else (text or UNKNOWN)

    def _fresh(self, now: float) -> dict[str, tuple[Entry, ...]]:
        parents = self._parents()
        oldest = float("-inf")
        if self.row.kind is MetadataKind.LIMITS:
            oldest = now - self._stale_after - (self._rotation.round(len(parents)) if self._rotation else 0)
        return {
            parent: entries
            for parent, (read, entries) in sorted(self._read.items())
            if parent in parents and read > oldest
        }

    def _retain(self, parents: Collection[str]) -> Collection[str]:
        kept = {parent: known for parent, known in self._read.items() if parent in parents}
        self._version += len(kept) != len(self._read)
        self._read = kept
        return parents

    def _warn_of_currencies(self, parent: str, entries: Iterable[Entry]) -> None:
        if parent in self._foreign or all(family.value is not ValueKind.US_CENTS for family in self.row.families):
            return
        currencies = {entry.texts.get("currency", "none") for entry in entries if not _in_us_dollars(entry)}
        if currencies:
            self._foreign.add(parent)
            self._log.warning(
                "limit_currency_unsupported",
                owner=parent or "organization",
                currencies=sorted(currencies),
                detail="only limits in US dollars are exported",
            )


class RememberedSource(MetadataSource):
    """A row whose first family has exactly one series for every id that any metric shows.

    Last known names are kept in the state, so that a deleted key keeps its name.
    """

    def __init__(
        self,
        row: MetadataResource,
        context: MetadataContext,
        *,
        stale_after: float,
        rotation: Rotation | None = None,
        parents: Callable[[], Collection[str]] = lambda: ("",),
        only: Collection[str] = (),
        also_shown: Callable[[], Collection[str]] = tuple,
        all_parents: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """Take what narrows and what widens the ids that are shown.

        `only`: the ids of a filter, empty for all; `also_shown`: ids that families without ledgers show;
        `all_parents`: every project, where an id of which no project is known is searched for once a day.
        """
        super().__init__(row, context, stale_after=stale_after, rotation=rotation, parents=parents)
        self._kind = row.id_label.removesuffix("_id")
        self._only, self._also_shown = frozenset(only), also_shown
        self._all_parents = all_parents
        self._searches = Rotation(_SEARCH_INTERVAL, 1 << 30)
        self._infos: tuple[object, dict[str, str]] = (None, {})

    def having(self, *statuses: str) -> set[str]:
        """Return the known ids with one of these statuses."""
        return {id_ for id_, facts in self._known.items() if facts.get("status") in statuses}

    def parents_shown(self) -> set[str]:
        """Return the project of every entry that has an info series."""
        return set(self._owners_of_all().values())

    def due(self, now: float) -> list[str]:
        """Return the projects to ask about now: those first that have shown ids without a name."""
        if self._rotation is None:
            return super().due(now)
        owners = self._owners()
        in_use, everywhere = set(self._parents()), set(self._all_parents())
        unnamed = self._context.shown.ids(self.row.id_label) - self._known.keys() - PLACEHOLDERS
        wanted = in_use or everywhere
        if unnamed - owners.keys():
            wanted |= set(self._searches.due(everywhere, now))
        self._retain(in_use | everywhere)
        urgent = {owners[id_] for id_ in unnamed if id_ in owners} | set(self._rotation.never(in_use))
        return self._rotation.due(wanted, now, urgent)

    def take(self, parent: str, answer: tuple[Entry, ...], now: float) -> bool:
        """Replace what was known, and remember the names."""
        changed = super().take(parent, answer, now)
        self._searches.read(parent, now)
        shown = self._shown()
        for entry in answer:
            room = entry.id in self._known or len(self._known) < _REMEMBERED
            if (self._wanted(entry.id) and room) or entry.id in shown:
                changed |= self._learn(entry, parent, listed=True)
        if self.row.keeps_deleted:
            present = {entry.id for entry in answer}
            for id_, facts in list(self._known.items()):
                if id_ not in present and facts.get(_LISTED):
                    changed |= self._context.memory.learn(self._kind, id_, {**facts, "status": _DELETED})
        return changed

    def unresolved(self) -> list[str]:
        """Return the ids that are shown, and neither listed nor known not to exist."""
        if not self.row.keeps_deleted:
            return []
        return sorted(self._shown() - self._known.keys() - PLACEHOLDERS)

    def resolve(self, id_: str, entry: Entry | None) -> bool:
        """Remember what was looked up; what does not exist is deleted."""
        return self._learn(entry or Entry(id_, {"status": _DELETED}), "", listed=False)

    @property
    def _known(self) -> Mapping[str, Facts]:
        return self._context.memory.of(self._kind)

    def _fresh(self, now: float) -> dict[str, tuple[Entry, ...]]:  # noqa: ARG002 -- names do not age
        return {parent: entries for parent, (_, entries) in sorted(self._read.items())}

    def _state(self) -> object:
        return self._context.memory.revision, self._context.shown.version(), frozenset(self._also_shown())

    def _make(self, fresh: Mapping[str, tuple[Entry, ...]]) -> Iterator[Family]:
        info, *others = self.row.families
        infos = ((owner, self._remembered(id_)) for id_, owner in sorted(self._owners_of_all().items()))
        yield self._family(info, infos)
        listed = {entry.id: (parent, entry) for parent, entries in fresh.items() for entry in entries}
        for family in others:
            yield self._family(family, (pair for _, pair in sorted(listed.items())))

    def _remembered(self, id_: str) -> Entry:
        facts = self._known.get(id_, {})
        fields = {label.field: facts.get(_fact(label), "") for label in self.row.families[0].labels}
        return Entry(id_, {field: text for field, text in fields.items() if text})

    def _owners_of_all(self) -> dict[str, str]:
        """Return the project of every entry that has an info series; "" where the scope is the organization."""
        state = self._version, self._state()
        if self._infos[0] != state:
            self._infos = state, self._find_owners()
        return self._infos[1]

    def _find_owners(self) -> dict[str, str]:
        if self.row.keeps_deleted:
            ids = self._shown() | {id_ for id_ in self._known if self._wanted(id_)}
        else:
            ids = self._shown() | self.entries().keys()
        if self.row.scope is Scope.ORGANIZATION:
            return dict.fromkeys(ids, "")
        listed = {entry.id: parent for parent, (_, entries) in sorted(self._read.items()) for entry in entries}
        owners, label = self._owners(), self.row.scope.value
        return {
            id_: listed.get(id_) or self._known.get(id_, {}).get(label) or owners.get(id_) or UNKNOWN for id_ in ids
        }

    def _owners(self) -> Mapping[str, str]:
        """Return the project of each id, as far as buckets that are grouped by both say it."""
        pairs = self._context.shown.values(self.row.id_label, self.row.scope.value)
        return {id_: parent for id_, parent in sorted(pairs) if parent not in PLACEHOLDERS}

    def _shown(self) -> set[str]:
        return self._context.shown.ids(self.row.id_label) | set(self._also_shown())

    def _wanted(self, id_: str) -> bool:
        return not self._only or id_ in self._only

    def _learn(self, entry: Entry, parent: str, *, listed: bool) -> bool:
        facts = {}
        for label in self.row.families[0].labels:
            if self._context.personal_data or not label.personal:
                text = entry.texts.get(label.field, "")
                facts[_fact(label)] = self._context.name(text) if label.is_name else text or UNKNOWN
        if parent:
            facts[self.row.scope.value] = parent
        if self.row.keeps_deleted:
            facts[_LISTED] = "yes" if listed else ""
        return self._context.memory.learn(self._kind, entry.id, facts)


class Budgets:
    """The budgets of the configuration."""

    def __init__(self, organization: str, whole: float | None, projects: Mapping[str, float]) -> None:
        """Take US dollars a month: of the organization, if there is such a budget, and of projects by id."""
        self._families = (
            ORGANIZATION_BUDGET.family([((organization,), whole)] if whole is not None else []),
            PROJECT_BUDGET.family(((organization, id_), budget) for id_, budget in sorted(projects.items())),
        )

    def families(self, now: float) -> Iterable[Family]:  # noqa: ARG002 -- budgets do not age
        """Return them."""
        return self._families


def _fact(label: EntryLabel) -> str:
    return label.field.replace(".", "_")


def _in_us_dollars(entry: Entry) -> bool:
    return entry.texts.get("currency", "").casefold() == US_DOLLARS


def _value(family: MetadataFamily, entry: Entry) -> float | None:
    """Return the value of an entry's sample, None where it has none."""
    number = entry.numbers.get(family.field)
    match family.value:
        case ValueKind.INFO:
            return 1.0
        case ValueKind.ENFORCING:
            return float(entry.texts.get(family.field) == "enforcing")
        case ValueKind.US_CENTS:
            return number / _CENTS if number is not None and _in_us_dollars(entry) else None
        case ValueKind.RATE_LIMIT:
            return None if number == _NO_RATE_LIMIT else number
        case ValueKind.NUMBER:
            return number
