"""Names and times of API keys and admin keys, and roles of users."""

from typing import Any

import pytest

from exporter.collector.metadata_jobs import Rotation
from exporter.simulator import Shape, keys
from tests.support.clock import run
from tests.support.organization_harness import OrganizationHarness, metadata, running_organization
from tests.support.scripted_api import plan
from tests.support.simulation import Simulation, simulation

INFO = "openai_api_key_info"
USED = "openai_api_key_last_used_timestamp_seconds"
EXPIRES = "openai_api_key_expires_timestamp_seconds"

KEYS = metadata("projects", "api_keys")
BY_KEY = plan("completions", group_by=["project_id", "api_key_id"])


def _keys_of(sim: Simulation, index: int) -> dict[str, str]:
    """Return the name of each listed key of a project by its id."""
    return {key.id: key.name for key in sim.simulator.scenario.project(index).api_keys if key.listed}


def _times(acme: OrganizationHarness, name: str) -> dict[str, float]:
    return {labels["api_key_id"]: value for labels, value in acme.series(name)}


def _shown(acme: OrganizationHarness) -> set[str]:
    store = acme.organization.bucket_jobs[0].ledger.stores[0]
    index = store.rows.names.index("api_key_id")
    return {labels[index] for labels in store.rows.sets}


def test_every_key_that_is_shown_has_one_info_series() -> None:
    """Keys that no list has keep their id for a name; those of inactive owners are listed too."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, KEYS, [BY_KEY]) as acme:
                await acme.poll("completions", "projects", "api_keys")
                infos = acme.labels(INFO, "api_key_id")
                project = sim.simulator.scenario.project(0)
                names = _keys_of(sim, 0)
                ghost = next(key.id for key in project.api_keys if not key.listed)

                assert _shown(acme) <= infos.keys()
                assert ghost in _shown(acme)
                assert {"web", "left-the-team"} <= set(names.values())
                assert names == {id_: infos[id_]["api_key_name"] for id_ in names}
                assert {project.id} == {infos[id_]["project_id"] for id_ in (*names, ghost)}
                assert (ghost, "unknown") == (infos[ghost]["api_key_name"], infos[ghost]["owner_type"])
                assert {"user", "service_account"} == {infos[id_]["owner_type"] for id_ in names}

        run(story())


def test_times_are_those_of_the_list() -> None:
    """A key that never expires, or was never used, has no such series."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, KEYS, [BY_KEY]) as acme:
                await acme.poll("completions", "api_keys")
                known = {key.id: key for key in sim.simulator.scenario.project(0).api_keys}
                expiring = {id_: float(key.expires_at) for id_, key in known.items() if key.expires_at}

                assert expiring
                assert expiring == {id_: time for id_, time in _times(acme, EXPIRES).items() if id_ in known}
                used = {id_ for id_, key in known.items() if key.listed and key.access == "active"}

                assert used == _times(acme, USED).keys() & known.keys()

        run(story())


def test_a_deleted_key_keeps_its_last_known_name() -> None:
    """Its times are removed; its name is kept, also after a restart."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, KEYS, [BY_KEY]) as acme:
                await acme.poll("completions", "api_keys")
                gone = next(id_ for id_, name in _keys_of(sim, 0).items() if name == "web")
                sim.simulator.scenario.delete_api_key(gone)
                sim.clock.pass_by(900)
                await acme.poll("api_keys")

                assert "web" == acme.labels(INFO, "api_key_id")[gone]["api_key_name"]
                assert gone not in _times(acme, USED)
                kept = acme.organization.names_to_save()
            async with running_organization(sim, KEYS, [BY_KEY], names=kept) as acme:
                await acme.poll("completions")

                info = acme.labels(INFO, "api_key_id")[gone]

                assert ("web", "service_account") == (info["api_key_name"], info["owner_type"])

        run(story())


def test_only_projects_in_use_are_asked() -> None:
    """One chain of requests for each project with usage, of 40 that there are."""
    with simulation(shape=Shape(projects=40, activity=0)) as sim:
        for index in (3, 5):
            key = next(iter(_keys_of(sim, index)))
            figures = {"input_tokens": 5, "output_tokens": 1, "num_model_requests": 1}
            sim.simulator.scenario.add_usage("completions", figures, {"project_id": index, "api_key_id": key})

        async def story() -> None:
            async with running_organization(sim, KEYS, [BY_KEY]) as acme:
                await acme.poll("projects", "completions", "api_keys")
                wanted = [sim.simulator.scenario.project(index).id for index in (3, 5)]

                assert sorted(f"organization/projects/{id_}/api_keys" for id_ in wanted) == sorted(
                    acme.asked("api_keys")
                )

        run(story())


def test_keys_without_a_project_are_searched_for_everywhere_once() -> None:
    """Grouped by key alone the project is unknown: keys of every listed one are requested, and again after a day."""
    with simulation(shape=Shape(projects=6)) as sim:
        alone = plan("completions", group_by=["api_key_id"])

        async def story() -> None:
            async with running_organization(sim, KEYS, [alone, plan("moderations")]) as acme:
                await acme.poll("completions", "moderations", "projects", "api_keys")
                infos = acme.labels(INFO, "api_key_id")
                first = len(acme.asked("/api_keys"))
                active = [project for project in sim.simulator.tenants[0].organization.projects if project.in_use]

                assert first >= len(active)
                assert _keys_of(sim, 0) == {id_: infos[id_]["api_key_name"] for id_ in _keys_of(sim, 0)}
                assert "unknown" in {info["project_id"] for info in infos.values()}
                assert "unknown" in acme.labels("openai_project_info", "project_id")
                sim.clock.pass_by(900)
                await acme.poll("api_keys")
                in_use = acme.organization.bucket_jobs[1].ledger.stores[0].rows.sets

                assert len(acme.asked("/api_keys")) - first <= len({labels[0] for labels in in_use})

        run(story())


def test_a_failure_half_way_keeps_what_was_there() -> None:
    """The projects that were read are not asked again at once; the others are."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, KEYS, [BY_KEY]) as acme:
                sim.simulator.faults.add("server_error", path="api_keys", skip=2, count=4)
                await acme.poll("completions")

                assert not (await acme.poll("api_keys")).up
                named = {info["api_key_name"] for info in acme.labels(INFO, "api_key_id").values()}

                assert "web" in named
                before = len(acme.asked("/api_keys"))

                assert (await acme.poll("api_keys")).up
                assert len(set(acme.asked("/api_keys"))) == len(set(acme.asked("/api_keys")[:before])) + (
                    len(acme.asked("/api_keys")) - before - 1
                )

        run(story())


def test_a_project_that_refuses_does_not_stop_the_others() -> None:
    """An archived project may answer 400: its keys keep their ids."""
    with simulation() as sim:
        refusing = sim.simulator.scenario.project(0).id

        async def story() -> None:
            async with running_organization(sim, KEYS, [BY_KEY]) as acme:
                sim.simulator.faults.add("status", path=f"{refusing}/api_keys", status=400)
                await acme.poll("completions")

                assert (await acme.poll("api_keys")).up
                infos = acme.labels(INFO, "api_key_id")

                assert all(infos[id_]["api_key_name"] == id_ for id_ in _keys_of(sim, 0) if id_ in infos)
                assert "web" in {info["api_key_name"] for info in infos.values()}

        run(story())


def test_admin_keys_have_names_and_times() -> None:
    """They page by the last row's id; one without a name is called by its id."""
    with simulation() as sim:
        organization = sim.simulator.tenants[0].organization

        async def story() -> None:
            async with running_organization(sim, metadata("admin_api_keys")) as acme:
                status = await acme.poll("admin_api_keys", "admin_api_keys")
                infos = acme.labels("openai_admin_api_key_info", "api_key_id")

                assert status.up
                assert {key.id: key.name or key.id for key in organization.admin_keys} == {
                    id_: info["api_key_name"] for id_, info in infos.items()
                }
                assert {key.id: key.expires_at for key in organization.admin_keys if key.expires_at} == _times(
                    acme, "openai_admin_api_key_expires_timestamp_seconds"
                )
                assert infos.keys() == _times(acme, "openai_admin_api_key_last_used_timestamp_seconds").keys()

        run(story())


@pytest.mark.parametrize("personal", [False, True])
def test_users_have_roles_and_only_on_request_names(personal: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """Every user that is listed or shown has one series, without personal data unless it is switched on."""
    with simulation() as sim:
        users = sim.simulator.tenants[0].organization.users
        by_user = plan("completions", group_by=["user_id"])

        async def story() -> None:
            async with running_organization(sim, metadata("users", personal_data=personal), [by_user]) as acme:
                await acme.poll("completions")
                shown = acme.labels("openai_user_info", "user_id")

                assert shown
                assert {"unknown"} == {info["role"] for info in shown.values()}
                await acme.poll("users")
                infos = acme.labels("openai_user_info", "user_id")

                assert {user.id for user in users} | shown.keys() == infos.keys()
                assert {user.id: user.role for user in users} == {user.id: infos[user.id]["role"] for user in users}
                ines = infos[users[0].id]

                assert ({"user_name": "Ines Okafor"} if personal else {}) == {
                    key: text for key, text in ines.items() if key not in {"user_id", "role"}
                }
                saved = " ".join(str(name.facts) for name in acme.organization.names_to_save())

                assert personal is ("Ines" in saved)

        run(story())


def test_names_of_keys_that_are_addresses_are_masked() -> None:
    """Keys are often called by their owner's address."""
    with simulation() as sim:
        key = sim.simulator.scenario.project(0).api_keys[0]
        key.name = "ines@northwind.example"

        async def story() -> None:
            async with running_organization(sim, KEYS, [BY_KEY]) as acme:
                await acme.poll("completions", "api_keys")

                assert "i***@***" == acme.labels(INFO, "api_key_id")[key.id]["api_key_name"]

        run(story())


@pytest.mark.parametrize("job", ["projects", "api_keys", "admin_api_keys", "users"])
def test_a_name_of_an_unexpected_type_is_the_id(job: str) -> None:
    """One unreadable field makes neither its entry nor the list unusable."""
    info, label = {
        "projects": ("openai_project_info", "project_id"),
        "api_keys": (INFO, "api_key_id"),
        "admin_api_keys": ("openai_admin_api_key_info", "api_key_id"),
        "users": ("openai_user_info", "user_id"),
    }[job]
    with simulation() as sim:
        organization = sim.simulator.tenants[0].organization
        project = organization.projects[0]
        organization.admin_keys[1].name = "another"
        odds: dict[str, Any] = {
            "projects": project,
            "api_keys": next(key for key in project.api_keys if key.listed),
            "admin_api_keys": organization.admin_keys[0],
            "users": organization.users[0],
        }
        odd = odds[job]
        odd.name = 5

        async def story() -> None:
            everything = metadata("projects", "api_keys", "admin_api_keys", "users", personal_data=True)
            async with running_organization(sim, everything, [BY_KEY], key=keys.FULL) as acme:
                await acme.poll("completions")

                assert (await acme.poll(job)).up
                names = {
                    id_: next(text for name, text in labels.items() if name.endswith("_name"))
                    for id_, labels in acme.labels(info, label).items()
                }

                labels = {"organization": "acme", "resource": job, "reason": "invalid_field"}
                rejected = acme.telemetry.registry.get_sample_value("openai_exporter_rows_rejected_total", labels)

                assert (odd.id, 1.0) == (names[odd.id], rejected)
                assert any(id_ != name for id_, name in names.items())

        run(story())


def test_a_rotation_gives_everybody_a_turn() -> None:
    """No poll takes more than its quota; the urgent go first; nobody is asked twice before all have been asked."""
    rotation = Rotation(900, 2)
    asked = []
    now = 0.0
    for urgent in (("d",), (), ()):
        for id_ in rotation.due("abcde", now, urgent):
            rotation.tried(id_, now)
            rotation.read(id_, now)
            asked.append(id_)
        now += 900

    assert list("dabcea") == asked
    assert (3 * 900, ["z"]) == (rotation.round(5), rotation.never("az"))
