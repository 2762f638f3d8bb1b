"""Asking with an end to it: retries and pauses are the client's, patience is ours."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from exporter.openai import SilentObserver, Timeout, UpstreamError

T = TypeVar("T")


class PatientObserver(SilentObserver):
    """The observer of the client: remembers what went wrong, and ends a wait that is longer than the patience."""

    def __init__(self, patience: float) -> None:
        """Take seconds for one endpoint."""
        self._patience = patience
        self._errors: list[UpstreamError] = []
        self._hopeless = asyncio.Event()
        self.answered = False
        """Whether any endpoint has answered, be it with a refusal."""

    def error(self, resource: str, error: UpstreamError) -> None:  # noqa: ARG002 # one is asked at a time
        """Remember it; a pause that outlasts the patience is not waited for."""
        self._errors.append(error)
        self.answered = self.answered or error.status is not None
        if (error.retry_after or 0) > self._patience:
            self._hopeless.set()

    async def wait(self, work: Awaitable[T]) -> T:
        """Return what the work gives. Raises UpstreamError: the last one, where the patience ends first."""
        self._errors.clear()
        self._hopeless.clear()
        asked = asyncio.ensure_future(work)
        hopeless = asyncio.ensure_future(self._hopeless.wait())
        try:
            await asyncio.wait({asked, hopeless}, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                result = asked.result()
                self.answered = True
                return result
        finally:
            asked.cancel()
            hopeless.cancel()
            await asyncio.gather(asked, hopeless, return_exceptions=True)
        raise self._errors[-1] if self._errors else Timeout(f"no answer within {self._patience:g} s")
