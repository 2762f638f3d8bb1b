"""An organization that polls the simulator over real sockets, one poll at a time."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from exporter.catalog import Plan
from exporter.collector import ClientMetrics, LedgerStore, MetadataPlan, NoStore, Organization, Poller, Status
from exporter.exposition import Family
from exporter.openai import Client, FallbackSource, Throttle, inline
from exporter.simulator import keys
from exporter.store import Name
from exporter.telemetry import Telemetry
from tests.support.clock import ManualClock
from tests.support.simulation import Simulation

Series = dict[str, str]


@dataclass
class Secret:
    """A key that a test can replace."""

    text: str

    def read(self) -> str:
        """Return the key."""
        return self.text


@dataclass
class OrganizationHarness:
    """One organization, its telemetry and the clock that it shares with the simulator."""

    organization: Organization
    telemetry: Telemetry
    clock: ManualClock
    sim: Simulation
    key: Secret

    async def poll(self, *names: str) -> Status:
        """Poll jobs by name, and return the status of the last."""
        jobs = {job.name: job for job in self.organization.jobs}
        for name in names:
            poller = Poller("acme", jobs[name], self.clock, self.telemetry, lambda: None)
            await self.clock.run(poller.poll(self.clock.monotonic()))
        return jobs[names[-1]].status

    def series(self, name: str) -> list[tuple[Series, float]]:
        """Return the labels (without `organization`) and values of a family without a ledger."""
        found = []
        for source in self.organization.sources:
            for family in source.families(self.clock.now()):
                if family.name == name:
                    found += samples(family)
        return found

    def labels(self, name: str, key: str) -> dict[str, Series]:
        """Return the labels of an info family by one of them, whose values must be unique."""
        labels = [labels for labels, _ in self.series(name)]
        by_key = {each[key]: each for each in labels}

        assert len(by_key) == len(labels)
        return by_key

    def asked(self, path: str = "") -> list[str]:
        """Return the requested paths below `/v1/` that contain a text."""
        return [request.path.removeprefix("/v1/") for request in self.sim.simulator.requests if path in request.path]


def metadata(*resources: str, **fields: Any) -> MetadataPlan:  # noqa: ANN401 -- what `MetadataPlan` takes
    """Return a plan of these rows of the metadata table."""
    return MetadataPlan(resources=frozenset(resources), **fields)


def samples(family: Family) -> list[tuple[Series, float]]:
    """Return the samples of a family without the label `organization`."""
    return [
        ({key: text for key, text in zip(column.rows.names, row, strict=True) if key != "organization"}, float(value))
        for column in family.columns
        for row, value in zip(column.rows.sets, column.values, strict=True)
    ]


@asynccontextmanager
async def running_organization(
    sim: Simulation,
    metadata_plan: MetadataPlan,
    plans: Sequence[Plan] = (),
    *,
    key: str = keys.FULL,
    names: Iterable[Name] = (),
    store: LedgerStore | None = None,
    requests_per_minute: float = 60.0,
    organization_id: str = "",
    reconciliation_interval: float = 0.0,
) -> AsyncIterator[OrganizationHarness]:
    """Build an organization named `acme` on the simulator, for the length of a block."""
    telemetry = Telemetry()
    watch = ClientMetrics("acme", telemetry)
    throttle = Throttle(sim.clock, requests_per_minute)
    secret = Secret(key)
    client = Client(
        sim.url,
        secret.read,
        throttle=throttle,
        clock=sim.clock,
        observer=watch,
        organization_id=organization_id,
    )
    source = FallbackSource(
        client,
        watch,
        sim.clock,
        on_change=watch.fallback_changed,
        organization="acme",
        organization_id=organization_id,
    )
    organization = Organization(
        "acme",
        plans,
        client=client,
        source=source,
        throttle=throttle,
        watch=watch,
        clock=sim.clock,
        telemetry=telemetry,
        run=inline,
        store=store or NoStore(),
        metadata_plan=metadata_plan,
        names=names,
        reconciliation_interval=reconciliation_interval,
    )
    try:
        yield OrganizationHarness(organization, telemetry, sim.clock, sim, secret)
    finally:
        await organization.close()
