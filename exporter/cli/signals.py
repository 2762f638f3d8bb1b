"""What ends a command that serves."""

import asyncio
import signal


def stopping() -> asyncio.Event:
    """Return what SIGTERM and SIGINT set from now on, also where whoever started the process had SIGINT ignored."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event
