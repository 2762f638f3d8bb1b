"""A program that adds a row to each table before anything else reads it, and prints what comes of that."""

import sys

import exporter.catalog
from exporter.catalog import (
    ApiFamily,
    EntryLabel,
    Measure,
    MetadataFamily,
    MetadataKind,
    MetadataResource,
    MetadataSetting,
    PollInterval,
    Resource,
    Scope,
    ValueKind,
)

ROW = Resource(
    name="dreams",
    path="usage/dreams",
    object="organization.usage.dreams.result",
    dimensions=("project_id", "context_level"),
    group_by=("project_id", "context_level"),
    filters=("project_ids",),
    measures=(
        Measure("dreams_seconds", "seconds", "Seconds dreamt", required=True),
        Measure("dreams_requests", "num_model_requests", "Requests to dream", required=True, requests=True),
    ),
    branch=ApiFamily.USAGE,
    widths={"1d": 31, "1h": 168, "1m": 1440},
)

METADATA_ROW = MetadataResource(
    name="naps",
    path="organization/projects/{project_id}/naps",
    scope=Scope.PROJECT,
    kind=MetadataKind.NAMES,
    setting=MetadataSetting(MetadataKind.NAMES, "naps", "Naps of projects"),
    interval=PollInterval.DIRECTORY,
    id_label="nap_id",
    families=(
        MetadataFamily("openai_nap_info", "1 for every nap", labels=(EntryLabel("nap_name", "name", is_name=True),)),
        MetadataFamily(
            "openai_nap_ends_timestamp_seconds", "Unix time at which the nap ends", ValueKind.NUMBER, "times.ends_at"
        ),
    ),
)

_TABLE = (*exporter.catalog.CATALOG, ROW)
_METADATA = (*exporter.catalog.METADATA, METADATA_ROW)


def _main() -> None:
    exporter.catalog.CATALOG = exporter.catalog.resources.CATALOG = _TABLE  # type: ignore[misc]

    exporter.catalog.METADATA = exporter.catalog.metadata.METADATA = _METADATA  # type: ignore[misc]

    from exporter.check import lookups  # noqa: PLC0415 -- the tables come first
    from exporter.cli.metrics import markdown  # noqa: PLC0415 -- the table comes first
    from exporter.settings import markdown as settings  # noqa: PLC0415
    from exporter.simulator import keys  # noqa: PLC0415
    from tests.support.clock import ManualClock  # noqa: PLC0415
    from tests.support.exporter_harness import NOW, run, running_exporter  # noqa: PLC0415
    from tests.support.scripted import add, scripted  # noqa: PLC0415

    async def scenario() -> str:
        clock = ManualClock(NOW)
        environ = {
            "OPENAI_ADMIN_KEY": keys.FULL,
            "OPENAI_EXPORTER_RESOURCES__DREAMS__INTERVAL": "30s",
            "OPENAI_EXPORTER_NAMES__NAPS": "true",
        }
        async with running_exporter(scripted(clock, _TABLE), clock, only=("dreams", "costs"), environ=environ) as on:
            add(on.simulator, ROW, 0, 13)
            await on.advance(300)
            return (await on.scrape()).text

    looked_up = " ".join(row.path for row in lookups({"naps"}))
    sys.stdout.write(run(scenario()) + markdown() + settings() + looked_up)


if __name__ == "__main__":
    _main()
