"""`metrics`: prints the reference of all metrics."""

import sys

from exporter.cli.reference import markdown
from exporter.settings import Settings


def execute(settings: Settings) -> int:  # noqa: ARG001 - the reference is of the defaults
    """Write it to standard output."""
    sys.stdout.write(markdown())
    return 0
