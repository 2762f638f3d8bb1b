"""One organization as a whole: its own metrics and its readiness."""

import asyncio

import pytest

from exporter.catalog import CATALOG
from exporter.simulator import keys
from tests.support.clock import ManualClock
from tests.support.exporter_harness import NOW, run, running_exporter, simulated


def test_everything_of_the_table_is_polled_and_up() -> None:
    """Twelve resources, names and limits are polled."""

    async def scenario() -> None:
        async with running_exporter() as on:
            await on.advance(60)
            scraped = await on.scrape()
            up = scraped.by("resource", "openai_exporter_resource_up")

            assert {row.name for row in CATALOG} <= up.keys()
            assert {1.0} == set(up.values())
            assert 1.0 == scraped.value("openai_exporter_up", organization="default")

    run(scenario())


def test_ready_once_the_first_polls_are_decided() -> None:
    """Not before any poll has ended, and then for good."""

    async def scenario() -> None:
        async with running_exporter(wait_until_ready=False) as on:
            before = await on.status("/-/ready"), await on.status("/-/healthy")
            await on.advance(5)
            after = await on.status("/-/ready"), await on.status("/-/healthy")
            on.simulator.faults.add("server_error")
            await on.advance(200)

            assert (503, 200) == before
            assert (200, 200) == after == (await on.status("/-/ready"), await on.status("/-/healthy"))

    run(scenario())


@pytest.mark.parametrize("key", ["sk-admin-simulated-nobody", keys.MANAGEMENT_ONLY])
def test_ready_with_a_key_that_is_good_for_nothing(key: str) -> None:
    """Readiness is not tied to the upstream's health: `up` says that it is down, and errors why."""

    async def scenario() -> None:
        async with running_exporter(environ={"OPENAI_ADMIN_KEY": key}, only=("completions", "costs")) as on:
            scraped = await on.scrape()

            assert (200, 0.0) == (await on.status("/-/ready"), scraped.value("openai_exporter_up"))
            assert 0.0 < scraped.sum("openai_exporter_api_errors_total", reason="auth")
            assert not scraped.series("openai_cost_usd")

    run(scenario())


def test_names_and_limits_do_not_count_for_up() -> None:
    """A key that may not read the directory still has its figures: only those resources are down."""

    async def scenario() -> None:
        async with running_exporter(environ={"OPENAI_ADMIN_KEY": keys.USAGE_ONLY}) as on:
            await on.advance(60)
            scraped = await on.scrape()
            down = {
                name for name, value in scraped.by("resource", "openai_exporter_resource_up").items() if value == 0.0
            }

            assert 1.0 == scraped.value("openai_exporter_up")
            assert down
            assert not down & {row.name for row in CATALOG}

    run(scenario())


def test_every_counter_is_there_at_zero_from_the_start() -> None:
    """Before anything has happened each reason and each direction has its series, so that the first step is seen."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs"), wait_until_ready=False) as on:
            scraped = await on.scrape()
            errors = scraped.series("openai_exporter_api_errors_total", resource="costs")

            assert {0.0} == set(errors.values())
            assert {
                "auth",
                "forbidden",
                "gateway",
                "rate_limited",
                "server",
                "timeout",
                "network",
                "invalid_response",
                "not_found",
                "bad_request",
            } == {dict(labels)["reason"] for labels in errors}
            for name in ("api_requests_total", "revisions_total", "throttle_wait_seconds_total", "resource_up"):
                assert {"completions", "costs"} == {
                    dict(labels)["resource"] for labels in scraped.series(f"openai_exporter_{name}")
                }

    run(scenario())


def test_a_poll_is_on_metrics_within_a_second_of_its_last_page() -> None:
    """However many polls end at once, and although publishes are at least a second apart."""

    async def scenario() -> None:
        async with running_exporter() as on:
            await on.advance_to(NOW + 59.5)
            on.simulator.scenario.quiet()
            expected = {}
            for row in CATALOG:
                exact = row.measures[0].exact
                given = {"amount": 10**6} if exact else {row.measures[0].field: 10**9}
                on.simulator.scenario.add_usage(row.name, given, {"project_id": 0})
                expected[f"openai_{row.measures[0].name}"] = row.path, next(iter(given.values()))
            for _ in range(400):
                await on.advance(1)
                scraped = await on.scrape()
                for name, (path, least) in list(expected.items()):
                    asked = on.asked(path, since=NOW + 59.6)
                    if asked and asked[0] + 1.001 < on.clock.now():
                        assert least <= scraped.sum(name), name
                        del expected[name]
                if not expected:
                    break

            assert not expected

    run(scenario())


def test_the_rate_and_the_pause_are_current_at_each_scrape() -> None:
    """A lowered rate shows at once, and a pause with the time at which it ends."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs")) as on:
            before = await on.scrape()
            on.simulator.faults.add("rate_limited", count=1, retry_after=30)
            await on.advance_to(NOW + 60)
            refused = await on.scrape()
            report = on.organization.report()

            assert 60.0 == before.value("openai_exporter_throttle_requests_per_minute")
            assert 30.0 == refused.value("openai_exporter_throttle_requests_per_minute") == report.requests_per_minute
            assert NOW + 90 == refused.value("openai_exporter_throttle_paused_until_timestamp_seconds")
            assert NOW + 90 == report.paused_until

    run(scenario())


def test_requests_and_their_durations_are_counted() -> None:
    """Every attempt is a request, and a poll is a poll however many it took."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs")) as on:
            on.simulator.faults.add("server_error", path="completions", count=2)
            await on.advance_to(NOW + 70)
            scraped = await on.scrape()

            assert {"completions": 4.0, "costs": 1.0} == scraped.by("resource", "openai_exporter_api_requests_total")
            assert 5.0 == scraped.value("openai_exporter_api_request_duration_seconds_count", organization="default")
            assert 3.0 == scraped.value("openai_exporter_poll_duration_seconds_count", organization="default")
            assert len(on.simulator.requests) == scraped.sum("openai_exporter_api_requests_total")

    run(scenario())


def test_nothing_is_left_behind_when_it_stops() -> None:
    """No task, no thread and no connection outlives the service."""

    async def scenario() -> set[str]:
        clock = ManualClock(NOW)
        async with running_exporter(simulated(clock), clock) as on:
            await on.advance(30)
        return {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()} - {"Task-1"}

    left = run(scenario())

    assert set() == {name for name in left if "default" in name or name == "publisher"}
