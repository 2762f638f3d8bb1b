"""What the organization uses, as a pure function of seed and time: the streams of usage that never stop."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from random import Random
from typing import Final

from exporter.catalog import CATALOG, HOUR, Branch, Resource
from exporter.simulator.forms import form_of
from exporter.simulator.organization import Organization, Project
from exporter.simulator.pace import NOMINAL
from exporter.simulator.prices import QUANTUM, STORAGE, LineItem, line_items

Dimension = str | bool | None
Values = list[int]

_SIXTY_FOURTHS: Final = 6
"""Bits: averages for one request are counted in sixty-fourths."""

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
    payer: tuple[Dimension, ...]
    """Project, user, key and source, as costs know them."""
    late: int
    """0 to 99: the share of late data from which on this stream is late."""

    def requests(self, time: int) -> int:
        """Return how many requests have been made by `time`."""
        activity = self.project.activity(self.rhythm, time)
        return (activity * self.rate + self.phase) // (NOMINAL * 10**6)

    def used(self, start: int, end: int) -> Values | None:
        """Return the components used from start to end; None when there was nothing."""
        if end <= start or (first := self.requests(start)) == (last := self.requests(end)):
            return None
        return [(average * last >> _SIXTY_FOURTHS) - (average * first >> _SIXTY_FOURTHS) for average in self.averages]

    def level(self, time: int) -> Values | None:
        """Return the height that a level has reached by `time`; None before there was any."""
        requests = self.requests(time)
        return [average * requests >> _SIXTY_FOURTHS for average in self.averages] if requests else None

    def stored_quantity(self, start: int, end: int) -> int:
        """Return the millionths of gibibyte-hours that a level of bytes was held from start to end."""
        total = 0
        for hour in range(start // HOUR, -(-end // HOUR)):
            height = self.level(hour * HOUR)
            total += (height[0] if height else 0) * (min(end, hour * HOUR + HOUR) - max(start, hour * HOUR))
        return total * QUANTUM // (HOUR * _GIBIBYTE)


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How a resource is used: models, the rhythm, and averages for one request."""

    models: tuple[str | None, ...]
    rhythm: str
    rate: int
    averages: Mapping[str, float]
    choices: Mapping[str, tuple[Dimension, ...]]
    """Dimensions that only this resource has, with the values that occur."""
    projects: int = 10**6
    """Of the projects, how many use it."""


_CHAT: Final = {
    "input_text_tokens": 910.0,
    "input_image_tokens": 24.0,
    "input_cached_text_tokens": 640.0,
    "input_cache_write_30m_tokens": 36.0,
    "input_cache_write_12h_tokens": 4.0,
    "output_text_tokens": 270.0,
    "num_model_requests": 1.0,
}
_VOICE: Final = {
    "input_text_tokens": 60.0,
    "input_audio_tokens": 330.0,
    "input_cached_text_tokens": 10.0,
    "input_cached_audio_tokens": 38.0,
    "output_text_tokens": 22.0,
    "output_audio_tokens": 196.0,
    "num_model_requests": 1.0,
}
_JUDGE: Final = {
    "input_text_tokens": 130.0,
    "input_cached_text_tokens": 31.0,
    "input_cache_write_30m_tokens": 2.0,
    "output_text_tokens": 2.0,
    "num_model_requests": 1.0,
}
_CHAT_MODELS: Final = (
    "gpt-5-mini-2025-08-07",
    "gpt-5.5-2026-04-23",
    "gpt-4o-mini-2024-07-18",
    "gpt-5.6-sol",
    "ft-gpt-4o-2024-08-06",
)
_VOICE_MODELS: Final = ("gpt-audio-mini-2025-12-15",)
_SOURCES: Final[tuple[Dimension, ...]] = ("unlabeled", "agents_api")

_PAYER: Final = ("user_id", "api_key_id", "api_source")

_RECIPES: Final[Mapping[str, tuple[_Recipe, ...]]] = {
    "completions": (
        _Recipe(_CHAT_MODELS, "office", 12_000, _CHAT, {"service_tier": ("default",)}),
        _Recipe(_CHAT_MODELS[3:4], "evening", 2_000, _CHAT, {"service_tier": ("priority",)}, 2),
        _Recipe(_CHAT_MODELS[:2], "night", 15_000, _CHAT, {"batch": (True,), "service_tier": ("default",)}, 3),
        _Recipe(_VOICE_MODELS, "evening", 3_000, _VOICE, {"service_tier": ("default",)}, 2),
    ),
    "decisions": (_Recipe(("gpt-6-astra",), "office", 6_000, _JUDGE, {"service_tier": ("default",)}, 3),),
    "embeddings": (
        _Recipe(
            ("text-embedding-3-large", "text-embedding-3-small"),
            "office",
            10_000,
            {"input_tokens": 2300.0, "num_model_requests": 1.0},
            {},
        ),
    ),
    "moderations": (
        _Recipe(
            ("omni-moderation-2024-09-26",),
            "evening",
            5_000,
            {"input_tokens": 97.0, "num_model_requests": 1.0},
            {},
            4,
        ),
    ),
    "images": (
        _Recipe(
            ("gpt-image-2.5-flare",),
            "evening",
            1_600,
            {"images": 1.25, "num_model_requests": 1.0},
            {
                "size": ("1024x1024", "1792x1792"),
                "source": ("image.generation", "image.edit"),
            },
            2,
        ),
    ),
    "audio_speeches": (
        _Recipe(("tts-1-hd",), "evening", 1_500, {"characters": 846.0, "num_model_requests": 1.0}, {}, 2),
    ),
    "audio_transcriptions": (
        _Recipe(("whisper-1",), "office", 1_200, {"seconds": 221.0, "num_model_requests": 1.0}, {}, 2),
    ),
    "vector_stores": (_Recipe((None,), "office", 700, {"usage_bytes": 31_000.0}, {}, 3),),
    "code_interpreter_sessions": (_Recipe((None,), "office", 900, {"num_sessions": 1.0}, {}, 3),),
    "file_search_calls": (_Recipe((None,), "office", 5_000, {"num_requests": 1.0}, {}, 3),),
    "web_search_calls": (
        _Recipe(
            _CHAT_MODELS[1:2],
            "office",
            4_000,
            {"num_requests": 1.5, "num_model_requests": 1.0},
            {"context_level": ("medium", "high")},
            4,
        ),
    ),
}


def streams(organization: Organization, resource: Resource, projects: Sequence[Project]) -> tuple[Stream, ...]:
    """Return everything that uses a resource in these projects of an organization."""
    dense = bool(organization.shape.models)
    return tuple(
        stream
        for number, recipe in enumerate(_recipes(organization, resource))
        for project in projects
        if organization.projects.index(project) < recipe.projects
        for stream in _project_streams(
            organization.random(f"{resource.name}/{number}/{project.id}"), recipe, project, resource, dense=dense
        )
    )


def _recipes(organization: Organization, resource: Resource) -> Iterator[_Recipe]:
    fields = form_of(resource).components
    recipes = _RECIPES.get(resource.name) or (_Recipe((None,), "office", 2_000, dict.fromkeys(fields, 1.0), {}, 3),)
    first = recipes[0]
    if not organization.shape.models or first.averages is not _CHAT:
        yield from recipes
        return
    models = tuple(f"gpt-simulated-{number:04}" for number in range(organization.shape.models))
    choices = {**first.choices, "batch": (False, True)}
    yield _Recipe(models, first.rhythm, first.rate, first.averages, choices)


def _project_streams(
    random: Random, recipe: _Recipe, project: Project, resource: Resource, *, dense: bool
) -> Iterator[Stream]:
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
                yield _stream(random, recipe, project, resource, dimensions)


def _stream(
    random: Random, recipe: _Recipe, project: Project, resource: Resource, dimensions: Mapping[str, Dimension]
) -> Stream:
    form = form_of(resource)
    model, tier = (_text(dimensions.get(name)) for name in ("model", "service_tier"))
    attributed = "api_key_id" in resource.dimensions
    return Stream(
        dimensions=tuple(dimensions.get(name) for name in resource.dimensions),
        project=project,
        rhythm=recipe.rhythm,
        rate=max(recipe.rate * random.randint(20, 180) // (100 + 100 * recipe.models.index(model)), 1),
        phase=random.randrange(NOMINAL * 10**6),
        averages=_averages(random, recipe, form.components),
        items=_billed(resource.name, form.components, model, tier, batch=bool(dimensions["batch"])),
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


def _averages(random: Random, recipe: _Recipe, components: Sequence[str]) -> tuple[int, ...]:
    return tuple(
        round(average * (64 if average == 1 else random.randint(40, 90)))
        for average in (recipe.averages.get(component, 0.0) for component in components)
    )


def usage_resources() -> tuple[Resource, ...]:
    """Return the rows of the table that are usage."""
    return tuple(resource for resource in CATALOG if resource.branch is Branch.USAGE)


def storage_items(resource: Resource) -> tuple[LineItem, ...]:
    """Return what is billed for the height of a level."""
    return (STORAGE,) if form_of(resource).level else ()
