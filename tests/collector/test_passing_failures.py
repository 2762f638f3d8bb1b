"""What a single refusal costs: nothing but the time until the next poll."""

import itertools
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

from exporter.simulator import Policy, Shape, keys
from tests.support.clock import ManualClock
from tests.support.exporter_harness import NOW, RunningExporter, run, running_exporter, simulated

BODIES = ("json", "html", "empty")
STATUSES = {
    400: "bad_request",
    401: "auth",
    403: "forbidden",
    404: "not_found",
    413: "bad_request",
    421: "bad_request",
}

FROM_GATEWAY = {401, 403}
"""Refusals that count as a gateway's unless they have an error of the API."""


def groupings(on: RunningExporter, path: str) -> list[list[str]]:
    """Return the grouping of each request for an endpoint."""
    return [parse_qs(request.query).get("group_by[]", []) for request in on.simulator.requests if path in request.path]


@pytest.mark.parametrize(("status", "body"), list(itertools.product(STATUSES, BODIES)))
def test_one_refusal_of_any_kind_is_over_with_the_next_request(status: int, body: str) -> None:
    """Costs and usage are requested again within seconds; every label and counter stays, and what came is counted."""
    reason = "gateway" if status in FROM_GATEWAY and body != "json" else STATUSES[status]

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock, shape=Shape(projects=2, activity=0))
        script = simulator.scenario
        where: dict[str, Any] = {"project_id": 0, "model": "gpt-6", "batch": False}
        script.add_usage("completions", {"num_model_requests": 5}, where)
        script.add_usage("costs", {"amount": "2.5"}, {"project_id": 0, "line_item": "gpt, input"})
        async with running_exporter(simulator, clock, only=("completions", "costs")) as on:
            for path in ("usage/completions", "costs"):
                on.simulator.faults.add("status", path=path, count=1, status=status, body=body)
            script.add_usage("completions", {"num_model_requests": 7}, where)
            script.add_usage("costs", {"amount": "1.25"}, {"project_id": 0, "line_item": "gpt, input"})
            await on.advance_to(NOW + 302)
            failed = len(on.asked("costs"))
            await on.advance_to(NOW + 500)
            scraped = await on.scrape()

            assert 3 == failed
            assert {"completions": 1.0, "costs": 1.0} == scraped.by(
                "resource", "openai_exporter_api_errors_total", reason=reason
            )
            assert 2.0 == scraped.sum("openai_exporter_api_errors_total")
            assert {} == scraped.by("reason", "openai_exporter_resource_degraded")
            assert 1.0 == scraped.value("openai_exporter_up")
            assert {"false": 12.0} == scraped.by("batch", "openai_completions_requests")
            assert {"false": 7.0} == scraped.by("batch", "openai_accrued_completions_requests_total")
            assert (3.75, 1.25) == (
                scraped.sum("openai_cost_usd"),
                scraped.sum("openai_accrued_cost_usd_total"),
            )

    run(scenario())


@pytest.mark.parametrize("status", STATUSES)
def test_one_refusal_in_five_costs_neither_endpoints_nor_labels(status: int) -> None:
    """Half an hour of random refusals: everything is still polled at its pace, and nothing that happened is missing."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock, shape=Shape(projects=2, activity=0))
        where: dict[str, Any] = {"project_id": 0, "model": "gpt-6", "batch": False}
        async with running_exporter(simulator, clock, only=("completions", "costs")) as on:
            on.simulator.faults.add("status", status=status, probability=0.2, seed=status)
            for _ in range(30):
                simulator.scenario.add_usage("completions", {"num_model_requests": 1}, where)
                simulator.scenario.add_usage("costs", {"amount": "0.5"}, {"project_id": 0, "line_item": "x"})
                await on.advance(60)
            refused = sum(request.status == status for request in on.simulator.requests)
            on.simulator.faults.clear()
            await on.advance(1100)
            scraped = await on.scrape()

            assert 3 <= refused
            assert {} == scraped.by("reason", "openai_exporter_resource_degraded")
            assert 1.0 == scraped.value("openai_exporter_up")
            assert max(after - before for before, after in itertools.pairwise(on.asked("costs"))) <= 900
            assert {"false": 30.0} == scraped.by("batch", "openai_accrued_completions_requests_total")
            assert 15.0 == scraped.sum("openai_accrued_cost_usd_total")

    run(scenario())


def test_costs_that_are_not_found_again_and_again_stay_part_of_up() -> None:
    """404 on costs is a failure, however often: requested at least once a minute per interval, never unsupported."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs"), wait_until_ready=False) as on:
            on.simulator.faults.add("unsupported", path="costs")
            await on.advance(1200)
            scraped = await on.scrape()

            assert (0.0, 0.0) == (
                scraped.value("openai_exporter_up"),
                scraped.value("openai_exporter_resource_up", resource="costs"),
            )
            assert {} == scraped.by("reason", "openai_exporter_resource_degraded")
            assert max(after - before for before, after in itertools.pairwise(on.asked("costs"))) <= 300

    run(scenario())


def test_an_endpoint_that_has_answered_is_never_unsupported() -> None:
    """A day of 404 after an answer is a failure of the endpoint: it counts in `up`, and the gauges go stale."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs")) as on:
            on.simulator.faults.add("unsupported", path="completions")
            await on.advance(7 * 3600)
            scraped = await on.scrape()

            assert 0.0 == scraped.value("openai_exporter_up")
            assert {} == scraped.by("reason", "openai_exporter_resource_degraded")
            assert {} == scraped.series("openai_completions_requests")
            assert scraped.series("openai_accrued_completions_requests_total")

    run(scenario())


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 400, "param": "page", "message": "Invalid page."},
        {"status": 400, "message": "Invalid page cursor"},
    ],
)
def test_a_refused_cursor_starts_the_pages_again(refusal: Mapping[str, Any]) -> None:
    """The poll reads from the first page on and succeeds; no label is dropped."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        environ = {"OPENAI_ADMIN_KEY": keys.FULL, "OPENAI_EXPORTER_POLL__LOOKBACK_DAYS": "60"}
        simulator = simulated(clock)
        simulator.faults.add("status", path="completions.*page=", count=1, **refusal)
        async with running_exporter(simulator, clock, only=("completions",), environ=environ) as on:
            scraped = await on.scrape()
            pages = ["page=" in request.query for request in on.simulator.requests]

            assert [False, True, False, True] == pages
            assert 1.0 == scraped.value("openai_exporter_up")
            assert {} == scraped.by("reason", "openai_exporter_resource_degraded")
            assert {"batch", "model", "organization", "project_id"} == {
                name for labels in scraped.series("openai_completions_requests") for name, _ in labels
            }

    run(scenario())


VAGUE = "The combination of parameters is not supported."


def test_a_vague_refusal_drops_a_label_only_when_it_is_confirmed() -> None:
    """After three polls in a row a narrower grouping is tried, and the whole one once more."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock)
        simulator.faults.add("status", path=r"costs\?.*user_id", message=VAGUE)
        environ = {
            "OPENAI_ADMIN_KEY": keys.FULL,
            "OPENAI_EXPORTER_RESOURCES__COSTS__GROUP_BY": '["project_id", "user_id"]',
        }
        async with running_exporter(simulator, clock, only=("costs",), environ=environ) as on:
            await on.advance(10)
            scraped = await on.scrape()
            wide, narrow = ["project_id", "user_id"], ["project_id"]

            assert [wide, wide, wide, narrow, wide] == groupings(on, "costs")
            assert {"group_by_refused": 1.0} == scraped.by("reason", "openai_exporter_resource_degraded")
            assert 1.0 == scraped.value("openai_exporter_up")

    run(scenario())


def test_a_vague_refusal_that_passes_keeps_every_label() -> None:
    """The whole grouping is answered after the narrower one: its answer is taken."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock)
        simulator.faults.add("status", path="completions", count=3, message=VAGUE)
        async with running_exporter(simulator, clock, only=("completions",)) as on:
            await on.advance(10)
            scraped = await on.scrape()
            wide = ["project_id", "model", "batch"]

            assert [wide, wide, wide, ["project_id", "model"], wide] == groupings(on, "completions")
            assert {} == scraped.by("reason", "openai_exporter_resource_degraded")
            assert {"batch", "model", "organization", "project_id"} == {
                name for labels in scraped.series("openai_completions_requests") for name, _ in labels
            }

    run(scenario())


def test_a_passing_refusal_at_the_daily_retry_changes_nothing() -> None:
    """While a dimension is dropped, a 400 that is not about the grouping fails one poll and no more."""

    async def scenario() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock, policy=Policy(costs_by_user_and_project=False))
        environ = {
            "OPENAI_ADMIN_KEY": keys.FULL,
            "OPENAI_EXPORTER_RESOURCES__COSTS__GROUP_BY": '["project_id", "user_id"]',
            "OPENAI_EXPORTER_POLL__COST_INTERVAL": "6h",
        }
        async with running_exporter(simulator, clock, only=("costs",), environ=environ) as on:
            before = (await on.scrape()).series("openai_accrued_cost_usd_total")
            await on.advance(24 * 3600 - 60)
            on.simulator.faults.add("status", path="costs", count=1, status=413, body="html", message="Too large")
            await on.advance(3 * 3600)
            scraped = await on.scrape()

            assert before.keys() <= scraped.series("openai_accrued_cost_usd_total").keys()
            assert {"group_by_refused": 1.0} == scraped.by("reason", "openai_exporter_resource_degraded")
            assert 1.0 == scraped.value("openai_exporter_up")

    run(scenario())
