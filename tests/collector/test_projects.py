"""Names of projects, requested from the simulator."""

from dataclasses import replace

import httpx

from exporter.catalog import METADATA
from exporter.collector.label_index import LabelIndex
from exporter.collector.metadata_families import MetadataContext, RememberedSource
from exporter.collector.metadata_jobs import OrganizationJob
from exporter.collector.name_cache import NameCache
from exporter.openai import MetadataClient, inline
from exporter.simulator import Shape, keys
from exporter.store import Name
from tests.support.clock import ManualClock, run
from tests.support.organization_harness import OrganizationHarness, metadata, running_organization, samples
from tests.support.scripted_api import Api, Journal, client, ok, plan, refusal
from tests.support.simulation import NOW, simulation

INFO = "openai_project_info"
PROJECTS = metadata("projects")
GONE = Name("acme", "project", "proj_gone", {"name": "moon base", "status": "active", "listed": "yes"})


def _names(acme: OrganizationHarness) -> dict[str, str]:
    """Return the status of every name, one of those that share it."""
    return {labels["project_name"]: labels["status"] for labels in acme.labels(INFO, "project_id").values()}


def test_every_project_has_its_name() -> None:
    """Archived ones, those of one name, and names with quotes and emoji included: one series for each."""
    with simulation(shape=Shape(projects=6)) as sim:

        async def story() -> None:
            async with running_organization(sim, PROJECTS) as acme:
                status = await acme.poll("projects")
                projects = sim.simulator.tenants[0].organization.projects

                assert {project.id: (project.name, project.status) for project in projects} == {
                    id_: (labels["project_name"], labels["status"])
                    for id_, labels in acme.labels(INFO, "project_id").items()
                }
                assert {1.0} == {value for _, value in acme.series(INFO)}
                assert {"active", "archived"} == {project.status for project in projects}
                assert (True, NOW) == (status.up, status.last_change)
                assert ["organization/projects"] == acme.asked()

        run(story())


def test_long_lists_are_paged() -> None:
    """An organization of 300 projects takes three requests."""
    with simulation(shape=Shape(projects=300)) as sim:

        async def story() -> None:
            async with running_organization(sim, PROJECTS) as acme:
                await acme.poll("projects")

                assert 300 == len(acme.labels(INFO, "project_id"))
                assert ["organization/projects"] * 3 == acme.asked()

        run(story())


def test_a_renamed_project_replaces_its_series() -> None:
    """Two names of one project would double every join."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, PROJECTS) as acme:
                await acme.poll("projects")
                before = acme.labels(INFO, "project_id")
                sim.simulator.scenario.rename_project(0, 'the "new"\nname 🚀')
                await acme.poll("projects")
                after = acme.labels(INFO, "project_id")

                assert before.keys() == after.keys()
                assert 'the "new"\nname 🚀' == after[sim.simulator.scenario.project(0).id]["project_name"]

        run(story())


def test_a_deleted_project_keeps_its_name() -> None:
    """A key that was listed once and is no longer is deleted, also across restarts."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, PROJECTS, names=[GONE]) as acme:
                name = sim.simulator.scenario.project(0).name
                await acme.poll("projects")
                sim.simulator.scenario.delete_project(0)
                await acme.poll("projects")

                assert {name: "deleted", "moon base": "deleted"} == {
                    name: status for name, status in _names(acme).items() if status == "deleted"
                }
                assert ["organization/projects"] * 2 == acme.asked()

        run(story())


def test_every_id_that_is_shown_has_an_info_series() -> None:
    """Unlisted ids are looked up once, and unknown after four 404 in a row; placeholders are not looked up."""
    with simulation() as sim:
        scenario = sim.simulator.scenario
        gone = scenario.project(0).id
        scenario.delete_project(0)
        scenario.add_usage("moderations", {"input_tokens": 5, "num_model_requests": 1}, {"project_id": None})

        async def story() -> None:
            async with running_organization(sim, PROJECTS, [plan("moderations"), plan("completions")]) as acme:
                await acme.poll("moderations", "completions")

                assert "unknown" == acme.labels(INFO, "project_id")[gone]["status"]
                await acme.poll("projects", "projects")
                infos = acme.labels(INFO, "project_id")

                assert {"project_id": gone, "project_name": gone, "status": "deleted"} == infos[gone]
                assert {"project_id": "unknown", "project_name": "unknown", "status": "unknown"} == infos["unknown"]
                assert [f"organization/projects/{gone}"] * 4 == acme.asked("/projects/")
                remembered = acme.organization.names_to_save()
            async with running_organization(sim, PROJECTS, [plan("completions")], names=remembered) as acme:
                await acme.poll("completions", "projects")

                assert infos[gone] == acme.labels(INFO, "project_id")[gone]
                assert 4 == len(acme.asked("/projects/"))

        run(story())


def test_an_odd_look_up_does_not_keep_the_others_from_their_names() -> None:
    """What cannot be read is looked up again at the next poll, after the others."""
    with simulation() as sim:
        scenario = sim.simulator.scenario
        gone = sorted(scenario.project(number).id for number in (0, 1))
        for number in (0, 1):
            scenario.delete_project(number)
        odd = '{"name":["odd"],"status":5}'
        sim.simulator.faults.add("status", path=f"projects/{gone[0]}", status=200, body="text", message=odd)

        async def story() -> None:
            async with running_organization(sim, PROJECTS, [plan("completions")]) as acme:
                await acme.poll("completions", "projects")
                status = await acme.poll("projects")
                infos = acme.labels(INFO, "project_id")

                assert status.up
                assert ["unknown", "deleted"] == [infos[id_]["status"] for id_ in gone]
                assert [2, 4] == [len(acme.asked(f"/projects/{id_}")) for id_ in gone]

        run(story())


def test_the_row_of_what_is_folded_has_its_series() -> None:
    """`other` is the sum of many projects, and joins like any of them."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, PROJECTS, [replace(plan("completions"), max_series=3)]) as acme:
                await acme.poll("completions", "projects")

                assert "other" == acme.labels(INFO, "project_id")["other"]["project_name"]
                assert [] == acme.asked("/projects/")

        run(story())


def test_without_the_scope_ids_stand_in_for_names() -> None:
    """A key without access to metadata still exports usage; the job reports the missing scope."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, PROJECTS, [plan("completions")], key=keys.USAGE_ONLY) as acme:
                assert (await acme.poll("completions")).up
                status = await acme.poll("projects")

                assert (False, True) == (status.up, status.first_poll_done)
                assert "api.management.read" in status.advice
                infos = acme.labels(INFO, "project_name")

                assert infos
                assert all((id_, "unknown") == (info["project_id"], info["status"]) for id_, info in infos.items())
                assert acme.organization.ready

        run(story())


def test_a_broken_page_changes_nothing() -> None:
    """Names are kept for ever, even after the list changes."""
    with simulation(shape=Shape(projects=120)) as sim:

        async def story() -> None:
            async with running_organization(sim, PROJECTS) as acme:
                await acme.poll("projects")
                before = acme.labels(INFO, "project_id")
                sim.simulator.scenario.rename_project(0, "another")
                sim.simulator.faults.add("truncated", path="after=")

                assert not (await acme.poll("projects")).up
                assert before == acme.labels(INFO, "project_id")

        run(story())


def test_a_filter_keeps_other_projects_out() -> None:
    """A team that exports its own project does not show the names of all the others."""
    with simulation() as sim:
        own = sim.simulator.scenario.project(1).id

        async def story() -> None:
            async with running_organization(
                sim, metadata("projects", project_ids=(own,), project_budgets={"proj_b": 5})
            ) as acme:
                await acme.poll("projects")

                assert {own, "proj_b"} == set(acme.labels(INFO, "project_id"))

        run(story())


def test_addresses_in_names_are_masked() -> None:
    """Personal data is shown, and kept in the state, only where it is switched on."""
    with simulation() as sim:
        sim.simulator.scenario.rename_project(0, "of mira@northwind.example, (k.o@x)")

        async def story() -> None:
            for metadata_plan, shown in (
                (PROJECTS, "of m***@***, (k***@***)"),
                (metadata("projects", personal_data=True), "of mira@northwind.example, (k.o@x)"),
            ):
                async with running_organization(sim, metadata_plan) as acme:
                    await acme.poll("projects")

                    assert shown in _names(acme)
                    assert shown in [name.facts["name"] for name in acme.organization.names_to_save()]

        run(story())


def test_changes_are_returned_once() -> None:
    """The state gets new facts only."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, PROJECTS) as acme:
                await acme.poll("projects")

                assert 6 == len(acme.organization.names_to_save())
                acme.organization.names_saved()
                sim.simulator.scenario.rename_project(1, "second")
                await acme.poll("projects")

                assert ["second"] == [name.facts["name"] for name in acme.organization.names_to_save()]

        run(story())


def test_a_project_that_only_a_single_look_up_finds_is_not_deleted() -> None:
    """The API's response for an unlisted project is valid until the list has it."""
    answers = {
        "/v1/organization/projects": {"data": [{"id": "proj_a", "name": "a", "status": "active"}]},
        "/v1/organization/projects/proj_hidden": {"id": "proj_hidden", "name": "hidden", "status": "active"},
    }

    def answer(request: httpx.Request) -> httpx.Response:
        return ok(answers[request.url.path]) if request.url.path in answers else refusal(400)

    clock = ManualClock()
    journal = Journal()
    api = Api(answer)
    source = RememberedSource(
        METADATA[0],
        MetadataContext("acme", NameCache("acme"), LabelIndex([])),
        stale_after=900,
        also_shown=lambda: ["proj_hidden", "proj_odd"],
    )
    asked = MetadataClient(client(api, clock, observer=journal), journal)
    job = OrganizationJob(METADATA[0], source, asked, clock, inline, interval=900)
    for _ in range(2):
        run(clock.run(job.poll(0.0)))
    [family] = source.families(clock.now())

    assert {"proj_a": "active", "proj_hidden": "active", "proj_odd": "deleted"} == {
        labels["project_id"]: labels["status"] for labels, _ in samples(family)
    }
    assert 4 == len(api.requests)
