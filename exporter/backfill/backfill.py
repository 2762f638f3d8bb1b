"""From the Admin API to a stream: one resource after the other, so that only one is held in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from exporter.backfill.history import History
from exporter.backfill.openmetrics import Writer
from exporter.backfill.span import Span
from exporter.catalog import CATALOG, ApiFamily, Measure, Plan, PollResult, Resource, today_name
from exporter.clock import Clock
from exporter.exposition import reference
from exporter.openai import Client, NotFound, Priority, negotiate

_FAMILIES: Final = {family.name: family for family in reference()}


@dataclass(frozen=True, slots=True)
class Source:
    """One organization."""

    name: str
    """The value of the label `organization`."""
    plans: tuple[Plan, ...]
    client: Client


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written."""

    series: int
    samples: int


async def backfill(
    sources: Sequence[Source], span: Span, writer: Writer, clock: Clock, tell: Callable[[str], None]
) -> Summary:
    """Write the day gauges of every resource; `tell` is called with a line for each answer.

    Buckets of a day are asked for, whatever the plan's width. A resource that a host does not have is left out. Raises
    UpstreamError, and OSError from the stream.
    """
    for resource in CATALOG:
        histories = [
            (source.name, history)
            for source in sources
            for plan in source.plans
            if plan.resource.name == resource.name
            for history in await _read(source, replace(plan, width="1d"), span, clock, tell)
        ]
        for measure in _measures(resource, [history.plan for _, history in histories]):
            writer.begin(_FAMILIES[today_name(measure)])
            for organization, history in histories:
                for series in history.series(measure):
                    writer.write(organization, series)
    writer.end()
    return Summary(writer.series, writer.samples)


async def _read(source: Source, plan: Plan, span: Span, clock: Clock, tell: Callable[[str], None]) -> list[History]:
    name = plan.resource.name
    try:
        accepted, answer = await _ask(source.client, plan, span, clock)
    except NotFound as error:
        tell(f"{source.name}: {name}: left out, this host does not have it: {error}")
        return []
    history = History(accepted, answer, span)
    lost = [dimension for dimension in plan.group_by if dimension not in accepted.group_by]
    without = f", without {', '.join(lost)}, which the API refuses" if lost else ""
    tell(f"{source.name}: {name}: {len(span.days)} days, {history.label_sets} label sets{without}")
    return [history]


async def _ask(client: Client, plan: Plan, span: Span, clock: Clock) -> tuple[Plan, PollResult]:
    priority = Priority.COSTS if plan.resource.branch is ApiFamily.COSTS else Priority.USAGE

    async def ask(plan: Plan) -> PollResult:
        start = max(span.start, *(plan.resource.not_before.get(dimension, 0) for dimension in plan.group_by), 0)
        return await client.poll(plan, start, due=clock.monotonic(), priority=priority)

    answered, answer, _ = await negotiate(plan, ask)
    return answered, answer


def _measures(resource: Resource, plans: Sequence[Plan]) -> list[Measure]:
    chosen = {measure.name for plan in plans for measure in plan.measures}
    return [measure for measure in resource.measures if measure.name in chosen]
