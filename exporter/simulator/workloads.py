"""How each resource is used: the table behind the demand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.catalog import Resource
from exporter.simulator.forms import form_of

Dimension = str | bool | None
"""The value of one dimension."""


@dataclass(frozen=True, slots=True)
class Workload:
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
    """Return how a language model is used."""
    return Workload((model,), "office", 12_000, _CHAT, {"service_tier": ("default",)})


def workloads(resource: Resource, models: int) -> Iterator[Workload]:
    """Yield how a resource is used; with `models`, language models are so many made-up ones, used by everybody."""
    known = _WORKLOADS.get(resource.name)
    if known is None:
        fields = form_of(resource).components
        yield Workload((None,), "office", 2_000, dict.fromkeys(fields, 1.0), {}, 3)
    elif models and known[0].averages is _CHAT:
        names = tuple(f"gpt-simulated-{number:04}" for number in range(models))
        choices = {**known[0].choices, "batch": (False, True)}
        yield Workload(names, known[0].rhythm, known[0].rate, known[0].averages, choices)
    else:
        yield from known
