"""The process of a command: its standard streams, its limit on open files and its signals."""

import asyncio
import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

_MAX_DESCRIPTORS: Final = 65536
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGE_BLOCK: Final = 256 * 1024
"""Bytes from which a block of memory goes back to the system as soon as it is freed."""

_FULL_COLLECTIONS: Final = 10_000
"""Collections of the second generation before one of everything, which stops all threads: `keep_objects` is in time."""

_IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)


def open_standard_streams() -> None:
    """Open closed standard streams on /dev/null: the next file opened would get their descriptor, and their text."""
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def prepare_server_process() -> None:
    """Ignore stray signals that would end the process, and raise the soft limit on open files as Go programs do."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def prepare_allocator() -> None:
    """Give freed responses back to the system, with glibc: by itself it keeps blocks of up to 32 MiB for later."""
    if (libc := _glibc()) is not None:
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
        libc.mallopt(_M_TRIM_THRESHOLD, _LARGE_BLOCK)


def prepare_garbage_collector() -> None:
    """Look at new objects only: a collection of everything stops all threads, for a second where there are millions."""
    first, second, _ = gc.get_threshold()
    gc.set_threshold(first, second, _FULL_COLLECTIONS)


def keep_objects() -> None:
    """Collect what became garbage since the last call, and exclude what is alive from every later collection.

    Nearly all objects live as long as the process. Each call looks only at those that were made since the last one.
    """
    gc.collect()
    gc.freeze()


def return_freed_memory() -> None:
    """Give what is free between the objects that are alive back to the system, with glibc."""
    keep_objects()
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library where it is glibc: others have no malloc_trim."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set from now on, even if the parent process ignored SIGINT."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event


def on_hangup(action: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Run `action` as a task at every SIGHUP from now on."""
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[object]] = set()

    def start() -> None:
        task = loop.create_task(action(), name="hangup")
        running.add(task)
        task.add_done_callback(running.discard)

    loop.add_signal_handler(signal.SIGHUP, start)
