"""The estimate as a scrape gets it."""

from pathlib import Path

from exporter.catalog import HOUR, MINUTE
from tests.support.clock import ManualClock
from tests.support.exporter_harness import NOW, run, running_exporter, simulated

ESTIMATE = "openai_estimated_cost_usd"
ACCRUED = "openai_accrued_estimated_cost_usd_total"
EXCESS = "openai_exporter_accrued_excess"


def test_the_estimate_is_ahead_of_the_costs() -> None:
    """With costs ten hours late, the day's estimate is the cost of what was used, and costs stay as reported."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        async with running_exporter(simulated(clock, delays={"costs": 10 * HOUR}), clock) as on:
            exposed = await on.scrape()
            truth = on.simulator.tenants[0].usage_log.rows("costs", int(NOW // 86400) * 86400, int(NOW), NOW + 1e6)
            final = sum(amount for amount, _ in truth.values()) / 10**12

            assert 0.7 * final > exposed.sum("openai_cost_usd")
            assert 0.02 > abs(exposed.sum(ESTIMATE) / final - 1)
            assert 0.99 < exposed.sum("openai_estimated_cost_coverage_ratio")

    run(scenario())


def test_every_estimate_says_that_it_is_one() -> None:
    """HELP of every estimate begins with it."""

    async def scenario() -> None:
        async with running_exporter() as on:
            text = (await on.scrape()).text
            helps = dict(line.split(" ", 3)[2:4] for line in text.splitlines() if line.startswith("# HELP"))

            assert helps[ESTIMATE].startswith("ESTIMATE, not reported by OpenAI:")
            assert helps[ACCRUED].startswith("ESTIMATE, not reported by OpenAI:")
            assert helps["openai_effective_price_usd"].startswith("LEARNED, not reported by OpenAI:")
            assert "openai_cost_quantity" not in helps

    run(scenario())


def test_the_counter_goes_on_after_a_restart(tmp_path: Path) -> None:
    """A restarted exporter shows what it had accrued, and adds what was used while it was down."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock, delays={"costs": 10 * HOUR})
        async with running_exporter(simulator, clock, only=("costs", "completions"), state=tmp_path / "state.db") as on:
            await on.advance(15 * MINUTE)
            before = (await on.scrape()).sum(ACCRUED)
        async with running_exporter(simulator, clock, only=("costs", "completions"), state=tmp_path / "state.db") as on:
            shown = (await on.scrape()).sum(ACCRUED)
            await on.advance(15 * MINUTE)
            after = (await on.scrape()).sum(ACCRUED)

        assert 0 < before
        assert before == shown
        assert 1.5 * before < after

    run(scenario())
