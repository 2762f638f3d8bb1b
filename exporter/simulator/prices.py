"""Prices: the line items that usage is billed as, in picodollars."""

from dataclasses import dataclass
from typing import Final

DOLLAR: Final = 10**12
"""Money is counted in whole picodollars."""

QUANTUM: Final = 10**6
"""Billed quantities are counted in whole millionths of their unit."""


@dataclass(frozen=True, slots=True)
class LineItem:
    """One line item of the bill and the usage that it is calculated from."""

    name: str
    unit: str | None
    """`quantity_unit`."""
    components: tuple[str, ...]
    """The components of usage whose sum is billed."""
    price: int
    """Picodollars per unit; a multiple of 100."""


_MILLIONTH: Final = DOLLAR // 10**6

_TEXT: Final = {
    "gpt-5.5-2026-04-23": (1250, 125, 1560, 10000),
    "gpt-5.6-sol": (15000, 1500, 18700, 60000),
    "gpt-5-mini-2025-08-07": (250, 25, 310, 2000),
    "gpt-4o-mini-2024-07-18": (150, 75, 0, 600),
    "ft-gpt-4o-2024-08-06": (3750, 1875, 0, 15000),
    "gpt-audio-mini-2025-12-15": (600, 300, 0, 2400),
    "gpt-6-astra": (2000, 0, 2500, 8000),
}
"""Thousandths of a dollar for a million tokens: input, cached input, cache writes, output."""

_OTHER_MODELS: Final = (400, 40, 500, 1600)
_TIERS: Final = {"priority": (2, 1), "flex": (1, 2)}
"""Of service tiers, multiple and divisor of the standard price."""

_AUDIO: Final = (10000, 2500, 0, 20000)
_IMAGE: Final = (800, 200, 0, 3000)

_EMBEDDINGS: Final = {"text-embedding-3-large": 130_000, "text-embedding-3-small": 20_000}
"""Picodollars for a token."""

_SINGLE: Final = {
    "images": ("{model} image, output", "images", "images", 40_000 * _MILLIONTH),
    "audio_speeches": ("{model}, input", "characters", "characters", 30 * _MILLIONTH),
    "audio_transcriptions": ("{model}, input", "duration_seconds", "seconds", 100 * _MILLIONTH),
    "moderations": ("{model}, input", "tokens", "input_tokens", 0),
    "code_interpreter_sessions": ("code interpreter sessions", None, "num_sessions", 30_000 * _MILLIONTH),
    "file_search_calls": ("file search tool calls", None, "num_requests", 2_500 * _MILLIONTH),
    "web_search_calls": ("web search tool calls", None, "num_requests", 10_000 * _MILLIONTH),
}

STORAGE: Final = LineItem("Vector storage", "gibibyte_hours", (), 4_000 * _MILLIONTH)
"""The line item of vector storage, per gibibyte-hour."""


def line_items(resource: str, model: str | None, tier: str | None, *, batch: bool) -> tuple[LineItem, ...]:
    """Return the line items of a resource's usage; batch jobs and the flex tier cost half, priority double."""
    if resource in _SINGLE:
        name, unit, component, price = _SINGLE[resource]
        return (LineItem(name.format(model=model), unit, (component,), price),)
    if model in _EMBEDDINGS:
        return (LineItem(f"{model}, input", "tokens", ("input_tokens",), _EMBEDDINGS[model]),)
    prefix = "batch | " if batch else f"{tier} | " if tier not in {None, "default"} else ""
    multiple, share = (1, 2) if batch else _TIERS.get(tier or "", (1, 1))
    return tuple(
        LineItem(f"{prefix}{model}{modality}, {kind}", "tokens", components, thousandths * 1000 * multiple // share)
        for modality, prices in (("", _TEXT.get(model or "", _OTHER_MODELS)), (" audio", _AUDIO), (" image", _IMAGE))
        for kind, components, thousandths in zip(_KINDS, _components(modality.strip() or "text"), prices, strict=True)
        if components
    )


_KINDS: Final = ("input", "cached input", "cache writes", "output")


def _components(modality: str) -> tuple[tuple[str, ...], ...]:
    writes = ("input_cache_write_30m_tokens", "input_cache_write_12h_tokens") if modality == "text" else ()
    return (
        (f"input_{modality}_tokens",),
        (f"input_cached_{modality}_tokens",),
        writes,
        (f"output_{modality}_tokens",),
    )
