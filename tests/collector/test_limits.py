"""OpenAI's limits, and budgets of one's own."""

import structlog

from exporter.catalog import METADATA, PollInterval
from exporter.collector import ALL, Outcome, Schedule
from exporter.simulator import Shape, keys
from exporter.simulator.limits import SpendLimit
from tests.support.clock import run
from tests.support.organization_harness import OrganizationHarness, metadata, running_organization
from tests.support.scripted_api import plan
from tests.support.simulation import Simulation, simulation

LIMIT = "openai_organization_spend_limit_usd"
ENFORCING = "openai_organization_spend_limit_enforcing"
ALERT = "openai_organization_spend_alert_threshold_usd"
OF_PROJECT = "openai_project_spend_limit_usd"
REQUESTS = "openai_project_rate_limit_requests_per_minute"
TOKENS = "openai_project_rate_limit_tokens_per_minute"

OWN = metadata("spend_limit", "spend_alerts")
OF_PROJECTS = metadata("projects", "project_spend_limit", "project_spend_alerts", "rate_limits")


def _values(acme: OrganizationHarness, name: str) -> dict[str, float]:
    """Return values by the labels, in one text."""
    return {" ".join(labels.values()): value for labels, value in acme.series(name)}


def _errors(acme: OrganizationHarness) -> float:
    return sum(
        sample.value
        for metric in acme.telemetry.registry.collect()
        for sample in metric.samples
        if sample.name == "openai_exporter_api_errors_total"
    )


def test_limits_of_the_organization_are_dollars() -> None:
    """Cents become dollars to the cent; enforcing is 0 or 1."""
    with simulation() as sim:
        sim.simulator.scenario.set_spend_alerts([1, 40010])

        async def story() -> None:
            async with running_organization(sim, OWN) as acme:
                for cents, enforcing in ((123_457, False), (5_000_000, True)):
                    sim.simulator.scenario.set_spend_limit(cents, enforcing=enforcing)
                    status = await acme.poll("spend_alerts", "spend_limit")

                    assert status.up
                    assert {"": cents / 100} == _values(acme, LIMIT)
                    assert {"": float(enforcing)} == _values(acme, ENFORCING)
                assert {"alert_000000": 0.01, "alert_000001": 400.1} == _values(acme, ALERT)

        run(story())


def test_no_limit_is_no_series_and_no_error() -> None:
    """The API returns 404 when none is set."""
    with simulation() as sim:
        sim.simulator.scenario.set_spend_limit(None)
        sim.simulator.scenario.set_spend_alerts([])

        async def story() -> None:
            async with running_organization(sim, OWN) as acme:
                status = await acme.poll("spend_alerts", "spend_limit")

                assert (True, 0.0) == (status.up, _errors(acme))
                assert {} == {**_values(acme, LIMIT), **_values(acme, ENFORCING), **_values(acme, ALERT)}

        run(story())


def test_limits_outlive_failures_until_they_are_stale() -> None:
    """A failed poll changes nothing for `stale_after`."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, metadata("spend_limit", "spend_alerts", stale_after=1000)) as acme:
                await acme.poll("spend_alerts", "spend_limit")
                sim.simulator.faults.add("status", path="spend_", status=400)
                sim.simulator.scenario.set_spend_limit(1)
                sim.clock.pass_by(900)

                assert not (await acme.poll("spend_alerts", "spend_limit")).up
                assert {"": 50000.0} == _values(acme, LIMIT)
                sim.clock.pass_by(100)

                assert {} == {**_values(acme, LIMIT), **_values(acme, ALERT)}

        run(story())


class _InEuros(SpendLimit):
    def content(self, scope: str) -> dict[str, object]:
        return {**super().content(scope), "currency": "eur"}


def test_other_currencies_are_reported_once_and_not_exported() -> None:
    """Other currencies are never in a metric in US dollars."""
    with simulation() as sim:
        sim.simulator.tenants[0].limits.spend[""] = _InEuros(5_000_000)

        async def story() -> None:
            async with running_organization(sim, OWN) as acme:
                with structlog.testing.capture_logs() as logs:
                    await acme.poll("spend_alerts", "spend_limit", "spend_limit")

                assert [["eur"]] == [entry["currencies"] for entry in logs if "currencies" in entry]
                assert {} == _values(acme, LIMIT)
                assert {"alert_8f20c1": 40000.0} == _values(acme, ALERT)

        run(story())


def _use(sim: Simulation, *numbers: int) -> list[str]:
    for number in numbers:
        figures = {"input_tokens": 5, "num_model_requests": 1}
        sim.simulator.scenario.add_usage("moderations", figures, {"project_id": number})
    return [sim.simulator.scenario.project(number).id for number in numbers]


def test_projects_in_use_have_their_limits() -> None:
    """Rate limits by model, where 2147483647 is none; spend limits where there is one; nothing of other projects."""
    with simulation(shape=Shape(projects=6, activity=0)) as sim:
        first, second = _use(sim, 0, 1)
        _use(sim, 5)

        async def story() -> None:
            async with running_organization(sim, OF_PROJECTS, [plan("moderations")]) as acme:
                await acme.poll("moderations", "projects", "project_spend_limit", "project_spend_alerts", "rate_limits")

                assert {first: 25000.0} == _values(acme, OF_PROJECT)
                assert {first: 0.0} == _values(acme, "openai_project_spend_limit_enforcing")
                assert {f"{first} alert_1c77aa": 20000.0} == _values(acme, "openai_project_spend_alert_threshold_usd")
                assert 500.0 == _values(acme, REQUESTS)[f"{second} whisper-1"]
                assert f"{second} whisper-1" not in _values(acme, TOKENS)
                assert 200_000.0 == _values(acme, TOKENS)[f"{first} gpt-4o-mini-2024-07-18"]
                assert {first, second} == {key.split()[0] for key in _values(acme, REQUESTS)}
                assert 2 * 3 == len(acme.asked("/projects/"))
                assert 0.0 == _errors(acme)

        run(story())


def test_without_projects_in_usage_all_that_are_listed_are_asked() -> None:
    """Without grouping by project it is unknown which are in use."""
    with simulation(shape=Shape(projects=3)) as sim:

        async def story() -> None:
            async with running_organization(sim, OF_PROJECTS, [plan("moderations", group_by=["model"])]) as acme:
                await acme.poll("moderations", "projects", "rate_limits")

                assert 3 == len({key.split()[0] for key in _values(acme, REQUESTS)})

        run(story())


def test_projects_are_asked_as_soon_as_it_is_known_which() -> None:
    """Right after the start nothing is in use yet: that does not cost an hour."""
    with simulation(shape=Shape(projects=6, activity=0)) as sim:
        [first] = _use(sim, 0)

        async def story() -> None:
            async with running_organization(sim, OF_PROJECTS, [plan("moderations")]) as acme:
                job = next(job for job in acme.organization.jobs if job.name == "rate_limits")

                assert Outcome.WAITING == await job.poll(0.0)
                assert [] == acme.asked()
                await acme.poll("moderations")

                assert Outcome.DATA == await acme.clock.run(job.poll(0.0))
                assert [f"organization/projects/{first}/rate_limits"] == acme.asked("rate_limits")
                assert Outcome.DATA == await acme.clock.run(job.poll(0.0))

        run(story())
        waiting = Schedule(3600, 50).after(Outcome.WAITING, 51, 0.0)

        assert (58, 3600) == (waiting.due, waiting.pace)


def test_limits_of_a_project_that_is_archived_vanish() -> None:
    """It cannot spend any more."""
    with simulation(shape=Shape(projects=6, activity=0)) as sim:
        first, second = _use(sim, 0, 1)

        async def story() -> None:
            async with running_organization(sim, OF_PROJECTS, [plan("moderations")]) as acme:
                await acme.poll("moderations", "projects", "rate_limits")
                sim.simulator.scenario.archive_project(0)
                await acme.poll("projects")

                assert {second} == {key.split()[0] for key in _values(acme, REQUESTS)}
                sim.clock.pass_by(3600)
                before = len(acme.asked(first))
                await acme.poll("rate_limits")

                assert before == len(acme.asked(first))

        run(story())


def test_many_projects_take_turns_and_do_not_go_stale_meanwhile() -> None:
    """No poll takes more than its part of the rate; a whole round makes nothing stale."""
    with simulation(shape=Shape(projects=12, activity=0)) as sim:
        _use(sim, 0, 1, 2, 3, 4)
        slow = metadata("rate_limits", requests_per_minute=10, intervals={PollInterval.LIMITS: 600.0}, stale_after=600)

        async def story() -> None:
            async with running_organization(sim, slow, [plan("moderations")]) as acme:
                await acme.poll("moderations")
                figures = []
                for _ in range(3):
                    await acme.poll("rate_limits")
                    figures.append(len({key.split()[0] for key in _values(acme, REQUESTS)}))
                    sim.clock.pass_by(600)

                assert [2, 4, 5] == figures
                sim.clock.pass_by(3000)

                assert {} == _values(acme, REQUESTS)

        run(story())


def test_a_key_without_the_scope_has_no_limits() -> None:
    """The job reports it and waits."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, OWN, key=keys.USAGE_ONLY) as acme:
                status = await acme.poll("spend_alerts", "spend_limit")

                assert not status.up
                assert "api.management.read" in status.error
                assert {} == _values(acme, LIMIT)

        run(story())


def test_budgets_come_from_the_settings() -> None:
    """Of the organization, of projects, or of neither."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(
                sim, metadata(budget=1500.5, project_budgets={"proj_b": 20, "proj_a": 10})
            ) as acme:
                assert {"": 1500.5} == _values(acme, "openai_organization_budget_usd")
                assert {"proj_a": 10.0, "proj_b": 20.0} == _values(acme, "openai_project_budget_usd")
            async with running_organization(sim, metadata(project_budgets={"proj_a": 10})) as acme:
                assert {} == _values(acme, "openai_organization_budget_usd")
            async with running_organization(sim, metadata()) as acme:
                assert ([], []) == (acme.organization.sources, acme.organization.jobs)

        run(story())


def test_every_family_is_described() -> None:
    """The reference has the families of the sources, with the same labels, and no name twice."""
    with simulation() as sim:
        everything = metadata(*(row.name for row in METADATA), budget=1, project_budgets={"proj_a": 1})

        async def story() -> None:
            plans = [plan("completions", group_by=["project_id", "api_key_id", "user_id"])]
            async with running_organization(sim, everything, plans) as acme:
                for job in acme.organization.jobs:
                    await acme.poll(job.name)
                described = {each.name: each for each in ALL}

                assert len(described) == len(ALL)
                made = [family for source in acme.organization.sources for family in source.families(acme.clock.now())]

                assert described.keys() == {family.name for family in made}
                for family in made:
                    for column in family.columns:
                        assert described[family.name].labels == column.rows.names
                    assert family.help == described[family.name].help

        run(story())
