"""Line item texts: which usage one of them bills. The texts are free-form: unrecognized ones are left alone."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final


class Kind(Enum):
    """What usage is counted in, as far as it is priced apart."""

    INPUT = "input tokens"
    CACHED_INPUT = "cached input tokens"
    OUTPUT = "output tokens"
    AUDIO_INPUT = "audio input tokens"
    AUDIO_OUTPUT = "audio output tokens"
    IMAGES = "images"
    CHARACTERS = "characters"
    SECONDS = "seconds"
    CALLS = "calls"
    SESSIONS = "sessions"
    STORAGE = "gibibyte hours"


NO_MODEL: Final = "none"
"""The label `model` of costs that belong to no model: tool calls, storage, credits."""

BATCH: Final = "batch"
"""The variant of batch jobs."""

STANDARD: Final = ""
"""The variant of usage without a discount or surcharge that is known."""


@dataclass(frozen=True, slots=True)
class LineItem:
    """What the text of a line item says."""

    model: str
    """NO_MODEL where none is named."""
    variant: str = STANDARD
    """BATCH, a service tier, or STANDARD."""
    kind: Kind | None = None
    """None where the text does not say, or names nothing that usage reports (training)."""
    resource: str = ""
    """Of a tool or storage, the resource of the catalog that reports its usage."""


_TIERS: Final = frozenset({"flex", "priority", "fast", "ultrafast", "scale"})
_STANDARD_TIERS: Final = frozenset({"", "default", "standard", "auto", "unknown", "other"})
_MODALITIES: Final = frozenset({"text", "audio", "image", "images", "video"})
_NOT_MODELS: Final = _MODALITIES | _TIERS | {BATCH, "(batch)"}
_WORD: Final = re.compile(r"[a-z0-9.]+")
_MODEL: Final = re.compile(r"[\w.:/@-]*(?:\d|-)[\w.:/@-]*", re.ASCII)
_DATE: Final = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{4})$")

_TOOL_WORDS: Final = (
    (("web", "search"), "web_search_calls", Kind.CALLS),
    (("file", "search"), "file_search_calls", Kind.CALLS),
    (("code", "interpreter"), "code_interpreter_sessions", Kind.SESSIONS),
    (("vector", "storage"), "vector_stores", Kind.STORAGE),
    (("file", "storage"), "vector_stores", Kind.STORAGE),
)
TOOLS: Final = frozenset(resource for _, resource, _ in _TOOL_WORDS)
"""Resources of the catalog whose line items name no model."""

_DIRECTIONS: Final[tuple[tuple[frozenset[str], Kind], ...]] = (
    (frozenset({"output", "completion", "completions", "generated"}), Kind.OUTPUT),
    (frozenset({"writes", "write"}), Kind.INPUT),
    (frozenset({"cached"}), Kind.CACHED_INPUT),
    (frozenset({"input", "prompt", "context"}), Kind.INPUT),
)
_AUDIO: Final = {Kind.OUTPUT: Kind.AUDIO_OUTPUT, Kind.INPUT: Kind.AUDIO_INPUT}


def variant_of(*, batch: str = "", service_tier: str = "") -> str:
    """Return the variant of usage with these labels."""
    if batch == "true" or service_tier.casefold() == BATCH:
        return BATCH
    tier = service_tier.casefold()
    return STANDARD if tier in _STANDARD_TIERS else tier


def family(model: str) -> str:
    """Return a model's name without the date of its snapshot."""
    return _DATE.sub("", model)


@lru_cache(maxsize=16384)
def parse(text: str) -> LineItem:
    """Return what a line item's text says, as far as it can be read."""
    *prefixes, rest = (part.strip() for part in text.split("|"))
    head = rest.partition(",")[0]
    named = [word for word in head.split() if word.casefold() not in _NOT_MODELS]
    model = named[0] if len(named) == 1 and _MODEL.fullmatch(named[0]) else ""
    words = _words(rest.replace(model, "", 1))
    variant = next((found for found in map(_variant, (*map(_words, prefixes), words)) if found), STANDARD)
    for needed, resource, kind in _TOOL_WORDS:
        if all(word in words for word in needed):
            return LineItem(NO_MODEL, variant, kind, resource)
    if not model:
        return LineItem(NO_MODEL, variant)
    direction = next((kind for directions, kind in _DIRECTIONS if not directions.isdisjoint(words)), None)
    if "training" in words:
        direction = None
    elif direction and "audio" in words:
        direction = _AUDIO.get(direction, direction)
    return LineItem(model, variant, direction)


def usage_models(models: Iterable[str], used: Collection[str]) -> Mapping[str, str]:
    """Return for each model of line items the name under which usage reports it: a line item may lack the date."""
    by_family: dict[str, list[str]] = {}
    for model in used:
        by_family.setdefault(family(model), []).append(model)
    names = {}
    for model in models:
        candidates = by_family.get(family(model), [])
        names[model] = candidates[0] if model not in used and len(candidates) == 1 else model
    return names


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _variant(words: list[str]) -> str:
    if BATCH in words:
        return BATCH
    return next((word for word in words if word in _TIERS), STANDARD)
