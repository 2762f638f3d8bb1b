"""`make bench`: every figure of docs/performance.md with its reference, at several sizes.

Prints a Markdown table; its last columns are the growth of absolute figures against that of the samples: 1 is linear,
less is better. Each benchmark runs in a separate process for each size, one after the other.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from bench.measurements import Measurement

_BENCHMARKS: Final = ("publish", "decode", "event_loop", "state", "process", "scrape")
_ONCE: Final = {"freshness": ("0",), "organizations": ("50", "--seconds", "20", "--figures")}
"""Benchmarks that do not depend on the number of samples, and their arguments."""

_SIZES: Final = (10_000, 100_000, 1_000_000)
_QUICK_SIZES: Final = (10_000, 100_000)
_QUICK: Final = ("publish", "decode", "event_loop")


def main() -> None:
    """Run the benchmarks and print their table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the figures of code that developers change most")
    parser.add_argument("--sizes", type=int, nargs="+", help="exported samples")
    parser.add_argument("benchmarks", nargs="*", metavar="BENCHMARK", help=", ".join((*_BENCHMARKS, *_ONCE)))
    given = parser.parse_args()
    names = given.benchmarks or (_QUICK if given.quick else (*_BENCHMARKS, *_ONCE))
    sizes = given.sizes or (_QUICK_SIZES if given.quick else _SIZES)
    table: dict[str, list[Measurement | None]] = {}
    for name in names:
        for column, size in enumerate(sizes[:1] if name in _ONCE else sizes):
            sys.stderr.write(f"{name}\n" if name in _ONCE else f"{name} at {size:,} samples\n")
            for each in _run(name, _ONCE.get(name, (str(size),))):
                table.setdefault(each.name, [None] * len(sizes))[column] = each
    steps = [f"{small:,} to {large:,}" for small, large in pairwise(sizes)]
    heads = ["figure", *(f"{size:,}" for size in sizes), *steps]
    sys.stdout.write(f"| {' | '.join(heads)} |\n| --- |{' ---: |' * (len(heads) - 1)}\n")
    for title, measurements in table.items():
        cells = [each.text if each else "" for each in measurements]
        growth = [_growth(small, large) for small, large in pairwise(measurements)]
        sys.stdout.write(f"| {' | '.join((title, *cells, *growth))} |\n")


def _growth(small: Measurement | None, large: Measurement | None) -> str:
    """Return how much a figure grows for each time that the samples do: 1 is linear. Nothing for ratios."""
    if small is None or large is None or not small.grows or large.samples <= small.samples:
        return ""
    return f"{large.median / small.median / (large.samples / small.samples):.2f}"


def _run(name: str, arguments: Sequence[str]) -> list[Measurement]:
    command = [sys.executable, "-m", f"bench.{name}", *arguments]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [Measurement(**each) for each in json.loads(finished.stdout)]


if __name__ == "__main__":
    main()
