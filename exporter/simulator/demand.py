"""What the organization uses, as a pure function of seed and time: the streams of usage that never stop."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from random import Random
from typing import Final

from exporter.catalog import CATALOG, HOUR, ApiFamily, Resource
from exporter.simulator.activity import NOMINAL, RHYTHMS, Activity
from exporter.simulator.forms import form_of
from exporter.simulator.organization import Organization, Project
from exporter.simulator.prices import QUANTUM, STORAGE, LineItem, line_items
from exporter.simulator.workloads import Dimension, Workload, chat, workloads

Values = list[int]

_SIXTY_FOURTHS: Final = 6
"""Bits: averages for one request are counted in sixty-fourths."""

_USUAL: Final = (40, 90)
_MIXED: Final = (6, 160)
"""Sixty-fourths of the average for one request, between which streams differ."""

_GIBIBYTE: Final = 2**30


@dataclass(frozen=True, slots=True)
class Stream:
    """One steady flow of requests: the finest combination of dimensions that usage is told apart by."""

    dimensions: tuple[Dimension, ...]
    """In the order of the resource's dimensions."""
    project: Project
    rhythm: str
    rate: int
    """Requests in a million seconds at ordinary pace."""
    phase: int
    averages: tuple[int, ...]
    """Sixty-fourths for one request, in the order of the form's components."""
    items: tuple[tuple[LineItem, tuple[int, ...]], ...]
    """Line items, with the places of the components that are billed."""
    list_price: Activity
    """Multiple of the line items' prices."""
    payer: tuple[Dimension, ...]
    """Project, user, key and source, as costs know them."""
    late: int
    """0 to 99: the share of late data from which on this stream is late."""
    since: int = 0
    """Unix seconds before which there was no usage."""

    def requests(self, time: int) -> int:
        """Return how many requests have been made by `time`."""
        activity = self.project.activity(self.rhythm, time)
        return (activity * self.rate + self.phase) // (NOMINAL * 10**6)

    def used(self, start: int, end: int) -> Values | None:
        """Return the components used from start to end; None when there was nothing."""
        start = max(start, self.since)
        if end <= start or (first := self.requests(start)) == (last := self.requests(end)):
            return None
        return [(average * last >> _SIXTY_FOURTHS) - (average * first >> _SIXTY_FOURTHS) for average in self.averages]

    def level(self, time: int) -> Values | None:
        """Return the height that a level has reached by `time`; None before there was any."""
        requests = self.requests(time) if time > self.since else 0
        return [average * requests >> _SIXTY_FOURTHS for average in self.averages] if requests else None

    def stored_quantity(self, start: int, end: int) -> int:
        """Return the millionths of gibibyte-hours that a level of bytes was held from start to end."""
        total = 0
        for hour in range(start // HOUR, -(-end // HOUR)):
            height = self.level(hour * HOUR)
            total += (height[0] if height else 0) * (min(end, hour * HOUR + HOUR) - max(start, hour * HOUR))
        return total * QUANTUM // (HOUR * _GIBIBYTE)


_SOURCES: Final[tuple[Dimension, ...]] = ("unlabeled", "agents_api")
_PAYER: Final = ("user_id", "api_key_id", "api_source")


def streams(organization: Organization, resource: Resource, projects: Sequence[Project]) -> tuple[Stream, ...]:
    """Return everything that uses a resource in these projects of an organization."""
    return tuple(
        stream
        for number, recipe in enumerate(workloads(resource, organization.shape.models))
        for project in projects
        if organization.projects.index(project) < recipe.projects
        for stream in _project_streams(organization, f"{resource.name}/{number}", recipe, project, resource)
    )


def launch(organization: Organization, resource: Resource, model: str, since: int) -> tuple[Stream, ...]:
    """Return the usage of a new language model, in every project from `since` (Unix seconds) on."""
    return tuple(
        replace(stream, since=since)
        for project in organization.projects
        for stream in _project_streams(organization, f"launch/{model}", chat(model), project, resource)
    )


def _project_streams(
    organization: Organization, purpose: str, recipe: Workload, project: Project, resource: Resource
) -> Iterator[Stream]:
    random = organization.random(f"{purpose}/{project.id}")
    dense = bool(organization.shape.models)
    own = {name: values for name, values in recipe.choices.items() if name in resource.dimensions}
    if "vector_store_id" in resource.dimensions:
        own["vector_store_id"] = tuple(project.vector_stores)
    members = [(key, _SOURCES[number % 2]) for number, key in enumerate(project.api_keys[: 1 if dense else None])]
    for model, *chosen in product(recipe.models, *own.values()):
        for place, (key, source) in enumerate(members):
            if dense or random.random() <= 2 / (2 + place):
                dimensions = {
                    "project_id": project.id,
                    "user_id": key.user.id,
                    "api_key_id": key.id,
                    "model": model,
                    "batch": False,
                    "api_source": source,
                    **dict(zip(own, chosen, strict=True)),
                }
                yield _stream(random, recipe, project, resource, dimensions, organization)


def _stream(  # noqa: PLR0917 # everything that makes a stream what it is
    random: Random,
    recipe: Workload,
    project: Project,
    resource: Resource,
    dimensions: Mapping[str, Dimension],
    organization: Organization,
) -> Stream:
    mixed = organization.shape.mixed
    form = form_of(resource)
    model, tier = (_text(dimensions.get(name)) for name in ("model", "service_tier"))
    attributed = "api_key_id" in resource.dimensions
    return Stream(
        dimensions=tuple(dimensions.get(name) for name in resource.dimensions),
        project=project,
        rhythm=random.choice(RHYTHMS) if mixed else recipe.rhythm,
        rate=max(recipe.rate * random.randint(20, 180) // (100 + 100 * recipe.models.index(model)), 1),
        phase=random.randrange(NOMINAL * 10**6),
        averages=_averages(random, recipe, form.components, _MIXED if mixed else _USUAL),
        items=_billed(resource.name, form.components, model, tier, batch=bool(dimensions["batch"])),
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


def _averages(random: Random, recipe: Workload, components: Sequence[str], spread: tuple[int, int]) -> tuple[int, ...]:
    return tuple(
        round(average * (64 if average == 1 else random.randint(*spread)))
        for average in (recipe.averages.get(component, 0.0) for component in components)
    )


def usage_resources() -> tuple[Resource, ...]:
    """Return the rows of the table that are usage."""
    return tuple(resource for resource in CATALOG if resource.branch is ApiFamily.USAGE)


def storage_items(resource: Resource) -> tuple[LineItem, ...]:
    """Return what is billed for the height of a level."""
    return (STORAGE,) if form_of(resource).level else ()
