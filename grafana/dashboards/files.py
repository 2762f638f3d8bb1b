"""The files that Grafana loads, and whether they are what the code makes."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.dashboards import exporter, project, spend, usage
from grafana.dashboards.board import Board


def boards() -> list[Board]:
    """Return every dashboard, in the order in which they are read."""
    return [spend.board(), usage.board(), project.board(), exporter.board()]


def contents() -> dict[str, str]:
    """Return the files' texts by their names."""
    return {
        f"{board.uid}.json": json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        + "\n"
        for board in boards()
    }


def write(folder: Path) -> None:
    """Write the files into a folder."""
    for name, text in contents().items():
        (folder / name).write_text(text)


def drifted(folder: Path) -> list[Path]:
    """Return the files of a folder that differ from what the code makes, are missing, or are made by nothing."""
    made = contents()
    paths = {folder / name for name in made} | set(folder.glob("*.json"))
    return sorted(path for path in paths if not path.exists() or path.read_text() != made.get(path.name))
