"""The official client takes the simulated API for the real one."""

import typing

import openai
import pytest

from exporter.catalog import CATALOG, Resource
from exporter.simulator import keys
from tests.support.simulation import DAY, TODAY, Json, Simulation


def names(row: Resource) -> str:
    """Return the test id of a catalog row."""
    return row.name


def ask(client: openai.OpenAI, row: Resource, **parameters: Json) -> Json:
    """Ask a row's endpoint by the method that the official client has for it."""
    return getattr(client.admin.organization.usage, row.name)(**parameters)


@pytest.mark.parametrize("row", CATALOG, ids=names)
def test_rows_are_what_the_official_client_expects(steady: Simulation, row: Resource) -> None:
    """Every row of every endpoint validates strictly as one of the types that the official client declares."""
    client = steady.official()
    for group_by in ([], list(row.group_by), list(row.dimensions)):
        page = ask(client, row, start_time=TODAY - 3 * DAY, limit=4, group_by=group_by)
        results = [result for bucket in page.data for result in bucket.results]
        for result in results:
            type(result).model_validate(result.model_dump(warnings="error"), strict=True)

        assert {row.object} == {result.object for result in results}
        assert {"page"} == {page.object}
        assert 4 == len(page.data)


@pytest.mark.parametrize("row", CATALOG, ids=names)
def test_no_field_is_unknown_to_the_official_client(steady: Simulation, row: Resource) -> None:
    """The simulator invents no field: what it sends is declared by the official client's types."""
    page = ask(steady.official(), row, start_time=TODAY - DAY, limit=2, group_by=list(row.dimensions))

    assert [] == [extra for bucket in page.data for result in bucket.results for extra in result.model_extra or ()]


@pytest.mark.parametrize("row", CATALOG, ids=names)
def test_grouped_dimensions_have_values_and_others_are_null(steady: Simulation, row: Resource) -> None:
    """A dimension is filled when grouped by, and null when not."""
    client = steady.official()
    results = ask(client, row, start_time=TODAY - DAY, limit=1, group_by=list(row.group_by)).data[0].results
    silent = ask(client, row, start_time=TODAY - DAY, limit=1).data[0].results

    assert all(getattr(result, name) is not None for result in results for name in row.group_by)
    assert [[None] * len(row.dimensions)] == [[getattr(result, name) for name in row.dimensions] for result in silent]


def test_filters_of_the_official_client_are_understood(steady: Simulation) -> None:
    """The client's bracketed filters let only matching rows through."""
    project = steady.simulator.tenants[0].organization.projects[0].id
    page = steady.official().admin.organization.usage.completions(
        start_time=TODAY - DAY,
        limit=1,
        group_by=["project_id", "model", "batch"],
        project_ids=[project],
        models=["gpt-5-mini-2025-08-07", "gpt-5.5-2026-04-23"],
        batch=True,
    )
    rows = typing.cast("list[Json]", page.data[0].results)

    assert {(project, "gpt-5-mini-2025-08-07", True), (project, "gpt-5.5-2026-04-23", True)} == {
        (row.project_id, row.model, row.batch) for row in rows
    }


def test_line_items_with_commas_are_filtered_whole(steady: Simulation) -> None:
    """A line item is one value although it contains a comma."""
    item = "gpt-5.5-2026-04-23, input"
    page = steady.official().admin.organization.usage.costs(
        start_time=TODAY - DAY, limit=1, group_by=["line_item"], line_items=[item]
    )
    rows = typing.cast("list[Json]", page.data[0].results)

    assert [(item, "tokens", "usd")] == [(row.line_item, row.quantity_unit, row.amount.currency) for row in rows]


def test_pages_of_buckets_lead_to_the_end(steady: Simulation) -> None:
    """Following next_page gives every day once, and ends."""
    client = steady.official()
    starts: list[int] = []
    page: str | openai.Omit = openai.omit
    while True:
        answer = client.admin.organization.usage.embeddings(start_time=TODAY - 9 * DAY, limit=4, page=page)
        starts += [bucket.start_time for bucket in answer.data]
        if not answer.has_more:
            break
        page = answer.next_page or ""

    assert list(range(TODAY - 9 * DAY, TODAY + 1, DAY)) == starts
    assert answer.next_page is None


def test_lists_page_themselves(steady: Simulation) -> None:
    """The client's automatic paging meets every project, user, key, account and limit once."""
    admin = steady.official().admin.organization
    organization = steady.simulator.tenants[0].organization
    projects = [project.id for project in admin.projects.list(limit=2, include_archived=True)]
    users = [user.id for user in admin.users.list(limit=3)]
    admin_keys = [key.id for key in admin.admin_api_keys.list(limit=1)]
    groups = [group.name for group in admin.groups.list(limit=1)]
    first = organization.projects[0]
    api_keys = [key.id for key in admin.projects.api_keys.list(first.id, limit=1, owner_project_access="any")]
    accounts = [account.id for account in admin.projects.service_accounts.list(first.id, limit=1)]
    members = [member.id for member in admin.projects.users.list(first.id, limit=1)]
    limits = [limit.model for limit in admin.projects.rate_limits.list_rate_limits(first.id, limit=2)]

    assert [project.id for project in organization.projects] == projects
    assert [user.id for user in organization.users] == users
    assert [key.id for key in organization.admin_keys] == admin_keys
    assert ["everyone", "finance", "research"] == groups
    assert [key.id for key in first.api_keys if key.listed] == api_keys
    assert [account.id for account in first.service_accounts] == accounts
    assert [user.id for user in first.users] == members
    assert [limit.model for limit in steady.simulator.tenants[0].limits.rates[first.id]] == limits


def test_objects_of_the_directory_validate(steady: Simulation) -> None:
    """Everything in metadata lists validates strictly as the official client's type, with no unknown field."""
    admin = steady.official().admin.organization
    first = steady.simulator.tenants[0].organization.projects[0].id
    found: list[Json] = [
        *admin.projects.list(include_archived=True),
        *admin.users.list(),
        *admin.admin_api_keys.list(),
        *admin.groups.list(),
        *admin.roles.list(),
        *admin.invites.list(),
        *admin.spend_alerts.list(),
        admin.spend_limit.retrieve(),
        admin.data_retention.retrieve(),
        admin.projects.spend_limit.retrieve(first),
        admin.projects.service_tier_settings.retrieve(first),
        admin.projects.hosted_tool_permissions.retrieve(first),
        *admin.projects.spend_alerts.list(first),
        *admin.projects.api_keys.list(first, owner_project_access="any"),
        *admin.projects.service_accounts.list(first),
        *admin.projects.users.list(first),
    ]
    for each in found:
        type(each).model_validate(each.model_dump(by_alias=True, warnings="error"), strict=True)

    assert [] == [(type(each).__name__, each.model_extra) for each in found if each.model_extra]


def test_errors_become_the_official_clients_errors(steady: Simulation) -> None:
    """A key without the scope, an unknown key and a missing object raise different errors in the official client."""
    with pytest.raises(openai.PermissionDeniedError, match=r"Missing scopes: api\.usage\.read"):
        steady.official(keys.ORDINARY).admin.organization.usage.costs(start_time=TODAY)
    with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
        steady.official("sk-admin-nobody-knows-this").admin.organization.projects.list()
    with pytest.raises(openai.NotFoundError, match="No such project"):
        steady.official().admin.organization.projects.retrieve("proj_nowhere")
