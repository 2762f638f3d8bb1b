"""What the simulated API reports: since a baseline, at most so far, and over the last days."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import httpx

from exporter.catalog import CATALOG, DAY, ApiFamily, Kind, Measure, Resource, accrued_name, day_of
from tests.support.prometheus import Labels

Series = tuple[str, Labels]
"""A measure's name and a label set, without the organization's name."""
Figures = dict[Series, Fraction]

_DAYS = 10
"""Days that are looked at: what happens in a test happens to the last three."""


@dataclass
class Truth:
    """The simulator's own figures, kept exactly and computed from nothing of the exporter's."""

    url: str
    baseline: dict[int, Figures] = field(default_factory=dict)
    """For each UTC day that was there at the baseline what was reported of it."""
    most: Figures = field(default_factory=dict)
    """The maximum of what was reported since the baseline, at the moments at which somebody looked."""

    def begin(self) -> None:
        """Take what is reported now as the baseline."""
        self.baseline = self.days()

    def look(self) -> Figures:
        """Return what has been reported since the baseline, and remember the maxima."""
        since: Figures = {}
        for day, figures in self.days().items():
            base = self.baseline.get(day)
            if base is None and day < min(self.baseline):
                continue
            for series in figures.keys() | (base or {}).keys():
                part = figures.get(series, Fraction(0)) - (base or {}).get(series, Fraction(0))
                since[series] = since.get(series, Fraction(0)) + part
        for series, value in since.items():
            self.most[series] = max(self.most.get(series, Fraction(0)), value, Fraction(0))
        return since

    def week(self) -> Figures:
        """Return the sums over 7 UTC days, today included."""
        week: Figures = {}
        for day, figures in self.days().items():
            if day > day_of(time.time()) - 7 * DAY:
                for series, value in figures.items():
                    week[series] = week.get(series, Fraction(0)) + value
        return week

    def days(self, resources: Iterable[Resource] = CATALOG) -> dict[int, Figures]:
        """Return what is reported now, day by day."""
        since = day_of(time.time()) - (_DAYS - 1) * DAY
        days: dict[int, Figures] = {since + number * DAY: {} for number in range(_DAYS)}
        for resource in resources:
            measures = [measure for measure in resource.select() if measure.kind is Kind.FLOW and not measure.extra]
            if not measures:
                continue
            query = {"resource": resource.name, "group_by": list(resource.group_by), "since": since}
            answer = httpx.get(f"{self.url}/truth", params=query, timeout=30, trust_env=False)  # type: ignore[arg-type]
            answer.raise_for_status()
            for row in answer.json():
                labels = _labels(resource, row["dimensions"])
                for measure in measures:
                    days[row["start_time"]][measure.name, labels] = _value(resource, measure, row["values"])
        return days


def counters(figures: Mapping[Series, Fraction], organization: str = "default") -> dict[tuple[str, Labels], Fraction]:
    """Return figures under the names and labels of the counters that should have counted them."""
    names = {measure.name: accrued_name(measure) for resource in CATALOG for measure in resource.measures}
    return {
        (names[name], tuple(sorted((*labels, ("organization", organization))))): value
        for (name, labels), value in figures.items()
    }


def total(figures: Mapping[Series, Fraction], measures: Iterable[str]) -> Fraction:
    """Return the sum over all label sets of some measures."""
    wanted = set(measures)
    return sum((value for (name, _), value in figures.items() if name in wanted), Fraction(0))


def _labels(resource: Resource, dimensions: Mapping[str, Any]) -> Labels:
    def text(value: object) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        return str(value) if value else "unknown"

    return tuple(sorted((name, text(dimensions[name])) for name in resource.group_by))


def _value(resource: Resource, measure: Measure, values: Mapping[str, Any]) -> Fraction:
    return Fraction(str(values["amount" if resource.branch is ApiFamily.COSTS else measure.field]))
