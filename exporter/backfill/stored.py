"""What a receiver that answers queries has already of a history."""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec

from exporter.backfill.answer import ask
from exporter.backfill.sink import Labels
from exporter.exposition import escape
from exporter.openai import excerpt
from exporter.redaction import redact

Key = frozenset[tuple[str, str]]
"""The labels of a series without its name."""

_TIMEOUT: Final = 120.0
"""Seconds of one query, until the status of its answer and from there to its end."""

_LONGEST: Final = 256 << 20
"""Bytes of an answer: half a million series."""

_QUERY_PATHS: Final = {
    "/api/v1/write": "/api/v1/query",
    "/api/v1/push": "/prometheus/api/v1/query",
}
"""Paths of instant queries by the paths of receivers that have both."""


class _Series(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Data(msgspec.Struct):
    result: list[_Series]


class _Content(msgspec.Struct):
    data: _Data


class Stored:
    """Counts the samples of series in a receiver. Once a query has failed, nothing counts as stored."""

    def __init__(
        self, url: str | None, client: httpx.AsyncClient, labels: Mapping[str, str], report: Callable[[str], None]
    ) -> None:
        """Take the URL of instant queries and the labels that all series have; without a URL, nothing is stored."""
        self._url, self._client, self._labels, self._report = url, client, labels, report
        self._first = self._last = 0
        self._names: set[str] = set()

    async def begin(self, first: int, last: int) -> None:
        """Take the span (Unix seconds, both included) that is asked about from now on."""
        self._first, self._last = first, last
        found = await self._query(f"count by (__name__) (last_over_time({self._selector()}))")
        self._names = {metric["__name__"] for metric, _ in found if "__name__" in metric}

    async def counts(self, name: str) -> dict[Key, int]:
        """Return how many samples each series of a metric has in the span."""
        if name not in self._names:
            return {}
        found = await self._query(f"count_over_time({self._selector(name)})")
        return {frozenset(metric.items()): count for metric, count in found}

    def _selector(self, name: str = "") -> str:
        matchers = [f'__name__="{name}"' if name else '__name__=~"openai_.+"']
        matchers += [f'{label}="{escape(value)}"' for label, value in self._labels.items()]
        return f"{{{','.join(matchers)}}}[{self._last - self._first + 1}s]"

    async def _query(self, expression: str) -> list[tuple[dict[str, str], int]]:
        """Return the labels and the counts that an expression has."""
        if not self._url:
            return []
        form = {"query": expression, "time": str(self._last), "nocache": "1"}
        try:
            request = self._client.build_request("POST", self._url, data=form, timeout=_TIMEOUT)
            answer = await ask(self._client, request, _TIMEOUT, _LONGEST)
            if answer.successful and answer.complete:
                content = msgspec.json.decode(answer.body, type=_Content)
                return [(series.metric, _count(series.value[1])) for series in content.data.result]
            problem = "an answer that is cut off or too long" if answer.successful else answer.described()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
            problem = f"{type(error).__name__}: {error}"
        self._report(
            f"note: {redact(self._url)}: {excerpt(problem)}: samples that are stored already are not recognised and are"
            " sent again. --remote-write-query-url sets another URL of instant queries"
        )
        self._url = None
        return []


def _count(text: str) -> int:
    """Return a count. Raises ValueError."""
    number = float(text)
    if not number.is_integer():
        raise ValueError(f"{excerpt(text)!r} is not a count")
    return int(number)


def query_url(receiver: str) -> str | None:
    """Return the URL of instant queries that belongs to a receiver's, or None where the receiver's does not say."""
    parts = urlsplit(receiver)
    for path, queried in _QUERY_PATHS.items():
        if parts.path.endswith(path):
            return urlunsplit(parts._replace(path=parts.path.removesuffix(path) + queried, query=""))
    return None


def key_of(labels: Labels) -> Key:
    """Return the labels of a series without those that are empty, which a receiver does not have."""
    return frozenset((name, value) for name, value in labels if value)
