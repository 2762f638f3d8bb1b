"""`assets`: writes the dashboards, rules, alert templates and example configuration of the installed version."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import exporter
from exporter.redaction import print_redacted
from exporter.settings import AssetsSettings, example_file

_PACKAGE: Final = Path(exporter.__file__).parent
_EXAMPLE: Final = "exporter.yml"


def execute(settings: AssetsSettings) -> int:
    """Return 0 when everything is written, 1 when nothing is because files differ or cannot be written."""
    try:
        return _write(settings.directory, force=settings.force)
    except OSError as error:
        print_redacted(f"error: {error.filename}: {error.strerror}")
        return 1


def _write(directory: Path, *, force: bool) -> int:
    contents = {**_contents(), _EXAMPLE: example_file().encode()}
    existing = {name for name in contents if (directory / name).exists()}
    same = {name for name in existing if (directory / name).read_bytes() == contents[name]}
    if (different := existing - same) and not force:
        for name in sorted(different):
            print_redacted(f"error: {directory / name} differs from the version to be written")
        print_redacted("Nothing was written. Give another directory, or --force to overwrite these files.")
        return 1
    for name in sorted(contents.keys() - same):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[name])
        print_redacted(f"wrote {path}")
    unchanged = f", {len(same)} unchanged" if same else ""
    print_redacted(f"{len(contents) - len(same)} files written{unchanged}")
    return 0


def _contents() -> dict[str, bytes]:
    """Return the packaged files by their paths in the repository."""
    packaged = _PACKAGE / "assets"
    if packaged.is_dir():
        return {str(path.relative_to(packaged)): path.read_bytes() for path in packaged.rglob("*") if path.is_file()}
    root = _PACKAGE.parent
    return {str(path.relative_to(root)): path.read_bytes() for path in _files_of_checkout(root)}


def _files_of_checkout(root: Path) -> Iterator[Path]:
    """Yield the files that a wheel built from this checkout would contain."""
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for pattern in wheel["hooks"]["custom"]["patterns"]:
        yield from (path for path in root.glob(pattern) if path.is_file())
