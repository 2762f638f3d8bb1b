"""Builds the exporter from the settings: organizations, publisher and server, which run until a signal."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from exporter import __version__
from exporter.catalog import METADATA, ApiFamily, PollInterval
from exporter.cli.process import keep_objects, on_hangup, return_freed_memory, stop_signal
from exporter.cli.reload import Reloader
from exporter.clock import Clock, SystemClock
from exporter.collector import ClientMetrics, MetadataPlan, NoStore, Organization
from exporter.estimate import Estimator, Funds, TopUp, with_inputs
from exporter.exposition import Body, Format, SelfMetrics
from exporter.ledger import Ledger
from exporter.openai import Client, FallbackSource, Observer, Runner, Throttle, inline
from exporter.publisher import Publisher
from exporter.settings import OrganizationSettings, Poll, Settings
from exporter.store import StateUnwritableError, Store
from exporter.telemetry import Telemetry
from exporter.web import Address, App, Security, Server, passed_by_systemd
from exporter.worker import Worker

_SWITCH_INTERVAL: Final = 0.0005
"""Seconds after which the worker thread yields to the event loop: with Python's 5 ms, scrapes wait noticeably."""

_STAGGER: Final = 0.25
"""Seconds between the first polls of two organizations, at most: all at once they would delay scrapes."""

_STAGGER_TOTAL: Final = 120.0
"""Seconds within which the first polls of all organizations begin."""

_START_INTERVAL: Final = 2.0
"""Seconds between exclusions of new objects from garbage collection, until all organizations have been polled."""

_MEMORY_INTERVAL: Final = 6 * 3600.0
"""Seconds between two returns of freed memory to the system."""

_WILDCARDS: Final = frozenset({"::", "0.0.0.0"})  # noqa: S104 - nothing is bound here

_log = structlog.get_logger("exporter")


class Service:
    """One running exporter."""

    def __init__(self, settings: Settings, store: Store | None, clock: Clock | None = None) -> None:
        """Build everything; nothing is requested or served before `serving`. Without a store, counters start at 0."""
        self._clock = clock or SystemClock()
        self._worker = Worker()
        self._store = store
        self._settings = settings
        self.telemetry = Telemetry()
        self._self_metrics = SelfMetrics(self.telemetry)
        self.reloader = Reloader(settings, self.telemetry, self._clock.now)
        self.organizations = [self._organization(each) for each in settings.organizations]
        estimators = [
            self._estimator(organization, each)
            for organization, each in zip(self.organizations, settings.organizations, strict=True)
            if any(plan.resource.branch is ApiFamily.COSTS for plan in each.plans)
        ]
        self.publisher = Publisher(
            self.organizations,
            store=store,
            worker=self._worker,
            clock=self._clock,
            telemetry=self.telemetry,
            new_counter_hold=settings.new_counter_hold,
            created_series=settings.web.created_series,
            estimators=estimators,
        )
        self._app = App(
            snapshot=lambda: self.publisher.snapshot,
            labelled=self._labelled_metrics,
            want=self.publisher.want,
            tail=self._self_metrics.rest,
            version=__version__,
            now=self._clock.now,
            telemetry_path=settings.web.telemetry_path,
            reload=self.reloader.reload if settings.web.enable_lifecycle else None,
        )

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Server]:
        """Poll, publish and serve while the context lasts. Raises ListenError and WebConfigError."""
        web = self._settings.web
        security = Security(web.config.file, monotonic=self._clock.monotonic, on_load=self.reloader.report_web_config)
        self.reloader.security = security
        addresses = [] if web.systemd_socket else [(each.host, each.port) for each in web.listen_address]
        sockets = passed_by_systemd() if web.systemd_socket else []
        await self.publisher.publish()
        await self._worker.run(return_freed_memory)
        try:
            async with (
                Server(self._app, addresses, security, sockets=sockets) as server,
                asyncio.TaskGroup() as group,
            ):
                _warn_if_open(server.addresses, security)
                tasks = [
                    group.create_task(self.publisher.run(), name="publisher"),
                    group.create_task(self._return_freed_memory(), name="memory"),
                ]
                stagger = min(_STAGGER, _STAGGER_TOTAL / len(self.organizations))
                tasks += [
                    group.create_task(self._poll(organization, index * stagger), name=organization.name)
                    for index, organization in enumerate(self.organizations)
                ]
                yield server
                for task in tasks:
                    task.cancel()
        finally:
            for organization in self.organizations:
                await organization.close()
            self._worker.stop()

    async def _poll(self, organization: Organization, delay: float) -> None:
        await self._clock.sleep(delay)
        await organization.run(self.publisher.notify)

    async def _return_freed_memory(self) -> None:
        """Do it after the first polls, which allocate most of the memory ever used, and after those of each day.

        Until then, new objects are excluded from garbage collection every few seconds.
        """
        while not self.publisher.snapshot.ready:
            keep_objects()
            await self._clock.sleep(_START_INTERVAL)
        while True:
            await self._worker.run(return_freed_memory)
            await self._clock.sleep(_MEMORY_INTERVAL)

    def _estimator(self, organization: Organization, settings: OrganizationSettings) -> Estimator:
        budgets, whole = settings.budgets, not settings.costs_narrowed
        top_ups = tuple(TopUp(each.balance_usd, each.as_of) for each in settings.prepaid if whole)
        funds = Funds(top_ups, budgets.monthly_usd if whole else None, budgets.projects)
        store = self._store or NoStore()
        estimator = Estimator(organization.name, partial(_ledgers_of, organization), store.load, funds)
        organization.show(estimator)
        return estimator

    def _labelled_metrics(self, format_: Format) -> Body:
        for organization in self.organizations:
            organization.refresh()
        return self._self_metrics.labelled(format_)

    def _organization(self, settings: OrganizationSettings) -> Organization:
        client_metrics = ClientMetrics(settings.name, self.telemetry)
        throttle = Throttle(self._clock, settings.requests_per_minute)
        client = connect(
            settings,
            self._settings,
            self._clock,
            client_metrics,
            throttle=throttle,
            run=self._worker.run,
            read_key=self.reloader.key_reader(settings.key) if settings.key else None,
        )
        return Organization(
            settings.name,
            [with_inputs(plan) for plan in settings.plans],
            client=client,
            source=None if settings.project_scoped else self._with_fallback(settings, client, client_metrics),
            throttle=throttle,
            watch=client_metrics,
            clock=self._clock,
            telemetry=self.telemetry,
            run=self._worker.run,
            store=self._store or NoStore(),
            openai_id=self._store.organization(settings.name) if self._store else "",
            metadata_plan=metadata_plan(settings, self._settings.poll),
            names=self._store.names(settings.name) if self._store else (),
            same_organization=self._settings.same_organization,
            reconciliation_interval=self._settings.poll.reconciliation_interval,
        )

    def _with_fallback(
        self, settings: OrganizationSettings, client: Client, client_metrics: ClientMetrics
    ) -> FallbackSource:
        """Return the source of an organization that is not filtered by project, which the fallback cannot do."""
        return FallbackSource(
            client,
            client_metrics,
            self._clock,
            on_change=client_metrics.fallback_changed,
            organization=settings.name,
            organization_id=settings.organization_id or "",
            run=self._worker.run,
        )


def _ledgers_of(organization: Organization) -> list[Ledger]:
    return [bucket_job.ledger for bucket_job in organization.bucket_jobs]


def metadata_plan(settings: OrganizationSettings, poll: Poll) -> MetadataPlan:
    """Return which names and limits of an organization are read."""
    legacy = settings.admin_key is None and not settings.project_scoped
    return MetadataPlan(
        resources=settings.metadata | {row.name for row in METADATA if row.legacy and legacy},
        personal_data=settings.personal_data,
        budget=None if settings.costs_narrowed else settings.budgets.monthly_usd,
        project_budgets=settings.budgets.projects,
        project_ids=settings.project_ids,
        requests_per_minute=settings.requests_per_minute,
        intervals={interval: getattr(poll, interval.value) for interval in PollInterval},
        stale_after=poll.stale_after,
    )


def connect(
    organization: OrganizationSettings,
    settings: Settings,
    clock: Clock,
    observer: Observer,
    *,
    throttle: Throttle | None = None,
    run: Runner = inline,
    read_key: Callable[[], str] | None = None,
    repeat_not_found: bool = False,
) -> Client:
    """Return the client of one organization, by default with a throttle for it alone and with its own key.

    Raises ValueError where there is no key.
    """
    if organization.key is None:
        raise ValueError(f"organization {organization.name} has no key")
    api, proxy = settings.api, settings.proxy
    return Client(
        organization.base_url,
        read_key or organization.key.read,
        throttle=throttle or Throttle(clock, organization.requests_per_minute),
        clock=clock,
        organization_id=organization.organization_id or "",
        timeout=api.timeout,
        max_body=api.max_body,
        proxy=proxy.url_with_credentials if proxy else None,
        ca_file=str(api.ca_file) if api.ca_file else None,
        observer=observer,
        run=run,
        repeat_not_found=repeat_not_found,
    )


def open_store(path: Path, *, required: bool = False) -> Store:
    """Open the state file, and log what is wrong when it cannot be written.

    Raises StateInUseError, and StateUnwritableError if it is required but can be neither written nor read.
    """
    store = Store(path)
    if store.problem and store.volatile:
        if required:
            store.close()
            raise StateUnwritableError(store.problem)
        _log.error(
            "state_unavailable",
            error=store.problem,
            detail="counters start at 0 with this process until the state can be written",
            advice="set state.path",
        )
    elif store.problem:
        _log.error(
            "state_not_writable",
            error=store.problem,
            detail="counters stand still at their committed values until it can be written",
        )
    return store


async def serve_until_signalled(
    settings: Settings, store: Store | None, on_listening: Callable[[str], None] | None = None
) -> None:
    """Run the exporter until SIGTERM or SIGINT, and reload at SIGHUP; `on_listening` gets its URL once it listens."""
    sys.setswitchinterval(_SWITCH_INTERVAL)
    stop = stop_signal()
    service = Service(settings, store)
    async with service.serving() as server:
        on_hangup(service.reloader.reload)
        urls = [_url(server.scheme, address) for address in server.addresses]
        _log.info("serving", url=urls[0], urls=urls, version=__version__)
        if on_listening:
            on_listening(urls[0])
        await stop.wait()
        _log.info("stopping")


def _url(scheme: str, address: Address) -> str:
    """Return an address that a browser on this machine can open."""
    host = "localhost" if address.host in _WILDCARDS else address.host
    return f"{scheme}://{Address(host, address.port)}"


def _warn_if_open(addresses: Sequence[Address], security: Security) -> None:
    if security.protected:
        return
    if reachable := [str(address) for address in addresses if address.port and not address.loopback]:
        _log.warning(
            "served_without_password",
            addresses=reachable,
            detail="everybody who can reach these addresses can read what the organization spends",
            advice="set basic_auth_users in web.config.file, or listen on 127.0.0.1 only (web.listen_address)",
        )
