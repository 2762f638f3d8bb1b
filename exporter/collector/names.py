"""Reads the names of what given label sets show, once and without a schedule."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from exporter.catalog import MetadataKind
from exporter.clock import Clock
from exporter.collector.label_index import LabelIndex, LedgerOwner
from exporter.collector.metadata import Metadata, MetadataPlan
from exporter.collector.metadata_families import MetadataContext
from exporter.collector.name_cache import NameCache
from exporter.exposition import Family
from exporter.openai import Client, MetadataClient, MissingScopes, NotFound, SilentObserver, UpstreamError, inline

_INFO: Final = "_info"

_ALL_AT_ONCE: Final = 1e9
"""Requests a minute: all projects are asked about in one poll; the client's throttle limits the rate."""


async def read_names(  # noqa: PLR0917 - whose names, which of them, from where, and who is told
    organization: str,
    plan: MetadataPlan,
    shown: Sequence[LedgerOwner],
    client: Client,
    clock: Clock,
    left_out: Callable[[str, UpstreamError], None],
) -> list[Family]:
    """Return the info families of the ids in the ledgers' label sets.

    The client is one with `repeat_not_found`. `left_out` is called with each resource that the key may not read, or the
    host does not have. Raises UpstreamError for every other failure, which may pass or be repaired.
    """
    index = LabelIndex(shown)
    context = MetadataContext(organization, NameCache(organization), index, plan.personal_data)
    names = frozenset(row.name for row in plan.rows if row.kind is MetadataKind.NAMES)
    unhurried = replace(plan, resources=names, requests_per_minute=_ALL_AT_ONCE)
    metadata = Metadata(
        unhurried, context, MetadataClient(client, SilentObserver()), clock, inline, polled_once=lambda: True
    )
    for job in metadata.jobs:
        try:
            await job.poll(clock.monotonic())
        except (MissingScopes, NotFound) as error:
            left_out(job.name, error)
    families = [family for source in metadata.sources for family in source.families(clock.now())]
    return [family for family in families if family.name.endswith(_INFO)]
