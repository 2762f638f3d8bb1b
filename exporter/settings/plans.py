"""Query plans from the settings of resources, checked against the catalog."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from exporter.catalog import CATALOG, WIDTHS, ApiFamily, Kind, Measure, Plan, Resource, Window
from exporter.durations import DAY, format_duration
from exporter.settings.messages import Problem
from exporter.settings.sections import Poll, Resources, ResourceSettings, WindowSettings

_DAILY: Final = "1d"


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes the plans of one organization, and collects the problems it finds."""

    shared: Resources
    """The settings for all organizations."""
    own: Resources
    """The organization's own settings, which take precedence."""
    prefix: str
    """Prefix of the paths of the organization's own settings: `organizations[0].`."""
    poll: Poll
    windows: WindowSettings
    max_series: int
    project_ids: tuple[str, ...]
    problems: list[Problem]

    def plans(self) -> tuple[Plan, ...]:
        """Return the plans of the enabled resources, in the order of the catalog."""
        return tuple(plan for row in CATALOG if (plan := self._plan(row)))

    def _plan(self, row: Resource) -> Plan | None:
        settings = self.shared.of(row.name).overridden(self.own.of(row.name))
        if settings.enabled is False:
            return None
        costs = row.branch is ApiFamily.COSTS
        measures = self._measures(row, settings)
        plan = Plan(
            resource=row,
            group_by=self._group_by(row, settings),
            filters=tuple(self._filters(row, settings)),
            width=self._width(row, settings),
            measures=measures,
            windows=(),
            interval=settings.interval or (self.poll.cost_interval if costs else self.poll.interval),
            lookback_days=self.poll.cost_lookback_days if costs else self.poll.lookback_days,
            refetch_days=self.poll.refetch_days,
            stale_after=self.poll.stale_after,
            max_series=settings.max_series or self.max_series,
        )
        return replace(plan, windows=tuple(self._windows(plan, settings)))

    def _refuse(self, row: Resource, setting: str, what: str) -> None:
        prefix = self.prefix if setting in self.own.of(row.name).model_fields_set else ""
        self.problems.append(Problem(f"{prefix}resources.{row.name}.{setting}", what))

    def _group_by(self, row: Resource, settings: ResourceSettings) -> tuple[str, ...]:
        if settings.group_by is None:
            return row.group_by
        for dimension in settings.group_by:
            if dimension not in row.dimensions:
                self._refuse(
                    row,
                    "group_by",
                    f"{row.name} cannot be grouped by {dimension!r}: use any of {', '.join(row.dimensions)}",
                )
        return tuple(dimension for dimension in row.dimensions if dimension in settings.group_by)

    def _filters(self, row: Resource, settings: ResourceSettings) -> Iterator[tuple[str, str]]:
        chosen = dict(settings.filters())
        for parameter, values in chosen.items():
            if parameter not in row.filters:
                self._refuse(
                    row, parameter, f"{row.name} has no filter {parameter}: use any of {', '.join(row.filters)}"
                )
            elif parameter == "project_ids" and self.project_ids and not {*values} <= {*self.project_ids}:
                self._refuse(
                    row, parameter, "contains a project that the organization's project filter excludes: add it there"
                )
        if self.project_ids:
            chosen.setdefault("project_ids", self.project_ids)
        for parameter in row.filters:
            for value in sorted({*chosen.get(parameter, ())}):
                yield parameter, value

    def _width(self, row: Resource, settings: ResourceSettings) -> str:
        width = settings.bucket_width or _DAILY
        if width in row.widths:
            return width
        self._refuse(row, "bucket_width", f"{row.name} has no bucket_width {width!r}: use {', '.join(row.widths)}")
        return _DAILY

    def _measures(self, row: Resource, settings: ResourceSettings) -> tuple[Measure, ...]:
        try:
            return row.select(settings.measures)
        except ValueError as error:
            self._refuse(row, "measures", str(error))
            return row.select()

    def _windows(self, plan: Plan, settings: ResourceSettings) -> Iterator[tuple[Measure, tuple[Window, ...]]]:
        flows = [measure for measure in plan.measures if measure.kind is Kind.FLOW]
        if settings.windows is None:
            costs = plan.resource.branch is ApiFamily.COSTS
            shared = self.windows.costs if costs else self.windows.usage
            windows = tuple(window for window in dict.fromkeys(shared) if not window_problem(window, plan))
            if not costs and self.windows.usage_measures == "requests":
                flows = [measure for measure in flows if measure.requests]
        else:
            windows = tuple(dict.fromkeys(settings.windows))
            for window in windows:
                if what := window_problem(window, plan):
                    self._refuse(plan.resource, "windows", what)
            if windows and not flows:
                self._refuse(
                    plan.resource, "windows", f"{plan.resource.name} has no measure with windows: remove the setting"
                )
        return ((measure, windows) for measure in flows if windows)


def window_problem(window: Window, plan: Plan) -> str:
    """Return why this window cannot be summed from the buckets that are kept, or an empty string if it can."""
    lookback = _lookback(plan)
    if window.unit < plan.width_seconds:
        return (
            f"the window {window.name} is finer than the bucket_width {plan.width}: "
            f"use windows in {_coarser(plan)}, or a finer bucket_width"
        )
    if window.longest > lookback:
        return (
            f"the window {window.name} needs {format_duration(window.longest)} of buckets, "
            f"but only {format_duration(lookback)} are kept: {_advice(plan)}"
        )
    return ""


def _lookback(plan: Plan) -> int:
    return plan.lookback_days * DAY if plan.width == _DAILY else plan.max_limit * WIDTHS[plan.width]


def _coarser(plan: Plan) -> str:
    return "days" if plan.width == _DAILY else "hours or days"


def _advice(plan: Plan) -> str:
    if plan.width != _DAILY:
        return "use a shorter window, or a coarser bucket_width"
    setting = "poll.cost_lookback_days" if plan.resource.branch is ApiFamily.COSTS else "poll.lookback_days"
    return f"use a shorter window, or increase {setting}"
