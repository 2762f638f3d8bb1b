"""A real Prometheus with recorded data: loaded from OpenMetrics, queried as Grafana queries."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.dashboards import Asking, Target
from tests.support.prometheus import holding

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """What Prometheus said to one query."""

    error: str
    """Empty when it succeeded."""
    series: list[tuple[Labels, list[tuple[float, float]]]]
    """Labels, then times (Unix seconds) and values."""

    @property
    def finite(self) -> bool:
        """Whether there is any value, and every one is a number."""
        values = [value for _, points in self.series for _, value in points]
        return bool(values) and all(abs(value) < float("inf") for value in values)

    def last(self, label: str = "") -> dict[str, float]:
        """Return the last values by a label, or by nothing."""
        return {labels.get(label, ""): points[-1][1] for labels, points in self.series}

    @property
    def value(self) -> float:
        """The sole last value."""
        ((_, points),) = self.series
        return points[-1][1]


@dataclass
class Warehouse:
    """A running server with what it holds."""

    client: httpx.Client
    """Bound to the root of the server's API."""

    def ask(self, target: Target, asking: Asking, until: float) -> Reply:
        """Ask a panel's query as the panel asks it, with a time range that ends at `until`."""
        expr = asking.fill(target.expr, target.interval)
        if target.instant:
            return self._post("query", {"query": expr, "time": until})
        step = asking.step(target.interval)
        start, end = ((until - ago) // step * step for ago in (asking.span, 0))
        return self._post("query_range", {"query": expr, "start": start, "end": end, "step": step})

    def ask_all(self, targets: list[Target], asking: Asking, until: float) -> dict[Target, Reply]:
        """Ask many queries, two at a time."""
        with ThreadPoolExecutor(2) as pool:
            replies = pool.map(lambda target: self.ask(target, asking, until), targets)
            return dict(zip(targets, replies, strict=True))

    def values(self, query: str, label: str, until: float, span: float) -> list[str]:
        """Return the values of a label among the series of a selector."""
        parameters: dict[str, Any] = {"match[]": query, "start": until - span, "end": until}
        answer = self.client.get(f"/label/{label}/values", params=parameters)
        answer.raise_for_status()
        values: list[str] = answer.json()["data"]
        return values

    def instant(self, query: str, until: float) -> Reply:
        """Ask any query."""
        return self._post("query", {"query": query, "time": until})

    def _post(self, path: str, form: Mapping[str, Any]) -> Reply:
        body = self.client.post(f"/{path}", data=dict(form)).json()
        if body["status"] != "success":
            return Reply(f"{body['error']}\n{form['query']}", [])
        return Reply("", [_series(each) for each in body["data"]["result"]])


def _series(result: dict[str, Any]) -> tuple[Labels, list[tuple[float, float]]]:
    points = result["values"] if "values" in result else [result["value"]]
    return result["metric"], [(float(time), float(value)) for time, value in points]


@contextmanager
def warehouse(folder: Path, files: Iterable[Path], lookback: str) -> Iterator[Warehouse]:
    """Serve the content of OpenMetrics files; a sample is valid for `lookback`."""
    with (
        holding(folder, files, f"--query.lookback-delta={lookback}") as server,
        httpx.Client(base_url=f"{server.url}/api/v1", timeout=60, trust_env=False) as client,
    ):
        yield Warehouse(client)
