"""An organization that did the same little with everything the table has, so that what is exported can be foretold."""

from collections.abc import Iterable
from typing import Final

from exporter.catalog import CATALOG, DAY, ApiFamily, Resource, day_of
from exporter.clock import Clock
from exporter.simulator import Shape, Simulator

_VALUES: Final[dict[str, tuple[str | bool, str | bool]]] = {
    "model": ("gpt-6", "gpt-6-mini"),
    "batch": (False, True),
    "line_item": ("gpt-6, input", "gpt-6-mini, output"),
    "size": ("1024x1024", "1024x1536"),
    "source": ("image.generation", "image.edit"),
    "context_level": ("low", "high"),
}


def scripted(clock: Clock, rows: Iterable[Resource] = CATALOG) -> Simulator:
    """Return a simulator of two projects, each of which used everything yesterday, and today 10 and 100 times."""
    simulator = Simulator(7, clock, shape=Shape(projects=2, activity=0))
    now = clock.now()
    for order, row in enumerate(rows):
        for project in range(2):
            for time, times in ((day_of(now) - DAY // 2, 1), (now - 1, 10), (now - 3600, 90)):
                add(simulator, row, project, times * (order + 1), time)
    return simulator


def add(simulator: Simulator, row: Resource, project: int, times: int, time: float | None = None) -> None:
    """Use something of a resource so many times: with the first values of its dimensions, or with the second."""
    dimensions: dict[str, str | bool | int | None] = {
        name: _VALUES[name][project] for name in row.group_by if name in _VALUES
    }
    values: dict[str, int | str] = (
        {"amount": f"{times}.25"}
        if row.branch is ApiFamily.COSTS
        else {measure.field: times * index for index, measure in enumerate(row.select(), 1)}
    )
    simulator.scenario.add_usage(row.name, values, dimensions | {"project_id": project}, time=time)
