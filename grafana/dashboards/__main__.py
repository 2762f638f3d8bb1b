"""`python -m grafana.dashboards` writes the dashboards' files; `--check` says whether they are what it would write."""

import argparse
import sys
from pathlib import Path

from grafana.dashboards.files import drifted, write

_FOLDER = Path(__file__).parent.parent


def main() -> int:
    """Write or check; the exit code is 1 when a file differs from what the code makes."""
    parser = argparse.ArgumentParser(prog="python -m grafana.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is out of date")
    if not parser.parse_args().check:
        write(_FOLDER)
        return 0
    stale = drifted(_FOLDER)
    for path in stale:
        sys.stderr.write(f"{path.name} is not what the code makes: run `make dashboards`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
