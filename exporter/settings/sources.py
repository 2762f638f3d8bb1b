"""Where settings come from: flags, the environment, the YAML file; each becomes a nested mapping."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic_settings import BaseSettings, EnvSettingsSource

from exporter.settings.errors import Problem, SettingsError


class EnvironmentSource(EnvSettingsSource):
    """The library's reading of an environment that is handed in."""

    def __init__(self, model: type[BaseSettings], environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(model)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {
            name if self.case_sensitive else name.lower(): value
            for name, value in self._environ.items()
            if value or not self.env_ignore_empty
        }


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would silently take the last."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[object, object]:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem="a setting stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_file(path: Path) -> dict[Any, Any]:
    """Return what a YAML file holds. Raises SettingsError, which never quotes the file."""
    try:
        with path.open("rb") as file:
            content = yaml.load(file, _Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise _refusal(path, f"cannot be read ({error.strerror}): correct the path or the file's permissions") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = error.problem if error.problem == "a setting stands twice" else "is not valid YAML"
        raise _refusal(path, f"{what}{where}: correct it there") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        raise _refusal(path, "is not valid YAML: it holds what no YAML text can hold") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise _refusal(path, "expects settings as `name: value` lines at the top level")
    return content


def _refusal(path: Path, what: str) -> SettingsError:
    return SettingsError([Problem(str(path), what)])
