"""The one thread that owns ledgers, state and encoder, so that they need no locks and the event loop never waits."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """Runs one piece of work at a time, in the order in which it is given."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="worker")

    async def run(self, work: Callable[[], T]) -> T:
        """Do the work on the worker's thread and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def stop(self) -> None:
        """Finish what was given, and take no more."""
        self._thread.shutdown(wait=True)
