"""From ledgers and the time to the snapshot: propose, commit, adopt, encode. In that order, always."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from exporter.catalog import DAY, day_of
from exporter.clock import Clock
from exporter.exposition import Encoder, ModelUse, OrganizationReport, Snapshot, Spend, merge, of_measures
from exporter.ledger import Face, Ledger
from exporter.organization import Mirror, Organization
from exporter.publisher import overview
from exporter.store import Entry, StateUnwritableError, Store
from exporter.telemetry import Telemetry
from exporter.worker import Worker

_GAP: Final = 1.0
"""Seconds between two publishes, at least."""

_log = structlog.get_logger("publish")


@dataclass(slots=True)
class _Shown:
    """What a ledger showed at the last publish: good until the ledger changes it, or the time."""

    ledger: Ledger
    faces: list[Face]
    until: float


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
        self._hold = birth_hold
        self._encoder = Encoder()
        self._shown: dict[tuple[str, str], _Shown] = {}
        self._billing: dict[str, tuple[Spend | None, tuple[ModelUse, ...]]] = {}
        self._wake = asyncio.Event()
        self._next = 0.0
        self.snapshot = Snapshot()

    def notify(self) -> None:
        """Say that a poll has ended: its result is published within a second."""
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            started = self._clock.monotonic()
            await self.publish()
            await self._clock.sleep(max(0.0, started + _GAP - self._clock.monotonic()))
            await self._wait()

    async def publish(self) -> None:
        """Make one snapshot and put it in the place of the last."""
        self._wake.clear()
        started = self._clock.monotonic()
        reports = [organization.report() for organization in self._organizations]
        self.snapshot = await self._worker.run(lambda: self._make(self._clock.now(), reports))
        self._telemetry.publish_duration_seconds.set(self._clock.monotonic() - started)

    async def _wait(self) -> None:
        woken = asyncio.ensure_future(self._wake.wait())
        due = asyncio.ensure_future(self._clock.sleep(max(self._next - self._clock.now(), 0.0)))
        try:
            await asyncio.wait((woken, due), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            due.cancel()

    def _make(self, now: float, reports: Sequence[OrganizationReport]) -> Snapshot:
        self._commit(now)
        faces = [
            (organization.name, face)
            for organization in self._organizations
            for mirror in organization.mirrors
            for face in self._faces(organization.name, mirror, now)
        ]
        families = of_measures(faces)
        families += merge(
            family
            for organization in self._organizations
            for source in organization.sources
            for family in source.families(now)
        )
        self._next = min((shown.until for shown in self._shown.values()), default=day_of(now) + DAY)
        told = [self._tell(*pair, now) for pair in zip(self._organizations, reports, strict=True)]
        return Snapshot(self._encoder.encode(families), tuple(told), now)

    def _commit(self, now: float) -> None:
        entries = list(self._entries(now))
        if not entries:
            return
        if self._store:
            mirrored = {organization.name: organization.openai_id for organization in self._organizations}
            try:
                self._store.save([entry for _, entry in entries], mirrored)
            except StateUnwritableError as error:
                _log.error("the state cannot be written: counters stand still until it can", error=str(error))
                self._telemetry.state_writable.set(0)
                return
            self._telemetry.state_size_bytes.set(self._store.size)
        self._telemetry.state_writable.set(self._store is not None)
        for mirror, entry in entries:
            for release in entry.releases:
                release.adopt()
            mirror.unsaved = False
            self._shown.pop((entry.organization, mirror.name), None)

    def _entries(self, now: float) -> Iterator[tuple[Mirror, Entry]]:
        for organization in self._organizations:
            for mirror in organization.mirrors:
                releases = mirror.ledger.propose(now, self._hold)
                if mirror.unsaved or releases:
                    yield mirror, Entry(organization.name, mirror.ledger, mirror.refusal, releases)

    def _faces(self, organization: str, mirror: Mirror, now: float) -> list[Face]:
        key = organization, mirror.name
        shown = self._shown.get(key)
        if shown is None or shown.ledger is not mirror.ledger or now >= shown.until or mirror.unsaved:
            ledger = mirror.ledger
            until = min(ledger.next_change(now), ledger.next_release(now, self._hold) or float("inf"))
            shown = self._shown[key] = _Shown(ledger, ledger.faces(now), until)
            self._billing.pop(organization, None)
        return shown.faces

    def _tell(self, organization: Organization, report: OrganizationReport, now: float) -> OrganizationReport:
        billing = self._billing.get(organization.name)
        if billing is None:
            ledgers = [mirror.ledger for mirror in organization.mirrors]
            billing = self._billing[organization.name] = overview.spend(ledgers, now), overview.models(ledgers, now)
        return replace(report, spend=billing[0], models=billing[1])
