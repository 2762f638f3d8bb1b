"""What counters must show, written from the claim: sums of what was reported, in dictionaries, nothing forgotten early.

A counter is the highest that the reported sum ever stood above the sum at the baseline; counters less excess are the
net change of the sum since then.
"""

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

Labels = tuple[str, ...]
Values = Mapping[Labels, int | None]
"""What one bucket reports of one measure: None is unknown."""


@dataclass
class MeasureModel:
    """One measure's counters."""

    promised: bool
    reported: dict[int, dict[Labels, int]] = field(default_factory=dict)
    """The last value that every bucket had, buckets that have left the look-back included."""
    valueless: set[tuple[int, Labels]] = field(default_factory=set)
    """Buckets and rows that were there at the baseline without a value: their first one belongs to the baseline."""
    partial: set[int] = field(default_factory=set)
    """Buckets of the baseline of which no answer had every row yet: what the first one that has changes is history."""
    at_baseline: dict[Labels, int] = field(default_factory=dict)
    """The sum of each row at the baseline."""
    since: int | None = None
    expired: int = 0
    waiting: bool = False
    highest: dict[Labels, int] = field(default_factory=dict)
    released: dict[Labels, int] = field(default_factory=dict)

    def net(self, labels: Labels) -> int:
        """Return the reported sum less the sum at the baseline."""
        if self.since is None:
            return 0
        total = sum(values.get(labels, 0) for start, values in self.reported.items() if start >= self.since)
        return total - self.at_baseline.get(labels, 0)

    def apply(self, answer: Mapping[int, Values], lookback: int, *, full: bool, lacking: Collection[int] = ()) -> None:
        """Take over an answer, except for days that have expired since the baseline.

        In days that lack a row (`lacking`) everything that is not there, or lower than before, is unknown.
        """
        for start, values in answer.items():
            if start >= self.expired:
                before = self.reported.get(start, {}) if start in lacking else {}
                trusted = {
                    labels: None if value is not None and value < before.get(labels, value) else value
                    for labels, value in values.items()
                }
                self._replace(start, dict.fromkeys(before) | trusted, complete=start not in lacking)
        self.partial -= answer.keys() - set(lacking)
        if self.since is not None:
            for values in answer.values():
                for labels, value in values.items():
                    if value is not None:
                        self.highest.setdefault(labels, 0)
            self.highest = {labels: max(value, self.net(labels)) for labels, value in self.highest.items()}
        elif full or self.waiting:
            self._begin(answer, lacking)
        if self.since is None:
            self.reported = {start: values for start, values in self.reported.items() if start >= lookback}
            self.valueless = {(start, labels) for start, labels in self.valueless if start >= lookback}
        else:
            self.expired = max(self.expired, lookback)

    def forget(self, labels: Labels) -> None:
        """Drop everything that is known of a row."""
        for values in (self.highest, self.released, self.at_baseline, *self.reported.values()):
            values.pop(labels, None)
        self.valueless = {pair for pair in self.valueless if pair[1] != labels}

    def _replace(self, start: int, values: Values, *, complete: bool) -> None:
        before = self.reported.get(start, {})
        if complete and start in self.partial:
            for labels in before.keys() | values.keys():
                value = values.get(labels, 0)
                change = 0 if value is None else value - before.get(labels, 0)
                self.at_baseline[labels] = self.at_baseline.get(labels, 0) + change
        self.reported[start] = {
            labels: before[labels] if value is None else value
            for labels, value in values.items()
            if value is not None or labels in before
        }
        if self.since is None:
            self.valueless |= {(start, labels) for labels, value in values.items() if value is None}
        if start in self.partial:
            self.valueless |= {(start, labels) for labels in values if labels not in before}
        for labels in [labels for at, labels in self.valueless if at == start]:
            if labels not in values or values[labels] is not None:
                self.valueless.discard((start, labels))
                historic = self.since is not None and not (complete and start in self.partial)
                if historic and (value := values.get(labels)) is not None:
                    self.at_baseline[labels] = self.at_baseline.get(labels, 0) + value - before.get(labels, 0)

    def _begin(self, answer: Mapping[int, Values], lacking: Collection[int]) -> None:
        known = {
            labels
            for start, values in self.reported.items()
            for labels in values
            if (start, labels) not in self.valueless
        }
        if known or self.promised or not (self.valueless or any(answer.values())):
            self.since = min(self.reported)
            self.partial = self.reported.keys() & set(lacking)
            for values in self.reported.values():
                for labels, value in values.items():
                    self.at_baseline[labels] = self.at_baseline.get(labels, 0) + value
            self.highest = dict.fromkeys(known, 0)
        else:
            self.waiting = True


@dataclass
class Model:
    """The counters of the measures that share their labels, and what of them is on disk."""

    hold: float
    measures: dict[str, MeasureModel]
    seen: dict[Labels, int] = field(default_factory=dict)
    shown_since: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def apply(
        self,
        answer: Mapping[str, Mapping[int, Values]],
        lookback: int,
        *,
        full: bool,
        lacking: Collection[int] = (),
    ) -> None:
        """Take over an answer: for each measure the days that it covers, and those that lack a row."""
        for name, buckets in answer.items():
            self.measures[name].apply(buckets, lookback, full=full, lacking=lacking)
            for start, values in buckets.items():
                for labels in values:
                    self.seen[labels] = max(self.seen.get(labels, 0), start)
        if full:
            self._forget(lookback)

    def publish(self, now: float) -> None:
        """Raise the counters that have been shown for long enough."""
        for name, measure in self.measures.items():
            for labels, highest in measure.highest.items():
                since = self.shown_since.setdefault((name, labels), now)
                measure.released.setdefault(labels, 0)
                if now >= since + self.hold:
                    measure.released[labels] = highest

    def restarted(self) -> "Model":
        """Return the model after a restart: nothing has been shown yet."""
        model = deepcopy(self)
        model.shown_since = {}
        for measure in model.measures.values():
            measure.waiting = False
        return model

    def _forget(self, lookback: int) -> None:
        for labels in [labels for labels, start in self.seen.items() if start < lookback]:
            measures = self.measures.values()
            if all(m.highest.get(labels, 0) == m.released.get(labels, 0) for m in measures):
                del self.seen[labels]
                for name, measure in self.measures.items():
                    measure.forget(labels)
                    self.shown_since.pop((name, labels), None)
