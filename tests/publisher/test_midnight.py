"""The moments at which time alone changes what is shown."""

from exporter.catalog import DAY
from tests.support.clock import ManualClock
from tests.support.exporter_harness import TODAY, run, running_exporter, simulated


def test_the_day_rolls_over_on_time_even_right_after_a_publish() -> None:
    """What was published half a second before midnight does not outlive it."""

    async def scenario() -> None:
        midnight = float(TODAY + DAY)
        clock = ManualClock(midnight - 20)
        async with running_exporter(simulated(clock), clock, only=("completions",)) as on:
            await on.advance_to(midnight - 0.5)
            before = await on.scrape()
            on.service.publisher.notify()
            await on.advance(0.5)
            after = await on.scrape()

            assert 0.0 < before.sum("openai_completions_requests")
            assert {0.0} == set(after.series("openai_completions_requests").values())

    run(scenario())


def test_results_of_polls_are_published_once_a_second_at_most() -> None:
    """However often polls end, a scrape's text is made at most once a second."""

    async def scenario() -> None:
        async with running_exporter(only=("completions",)) as on:
            await on.advance(5)
            on.service.publisher.notify()
            await on.advance(0.1)
            first = on.service.publisher.snapshot
            for _ in range(8):
                on.service.publisher.notify()
                await on.advance(0.1)

            assert first is on.service.publisher.snapshot
            await on.advance(0.3)
            assert first is not on.service.publisher.snapshot

    run(scenario())
