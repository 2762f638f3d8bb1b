"""The process: its standard streams and its limit on open files."""

import os
import resource
import sys
from typing import Final

_MOST_DESCRIPTORS: Final = 65536


def open_standard_streams() -> None:
    """Open closed standard streams on /dev/null: the next file opened would get their descriptor, and their text."""
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def raise_descriptor_limit() -> None:
    """Raise the soft limit on open files to the hard one, as Go programs do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
