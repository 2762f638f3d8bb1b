"""Names and limits: what is listed, what is hidden, and how lists go on."""

import pytest

from tests.support.simulation import NOW, Json, Simulation


def names(page: Json) -> list[str]:
    """Return the names of a list's rows."""
    return [row["name"] for row in page["data"]]


def test_archived_projects_are_listed_on_request(steady: Simulation) -> None:
    """One project is archived, two share a name, one name has quotes and an emoji."""
    shown = names(steady.page("projects"))
    everything = steady.page("projects", include_archived="true")

    assert ["sunset-pilot"] == sorted(set(names(everything)) - set(shown))
    assert 2 == shown.count("sandbox")
    assert any("🚀" in name and '"' in name for name in shown)
    assert [("archived", True)] == [
        (row["status"], row["archived_at"] < NOW) for row in everything["data"] if row["status"] != "active"
    ]


@pytest.mark.parametrize("path", ["service_accounts", "users"])
def test_lists_of_an_archived_project_are_refused(steady: Simulation, path: str) -> None:
    """Accounts and members of an archived project are a 400; its keys are still listed."""
    archived = next(row["id"] for row in steady.page("projects", include_archived="true")["data"] if row["archived_at"])
    status, error = steady.error(f"projects/{archived}/{path}")

    assert (400, "project_archived") == (status, error["code"])
    assert 200 == steady.get(f"organization/projects/{archived}/api_keys").status_code


def test_last_id_is_not_the_last_rows_id(steady: Simulation) -> None:
    """Lists continue after the response's last_id, which differs from the row's id."""
    first = steady.page("projects", limit=2)
    second = steady.page("projects", limit=2, after=first["last_id"])
    status, error = steady.error("projects", after=first["data"][-1]["id"])

    assert first["last_id"] != first["data"][-1]["id"]
    assert not {row["id"] for row in first["data"]} & {row["id"] for row in second["data"]}
    assert (400, "after") == (status, error["param"])


def test_admin_keys_go_on_after_the_last_rows_id(steady: Simulation) -> None:
    """Admin keys page by the row's id, in both orders, and not by last_id."""
    first = steady.page("admin_api_keys", limit=1)
    second = steady.page("admin_api_keys", limit=1, after=first["data"][-1]["id"])
    status, _ = steady.error("admin_api_keys", after=first["last_id"])
    backwards = steady.page("admin_api_keys", order="desc")

    assert (True, False, 400) == (first["has_more"], second["has_more"], status)
    assert [*first["data"], *second["data"]] == backwards["data"][::-1]


def test_groups_go_on_after_next(steady: Simulation) -> None:
    """Groups have `next` and no first or last id."""
    first = steady.page("groups", limit=2)
    second = steady.page("groups", limit=2, after=first["next"])

    assert (["everyone", "finance"], ["research"]) == (names(first), names(second))
    assert (None, False) == (second["next"], "last_id" in second)


def test_lists_go_back_before_a_row(steady: Simulation) -> None:
    """Rate limits can be read backwards too."""
    project = steady.page("projects")["data"][0]["id"]
    path = f"projects/{project}/rate_limits"
    everything = steady.page(path)
    before = steady.page(path, before=everything["last_id"], limit=2)

    assert everything["data"][2:4] == before["data"]
    assert before["has_more"] is True


def test_empty_lists_have_no_ids(steady: Simulation) -> None:
    """An empty list has null ids."""
    page = steady.page("invites")

    assert ([], None, None, False) == (page["data"], page["first_id"], page["last_id"], page["has_more"])


def test_keys_of_people_who_left_are_shown_to_any(steady: Simulation) -> None:
    """The default hides keys whose owner has no access; `any` shows them; a key in usage is in no list at all."""
    project = steady.page("projects")["data"][0]["id"]
    path = f"projects/{project}/api_keys"
    listed = {row["id"]: row["name"] for row in steady.page(path, owner_project_access="any")["data"]}
    used = {
        row["api_key_id"]
        for row in steady.rows(
            "usage/completions", start_time=int(NOW) - 86400, group_by=["api_key_id"], project_ids=[project]
        )
    }
    status, error = steady.error(f"{path}/{min(used - set(listed))}")

    assert "left-the-team" not in names(steady.page(path))
    assert ["left-the-team"] == names(steady.page(path, owner_project_access="inactive"))
    assert "left-the-team" in listed.values()
    assert set(listed) < used
    assert (404, "not_found") == (status, error["code"])


def test_single_objects_are_those_of_the_lists(steady: Simulation) -> None:
    """A project, a user, an admin key and a project's key are found by id."""
    project = steady.page("projects")["data"][0]
    keys_path = f"projects/{project['id']}/api_keys"
    for path, row in [
        ("projects", project),
        ("users", steady.page("users")["data"][-1]),
        ("admin_api_keys", steady.page("admin_api_keys")["data"][0]),
        (keys_path, steady.page(keys_path)["data"][0]),
    ]:
        assert row == steady.page(f"{path}/{row['id']}")
        assert 404 == steady.error(f"{path}/nobody")[0]


def test_users_are_found_by_mail(steady: Simulation) -> None:
    """The filter for addresses returns only those; service accounts have users without names."""
    everybody = steady.page("users", limit=100)["data"]
    chosen = steady.page("users", emails=[everybody[1]["email"]])["data"]

    assert [everybody[1]] == chosen
    assert {(None, None)} == {(row["name"], row["email"]) for row in everybody if row["is_service_account"]}


def test_a_limit_out_of_range_is_refused(steady: Simulation) -> None:
    """Lists have at most 100 rows a page."""
    status, error = steady.error("projects", limit=101)

    assert (400, "integer_above_max_value") == (status, error["code"])
    assert "Expected a value <= 100, but got 101 instead." in error["message"]


def test_spend_limits_are_there_or_404(fresh: Simulation) -> None:
    """A limit is cents a month; where none is set, the answer is 404."""
    scenario = fresh.simulator.scenario
    first, second = (row["id"] for row in fresh.page("projects", limit=2)["data"])
    scenario.set_spend_limit(12_345, enforcing=True)
    scenario.set_spend_alerts([100, 200])
    scenario.set_spend_alerts([300], project=second)

    assert {
        "object": "organization.spend_limit",
        "threshold_amount": 12_345,
        "currency": "USD",
        "interval": "month",
        "enforcement": {"status": "enforcing"},
    } == fresh.page("spend_limit")
    assert "project.spend_limit" == fresh.page(f"projects/{first}/spend_limit")["object"]
    assert 404 == fresh.error(f"projects/{second}/spend_limit")[0]
    assert [200, 100] == [row["threshold_amount"] for row in fresh.page("spend_alerts", order="desc")["data"]]
    assert ["project.spend_alert"] == [row["object"] for row in fresh.page(f"projects/{second}/spend_alerts")["data"]]
    scenario.set_spend_limit(None)
    assert 404 == fresh.error("spend_limit")[0]


def test_rate_limits_say_when_there_is_none(fresh: Simulation) -> None:
    """The value 2^31 - 1 means no limit; a limit can be changed."""
    project = fresh.page("projects")["data"][0]
    fresh.simulator.scenario.set_rate_limit(project["name"], "gpt-5.5", 7, 70)
    rows = {row["model"]: row for row in fresh.page(f"projects/{project['id']}/rate_limits")["data"]}

    assert 2147483647 == rows["whisper-1"]["max_tokens_per_1_minute"]
    assert (7, 70) == (rows["gpt-5.5"]["max_requests_per_1_minute"], rows["gpt-5.5"]["max_tokens_per_1_minute"])


def test_projects_are_founded_renamed_archived_and_deleted(fresh: Simulation) -> None:
    """The list changes, usage of an ended project stops, and its past usage stays."""
    scenario = fresh.simulator.scenario
    new = scenario.add_project("brand-new")
    scenario.rename_project(0, "renamed")
    scenario.archive_project(1)
    scenario.delete_project(2)
    deleted = scenario.project(2).id
    ask = {"start_time": int(NOW) // 86400 * 86400, "group_by": ["project_id"]}
    before = {row["project_id"]: row["input_tokens"] for row in fresh.rows("usage/embeddings", **ask)}
    fresh.clock.pass_by(3600)
    after = {row["project_id"]: row["input_tokens"] for row in fresh.rows("usage/embeddings", **ask)}
    shown = {row["id"]: row for row in fresh.page("projects", include_archived="true")["data"]}

    assert "brand-new" == shown[new]["name"]
    assert "renamed" == shown[scenario.project(0).id]["name"]
    assert "archived" == shown[scenario.project(1).id]["status"]
    assert deleted not in shown
    assert 404 == fresh.error(f"projects/{deleted}")[0]
    assert before[deleted] == after[deleted]
    assert before[scenario.project(1).id] == after[scenario.project(1).id]
    assert before[scenario.project(0).id] < after[scenario.project(0).id]
    assert new not in before
    assert after[new] > 0


def test_a_deleted_key_is_in_no_list(fresh: Simulation) -> None:
    """Deleting a key takes it out of its project's list."""
    project = fresh.page("projects")["data"][0]["id"]
    key = fresh.page(f"projects/{project}/api_keys")["data"][0]["id"]
    fresh.simulator.scenario.delete_api_key(key)

    assert key not in {row["id"] for row in fresh.page(f"projects/{project}/api_keys")["data"]}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("data_retention", "organization.data_retention"),
        ("projects/{}/data_retention", "project.data_retention"),
        ("projects/{}/model_permissions", "project.model_permissions"),
        ("roles", "list"),
        ("certificates", "list"),
        ("audit_logs", "list"),
    ],
)
def test_policies_are_listed(steady: Simulation, path: str, kind: str) -> None:
    """The other endpoints return their documented objects."""
    project = steady.page("projects")["data"][0]["id"]

    assert kind == steady.page(path.format(project))["object"]
