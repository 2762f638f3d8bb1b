"""Plans, pages and answers of an Admin API that does what a test says."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

import httpx

from exporter.catalog import DAY, Plan, Resource, resource
from exporter.openai.client import Client
from exporter.openai.errors import UpstreamError
from exporter.openai.throttle import Throttle
from exporter.telemetry import RejectionReason
from tests.support.clock import ManualClock

TODAY = 1_794_960_000
"""2026-11-18, the day on which the manual clock begins."""

KEY = "sk-admin-Zq7rT2mWs9XkLp4TzNcY1bA"

Answering = Callable[[httpx.Request], httpx.Response]


def plan(
    of: str | Resource,
    *,
    group_by: Sequence[str] | None = None,
    filters: Iterable[tuple[str, str]] = (),
    width: str = "1d",
    measures: Sequence[str] | None = None,
) -> Plan:
    """Return a plan of a resource, as the default settings make it."""
    row = resource(of) if isinstance(of, str) else of
    return Plan(
        resource=row,
        group_by=row.group_by if group_by is None else tuple(group_by),
        filters=tuple(filters),
        width=width,
        measures=row.select(measures),
        windows=(),
        interval=60.0,
        lookback_days=31,
        refetch_days=3,
        stale_after=21600.0,
        max_series=50000,
    )


def bucket(start: int, *rows: dict[str, Any], end: int | None = None) -> dict[str, Any]:
    """Return a bucket as the API writes it, by default a day long."""
    return {
        "object": "bucket",
        "start_time": start,
        "end_time": start + DAY if end is None else end,
        "results": list(rows),
    }


def page(*buckets: dict[str, Any], next_page: str | None = None, **changes: object) -> dict[str, Any]:
    """Return a page as the API writes it."""
    return {
        "object": "page",
        "data": list(buckets),
        "has_more": next_page is not None,
        "next_page": next_page,
        **changes,
    }


def encoded(document: object) -> bytes:
    """Return JSON."""
    return json.dumps(document).encode()


def embeddings(tokens: float | None = 5, requests: int = 1, **dimensions: object) -> dict[str, Any]:
    """Return a row of the embeddings endpoint."""
    return {
        "object": "organization.usage.embeddings.result",
        "input_tokens": tokens,
        "num_model_requests": requests,
        "project_id": None,
        "model": None,
        **dimensions,
    }


def cost(value: object = 1.5, currency: str | None = "usd", **fields: object) -> dict[str, Any]:
    """Return a row of the costs endpoint."""
    return {
        "object": "organization.costs.result",
        "amount": {"value": value, "currency": currency},
        "project_id": "proj_a",
        "line_item": "gpt-6, input",
        **fields,
    }


class Journal:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.errors: list[tuple[str, UpstreamError]] = []
        self.durations: list[float] = []
        self.waits: list[tuple[str, float]] = []
        self.rejections: Counter[tuple[str, str]] = Counter()

    def request(self, resource: str) -> None:
        """Remember a request."""
        self.requests.append(resource)

    def error(self, resource: str, error: UpstreamError) -> None:
        """Remember an error."""
        self.errors.append((resource, error))

    def duration(self, seconds: float) -> None:
        """Remember a duration."""
        self.durations.append(seconds)

    def rejected(self, resource: str, rejections: Mapping[RejectionReason, int]) -> None:
        """Add up rejections by resource and reason."""
        for reason, count in rejections.items():
            self.rejections[resource, reason] += count

    def waited(self, resource: str, seconds: float) -> None:
        """Remember a wait."""
        self.waits.append((resource, seconds))


class Api:
    """Answers at transport level: with each of the given answers in turn, the last one again and again."""

    def __init__(self, *answers: httpx.Response | Answering | Exception) -> None:
        self.requests: list[httpx.Request] = []
        self._answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        response = answer if isinstance(answer, httpx.Response) else answer(request)
        return httpx.Response(response.status_code, headers=response.headers, content=_streamed(response.content))

    def asked(self, name: str) -> list[list[str]]:
        """Return the values of a parameter, request by request."""
        return [request.url.params.get_list(name) for request in self.requests]


async def _streamed(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 4096):
        yield body[start : start + 4096]


def client(
    api: Api | None,
    clock: ManualClock,
    *,
    base_url: str = "https://api.test/v1",
    key: Callable[[], str] = lambda: KEY,
    organization_id: str = "",
    timeout: float = 5.0,
    max_body: int = 1024 * 1024,
    throttle: Throttle | None = None,
    observer: Journal | None = None,
) -> Client:
    """Return a client of an API at transport level, or, without one, of the server at the base URL."""
    return Client(
        base_url,
        key,
        throttle=throttle or Throttle(clock, 600, chance=lambda: 0.0),
        clock=clock,
        organization_id=organization_id,
        timeout=timeout,
        max_body=max_body,
        observer=observer,
        chance=lambda: 0.0,
        transport=httpx.MockTransport(api) if api else None,
    )


def ok(document: object, **headers: str) -> httpx.Response:
    """Return an answer 200 with this document."""
    return httpx.Response(200, content=encoded(document), headers=headers)


def refusal(status: int, error: object = "no", **headers: str) -> httpx.Response:
    """Return an answer that says no; underscores in header names are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, content=encoded({"error": error}), headers=named)
