"""`make bench-requests`: requests an hour of an organization, by the real schedule on a manual clock."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import structlog

from exporter.catalog import CATALOG, DAY, METADATA, ApiFamily, Plan, Resource
from exporter.collector import ClientMetrics, MetadataPlan, NoStore, Organization
from exporter.openai import Client, Throttle, inline
from exporter.telemetry import Telemetry
from tests.support.clock import ManualClock

HOUR: Final = 3600
THREE: Final = ("costs", "completions", "embeddings")

DEFAULT: Final = MetadataPlan(resources=frozenset({"projects", "spend_limit", "spend_alerts"}))
EVERYTHING: Final = MetadataPlan(resources=frozenset(row.name for row in METADATA if not row.legacy))


@dataclass(frozen=True, slots=True)
class Case:
    """An organization and the settings of its exporter."""

    title: str
    projects: int
    used: Sequence[str]
    """Resources that have usage."""
    metadata_plan: MetadataPlan
    grouped_by_key: bool = False


CASES: Final = (
    Case("3 endpoints in use, 6 projects", 6, THREE, DEFAULT),
    Case("all endpoints in use, 6 projects", 6, [row.name for row in CATALOG], DEFAULT),
    Case("all endpoints in use, 300 projects", 300, [row.name for row in CATALOG], DEFAULT),
    Case("... with every name and limit", 300, [row.name for row in CATALOG], EVERYTHING, grouped_by_key=True),
)


@dataclass
class Server:
    """Responds to every endpoint."""

    case: Case
    clock: ManualClock

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Return the response to one request."""
        path = request.url.path.removeprefix("/v1/organization/")
        row = next((row for row in CATALOG if row.path == path), None)
        content = self._page(row, request) if row else self._directory(path, request)
        return httpx.Response(200 if content else 404, stream=httpx.ByteStream(json.dumps(content or {}).encode()))

    def _page(self, row: Resource, request: httpx.Request) -> dict[str, Any]:
        start, limit = (int(request.url.params[name]) for name in ("start_time", "limit"))
        now = int(self.clock.now())
        days = range(start, now, DAY)
        if len(days) > limit:
            raise ValueError(f"{row.name} got a request of {len(days)} buckets with a limit of {limit}")
        buckets = [
            {
                "object": "bucket",
                "start_time": day,
                "end_time": min(day + DAY, now),
                "results": self._rows(row, request) if day + DAY > now else [],
            }
            for day in days
        ]
        return {"object": "page", "data": buckets, "has_more": False, "next_page": None}

    def _rows(self, row: Resource, request: httpx.Request) -> list[dict[str, Any]]:
        if row.name not in self.case.used:
            return []
        grouped = request.url.params.get_list("group_by[]")
        figures: dict[str, Any] = {measure.field: 1 for measure in row.measures if "." not in measure.field}
        rows = []
        for number in range(self.case.projects):
            ids = {"project_id": f"proj_{number}", "api_key_id": f"key_{number}", "user_id": f"user_{number}"}
            dimensions = {name: ids.get(name) for name in grouped}
            amount = {"value": 1, "currency": "usd"}
            rows.append({"object": row.object, "amount": amount, **figures, **dimensions})
        return rows

    def _directory(self, path: str, request: httpx.Request) -> dict[str, Any]:
        rows: list[dict[str, Any]]
        match path.split("/"):
            case ["projects"]:
                rows = [
                    {"id": f"proj_{number}", "name": str(number), "status": "active"}
                    for number in range(self.case.projects)
                ]
            case ["projects", project, "api_keys"]:
                rows = [{"id": project.replace("proj", "key"), "name": "key", "owner": {"type": "user"}}]
            case ["projects", _, "rate_limits"]:
                rows = [{"id": "rl", "model": "m", "max_requests_per_1_minute": 1, "max_tokens_per_1_minute": 1}]
            case ["users"]:
                rows = [{"id": f"user_{number}", "role": "reader"} for number in range(self.case.projects)]
            case [*_, "spend_limit"]:
                return {"threshold_amount": 100, "currency": "USD", "enforcement": {"status": "inactive"}}
            case _:
                rows = [{"id": "one", "name": "one", "threshold_amount": 100, "currency": "USD"}]
        limit = int(request.url.params["limit"])
        after = request.url.params.get("after")
        first = next((index + 1 for index, row in enumerate(rows) if row["id"] == after), 0)
        page = rows[first : first + limit]
        return {"object": "list", "data": page, "has_more": first + limit < len(rows), "last_id": page[-1]["id"]}


@dataclass
class Journal(ClientMetrics):
    """Counts requests by kind of resource, and keeps the longest wait of costs and usage."""

    telemetry: Telemetry
    counts: Counter[str] = field(default_factory=Counter)
    longest_wait: float = 0.0

    def __post_init__(self) -> None:
        """Initialize the base class."""
        super().__init__("acme", self.telemetry)

    def request(self, resource: str) -> None:
        """Count a request."""
        super().request(resource)
        self.counts[_kind(resource)] += 1

    def waited(self, resource: str, seconds: float) -> None:
        """Keep the longest wait."""
        super().waited(resource, seconds)
        if _kind(resource) in {"costs", "usage"}:
            self.longest_wait = max(self.longest_wait, seconds)


def _kind(resource: str) -> str:
    row = next((row for row in CATALOG if row.name == resource), None)
    if row:
        return row.branch.value
    return next(row.kind.value for row in METADATA if row.name == resource)


def _plan(row: Resource, *, grouped_by_key: bool) -> Plan:
    costs = row.branch is ApiFamily.COSTS
    further = ("api_key_id",) if grouped_by_key and not costs and "api_key_id" in row.dimensions else ()
    return Plan(
        resource=row,
        group_by=(*row.group_by, *further),
        filters=(),
        width="1d",
        measures=row.select(),
        windows=(),
        interval=300.0 if costs else 60.0,
        lookback_days=62 if costs else 31,
        refetch_days=3,
        stale_after=21600.0,
        max_series=50000,
    )


def organization_of(
    case: Case, clock: ManualClock, server: Server, client_metrics: ClientMetrics, telemetry: Telemetry
) -> Organization:
    """Return the organization of a case, polled by the real schedule from the server."""
    throttle = Throttle(clock, 60)
    client = Client(
        "https://api.test/v1",
        lambda: "sk-admin-none",
        throttle=throttle,
        clock=clock,
        observer=client_metrics,
        transport=httpx.MockTransport(server),
    )
    return Organization(
        "acme",
        [_plan(row, grouped_by_key=case.grouped_by_key) for row in CATALOG],
        client=client,
        throttle=throttle,
        watch=client_metrics,
        clock=clock,
        telemetry=telemetry,
        run=inline,
        store=NoStore(),
        metadata_plan=case.metadata_plan,
    )


async def measure(case: Case, hours: int = 2) -> Journal:
    """Return what the last of so many hours took."""
    clock = ManualClock()
    telemetry = Telemetry()
    journal = Journal(telemetry)
    organization = organization_of(case, clock, Server(case, clock), journal, telemetry)
    polling = asyncio.create_task(organization.run(lambda: None))
    try:
        for _ in range(hours):
            journal.counts.clear()
            journal.longest_wait = 0.0
            await clock.advance(HOUR)
    finally:
        polling.cancel()
        await asyncio.wait([polling])
        await organization.close()
    failing = [job.name for job in organization.jobs if not job.status.up]
    if failing:
        raise RuntimeError(f"{', '.join(failing)} failed: the figures mean nothing")
    return journal


def main() -> None:
    """Print a line for each case."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    kinds = ("costs", "usage", "limits", "names")
    print(f"{'requests an hour':40}{''.join(f'{kind:>8}' for kind in kinds)}{'all':>8}{'longest wait of usage':>24}")
    for case in CASES:
        journal = asyncio.run(measure(case))
        figures = "".join(f"{journal.counts[kind]:8}" for kind in kinds)
        print(f"{case.title:40}{figures}{journal.counts.total():8}{journal.longest_wait:22.1f} s")


if __name__ == "__main__":
    main()
