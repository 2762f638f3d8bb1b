"""The layout of the package: imports through public interfaces, complete contracts, modules of a readable size."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT / "exporter"
_MAX_LINES = 450


def _modules() -> list[Path]:
    return sorted(_PACKAGE.rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    """Yield the absolute names of imported modules, also of imports inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(level=0, module=str(module)):
                yield module
            case ast.ImportFrom():
                raise AssertionError(f"{path} has a relative import")


def test_imports_from_another_package_use_its_public_interface() -> None:
    """A package imports from `exporter.x`, never from `exporter.x.y`, unless it is `exporter.x` itself."""
    found = {
        (own, parts[1])
        for path in _modules()
        for own in [path.relative_to(_PACKAGE).parts[0]]
        for parts in [name.split(".") for name in _imports(path)]
        if parts[0] == "exporter" and len(parts) > 2 and parts[1] != own
    }

    assert set() == found


def test_the_httpx_contract_names_every_layer() -> None:
    """Only `exporter.openai`, and `exporter.backfill` for remote write, may import httpx."""
    contracts = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (each for each in contracts if each.get("forbidden_modules") == ["httpx"])
    layers = {f"exporter.{path.stem}" for path in _PACKAGE.iterdir() if (path / "__init__.py").exists()} | {
        f"exporter.{path.stem}" for path in _PACKAGE.glob("*.py") if path.stem != "__init__"
    }

    assert layers - {"exporter.openai", "exporter.backfill"} == set(contract["source_modules"])


def test_no_module_is_too_long() -> None:
    """A module of more than 450 lines is split."""
    assert [] == [str(path) for path in _modules() if len(path.read_text().splitlines()) > _MAX_LINES]
