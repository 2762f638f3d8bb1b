"""What panels are made of: units, thresholds, value mappings, texts, queries, columns and links."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import units

DOLLARS: Final = "prefix:$"
"""Dollars in full, as on an invoice: every Grafana from 9.4 on draws `$17734.56`."""

DOLLARS_SCALED: Final = units.Dollars
"""Dollars on axes, and of differences, which may be negative: `$17.7K`, `-$3.20`."""

COUNT: Final = units.Short
SECONDS: Final = units.Seconds
HOURS: Final = "suffix:h"
BYTES: Final = units.BytesIEC
SHARE: Final = units.PercentUnit
TIME: Final = units.DateTimeFromNow
PLAIN: Final = units.NoUnit

PROJECT_NAME: Final = "{{project_name}}{{owner}}"
"""A project in a legend; the query adds the label `owner`."""

ENDPOINT: Final = "{{resource}}{{owner}}"
"""An endpoint in a legend; the query adds the label `owner`."""

BLANK: Final = "-"
"""The text of a cell without a value."""

Thresholds: TypeAlias = Sequence[tuple[float | None, str]]
"""Lower bounds and colours; the first bound is None."""

NEUTRAL: Final[Thresholds] = ((None, "blue"),)
OF_BUDGET: Final[Thresholds] = ((None, "green"), (0.8, "orange"), (1.0, "red"))
BAD_FROM_ONE: Final[Thresholds] = ((None, "green"), (1.0, "red"))


ValueMappings: TypeAlias = Mapping[str, tuple[str, str]]
"""Text and colour by value: for what is 0 or 1."""

UP: Final[ValueMappings] = {"0": ("down", "red"), "1": ("up", "green")}
YES: Final[ValueMappings] = {"0": ("no", "text"), "1": ("yes", "text")}
GOOD_YES: Final[ValueMappings] = {"0": ("no", "red"), "1": ("yes", "green")}
RELOADED: Final[ValueMappings] = {"0": ("failed", "red"), "1": ("ok", "green")}
BAD_YES: Final[ValueMappings] = {"0": ("no", "green"), "1": ("yes", "red")}


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression and the legend of its series."""

    expression: str
    legend: str = "__auto"


@dataclass(frozen=True, slots=True)
class SeriesStyle:
    """How the series of one query look where they differ from the panel's: budgets and limits."""

    color: str
    dashed: bool = True
    in_legend: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """A link on a value."""

    title: str
    url: str

    def builder(self) -> build.DashboardLink:
        """Return it as a panel's data link."""
        return build.DashboardLink(self.title).url(self.url)

    def override(self) -> dict[str, str]:
        """Return it as the value of a field override."""
        return {"title": self.title, "url": self.url}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: a query that returns a row for each label set."""

    name: str
    expression: str
    unit: str
    thresholds: Thresholds = ()
    mappings: ValueMappings = field(default_factory=dict)

    @property
    def decimals(self) -> int | None:
        """Cents for dollars; None lets Grafana choose."""
        return 2 if self.unit in {DOLLARS, DOLLARS_SCALED} else None


@dataclass(frozen=True, slots=True)
class Size:
    """Columns of the 24 of the grid, and rows."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PanelText:
    """The title and description of a panel, and the text that it shows without data."""

    title: str
    description: str
    no_value: str = "nothing reported"


@dataclass(frozen=True, slots=True)
class TableSpec:
    """What a table shows: labels with their headings, then columns."""

    labels: Mapping[str, str]
    columns: Sequence[Column]
    sort: str
    """The heading that rows are sorted by, the largest first."""
    hidden: Sequence[str] = ()
    """Labels that only links use."""
    links: Mapping[str, Sequence[Link]] = field(default_factory=dict)
    """By heading."""
    dropped: Sequence[str] = ()
    """Labels and columns that are left out."""


_PROJECT: Final = (
    "/d/openai-project?${datasource:queryparam}&${__url_time_range}"
    "&var-organization=%(organization)s&var-project=%(project)s"
)

PROJECT_OF_ROW: Final = Link(
    "Open the project",
    _PROJECT % {"organization": "${__data.fields.organization}", "project": "${__data.fields.project_id}"},
)
PROJECT_OF_SERIES: Final = Link(
    "Open the project",
    _PROJECT % {"organization": "${__field.labels.organization}", "project": "${__field.labels.project_id}"},
)
