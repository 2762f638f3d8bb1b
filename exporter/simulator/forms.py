"""How a row of a resource is made of components: the figures that add up without contradicting each other."""

from collections.abc import Mapping, Sequence
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
"""The sums of a language model's row, and the components that each is made of."""

_BY_HAND: Final = (
    ("input_cached_tokens", "input_cached_text_tokens"),
    ("input_cache_write_tokens", "input_cache_write_30m_tokens"),
    ("input_uncached_tokens", "input_text_tokens"),
    ("input_tokens", "input_text_tokens"),
    ("output_tokens", "output_text_tokens"),
)
"""Where the unexplained rest of a sum goes that was given by hand."""


@dataclass(frozen=True, slots=True)
class Form:
    """The shape of a resource's figures."""

    components: tuple[str, ...]
    fields: tuple[str, ...]
    """The figures of a row, as the API names them."""
    sums: Mapping[str, tuple[int, ...]]
    """For those that are sums, the places of their components."""
    level: bool = False
    extras: tuple[str, ...] = ()
    """What tells rows apart beyond the dimensions."""

    def figures(self, values: Sequence[int]) -> dict[str, int]:
        """Return the fields of a row made of the components' values."""
        if not self.sums:
            return dict(zip(self.fields, values, strict=True))
        named = dict(zip(self.components, values, strict=True))
        return {
            field: sum(values[place] for place in self.sums[field]) if field in self.sums else named[field]
            for field in self.fields
        }

    def components_of(self, given: Mapping[str, int]) -> list[int]:
        """Return the components behind fields that were given by hand, where sums may stand for their parts.

        Raises ValueError for a field that the resource does not have.
        """
        if unknown := set(given) - set(self.fields):
            raise ValueError(f"no field {', '.join(sorted(unknown))}: there are {', '.join(self.fields)}")
        values = {component: given.get(component, 0) for component in self.components}
        for name, rest in _BY_HAND:
            if name in self.sums and name in given:
                values[rest] += given[name] - sum(values[self.components[place]] for place in self.sums[name])
        return [values[component] for component in self.components]


@cache
def _form(fields: tuple[str, ...], branch: ApiFamily, *, level: bool) -> Form:
    if branch is ApiFamily.COSTS:
        return Form(("amount", "quantity"), ("amount", "quantity"), {}, extras=("currency",))
    if set(_LANGUAGE) <= set(fields):
        sums = {name: tuple(_LANGUAGE.index(part) for part in parts) for name, parts in _SUMS.items()}
        return Form(_LANGUAGE, fields, sums)
    return Form(fields, fields, {}, level=level)


def form_of(resource: Resource) -> Form:
    """Return the form of a resource's rows."""
    fields = tuple(dict.fromkeys(measure.field for measure in resource.measures))
    return _form(fields, resource.branch, level=any(measure.kind is Kind.LEVEL for measure in resource.measures))
