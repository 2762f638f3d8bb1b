"""What 404 means: that something passing failed, unless it is the answer several times in a row."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from exporter.clock import Clock
from exporter.openai import NotFound

T = TypeVar("T")

_PAUSES: Final = (1.0, 2.0, 4.0)
"""Seconds before each further request."""


async def ask_again(ask: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """Return what `ask` returns, which is called again after 404.

    Raises UpstreamError; it is NotFound only where that was the answer several times in a row, over seconds.
    """
    for pause in _PAUSES:
        try:
            return await ask()
        except NotFound as error:
            if error.retryable:  # so that the client has asked again already
                raise
        await clock.sleep(pause)
    return await ask()
