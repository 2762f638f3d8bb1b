"""A program that adds a row to the table before anything else reads it, and prints what comes of that."""

import sys

import exporter.catalog
from exporter.catalog import ApiFamily, Measure, Resource

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

_TABLE = (*exporter.catalog.CATALOG, ROW)


def _main() -> None:
    exporter.catalog.CATALOG = exporter.catalog.resources.CATALOG = _TABLE  # type: ignore[misc]

    from exporter.cli.reference import markdown  # noqa: PLC0415 -- the table comes first
    from exporter.simulator import keys  # noqa: PLC0415
    from tests.support.clock import ManualClock  # noqa: PLC0415
    from tests.support.exporter_harness import NOW, run, stage  # noqa: PLC0415
    from tests.support.scripted import add, scripted  # noqa: PLC0415

    async def scenario() -> str:
        clock = ManualClock(NOW)
        environ = {"OPENAI_ADMIN_KEY": keys.FULL, "OPENAI_EXPORTER_RESOURCES__DREAMS__INTERVAL": "30s"}
        async with stage(scripted(clock, _TABLE), clock, only=("dreams", "costs"), environ=environ) as on:
            add(on.simulator, ROW, 0, 13)
            await on.advance(300)
            return (await on.scrape()).text

    sys.stdout.write(run(scenario()) + markdown())


if __name__ == "__main__":
    _main()
