"""One request rate for one organization: what the simulator's request log says of all endpoints together."""

from collections.abc import Sequence

from exporter.catalog import CATALOG
from exporter.simulator import Policy, keys
from tests.support.clock import ManualClock
from tests.support.exporter_harness import NOW, RunningExporter, run, running_exporter, simulated

BURST = 10
_ROUNDING = 1e-3


def hurried(requests_per_minute: int) -> dict[str, str]:
    """Return an environment in which far more is due than the rate allows."""
    return {
        "OPENAI_ADMIN_KEY": keys.FULL,
        "OPENAI_EXPORTER_API__REQUESTS_PER_MINUTE": str(requests_per_minute),
        "OPENAI_EXPORTER_POLL__INTERVAL": "10s",
        "OPENAI_EXPORTER_POLL__COST_INTERVAL": "10s",
        "OPENAI_EXPORTER_POLL__DIRECTORY_INTERVAL": "10s",
        "OPENAI_EXPORTER_LIMITS__PROJECTS": "true",
        "OPENAI_EXPORTER_LIMITS__RATE_LIMITS": "true",
        "OPENAI_EXPORTER_POLL__LIMITS_INTERVAL": "10s",
    }


def most_over(times: Sequence[float], per_minute: float) -> float:
    """Return by how many requests any span of time holds more than the rate allows in it."""
    return max(
        later - earlier + 1 - (times[later] - times[earlier]) * per_minute / 60
        for earlier in range(len(times))
        for later in range(earlier, len(times))
    )


def names(on: RunningExporter, since: float) -> list[str]:
    """Return which endpoints were asked since a time, in order."""
    return [
        request.path.removeprefix("/v1/organization/") for request in on.simulator.requests if request.time >= since
    ]


def test_all_endpoints_together_stay_inside_the_rate() -> None:
    """In any span there are no more requests than the rate allows and the burst, with everything due all the time."""

    async def scenario() -> None:
        async with running_exporter(environ=hurried(30), wait_until_ready=False) as on:
            await on.advance(300)
            times = on.asked()

            assert 150 <= len(times)
            assert most_over(times, 30) <= BURST + _ROUNDING
            assert {row.path for row in CATALOG} <= set(names(on, NOW))

    run(scenario())


def test_a_server_with_the_same_limit_never_refuses() -> None:
    """A minute's 60 requests with a burst of 10, as counted on the other side."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock, policy=Policy(requests_per_minute=60, burst=BURST))
        async with running_exporter(simulator, clock, environ=hurried(60), wait_until_ready=False) as on:
            await on.advance(180)

            assert {200} == {request.status for request in simulator.requests if "spend" not in request.path}
            assert 180 <= len(simulator.requests)

    run(scenario())


def test_names_and_limits_take_a_tenth_at_most() -> None:
    """Usage and costs have the rest, however many names are to be looked up."""

    async def scenario() -> None:
        environ = hurried(60) | {"OPENAI_EXPORTER_POLL__INTERVAL": "30s"}
        async with running_exporter(environ=environ, wait_until_ready=False) as on:
            await on.advance(300)
            bucket_paths = {row.path for row in CATALOG}
            metadata_requests = [name for name in names(on, NOW) if name not in bucket_paths]

            assert 25 <= len(metadata_requests) <= 0.1 * 300 + 1

    run(scenario())


def test_costs_go_first_when_requests_wait() -> None:
    """After a pause the first to be asked is the most important, not the one that was refused."""

    async def scenario() -> None:
        async with running_exporter(environ=hurried(30)) as on:
            on.simulator.faults.add("rate_limited", count=1, retry_after=60, path="completions")
            await on.advance(60)
            refused = next(request.time for request in on.simulator.requests if request.status == 429)
            await on.advance_to(refused + 90)

            assert "costs" == names(on, refused + 0.01)[0]

    run(scenario())


def test_one_refusal_silences_all_endpoints_until_one_probe_is_answered() -> None:
    """Twelve endpoints are due; none asks, then one does, and the others only after its answer."""

    async def scenario() -> None:
        async with running_exporter(environ=hurried(600)) as on:
            fault = on.simulator.faults.add("rate_limited", retry_after=20)
            await on.advance(15)
            refusals = [request.time for request in on.simulator.requests if request.status == 429]
            await on.advance_to(refusals[0] + 19.9)
            silent = names(on, refusals[-1] + 0.001)
            await on.advance_to(refusals[0] + 39.9)
            probes = names(on, refusals[-1] + 0.001)
            on.simulator.faults.active.remove(fault)
            await on.advance_to(refusals[0] + 60)

            assert refusals[0] == refusals[-1]
            assert ([], 1) == (silent, len(probes))
            assert len(CATALOG) < len(names(on, refusals[0] + 40 - 0.001))

    run(scenario())


def test_the_limit_of_the_server_is_respected() -> None:
    """`x-ratelimit-limit-requests` lowers the rate of all endpoints, and shows."""

    async def scenario() -> None:
        async with running_exporter(environ=hurried(60)) as on:
            on.simulator.faults.add("headers", headers={"x-ratelimit-limit-requests": "12"})
            await on.advance(60)
            warned_at = on.clock.now()
            await on.advance(150)
            scraped = await on.scrape()

            assert 12.0 == scraped.value("openai_exporter_throttle_requests_per_minute")
            assert most_over(on.asked(since=warned_at), 12) <= 1 + _ROUNDING
            assert 29 <= len(on.asked(since=warned_at)) <= 31

    run(scenario())


def test_a_limit_that_the_server_does_not_repeat_expires() -> None:
    """One response with a limit of one request per minute slows the exporter for a minute or two, not forever."""

    async def scenario() -> None:
        async with running_exporter() as on:
            on.simulator.faults.add("headers", count=1, headers={"x-ratelimit-limit-requests": "1"})
            await on.advance_to(NOW + 300)
            began = on.clock.now()
            await on.advance(300)
            scraped = await on.scrape()

            assert 60.0 == scraped.value("openai_exporter_throttle_requests_per_minute")
            assert 4 <= len(on.asked("usage/completions", since=began)) <= 6

    run(scenario())


def test_a_refusal_halves_the_rate_and_successes_win_it_back() -> None:
    """After 429 slower, and slowly as fast as before."""

    async def scenario() -> None:
        async with running_exporter(environ=hurried(60)) as on:
            on.simulator.faults.add("rate_limited", count=1, retry_after=1)
            while not any(request.status == 429 for request in on.simulator.requests):
                await on.advance(0.5)
            halved = (await on.scrape()).value("openai_exporter_throttle_requests_per_minute")
            await on.advance(60)
            healed = (await on.scrape()).value("openai_exporter_throttle_requests_per_minute")

            assert halved is not None
            assert 30 <= halved <= 31
            assert 60.0 == healed

    run(scenario())
