"""Everything that comes from outside survives the seeds, what was once found, and a short search."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

_SECONDS = 3


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_and_earlier_findings_do_not_fail(target: str) -> None:
    """No input that is known fails with an error that the interface does not name."""
    inputs = list(seeds(target))
    for data in inputs:
        TARGETS[target](data)

    assert inputs


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("atheris"), reason="atheris has no wheel for this platform")
@pytest.mark.parametrize("target", TARGETS)
def test_a_short_search_finds_nothing(target: str, tmp_path: Path) -> None:
    """A few seconds of coverage-guided search end without an input that fails."""
    command = [
        sys.executable,
        "-m",
        "tests.fuzz",
        target,
        "--seconds",
        str(_SECONDS),
        "--corpus",
        str(tmp_path / "corpus"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert (0, []) == (run.returncode, list(tmp_path.glob("crash-*"))), run.stderr[-4000:]
    assert int(re.findall(r"number_of_executed_units: (\d+)", run.stderr)[0]) > len(list(seeds(target)))
