"""What a receiver that answers queries has already of a history."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx

from exporter.backfill.sink import Labels
from exporter.exposition import escape
from exporter.redaction import redact

Key = frozenset[tuple[str, str]]
"""The labels of a series without its name."""

_TIMEOUT: Final = 120.0
"""Seconds of one query."""

_QUERY_PATHS: Final = {
    "/api/v1/write": "/api/v1/query",
    "/api/v1/push": "/prometheus/api/v1/query",
}
"""Paths of instant queries by the paths of receivers that have both."""


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
        self._names = {series["metric"]["__name__"] for series in found if "__name__" in series["metric"]}

    async def counts(self, name: str) -> dict[Key, int]:
        """Return how many samples each series of a metric has in the span."""
        if name not in self._names:
            return {}
        found = await self._query(f"count_over_time({self._selector(name)})")
        return {frozenset(series["metric"].items()): int(float(series["value"][1])) for series in found}

    def _selector(self, name: str = "") -> str:
        matchers = [f'__name__="{name}"' if name else '__name__=~"openai_.+"']
        matchers += [f'{label}="{escape(value)}"' for label, value in self._labels.items()]
        return f"{{{','.join(matchers)}}}[{self._last - self._first + 1}s]"

    async def _query(self, expression: str) -> list[dict[str, Any]]:
        if not self._url:
            return []
        form = {"query": expression, "time": str(self._last), "nocache": "1"}
        try:
            response = await self._client.post(self._url, data=form, timeout=_TIMEOUT)
            if response.is_success:
                series: list[dict[str, Any]] = response.json()["data"]["result"]
                return series
            problem = f"{response.status_code} {' '.join(response.text.split())[:200] or response.reason_phrase}"
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            problem = f"{type(error).__name__}: {error}"
        self._report(
            f"note: {redact(f'{self._url}: {problem}')}: samples that are stored already are not recognised and are"
            " sent again. --remote-write-query-url sets another URL of instant queries"
        )
        self._url = None
        return []


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
