"""Signals of a command that serves."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

_IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)


def ignore_stray_signals() -> None:
    """Ignore signals that would end the process although nobody wants it to end."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)


def stopping() -> asyncio.Event:
    """Return what SIGTERM and SIGINT set from now on, also where the parent process had SIGINT ignored."""
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
