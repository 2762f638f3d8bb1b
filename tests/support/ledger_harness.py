"""One resource from poll result to view, with time and figures set by the test: no network, no clock."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.catalog import DAY, QUANTA, Bucket, Measure, Plan, PollResult, Window, resource
from exporter.clock import Moment
from exporter.ledger import ApplyResult, Ledger
from exporter.publisher.commit import CommitCoordinator
from exporter.store import Refusal, Store

NOW = 1_795_016_537.0
"""2026-11-18 15:42:17 UTC, a Wednesday."""
TODAY = 1_794_960_000
HOLD = 150.0

Labels = tuple[str, ...]
Values = tuple[float | None, ...]


def plan(name: str = "completions", measures: Iterable[str] = ("completions_input_tokens",), **changes: Any) -> Plan:  # noqa: ANN401 # any field of a plan
    """Return a plan of a few measures by day, grouped by project and, where there are any, model."""
    row = resource(name)
    usual = Plan(
        resource=row,
        group_by=tuple(label for label in ("project_id", "model", "line_item") if label in row.group_by),
        filters=(),
        width="1d",
        measures=row.select(measures),
        windows=(),
        interval=60.0,
        lookback_days=5,
        refetch_days=2,
        stale_after=6 * 3600.0,
        max_series=100,
    )
    return replace(usual, **changes)


def costs(**changes: Any) -> Plan:  # noqa: ANN401 # what `Plan` takes
    """Return a plan of the costs."""
    return plan("costs", ("cost_usd",), **changes)


def with_windows(given: Plan, *names: str) -> Plan:
    """Return the plan with these windows of all its measures."""
    windows = tuple(Window(name) for name in names)
    return replace(given, windows=tuple((measure, windows) for measure in given.measures))


def dollars(amount: str) -> int:
    """Return an amount in whole quanta."""
    whole, _, fraction = amount.lstrip("-").partition(".")
    quanta = int(whole) * QUANTA + int((fraction or "0").ljust(30, "0"))
    return -quanta if amount.startswith("-") else quanta


@dataclass
class LedgerHarness:
    """A ledger as the commit coordinator sees it, what the API reports of it, and the time."""

    plan: Plan = field(default_factory=plan)
    store: Store | None = None
    now: float = NOW
    clock_error: float = 0.0
    """Seconds by which the wall clock is ahead."""
    hold: float = HOLD
    reported: dict[int, list[dict[Labels, Values]]] = field(default_factory=dict)
    """For each start of a bucket and each label group the rows."""
    organization: str = "default"
    name: str = ""
    refusal: Refusal = field(default_factory=Refusal)
    unsaved: bool = False

    def __post_init__(self) -> None:
        """Open the ledger."""
        self.name = self.plan.resource.name
        self.restart()

    def restart(self, changed: Plan | None = None) -> None:
        """Begin a life of the process: only what is on disk is known."""
        self.plan = changed or self.plan
        self.coordinator = CommitCoordinator(self.store, self.hold)
        self.ledger = self.store.load(self.organization, self.plan) if self.store else Ledger(self.plan)
        self.unsaved = False

    @property
    def moment(self) -> Moment:
        """The present moment: the wall clock may be wrong."""
        return Moment(self.now + self.clock_error, self.now)

    def report(self, start: float, labels: Labels, *values: float | None, group: int = 0) -> None:
        """Set what is reported of a row in a bucket; without values it is there no more."""
        rows = self.reported.setdefault(int(start), [{} for _ in self.plan.label_groups])[group]
        if values:
            rows[labels] = values
        else:
            rows.pop(labels, None)

    def answer(self, *, full: bool = True, without: Collection[int] = (), since: int | None = None) -> PollResult:
        """Return what the API says now, but for some buckets (their starts)."""
        start = self.ledger.start_of_poll(self.now, full=full) if since is None else since
        end = self.plan.open_end(self.now)
        width = self.plan.width_seconds
        nothing: list[dict[Labels, Values]] = [{} for _ in self.plan.label_groups]
        buckets = [
            Bucket(
                at,
                min(at + width, int(self.now)),
                tuple([*rows.items()] for rows in self.reported.get(at, nothing)),
            )
            for at in range(start // width * width, end, width)
            if at not in without
        ]
        return PollResult(start, end, tuple(buckets), self.now)

    def poll(self, *, full: bool = True, without: Collection[int] = (), publish: bool = True) -> ApplyResult:
        """Apply what the API says now, and publish it."""
        applied = self.ledger.apply(self.answer(full=full, without=without))
        self.unsaved = True
        if publish:
            self.publish()
        return applied

    def publish(self) -> bool:
        """Commit, and return whether that succeeded."""
        return self.coordinator.commit([self], {}, self.moment)

    def wait(self, seconds: float = HOLD) -> None:
        """Let time pass, and publish."""
        self.now += seconds
        self.publish()

    def views(self) -> Mapping[tuple[str, str], dict[Labels, float]]:
        """Return what is shown, by measure and by window, `today` or `accrued`."""
        views, _ = self.coordinator.views(self, self.moment)
        return {
            (view.measure.name, "accrued" if view.counter else view.window or "today"): {
                labels: value
                for labels, value, visible in zip(
                    view.rows.sets, view.values.tolist(), view.shown.tolist(), strict=False
                )
                if visible
            }
            for view in views
        }

    def shown(self, view: str = "accrued", measure: str | None = None) -> dict[Labels, float] | None:
        """Return one view of the plan's first measure, or of the one that is named; None where it is absent."""
        return self.views().get((measure or self.first.name, view))

    @property
    def first(self) -> Measure:
        """The plan's first measure."""
        return self.plan.measures[0]


A, B, C = ("a", "m"), ("b", "m"), ("c", "m")
"""Label sets of project and model."""

YESTERDAY = TODAY - DAY
