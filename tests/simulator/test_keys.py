"""Who may ask what, and the words of refusals."""

import pytest

from exporter.simulator import Policy, keys
from tests.support.simulation import TODAY, Simulation, simulation

USAGE = "organization/usage/completions"
PROJECTS = "organization/projects"


@pytest.mark.parametrize(
    ("key", "usage", "projects"),
    [
        (keys.FULL, 200, 200),
        (keys.USAGE_ONLY, 200, 403),
        (keys.MANAGEMENT_ONLY, 403, 200),
        (keys.ORDINARY, 403, 403),
        (keys.OTHER_ORGANIZATION, 200, 200),
        ("sk-admin-nobody", 401, 401),
        (None, 401, 401),
    ],
)
def test_keys_open_what_their_scopes_say(steady: Simulation, key: str | None, usage: int, projects: int) -> None:
    """Usage needs one scope, names another; unknown keys are refused."""
    assert usage == steady.get(USAGE, key=key, start_time=TODAY).status_code
    assert projects == steady.get(PROJECTS, key=key).status_code


def test_refusals_name_the_missing_scope_and_never_the_key(steady: Simulation) -> None:
    """The message names the missing scope; an unknown key is redacted."""
    missing = steady.get(USAGE, key=keys.MANAGEMENT_ONLY, start_time=TODAY).json()
    unknown = steady.get(USAGE, key="sk-admin-a-long-secret-that-nobody-knows").json()
    short = steady.get(USAGE, key="sk-x").json()

    assert "server_error" == missing["error"]["type"]
    assert "Missing scopes: api.usage.read" in missing["error"]["message"]
    assert ("invalid_api_key", 401) == (unknown["error"]["code"], unknown["status"])
    assert "secret" not in unknown["error"]["message"]
    assert "sk-x" not in short["error"]["message"]


def test_refusals_can_be_strings_and_401() -> None:
    """Real refusals have come as a bare string, and with 401."""
    with simulation(policy=Policy(scope_error="string", scope_status=401)) as running:
        response = running.get(PROJECTS, key=keys.USAGE_ONLY)

    assert 401 == response.status_code
    assert "Missing scopes: api.management.read" in response.json()["error"]


def test_the_second_organization_is_another_one(steady: Simulation) -> None:
    """Its key returns other projects, other usage and another header."""
    ours, theirs = (steady.get(PROJECTS, key=key) for key in (keys.FULL, keys.OTHER_ORGANIZATION))
    headers = {response.headers["openai-organization"] for response in (ours, theirs)}

    assert [tenant.organization.id for tenant in steady.simulator.tenants] == [
        response.headers["openai-organization"] for response in (ours, theirs)
    ]
    assert 2 == len(headers)
    assert not {row["id"] for row in ours.json()["data"]} & {row["id"] for row in theirs.json()["data"]}


def test_answers_carry_the_documented_headers(steady: Simulation) -> None:
    """Every response has a unique id, the version and its duration; rate limits are omitted."""
    first, second = (steady.get(PROJECTS) for _ in range(2))

    assert first.headers["x-request-id"].startswith("req_")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert ("2020-10-01", "application/json") == (first.headers["openai-version"], first.headers["content-type"])
    assert int(first.headers["openai-processing-ms"]) > 0
    assert "Wed, 18 Nov 2026 15:42:17 GMT" == first.headers["date"]
    assert [] == [name for name in first.headers if name.startswith("x-ratelimit")]


def test_headers_can_be_switched() -> None:
    """The policy adds rate limit headers and leaves the organization out."""
    with simulation(policy=Policy(ratelimit_headers=True, organization_header=False)) as running:
        headers = running.get(PROJECTS).headers

    assert "60" == headers["x-ratelimit-limit-requests"]
    assert "openai-organization" not in headers


@pytest.mark.parametrize("path", ["organization/nothing", "organization/usage/nothing", "models", "organization", ""])
def test_unknown_paths_are_404(steady: Simulation, path: str) -> None:
    """An unknown path is an error object with the documented message."""
    response = steady.get(path)

    assert 404 == response.status_code
    assert f"Invalid URL (GET /v1/{path})" == response.json()["error"]["message"]


def test_paths_outside_the_prefix_are_404(steady: Simulation) -> None:
    """The API exists under its prefix only."""
    url = steady.url.replace("/v1", "/v2/organization/projects")

    assert 404 == steady.http.get(url, headers={"Authorization": f"Bearer {keys.FULL}"}).status_code


def test_only_reading_is_allowed(steady: Simulation) -> None:
    """POST is refused, HEAD answers without a body."""
    url, headers = f"{steady.url}/{PROJECTS}", {"Authorization": f"Bearer {keys.FULL}"}
    head = steady.http.head(url, headers=headers)

    assert 405 == steady.http.post(url, headers=headers).status_code
    assert (200, b"") == (head.status_code, head.content)
    assert int(head.headers["content-length"]) > 0


def test_a_fast_client_is_refused_until_it_waits() -> None:
    """With a request limit, a burst passes, then 429 has the time to wait, after which requests pass again."""
    with simulation(policy=Policy(requests_per_minute=30, burst=3)) as running:
        statuses = [running.get(PROJECTS).status_code for _ in range(4)]
        refused = running.get(PROJECTS)
        running.clock.pass_by(2)
        later = running.get(PROJECTS).status_code

    assert [200, 200, 200, 429] == statuses
    assert ("2", "2000") == (refused.headers["retry-after"], refused.headers["retry-after-ms"])
    assert "rate_limit_exceeded" == refused.json()["error"]["code"]
    assert 200 == later
