"""The worker thread: it owns ledgers, state and encoder, which need no locks and never block the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """Runs one function at a time, in the order of submission."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="worker")

    async def run(self, function: Callable[[], T]) -> T:
        """Run the function on the worker thread and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    def stop(self) -> None:
        """Finish submitted functions, and accept no more."""
        self._executor.shutdown(wait=True)
