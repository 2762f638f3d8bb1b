"""One organization, examined over a real socket: the simulated API with its faults."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from exporter.catalog import CATALOG, Plan
from exporter.check import CheckResult, CheckTarget, Finding, Grade, Lookup, examine, lookups
from exporter.openai import Client, Observer, Throttle
from exporter.simulator import Shape, Simulator, keys, serving
from tests.support.scripted_api import plan
from tests.support.skipping_clock import HastyClock

PLANS = tuple(plan(row) for row in CATALOG)
LOOKUPS = lookups(["projects", "spend_limit", "spend_alerts"])


@dataclass
class Checkup:
    """A simulator, and how its organization is examined; a test exchanges what it is about."""

    url: str
    simulator: Simulator | None = None
    key: str = keys.FULL
    plans: Sequence[Plan] = PLANS
    lookups: tuple[Lookup, ...] = LOOKUPS
    organization_id: str = ""
    project_ids: tuple[str, ...] = ()
    proxy: str | None = None
    ca_file: str | None = None
    timeout: float = 5.0
    patience: float = 10.0
    found: list[Finding] = field(default_factory=list)

    def run(self) -> CheckResult:
        """Examine, and return the verdict."""
        clock = HastyClock()

        def connect(observer: Observer) -> Client:
            return Client(
                self.url,
                lambda: self.key,
                throttle=Throttle(clock, 600),
                clock=clock,
                organization_id=self.organization_id,
                timeout=self.timeout,
                proxy=self.proxy,
                ca_file=self.ca_file,
                observer=observer,
            )

        subject = CheckTarget(
            name="research",
            base_url=self.url,
            plans=tuple(self.plans),
            lookups=self.lookups,
            key=lambda: self.key,
            key_origin="OPENAI_ADMIN_KEY",
            organization_id=self.organization_id,
            project_ids=self.project_ids,
            proxied=self.proxy is not None,
            patience=self.patience,
        )
        return asyncio.run(examine(subject, connect, clock, self.found.append))

    def grades(self) -> dict[str, Grade]:
        """Return the worst grade of each topic."""
        return {finding.topic: finding.grade for finding in self.found}

    def finding(self, topic: str) -> Finding:
        """Return the last finding about a topic."""
        return next(finding for finding in reversed(self.found) if finding.topic == topic)


@contextmanager
def checkup(shape: Shape | None = None) -> Iterator[Checkup]:
    """Serve a simulator that goes by this machine's clock."""
    simulator = Simulator(7, shape=shape)
    with serving(simulator) as url:
        yield Checkup(url, simulator)
