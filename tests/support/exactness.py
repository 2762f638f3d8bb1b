"""What counters must show, written down as plainly as can be: dictionaries, no columns, nothing forgotten early."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field

Labels = tuple[str, ...]
View = Mapping[Labels, float | None]
"""What one bucket says of one measure: None is unknown."""


@dataclass
class MeasureModel:
    """One measure's counters."""

    promised: bool
    views: dict[int, dict[Labels, float | None]] = field(default_factory=dict)
    base: dict[int, dict[Labels, float]] = field(default_factory=dict)
    since: int | None = None
    expired: int = 0
    waiting: bool = False
    accrued: dict[Labels, float] = field(default_factory=dict)
    released: dict[Labels, float] = field(default_factory=dict)
    counting: set[Labels] = field(default_factory=set)

    def flow(self, labels: Labels) -> float:
        """Add up what was reported since the baseline."""
        if self.since is None:
            return 0
        total = 0.0
        for start, view in self.views.items():
            value = view.get(labels) or 0
            if start in self.base:
                total += max(value - self.base[start].get(labels, 0), 0)
            elif start >= self.since:
                total += value
        return total

    def apply(self, views: Mapping[int, View], lookback: int, *, full: bool) -> None:
        """Take an answer over, leaving out days that have expired since the baseline."""
        for start, view in views.items():
            if start < self.expired:
                continue
            before = self.views.get(start, {})
            for labels, value in view.items():
                if start in self.base and value is not None and labels in before and before[labels] is None:
                    self.base[start][labels] = value
            self.views[start] = dict(view)
        if self.since is not None:
            self.counting |= {s for v in views.values() for s, value in v.items() if value is not None}
            for labels in self.counting:
                self.accrued[labels] = max(self.accrued.get(labels, 0), self.flow(labels))
        elif full or self.waiting:
            self._begin()
        if self.since is None:
            self.views = {start: view for start, view in self.views.items() if start >= lookback}
        else:
            self.expired = max(self.expired, lookback)

    def _begin(self) -> None:
        known = {labels for view in self.views.values() for labels, value in view.items() if value is not None}
        if known or self.promised or not any(self.views.values()):
            self.base = {start: {s: value or 0 for s, value in view.items()} for start, view in self.views.items()}
            self.since = min(self.views)
            self.counting = known
            self.accrued = dict.fromkeys(known, 0.0)
        else:
            self.waiting = True


@dataclass
class Model:
    """One resource's counters, and what of them is on disk."""

    hold: float
    measures: dict[str, MeasureModel]
    seen: dict[Labels, int] = field(default_factory=dict)
    shown_since: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def apply(self, answer: Mapping[str, Mapping[int, View]], lookback: int, *, full: bool) -> None:
        """Take an answer over: for each measure the days that it covers."""
        for name, views in answer.items():
            self.measures[name].apply(views, lookback, full=full)
            for start, view in views.items():
                for labels in view:
                    self.seen[labels] = max(self.seen.get(labels, 0), start)
        if full:
            self._forget(lookback)

    def publish(self, now: float) -> None:
        """Let the counters rise that have been shown for long enough."""
        for name, measure in self.measures.items():
            for labels in measure.counting:
                since = self.shown_since.setdefault((name, labels), now)
                measure.released.setdefault(labels, 0.0)
                if now >= since + self.hold:
                    measure.released[labels] = measure.accrued[labels]

    def restarted(self) -> "Model":
        """Return the model after a restart: nothing has been shown yet."""
        model = deepcopy(self)
        model.shown_since = {}
        for measure in model.measures.values():
            measure.waiting = False
        return model

    def excess(self, name: str) -> float:
        """Return how far the counters stand above what is reported."""
        measure = self.measures[name]
        return sum(measure.accrued[labels] - measure.flow(labels) for labels in measure.counting)

    def _forget(self, lookback: int) -> None:
        for labels in [labels for labels, start in self.seen.items() if start < lookback]:
            measures = self.measures.values()
            if all(m.accrued.get(labels, 0) == m.released.get(labels, 0) for m in measures):
                del self.seen[labels]
                for name, measure in self.measures.items():
                    measure.counting.discard(labels)
                    measure.accrued.pop(labels, None)
                    measure.released.pop(labels, None)
                    self.shown_since.pop((name, labels), None)
                    for view in measure.views.values():
                        view.pop(labels, None)
