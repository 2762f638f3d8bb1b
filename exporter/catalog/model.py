"""What a row of the bucket table consists of, and the buckets that responses hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

QUANTA: Final = 10**30
"""Exact amounts are whole numbers of quanta; so many make one unit (one dollar)."""


class Kind(Enum):
    """How the values of a measure behave in time."""

    FLOW = "flow"
    """Adds up over buckets: tokens, requests, money."""
    LEVEL = "level"
    """An amount at a moment: bytes stored. Never summed over buckets."""


class ApiFamily(Enum):
    """Which of the settings' two halves a resource follows: its interval, look-back and windows."""

    COSTS = "costs"
    USAGE = "usage"


@dataclass(frozen=True, slots=True)
class ExtraLabel:
    """A label that one measure has beyond the grouped dimensions, and the API field of its value."""

    label: str
    field: str


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows a measure counts: those whose `field` is (or, with `negate`, is not) `value`, in any case."""

    field: str
    value: str
    negate: bool = False

    def admits(self, value: str | None) -> bool:
        """Return whether a row with this value of the field is counted."""
        return ((value or "").casefold() == self.value) is not self.negate


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a resource: the `X` of the metric names `openai_X`, `openai_window_X`, `openai_accrued_X_total`."""

    name: str
    field: str
    """The API field, dotted where it is nested (`amount.value`)."""
    help: str
    """What is counted, as a noun phrase for HELP and the reference."""
    kind: Kind = Kind.FLOW
    exact: bool = False
    """Whether the API returns decimals, which are kept as whole numbers of quanta."""
    required: bool = False
    """Whether the API promises the field in every row."""
    detail: bool = False
    """Whether the measure is exported only when the settings ask for it."""
    requests: bool = False
    """Whether requests are counted: these have windows by default."""
    extra: ExtraLabel | None = None
    only: RowFilter | None = None
    always: bool = False
    """Whether no choice of measures leaves it out."""


@dataclass(frozen=True, slots=True)
class LabelGroup:
    """The measures of a resource that share one set of labels."""

    labels: tuple[str, ...]
    measures: tuple[Measure, ...]

    @property
    def key(self) -> str:
        """The extra label, which distinguishes the label groups of a resource; empty for the first."""
        extra = self.measures[0].extra
        return extra.label if extra else ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One endpoint that answers with buckets: a row of the table."""

    name: str
    path: str
    """Under `/organization/`."""
    object: str
    """The `object` of every result row that belongs here."""
    dimensions: tuple[str, ...]
    """What `group_by` may hold, in the order in which labels are shown."""
    group_by: tuple[str, ...]
    filters: tuple[str, ...]
    measures: tuple[Measure, ...]
    branch: ApiFamily
    widths: Mapping[str, int]
    """The `bucket_width` values, each with the largest `limit` that it allows."""
    droppable_dimensions: tuple[str, ...] = ()
    """Dimensions in the order in which they are dropped when the API refuses a grouping."""
    not_before: Mapping[str, int] = field(default_factory=dict)
    """Earliest `start_time` (Unix seconds) that the API accepts when grouped by a dimension."""

    def select(self, names: Iterable[str] | None = None) -> tuple[Measure, ...]:
        """Return the measures that are exported, in the order of the table.

        `names` are measures' names, or `default` and `all` for those sets; None means the default.
        Raises ValueError that lists the measures there are.
        """
        wanted = set(names if names is not None else ("default",))
        known = {measure.name for measure in self.measures}
        if unknown := wanted - known - {"default", "all"}:
            raise ValueError(
                f"{self.name} has no measure {', '.join(sorted(unknown))}: it has {', '.join(sorted(known))}, "
                "and the keywords default and all"
            )
        return tuple(
            measure
            for measure in self.measures
            if measure.always
            or measure.name in wanted
            or "all" in wanted
            or ("default" in wanted and not measure.detail)
        )

    def label_groups(self, group_by: Sequence[str], measures: Sequence[Measure]) -> tuple[LabelGroup, ...]:
        """Return the label groups of these measures under a grouping; the first has no extra label."""
        labels = tuple(dimension for dimension in self.dimensions if dimension in group_by)
        extras: dict[str | None, list[Measure]] = {}
        for measure in measures:
            extras.setdefault(measure.extra.label if measure.extra else None, []).append(measure)
        return tuple(
            LabelGroup(labels + ((extra,) if extra else ()), tuple(members)) for extra, members in extras.items()
        )


Value: TypeAlias = int | float | None
"""A float, for exact measures a whole number of quanta, None for unknown."""

Row: TypeAlias = tuple[tuple[str, ...], tuple[Value, ...]]
"""The labels and values of a row, in the order of its label group's labels and measures."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What one response says about one span of time."""

    start: int
    """Unix seconds, floored to the boundary of the bucket's width."""
    end: int
    """Unix seconds, as the API gave it: before the boundary while the bucket is open."""
    rows: tuple[Sequence[Row], ...] | None
    """The rows of each label group, which may repeat; None when the bytes equal those of the last response."""
    digest: bytes = b""
    """Digest of the bytes of the results; empty when there were none to compare."""
    incomplete: frozenset[int] = frozenset()
    """Indexes of the label groups that lack a row because its labels could not be read. What they do not have is
    unknown, not zero."""


@dataclass(frozen=True, slots=True)
class PollResult:
    """All pages of one poll of one resource."""

    start: int
    """The requested `start_time`, Unix seconds."""
    end: int
    """Up to where buckets were due (exclusive): the end of the bucket that was open when the poll began."""
    buckets: tuple[Bucket, ...]
    """In ascending order, none twice."""
    received: float
    """Unix seconds at which the last page was received."""
    organization: str = ""
    """The answer header `openai-organization`, when sent."""
    unreadable: int = 0
    """How many buckets of the response were not readable, and are not part of it."""
    resets_counters: bool = False
    """Whether earlier results do not compare with this one, so that counters get a new baseline."""


def today_name(measure: Measure) -> str:
    """Return the name of the gauge of the current UTC day (of the newest bucket, for a level)."""
    return f"openai_{measure.name}"


def window_name(measure: Measure) -> str:
    """Return the name of the gauge with the label `window`."""
    return f"openai_window_{measure.name}"


def accrued_name(measure: Measure) -> str:
    """Return the name of the counter, `_total` included."""
    return f"openai_accrued_{measure.name}_total"
