"""From the Admin API to a sink: part by part, and in each part resource by resource."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from exporter.backfill.baselines import baselines_of
from exporter.backfill.bucket_cache import BucketCache
from exporter.backfill.curve import Samples
from exporter.backfill.reader import Reader, Source
from exporter.backfill.sink import Labels, Sink
from exporter.backfill.span import Part, Span, format_time
from exporter.backfill.timeline import Timeline
from exporter.catalog import CATALOG, DAY, ApiFamily, Measure, accrued_name, today_name, window_name
from exporter.clock import Clock
from exporter.durations import approximate_duration
from exporter.exposition import Family, reference
from exporter.ledger import Ledger
from exporter.openai import NotFound
from exporter.store import MeasureBaseline

_FAMILIES: Final = {family.name: family for family in reference()}

Names: TypeAlias = Iterable[Family]
Report: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What is written."""

    span: Span
    end: int
    """Where the history of measures without a baseline ends, Unix seconds."""
    baselines: Mapping[str, Sequence[MeasureBaseline]]
    """By organization, where the live counters began; those of other label names than are read are not used."""
    counted: Mapping[str, Collection[str]]
    """By organization, the resources that the exporter has read: their endpoints exist."""
    labels: Mapping[str, str]
    """Labels of every series."""
    cache: BucketCache | None = None
    """Where buckets are kept between runs."""


class History:
    """One resource of one organization."""

    def __init__(self, source: Source, reader: Reader, timelines: Sequence[Timeline]) -> None:
        self.organization = source.name
        self.resource = reader.plan.resource
        self.timelines = timelines
        self.ledger = Ledger(reader.plan, tuple(timeline.store for timeline in timelines))
        """What it has of label sets, for the names."""
        self._reader = reader

    @property
    def measures(self) -> list[Measure]:
        """The measures in the order of the table."""
        names = {measure.name for timeline in self.timelines for measure in timeline.group.measures}
        return [measure for measure in self.resource.measures if measure.name in names]

    async def load(self, part: Part) -> None:
        """Read the buckets of a part. Raises UpstreamError."""
        buckets = await self._reader.between(part.start, part.end)
        for timeline in self.timelines:
            timeline.load(buckets, self._reader.width)

    def finish(self) -> None:
        """Go on behind the part that was loaded."""
        for timeline in self.timelines:
            timeline.finish()


async def backfill(  # noqa: PLR0917 - where from, what, where to, and who is told
    sources: Sequence[Source],
    job: Job,
    sink: Sink,
    clock: Clock,
    report: Report,
    names: Callable[[Sequence[History]], Awaitable[Names]],
) -> None:
    """Write a history; `report` gets lines about its progress, `names` returns the families of names at the end.

    A resource that a host does not have is left out, except for costs and for what the exporter has read. Raises
    UpstreamError, ReceiverError and OSError.
    """
    parts = job.span.parts
    everything = Part(len(parts), job.span.start, job.span.end)
    if all(sink.holds(part) for part in (*parts, everything)):
        report("everything is there already")
        return
    began = clock.monotonic()
    histories = [
        history
        for source in sources
        for plan in source.plans
        for history in await _begin(job, source, Reader(source, plan, clock, job.cache), report)
    ]
    for part in parts:
        writing = not sink.holds(part)
        before, stored = sink.samples, sink.stored
        try:
            if writing:
                await sink.open(part)
            for resource in CATALOG:
                await _resource(job, part, sink if writing else None, [h for h in histories if h.resource is resource])
            if writing:
                await sink.close(part)
        except BaseException:
            await sink.abandon()
            raise
        elapsed, done = clock.monotonic() - began, part.number + 1
        left = approximate_duration(elapsed / done * (len(parts) - done))
        what = _written(sink.samples - before, sink.stored - stored, writing=writing)
        report(f"part {done} of {len(parts)}, from {format_time(part.start)[:10]}: {what}, {left} left")
    if not sink.holds(everything):
        await _names(job, sink, everything, await names(histories))


async def _begin(job: Job, source: Source, reader: Reader, report: Report) -> list[History]:
    name, start = reader.plan.resource.name, job.span.start
    group_by = reader.plan.group_by
    try:
        before = await reader.begin(start - (reader.plan.lookback_days - 1) * DAY, start)
    except NotFound as error:
        if reader.plan.resource.branch is ApiFamily.COSTS or name in job.counted.get(source.name, ()):
            report(f"{source.name}: {name}: not found, which may pass")
            raise
        report(f"{source.name}: {name}: left out, this host does not have it: {error}")
        return []
    if lost := [dimension for dimension in group_by if dimension not in reader.plan.group_by]:
        report(f"{source.name}: {name}: without {', '.join(lost)}, which the API refuses")
    known = job.baselines.get(source.name, ())
    timelines = []
    for index, group in enumerate(reader.plan.label_groups):
        baselines = baselines_of(reader.plan, group, known)
        timeline = Timeline(reader.plan, index, baselines, job.end)
        timeline.load([bucket for bucket in before if bucket.start < start], DAY)
        timeline.finish()
        timeline.begin_counters()
        timelines.append(timeline)
    counters = {measure for timeline in timelines for measure in timeline.baselines}
    if other := [each for each in known if each.resource == name and each.measure not in counters]:
        labels = ", ".join(other[0].label_names) or "nothing"
        report(f"{source.name}: {name}: counters are left out, since the state has them by {labels}")
    return [History(source, reader, timelines)]


async def _resource(job: Job, part: Part, sink: Sink | None, histories: Sequence[History]) -> None:
    for history in histories:
        await history.load(part)
    if sink:
        for measure in dict.fromkeys(measure for history in histories for measure in history.measures):
            for name in (today_name(measure), window_name(measure), accrued_name(measure)):
                if name in _FAMILIES:
                    await _family(job, sink, measure, name, histories, part)
    for history in histories:
        history.finish()


async def _family(job: Job, sink: Sink, measure: Measure, name: str, histories: Sequence[History], part: Part) -> None:  # noqa: PLR0917 - what of which
    await sink.begin(_FAMILIES[name])
    times = job.span.times(part.start, part.end)
    for history in histories:
        for timeline in history.timelines:
            if measure not in timeline.group.measures:
                continue
            for view in timeline.views(measure):
                if view.family != name:
                    continue
                own = (("organization", history.organization), *job.labels.items())
                window = (("window", view.window),) if view.window else ()
                for samples in timeline.samples(measure, view, times):
                    await sink.write([(*own, *labels, *window) for labels in samples.labels], samples)


def _written(samples: int, stored: int, *, writing: bool) -> str:
    if not writing or (stored and not samples):
        return "already there"
    return f"{samples:,} samples" + (f", {stored:,} are already there" if stored else "")


async def _names(job: Job, sink: Sink, part: Part, families: Names) -> None:
    """Write the series of names, which are constant, over the whole span."""
    times = np.append(job.span.times(part.start, part.end), job.span.end)
    await sink.open(part)
    for family in families:
        await sink.begin(family)
        for column in family.columns:
            rows = np.flatnonzero(column.shown).tolist()
            labels: list[Labels] = [
                (*zip(column.rows.names, column.rows.sets[row], strict=True), *job.labels.items()) for row in rows
            ]
            values = np.repeat(column.values[rows][:, None], len(times), axis=1)
            await sink.write(labels, Samples(labels, times, values, np.ones(values.shape, np.bool_)))
    await sink.close(part)
