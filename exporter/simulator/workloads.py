"""How each resource is used, and the components from which its rows are made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from exporter.catalog import ApiFamily, Kind, Resource

_MODALITIES: Final = ("text", "audio", "image")
_UNCACHED: Final = tuple(f"input_{modality}_tokens" for modality in _MODALITIES)
_CACHED: Final = tuple(f"input_cached_{modality}_tokens" for modality in _MODALITIES)
_WRITES: Final = ("input_cache_write_30m_tokens", "input_cache_write_12h_tokens")
_OUTPUT: Final = tuple(f"output_{modality}_tokens" for modality in _MODALITIES)
_LANGUAGE: Final = (*_UNCACHED, *_CACHED, *_WRITES, *_OUTPUT, "num_model_requests")

_SUMS: Final = {
    "input_tokens": (*_CACHED, *_WRITES, *_UNCACHED),
    "input_cached_tokens": _CACHED,
    "input_cache_write_tokens": _WRITES,
    "input_uncached_tokens": _UNCACHED,
    "output_tokens": _OUTPUT,
}
"""The sums in a language model's row, and their components."""

_REMAINDERS: Final = (
    ("input_cached_tokens", "input_cached_text_tokens"),
    ("input_cache_write_tokens", "input_cache_write_30m_tokens"),
    ("input_uncached_tokens", "input_text_tokens"),
    ("input_tokens", "input_text_tokens"),
    ("output_tokens", "output_text_tokens"),
)
"""The component that gets the remainder of a sum given by a script."""


@dataclass(frozen=True, slots=True)
class RowLayout:
    """The fields of a resource's rows and the components that they are calculated from."""

    components: tuple[str, ...]
    fields: tuple[str, ...]
    """Fields of a row, as the API names them."""
    sums: Mapping[str, tuple[int, ...]]
    """Fields that are sums, with the indexes of their components."""
    level: bool = False
    extra_dimensions: tuple[str, ...] = ()
    """Part of a row's key in addition to the dimensions."""

    def field_values(self, values: Sequence[int]) -> dict[str, int]:
        """Return the fields of a row from the values of its components."""
        if not self.sums:
            return dict(zip(self.fields, values, strict=True))
        named = dict(zip(self.components, values, strict=True))
        return {
            field: sum(values[index] for index in self.sums[field]) if field in self.sums else named[field]
            for field in self.fields
        }

    def components_of(self, given: Mapping[str, int]) -> list[int]:
        """Return the components of given fields; a sum may be given without its components.

        Raises ValueError for a field that the resource does not have.
        """
        if unknown := set(given) - set(self.fields):
            raise ValueError(f"no field {', '.join(sorted(unknown))}: there are {', '.join(self.fields)}")
        values = {component: given.get(component, 0) for component in self.components}
        for name, rest in _REMAINDERS:
            if name in self.sums and name in given:
                values[rest] += given[name] - sum(values[self.components[index]] for index in self.sums[name])
        return [values[component] for component in self.components]


@cache
def _layout(fields: tuple[str, ...], branch: ApiFamily, *, level: bool) -> RowLayout:
    if branch is ApiFamily.COSTS:
        return RowLayout(("amount", "quantity"), ("amount", "quantity"), {}, extra_dimensions=("currency",))
    if set(_LANGUAGE) <= set(fields):
        sums = {name: tuple(_LANGUAGE.index(part) for part in parts) for name, parts in _SUMS.items()}
        return RowLayout(_LANGUAGE, fields, sums)
    return RowLayout(fields, fields, {}, level=level)


def row_layout(resource: Resource) -> RowLayout:
    """Return the layout of a resource's rows."""
    fields = tuple(dict.fromkeys(measure.field for measure in resource.measures))
    return _layout(fields, resource.branch, level=any(measure.kind is Kind.LEVEL for measure in resource.measures))


Dimension = str | bool | None
"""The value of one dimension."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of usage of a resource: models, rhythm, and averages per request."""

    models: tuple[str | None, ...]
    rhythm: str
    rate: int
    averages: Mapping[str, float]
    choices: Mapping[str, tuple[Dimension, ...]]
    """Further dimensions with their values."""
    projects: int = 10**6
    """Number of projects that use it."""


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

_WORKLOADS: Final[Mapping[str, tuple[Workload, ...]]] = {
    "completions": (
        Workload(_CHAT_MODELS, "office", 12_000, _CHAT, {"service_tier": ("default",)}),
        Workload(_CHAT_MODELS[3:4], "evening", 2_000, _CHAT, {"service_tier": ("priority",)}, 2),
        Workload(_CHAT_MODELS[:2], "night", 15_000, _CHAT, {"batch": (True,), "service_tier": ("default",)}, 3),
        Workload(_VOICE_MODELS, "evening", 3_000, _VOICE, {"service_tier": ("default",)}, 2),
    ),
    "decisions": (Workload(("gpt-6-astra",), "office", 6_000, _JUDGE, {"service_tier": ("default",)}, 3),),
    "embeddings": (
        Workload(
            ("text-embedding-3-large", "text-embedding-3-small"),
            "office",
            10_000,
            {"input_tokens": 2300.0, "num_model_requests": 1.0},
            {},
        ),
    ),
    "moderations": (
        Workload(
            ("omni-moderation-2024-09-26",),
            "evening",
            5_000,
            {"input_tokens": 97.0, "num_model_requests": 1.0},
            {},
            4,
        ),
    ),
    "images": (
        Workload(
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
        Workload(("tts-1-hd",), "evening", 1_500, {"characters": 846.0, "num_model_requests": 1.0}, {}, 2),
    ),
    "audio_transcriptions": (
        Workload(("whisper-1",), "office", 1_200, {"seconds": 221.0, "num_model_requests": 1.0}, {}, 2),
    ),
    "vector_stores": (Workload((None,), "office", 700, {"usage_bytes": 31_000.0}, {}, 3),),
    "code_interpreter_sessions": (Workload((None,), "office", 900, {"num_sessions": 1.0}, {}, 3),),
    "file_search_calls": (Workload((None,), "office", 5_000, {"num_requests": 1.0}, {}, 3),),
    "web_search_calls": (
        Workload(
            _CHAT_MODELS[1:2],
            "office",
            4_000,
            {"num_requests": 1.5, "num_model_requests": 1.0},
            {"context_level": ("medium", "high")},
            4,
        ),
    ),
}


def chat(model: str) -> Workload:
    """Return the workload of a language model."""
    return Workload((model,), "office", 12_000, _CHAT, {"service_tier": ("default",)})


def workloads(resource: Resource, models: int) -> Iterator[Workload]:
    """Yield the workloads of a resource; with `models`, that many made-up language models replace the real ones."""
    known = _WORKLOADS.get(resource.name)
    if known is None:
        fields = row_layout(resource).components
        yield Workload((None,), "office", 2_000, dict.fromkeys(fields, 1.0), {}, 3)
    elif models and known[0].averages is _CHAT:
        names = tuple(f"gpt-simulated-{number:04}" for number in range(models))
        choices = {**known[0].choices, "batch": (False, True)}
        yield Workload(names, known[0].rhythm, known[0].rate, known[0].averages, choices)
    else:
        yield from known
