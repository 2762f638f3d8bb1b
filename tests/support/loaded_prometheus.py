"""A real Prometheus, loaded from OpenMetrics files, that runs queries as Grafana does."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.dashboards import QueryContext, Target
from tests.support.prometheus import holding

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of one query."""

    error: str
    """Empty if it succeeded."""
    series: list[tuple[Labels, list[tuple[float, float]]]]
    """Labels, then times (Unix seconds) and values."""

    @property
    def finite(self) -> bool:
        """Whether there is any value, and all are finite."""
        values = [value for _, points in self.series for _, value in points]
        return bool(values) and all(abs(value) < float("inf") for value in values)

    def last(self, label: str = "") -> dict[str, float]:
        """Return the last values by a label, or by nothing."""
        return {labels.get(label, ""): points[-1][1] for labels, points in self.series}

    @property
    def value(self) -> float:
        """The last value of the only series."""
        ((_, points),) = self.series
        return points[-1][1]


@dataclass
class LoadedPrometheus:
    """A running server with its samples."""

    client: httpx.Client
    """Bound to the root of the server's API."""

    def run_query(self, target: Target, context: QueryContext, until: float) -> QueryResult:
        """Run a panel's query as the panel does, with a time range that ends at `until`."""
        expr = context.fill(target.expr, target.interval)
        if target.instant:
            return self._post("query", {"query": expr, "time": until})
        step = context.step(target.interval)
        start, end = ((until - ago) // step * step for ago in (context.span, 0))
        return self._post("query_range", {"query": expr, "start": start, "end": end, "step": step})

    def run_queries(self, targets: list[Target], context: QueryContext, until: float) -> dict[Target, QueryResult]:
        """Run many queries, two at a time."""
        with ThreadPoolExecutor(2) as pool:
            results = pool.map(lambda target: self.run_query(target, context, until), targets)
            return dict(zip(targets, results, strict=True))

    def values(self, query: str, label: str, until: float, span: float) -> list[str]:
        """Return the values of a label among the series of a selector."""
        parameters: dict[str, Any] = {"match[]": query, "start": until - span, "end": until}
        answer = self.client.get(f"/label/{label}/values", params=parameters)
        answer.raise_for_status()
        values: list[str] = answer.json()["data"]
        return values

    def instant(self, query: str, until: float) -> QueryResult:
        """Run any instant query."""
        return self._post("query", {"query": query, "time": until})

    def _post(self, path: str, form: Mapping[str, Any]) -> QueryResult:
        body = self.client.post(f"/{path}", data=dict(form)).json()
        if body["status"] != "success":
            return QueryResult(f"{body['error']}\n{form['query']}", [])
        return QueryResult("", [_series(each) for each in body["data"]["result"]])


def _series(result: dict[str, Any]) -> tuple[Labels, list[tuple[float, float]]]:
    points = result["values"] if "values" in result else [result["value"]]
    return result["metric"], [(float(time), float(value)) for time, value in points]


@contextmanager
def loaded_prometheus(folder: Path, files: Iterable[Path], lookback: str) -> Iterator[LoadedPrometheus]:
    """Serve the samples of OpenMetrics files with a look-back delta."""
    with (
        holding(folder, files, f"--query.lookback-delta={lookback}") as server,
        httpx.Client(base_url=f"{server.url}/api/v1", timeout=60, trust_env=False) as client,
    ):
        yield LoadedPrometheus(client)
