"""docs/simulator.md agrees with the simulator."""

import inspect
import re
from pathlib import Path

from exporter.simulator import Scenario
from exporter.simulator.control import ACTIONS
from exporter.simulator.faults import FAULT_KINDS

_TEXT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")


def _rows(heading: str) -> list[list[str]]:
    section = _TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]


def _names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_every_action_is_documented_with_its_arguments() -> None:
    """The table lists every action of the control API with the parameters of its method."""
    documented = {_names(row[0])[0]: _names(row[1]) for row in _rows("Actions")}
    parameters = {name: list(inspect.signature(getattr(Scenario, name)).parameters)[1:] for name in ACTIONS}

    assert parameters == documented


def test_every_fault_is_documented() -> None:
    """The table lists every kind of fault once."""
    documented = [name for row in _rows("Faults") for name in _names(row[0])]

    assert sorted(FAULT_KINDS) == sorted(documented)
