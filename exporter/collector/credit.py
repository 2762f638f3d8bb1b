"""Prepaid credit, as far as the legacy billing endpoints tell it."""

from collections.abc import Iterable

from exporter.collector.metadata_jobs import MetadataContext
from exporter.collector.metrics import CREDIT_AVAILABLE, CREDIT_GRANTED, CREDIT_USED
from exporter.collector.poller import Status
from exporter.collector.schedule import Outcome
from exporter.exposition import Family
from exporter.openai import CreditGrants, Priority, credit_grants
from exporter.openai.fallback import CREDIT_GRANTS


class Credit:
    """Keeps the families of the credit grants."""

    name = CREDIT_GRANTS
    priority = Priority.LIMITS
    counts = False

    def __init__(self, context: MetadataContext, *, interval: float, stale_after: float) -> None:
        """Take seconds between polls, and seconds without a success after which the credit vanishes."""
        self.interval = interval
        self.status = Status()
        self._context, self._stale_after = context, stale_after
        self._known: tuple[float, CreditGrants] | None = None

    async def poll(self, due: float) -> Outcome:
        """Ask for the sums."""
        grants = await credit_grants(self._context.client, self._context.observer, due)
        now = self._context.clock.now()
        if self._known is None or self._known[1] != grants:
            self.status.last_change = now
        self._known = now, grants
        return Outcome.DATA

    def families(self, now: float) -> Iterable[Family]:
        """Return what is not stale."""
        known = self._known
        fresh = known is not None and now < known[0] + self._stale_after
        for described, attribute in (
            (CREDIT_GRANTED, "total_granted"),
            (CREDIT_USED, "total_used"),
            (CREDIT_AVAILABLE, "total_available"),
        ):
            labels = (self._context.organization,)
            yield described.family([(labels, getattr(known[1], attribute))] if known and fresh else [])
