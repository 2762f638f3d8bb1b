"""Freshness: from usage being readable at the API to it being on /metrics, by the real schedule on a clock set by hand.

The API answers at once here: what its answer takes is added to each figure, and so is up to one scrape interval until
Prometheus has it.
"""

import asyncio
import random
import re
import sys
from bisect import bisect_right
from typing import Any, Final

import httpx
import structlog

from bench.measurements import Measurement, emit, measurement
from bench.requests_per_hour import CASES, DEFAULT, Case, Server, organization_of
from exporter.catalog import CATALOG, Resource
from exporter.collector import ClientMetrics
from exporter.exposition import Format
from exporter.publisher import Publisher
from exporter.telemetry import Telemetry
from exporter.worker import Worker
from tests.support.clock import ManualClock

_STEP: Final = 0.5
"""Seconds between two looks at what is published."""

_HOURS: Final = 2
_WARM_UP: Final = 600.0
_EVENTS: Final = 1000
_VALUES: Final = {
    "usage": re.compile(rb"\nopenai_completions_requests\{[^}]*\} (\S+)"),
    "costs": re.compile(rb"\nopenai_cost_usd\{[^}]*\} (\S+)"),
}


class _GrowingServer(Server):
    """Each event adds one request and one dollar."""

    events: list[float]
    """When each becomes readable, Unix seconds, ascending."""

    def _rows(self, row: Resource, request: httpx.Request) -> list[dict[str, Any]]:
        readable = bisect_right(self.events, self.clock.now())
        rows = super()._rows(row, request)[:1]
        for each in rows:
            each.update({name: readable for name in each if name == "num_model_requests"})
            each["amount"] = {"value": readable, "currency": "usd"}
        return rows


class _Inline(Worker):
    async def run(self, function: Any) -> Any:  # noqa: ANN401 -- whatever the function returns
        return function()


async def _measure(case: Case) -> dict[str, list[float]]:
    """Return the seconds that each event took, for usage and costs."""
    clock, telemetry = ManualClock(), Telemetry()
    draw = random.Random(1)
    began = clock.now() + _WARM_UP
    server = _GrowingServer(case, clock)
    server.events = sorted(draw.uniform(began, began + _HOURS * 3600) for _ in range(_EVENTS))
    organization = organization_of(case, clock, server, ClientMetrics("acme", telemetry), telemetry)
    publisher = Publisher(
        [organization], store=None, worker=_Inline(), clock=clock, telemetry=telemetry, new_counter_hold=0.0
    )
    tasks = [asyncio.create_task(organization.run(publisher.notify)), asyncio.create_task(publisher.run())]
    taken: dict[str, list[float]] = {name: [] for name in _VALUES}
    try:
        while min(map(len, taken.values())) < _EVENTS and clock.now() < began + (_HOURS + 1) * 3600:
            await clock.advance(_STEP)
            body = publisher.snapshot.bodies.get(Format.TEXT)
            text = b"".join(text for piece in body.pieces for text in piece.texts) if body else b""
            for name, pattern in _VALUES.items():
                shown = int(sum(map(float, pattern.findall(text))))
                taken[name] += [clock.now() - moment for moment in server.events[len(taken[name]) : shown]]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await organization.close()
    if any(len(each) < _EVENTS for each in taken.values()):
        raise RuntimeError("not every event was published: the figures mean nothing")
    return taken


def measure(samples: int) -> list[Measurement]:
    """Return median, p99 and longest, in seconds, at default settings with everything in use."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    case = Case(CASES[1].title, 6, [row.name for row in CATALOG], DEFAULT)
    figures = []
    for name, seconds in asyncio.run(_measure(case)).items():
        ordered = sorted(seconds)
        for part, position in (("median", 0.5), ("p99", 0.99), ("worst phase", 1.0)):
            value = ordered[min(int(len(ordered) * position), len(ordered) - 1)]
            figures.append(measurement(f"freshness of {name}, {part}", samples, " s", [value]))
    return figures


if __name__ == "__main__":
    emit(measure(int(sys.argv[1])))
