"""What a row of the metadata table consists of: endpoints that answer with anything but buckets."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

UNKNOWN: Final = "unknown"
"""The label value of what the API does not say."""

US_DOLLARS: Final = "usd"
"""The only currency, in lower case, that is exported as money."""


class Scope(Enum):
    """How often an endpoint is asked in one round: by the label that names what each request is about."""

    ORGANIZATION = ""
    """Once."""
    PROJECT = "project_id"
    """Once for every project in use."""
    GROUP = "group_id"
    """Once for every group that is listed."""

    @property
    def listed_by(self) -> str:
        """The name of the row whose entries are asked about one by one; empty for the organization."""
        return {Scope.ORGANIZATION: "", Scope.PROJECT: "projects", Scope.GROUP: "groups"}[self]


class Pagination(Enum):
    """Where the `after` of the next page of a list comes from."""

    LAST_ID = "last_id"
    """The answer's `last_id`; without one, the last row's id."""
    LAST_ROW = "last row"
    """The last row's `id`."""
    NEXT = "next"
    """The answer's `next`."""


class MetadataKind(Enum):
    """The section of the settings that a row belongs to, and its priority: limits are asked before names."""

    NAMES = "names"
    """Shown until the API says otherwise."""
    LIMITS = "limits"
    """Shown until they are stale."""


class PollInterval(Enum):
    """Which setting of the section `poll` says how often a row is asked."""

    DIRECTORY = "directory_interval"
    COSTS = "cost_interval"
    LIMITS = "limits_interval"


class ValueKind(Enum):
    """What a sample of a family is."""

    INFO = "info"
    """Always 1."""
    NUMBER = "number"
    """The field as it is: Unix seconds, or US dollars."""
    US_CENTS = "US cents"
    """A hundredth of the field; no sample where `currency` is not US dollars."""
    RATE_LIMIT = "rate limit"
    """The field as it is; no sample for 2147483647, which is no limit."""
    ENFORCING = "enforcing"
    """1 where the field says `enforcing`, else 0."""


@dataclass(frozen=True, slots=True)
class EntryLabel:
    """A label beyond the ids, and the API field of its value."""

    label: str
    field: str
    """Dotted where it is nested."""
    is_name: bool = False
    """Whether e-mail addresses in it are masked, and the id replaces a missing one."""
    personal: bool = False
    """Whether it is exported only with personal data switched on."""
    of_parent: bool = False
    """Whether the field is that of the group (or project) that the entry belongs to."""


@dataclass(frozen=True, slots=True)
class MetadataFamily:
    """A gauge with one sample for each entry of an answer."""

    name: str
    help: str
    """A noun phrase for HELP and the reference."""
    value: ValueKind = ValueKind.INFO
    field: str = ""
    """The API field of the value, dotted where it is nested; empty for INFO."""
    labels: tuple[EntryLabel, ...] = ()


@dataclass(frozen=True, slots=True)
class MetadataSetting:
    """The setting that switches rows on; several rows may share one."""

    kind: MetadataKind
    name: str
    """Its name in the section of its kind."""
    description: str
    default: bool | None = False
    """None: on where a resource is grouped by `grouped_by`."""
    grouped_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataResource:
    """One endpoint: a row of the table."""

    name: str
    """The value of the label `resource`."""
    path: str
    """Relative to the base URL, with `{project_id}` or `{group_id}` where the scope needs one."""
    kind: MetadataKind
    setting: MetadataSetting | None
    """None: not a choice of the user."""
    interval: PollInterval
    families: tuple[MetadataFamily, ...] = ()
    scope: Scope = Scope.ORGANIZATION
    pagination: Pagination | None = Pagination.LAST_ID
    """None where the answer is one object rather than a list."""
    query: tuple[tuple[str, str], ...] = ()
    page_size: int = 100
    """Entries of a page, the `limit`."""
    also_read: tuple[str, ...] = ()
    """API fields, as text, that families of other rows show."""
    id_field: str = "id"
    """The API field that identifies the entries of one list."""
    id_label: str = ""
    """The label of the id; empty where the answer is one object."""
    remembered: bool = False
    """Whether the first family has a series for every id that any metric shows: last known names are kept."""
    keeps_deleted: bool = False
    """Whether what the list no longer has keeps its series, with `status="deleted"`, and what it lacks is looked up."""
    absent: str = ""
    """What 404 means where it is a good answer."""
    legacy: bool = False
    """Whether only keys that are not admin keys are answered."""

    @property
    def optional(self) -> bool:
        """Whether 404 is an answer: nothing is set, or the project or group is gone."""
        return bool(self.absent) or self.scope is not Scope.ORGANIZATION

    @property
    def compared_with_costs(self) -> bool:
        """Whether it limits what the whole organization spends, so that a project filter makes it meaningless."""
        return self.kind is MetadataKind.LIMITS and self.scope is Scope.ORGANIZATION and not self.legacy

    @property
    def text_fields(self) -> tuple[str, ...]:
        """The API fields that are read as text."""
        fields = list(self.also_read)
        fields += [
            label.field
            for family in self.families
            for label in family.labels
            if not label.of_parent and label.field != self.id_field
        ]
        fields += [family.field for family in self.families if family.value is ValueKind.ENFORCING]
        if any(family.value is ValueKind.US_CENTS for family in self.families):
            fields.append("currency")
        return tuple(dict.fromkeys(fields))

    @property
    def number_fields(self) -> tuple[str, ...]:
        """The API fields that are read as numbers."""
        text = {ValueKind.INFO, ValueKind.ENFORCING}
        return tuple(dict.fromkeys(family.field for family in self.families if family.value not in text))

    def labels(self, family: MetadataFamily, *, personal: bool = False) -> tuple[str, ...]:
        """Return the label names of a family in the order in which they are exported."""
        ids = dict.fromkeys(label for label in ("organization", self.scope.value, self.id_label) if label)
        return (*ids, *(each.label for each in family.labels if personal or not each.personal))

    def help(self, family: MetadataFamily) -> str:
        """Return the HELP text of a family, with the API field that it comes from."""
        return f"{family.help} ({' '.join(filter(None, (f'/{self.path}', family.field)))})."
