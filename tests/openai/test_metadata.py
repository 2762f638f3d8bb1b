"""How the rows of the metadata table are requested and read, at transport level."""

import httpx
import pytest

from exporter.catalog import METADATA, MetadataResource
from exporter.openai import Entry, InvalidResponse, MetadataClient, NotFound
from exporter.openai.rate_limiter import Priority
from exporter.openai.throttle import Throttle
from tests.support.clock import ManualClock, run
from tests.support.scripted_api import Api, Journal, client, ok, refusal


def _list(*ids: str, more: bool = False, last_id: str | None = None) -> httpx.Response:
    return ok({"object": "list", "data": [{"id": id_} for id_ in ids], "has_more": more, "last_id": last_id})


def _row(name: str) -> MetadataResource:
    return next(row for row in METADATA if row.name == name)


class _Asked:
    """A client of the table, and what it requests."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.api = Api(*answers)
        self.journal = Journal()
        self.clock = ManualClock()
        self._client = MetadataClient(
            client(self.api, self.clock, observer=self.journal, max_body=2 << 20), self.journal
        )

    def fetch(self, name: str, parent: str = "") -> tuple[Entry, ...]:
        """Return what a row's endpoint has."""
        return run(self.clock.run(self._client.fetch(_row(name), 0.0, parent)))

    def look_up(self, name: str, id_: str) -> Entry | None:
        """Return a single entry."""
        return run(self.clock.run(self._client.look_up(_row(name), id_, 0.0)))

    @property
    def urls(self) -> list[str]:
        """The path and query of every request."""
        return [request.url.raw_path.decode().removeprefix("/v1/organization/") for request in self.api.requests]


def test_projects_page_by_the_last_id_of_the_answer() -> None:
    """`last_id` differs from the row ids, and archived projects are requested."""
    asked = _Asked(_list("proj_a", more=True, last_id="PROJ-a"), _list("proj_b"))

    assert ["proj_a", "proj_b"] == [entry.id for entry in asked.fetch("projects")]
    assert [
        "projects?include_archived=true&limit=100",
        "projects?include_archived=true&limit=100&after=PROJ-a",
    ] == asked.urls


def test_ids_in_paths_are_quoted() -> None:
    """Keys are listed regardless of their owner's access, and an unusual id stays in its segment."""
    asked = _Asked(_list("key_a"))
    asked.fetch("api_keys", "a/../b?c")

    assert ["projects/a%2F..%2Fb%3Fc/api_keys?owner_project_access=any&limit=100"] == asked.urls


def test_admin_keys_page_by_the_last_row() -> None:
    """The `last_id` of their responses is not the cursor."""
    asked = _Asked(_list("key_a", more=True, last_id="wrong"), _list("key_b"))
    asked.fetch("admin_api_keys")

    assert ["admin_api_keys?limit=20", "admin_api_keys?limit=20&after=key_a"] == asked.urls


def test_groups_page_by_the_next_of_the_answer() -> None:
    """Their envelope has neither first nor last id."""
    more = ok({"object": "list", "data": [{"id": "group_a", "name": "a"}], "has_more": True, "next": "opaque"})
    asked = _Asked(more, _list("group_b"))

    assert [{"name": "a"}, {}] == [entry.texts for entry in asked.fetch("groups")]
    assert ["groups?limit=100", "groups?limit=100&after=opaque"] == asked.urls


def test_a_project_that_does_not_exist_is_none() -> None:
    """404 is an answer here, no failure."""
    asked = _Asked(refusal(404))

    assert asked.look_up("projects", "proj_a") is None
    assert [] == asked.journal.errors


def test_a_list_that_ends_in_404_is_a_failure() -> None:
    """Nothing is there only where the first page says so."""
    asked = _Asked(_list("key_a", more=True), refusal(404))
    with pytest.raises(NotFound):
        asked.fetch("api_keys", "proj_a")

    assert ["not_found"] == [error.reason for _, error in asked.journal.errors]


@pytest.mark.parametrize(
    "row",
    [row for row in METADATA if row.optional],
    ids=lambda row: row.name,
)
def test_an_object_that_is_not_set_is_none(row: MetadataResource) -> None:
    """404 means that no limit is set, or that a project or group was deleted."""
    asked = _Asked(refusal(404))

    assert () == asked.fetch(row.name, "one" if row.scope.value else "")
    assert [] == asked.journal.errors


@pytest.mark.parametrize("row", [row for row in METADATA if row.optional], ids=lambda row: row.name)
def test_what_was_there_is_absent_after_four_404_in_a_row(row: MetadataResource) -> None:
    """One that passes, as api.openai.com gives them, takes nothing away."""
    field = next((name for name in (*row.number_fields, *row.text_fields) if "." not in name and name != "id"), "")
    found = {field: 5 if field in row.number_fields else "five", row.id_field: "one"}
    answer = ok({"data": [found]} if row.pagination else found)
    parent = "one" if row.scope.value else ""
    gone = refusal(404)
    asked = _Asked(answer, gone, gone, gone, answer, gone)

    assert 1 == len(asked.fetch(row.name, parent)) == len(asked.fetch(row.name, parent))
    assert () == asked.fetch(row.name, parent) == asked.fetch(row.name, parent)
    assert 10 == len(asked.urls)
    assert [] == asked.journal.errors


def test_a_look_up_believes_the_fourth_404_in_a_row() -> None:
    """What does not exist is never looked up again, so that a passing failure must not decide it."""
    gone, there = refusal(404), ok({"id": "proj_a", "name": "a"})

    assert "a" == (_Asked(gone, gone, gone, there).look_up("projects", "proj_a") or Entry()).texts.get("name")
    assert _Asked(gone).look_up("projects", "proj_a") is None


@pytest.mark.parametrize("wrong", [5, None, [], {}, "not a time", "NaN", True])
def test_a_field_of_an_unexpected_type_is_unknown(wrong: object) -> None:
    """Whatever one object of a list says, its other fields and its neighbours are used."""
    odd = {"id": "key_a", "name": "a", "owner": wrong, "expires_at": wrong, "last_used_at": "12"}
    good = {"id": "key_b", "name": "b", "owner": {"type": "user"}, "expires_at": 7, "last_used_at": None}
    first, second = _Asked(ok({"data": [odd, good]})).fetch("api_keys", "proj_a")

    assert {"last_used_at": 12.0} == {name: value for name, value in first.numbers.items() if value != wrong}
    assert Entry("key_b", {"name": "b", "owner.type": "user"}, {"expires_at": 7.0}) == second


@pytest.mark.parametrize("id_", [5, None, {}, ""])
def test_an_object_without_an_id_is_left_out(id_: object) -> None:
    """It cannot be distinguished from the others, which are still used."""
    asked = _Asked(ok({"data": [{"id": id_, "name": "a"}, 7, {"id": "proj_b"}]}))

    assert (Entry("proj_b"),) == asked.fetch("projects")
    assert [] == asked.journal.errors


def test_a_list_without_any_usable_object_is_refused() -> None:
    """It is another endpoint's: everything that was known stays."""
    asked = _Asked(ok({"data": [{"name": "a"}, {"name": "b"}]}))
    with pytest.raises(InvalidResponse, match="no object of the list is usable"):
        asked.fetch("projects")

    assert ["invalid_response"] == [error.reason for _, error in asked.journal.errors]


@pytest.mark.parametrize("answer", [[1, 2], {}, {"threshold_amount": None}, "text"])
def test_an_object_without_any_known_field_is_refused(answer: object) -> None:
    """Another endpoint's object, or none at all, says nothing about a limit."""
    asked = _Asked(ok(answer))
    with pytest.raises(InvalidResponse, match=r"not an object with any of enforcement\.status"):
        asked.fetch("spend_limit")

    assert ["invalid_response"] == [error.reason for _, error in asked.journal.errors]


@pytest.mark.parametrize("number", ["1e400", "1E999999999", "-1E99999999999999999999", '"1E999999999"'])
def test_a_number_out_of_range_is_unknown(number: str) -> None:
    """The other fields of the object are used."""
    body = b'{"threshold_amount":%s,"interval":"month","enforcement":{"status":"enforcing"}}' % number.encode()
    (entry,) = _Asked(httpx.Response(200, content=body)).fetch("spend_limit")

    assert ({"enforcing"}, {}) == ({*entry.texts.values()} - {"month"}, entry.numbers)


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize("depth", [200, 900, 980, 100_000])
def test_an_unknown_field_may_be_nested_as_deep_as_it_likes(depth: int) -> None:
    """The object is read, or refused as nested too deep."""
    body = b'{"odd":%s,"enforcement":{"status":"enforcing"}}' % _nested(depth)
    asked = _Asked(httpx.Response(200, content=body))
    try:
        (entry,) = asked.fetch("spend_limit")
    except InvalidResponse:
        entry = None

    assert (entry is None) is bool(asked.journal.errors)
    assert entry or depth > 900


def test_a_single_object_is_bounded() -> None:
    """A megabyte is no object of the API."""
    asked = _Asked(ok({"enforcement": {"status": "enforcing"}, "odd": "x" * (1 << 20)}))
    with pytest.raises(InvalidResponse, match="an object of more than 1 MiB"):
        asked.fetch("spend_limit")

    assert ["invalid_response"] == [error.reason for _, error in asked.journal.errors]


def test_names_come_after_everything_else() -> None:
    """A full round of look-ups takes a tenth of the rate and does not delay usage."""
    clock = ManualClock()
    throttle = Throttle(clock, 60, chance=lambda: 0.0)
    journal = Journal()
    asking = client(Api(_list("one")), clock, throttle=throttle, observer=journal)
    asked = MetadataClient(asking, journal)

    async def story() -> tuple[float, float]:
        began = clock.monotonic()
        for _ in range(7):
            await asked.fetch(_row("users"), 0.0)
        took = clock.monotonic() - began
        permit = await throttle.permit("completions", Priority.USAGE, 0.0)
        with permit:
            permit.answered(200, {})
        return took, permit.waited

    assert (60.0, 0.0) == run(clock.run(story()))
