"""The usage log: usage as it is reported now, with late data and corrections.

A value is the demand of its bucket as far as it is visible, plus entries, plus revisions. A revision removes or repeats
a part of the bucket's time, so that minutes, hours and days still agree.
"""

from bisect import insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from exporter.catalog import CATALOG, DAY, ApiFamily, day_of, resource
from exporter.simulator.demand import Stream, Values, launch, storage_items, streams, usage_resources
from exporter.simulator.organization import Organization, Project
from exporter.simulator.prices import QUANTUM
from exporter.simulator.workloads import Dimension, row_layout

_ALWAYS: Final = float("-inf")


@dataclass(frozen=True, slots=True, order=True)
class Delay:
    """A reporting lag and the time from which it applies."""

    since: float
    seconds: float
    """Seconds between usage and its report."""
    late_percent: int = 0
    """Percentage of streams that are reported later."""
    late_seconds: float = 0.0
    """Additional seconds of those."""


class Delays:
    """The delays of one resource over time. Visible usage stays visible."""

    def __init__(self, seconds: float = 0.0) -> None:
        """Take the initial delay."""
        self._history = [Delay(_ALWAYS, seconds)]

    def change(self, delay: Delay) -> None:
        """Apply another delay from `delay.since` on."""
        insort(self._history, delay)

    def horizons(self, as_of: float) -> tuple[int, int]:
        """Return the times (Unix seconds) up to which usage is visible at `as_of`: of prompt and of late streams."""
        prompt = late = _ALWAYS
        ends = [delay.since for delay in self._history[1:]]
        for delay, until in zip(self._history, [*ends, as_of], strict=True):
            if delay.since <= as_of:
                seen = min(until, as_of) - delay.seconds
                prompt = max(prompt, seen)
                late = max(late, seen - delay.late_seconds)
        return int(prompt), int(late)

    def late_percent(self, as_of: float) -> int:
        """Return the percentage of late streams at `as_of`."""
        return max(
            (delay for delay in self._history if delay.since <= as_of), key=lambda delay: delay.since
        ).late_percent


Key = tuple[Dimension, ...]
"""The dimensions of a resource in their order, then the extra dimensions of its layout (the currency of costs)."""

Rows = dict[Key, Values]

_CACHED_ROWS: Final = 400_000


@dataclass(frozen=True, slots=True)
class Entry:
    """Values added by a script; negative ones are subtracted."""

    resource: str
    time: int
    key: Key
    values: tuple[int, ...]
    visible_from: float

    def overlaps(self, start: int, end: int) -> bool:
        """Return whether the entry is in a bucket."""
        return start <= self.time < end


@dataclass(frozen=True, slots=True)
class Revision:
    """A time span whose usage is added `weight` more times: -1 removes it, 1 doubles it."""

    resource: str
    start: int
    end: int
    weight: int
    match: Mapping[str, Dimension]
    visible_from: float

    def overlaps(self, start: int, end: int) -> bool:
        """Return whether the revision concerns a bucket."""
        return self.start < end and start < self.end


Correction = Entry | Revision


_Usage = Callable[[Stream, int, int], Iterator[tuple[Key, Values]]]
"""Yields the rows that a stream adds to a bucket from start to end."""


class UsageLog:
    """The reported usage and costs of one organization."""

    def __init__(self, organization: Organization, delays: Mapping[str, float] | None = None) -> None:
        """Take the organization and the delay of each resource in seconds (default: none)."""
        self.organization = organization
        self.delays = {row.name: Delays((delays or {}).get(row.name, 0.0)) for row in CATALOG}
        self.units: dict[str, str | None] = {}
        """The `quantity_unit` of every line item."""
        self.allowances: dict[str, int] = {}
        """Free quantity of line items on each UTC day, in millionths."""
        self._corrections: dict[tuple[str, int], list[Correction]] = {}
        self._streams: dict[str, tuple[Stream, ...]] = {row.name: () for row in usage_resources()}
        self._levels = {row.name for row in usage_resources() if row_layout(row).level}
        self.units |= {item.name: item.unit for item in _STORAGE}
        self.add_projects(organization.projects)
        self._cache: OrderedDict[tuple[str, int, int, int, int], Rows] = OrderedDict()
        self._cached_rows = 0

    def add_projects(self, projects: Sequence[Project]) -> None:
        """Start the usage of projects."""
        for row in usage_resources():
            new = streams(self.organization, row, projects)
            self._streams[row.name] += new
            self.units |= {item.name: item.unit for stream in new for item, _ in stream.items}

    def launch(self, name: str, model: str, since: int) -> None:
        """Start usage of a new language model in every project at `since` (Unix seconds)."""
        new = launch(self.organization, resource(name), model, since)
        self._streams[name] += new
        self.units |= {item.name: item.unit for stream in new for item, _ in stream.items}
        self._cache.clear()
        self._cached_rows = 0

    def demand(self, name: str, start: int, end: int, as_of: float, match: Mapping[str, Dimension]) -> Values:
        """Return the sums of matching usage that is visible at `as_of`, without corrections."""
        sums = [0] * len(row_layout(resource(name)).components)
        for key, values in self._visible_usage(name, start, self.visible_until(name, start, end, as_of)):
            if self.matches(name, key, match):
                sums = [a + b for a, b in zip(sums, values, strict=True)]
        return sums

    def add_correction(self, correction: Correction) -> None:
        """Record a correction."""
        first, last = (
            (correction.time, correction.time)
            if isinstance(correction, Entry)
            else (correction.start, correction.end - 1)
        )
        for day in range(day_of(first), last + 1, DAY):
            self._corrections.setdefault((correction.resource, day), []).append(correction)

    def corrections(self, name: str, start: int, end: int, as_of: float) -> tuple[Correction, ...]:
        """Return the corrections of a bucket that are visible at `as_of`."""
        found = (
            correction
            for day in range(day_of(start), end, DAY)
            for correction in self._corrections.get((name, day), ())
            if correction.visible_from <= as_of and correction.overlaps(start, end)
        )
        return tuple(correction for correction, _ in groupby(found, key=lambda correction: correction))

    def visible_until(self, name: str, start: int, end: int, as_of: float) -> tuple[int, int, int]:
        """Return up to when a bucket has data at `as_of`, of prompt and of late streams, and the late percentage."""
        prompt, late = (max(min(end, horizon), start) for horizon in self.delays[name].horizons(as_of))
        return prompt, late, self.delays[name].late_percent(as_of) if late < prompt else 0

    def rows(self, name: str, start: int, end: int, as_of: float) -> Rows:
        """Return the rows of a bucket as reported at `as_of`, grouped by every dimension."""
        visible_until = self.visible_until(name, start, end, as_of)
        corrections = self.corrections(name, start, end, as_of)
        plain = self._uncorrected(name, start, visible_until)
        if self.allowances and resource(name).branch is ApiFamily.COSTS:
            plain = self._less_allowances(plain)
        if not corrections:
            return plain
        rows = {key: list(values) for key, values in plain.items()}
        for correction in corrections:
            if isinstance(correction, Entry):
                _add(rows, correction.key, correction.values)
            else:
                span = max(correction.start, start), min(correction.end, end)
                for key, values in self._visible_usage(name, span[0], self.visible_until(name, *span, as_of)):
                    if self.matches(name, key, correction.match):
                        _add(rows, key, [correction.weight * value for value in values])
        return {key: values for key, values in rows.items() if any(values)}

    def _less_allowances(self, rows: Rows) -> Rows:
        """Return a day's costs without each row's share of the allowances."""
        index = resource("costs").dimensions.index("line_item")
        totals: dict[Dimension, int] = {}
        for key, (_, quantity) in rows.items():
            totals[key[index]] = totals.get(key[index], 0) + quantity
        billed = {item: max(totals.get(item, 0) - allowance, 0) for item, allowance in self.allowances.items()}
        return {
            key: [amount * billed[item] // totals[item], quantity]
            if (item := key[index]) in billed
            else [amount, quantity]
            for key, (amount, quantity) in rows.items()
        }

    def _uncorrected(self, name: str, start: int, visible_until: tuple[int, int, int]) -> Rows:
        cache_key = (name, start, *visible_until)
        if (rows := self._cache.get(cache_key)) is not None:
            self._cache.move_to_end(cache_key)
            return rows
        rows = {}
        for key, values in self._visible_usage(name, start, visible_until):
            _add(rows, key, values)
        self._cache[cache_key] = rows
        self._cached_rows += len(rows) + 1
        while self._cached_rows > _CACHED_ROWS and len(self._cache) > 1:
            self._cached_rows -= len(self._cache.popitem(last=False)[1]) + 1
        return rows

    def _visible_usage(
        self, name: str, start: int, visible_until: tuple[int, int, int]
    ) -> Iterator[tuple[Key, Values]]:
        prompt, late, late_percent = visible_until
        for source, usage in self._sources(name):
            for stream in source:
                end = late if stream.late < late_percent else prompt
                if end > start:
                    yield from usage(stream, start, end)

    def _sources(self, name: str) -> tuple[tuple[tuple[Stream, ...], _Usage], ...]:
        if name in self._levels:
            return ((self._streams[name], _level),)
        if name in self._streams:
            return ((self._streams[name], _flow),)
        return tuple(
            (source, _storage_cost if used in self._levels else _cost) for used, source in self._streams.items()
        )

    @staticmethod
    def matches(name: str, key: Key, match: Mapping[str, Dimension]) -> bool:
        """Return whether a row has all of these dimensions."""
        names = (*resource(name).dimensions, *row_layout(resource(name)).extra_dimensions)
        return all(key[names.index(dimension)] == value for dimension, value in match.items())


def _add(rows: Rows, key: Key, values: Iterable[int]) -> None:
    held = rows.get(key)
    rows[key] = list(values) if held is None else [a + b for a, b in zip(held, values, strict=True)]


def _flow(stream: Stream, start: int, end: int) -> Iterator[tuple[Key, Values]]:
    if used := stream.used(start, end):
        yield stream.dimensions, used


def _level(stream: Stream, _start: int, end: int) -> Iterator[tuple[Key, Values]]:
    if height := stream.level(end):
        yield stream.dimensions, height


def _cost(stream: Stream, start: int, end: int) -> Iterator[tuple[Key, Values]]:
    if (used := stream.used(start, end)) is None:
        return
    price_multiplier, listed = stream.project.price_multiplier, stream.list_price
    changes = sorted({*price_multiplier.changes_between(start, end), *listed.changes_between(start, end)})
    for item, indexes in stream.items:
        if quantity := sum(used[index] for index in indexes):
            weighted, before = 0, 0
            for since, until in pairwise((start, *changes, end)):
                billed = _billed(stream, indexes, start, until) if until < end else quantity
                weighted += (billed - before) * price_multiplier.at(since) * listed.at(since)
                before = billed
            yield _payer(stream, item.name), [item.price * weighted // 100**2, quantity * QUANTUM]


def _billed(stream: Stream, indexes: tuple[int, ...], start: int, end: int) -> int:
    used = stream.used(start, end)
    return sum(used[index] for index in indexes) if used else 0


def _storage_cost(stream: Stream, start: int, end: int) -> Iterator[tuple[Key, Values]]:
    for item in _STORAGE:
        if quantity := stream.stored_quantity(start, end):
            yield _payer(stream, item.name), [item.price // QUANTUM * quantity, quantity]


_STORAGE: Final = tuple(item for row in usage_resources() for item in storage_items(row))


def _payer(stream: Stream, item: str) -> Key:
    project, user, key, source = stream.payer
    return project, user, item, key, source, "usd"
