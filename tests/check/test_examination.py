"""Every endpoint is requested once, and each problem has its own message."""

from collections.abc import Iterator
from typing import Any

import pytest

from exporter.catalog import CATALOG, METADATA
from exporter.check import Grade, lookups
from exporter.simulator import Shape, keys
from tests.support.checkup import PLANS, Checkup, checkup
from tests.support.scripted_api import plan

USAGE = [row.name for row in CATALOG if row.name != "costs"]


@pytest.fixture
def small() -> Iterator[Checkup]:
    """Give an organization that is examined by costs and one endpoint of usage."""
    with checkup() as running:
        running.plans = (plan("embeddings"), plan("costs"))
        running.lookups = ()
        yield running


def fault(checked: Checkup, kind: str, **settings: Any) -> None:  # noqa: ANN401 - options are any JSON value
    """Switch a fault of the simulator on."""
    assert checked.simulator

    checked.simulator.faults.add(kind, **settings)


def asked(checked: Checkup) -> list[str]:
    """Return the requested paths, in order."""
    assert checked.simulator

    return [request.path.removeprefix("/v1/organization/") for request in checked.simulator.requests]


def test_healthy() -> None:
    """A good key reads every row of the table, costs first, each with one request."""
    with checkup() as checked:
        verdict = checked.run()

        assert verdict.readable
        assert "research: usage and costs can be read" == str(verdict)
        assert {Grade.OK} == set(checked.grades().values())
        assert ["costs", *(f"usage/{name}" for name in USAGE), "projects", "spend_limit", "spend_alerts"] == asked(
            checked
        )


def test_progress() -> None:
    """Findings are in the order of the responses, those of the organization last."""
    with checkup() as checked:
        checked.run()

        assert ["costs", *USAGE, "projects", "spend_limit", "spend_alerts", "organization"] == [
            finding.topic for finding in checked.found
        ]


def test_costs_summed(small: Checkup) -> None:
    """The line of the costs has the sum, to be compared with the billing page."""
    assert small.simulator
    small.run()

    truth = small.simulator.scenario.truth("costs", since=PLANS[0].lookback_start(small.simulator.now()))
    total = sum(float(row["values"]["amount"]) for row in truth)
    words = small.finding("costs").message
    assert total == pytest.approx(float(words.split()[-4].replace(",", "")), rel=1e-3)


def test_ordinary_key() -> None:
    """A project's key is called what it is, and nothing more is asked with it."""
    with checkup() as checked:
        checked.key = keys.ORDINARY
        verdict = checked.run()

        assert not verdict.readable
        assert "is an ordinary key" in checked.finding("costs").message
        assert "Create an admin key" in checked.finding("costs").advice
        assert ["costs"] == asked(checked)


def test_session_token(small: Checkup) -> None:
    """A browser's token is called what it is."""
    small.key = keys.SESSION
    small.run()

    assert "a browser's session token" in small.finding("costs").message


def test_usage_scope_missing() -> None:
    """An admin key without the scope for usage fails everywhere but in the directory, and the scope is named."""
    with checkup() as checked:
        checked.key = keys.MANAGEMENT_ONLY
        verdict = checked.run()

        assert not verdict.readable
        assert "lacks the scope api.usage.read (and 11 more)" in str(verdict)
        assert "api.usage.read" in checked.finding("costs").advice
        assert Grade.OK is checked.finding("projects").grade


@pytest.mark.parametrize("status", [401, 403])
def test_management_scope_missing(status: int) -> None:
    """A key without the scope for names reads usage all the same, whichever status says so."""
    with checkup() as checked:
        assert checked.simulator
        checked.simulator.set_policy(scope_status=status)
        checked.key = keys.USAGE_ONLY
        verdict = checked.run()

        assert "research: usage and costs can be read, with 3 notes" == str(verdict)
        assert checked.finding("projects").message.endswith("lacks the scope api.management.read; names stay ids")
        assert checked.finding("spend_limit").message.endswith("limits are left out")


def test_unknown_key(small: Checkup) -> None:
    """A key that the API does not know ends the examination at the first answer, without being shown."""
    small.key = "sk-admin-nobody-knows-this-one"
    verdict = small.run()

    assert not verdict.readable
    assert "is not accepted" in small.finding("costs").message
    assert "copied whole" in small.finding("costs").advice
    assert Grade.NOT_ASKED is small.finding("embeddings").grade
    assert all("nobody" not in finding.message + finding.advice for finding in small.found)


def test_unknown_key_of_no_kind(small: Checkup) -> None:
    """Something that does not even look like a key is said to."""
    small.key = "swordfish"
    small.run()

    assert "not a key that OpenAI issues" in small.finding("costs").message


def test_unusable_key(small: Checkup) -> None:
    """An empty key is never sent."""
    small.key = " "
    small.run()

    assert "the key from OPENAI_ADMIN_KEY cannot be used: the key is empty" == small.finding("costs").message
    assert [] == asked(small)


def test_other_organization(small: Checkup) -> None:
    """A key of another organization than the configured one is a failure that names both."""
    small.organization_id = "org-wanted"
    verdict = small.run()

    assert not verdict.readable
    assert "not to org-wanted" in small.finding("organization").message


def test_header_suspected(small: Checkup) -> None:
    """Where the API forbids, or does not know the key, the configured organization is mentioned as a cause."""
    small.organization_id = "org-wanted"
    fault(small, "status", status=403, message="No access.")
    small.run()

    assert "OpenAI-Organization names org-wanted" in small.finding("costs").advice

    small.key = "sk-admin-nobody-knows-this-one"
    small.run()

    assert "OpenAI-Organization names org-wanted" in small.finding("costs").advice


def test_nothing_spent() -> None:
    """An organization that does nothing can be read, with a hint that it may be the wrong one."""
    with checkup(Shape(activity=0)) as checked:
        checked.lookups = ()
        verdict = checked.run()

        assert "research: usage and costs can be read, with 1 note" == str(verdict)
        assert "this may be the wrong organization" in checked.finding("organization").message
        assert "nothing in 31 d" == checked.finding("costs").message


def test_usage_without_costs() -> None:
    """Usage that is not billed gets a separate hint."""
    with checkup(Shape(activity=0)) as checked:
        assert checked.simulator
        checked.lookups = ()
        checked.simulator.scenario.add_usage("embeddings", {"input_tokens": 5, "num_model_requests": 1})
        checked.plans = (plan("costs", filters=(("project_ids", "proj_a"),)), plan("embeddings"))
        checked.run()

        assert "there is usage, but every cost is zero" in checked.finding("organization").message
        assert "a filter" in checked.finding("organization").advice
        assert "1 label set in 31 d" == checked.finding("embeddings").message


def test_clock_skew(small: Checkup) -> None:
    """The skew of a wrong clock is reported; usage can still be read."""
    fault(small, "clock_skew", seconds=10_800)
    verdict = small.run()

    assert verdict.readable
    assert "this machine's clock is 3 h behind the API's" == small.finding("clock").message


def test_clock_ahead(small: Checkup) -> None:
    """The direction is said, and short differences in seconds."""
    fault(small, "clock_skew", seconds=-45)
    small.run()

    assert small.finding("clock").message.endswith(" s ahead of the API's")


def test_unsupported() -> None:
    """An endpoint that the host lacks is no failure."""
    with checkup() as checked:
        fault(checked, "unsupported", path="usage/decisions")
        verdict = checked.run()

        assert verdict.readable
        assert Grade.UNSUPPORTED is checked.finding("decisions").grade


def test_no_usage_endpoint(small: Checkup) -> None:
    """A host without any endpoint of usage is not the API."""
    fault(small, "unsupported", path="usage/")
    verdict = small.run()

    assert not verdict.readable
    assert "none of the endpoints of usage" in small.finding("usage").message


def test_no_costs_endpoint(small: Checkup) -> None:
    """A host without costs cannot be read."""
    fault(small, "unsupported", path="costs")
    verdict = small.run()

    assert not verdict.readable
    assert "ends in /v1" in small.finding("costs").advice


def test_grouping_refused(small: Checkup) -> None:
    """A grouping that the API refuses is given up label by label, and is no failure."""
    assert small.simulator
    small.simulator.set_policy(costs_by_user_and_project=False)
    small.plans = (plan("costs", group_by=("project_id", "user_id", "line_item")), plan("embeddings"))
    verdict = small.run()

    assert verdict.readable
    assert Grade.NOTE is small.finding("costs").grade
    assert "refuses to group by user_id" in small.finding("costs").message


def test_request_refused(small: Checkup) -> None:
    """A refusal that has nothing to do with grouping is a failure."""
    fault(small, "status", status=400, message="Invalid 'models': unknown model.", path="usage/")
    verdict = small.run()

    assert not verdict.readable
    assert "unknown model" in small.finding("embeddings").message


def test_billing(small: Checkup) -> None:
    """429 for lack of funds differs from 429 for too many requests."""
    fault(small, "billing", path="costs")
    verdict = small.run()

    assert not verdict.readable
    assert "out of credit or at a limit" in small.finding("costs").message
    assert "Add credit" in small.finding("costs").advice
    assert Grade.OK is small.finding("embeddings").grade


def test_asked_too_often(small: Checkup) -> None:
    """A pause that is longer than the patience is not waited for, and no other endpoint is asked in it."""
    fault(small, "rate_limited", retry_after=300)
    verdict = small.run()

    assert not verdict.readable
    assert "the API limits the request rate; retry after 300 s" in small.finding("costs").message
    assert ["costs"] == asked(small)


def test_short_pause(small: Checkup) -> None:
    """A pause that the patience allows is waited for."""
    fault(small, "rate_limited", retry_after=2, count=1)

    assert small.run().readable


def test_server_error(small: Checkup) -> None:
    """A failing endpoint is reported, and the others are checked."""
    fault(small, "server_error", path="usage/")
    verdict = small.run()

    assert not verdict.readable
    assert "The server had an error" in small.finding("embeddings").message
    assert Grade.OK is small.finding("costs").grade


def test_a_host_that_fails_everywhere(small: Checkup) -> None:
    """After three endpoints in a row the rest is not requested: the check ends soon."""
    fault(small, "bad_gateway")
    small.plans = PLANS
    verdict = small.run()

    assert not verdict.readable
    assert 3 == len(set(asked(small)))
    assert [Grade.NOT_ASKED] == [grade for topic, grade in small.grades().items() if "," in topic]


def test_silence(small: Checkup) -> None:
    """A host that never answers is given up after the patience, and the rest is not asked."""
    fault(small, "never")
    small.timeout, small.patience = 0.2, 0.4
    verdict = small.run()

    assert not verdict.readable
    assert "does not answer in time" in small.finding("costs").message
    assert Grade.NOT_ASKED is small.finding("embeddings").grade


def test_slow_endpoint(small: Checkup) -> None:
    """One endpoint that never answers does not keep the others from being asked."""
    fault(small, "never", path="usage/embeddings")
    small.plans = PLANS[:4]
    small.timeout, small.patience = 30.0, 6.0
    small.run()

    assert Grade.FAILED is small.finding("embeddings").grade
    assert {Grade.OK} == {grade for topic, grade in checked_grades(small) if topic != "embeddings"}


def checked_grades(checked: Checkup) -> list[tuple[str, Grade]]:
    """Return the grades of the endpoints of the table."""
    names = {row.name for row in CATALOG}
    return [(topic, grade) for topic, grade in checked.grades().items() if topic in names]


@pytest.mark.parametrize("kind", ["missing_bucket", "truncated", "not_json"])
def test_nonsense(small: Checkup, kind: str) -> None:
    """An answer that cannot be right is a failure."""
    fault(small, kind, path="usage/")
    verdict = small.run()

    assert not verdict.readable
    assert Grade.FAILED is small.finding("embeddings").grade


def test_fine_buckets(small: Checkup) -> None:
    """A resource in minutes is requested for the day of one page."""
    small.plans = (plan("costs"), plan("embeddings", width="1m"))
    small.run()

    assert small.finding("embeddings").message.endswith("in 1 d")
    assert 2 == len(asked(small))


def test_every_lookup() -> None:
    """Endpoints of projects are requested once, for the first active one."""
    with checkup() as checked:
        checked.plans = (plan("costs"),)
        checked.lookups = lookups([row.name for row in METADATA if not row.legacy])
        checked.run()

        assert checked.simulator
        project = next(each for each in checked.simulator.scenario._tenant.organization.projects)
        paths = [row.path.removeprefix("organization/") for row in checked.lookups]
        found = [path.format(project_id=project.id, group_id="group_everyone") for path in paths]

        assert ["costs", *found] == asked(checked)
        assert {row.name for row in METADATA if not row.legacy} == {row.name for row in checked.lookups}
        assert {Grade.OK} == set(checked.grades().values())


def test_configured_project() -> None:
    """A filter on projects says which project to ask about."""
    with checkup() as checked:
        checked.plans = (plan("costs"),)
        checked.project_ids = ("proj_mine",)
        checked.lookups = lookups(["rate_limits"])
        checked.run()

        assert "projects/proj_mine/rate_limits" == asked(checked)[-1]
        assert Grade.NOTE is checked.finding("rate_limits").grade


def test_no_project() -> None:
    """Without any project there is nothing to ask about it, which is no failure."""
    with checkup() as checked:
        checked.plans = (plan("costs"),)
        checked.lookups = lookups(["rate_limits"])
        fault(checked, "unsupported", path="projects")
        verdict = checked.run()

        assert verdict.readable
        assert "there is no project to request it for" == checked.finding("rate_limits").message


def test_no_limit_set() -> None:
    """404 for a spend limit means that none is set."""
    with checkup() as checked:
        assert checked.simulator
        checked.plans = (plan("costs"),)
        checked.simulator.scenario.set_spend_limit(None)
        checked.run()

        assert (Grade.OK, "none is set") == (
            checked.finding("spend_limit").grade,
            checked.finding("spend_limit").message,
        )


def test_trouble_with_names() -> None:
    """Haste that is punished while names are looked up leaves usage and costs readable."""
    with checkup() as checked:
        checked.plans = (plan("costs"),)
        fault(checked, "rate_limited", retry_after=300, path="projects")
        verdict = checked.run()

        assert verdict.readable
        assert "not requested: it would fail in the same way" == checked.finding("spend_limit, spend_alerts").message
