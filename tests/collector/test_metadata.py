"""Groups, service accounts, certificates and daily rate limits: rows of the metadata table beyond names and keys."""

import pytest

from exporter.simulator import Shape
from tests.support.clock import run
from tests.support.organization_harness import metadata, running_organization
from tests.support.scripted_api import plan
from tests.support.simulation import simulation


def test_every_member_of_a_group_has_a_series() -> None:
    """By ids and the group's name, without any person's; a member who leaves loses the series."""
    with simulation() as sim:
        organization = sim.simulator.tenants[0].organization
        people = [user.id for user in organization.users if not user.service_account]

        async def story() -> None:
            async with running_organization(sim, metadata("groups", "group_members")) as acme:
                await acme.poll("groups", "group_members")
                members = [labels for labels, _ in acme.series("openai_group_info")]

                assert people == [each["user_id"] for each in members if each["group_name"] == "everyone"]
                assert {"group_everyone", "group_finance", "group_research"} == {each["group_id"] for each in members}
                assert {"group_id", "group_name", "user_id"} == set(members[0])
                organization.users = organization.users[1:]
                sim.clock.pass_by(900)
                await acme.poll("groups", "group_members")

                assert people[0] not in {labels["user_id"] for labels, _ in acme.series("openai_group_info")}

        run(story())


def test_members_wait_for_the_groups() -> None:
    """Members are requested after the list of groups, and those of deleted groups are not exported."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, metadata("groups", "group_members")) as acme:
                await acme.poll("group_members")

                assert [] == acme.asked("groups")
                await acme.poll("groups", "group_members")
                sim.simulator.faults.add("status", path="group_finance/users", status=404)
                sim.clock.pass_by(900)
                await acme.poll("group_members")
                shown = {labels["group_id"] for labels, _ in acme.series("openai_group_info")}

                assert {"group_everyone", "group_research"} == shown

        run(story())


def test_service_accounts_of_projects_in_use_have_names_and_roles() -> None:
    """An archived project refuses with 400, which is no failure."""
    with simulation(shape=Shape(projects=6)) as sim:
        projects = sim.simulator.tenants[0].organization.projects

        async def story() -> None:
            async with running_organization(
                sim, metadata("projects", "service_accounts"), [plan("completions")]
            ) as acme:
                await acme.poll("completions")

                assert (await acme.poll("service_accounts")).up
                expected = {
                    (project.id, account.id, account.name, account.role)
                    for project in projects
                    if project.archived_at is None
                    for account in project.service_accounts
                }

                assert expected
                assert (
                    expected
                    >= {tuple(labels.values()) for labels, _ in acme.series("openai_service_account_info")}
                    != set()
                )

        run(story())


@pytest.mark.parametrize(
    ("row", "family", "ids"),
    [
        ("certificates", "openai_organization_certificate", {"cert_organization_0", "cert_organization_1"}),
        ("project_certificates", "openai_project_certificate", {"cert_organization_project_0"}),
    ],
)
def test_certificates_have_names_and_an_expiry(row: str, family: str, ids: set[str]) -> None:
    """Of the organization, and of each project in use."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, metadata("projects", row), [plan("completions")]) as acme:
                await acme.poll("completions", "projects", row)
                infos = [labels for labels, _ in acme.series(f"{family}_info")]
                expiries = acme.series(f"{family}_expires_timestamp_seconds")

                assert ids == {each["certificate_id"] for each in infos}
                assert {"true"} <= {each["active"] for each in infos} <= {"true", "false"}
                assert len(infos) == len(expiries)
                assert all(value > sim.clock.now() for _, value in expiries)

        run(story())


def test_every_rate_limit_has_its_family() -> None:
    """Every limit by minute or by day is exported; a limit that does not apply to the model has no series."""
    with simulation(shape=Shape(projects=3)) as sim:
        project = sim.simulator.scenario.project(0).id

        async def story() -> None:
            async with running_organization(sim, metadata("projects", "rate_limits"), [plan("completions")]) as acme:
                await acme.poll("completions", "projects", "rate_limits")
                found = {}
                for unit in (
                    "requests_per_minute",
                    "tokens_per_minute",
                    "images_per_minute",
                    "audio_megabytes_per_minute",
                    "requests_per_day",
                    "batch_tokens_per_day",
                ):
                    found[unit] = {
                        labels["model"]: value
                        for labels, value in acme.series(f"openai_project_rate_limit_{unit}")
                        if labels["project_id"] == project
                    }

                assert {"gpt-image-2.5-flare": 50.0} == found["images_per_minute"]
                assert {"whisper-1": 100.0} == found["audio_megabytes_per_minute"]
                assert {"gpt-4o-mini-2024-07-18": 10_000.0} == found["requests_per_day"]
                assert {"gpt-5.5": 200_000_000.0} == found["batch_tokens_per_day"]
                assert 500.0 == found["requests_per_minute"]["whisper-1"]
                assert "whisper-1" not in found["tokens_per_minute"]

        run(story())
