"""What 404 does to a history: one that passes nothing, several in a row leave out what a host may lack."""

import pytest

from exporter.backfill import DryRun, Job, Source, backfill, span_of
from exporter.exposition import Family
from exporter.openai import Client, NotFound, Throttle
from exporter.simulator import Shape, keys
from tests.support.clock import run
from tests.support.scripted_api import plan
from tests.support.simulation import DAY, NOW, TODAY, Simulation, simulation


def written(sim: Simulation, *resources: str, counted: frozenset[str] = frozenset()) -> tuple[int, list[str]]:
    """Return the number of samples of a history of three days, and what is said; `counted` is in the state."""
    sink, said = DryRun(), list[str]()

    async def write() -> None:
        throttle = Throttle(sim.clock, 60_000)
        client = Client(
            sim.url,
            lambda: keys.FULL,
            throttle=throttle,
            clock=sim.clock,
            repeat_not_found=True,
            chance=lambda: 0.0,
        )
        source = Source("acme", tuple(plan(name) for name in resources), client)
        job = Job(span_of(NOW - 3 * DAY, TODAY, 1800, 1), TODAY, {}, {"acme": counted}, {})
        try:
            await sim.clock.run(backfill([source], job, sink, sim.clock, said.append, no_names))
        finally:
            await client.aclose()

    run(write())
    return sink.samples, said


async def no_names(_histories: object) -> list[Family]:
    """Return that there are none."""
    return []


@pytest.mark.parametrize("resource", ["costs", "embeddings"])
@pytest.mark.parametrize("skip", [0, 1])
def test_one_404_passes(resource: str, skip: int) -> None:
    """The history is the same as without it, whether the first or a later request is answered so."""
    with simulation(shape=Shape(projects=1, activity=0.1)) as sim:
        undisturbed, _ = written(sim, resource)
        sim.simulator.faults.add("status", path=resource, status=404, count=1, skip=skip)
        samples, said = written(sim, resource)

    assert 0 < undisturbed == samples
    assert [] == [line for line in said if "left out" in line]


def test_an_endpoint_that_the_host_lacks() -> None:
    """After four answers over seven seconds (five with jitter) it is left out, and the others are there."""
    with simulation(shape=Shape(projects=1, activity=0.1)) as sim:
        alone, _ = written(sim, "costs")
        sim.simulator.faults.add("unsupported", path="embeddings")
        sim.simulator.requests.clear()
        began = sim.clock.now()
        samples, said = written(sim, "costs", "embeddings")

        assert 4 == len([request for request in sim.simulator.requests if "embeddings" in request.path])
        assert 7 <= sim.clock.now() - began < 60
    assert alone == samples
    assert said[0].startswith("acme: embeddings: left out, this host does not have it")


@pytest.mark.parametrize(("resource", "counted"), [("costs", ()), ("embeddings", ("embeddings",))])
def test_what_must_be_there(resource: str, counted: tuple[str, ...]) -> None:
    """Costs, and what the exporter has counted, are never left out: the command ends and can be repeated."""
    with simulation(shape=Shape(projects=1, activity=0.1)) as sim:
        sim.simulator.faults.add("unsupported", path=resource)
        with pytest.raises(NotFound):
            written(sim, resource, counted=frozenset(counted))
