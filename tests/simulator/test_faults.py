"""What goes wrong on demand, and only then."""

import json
from email.utils import parsedate_to_datetime
from time import monotonic

import httpx
import pytest

from exporter.simulator import Policy, keys
from exporter.simulator.faults import FAULT_KINDS
from tests.support.simulation import DAY, NOW, TODAY, Json, Simulation, simulation

PROJECTS = "organization/projects"
GROUPED: dict[str, Json] = {"start_time": TODAY - DAY, "group_by": ["project_id", "model", "batch", "service_tier"]}
COSTS: dict[str, Json] = {"start_time": TODAY - DAY, "group_by": ["line_item"]}


def spoiled(running: Simulation, kind: str, path: str = "usage/completions", **options: Json) -> Json:
    """Return one page of a bucket endpoint with a fault in it."""
    running.simulator.faults.add(kind, count=1, **options)
    ask = COSTS if path == "costs" else GROUPED
    return running.page(path, **ask)


def results(page: Json) -> list[dict[str, Json]]:
    """Return the rows of all buckets."""
    return [row for bucket in page["data"] for row in bucket["results"]]


def test_faults_hit_what_they_are_meant_for(fresh: Simulation) -> None:
    """Path, skip and count decide which requests a fault applies to."""
    fault = fresh.simulator.faults.add("server_error", path="projects", count=2, skip=1)
    statuses = [fresh.get(PROJECTS).status_code for _ in range(4)]
    users = fresh.get("organization/users").status_code

    assert ([200, 500, 500, 200], 200, 2) == (statuses, users, fault.hits)


def test_faults_can_be_a_matter_of_luck(fresh: Simulation) -> None:
    """With a probability, the same seed selects the same requests."""
    runs = []
    for _ in range(2):
        fresh.simulator.faults.clear()
        fresh.simulator.faults.add("server_error", probability=0.5, seed=3)
        runs.append([fresh.get(PROJECTS).status_code for _ in range(20)])

    assert runs[0] == runs[1]
    assert {200, 500} == set(runs[0])


def test_an_unknown_fault_is_refused(fresh: Simulation) -> None:
    """The message lists the kinds of faults."""
    with pytest.raises(ValueError, match=r"no fault 'gremlins': there are .*bad_gateway"):
        fresh.simulator.faults.add("gremlins")


def test_unknown_keys_meet_no_faults(fresh: Simulation) -> None:
    """An unauthorized request does not count for a fault."""
    fresh.simulator.faults.add("server_error", count=1)

    assert [401, 500] == [fresh.get(PROJECTS, key=key).status_code for key in ("sk-nobody", keys.FULL)]


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({}, {"retry-after": "1"}),
        ({"retry_after": None}, {}),
        ({"retry_after": 300}, {"retry-after": "300"}),
        ({"retry_after": 45.19, "form": "ms"}, {"retry-after": "46", "retry-after-ms": "45190"}),
        ({"retry_after": 60, "form": "date"}, {"retry-after": "Wed, 18 Nov 2026 15:43:17 GMT"}),
        ({"retry_after": "soon"}, {"retry-after": "soon"}),
    ],
)
def test_rate_limits_say_when_to_come_again(
    fresh: Simulation, options: dict[str, Json], headers: dict[str, str]
) -> None:
    """429 has every known form of Retry-After."""
    fresh.simulator.faults.add("rate_limited", **options)
    response = fresh.get(PROJECTS)

    assert (429, "rate_limit_exceeded") == (response.status_code, response.json()["error"]["code"])
    assert headers == {name: value for name, value in response.headers.items() if name.startswith("retry-after")}


@pytest.mark.parametrize(
    ("kind", "options", "status", "code"),
    [
        ("billing", {}, 429, "insufficient_quota"),
        ("billing", {"code": "project_spend_limit_exceeded"}, 429, "project_spend_limit_exceeded"),
        ("slow_down", {}, 429, "slow_down"),
        ("server_error", {}, 500, None),
        ("unavailable", {}, 503, "server_is_overloaded"),
        ("status", {"status": 418, "code": "teapot"}, 418, "teapot"),
        ("unsupported", {}, 404, None),
    ],
)
def test_errors_have_their_codes(
    fresh: Simulation, kind: str, options: dict[str, Json], status: int, code: str | None
) -> None:
    """Errors on demand have the documented status and code."""
    fresh.simulator.faults.add(kind, **options)
    response = fresh.get(PROJECTS)

    assert (status, code) == (response.status_code, response.json()["error"]["code"])
    assert "retry-after" not in response.headers


def test_an_overloaded_server_may_say_for_how_long(fresh: Simulation) -> None:
    """503 can carry Retry-After."""
    fresh.simulator.faults.add("unavailable", retry_after=7)

    assert "7" == fresh.get(PROJECTS).headers["retry-after"]


@pytest.mark.parametrize(("kind", "status"), [("bad_gateway", 502), ("not_json", 200)])
def test_pages_for_people_are_html(fresh: Simulation, kind: str, status: int) -> None:
    """A gateway error is HTML."""
    fresh.simulator.faults.add(kind)
    response = fresh.get(PROJECTS)

    assert (status, "text/html") == (response.status_code, response.headers["content-type"])
    with pytest.raises(json.JSONDecodeError):
        response.json()


def test_a_redirect_leads_elsewhere(fresh: Simulation) -> None:
    """302 has another location."""
    fresh.simulator.faults.add("redirect", location="http://127.0.0.1:1/there")
    response = fresh.get(PROJECTS)

    assert (302, "http://127.0.0.1:1/there") == (response.status_code, response.headers["location"])


def test_nested_json_is_as_deep_as_asked(fresh: Simulation) -> None:
    """The body is deeply nested JSON."""
    fresh.simulator.faults.add("nested", depth=1000)

    assert "[" * 1000 + "]" * 1000 == fresh.get(PROJECTS).text


def test_truncated_json_ends_early(fresh: Simulation) -> None:
    """The body is shorter than the JSON, and the length says so."""
    whole = fresh.get(PROJECTS).content
    fresh.simulator.faults.add("truncated", bytes=20)
    response = fresh.get(PROJECTS)

    assert (whole[:20], "20") == (response.content, response.headers["content-length"])


def test_a_huge_body_is_as_large_as_asked(fresh: Simulation) -> None:
    """White space before the JSON makes it large, and it is still JSON."""
    expected = fresh.get(PROJECTS).json()
    fresh.simulator.faults.add("huge", bytes=3_000_000)
    response = fresh.get(PROJECTS)

    assert len(response.content) > 3_000_000
    assert expected == response.json()


def test_a_slow_body_comes_in_pieces(fresh: Simulation) -> None:
    """The complete response arrives slowly, in pieces."""
    expected = fresh.get(PROJECTS)
    fresh.simulator.faults.add("slow", pause=0.02, piece=len(expected.content) // 4)
    begin = monotonic()

    assert expected.json() == fresh.get(PROJECTS).json()
    assert monotonic() - begin >= 0.08


def test_a_client_that_leaves_a_slow_body_is_forgotten(fresh: Simulation) -> None:
    """The server continues after a client disconnects."""
    fresh.simulator.faults.add("slow", count=1, pause=5, piece=10)
    with pytest.raises(httpx.ReadTimeout):
        fresh.http.get(f"{fresh.url}/{PROJECTS}", headers={"Authorization": f"Bearer {keys.FULL}"}, timeout=0.1)

    assert 200 == fresh.get(PROJECTS).status_code


def test_an_answer_may_never_come(fresh: Simulation) -> None:
    """The client gets no response; the next request is answered."""
    fresh.simulator.faults.add("never", count=1)
    with pytest.raises(httpx.ReadTimeout):
        fresh.http.get(f"{fresh.url}/{PROJECTS}", headers={"Authorization": f"Bearer {keys.FULL}"}, timeout=0.1)

    assert 200 == fresh.get(PROJECTS).status_code


def test_the_connection_may_be_reset(fresh: Simulation) -> None:
    """The connection is reset within the body."""
    fresh.simulator.faults.add("reset", count=1)
    with pytest.raises(httpx.ReadError):
        fresh.get(PROJECTS)

    assert 200 == fresh.get(PROJECTS).status_code


def test_gzip_is_for_those_who_accept_it(fresh: Simulation) -> None:
    """The body is compressed when the client says that it can read that."""
    fresh.simulator.faults.add("gzip")
    packed = fresh.get(PROJECTS)
    plain = fresh.http.get(
        f"{fresh.url}/{PROJECTS}", headers={"Authorization": f"Bearer {keys.FULL}", "Accept-Encoding": "identity"}
    )

    assert ("gzip", None) == (packed.headers["content-encoding"], plain.headers.get("content-encoding"))
    assert packed.json() == plain.json()


def test_headers_can_be_off(fresh: Simulation) -> None:
    """Another organization, a wrong clock, and any other header."""
    fresh.simulator.faults.add("organization", id="org-stranger")
    fresh.simulator.faults.add("clock_skew", seconds=-7200)
    fresh.simulator.faults.add("headers", headers={"X-Should-Retry": False})
    headers = fresh.get(PROJECTS).headers

    assert ("org-stranger", "False") == (headers["openai-organization"], headers["x-should-retry"])
    assert NOW - 7200 == pytest.approx(parsedate_to_datetime(headers["date"]).timestamp(), abs=1)


def test_more_without_a_cursor(fresh: Simulation) -> None:
    """has_more is true and next_page null."""
    page = spoiled(fresh, "more_without_cursor")

    assert (True, None) == (page["has_more"], page["next_page"])


def test_a_cursor_that_leads_to_itself(fresh: Simulation) -> None:
    """Every page points to itself."""
    fresh.simulator.faults.add("repeated_cursor")
    first = fresh.page("usage/completions", start_time=TODAY - 5 * DAY, limit=2)
    second = fresh.page("usage/completions", start_time=TODAY - 5 * DAY, limit=2, page=first["next_page"])
    single = fresh.page("usage/completions", start_time=TODAY)

    assert first["next_page"] == second["next_page"]
    assert (True, True) == (second["has_more"], bool(single["next_page"]))


def test_pages_without_end(fresh: Simulation) -> None:
    """After the last bucket there is always another page with another cursor."""
    fresh.simulator.faults.add("endless")
    cursors = [fresh.page("usage/completions", start_time=TODAY)["next_page"]]
    more = set()
    for _ in range(4):
        page = fresh.page("usage/completions", start_time=TODAY, page=cursors[-1])
        cursors.append(page["next_page"])
        more.add(page["has_more"])

    assert (5, {True}) == (len(set(cursors)), more)


def test_buckets_missing_and_doubled(fresh: Simulation) -> None:
    """One bucket is missing, or occurs twice."""
    missing = spoiled(fresh, "missing_bucket", index=0)
    double = spoiled(fresh, "duplicate_bucket")

    assert [TODAY] == [bucket["start_time"] for bucket in missing["data"]]
    assert [TODAY - DAY, TODAY - DAY, TODAY] == [bucket["start_time"] for bucket in double["data"]]


def test_a_row_of_another_endpoint(fresh: Simulation) -> None:
    """The first row is of another endpoint."""
    rows = results(spoiled(fresh, "foreign_row", object="organization.usage.images.result"))

    assert ["organization.usage.images.result", "organization.usage.completions.result"] == [
        row["object"] for row in rows[:2]
    ]


@pytest.mark.parametrize(("kind", "literal"), [("nan", "NaN"), ("infinity", "Infinity")])
@pytest.mark.parametrize("path", ["costs", "usage/completions"])
def test_numbers_that_are_none(fresh: Simulation, kind: str, literal: str, path: str) -> None:
    """A literal that JSON does not have replaces a number."""
    fresh.simulator.faults.add(kind)
    text = fresh.get(f"organization/{path}", start_time=TODAY).text

    assert 1 == text.count(f":{literal},")


def test_amounts_as_text(fresh: Simulation) -> None:
    """Amounts have come as text with many zeros, and zero as 0E-6176; the values are the same."""
    plain = results(fresh.page("costs", **COSTS))
    rows = results(spoiled(fresh, "amount_string"))
    text = results(spoiled(fresh, "amount_string", "costs"))

    assert all(isinstance(row["amount"]["value"], str) for row in text)
    assert [row["amount"]["value"] for row in plain] == [float(row["amount"]["value"]) for row in text]
    assert "0E-6176" in {row["amount"]["value"] for row in text}
    assert 33 == max(len(row["amount"]["value"].partition(".")[2]) for row in text)
    assert all("amount" not in row for row in rows)


def test_amounts_of_zero_with_an_exponent(fresh: Simulation) -> None:
    """A free line item's amount is the number 0E-6176."""
    fresh.simulator.faults.add("amount_zero_exponent")

    assert '"value":0E-6176,' in fresh.get("organization/costs", **COSTS).text


def test_amounts_that_are_not_there(fresh: Simulation) -> None:
    """The first row has no amount, or a null one."""
    absent = results(spoiled(fresh, "amount_absent", "costs"))
    null = results(spoiled(fresh, "amount_absent", "costs", null=True))

    assert ("amount" in absent[0], "amount" in absent[1]) == (False, True)
    assert null[0]["amount"] is None


@pytest.mark.parametrize(("kind", "value"), [("null_dimension", None), ("empty_dimension", "")])
def test_dimensions_that_nobody_knows(fresh: Simulation, kind: str, value: str | None) -> None:
    """A grouped dimension is null or empty."""
    rows = results(spoiled(fresh, kind, dimension="model"))

    assert {value} == {row["model"] for row in rows}
    assert all(row["project_id"] for row in rows)


@pytest.mark.parametrize(("path", "ask"), [("usage/completions", GROUPED), ("costs", COSTS)])
def test_rows_twice_add_up_to_the_same(fresh: Simulation, path: str, ask: dict[str, Json]) -> None:
    """Every row is split in two with the same dimensions."""
    plain = results(fresh.page(path, **ask))
    double = results(spoiled(fresh, "duplicate_rows", path))
    figure = (lambda row: row["amount"]["value"]) if path == "costs" else (lambda row: row["input_tokens"])

    assert 2 * len(plain) == len(double)
    assert sum(map(figure, plain)) == pytest.approx(sum(map(figure, double)), rel=1e-15)


def test_rows_of_early_2025(fresh: Simulation) -> None:
    """Sparse rows have three required fields and three others; other endpoints' rows stay."""
    row = results(spoiled(fresh, "sparse"))[0]
    fresh.simulator.faults.add("sparse")

    assert {
        "object",
        "input_tokens",
        "output_tokens",
        "num_model_requests",
        "project_id",
        "user_id",
        "api_key_id",
        "model",
        "batch",
        "input_cached_tokens",
        "input_audio_tokens",
        "output_audio_tokens",
    } == set(row)
    assert "images" in results(fresh.page("usage/images", start_time=TODAY))[0]


def test_fields_and_values_of_tomorrow(fresh: Simulation) -> None:
    """Unknown fields at every level, and values that no enumeration has."""
    page = spoiled(fresh, "unknown_fields")
    rows = results(spoiled(fresh, "unknown_values"))

    assert ("served_from" in page, "revision" in page["data"][0]) == (True, True)
    assert 3 == results(page)[0]["output_smell_tokens"]
    assert {"hyper"} == {row["service_tier"] for row in rows}


def test_other_currencies(fresh: Simulation) -> None:
    """A second currency in addition to the first, or none at all."""
    rows = results(spoiled(fresh, "second_currency", "costs", currency="EUR"))
    none = results(spoiled(fresh, "currency", "costs"))

    assert {"usd", "EUR"} == {row["amount"]["currency"] for row in rows}
    assert {None} == {row["amount"]["currency"] for row in none}


def test_pages_for_others_are_left_alone(fresh: Simulation) -> None:
    """A fault of bucket pages does not change a list of projects."""
    expected = fresh.get(PROJECTS).json()
    for kind in FAULT_KINDS - {"never", "reset"}:
        if kind in {"missing_bucket", "endless", "sparse", "nan", "duplicate_rows"}:
            fresh.simulator.faults.add(kind)

    assert expected == fresh.get(PROJECTS).json()


def test_faults_and_switches_go_together() -> None:
    """A page with a fault otherwise follows the policy."""
    with simulation(policy=Policy(iso_times=True)) as running:
        page = spoiled(running, "unknown_fields")

    assert "2026-11-17T00:00:00+00:00" == page["data"][0]["start_time_iso"]
