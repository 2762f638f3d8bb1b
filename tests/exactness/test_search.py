"""Arbitrary interleavings of everything that can happen, compared with a model after every publish."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from exporter.catalog import DAY, Bucket, Plan, PollResult, day_of, resource
from exporter.ledger import BucketStore, CounterState, Ledger
from exporter.publisher.commit import CommitCoordinator
from exporter.store import Refusal, Store, ledgers
from tests.support.exactness import Labels, MeasureModel, Model

HOLD = 150.0
BEGIN = 1794787200
NAMES = ("completions_input_tokens", "completions_input_cached_tokens")
OPTIONAL = NAMES[1]
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
"""Where a file need not wait for the disk: processes end here, never the machine."""

labels = st.sampled_from([("a", "m"), ("a", "n"), ("b", "m"), ("c", "m")])
amounts = st.integers(min_value=1, max_value=1000)
days_ago = st.integers(min_value=0, max_value=6)


def plan(*, lookback_days: int = 4, optional: bool = True, grouped: bool = True) -> Plan:
    """Return a plan of two measures, one of which the API does not promise."""
    completions = resource("completions")
    return Plan(
        resource=completions,
        group_by=("project_id", "model") if grouped else ("project_id",),
        filters=(),
        width="1d",
        measures=completions.select(NAMES if optional else NAMES[:1]),
        windows=(),
        interval=60,
        lookback_days=lookback_days,
        refetch_days=2,
        stale_after=10 * DAY,
        max_series=100,
    )


@dataclass
class LedgerHarness:
    """What the press needs to know of a ledger."""

    ledger: Ledger
    organization: str = "default"
    name: str = "completions"
    refusal: Refusal = field(default_factory=Refusal)
    unsaved: bool = False


@dataclass
class Reported:
    """What OpenAI reports of one row: input tokens, and cached ones, which may be unknown."""

    tokens: int = 0
    cached: int | None = None


class Counters(RuleBasedStateMachine):
    """One resource from its first poll through everything that can happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.path = Path(self.folder.name) / "state.db"
        self.now = float(BEGIN + 7200)
        self.truth: dict[int, dict[Labels, Reported]] = {}
        self.plan = plan()
        self.model = self.committed = self.fresh_model()
        self.open()

    def teardown(self) -> None:
        """Wait until every hold is over, compare a last time, and close the state."""
        try:
            for _ in range(2):
                self.publish()
                self.now += HOLD
        finally:
            self.store.close()
            self.folder.cleanup()

    def fresh_model(self) -> Model:
        """Return the model before the first poll."""
        return Model(HOLD, {m.name: MeasureModel(m.required) for m in self.plan.measures})

    def open(self) -> None:
        """Begin a life of the process with what is on disk."""
        self.store = Store(self.path)
        self.coordinator = CommitCoordinator(self.store, HOLD)
        self.desk = LedgerHarness(self.store.load("default", self.plan))
        self.synced_day: int | None = None
        self.model = self.committed.restarted()

    def row(self, age: int, row: Labels) -> Reported:
        """Return what is reported of a row on a day."""
        return self.truth.setdefault(day_of(self.now) - age * DAY, {}).setdefault(row, Reported())

    @rule(row=labels, age=days_ago, amount=amounts, cached=st.none() | amounts)
    def report(self, row: Labels, age: int, amount: int, cached: int | None) -> None:
        """Usage grows, on this day or late on an earlier one."""
        held = self.row(age, row)
        held.tokens += amount
        if cached is not None:
            held.cached = (held.cached or 0) + cached

    @rule(row=labels, age=days_ago, amount=amounts)
    def revise_down(self, row: Labels, age: int, amount: int) -> None:
        """A value of a closed or an open day falls."""
        held = self.row(age, row)
        held.tokens = max(held.tokens - amount, 0)

    @rule(source=labels, to=labels, age=days_ago)
    def move(self, source: Labels, to: Labels, age: int) -> None:
        """A row moves to another label set."""
        day = self.truth.get(day_of(self.now) - age * DAY, {})
        if source != to and source in day:
            moved = day.pop(source)
            self.row(age, to).tokens += moved.tokens

    @rule(seconds=st.sampled_from([1, 60, 149, 150, 151, 3600, 20000]))
    def wait(self, seconds: int) -> None:
        """Time passes within a day or over midnight."""
        self.now += seconds

    @rule(days=st.sampled_from([1, 1, 1, 2, 2, 3, 5, 9]))
    def outage(self, days: int) -> None:
        """Time passes without a poll: more than the refetch window, more than the look-back."""
        self.now += days * DAY

    def answer(self, *, repeated: bool, without: int | None = None) -> tuple[PollResult, bool]:
        """Return what the API answers to the next poll, and whether it is a complete sync."""
        ledger = self.desk.ledger
        wanted_full = self.synced_day != day_of(self.now)
        start = ledger.start_of_poll(self.now, full=wanted_full)
        buckets = []
        for day in range(start, day_of(self.now) + 1, DAY):
            if without is not None and start < day < day_of(self.now) and day == day_of(self.now) - without * DAY:
                continue
            rows = [
                row for key, held in self.truth.get(day, {}).items() for row in self.rows(key, held, repeated=repeated)
            ]
            buckets.append(Bucket(day, min(day + DAY, int(self.now)), (rows,)))
        return PollResult(start, day_of(self.now) + DAY, tuple(buckets), self.now), wanted_full

    def rows(self, key: Labels, held: Reported, *, repeated: bool) -> Iterator[tuple[Labels, tuple[float | None, ...]]]:
        """Write a row down as the API would, maybe in two parts."""
        width = len(self.plan.group_by)
        measures = len(self.plan.measures)
        parts = [held.tokens // 2, held.tokens - held.tokens // 2] if repeated else [held.tokens]
        for number, part in enumerate(parts):
            yield key[:width], (part, held.cached if number == 0 else None)[:measures]

    @rule(repeated=st.booleans(), published=st.sampled_from([True, True, True, False]))
    def poll(self, repeated: bool, published: bool) -> None:  # noqa: FBT001 # drawn by hypothesis
        """A poll succeeds, and most often something is published before anything else happens."""
        answer, wanted_full = self.answer(repeated=repeated)
        applied = self.desk.ledger.apply(answer)
        assert not applied.audit.missing
        self.took(answer, complete=answer.start <= self.plan.lookback_start(self.now))
        if wanted_full:
            self.synced_day = day_of(self.now)
        if published:
            self.publish()

    @rule(without=st.integers(min_value=1, max_value=3))
    def poll_with_a_hole(self, without: int) -> None:
        """A poll lacks a bucket: that one stays as it was, and no baseline is taken."""
        answer, _ = self.answer(repeated=False, without=without)
        held = {bucket.start for bucket in answer.buckets}
        hole = any(day not in held for day in range(answer.start, answer.end, DAY))
        applied = self.desk.ledger.apply(answer)
        assert bool(applied.audit.missing) == hole
        self.took(answer, complete=not hole and answer.start <= self.plan.lookback_start(self.now))

    def took(self, answer: PollResult, *, complete: bool) -> None:
        """Tell the model what was applied."""
        self.desk.unsaved = True
        views: dict[str, dict[int, dict[Labels, float | None]]] = {m.name: {} for m in self.plan.measures}
        for bucket in answer.buckets:
            for position, measure in enumerate(self.plan.measures):
                view = views[measure.name].setdefault(bucket.start, {})
                for key, values in (bucket.rows or ((),))[0]:
                    value, before = values[position], view.get(key)
                    view[key] = before if value is None else (before or 0) + value
        horizon = min(self.plan.lookback_start(self.now), day_of(self.desk.ledger.coverage.until))
        self.model.apply(views, horizon, full=complete)

    @rule()
    def publish(self) -> None:
        """The state is committed and a scrape sees the result."""
        self.coordinator.commit([self.desk], {}, self.now)
        self.model.publish(self.now)
        self.committed = deepcopy(self.model)
        self.compare()

    def compare(self) -> None:
        """See that every counter shows what the model says, and the excess too."""
        views, _ = self.coordinator.views(self.desk, self.now)
        for face in views:
            if face.counter:
                shown = {
                    key: value
                    for key, value, visible in zip(
                        face.rows.sets, face.values.tolist(), face.shown.tolist(), strict=True
                    )
                    if visible
                }
                assert shown == self.model.measures[face.measure.name].released
        for name, excess in self.desk.ledger.excess().items():
            assert excess == self.model.excess(name)

    @rule(end=st.sampled_from(["crash", "crash", "crash after the commit", "look-back", "look-back"]))
    def end(self, end: str) -> None:
        """The process ends: what was not committed is lost, also for the model. Another one begins."""
        if end == "crash after the commit":
            self.coordinator.commit([self.desk], {}, self.now)
            self.model.publish(self.now)
            self.committed = deepcopy(self.model)
        self.store.close()
        if end == "look-back":
            self.plan = replace(self.plan, lookback_days=7 if self.plan.lookback_days < 7 else 3)
        self.open()

    @rule(regrouped=st.booleans())
    @precondition(lambda self: self.rare())
    def end_with_other_settings(self, regrouped: bool) -> None:  # noqa: FBT001 # drawn by hypothesis
        """The API refuses a dimension or accepts it again, or a measure is switched on or off: other baselines."""
        if regrouped:
            self.plan = self.plan.regrouped(("project_id",) if len(self.plan.group_by) > 1 else ("project_id", "model"))
            self.committed = self.fresh_model()
        else:
            optional = OPTIONAL not in {m.name for m in self.plan.measures}
            self.plan = replace(self.plan, measures=plan(optional=optional).measures)
            kept = self.committed.measures
            measures = {m.name: kept.get(m.name, MeasureModel(m.required)) for m in self.plan.measures}
            self.committed = replace(self.committed, measures=measures)
        self.store.close()
        self.open()
        self.write()

    def rare(self) -> bool:
        """Tell whether the day is one of those on which settings change."""
        return day_of(self.now) // DAY % 5 == 0

    def write(self) -> None:
        """Let what was begun with other settings replace what was saved with the old ones."""
        self.desk.unsaved = True
        self.publish()


search = settings(max_examples=400, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
TestCounters = Counters.TestCase
TestCounters.settings = search


@contextmanager
def planted(owner: type | object, name: str, defect: Callable[..., object]) -> Iterator[None]:
    """Put a defect in the place of a function for a while."""
    sound = getattr(owner, name)
    setattr(owner, name, defect)
    try:
        yield
    finally:
        setattr(owner, name, sound)


def _commit_after_publish() -> AbstractContextManager[None]:
    def commit(
        coordinator: CommitCoordinator, tracked_ledgers: list[LedgerHarness], _mirrored: dict[str, str], now: float
    ) -> bool:
        for desk in tracked_ledgers:
            for release in desk.ledger.propose(now, HOLD):
                release.adopt()
        coordinator._shown.clear()
        return True

    return planted(CommitCoordinator, "commit", commit)


def _expired_days_are_dropped() -> AbstractContextManager[None]:
    sound = BucketStore.expire

    def expire(book: BucketStore, horizon: int, *, full: bool) -> None:
        for position, measure in enumerate(book.sheet.measures):
            counter = book.counters[measure.name]
            for start, cells in book.cells.items():
                if start < horizon:
                    counter.flow = counter.flow - counter.contribution(
                        start, cells.fit(len(book.rows)).values[position]
                    )
        sound(book, horizon, full=full)

    return planted(BucketStore, "expire", expire)


def _baseline_on_a_partial_sync() -> AbstractContextManager[None]:
    sound = BucketStore.start_counters
    return planted(BucketStore, "start_counters", lambda book, full: sound(book, full=True))  # noqa: ARG005


def _first_value_wins() -> AbstractContextManager[None]:
    sound = BucketStore._replace

    def replace_once(book: BucketStore, start: int, *rest: object) -> None:
        if start not in book.cells:
            sound(book, start, *rest)  # type: ignore[arg-type] # handed on as it came

    return planted(BucketStore, "_replace", replace_once)


def _release_is_not_durable() -> AbstractContextManager[None]:
    sound = ledgers.write
    return planted(ledgers, "write", lambda *saved: sound(*saved[:-1], ()))  # type: ignore[call-arg]


def _expired_days_are_counted_again() -> AbstractContextManager[None]:
    def expire(counter: CounterState, horizon: int) -> None:
        for start in [start for start in counter.base if start < horizon]:
            del counter.base[start]

    return planted(CounterState, "expire", expire)


def _growth_is_shown_at_once_after_a_restart() -> AbstractContextManager[None]:
    sound = Ledger.propose
    return planted(Ledger, "propose", lambda ledger, now, _hold: sound(ledger, now, 0.0))


@pytest.mark.parametrize(
    "defect",
    [
        _commit_after_publish,
        _expired_days_are_dropped,
        _baseline_on_a_partial_sync,
        _first_value_wins,
        _release_is_not_durable,
        _expired_days_are_counted_again,
        _growth_is_shown_at_once_after_a_restart,
    ],
)
def test_a_planted_defect_is_found(defect: Callable[[], AbstractContextManager[None]]) -> None:
    """The search would see each of the mistakes that exporters of billing data make.

    It ends with the first find, mostly among the first hundred examples, seldom later.
    """
    hunt = settings(search, max_examples=10_000, derandomize=True, database=None, phases=(Phase.generate,))
    with defect(), pytest.raises((AssertionError, KeyError, ValueError)):
        run_state_machine_as_test(Counters, settings=hunt)
