"""The billing endpoints of before 2024."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from exporter.simulator import Policy, keys
from exporter.simulator.legacy import GRANTED
from tests.support.simulation import DAY, TODAY, Simulation, simulation

BILLING = ("credit_grants", "usage", "subscription")
YESTERDAY = datetime.fromtimestamp(TODAY - DAY, UTC).strftime("%Y-%m-%d")
TOMORROW = datetime.fromtimestamp(TODAY + DAY, UTC).strftime("%Y-%m-%d")


@pytest.mark.parametrize("name", BILLING)
def test_secret_keys_are_refused(steady: Simulation, name: str) -> None:
    """With any secret key the answer is 403 and says that a browser's session is needed."""
    for key in (keys.FULL, keys.ORDINARY):
        response = steady.get(f"dashboard/billing/{name}", key=key)

        assert 403 == response.status_code
        assert "must be made with a session key" in response.json()["error"]["message"]


def test_old_usage_is_empty_and_means_nothing(steady: Simulation) -> None:
    """Usage of a date answers 200 with no rows, though there was usage."""
    answer = steady.get("usage", key=keys.ORDINARY, date=YESTERDAY).json()

    assert ([], []) == (answer["data"], answer["whisper_api_data"])


def test_a_session_is_answered(steady: Simulation) -> None:
    """A browser's session reads the grants, with or without the prefix."""
    path = "dashboard/billing/credit_grants"
    answer = steady.get(path, key=keys.SESSION).json()
    bare = steady.http.get(
        f"{steady.url.removesuffix('/v1')}/{path}", headers={"Authorization": f"Bearer {keys.SESSION}"}
    ).json()

    assert answer == bare
    assert float(GRANTED) == answer["total_granted"]
    assert answer["total_granted"] == pytest.approx(answer["total_used"] + answer["total_available"])
    assert answer["total_used"] > 0


def test_billing_usage_is_the_costs_in_cents() -> None:
    """With the policy to answer, the daily costs are those of the costs endpoint, in cents."""
    with simulation(policy=Policy(legacy="answer")) as running:
        answer = running.get(
            "dashboard/billing/usage", key=keys.ORDINARY, start_date=YESTERDAY, end_date=TOMORROW
        ).json()
        truth = running.simulator.scenario.truth("costs", ["line_item"], since=TODAY - DAY)

    assert [float(TODAY - DAY), float(TODAY)] == [day["timestamp"] for day in answer["daily_costs"]]
    assert {
        (float(entry["start_time"]), entry["dimensions"]["line_item"], float(Decimal(entry["values"]["amount"]) * 100))
        for entry in truth
    } == {(day["timestamp"], item["name"], item["cost"]) for day in answer["daily_costs"] for item in day["line_items"]}
    assert answer["total_usage"] == pytest.approx(sum(float(entry["values"]["amount"]) for entry in truth) * 100)


def test_old_usage_can_be_answered() -> None:
    """With the policy to answer, the rows of a date add up to the completions of that day."""
    with simulation(policy=Policy(legacy="answer")) as running:
        rows = running.get("usage", key=keys.ORDINARY, date=YESTERDAY).json()["data"]
        (day,) = running.rows("usage/completions", start_time=TODAY - DAY, end_time=TODAY)

    assert (day["input_tokens"], day["input_cached_tokens"], day["output_tokens"], day["num_model_requests"]) == tuple(
        sum(row[name] for row in rows)
        for name in (
            "n_context_tokens_total",
            "n_cached_context_tokens_total",
            "n_generated_tokens_total",
            "n_requests",
        )
    )


def test_the_organization_and_the_subscription_can_be_answered() -> None:
    """With the policy to answer there are an organization by its id, and a plan."""
    with simulation(policy=Policy(legacy="answer")) as running:
        key = running.simulator.tenants[0].organization.id
        organization = running.get(f"organizations/{key}", key=keys.ORDINARY).json()
        other = running.get("organizations/org-nobody", key=keys.ORDINARY).status_code
        plan = running.get("dashboard/billing/subscription", key=keys.ORDINARY).json()["plan"]

    assert ("organization", "Northwind Robotics") == (organization["object"], organization["title"])
    assert (404, "payg") == (other, plan["id"])


def test_dates_have_to_be_dates(steady: Simulation) -> None:
    """A date that is none is refused by name."""
    response = steady.get("usage", key=keys.ORDINARY, date="yesterday")

    assert (400, "date") == (response.status_code, response.json()["error"]["param"])


def test_other_dashboard_paths_do_not_exist(steady: Simulation) -> None:
    """There is nothing else under the dashboard."""
    assert 404 == steady.get("dashboard/billing/invoices").status_code
