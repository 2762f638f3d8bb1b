"""From ledgers and the time to the snapshot: propose, commit, adopt, encode. In that order, always."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from exporter.clock import Clock
from exporter.exposition import (
    Column,
    Encoder,
    ModelUse,
    OrganizationReport,
    Snapshot,
    Spend,
    columns_of,
    merge,
    of_measures,
)
from exporter.organization import Organization
from exporter.publisher import overview
from exporter.publisher.press import Press
from exporter.store import Store
from exporter.telemetry import Telemetry
from exporter.worker import Worker

_GAP: Final = 1.0
"""Seconds between two publishes, at least; a moment that changes what is shown is not waited past."""


class Publisher:
    """Makes a snapshot after polls, and at the moments at which time alone changes one."""

    def __init__(
        self,
        organizations: Sequence[Organization],
        *,
        store: Store | None,
        worker: Worker,
        clock: Clock,
        telemetry: Telemetry,
        birth_hold: float,
    ) -> None:
        """`birth_hold` (seconds): for so long a counter that was not shown before stays where it was committed."""
        self._organizations = organizations
        self._store, self._worker, self._clock, self._telemetry = store, worker, clock, telemetry
        self._encoder = Encoder()
        self._press = Press(store, birth_hold)
        self._columns: dict[tuple[str, str], list[tuple[str, Column]]] = {}
        self._billing: dict[str, tuple[Spend | None, tuple[ModelUse, ...]]] = {}
        self._wake = asyncio.Event()
        self.snapshot = Snapshot()

    def notify(self) -> None:
        """Say that a poll has ended: its result is published within a second."""
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            started = self._clock.monotonic()
            await self.publish()
            rest = started + _GAP - self._clock.monotonic()
            await self._clock.sleep(max(min(rest, self._until_change()), 0.0))
            await self._wait()

    async def publish(self) -> None:
        """Make one snapshot and put it in the place of the last."""
        self._wake.clear()
        started = self._clock.monotonic()
        reports = [organization.report() for organization in self._organizations]
        ready = all(organization.ready for organization in self._organizations)
        self.snapshot = await self._worker.run(lambda: self._make(self._clock.now(), reports, ready=ready))
        self._telemetry.publish_duration_seconds.set(self._clock.monotonic() - started)

    async def _wait(self) -> None:
        woken = asyncio.ensure_future(self._wake.wait())
        due = asyncio.ensure_future(self._clock.sleep(max(self._until_change(), 0.0)))
        try:
            await asyncio.wait((woken, due), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            due.cancel()

    def _until_change(self) -> float:
        return self._press.next_change - self._clock.now()

    def _make(self, now: float, reports: Sequence[OrganizationReport], *, ready: bool) -> Snapshot:
        self._commit(now)
        named = []
        for organization in self._organizations:
            for mirror in organization.mirrors:
                shown, changed = self._press.faces(mirror, now)
                if changed:
                    self._columns[organization.name, mirror.name] = columns_of(organization.name, shown)
                    self._billing.pop(organization.name, None)
                named += self._columns[organization.name, mirror.name]
        families = of_measures(named)
        families += merge(
            family
            for organization in self._organizations
            for source in organization.sources
            for family in source.families(now)
        )
        told = [self._tell(*pair, now) for pair in zip(self._organizations, reports, strict=True)]
        return Snapshot(self._encoder.encode(families), tuple(told), now, ready)

    def _commit(self, now: float) -> None:
        desks = [mirror for organization in self._organizations for mirror in organization.mirrors]
        mirrored = {organization.name: organization.openai_id for organization in self._organizations}
        names = [name for organization in self._organizations for name in organization.names_to_save()]
        if self._press.commit(desks, mirrored, now, names):
            for organization in self._organizations:
                organization.names_saved()
        self._telemetry.state_writable.set(self._press.writable)
        if self._store:
            self._telemetry.state_size_bytes.set(self._store.size)

    def _tell(self, organization: Organization, report: OrganizationReport, now: float) -> OrganizationReport:
        billing = self._billing.get(organization.name)
        if billing is None:
            ledgers = [mirror.ledger for mirror in organization.mirrors]
            billing = self._billing[organization.name] = overview.spend(ledgers, now), overview.models(ledgers, now)
        return replace(report, spend=billing[0], models=billing[1])
