"""The cadence of polls, as the simulator's request log has it."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.simulator import Shape, keys
from tests.support.clock import ManualClock
from tests.support.exporter_harness import NOW, RunningExporter, run, running_exporter, simulated

COMPLETIONS = "usage/completions"


def gaps(times: Sequence[float]) -> list[float]:
    """Return the seconds between requests."""
    return [round(after - before, 3) for before, after in pairwise(times)]


def test_all_is_well_every_interval() -> None:
    """Usage each minute and costs every five, from start to start."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs")) as on:
            await on.advance(600)

            assert [60.0] * 10 == gaps(on.asked(COMPLETIONS))
            assert [300.0] * 2 == gaps(on.asked("costs"))

    run(scenario())


def test_a_slow_turn_does_not_move_the_next() -> None:
    """A poll that had to wait 17 seconds ends late; the one after it begins on time."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs")) as on:
            on.simulator.faults.add("rate_limited", path="completions", count=1, retry_after=17)
            await on.advance(240)

            assert [0, 60, 77, 120, 180, 240] == [round(time - NOW) for time in on.asked(COMPLETIONS)]

    run(scenario())


def test_an_endpoint_without_any_row_is_asked_less_often_until_one_appears() -> None:
    """Five intervals while the whole look-back is empty; full pace with the first row."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        async with running_exporter(
            simulated(clock, shape=Shape(projects=2, activity=0)), clock, only=("embeddings",)
        ) as on:
            await on.advance(650)
            quiet = gaps(on.asked("usage/embeddings"))
            pace = (await on.scrape()).value("openai_exporter_poll_interval_seconds", resource="embeddings")
            on.simulator.scenario.add_usage("embeddings", {"input_tokens": 5, "num_model_requests": 1})
            await on.advance(450)

            assert ([300.0, 300.0], 300.0) == (quiet, pace)
            assert [300.0, 300.0, 300.0, 60.0, 60.0, 60.0] == gaps(on.asked("usage/embeddings"))
            scraped = await on.scrape()
            assert 60.0 == scraped.value("openai_exporter_poll_interval_seconds", resource="embeddings")

    run(scenario())


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "status", "status": 401, "code": "invalid_api_key"}, "auth"),
        ({"kind": "status", "status": 403, "message": "Country not supported"}, "forbidden"),
        ({"kind": "status", "status": 403, "message": "Missing scopes: api.usage.read"}, "auth"),
        ({"kind": "billing"}, "rate_limited"),
    ],
)
def test_a_refused_key_or_account_is_polled_rarely_from_the_third_refusal_on(
    fault: dict[str, Any], reason: str
) -> None:
    """Two polls follow like after any failure, then ten intervals pass; full pace resumes with the first success."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs")) as on:
            on.simulator.faults.add(path="completions", **fault)
            await on.advance(60 + 4 + 600)
            scraped = await on.scrape()
            refused = gaps(on.asked(COMPLETIONS))
            on.simulator.faults.clear()
            await on.advance(600 + 60)

            labels = {"organization": "default", "resource": "completions"}
            assert 4 == len(refused)
            assert (60.0, 600.0) == (refused[0], refused[3])
            assert 0.75 <= refused[1] <= 1
            assert 1.5 <= refused[2] <= 2
            assert 4.0 == scraped.value("openai_exporter_api_errors_total", reason=reason, **labels)
            assert 4.0 == scraped.sum("openai_exporter_api_errors_total")
            assert (0.0, 0.0) == (
                scraped.value("openai_exporter_resource_up", **labels),
                scraped.value("openai_exporter_up"),
            )
            assert 600.0 == scraped.value("openai_exporter_poll_interval_seconds", **labels)
            assert [600.0, 60.0] == gaps(on.asked(COMPLETIONS))[4:]
            assert 1.0 == (await on.scrape()).value("openai_exporter_up")

    run(scenario())


def test_a_failure_that_may_pass_is_retried_in_the_client_and_then_with_growing_pauses() -> None:
    """Four requests a poll, 1 2 4 seconds apart; polls 1, 2, 4 ... seconds apart, with up to a quarter less."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs")) as on:
            on.simulator.faults.add("server_error", path="completions")
            await on.advance(60 + 4 * 7 + 1 + 2 + 4 + 1)
            inside, between = (1, 2, 4), (1, 2, 4)
            expected = [60, *inside]
            for pause in between:
                expected += [pause, *inside]
            measured = gaps(on.asked(COMPLETIONS))
            scraped = await on.scrape()
            on.simulator.faults.clear()
            await on.advance(61)
            healed = await on.scrape()

            assert all(0.75 * most - 0.01 <= gap <= most for gap, most in zip(measured, expected, strict=False))
            assert 12 <= len(measured)
            assert len(measured) - 0.0 == scraped.value(
                "openai_exporter_api_errors_total", resource="completions", reason="server"
            )
            assert (0.0, 1.0) == (scraped.value("openai_exporter_up"), healed.value("openai_exporter_up"))

    run(scenario())


def test_pauses_after_failures_grow_to_a_minute() -> None:
    """After many failures polls begin no more than a minute apart, and no less than three quarters of one."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs")) as on:
            on.simulator.faults.add("not_json", path="completions")
            await on.advance(1200)
            late = gaps(on.asked(COMPLETIONS))[-4:]

            assert all(45 <= gap <= 60 for gap in late), late

    run(scenario())


def test_an_endpoint_that_never_answers_is_unsupported_after_three_polls() -> None:
    """404 three times: degraded and no part of `up`, polled hourly, and at full pace once it answers."""

    async def scenario() -> None:
        environ = {"OPENAI_ADMIN_KEY": keys.FULL, "OPENAI_EXPORTER_POLL__COST_INTERVAL": "6h"}
        async with running_exporter(only=("decisions", "costs"), environ=environ, wait_until_ready=False) as on:
            on.simulator.faults.add("unsupported", path="decisions")
            await on.advance(1.2)
            doubtful = await on.scrape()
            await on.advance(3)
            scraped = await on.scrape()
            labels = {"organization": "default", "resource": "decisions"}

            assert (0.0, {}) == (
                doubtful.value("openai_exporter_up"),
                doubtful.by("reason", "openai_exporter_resource_degraded", **labels),
            )
            assert 1.0 == scraped.value("openai_exporter_resource_degraded", reason="unsupported", **labels)
            assert 0.0 == scraped.value("openai_exporter_resource_up", **labels)
            assert 1.0 == scraped.value("openai_exporter_up")
            assert 3.0 == scraped.value("openai_exporter_api_errors_total", reason="not_found", **labels)

            await on.advance(7200)
            on.simulator.faults.clear()
            await on.advance(3600 + 60)
            scraped = await on.scrape()

            assert [3600.0, 3600.0, 3600.0, 60.0] == gaps(on.asked("usage/decisions"))[2:]
            assert 0.0 == scraped.value("openai_exporter_resource_degraded", reason="unsupported", **labels)
            assert 1.0 == scraped.value("openai_exporter_resource_up", **labels)

    run(scenario())


def test_a_defect_of_the_exporter_ends_no_polling() -> None:
    """Any exception is logged, and the endpoint is polled again as after any failure."""

    class Broken(ManualClock):
        def now(self) -> float:
            if 60 <= self.monotonic() - 1000 < 60.5:
                raise ZeroDivisionError("a defect")
            return super().now()

    async def scenario() -> None:
        clock = Broken(NOW)
        simulator = simulated(ManualClock(NOW))
        async with running_exporter(simulator, clock, only=("completions",)) as on:
            served = len(simulator.requests)
            on.service.publisher._clock = ManualClock(NOW)
            await on.advance(90)
            report = on.organization.report().resources[0]

            assert served < len(simulator.requests)
            assert (True, "") == (report.up, report.error)

    run(scenario())


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        ({"kind": "rate_limited", "retry_after": 300}, 300),
        ({"kind": "rate_limited", "retry_after": 45.25, "form": "ms"}, 45.25),
        ({"kind": "rate_limited", "retry_after": 120, "form": "date"}, 120),
        ({"kind": "unavailable", "retry_after": 90}, 90),
        ({"kind": "rate_limited", "retry_after": 7200}, 900),
    ],
)
def test_retry_after_pauses_everything_exactly(fault: dict[str, Any], seconds: float) -> None:
    """Seconds, milliseconds or a date, after 429 or 503: not a request before, one probe then, at most 15 minutes."""

    async def scenario() -> None:
        async with running_exporter() as on:
            await on.advance_to(NOW + 59)
            on.simulator.faults.add(count=1, **fault)
            await on.advance_to(NOW + 60)
            refused = max(on.asked())
            served = len(on.asked())
            await on.advance_to(refused + seconds - 0.01)
            silent = len(on.asked())
            paused = (await on.scrape()).value("openai_exporter_throttle_paused_until_timestamp_seconds")
            await on.advance_to(refused + seconds + 0.01)
            first = on.asked(since=refused + 0.001)[0]

            assert served == silent
            assert math.isclose(refused + seconds, first, abs_tol=0.002)
            assert paused is not None
            assert math.isclose(refused + seconds, paused, abs_tol=0.002)

    run(scenario())


@pytest.mark.parametrize("retry_after", [None, "soon", "-5"])
def test_without_a_sensible_retry_after_the_silence_is_that_of_any_failure(retry_after: str | None) -> None:
    """About a second after the first refusal, then 2, 4 and 8."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs")) as on:
            on.simulator.faults.add("rate_limited", count=4, retry_after=retry_after)
            await on.advance_to(NOW + 80)
            measured = gaps(on.asked(since=NOW + 59))[:4]

            assert 4 == len(measured)
            assert all(
                0.75 * most - 0.01 <= gap <= most + 0.01 for gap, most in zip(measured, (1, 2, 4, 8), strict=True)
            ), measured

    run(scenario())


def test_an_overload_without_retry_after_is_the_failure_of_one_endpoint() -> None:
    """503 alone pauses no other endpoint: it is retried after 1, 2 and 4 seconds, the others keep their interval."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "embeddings")) as on:
            on.simulator.faults.add("unavailable", path="completions")
            await on.advance_to(NOW + 60.1)
            scraped = await on.scrape()
            await on.advance_to(NOW + 68)
            retried = gaps(on.asked(COMPLETIONS, since=NOW + 59))[:3]
            await on.advance_to(NOW + 301)

            assert 0.0 == scraped.value("openai_exporter_throttle_paused_until_timestamp_seconds")
            assert 3 == len(retried)
            assert all(0.75 * most - 0.01 <= gap <= most + 0.01 for gap, most in zip(retried, (1, 2, 4), strict=True))
            assert [60.0] * 5 == gaps(on.asked("usage/embeddings"))

    run(scenario())


async def reported(on: RunningExporter, name: str) -> tuple[float | None, float | None]:
    """Return what a scrape says of a resource: up, and how many requests were refused."""
    scraped = await on.scrape()
    return (
        scraped.value("openai_exporter_resource_up", resource=name),
        scraped.value("openai_exporter_api_errors_total", resource=name, reason="rate_limited"),
    )


def test_a_refusal_shows_at_once_however_long_the_pause() -> None:
    """A resource refused for 15 minutes is not up."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs")) as on:
            on.simulator.faults.add("rate_limited", count=1, retry_after=900, path="completions")
            await on.advance_to(NOW + 62)

            assert (0.0, 1.0) == await reported(on, "completions")
            assert 0.0 == (await on.scrape()).value("openai_exporter_up")

            await on.advance_to(NOW + 962)
            assert (1.0, 1.0) == await reported(on, "completions")

    run(scenario())


@pytest.mark.parametrize("kind", ["rate_limited", "unavailable"])
def test_an_exporter_during_a_pause_is_ready(kind: str) -> None:
    """Readiness does not depend on the API: a first poll that waits for a pause counts as done."""

    async def scenario() -> None:
        async with running_exporter(wait_until_ready=False) as on:
            on.simulator.faults.add(kind, retry_after=900)
            before = await on.status("/-/ready")
            await on.advance(2)

            assert (503, 200, 200) == (before, await on.status("/-/ready"), await on.status("/-/healthy"))
            assert 0.0 == (await on.scrape()).value("openai_exporter_up")

    run(scenario())


def test_the_same_failure_is_logged_once() -> None:
    """An outage of an endpoint is logged once, and its recovery once; request ids do not matter."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs")) as on:
            on.simulator.faults.add("server_error", path="completions")
            await on.advance(300)
            on.simulator.faults.clear()
            await on.advance(120)

    with capture_logs() as log:
        run(scenario())

    reported = [line["event"] for line in log if line["log_level"] in {"info", "warning"} and "resource" in line]
    assert ["poll_failed", "poll_recovered"] == reported[2:]
