"""What panels are told in: units, colours and their bounds, words, queries, columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from grafana_foundation_sdk.models import units

from grafana.dashboards.links import Link

DOLLARS: Final = units.Dollars
COUNT: Final = units.Short
SECONDS: Final = units.Seconds
HOURS: Final = "suffix: h"
BYTES: Final = units.BytesIEC
SHARE: Final = units.PercentUnit
TIME: Final = units.DateTimeFromNow
PLAIN: Final = units.NoUnit

PROJECT_NAME: Final = "{{project_name}}{{owner}}"
"""A project in a legend; the query gives it the label `owner`."""

ENDPOINT: Final = "{{resource}}{{owner}}"
"""An endpoint likewise."""

BLANK: Final = "-"
"""What a cell says that has no value."""

Steps: TypeAlias = Sequence[tuple[float | None, str]]
"""Lower bounds and colours; the first bound is None."""

NEUTRAL: Final[Steps] = ((None, "blue"),)
OF_BUDGET: Final[Steps] = ((None, "green"), (0.8, "orange"), (1.0, "red"))
BAD_FROM_ONE: Final[Steps] = ((None, "green"), (1.0, "red"))


Meanings: TypeAlias = Mapping[str, tuple[str, str]]
"""By value a word and its colour: for what is 0 or 1."""

UP: Final[Meanings] = {"0": ("down", "red"), "1": ("up", "green")}
YES: Final[Meanings] = {"0": ("no", "text"), "1": ("yes", "text")}
GOOD_YES: Final[Meanings] = {"0": ("no", "red"), "1": ("yes", "green")}
BAD_YES: Final[Meanings] = {"0": ("no", "green"), "1": ("yes", "red")}


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked, and what each answer is called."""

    expression: str
    legend: str = "__auto"


@dataclass(frozen=True, slots=True)
class Style:
    """How the series of a query look, where they differ from the panel's: lines that something is held against."""

    color: str
    dashed: bool = True


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: a query that gives a row for each label set."""

    name: str
    expression: str
    unit: str
    steps: Steps = ()
    meanings: Meanings = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Size:
    """Columns of the 24 of the grid, and rows."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Words:
    """What a panel is called, what its number is and how late it may be, and what it says when there is none."""

    title: str
    description: str
    nothing: str = "nothing reported"


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a table shows: labels with their headings, then columns."""

    labels: Mapping[str, str]
    columns: Sequence[Column]
    sort: str
    """The heading that rows are sorted by, the largest first."""
    hidden: Sequence[str] = ()
    """Labels that are there for links alone."""
    links: Mapping[str, Sequence[Link]] = field(default_factory=dict)
    """By heading."""
    dropped: Sequence[str] = ()
    """Labels and values that are not shown at all."""
