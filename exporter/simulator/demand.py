"""Usage of an organization as a pure function of seed and time: continuous streams of requests."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from random import Random
from typing import Final

from exporter.catalog import CATALOG, HOUR, ApiFamily, Resource
from exporter.simulator.activity import NOMINAL, RHYTHMS, Multiplier
from exporter.simulator.organization import Organization, Project
from exporter.simulator.prices import QUANTUM, STORAGE, LineItem, line_items
from exporter.simulator.workloads import Dimension, Workload, chat, row_layout, workloads

Values = list[int]

_FRACTION_BITS: Final = 6
"""Averages per request are counted in sixty-fourths: 6 bits."""

_USUAL: Final = (40, 90)
_MIXED: Final = (6, 160)
"""Minimum and maximum of a stream, in sixty-fourths of the average per request."""

_GIBIBYTE: Final = 2**30


@dataclass(frozen=True, slots=True)
class Stream:
    """A continuous stream of requests with one value for every dimension."""

    dimensions: tuple[Dimension, ...]
    """In the order of the resource's dimensions."""
    project: Project
    rhythm: str
    rate: int
    """Requests in a million seconds at the normal rate."""
    phase: int
    averages: tuple[int, ...]
    """Sixty-fourths per request, in the order of the layout's components."""
    items: tuple[tuple[LineItem, tuple[int, ...]], ...]
    """Line items, with the indexes of the billed components."""
    list_price: Multiplier
    """Multiple of the line items' prices."""
    payer: tuple[Dimension, ...]
    """Project, user, key and source of its costs."""
    late: int
    """0 to 99: the stream is late while the percentage of late data exceeds it."""
    since: int = 0
    """Unix seconds before which there was no usage."""

    def requests(self, time: int) -> int:
        """Return the number of requests up to `time`."""
        activity = self.project.activity(self.rhythm, time)
        return (activity * self.rate + self.phase) // (NOMINAL * 10**6)

    def used(self, start: int, end: int) -> Values | None:
        """Return the components used from start to end; None when there was nothing."""
        start = max(start, self.since)
        if end <= start or (first := self.requests(start)) == (last := self.requests(end)):
            return None
        return [(average * last >> _FRACTION_BITS) - (average * first >> _FRACTION_BITS) for average in self.averages]

    def level(self, time: int) -> Values | None:
        """Return the value of a level at `time`; None before the first request."""
        requests = self.requests(time) if time > self.since else 0
        return [average * requests >> _FRACTION_BITS for average in self.averages] if requests else None

    def stored_quantity(self, start: int, end: int) -> int:
        """Return the millionths of gibibyte-hours that a level of bytes was held from start to end."""
        total = 0
        for hour in range(start // HOUR, -(-end // HOUR)):
            size = self.level(hour * HOUR)
            total += (size[0] if size else 0) * (min(end, hour * HOUR + HOUR) - max(start, hour * HOUR))
        return total * QUANTUM // (HOUR * _GIBIBYTE)


_SOURCES: Final[tuple[Dimension, ...]] = ("unlabeled", "agents_api")
_PAYER: Final = ("user_id", "api_key_id", "api_source")


def streams(organization: Organization, resource: Resource, projects: Sequence[Project]) -> tuple[Stream, ...]:
    """Return the streams of a resource in these projects of an organization."""
    return tuple(
        stream
        for number, workload in enumerate(workloads(resource, organization.shape.models))
        for project in projects
        if organization.projects.index(project) < workload.projects
        for stream in _project_streams(organization, f"{resource.name}/{number}", workload, project, resource)
    )


def launch(organization: Organization, resource: Resource, model: str, since: int) -> tuple[Stream, ...]:
    """Return the usage of a new language model, in every project from `since` (Unix seconds) on."""
    return tuple(
        replace(stream, since=since)
        for project in organization.projects
        for stream in _project_streams(organization, f"launch/{model}", chat(model), project, resource)
    )


def _project_streams(
    organization: Organization, purpose: str, workload: Workload, project: Project, resource: Resource
) -> Iterator[Stream]:
    random = organization.random(f"{purpose}/{project.id}")
    dense = bool(organization.shape.models)
    own = {name: values for name, values in workload.choices.items() if name in resource.dimensions}
    if "vector_store_id" in resource.dimensions:
        own["vector_store_id"] = tuple(project.vector_stores)
    members = [(key, _SOURCES[number % 2]) for number, key in enumerate(project.api_keys[: 1 if dense else None])]
    for model, *chosen in product(workload.models, *own.values()):
        for index, (key, source) in enumerate(members):
            if dense or random.random() <= 2 / (2 + index):
                dimensions = {
                    "project_id": project.id,
                    "user_id": key.user.id,
                    "api_key_id": key.id,
                    "model": model,
                    "batch": False,
                    "api_source": source,
                    **dict(zip(own, chosen, strict=True)),
                }
                yield _stream(random, workload, project, resource, dimensions, organization)


def _stream(  # noqa: PLR0917 # all attributes of a stream
    random: Random,
    workload: Workload,
    project: Project,
    resource: Resource,
    dimensions: Mapping[str, Dimension],
    organization: Organization,
) -> Stream:
    mixed = organization.shape.mixed
    layout = row_layout(resource)
    model, tier = (_text(dimensions.get(name)) for name in ("model", "service_tier"))
    attributed = "api_key_id" in resource.dimensions
    return Stream(
        dimensions=tuple(dimensions.get(name) for name in resource.dimensions),
        project=project,
        rhythm=random.choice(RHYTHMS) if mixed else workload.rhythm,
        rate=max(workload.rate * random.randint(20, 180) // (100 + 100 * workload.models.index(model)), 1),
        phase=random.randrange(NOMINAL * 10**6),
        averages=_averages(random, workload, layout.components, _MIXED if mixed else _USUAL),
        items=_billed(resource.name, layout.components, model, tier, batch=bool(dimensions["batch"])),
        list_price=organization.list_price(model),
        payer=(project.id, *(dimensions[name] if attributed else None for name in _PAYER)),
        late=random.randrange(100),
    )


@cache
def _billed(
    name: str, components: tuple[str, ...], model: str | None, tier: str | None, *, batch: bool
) -> tuple[tuple[LineItem, tuple[int, ...]], ...]:
    return tuple(
        (item, tuple(components.index(component) for component in item.components))
        for item in line_items(name, model, tier, batch=batch)
        if set(item.components) <= set(components)
    )


def _text(dimension: Dimension) -> str | None:
    return dimension if isinstance(dimension, str) else None


def _averages(
    random: Random, workload: Workload, components: Sequence[str], spread: tuple[int, int]
) -> tuple[int, ...]:
    return tuple(
        round(average * (64 if average == 1 else random.randint(*spread)))
        for average in (workload.averages.get(component, 0.0) for component in components)
    )


def usage_resources() -> tuple[Resource, ...]:
    """Return the usage endpoints of the catalog."""
    return tuple(resource for resource in CATALOG if resource.branch is ApiFamily.USAGE)


def storage_items(resource: Resource) -> tuple[LineItem, ...]:
    """Return the line items that bill the value of a level."""
    return (STORAGE,) if row_layout(resource).level else ()
