"""What can happen to an organization, for scripts: corrections, late data, spikes, limits, projects; and the truth."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from exporter.catalog import CATALOG, DAY, WIDTHS, ApiFamily, day_of, resource
from exporter.simulator.answers import Json, number
from exporter.simulator.delays import Delay
from exporter.simulator.forms import form_of
from exporter.simulator.limits import RateLimit, SpendAlert, SpendLimit
from exporter.simulator.organization import Project
from exporter.simulator.prices import DOLLAR, QUANTUM
from exporter.simulator.reports import Selection
from exporter.simulator.usage_log import Entry, Key, Revision, UsageLog
from exporter.simulator.workloads import Dimension
from exporter.simulator.world import World

Match = Mapping[str, Dimension | int]

ALL: Final = "*"
"""Every resource."""


class Scenario:
    """Changes to one organization. Whatever is visible later goes by the same clock as the answers.

    Projects are given by id, by name or by their place in the list. Every method raises ValueError for what does
    not exist.
    """

    def __init__(self, world: World, now: Callable[[], float]) -> None:
        """Take the organization and the time."""
        self._world = world
        self._now = now
        self._spans: dict[object, tuple[int, int]] = {}
        self._paused: dict[str, int] = {}

    @property
    def _books(self) -> UsageLog:
        return self._world.books

    def project(self, given: str | int) -> Project:
        """Return a project by id, name or place."""
        projects = self._world.organization.projects
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
        """Add figures, or take them away with a minus, to the buckets that hold `time`.

        `time` is in Unix seconds and defaults to the second that has just passed, for a bucket ends before now.

        `values` are the API's fields; of costs `amount` and `quantity`, in decimals. `project_id` may be a name or a
        place. `visible_in` seconds from now the figures are reported.
        """
        row = resource(name)
        form = form_of(row)
        if row.branch is ApiFamily.COSTS:
            given = {
                "amount": _parts(values.get("amount", 0), DOLLAR),
                "quantity": _parts(values.get("quantity", 0), QUANTUM),
            }
        else:
            given = {field: int(value) for field, value in values.items()}
        key = self._key(name, dimensions or {})
        key += (currency,) * len(form.extras)
        moment = self._now() - 1 if time is None else time
        parts = tuple(form.components_of(given))
        self._books.note(Entry(name, int(moment), key, parts, self._now() + visible_in))

    def delay(self, name: str, seconds: float, *, late_percent: int = 0, late_seconds: float = 0.0) -> None:
        """Report usage so many seconds after it happened, from now on; `*` is every resource.

        Of a hundred streams, `late_percent` are reported `late_seconds` later still.
        """
        delay = Delay(self._now(), seconds, late_percent, late_seconds)
        for row in CATALOG if name == ALL else (resource(name),):
            self._books.delays[row.name].change(delay)

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
        """Revise the bucket that holds `time` up or, with a minus, down: by so many percent, or a little more.

        What is taken back is the newest usage of the bucket; further revisions go on from there.
        """
        now = self._now()
        start = int(now if time is None else time) // WIDTHS[width] * WIDTHS[width]
        end = start + WIDTHS[width]
        match = self._match(dimensions or {})
        visible_from = now + visible_in
        if form_of(resource(name)).level:
            for key, values in self._books.rows(name, start, end, now).items():
                if self._books.matches(name, key, match):
                    change = tuple(round(value * percent / 100) for value in values)
                    self._books.note(Entry(name, start, key, change, visible_from))
            return
        place = (name, start, end, tuple(sorted(match.items())))
        low, high = self._spans.get(place, (start, min(end, self._books.delays[name].horizons(now)[0])))
        wanted = sum(self._books.demand(name, start, high, now, match)) * abs(percent) / 100
        if percent < 0:
            edge = _last(low, high, lambda at: sum(self._books.demand(name, at, high, now, match)) >= wanted)
            span, self._spans[place] = (edge, high), (low, edge)
        else:
            edge = _last(
                low, high, lambda at: sum(self._books.demand(name, low, low + high - at, now, match)) >= wanted
            )
            span = (low, low + high - edge)
        if span[0] < span[1]:
            self._books.note(Revision(name, *span, 1 if percent > 0 else -1, match, visible_from))

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
        """Move a part of a day's cost from one line item to another."""
        now = self._now()
        day = day_of(now if time is None else time)
        place = resource("costs").dimensions.index("line_item")
        match = self._match(dimensions or {}) | {"line_item": source}
        for key, values in self._books.rows("costs", day, day + DAY, now).items():
            if self._books.matches("costs", key, match):
                part = [int(value * percent / 100) if percent < 100 else value for value in values]  # noqa: PLR2004
                moved = (*key[:place], target, *key[place + 1 :])
                self._books.units.setdefault(target, self._books.units.get(source))
                for owner, sign in ((key, -1), (moved, 1)):
                    parts = tuple(sign * value for value in part)
                    self._books.note(Entry("costs", day, owner, parts, now + visible_in))

    def spike(self, multiplier: float, project: str | int | None = None) -> None:
        """Let a project, or all, ask so many times as often, from now on; 1 ends it."""
        for each in self._projects(project):
            each.change_pace(int(self._now()), round(multiplier * self._world.organization.shape.activity * 100))

    def spend_spike(self, multiplier: float, project: str | int | None = None) -> None:
        """Let a project, or all, pay so many times the price, from now on; 1 ends it."""
        for each in self._projects(project):
            each.premium.change(int(self._now()), round(multiplier * 100))

    def change_price(self, multiplier: float, model: str | None) -> None:
        """Bill a model, or with None what has no model, at a multiple of its first list price from now on."""
        self._world.organization.list_price(model).change(int(self._now()), round(multiplier * 100))

    def set_allowance(self, line_item: str, quantity: int) -> None:
        """Let so much of a line item be free on every UTC day, past ones included; 0 ends it."""
        if line_item not in self._books.units:
            raise ValueError(f"no line item {line_item!r}: there are {', '.join(sorted(self._books.units))}")
        self._books.allowances[line_item] = quantity * QUANTUM

    def launch_model(self, model: str) -> None:
        """Let every project use another language model from now on."""
        self._books.launch("completions", model, int(self._now()))

    def quiet(self, *, on: bool = True) -> None:
        """Stop all usage, so that figures stand still; or let it go on as before."""
        now = int(self._now())
        for project in self._projects(None):
            if on:
                self._paused.setdefault(project.id, project.pace.at(now))
                project.change_pace(now, 0)
            elif (before := self._paused.pop(project.id, None)) is not None:
                project.change_pace(now, before)

    def set_spend_limit(self, cents: int | None, project: str | int | None = None, *, enforcing: bool = False) -> None:
        """Set the spend limit of the organization or of a project; None removes it."""
        owner = "" if project is None else self.project(project).id
        if cents is None:
            self._world.limits.spend.pop(owner, None)
        else:
            self._world.limits.spend[owner] = SpendLimit(cents, enforcing)

    def set_spend_alerts(self, cents: Iterable[int], project: str | int | None = None) -> None:
        """Set the thresholds of spend alerts of the organization or of a project."""
        owner = "" if project is None else self.project(project).id
        alerts = [SpendAlert(f"alert_{place:06x}", amount) for place, amount in enumerate(cents)]
        self._world.limits.alerts[owner] = alerts

    def set_rate_limit(self, project: str | int, model: str, requests_per_minute: int, tokens_per_minute: int) -> None:
        """Set a project's rate limit for a model."""
        limits = self._world.limits.rates.setdefault(self.project(project).id, [])
        limits[:] = [limit for limit in limits if limit.model != model]
        limits.append(RateLimit(model, requests_per_minute, tokens_per_minute))

    def add_project(self, name: str) -> str:
        """Found a project whose usage begins now, and return its id."""
        project = self._world.organization.found(name, int(self._now()))
        self._books.welcome([project])
        return project.id

    def rename_project(self, project: str | int, name: str) -> None:
        """Give a project another name."""
        self.project(project).name = name

    def archive_project(self, project: str | int) -> None:
        """Archive a project: its usage stops now."""
        self._world.organization.archive(self.project(project), int(self._now()))

    def delete_project(self, project: str | int) -> None:
        """Delete a project: its usage stops now, and no list has it any more."""
        gone = self.project(project)
        gone.change_pace(int(self._now()), 0)
        gone.deleted = True

    def delete_api_key(self, key: str) -> None:
        """Delete a key: no list has it any more, its usage stays and goes on."""
        for project in self._world.organization.projects:
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
        """Return what is reported now: for each bucket and label set its values.

        Money and quantities are decimals in text. `since` defaults to 30 days before today, `until` to now.
        """
        now = self._now()
        row = resource(name)
        form = form_of(row)
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
                    label: key[place]
                    for place, label in enumerate((*row.dimensions, *form.extras))
                    if label in wanted or label in form.extras
                },
                "values": _money(values) if row.branch is ApiFamily.COSTS else form.figures(values),
            }
            for at in range(start, end, seconds)
            for key, values in selection.regroup(row, self._books.rows(name, at, min(at + seconds, end), now)).items()
        ]

    def _projects(self, given: str | int | None) -> list[Project]:
        alive = [project for project in self._world.organization.projects if project.alive]
        return alive if given is None else [self.project(given)]

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
    """Return the last moment from low to high at which something that held before still holds."""
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
