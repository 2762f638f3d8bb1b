"""The books: what is reported now of what was used, late data and later corrections included.

A figure is the demand of its bucket as far as it is visible, plus entries made by hand, plus revisions. A revision
takes back, or reports twice, a part of the bucket's time, so that minutes, hours and days keep agreeing.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from exporter.catalog import CATALOG, DAY, ApiFamily, day_of, resource
from exporter.simulator.delays import Delays
from exporter.simulator.demand import Stream, Values, launch, storage_items, streams, usage_resources
from exporter.simulator.forms import form_of
from exporter.simulator.organization import Organization, Project
from exporter.simulator.prices import QUANTUM
from exporter.simulator.workloads import Dimension

Key = tuple[Dimension, ...]
"""The dimensions of a resource in the order of the table, then the form's extras (the currency of costs)."""

Rows = dict[Key, Values]

_KEPT_ROWS: Final = 400_000


@dataclass(frozen=True, slots=True)
class Entry:
    """Figures that were added, or with a minus taken away, by hand."""

    resource: str
    time: int
    key: Key
    values: tuple[int, ...]
    visible_from: float

    def overlaps(self, start: int, end: int) -> bool:
        """Tell whether the entry belongs into a bucket."""
        return start <= self.time < end


@dataclass(frozen=True, slots=True)
class Revision:
    """A span of time whose usage is reported `weight` times more often: -1 takes it back, 1 doubles it."""

    resource: str
    start: int
    end: int
    weight: int
    match: Mapping[str, Dimension]
    visible_from: float

    def overlaps(self, start: int, end: int) -> bool:
        """Tell whether the revision touches a bucket."""
        return self.start < end and start < self.end


Note = Entry | Revision


_Usage = Callable[[Stream, int, int], Iterator[tuple[Key, Values]]]
"""Yields the rows that a stream adds to a bucket from start to end."""


class UsageLog:
    """The reported figures of one organization."""

    def __init__(self, organization: Organization, delays: Mapping[str, float] | None = None) -> None:
        """Take the organization and the delay of each resource in seconds (default: none)."""
        self.organization = organization
        self.delays = {row.name: Delays((delays or {}).get(row.name, 0.0)) for row in CATALOG}
        self.units: dict[str, str | None] = {}
        """The `quantity_unit` of every line item."""
        self.allowances: dict[str, int] = {}
        """Of line items, how many millionths of the quantity of a UTC day are free."""
        self._notes: dict[tuple[str, int], list[Note]] = {}
        self._streams: dict[str, tuple[Stream, ...]] = {row.name: () for row in usage_resources()}
        self._levels = {row.name for row in usage_resources() if form_of(row).level}
        self.units |= {item.name: item.unit for item in _STORAGE}
        self.welcome(organization.projects)
        self._kept: OrderedDict[tuple[str, int, int, int, int], Rows] = OrderedDict()
        self._kept_rows = 0

    def welcome(self, projects: Sequence[Project]) -> None:
        """Let projects begin to use what there is."""
        for row in usage_resources():
            new = streams(self.organization, row, projects)
            self._streams[row.name] += new
            self.units |= {item.name: item.unit for stream in new for item, _ in stream.items}

    def launch(self, name: str, model: str, since: int) -> None:
        """Let every project use another language model from `since` (Unix seconds) on."""
        new = launch(self.organization, resource(name), model, since)
        self._streams[name] += new
        self.units |= {item.name: item.unit for stream in new for item, _ in stream.items}
        self._kept.clear()
        self._kept_rows = 0

    def demand(self, name: str, start: int, end: int, as_of: float, match: Mapping[str, Dimension]) -> Values:
        """Return the sums of what matching streams used and is visible at `as_of`, corrections left out."""
        sums = [0] * len(form_of(resource(name)).components)
        for key, values in self._filled(name, start, self.cuts(name, start, end, as_of)):
            if self.matches(name, key, match):
                sums = [a + b for a, b in zip(sums, values, strict=True)]
        return sums

    def note(self, note: Note) -> None:
        """Enter a correction into the books."""
        first, last = (note.time, note.time) if isinstance(note, Entry) else (note.start, note.end - 1)
        for day in range(day_of(first), last + 1, DAY):
            self._notes.setdefault((note.resource, day), []).append(note)

    def notes(self, name: str, start: int, end: int, as_of: float) -> tuple[Note, ...]:
        """Return the corrections of a bucket that are visible at `as_of`."""
        found = (
            note
            for day in range(day_of(start), end, DAY)
            for note in self._notes.get((name, day), ())
            if note.visible_from <= as_of and note.overlaps(start, end)
        )
        return tuple(note for note, _ in groupby(found, key=lambda note: note))

    def cuts(self, name: str, start: int, end: int, as_of: float) -> tuple[int, int, int]:
        """Return up to when a bucket is filled at `as_of`: prompt streams, late ones; and the share of late ones."""
        prompt, late = (max(min(end, horizon), start) for horizon in self.delays[name].horizons(as_of))
        return prompt, late, self.delays[name].late_percent(as_of) if late < prompt else 0

    def rows(self, name: str, start: int, end: int, as_of: float) -> Rows:
        """Return what is reported at `as_of` of the bucket from start to end, at the finest grouping."""
        cuts = self.cuts(name, start, end, as_of)
        notes = self.notes(name, start, end, as_of)
        plain = self._plain(name, start, cuts)
        if self.allowances and resource(name).branch is ApiFamily.COSTS:
            plain = self._allowed(plain)
        if not notes:
            return plain
        rows = {key: list(values) for key, values in plain.items()}
        for note in notes:
            if isinstance(note, Entry):
                _add(rows, note.key, note.values)
            else:
                span = max(note.start, start), min(note.end, end)
                for key, values in self._filled(name, span[0], self.cuts(name, *span, as_of)):
                    if self.matches(name, key, note.match):
                        _add(rows, key, [note.weight * value for value in values])
        return {key: values for key, values in rows.items() if any(values)}

    def _allowed(self, rows: Rows) -> Rows:
        """Return the rows of a day's costs, of which everybody's share of the allowances is free."""
        place = resource("costs").dimensions.index("line_item")
        wholes: dict[Dimension, int] = {}
        for key, (_, quantity) in rows.items():
            wholes[key[place]] = wholes.get(key[place], 0) + quantity
        beyond = {item: max(wholes.get(item, 0) - allowance, 0) for item, allowance in self.allowances.items()}
        return {
            key: [amount * beyond[item] // wholes[item], quantity]
            if (item := key[place]) in beyond
            else [amount, quantity]
            for key, (amount, quantity) in rows.items()
        }

    def _plain(self, name: str, start: int, cuts: tuple[int, int, int]) -> Rows:
        place = (name, start, *cuts)
        if (rows := self._kept.get(place)) is not None:
            self._kept.move_to_end(place)
            return rows
        rows = {}
        for key, values in self._filled(name, start, cuts):
            _add(rows, key, values)
        self._kept[place] = rows
        self._kept_rows += len(rows) + 1
        while self._kept_rows > _KEPT_ROWS and len(self._kept) > 1:
            self._kept_rows -= len(self._kept.popitem(last=False)[1]) + 1
        return rows

    def _filled(self, name: str, start: int, cuts: tuple[int, int, int]) -> Iterator[tuple[Key, Values]]:
        prompt, late, late_percent = cuts
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
        """Tell whether a row has all of these dimensions."""
        names = (*resource(name).dimensions, *form_of(resource(name)).extras)
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
    premium, listed = stream.project.premium, stream.list_price
    changes = sorted({*premium.inside(start, end), *listed.inside(start, end)})
    for item, places in stream.items:
        if quantity := sum(used[place] for place in places):
            dearer, before = 0, 0
            for since, until in pairwise((start, *changes, end)):
                billed = _billed(stream, places, start, until) if until < end else quantity
                dearer += (billed - before) * premium.at(since) * listed.at(since)
                before = billed
            yield _payer(stream, item.name), [item.price * dearer // 100**2, quantity * QUANTUM]


def _billed(stream: Stream, places: tuple[int, ...], start: int, end: int) -> int:
    used = stream.used(start, end)
    return sum(used[place] for place in places) if used else 0


def _storage_cost(stream: Stream, start: int, end: int) -> Iterator[tuple[Key, Values]]:
    for item in _STORAGE:
        if quantity := stream.stored_quantity(start, end):
            yield _payer(stream, item.name), [item.price // QUANTUM * quantity, quantity]


_STORAGE: Final = tuple(item for row in usage_resources() for item in storage_items(row))


def _payer(stream: Stream, item: str) -> Key:
    project, user, key, source = stream.payer
    return project, user, item, key, source, "usd"
