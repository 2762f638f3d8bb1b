"""Scripted changes to an organization: corrections, late data, spikes, limits, projects; and the reported totals."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from exporter.catalog import CATALOG, DAY, WIDTHS, ApiFamily, day_of, resource
from exporter.simulator.directory import Directory
from exporter.simulator.legacy import Legacy
from exporter.simulator.limits import Limits, RateLimit, SpendAlert, SpendLimit
from exporter.simulator.organization import Organization, Project, Shape
from exporter.simulator.policy import Policy
from exporter.simulator.prices import DOLLAR, QUANTUM
from exporter.simulator.reports import Reports, Selection
from exporter.simulator.responses import Json, number
from exporter.simulator.usage_log import Delay, Entry, Key, Revision, UsageLog
from exporter.simulator.workloads import Dimension, row_layout


class Tenant:
    """An organization with its usage log, limits and endpoints."""

    def __init__(self, seed: int, index: int, shape: Shape, delays: Mapping[str, float], policy: Policy) -> None:
        """Build organization number `index` of a seed."""
        self.organization = Organization(seed, shape, index)
        self.usage_log = UsageLog(self.organization, delays)
        self.limits = Limits(self.organization)
        self.reports = Reports(self.usage_log, policy)
        self.directory = Directory(self.organization, self.limits)
        self.legacy = Legacy(self.usage_log, policy)


Match = Mapping[str, Dimension | int]

ALL: Final = "*"
"""Every resource."""


class Scenario:
    """Changes to one organization, on the clock of its responses.

    Projects are given by id, name or index in the list. Every method raises ValueError for what does not exist.
    """

    def __init__(self, tenant: Tenant, now: Callable[[], float]) -> None:
        """Take the tenant and its clock."""
        self._tenant = tenant
        self._now = now
        self._spans: dict[object, tuple[int, int]] = {}
        self._paused: dict[str, int] = {}

    @property
    def _usage_log(self) -> UsageLog:
        return self._tenant.usage_log

    def project(self, given: str | int) -> Project:
        """Return a project by id, name or index."""
        projects = self._tenant.organization.projects
        if isinstance(given, int):
            return projects[given]
        found = next((project for project in projects if given in {project.id, project.name}), None)
        if found is None:
            raise ValueError(f"no project {given!r}")
        return found

    def add_usage(
        self,
        name: str,
        values: Mapping[str, int | str],
        dimensions: Match | None = None,
        *,
        time: float | None = None,
        visible_in: float = 0.0,
        currency: str | None = "usd",
    ) -> None:
        """Add values, negative ones too, to the buckets that contain `time`.

        `time` is in Unix seconds and defaults to the previous second, because the open bucket ends before now.

        `values` are the API's fields; of costs `amount` and `quantity`, as decimals. `project_id` may be a name or an
        index. The values are reported `visible_in` seconds from now.
        """
        row = resource(name)
        layout = row_layout(row)
        if row.branch is ApiFamily.COSTS:
            given = {
                "amount": _parts(values.get("amount", 0), DOLLAR),
                "quantity": _parts(values.get("quantity", 0), QUANTUM),
            }
        else:
            given = {field: int(value) for field, value in values.items()}
        key = self._key(name, dimensions or {})
        key += (currency,) * len(layout.extra_dimensions)
        moment = self._now() - 1 if time is None else time
        parts = tuple(layout.components_of(given))
        self._usage_log.add_correction(Entry(name, int(moment), key, parts, self._now() + visible_in))

    def delay(self, name: str, seconds: float, *, late_percent: int = 0, late_seconds: float = 0.0) -> None:
        """Report usage `seconds` after it happened, from now on; `*` is every resource.

        `late_percent` of the streams are reported another `late_seconds` later.
        """
        delay = Delay(self._now(), seconds, late_percent, late_seconds)
        for row in CATALOG if name == ALL else (resource(name),):
            self._usage_log.delays[row.name].change(delay)

    def revise(
        self,
        name: str,
        percent: float,
        *,
        time: float | None = None,
        width: str = "1d",
        dimensions: Match | None = None,
        visible_in: float = 0.0,
    ) -> None:
        """Revise the bucket that contains `time` by `percent` or a little more, up or down.

        The newest usage of the bucket is removed first; later revisions continue from there.
        """
        now = self._now()
        start = int(now if time is None else time) // WIDTHS[width] * WIDTHS[width]
        end = start + WIDTHS[width]
        match = self._match(dimensions or {})
        visible_from = now + visible_in
        if row_layout(resource(name)).level:
            for key, values in self._usage_log.rows(name, start, end, now).items():
                if self._usage_log.matches(name, key, match):
                    change = tuple(round(value * percent / 100) for value in values)
                    self._usage_log.add_correction(Entry(name, start, key, change, visible_from))
            return
        span_key = (name, start, end, tuple(sorted(match.items())))
        low, high = self._spans.get(span_key, (start, min(end, self._usage_log.delays[name].horizons(now)[0])))
        wanted = sum(self._usage_log.demand(name, start, high, now, match)) * abs(percent) / 100
        if percent < 0:
            edge = _last(low, high, lambda at: sum(self._usage_log.demand(name, at, high, now, match)) >= wanted)
            span, self._spans[span_key] = (edge, high), (low, edge)
        else:
            edge = _last(
                low, high, lambda at: sum(self._usage_log.demand(name, low, low + high - at, now, match)) >= wanted
            )
            span = (low, low + high - edge)
        if span[0] < span[1]:
            self._usage_log.add_correction(Revision(name, *span, 1 if percent > 0 else -1, match, visible_from))

    def move_cost(
        self,
        source: str,
        target: str,
        *,
        time: float | None = None,
        percent: float = 100.0,
        dimensions: Match | None = None,
        visible_in: float = 0.0,
    ) -> None:
        """Move part of a day's costs from one line item to another."""
        now = self._now()
        day = day_of(now if time is None else time)
        index = resource("costs").dimensions.index("line_item")
        match = self._match(dimensions or {}) | {"line_item": source}
        for key, values in self._usage_log.rows("costs", day, day + DAY, now).items():
            if self._usage_log.matches("costs", key, match):
                part = [int(value * percent / 100) if percent < 100 else value for value in values]  # noqa: PLR2004
                moved = (*key[:index], target, *key[index + 1 :])
                self._usage_log.units.setdefault(target, self._usage_log.units.get(source))
                for owner, sign in ((key, -1), (moved, 1)):
                    parts = tuple(sign * value for value in part)
                    self._usage_log.add_correction(Entry("costs", day, owner, parts, now + visible_in))

    def spike(self, multiplier: float, project: str | int | None = None) -> None:
        """Multiply the request rate of a project, or of all, from now on; 1 ends it."""
        for each in self._projects(project):
            each.change_activity(int(self._now()), round(multiplier * self._tenant.organization.shape.activity * 100))

    def spend_spike(self, multiplier: float, project: str | int | None = None) -> None:
        """Multiply the prices of a project, or of all, from now on; 1 ends it."""
        for each in self._projects(project):
            each.price_multiplier.change(int(self._now()), round(multiplier * 100))

    def change_price(self, multiplier: float, model: str | None) -> None:
        """Multiply the first list price of a model, or with None of usage without a model, from now on."""
        self._tenant.organization.list_price(model).change(int(self._now()), round(multiplier * 100))

    def set_allowance(self, line_item: str, quantity: int) -> None:
        """Make `quantity` of a line item free on every UTC day, past ones included; 0 ends it."""
        if line_item not in self._usage_log.units:
            raise ValueError(f"no line item {line_item!r}: there are {', '.join(sorted(self._usage_log.units))}")
        self._usage_log.allowances[line_item] = quantity * QUANTUM

    def launch_model(self, model: str) -> None:
        """Start usage of a new language model in every project."""
        self._usage_log.launch("completions", model, int(self._now()))

    def quiet(self, *, on: bool = True) -> None:
        """Stop all usage, or with `on=False` resume it."""
        now = int(self._now())
        for project in self._projects(None):
            if on:
                self._paused.setdefault(project.id, project.activity_multiplier.at(now))
                project.change_activity(now, 0)
            elif (before := self._paused.pop(project.id, None)) is not None:
                project.change_activity(now, before)

    def set_spend_limit(self, cents: int | None, project: str | int | None = None, *, enforcing: bool = False) -> None:
        """Set the spend limit of the organization or of a project; None removes it."""
        owner = "" if project is None else self.project(project).id
        if cents is None:
            self._tenant.limits.spend.pop(owner, None)
        else:
            self._tenant.limits.spend[owner] = SpendLimit(cents, enforcing)

    def set_spend_alerts(self, cents: Iterable[int], project: str | int | None = None) -> None:
        """Set the thresholds of spend alerts of the organization or of a project."""
        owner = "" if project is None else self.project(project).id
        alerts = [SpendAlert(f"alert_{index:06x}", amount) for index, amount in enumerate(cents)]
        self._tenant.limits.alerts[owner] = alerts

    def set_rate_limit(self, project: str | int, model: str, requests_per_minute: int, tokens_per_minute: int) -> None:
        """Set a project's rate limit for a model."""
        limits = self._tenant.limits.rates.setdefault(self.project(project).id, [])
        limits[:] = [limit for limit in limits if limit.model != model]
        limits.append(RateLimit(model, requests_per_minute, tokens_per_minute))

    def add_project(self, name: str) -> str:
        """Create a project whose usage begins now, and return its id."""
        project = self._tenant.organization.add_project(name, int(self._now()))
        self._usage_log.add_projects([project])
        return project.id

    def rename_project(self, project: str | int, name: str) -> None:
        """Rename a project."""
        self.project(project).name = name

    def archive_project(self, project: str | int) -> None:
        """Archive a project: its usage stops now."""
        self._tenant.organization.archive(self.project(project), int(self._now()))

    def delete_project(self, project: str | int) -> None:
        """Delete a project: its usage stops now, and lists omit it."""
        deleted = self.project(project)
        deleted.change_activity(int(self._now()), 0)
        deleted.deleted = True

    def delete_api_key(self, key: str) -> None:
        """Delete a key: lists omit it, its usage continues."""
        for project in self._tenant.organization.projects:
            for api_key in project.api_keys:
                if api_key.id == key:
                    api_key.listed = False

    def truth(
        self,
        name: str,
        group_by: Iterable[str] = (),
        *,
        since: float | None = None,
        until: float | None = None,
        width: str = "1d",
    ) -> list[dict[str, Json]]:
        """Return the values reported now, for each bucket and label set.

        Money and quantities are decimals in text. `since` defaults to 30 days before today, `until` to now.
        """
        now = self._now()
        row = resource(name)
        layout = row_layout(row)
        wanted = tuple(group_by)
        if unknown := set(wanted) - set(row.dimensions):
            raise ValueError(f"{name} cannot be grouped by {', '.join(sorted(unknown))}")
        seconds = WIDTHS[width]
        start = int(day_of(now) - 30 * DAY if since is None else since) // seconds * seconds
        end = int(now if until is None else until)
        selection = Selection(wanted, ())
        return [
            {
                "start_time": at,
                "dimensions": {
                    label: key[index]
                    for index, label in enumerate((*row.dimensions, *layout.extra_dimensions))
                    if label in wanted or label in layout.extra_dimensions
                },
                "values": _money(values) if row.branch is ApiFamily.COSTS else layout.field_values(values),
            }
            for at in range(start, end, seconds)
            for key, values in selection.regroup(
                row, self._usage_log.rows(name, at, min(at + seconds, end), now)
            ).items()
        ]

    def _projects(self, given: str | int | None) -> list[Project]:
        in_use = [project for project in self._tenant.organization.projects if project.in_use]
        return in_use if given is None else [self.project(given)]

    def _match(self, dimensions: Match) -> dict[str, Dimension]:
        given = dict(dimensions)
        if (project := given.get("project_id")) is not None:
            given["project_id"] = self.project(project).id
        return {name: value for name, value in given.items() if value is None or isinstance(value, str | bool)}

    def _key(self, name: str, dimensions: Match) -> Key:
        names = resource(name).dimensions
        if unknown := set(dimensions) - set(names):
            raise ValueError(f"{name} has no dimension {', '.join(sorted(unknown))}: it has {', '.join(names)}")
        match = self._match(dimensions)
        return tuple(match.get(label) for label in names)


def _last(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Return the largest number from low to high for which `holds` is true; it is true up to that number only."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _parts(given: int | str, unit: int) -> int:
    parts = Decimal(given) * unit
    if parts != int(parts):
        raise ValueError(f"{given} is finer than one part in {unit}")
    return int(parts)


def _money(values: list[int]) -> dict[str, Any]:
    amount, quantity = values
    return {"amount": number(amount, DOLLAR), "quantity": number(quantity, QUANTUM)}
