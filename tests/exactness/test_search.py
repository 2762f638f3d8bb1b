"""Arbitrary interleavings of everything that can happen, compared with a model after every publish."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from exporter.catalog import DAY, QUANTA, Bucket, Plan, PollResult, Row, day_of, resource
from exporter.clock import Moment
from exporter.ledger import BucketStore, Cells, Column, CounterState, Ledger, buckets
from exporter.publisher.commit import CommitCoordinator
from exporter.store import Refusal, Store, ledgers
from tests.support.exactness import Labels, MeasureModel, Model

HOLD = 150.0
BEGIN = 1794787200
NAMES = ("completions_input_tokens", "completions_input_cached_tokens")
OPTIONAL = NAMES[1]
MEMORY = Path("/dev/shm")  # noqa: S108 - a temporary folder is made in it
"""Where a file need not wait for the disk: processes end here, never the machine."""

token_labels = st.sampled_from([("a", "m"), ("a", "n"), ("b", "m"), ("c", "m")])
cost_labels = st.sampled_from([("a", "input"), ("a", "output"), ("b", "input"), ("unknown", "tax")])
currencies = st.sampled_from(["usd", "usd", "usd", "eur", "unknown"])
amounts = st.integers(min_value=1, max_value=1000)
days_ago = st.integers(min_value=0, max_value=6)


def plan(name: str, measures: Sequence[str], group_by: tuple[str, ...], lookback_days: int = 4) -> Plan:
    """Return a plan of daily buckets without windows."""
    row = resource(name)
    return Plan(
        resource=row,
        group_by=group_by,
        filters=(),
        width="1d",
        measures=row.select(measures),
        windows=(),
        interval=60,
        lookback_days=lookback_days,
        refetch_days=2,
        stale_after=10 * DAY,
        max_series=100,
    )


@dataclass
class Tracked:
    """A ledger as the commit coordinator sees it."""

    ledger: Ledger
    organization: str = "default"
    name: str = ""
    refusal: Refusal = field(default_factory=Refusal)
    unsaved: bool = False


class Search(RuleBasedStateMachine):
    """One resource from its first poll through everything that can happen to it; subclasses say what is reported."""

    plan: Plan

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.path = Path(self.folder.name) / "state.db"
        self.now = float(BEGIN + 7200)
        self.models = self.committed = self.fresh_models()
        self.open()

    def reported(self, day: int, *, repeated: bool) -> tuple[list[Row], ...]:
        """Return the rows that the API has of a day for each label group, some label sets in two rows."""
        raise NotImplementedError

    def teardown(self) -> None:
        """Wait until every hold is over, compare a last time, and close the state."""
        try:
            for _ in range(2):
                self.publish()
                self.now += HOLD
        finally:
            self.store.close()
            self.folder.cleanup()

    def fresh_models(self) -> list[Model]:
        """Return the models of all label groups before the first poll."""
        return [
            Model(HOLD, {m.name: MeasureModel(m.required) for m in group.measures}) for group in self.plan.label_groups
        ]

    def open(self) -> None:
        """Start a process with what is on disk."""
        self.store = Store(self.path)
        self.coordinator = CommitCoordinator(self.store, HOLD)
        self.tracked = Tracked(self.store.load("default", self.plan), name=self.plan.resource.name)
        self.synced_day: int | None = None
        self.models = [model.restarted() for model in self.committed]

    def day(self, age: int) -> int:
        """Return the midnight of a day so many days ago."""
        return day_of(self.now) - age * DAY

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
        wanted_full = self.synced_day != day_of(self.now)
        start = self.tracked.ledger.start_of_poll(self.now, full=wanted_full)
        buckets = []
        for day in range(start, day_of(self.now) + 1, DAY):
            if without is not None and start < day < day_of(self.now) and day == self.day(without):
                continue
            buckets.append(Bucket(day, min(day + DAY, int(self.now)), self.reported(day, repeated=repeated)))
        return PollResult(start, day_of(self.now) + DAY, tuple(buckets), self.now), wanted_full

    @rule(repeated=st.booleans(), published=st.sampled_from([True, True, True, False]))
    def poll(self, repeated: bool, published: bool) -> None:  # noqa: FBT001 # drawn by hypothesis
        """A poll succeeds, and most often something is published before anything else happens."""
        answer, wanted_full = self.answer(repeated=repeated)
        applied = self.tracked.ledger.apply(answer)
        assert not applied.audit.missing
        self.applied(answer, complete=answer.start <= self.plan.lookback_start(self.now))
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
        applied = self.tracked.ledger.apply(answer)
        assert bool(applied.audit.missing) == hole
        self.applied(answer, complete=not hole and answer.start <= self.plan.lookback_start(self.now))

    @rule(age=days_ago, number=st.integers(min_value=0, max_value=3), repeated=st.booleans())
    def poll_with_an_unreadable_row(self, age: int, number: int, repeated: bool) -> None:  # noqa: FBT001 # drawn
        """A poll has a row without readable labels: what its day lacks, or has less of than before, is unknown."""
        answer, wanted_full = self.answer(repeated=repeated)
        answer = replace(
            answer, buckets=tuple(_without_a_row(b, number) if b.start == self.day(age) else b for b in answer.buckets)
        )
        self.tracked.ledger.apply(answer)
        self.applied(answer, complete=answer.start <= self.plan.lookback_start(self.now))
        if wanted_full:
            self.synced_day = day_of(self.now)

    def applied(self, answer: PollResult, *, complete: bool) -> None:
        """Let the models follow what was applied."""
        self.tracked.unsaved = True
        horizon = min(self.plan.lookback_start(self.now), day_of(self.tracked.ledger.coverage.until))
        for index, (model, group) in enumerate(zip(self.models, self.plan.label_groups, strict=True)):
            reported: dict[str, dict[int, dict[Labels, int | None]]] = {m.name: {} for m in group.measures}
            for bucket in answer.buckets:
                assert bucket.rows is not None
                for position, measure in enumerate(group.measures):
                    sums = reported[measure.name].setdefault(bucket.start, {})
                    for labels, values in bucket.rows[index]:
                        value, before = values[position], sums.get(labels, 0)
                        sums[labels] = None if value is None or before is None else before + int(value)
            lacking = {bucket.start for bucket in answer.buckets if index in bucket.incomplete}
            model.apply(reported, horizon, full=complete, lacking=lacking)

    @rule()
    def publish(self) -> None:
        """The state is committed and a scrape sees the result."""
        self.commit()
        self.compare()

    def commit(self) -> None:
        """Commit, in the state and in the models."""
        self.coordinator.commit([self.tracked], {}, Moment(self.now, self.now))
        for model in self.models:
            model.publish(self.now)
        self.committed = deepcopy(self.models)

    def compare(self) -> None:
        """See that every counter shows what the claim says, and that counters less excess are the net figure."""
        views, _ = self.coordinator.views(self.tracked, Moment(self.now, self.now))
        measures = {name: measure for model in self.models for name, measure in model.measures.items()}
        units = {m.name: QUANTA if m.exact else 1 for m in self.plan.measures}
        for view in views:
            if view.counter:
                shown = {
                    labels: value
                    for labels, value, visible in zip(
                        view.rows.sets, view.values.tolist(), view.shown.tolist(), strict=True
                    )
                    if visible
                }
                unit, model = units[view.measure.name], measures[view.measure.name]
                assert {labels: value / unit for labels, value in model.released.items()} == shown
        for name, excess in self.tracked.ledger.excess().items():
            model = measures[name]
            above = sum(model.released.get(labels, 0) - model.net(labels) for labels in model.highest)
            assert above / units[name] == excess

    @rule(end=st.sampled_from(["crash", "crash", "crash after the commit", "look-back", "look-back"]))
    def end(self, end: str) -> None:
        """The process ends: what was not committed is lost, also for the models. Another one starts."""
        if end == "crash after the commit":
            self.commit()
        self.store.close()
        if end == "look-back":
            self.plan = replace(self.plan, lookback_days=7 if self.plan.lookback_days < 7 else 3)
        self.open()

    @rule()
    @precondition(lambda self: self.rare())
    def end_with_other_labels(self) -> None:
        """The API refuses a dimension or accepts it again: another baseline."""
        group_by = type(self).plan.group_by
        self.plan = self.plan.regrouped(group_by[:1] if self.plan.group_by == group_by else group_by)
        self.restart_with(self.fresh_models())

    def restart_with(self, models: list[Model]) -> None:
        """Start a process with other settings, and let it replace what was saved under the old ones."""
        self.committed = models
        self.store.close()
        self.open()
        self.tracked.unsaved = True
        self.publish()

    def rare(self) -> bool:
        """Return whether the day is one of those on which settings change."""
        return day_of(self.now) // DAY % 5 == 0


@dataclass
class Tokens:
    """What OpenAI reports of one row: input tokens, and cached ones, which may be unknown."""

    input: int = 0
    cached: int | None = None


class UsageSearch(Search):
    """Two measures of usage, one of which the API does not promise."""

    plan = plan("completions", NAMES, ("project_id", "model"))

    def __init__(self) -> None:
        self.usage: dict[int, dict[Labels, Tokens]] = {}
        super().__init__()

    def row(self, age: int, labels: Labels) -> Tokens:
        """Return what is reported of a row on a day."""
        return self.usage.setdefault(self.day(age), {}).setdefault(labels, Tokens())

    def reported(self, day: int, *, repeated: bool) -> tuple[list[Row], ...]:
        """Return one label group of one or two measures."""
        width, measures = len(self.plan.group_by), len(self.plan.measures)
        rows: list[Row] = []
        for labels, tokens in self.usage.get(day, {}).items():
            parts = [tokens.input // 2, tokens.input - tokens.input // 2] if repeated else [tokens.input]
            for number, part in enumerate(parts):
                rows.append((labels[:width], (part, tokens.cached if number == 0 else None)[:measures]))
        return (rows,)

    @rule(labels=token_labels, age=days_ago, amount=amounts, cached=st.none() | amounts)
    def report(self, labels: Labels, age: int, amount: int, cached: int | None) -> None:
        """Usage grows, on this day or late on an earlier one."""
        row = self.row(age, labels)
        row.input += amount
        if cached is not None:
            row.cached = (row.cached or 0) + cached

    @rule(labels=token_labels, age=days_ago, amount=amounts)
    def revise_down(self, labels: Labels, age: int, amount: int) -> None:
        """A value of a closed or an open day falls."""
        row = self.row(age, labels)
        row.input = max(row.input - amount, 0)

    @rule(labels=token_labels, age=days_ago)
    def lose_value(self, labels: Labels, age: int) -> None:
        """An optional value is left out of an answer."""
        self.row(age, labels).cached = None

    @rule(source=token_labels, to=token_labels, age=days_ago)
    def move(self, source: Labels, to: Labels, age: int) -> None:
        """A row moves to another label set."""
        day = self.usage.get(self.day(age), {})
        if source != to and source in day:
            self.row(age, to).input += day.pop(source).input

    @rule()
    @precondition(lambda self: self.rare())
    def end_with_other_measures(self) -> None:
        """A measure is switched on or off: it gets a separate baseline."""
        optional = OPTIONAL not in {m.name for m in self.plan.measures}
        measures = self.plan.resource.select(NAMES if optional else NAMES[:1])
        self.plan = replace(self.plan, measures=measures)
        (model,) = self.committed
        kept = {m.name: model.measures.get(m.name, MeasureModel(m.required)) for m in measures}
        self.restart_with([replace(model, measures=kept)])


class CostSearch(Search):
    """Money in two label groups: US dollars, and other currencies with a label of their own."""

    plan = plan("costs", ("cost_usd",), ("project_id", "line_item"))

    def __init__(self) -> None:
        self.costs: dict[int, dict[tuple[Labels, str], int]] = {}
        super().__init__()

    def reported(self, day: int, *, repeated: bool) -> tuple[list[Row], ...]:
        """Return US dollars and other currencies."""
        width = len(self.plan.group_by)
        dollars: list[Row] = []
        others: list[Row] = []
        for (labels, currency), amount in self.costs.get(day, {}).items():
            for part in [amount // 3, amount - amount // 3] if repeated else [amount]:
                if currency == "usd":
                    dollars.append((labels[:width], (part,)))
                else:
                    others.append(((*labels[:width], currency), (part,)))
        return dollars, others

    def add(self, age: int, key: tuple[Labels, str], cents: int) -> None:
        """Change what a row of a day costs."""
        day = self.costs.setdefault(self.day(age), {})
        day[key] = day.get(key, 0) + cents * QUANTA // 100

    @rule(labels=cost_labels, currency=currencies, age=days_ago, cents=amounts)
    def charge(self, labels: Labels, currency: str, age: int, cents: int) -> None:
        """Costs arrive, of this day or late of an earlier one."""
        self.add(age, (labels, currency), cents)

    @rule(labels=cost_labels, age=days_ago, cents=amounts)
    def credit(self, labels: Labels, age: int, cents: int) -> None:
        """An amount falls, below zero as well."""
        self.add(age, (labels, "usd"), -cents)

    @rule(labels=cost_labels, source=days_ago, to=days_ago, cents=st.none() | amounts)
    def move_between_days(self, labels: Labels, source: int, to: int, cents: int | None) -> None:
        """Money moves to another day, all of it (the row disappears) or a part."""
        day = self.costs.get(self.day(source), {})
        if source != to and (labels, "usd") in day:
            whole = day.pop((labels, "usd")) * 100 // QUANTA
            moved = whole if cents is None else cents
            if cents is not None:
                self.add(source, (labels, "usd"), whole - moved)
            self.add(to, (labels, "usd"), moved)

    @rule(source=cost_labels, to=cost_labels, age=days_ago)
    def move_between_rows(self, source: Labels, to: Labels, age: int) -> None:
        """Money moves to another project or line item."""
        day = self.costs.get(self.day(age), {})
        if source != to and (source, "usd") in day:
            self.add(age, (to, "usd"), day.pop((source, "usd")) * 100 // QUANTA)

    @rule(labels=cost_labels, before=currencies, after=currencies, age=days_ago)
    def change_currency(self, labels: Labels, before: str, after: str, age: int) -> None:
        """An amount is reported in another currency."""
        day = self.costs.get(self.day(age), {})
        if before != after and (labels, before) in day:
            self.add(age, (labels, after), day.pop((labels, before)) * 100 // QUANTA)


def _without_a_row(bucket: Bucket, number: int) -> Bucket:
    """Return the bucket without a row of each label group that has so many."""
    groups = bucket.rows or ()
    rows = tuple([*group[:number], *group[number + 1 :]] for group in groups)
    return replace(bucket, rows=rows, incomplete=frozenset(i for i, group in enumerate(groups) if number < len(group)))


search = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestUsage = UsageSearch.TestCase
TestCosts = CostSearch.TestCase
TestUsage.settings = TestCosts.settings = search


@contextmanager
def planted(owner: type | object, name: str, defect: Callable[..., object]) -> Iterator[None]:
    """Replace a function by a defective one for the length of a block."""
    sound = getattr(owner, name)
    setattr(owner, name, defect)
    try:
        yield
    finally:
        setattr(owner, name, sound)


def _commit_after_publish() -> AbstractContextManager[None]:
    def commit(
        coordinator: CommitCoordinator, harnesses: list[Tracked], _openai_ids: dict[str, str], at: Moment
    ) -> bool:
        for tracked in harnesses:
            for release in tracked.ledger.propose(at.monotonic, HOLD):
                release.adopt()
        coordinator._cache.clear()
        return True

    return planted(CommitCoordinator, "commit", commit)


def _expired_days_are_dropped() -> AbstractContextManager[None]:
    sound = BucketStore.expire

    def expire(store: BucketStore, horizon: int, *, full: bool) -> None:
        for position, measure in enumerate(store.group.measures):
            counter = store.counters[measure.name]
            for start, cells in store.cells.items():
                if start < horizon:
                    counter.flow = counter.flow - counter.contribution(
                        start, cells.fit(len(store.rows)).values[position]
                    )
        sound(store, horizon, full=full)

    return planted(BucketStore, "expire", expire)


def _baseline_on_a_partial_sync() -> AbstractContextManager[None]:
    sound = BucketStore.start_counters
    return planted(BucketStore, "start_counters", lambda store, full, at: sound(store, full=True, at=at))  # noqa: ARG005


def _first_value_wins() -> AbstractContextManager[None]:
    sound = BucketStore._replace

    def replace_once(store: BucketStore, start: int, *rest: Any) -> Cells | None:  # noqa: ANN401 # passed on
        return None if start in store.cells else sound(store, start, *rest)

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


def _a_bucket_below_its_baseline_counts_as_nothing() -> AbstractContextManager[None]:
    sound = CounterState.contribution

    def contribution(counter: CounterState, start: int, values: Column) -> Column:
        signed = sound(counter, start, values)
        return np.maximum(signed, 0) if start in counter.base else signed

    return planted(CounterState, "contribution", contribution)


def _what_remains_of_a_day_is_all_of_it() -> AbstractContextManager[None]:
    return planted(buckets, "_distrust_falls", lambda _old, _new: None)


@pytest.mark.parametrize(
    "defect",
    [
        _a_bucket_below_its_baseline_counts_as_nothing,
        _commit_after_publish,
        _expired_days_are_dropped,
        _baseline_on_a_partial_sync,
        _first_value_wins,
        _release_is_not_durable,
        _expired_days_are_counted_again,
        _growth_is_shown_at_once_after_a_restart,
        _what_remains_of_a_day_is_all_of_it,
    ],
)
def test_a_planted_defect_is_found(defect: Callable[[], AbstractContextManager[None]]) -> None:
    """Each of the mistakes that exporters of billing data make fails the search.

    It ends with the first find, mostly among the first hundred examples, seldom later.
    """
    hunt = settings(search, max_examples=10_000, phases=(Phase.generate,))
    both = defect is _a_bucket_below_its_baseline_counts_as_nothing
    for machine in (UsageSearch, CostSearch) if both else (UsageSearch,):
        with defect(), pytest.raises((AssertionError, KeyError, ValueError)):
            run_state_machine_as_test(machine, settings=hunt)
