"""How the directory and the limits are asked for, at transport level."""

import httpx
import pytest

from exporter.openai import Directory, Limits, NotFound
from exporter.openai.rate_limiter import Priority
from exporter.openai.throttle import Throttle
from tests.support.clock import ManualClock, run
from tests.support.scripted_api import Api, Journal, client, ok, refusal


def _list(*ids: str, more: bool = False, last_id: str | None = None) -> httpx.Response:
    return ok({"object": "list", "data": [{"id": id_} for id_ in ids], "has_more": more, "last_id": last_id})


class _Asked:
    """A directory and limits, and what they ask."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.api = Api(*answers)
        self.journal = Journal()
        self.clock = ManualClock()
        asking = client(self.api, self.clock, observer=self.journal)
        self.directory, self.limits = Directory(asking, self.journal), Limits(asking, self.journal)

    @property
    def urls(self) -> list[str]:
        """The path and query of every request."""
        return [request.url.raw_path.decode().removeprefix("/v1/organization/") for request in self.api.requests]


def test_projects_page_by_the_last_id_of_the_answer() -> None:
    """`last_id` is spelled in its own way, and archived projects are asked for."""
    asked = _Asked(_list("proj_a", more=True, last_id="PROJ-a"), _list("proj_b"))

    assert ["proj_a", "proj_b"] == [each.id for each in run(asked.clock.run(asked.directory.projects(0.0)))]
    assert [
        "projects?include_archived=true&limit=100",
        "projects?include_archived=true&limit=100&after=PROJ-a",
    ] == asked.urls


def test_keys_are_asked_for_whatever_their_owner_may() -> None:
    """`owner_project_access=any`, and ids that are no plain words keep to their place in the path."""
    asked = _Asked(_list("key_a"))
    run(asked.clock.run(asked.directory.api_keys("a/../b?c", 0.0)))

    assert ["projects/a%2F..%2Fb%3Fc/api_keys?owner_project_access=any&limit=100"] == asked.urls


def test_admin_keys_page_by_the_last_row() -> None:
    """Their answers' `last_id` is not what comes after."""
    asked = _Asked(_list("key_a", more=True, last_id="wrong"), _list("key_b"))
    run(asked.clock.run(asked.directory.admin_api_keys(0.0)))

    assert ["admin_api_keys?limit=20", "admin_api_keys?limit=20&after=key_a"] == asked.urls


def test_a_project_that_is_nowhere_is_none() -> None:
    """404 is an answer here, no failure."""
    asked = _Asked(refusal(404))

    assert run(asked.clock.run(asked.directory.project("proj_a", 0.0))) is None
    assert [] == asked.journal.errors


def test_a_list_that_ends_in_404_is_a_failure() -> None:
    """Nothing is there only where the first page says so."""
    asked = _Asked(_list("key_a", more=True), refusal(404))
    with pytest.raises(NotFound):
        run(asked.clock.run(asked.directory.api_keys("proj_a", 0.0)))

    assert ["not_found"] == [error.reason for _, error in asked.journal.errors]


def test_limits_that_are_not_there_are_none() -> None:
    """Neither limit nor alerts, or limits of a project that is gone."""
    asked = _Asked(refusal(404))
    spending = run(asked.clock.run(asked.limits.project_spending("proj_a", 0.0)))

    assert (None, (), ()) == (spending.limit, spending.alerts, run(asked.clock.run(asked.limits.rate_limits("p", 0))))
    assert [
        "projects/proj_a/spend_limit",
        "projects/proj_a/spend_alerts?limit=100",
        "projects/p/rate_limits?limit=100",
    ] == asked.urls
    assert [] == asked.journal.errors


def test_names_stand_behind_everything_else() -> None:
    """A whole round of look-ups takes a tenth of the rate and lets usage through at once."""
    clock = ManualClock()
    throttle = Throttle(clock, 60, chance=lambda: 0.0)
    journal = Journal()
    asking = client(Api(_list("one")), clock, throttle=throttle, observer=journal)
    directory = Directory(asking, journal)

    async def story() -> tuple[float, float]:
        began = clock.monotonic()
        for _ in range(7):
            await directory.users(0.0)
        took = clock.monotonic() - began
        permit = await throttle.permit("completions", Priority.USAGE, 0.0)
        with permit:
            permit.answered(200, {})
        return took, permit.waited

    assert (60.0, 0.0) == run(clock.run(story()))
