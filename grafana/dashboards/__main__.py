"""`python -m grafana.dashboards` writes the files of the dashboards; `--check` only compares them."""

import argparse
import sys
from pathlib import Path

from grafana.dashboards.files import drifted, write

_ROOT = Path(__file__).parents[2]


def main() -> int:
    """Write or check; the exit code is 1 when a file differs from what the code makes."""
    parser = argparse.ArgumentParser(prog="python -m grafana.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is out of date")
    if not parser.parse_args().check:
        write(_ROOT)
        return 0
    stale = drifted(_ROOT)
    for path in stale:
        sys.stderr.write(f"{path} is not what the code makes: run `make dashboards`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
