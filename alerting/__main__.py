"""`python -m alerting` writes the generated rule files; `--check` lists those that are out of date."""

import argparse
import sys
from pathlib import Path
from typing import Final

import yaml

from alerting.alerts import alerts_text
from alerting.owners import names, owners_text
from alerting.usage import usage_rules

FOLDER: Final = Path(__file__).parents[1] / "deploy" / "prometheus" / "rules"


def texts() -> dict[str, str]:
    """Return the generated rule files by name."""
    (thresholds,) = yaml.safe_load((FOLDER / "thresholds.yml").read_text())["groups"]
    return {
        "alerts.yml": alerts_text(),
        "flow.yml": usage_rules(),
        "owners.yml": owners_text(names(thresholds["rules"])),
    }


def main() -> int:
    """Write or check; the exit code is 1 when a file differs from what the code makes."""
    parser = argparse.ArgumentParser(prog="python -m alerting", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is out of date")
    check = parser.parse_args().check
    stale = [name for name, text in texts().items() if (FOLDER / name).read_text() != text]
    for name in stale:
        if check:
            sys.stderr.write(f"{name} is out of date: run `make rules`\n")
        else:
            (FOLDER / name).write_text(texts()[name])
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
