"""What the installed `openai` package knows of the Admin API: endpoints, parameters, limits and fields."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType, UnionType
from typing import Annotated, Any, Final, Literal, Required, Union, get_args, get_origin, get_type_hints

import openai.resources.admin.organization as root
from openai._resource import SyncAPIResource
from pydantic import BaseModel

_PATH: Final = re.compile(r'"(/[^"]+)"')
_PAGE: Final = re.compile(r"page=Sync(\w+)\[")
_MODEL: Final = re.compile(r"(?:model|cast_to)=(?:cast\(\s*\w+, )?(\w+)")
_PARAMS: Final = re.compile(r"(\w+_params)\.(\w+)")
_LIMIT: Final = re.compile(r'^    limit: [^\n]*\n    """(.*?)"""', re.MULTILINE | re.DOTALL)
_WIDTH_LIMIT: Final = re.compile(r"`bucket_width=(\w+)`:[^\n]*max: (\d+)")
_RANGE: Final = re.compile(r"range\s+between\s+\d+\s+and\s+(\d+)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method that sends a GET request."""

    path: str
    """From `/organization/` on, with placeholders."""
    page: str
    """The package's name for the pagination of a list, empty for one object."""
    fields: frozenset[str]
    """Fields of the object, or of the entries of the list, dotted where they are nested."""
    parameters: Mapping[str, object]
    """Query parameters and their types."""
    limits: Mapping[str, int]
    """The largest `limit` by `bucket_width`; the key is empty where it does not depend on one."""
    results: Mapping[str, frozenset[str]]
    """For endpoints with buckets: fields of a result by its `object`."""

    def choices(self, parameter: str) -> tuple[str, ...]:
        """Return the literal values that a parameter may have."""
        return tuple(_literals(self.parameters.get(parameter)))


def endpoints() -> dict[str, Endpoint]:
    """Return every endpoint below `/organization/` that is read with GET, by its path."""
    found = (endpoint for module in _modules() for endpoint in _endpoints(module))
    return {endpoint.path: endpoint for endpoint in found if endpoint.path.startswith("/organization/")}


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
        yield importlib.import_module(found.name)


def _endpoints(module: ModuleType) -> Iterator[Endpoint]:
    for _, resource in inspect.getmembers(module, inspect.isclass):
        if resource.__module__ == module.__name__ and issubclass(resource, SyncAPIResource):
            for name, method in inspect.getmembers(resource, inspect.isfunction):
                if not name.startswith("_") and method.__module__ == module.__name__:
                    source = inspect.getsource(method)
                    if re.search(r"self\._get(_api_list)?\(", source) and 'method="post"' not in source:
                        yield _endpoint(module, source)


def _endpoint(module: ModuleType, source: str) -> Endpoint:
    path, page, model = _PATH.search(source), _PAGE.search(source), _MODEL.search(source)
    if not path or not model:
        raise ValueError(f"{module.__name__} is not written as this comparison expects: see {source[:80]!r}")
    kind = getattr(module, model[1])
    parameters: dict[str, object] = {}
    limits: dict[str, int] = {}
    if params := _PARAMS.search(source):
        owner = getattr(getattr(module, params[1]), params[2])
        parameters = get_type_hints(owner, include_extras=True)
        limits = _limits(inspect.getsource(owner))
    return Endpoint(
        path=path[1],
        page=page[1] if page else "",
        fields=frozenset(_fields(kind)),
        parameters=parameters,
        limits=limits,
        results=dict(_results(kind)),
    )


def _limits(source: str) -> dict[str, int]:
    found = _LIMIT.search(source)
    documented = found[1] if found else ""
    by_width = {width: int(limit) for width, limit in _WIDTH_LIMIT.findall(documented)}
    if by_width:
        return by_width
    return {"": int(found[1])} if (found := _RANGE.search(documented)) else {}


def _results(kind: type) -> Iterator[tuple[str, frozenset[str]]]:
    for model in _models(_annotation(kind, "data")):
        for result in _models(_annotation(model, "results")):
            for name in _literals(_annotation(result, "object")):
                yield name, frozenset(_fields(result))


def _annotation(kind: type, field: str) -> object:
    if not issubclass(kind, BaseModel) or field not in kind.model_fields:
        return None
    return kind.model_fields[field].annotation


def _fields(kind: object, prefix: str = "") -> Iterator[str]:
    for model in _models(kind):
        for name in model.model_fields:
            nested = _models(_annotation(model, name))
            if nested:
                for each in nested:
                    yield from _fields(each, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}"


def _models(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401 -- annotations are anything
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in {Annotated, list, Union, UnionType, Required}:
        return [model for argument in get_args(annotation) for model in _models(argument)]
    return []


def _literals(annotation: object) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    else:
        for argument in get_args(annotation):
            yield from _literals(argument)
