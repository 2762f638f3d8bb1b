"""What an organization spent, in total and by project, from the ledger of its costs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from exporter.catalog import DAY, Measure, Window, day_of, month_start
from exporter.exposition import Bounds, ProjectSpend, Spend
from exporter.ledger import BucketStore, Ledger
from exporter.publisher.label_sums import LabelSums

_COST: Final = "cost_usd"
_TOP: Final = 10
_WEEK: Final = 7 * DAY
_FULL_DAYS: Final = 6
"""Full days of the window `7d`, whose mean is the projection's."""
_WINDOWS: Final = {"yesterday": "yesterday", "week": "7d", "month": "month", "previous_month": "previous_month"}

Known = Mapping[str, float | None]
"""US dollars by the name of a period."""


class Owners(Protocol):
    """What is known of projects, and of the organization under the empty id."""

    def name(self, project: str) -> tuple[str, str]:
        """Return name and status, both empty where they are not known."""
        ...

    def bounds(self, project: str) -> Bounds:
        """Return budget and limit."""
        ...

    def bounded(self) -> Iterable[str]:
        """Return the projects that have a budget or a limit."""
        ...


@dataclass(slots=True)
class CostSummary:
    """Summarises one organization's costs; only days that changed are added up again."""

    _projects: LabelSums = field(default_factory=lambda: LabelSums("project_id"))
    _line_items: LabelSums = field(default_factory=lambda: LabelSums("line_item"))
    _days: tuple[tuple[int, float], ...] = ()
    _by_project: dict[str, tuple[dict[str, float], tuple[float, ...]]] = field(default_factory=dict)
    """Periods and days of each project."""
    _items: tuple[tuple[str, float], ...] = ()

    def spend(
        self, costs: Ledger, owners: Owners, estimated: Mapping[str, float], now: float, *, changed: bool
    ) -> Spend | None:
        """Return what was spent at `now`, Unix seconds; None where costs in US dollars are not polled, or stale.

        `estimated` are today's estimates by project, `changed` says whether the ledger changed since the last call.
        """
        found = _find(costs)
        if found is None or not costs.fresh(now):
            return None
        store, position = found
        measure = store.group.measures[position]
        if changed:
            self._add_up(costs, store, position, now)
        known = _known(costs, measure, self._days, now)
        grouped = "project_id" in store.rows.names
        return Spend(
            **_amounts(known, now),
            daily=self._days,
            line_items=self._items,
            projects=self._project_spend(known, owners, estimated, now) if grouped else (),
            bounds=owners.bounds(""),
        )

    def _add_up(self, costs: Ledger, store: BucketStore, position: int, now: float) -> None:
        periods = _periods(now)
        self._days = tuple(costs.gauges.daily(store.group.measures[position], now))
        self._line_items.update(store, position, periods["week"][0])
        items = zip(self._line_items.values, self._line_items.between(*periods["week"]).tolist(), strict=True)
        self._items = largest({item: usd for item, usd in items if usd}) if "line_item" in store.rows.names else ()
        self._projects.update(store, position)
        sums = [self._projects.between(*span).tolist() for span in periods.values()]
        days = [self._projects.between(day, day + DAY).tolist() for day, _ in self._days]
        by_period = zip(*sums, strict=True)
        by_day = zip(*days, strict=True) if days else (() for _ in self._projects.values)
        self._by_project = {
            project: (dict(zip(periods, amounts, strict=True)), daily)
            for project, amounts, daily in zip(self._projects.values, by_period, by_day, strict=True)
        }

    def _project_spend(
        self, known: Known, owners: Owners, estimated: Mapping[str, float], now: float
    ) -> tuple[ProjectSpend, ...]:
        nothing = dict.fromkeys(known, 0.0), (0.0,) * len(self._days)
        found = []
        for project in {**self._by_project, **estimated, **dict.fromkeys(owners.bounded())}:
            amounts, daily = self._by_project.get(project, nothing)
            name, status = owners.name(project)
            found.append(
                ProjectSpend(
                    **_amounts({each: None if known[each] is None else amounts[each] for each in known}, now),
                    id=project,
                    name=name,
                    status=status,
                    estimated_today=estimated.get(project),
                    bounds=owners.bounds(project),
                    daily=daily,
                )
            )
        return tuple(sorted(found, key=_rank))


def largest(amounts: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Return the ten largest amounts with their names."""
    return tuple(sorted(amounts.items(), key=lambda item: (-item[1], item[0]))[:_TOP])


def _rank(project: ProjectSpend) -> tuple[float, float, str]:
    return -(project.month or 0.0), -sum(project.daily), project.id


def _find(costs: Ledger) -> tuple[BucketStore, int] | None:
    return next(
        (
            (store, position)
            for store in costs.stores
            for position, measure in enumerate(store.group.measures)
            if measure.name == _COST
        ),
        None,
    )


def _periods(now: float) -> dict[str, tuple[int, int]]:
    """Return start and end of every period in Unix seconds."""
    today = day_of(now)
    windows = {name: Window(window).span(now, DAY) for name, window in _WINDOWS.items()}
    return {
        "today": (today, today + DAY),
        **windows,
        "full_week": (today - _WEEK, today),
        "week_before": (today - 2 * _WEEK, today - _WEEK),
    }


def _known(costs: Ledger, measure: Measure, days: tuple[tuple[int, float], ...], now: float) -> Known:
    gauges, plan = costs.gauges, costs.plan
    known: dict[str, float | None] = {"today": gauges.total(measure, now)}
    known |= {name: gauges.total(measure, now, Window(window)) for name, window in _WINDOWS.items()}
    for name, (start, end) in _periods(now).items():
        if name not in known:
            covered = start >= plan.lookback_start(now) and costs.coverage.complete(start, end, plan.width_seconds)
            known[name] = sum(usd for day, usd in days if start <= day < end) if covered else None
    return known


def _amounts(known: Known, now: float) -> dict[str, float | None]:
    """Return the amounts of an organization or a project from those of the periods."""
    shown = {name: known[name] for name in ("today", *_WINDOWS)}
    today, week, month = shown["today"], shown["week"], shown["month"]
    full_week, before = known["full_week"], known["week_before"]
    projected = change = ratio = None
    if today is not None and week is not None and month is not None:
        left = (month_start(now, -1) - now) / DAY
        projected = month + max(week - today, 0.0) / _FULL_DAYS * left
    if full_week is not None and before is not None:
        change = full_week - before
        ratio = change / before if before > 0 else None
    return {**shown, "projected_month": projected, "change": change, "change_ratio": ratio}
