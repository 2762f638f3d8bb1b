"""Where the history goes: standard output, or a file that has its name only once it is whole."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def partial_of(path: Path) -> Path:
    """Return the name that a file has while it is written."""
    return path.with_name(f"{path.name}.partial")


@contextmanager
def output_to(path: Path) -> Iterator[TextIO]:
    """Give a stream to `path`, `-` for standard output.

    A file is written beside its place and renamed at the end: what stood there before stays until then, and for good
    when an error ends the block. What was written so far is then left in `FILE.partial`. Raises OSError.
    """
    if str(path) == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    partial = partial_of(path)
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
