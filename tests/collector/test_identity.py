"""Which organization a state belongs to, in every form of the response header."""

import pytest
import structlog

from exporter.collector import OrganizationChanged
from exporter.collector.identity import ForeignOrganization, OrganizationIdentity
from exporter.simulator import keys
from tests.support.exporter_harness import NOW, run, running_exporter

ID, OTHER = "org-NkQxbwZvxsIbYM0PwfhG7HQ4", "org-8f2LmPqRsTuVwXyZ01234567"


@pytest.mark.parametrize(
    ("answers", "known"),
    [
        (["", ID, ""], ID),
        (["northwind", ID, "northwind", "northwind-robotics"], ID),
        (["northwind", "user-abc", "northwind"], "northwind"),
        ([ID, "user-abc", ID], ID),
    ],
)
def test_a_change_of_form_is_no_change(answers: list[str], known: str) -> None:
    """A slug contradicts nothing; an id replaces it."""
    identity = OrganizationIdentity("")
    for answer in answers:
        identity.admit("costs", answer)

    assert known == identity.known


def test_another_id_counts_when_a_resource_sees_it_twice() -> None:
    """The first is not applied and passes; one in between that is right begins the count again."""
    identity = OrganizationIdentity(ID)
    for resource in ("costs", "completions"):
        with pytest.raises(ForeignOrganization):
            identity.admit(resource, OTHER)
    identity.admit("costs", ID)
    with pytest.raises(ForeignOrganization):
        identity.admit("costs", OTHER)
    with pytest.raises(OrganizationChanged, match="nothing is applied"):
        identity.admit("costs", OTHER)

    assert ID == identity.known


def test_ids_that_are_the_same_organization_continue_the_state() -> None:
    """As the operator says in `state.same_organization`; the newer one is remembered."""
    identity = OrganizationIdentity(ID, [ID, OTHER])
    identity.admit("costs", OTHER)

    assert OTHER == identity.known


def test_one_foreign_header_costs_one_poll() -> None:
    """It is repeated at once, nothing is degraded, and figures stay."""

    async def scenario() -> None:
        async with running_exporter(only=("completions", "costs")) as on:
            before = (await on.scrape()).series("openai_completions_requests")
            on.simulator.faults.add("organization", id=OTHER, count=1, path="completions")
            await on.advance_to(NOW + 75)
            scraped = await on.scrape()

            assert 1.0 == scraped.value("openai_exporter_up")
            assert {} == scraped.series("openai_exporter_resource_degraded", reason="organization_changed")
            assert before.keys() == scraped.series("openai_completions_requests").keys()

    run(scenario())


@pytest.mark.parametrize("key", ["sk-admin-simulated-nobody", keys.MANAGEMENT_ONLY])
def test_a_refused_key_is_one_line_in_the_log(key: str) -> None:
    """However many resources it is refused for and however often it is retried; the end is one line as well."""

    async def scenario() -> None:
        with structlog.testing.capture_logs() as logs:
            async with running_exporter(
                environ={"OPENAI_ADMIN_KEY": key}, only=("completions", "embeddings", "costs")
            ) as on:
                await on.advance(1800)
        warned = [entry for entry in logs if entry["log_level"] == "warning"]

        assert ["poll_failed"] == [entry["event"] for entry in warned if entry["event"].startswith("poll")]

    run(scenario())
