"""Where buckets begin and end, how pages of them go on, and which parameters are refused."""

import base64
import struct

import pytest

from exporter.catalog import CATALOG, WIDTHS, Resource
from exporter.simulator import Policy
from tests.support.simulation import DAY, NOW, TODAY, Json, Simulation, simulation


def names(row: Resource) -> str:
    """Return the test id of a catalog row."""
    return row.name


def spans(page: Json) -> list[tuple[int, int]]:
    """Return start and end of each bucket."""
    return [(bucket["start_time"], bucket["end_time"]) for bucket in page["data"]]


def test_first_and_last_bucket_are_short(steady: Simulation) -> None:
    """The first bucket starts at the requested minute, the last ends now, and those between are whole days."""
    page = steady.page("usage/completions", start_time=TODAY - 2 * DAY + 37_003, limit=31)

    assert [
        (TODAY - 2 * DAY + 36_960, TODAY - DAY),
        (TODAY - DAY, TODAY),
        (TODAY, int(NOW)),
    ] == spans(page)
    assert (False, None) == (page["has_more"], page["next_page"])


def test_end_time_cuts_the_last_bucket(steady: Simulation) -> None:
    """An end inside a bucket ends it."""
    page = steady.page("usage/completions", start_time=TODAY, end_time=TODAY + 5000, bucket_width="1h")

    assert [(TODAY, TODAY + 3600), (TODAY + 3600, TODAY + 5000)] == spans(page)


def test_an_end_in_the_future_is_now_unless_the_policy_keeps_it() -> None:
    """By policy, the last bucket ends now, or empty buckets follow."""
    ask = {"start_time": TODAY, "end_time": TODAY + 2 * DAY}
    with simulation() as running:
        clipped = spans(running.page("usage/completions", **ask))
        running.simulator.set_policy(future_end="keep")
        kept = running.page("usage/completions", **ask)

    assert [(TODAY, int(NOW))] == clipped
    assert [(TODAY, TODAY + DAY), (TODAY + DAY, TODAY + 2 * DAY)] == spans(kept)
    assert [1, 0] == [len(bucket["results"]) for bucket in kept["data"]]


@pytest.mark.parametrize(("width", "count"), [("1d", 7), ("1h", 24), ("1m", 60)])
def test_pages_hold_the_default_number_of_buckets(steady: Simulation, width: str, count: int) -> None:
    """Without a limit a page holds 7 days, 24 hours or 60 minutes."""
    page = steady.page("usage/images", start_time=TODAY - 20 * DAY, bucket_width=width)

    assert (count, True) == (len(page["data"]), page["has_more"])
    assert page["data"][-1]["end_time"] == TODAY - 20 * DAY + count * WIDTHS[width]


@pytest.mark.parametrize("row", CATALOG, ids=names)
def test_a_limit_above_the_maximum_is_refused_or_clamped(row: Resource) -> None:
    """Every width of every endpoint has a maximum; by policy a larger limit is refused or clamped."""
    with simulation() as running:
        for width, maximum in row.widths.items():
            ask = {"start_time": TODAY - 400 * DAY, "bucket_width": width}
            most = running.page(row.path, **ask, limit=maximum)
            status, error = running.error(row.path, **ask, limit=maximum + 1)
            running.simulator.set_policy(over_limit="clamp")
            clamped = running.page(row.path, **ask, limit=maximum + 1)
            running.simulator.set_policy(over_limit="refuse")

            assert maximum == len(most["data"]) == len(clamped["data"])
            assert (400, "limit", "integer_above_max_value") == (status, error["param"], error["code"])
            assert f"<= {maximum}, but got {maximum + 1} instead" in error["message"]


def test_pages_show_the_instant_of_the_first(fresh: Simulation) -> None:
    """While pages are read, time passes and a correction arrives: later pages include neither."""
    ask = {"start_time": TODAY - DAY, "limit": 1}
    first = fresh.page("usage/completions", **ask)
    fresh.clock.pass_by(3600)
    fresh.simulator.scenario.add_usage("completions", {"num_model_requests": 10**9}, time=TODAY + 60)
    second = fresh.page("usage/completions", **ask, page=first["next_page"])
    resets_counters = fresh.page("usage/completions", start_time=TODAY)

    assert [(TODAY, int(NOW))] == spans(second)
    assert second["data"][0]["results"][0]["num_model_requests"] < 10**9
    assert [(TODAY, int(NOW) + 3600)] == spans(resets_counters)
    assert resets_counters["data"][0]["results"][0]["num_model_requests"] > 10**9


def test_cursors_have_the_documented_form(steady: Simulation) -> None:
    """A cursor is the time of the first request in seconds and nanoseconds and the next bucket's start, in base 64."""
    with simulation(now=NOW + 0.25) as running:
        cursor = running.page("costs", start_time=TODAY - 3 * DAY, limit=2)["next_page"]

    assert cursor.startswith("page_")
    assert (int(NOW), 250_000_000, TODAY - DAY) == struct.unpack(">QIQ", base64.b64decode(cursor[5:]))
    assert steady.page("costs", start_time=TODAY - 3 * DAY, page=cursor)["has_more"] is False


@pytest.mark.parametrize(
    "text",
    [
        "group_by%5B%5D=project_id&group_by%5B%5D=model",
        "group_by[]=model&group_by[]=project_id",
        "group_by=project_id&group_by=model",
        "group_by=project_id,model",
        "group_by=project_id%2Cmodel",
    ],
)
def test_lists_are_read_in_every_encoding(steady: Simulation, text: str) -> None:
    """Bracketed, repeated and comma-joined parameters mean the same."""
    response = steady.get(f"organization/usage/completions?start_time={TODAY}&{text}")
    expected = steady.page("usage/completions", start_time=TODAY, group_by=["project_id", "model"])

    assert expected == response.json()


@pytest.mark.parametrize(
    ("path", "parameters", "param", "code"),
    [
        ("usage/completions", {}, "start_time", "missing_required_parameter"),
        ("usage/completions", {"start_time": "soon"}, "start_time", "invalid_type"),
        ("usage/completions", {"start_time": TODAY, "end_time": TODAY}, "end_time", "invalid_value"),
        ("usage/completions", {"start_time": TODAY, "group_by": ["line_item"]}, "group_by", "invalid_value"),
        ("usage/completions", {"start_time": TODAY, "bucket_width": "1w"}, "bucket_width", "invalid_value"),
        ("usage/completions", {"start_time": TODAY, "limit": 0}, "limit", "integer_below_min_value"),
        ("usage/completions", {"start_time": TODAY, "batch": "maybe"}, "batch", "invalid_type"),
        ("usage/completions", {"start_time": TODAY, "page": "page_???"}, "page", "invalid_value"),
        ("costs", {"start_time": TODAY, "bucket_width": "1h"}, "bucket_width", "invalid_value"),
        ("costs", {"start_time": 1764979199, "group_by": ["api_key_id"]}, "start_time", "invalid_value"),
    ],
)
def test_wrong_parameters_are_refused_by_name(
    steady: Simulation, path: str, parameters: dict[str, Json], param: str, code: str
) -> None:
    """A 400 names the parameter and the kind of mistake."""
    status, error = steady.error(path, **parameters)

    assert (400, "invalid_request_error", param, code) == (status, error["type"], error["param"], error["code"])


def test_costs_by_user_and_project_can_be_refused() -> None:
    """Where the organization does not support the combination, grouping by both and filtering are 400."""
    with simulation(policy=Policy(costs_by_user_and_project=False)) as running:
        ask: dict[str, Json] = {"start_time": TODAY}
        both, _ = running.error("costs", **ask, group_by=["user_id", "project_id"])
        filtered, _ = running.error("costs", **ask, group_by=["user_id"], project_ids=["proj_x"])
        alone = running.get("organization/costs", **ask, group_by=["user_id"])

    assert (400, 400, 200) == (both, filtered, alone.status_code)


def test_undocumented_times_appear_on_request() -> None:
    """The policy adds the ISO times that an export has shown."""
    with simulation(policy=Policy(iso_times=True)) as running:
        bucket = running.page("costs", start_time=TODAY)["data"][0]

    assert ("2026-11-18T00:00:00+00:00", "2026-11-18T15:42:17+00:00") == (
        bucket["start_time_iso"],
        bucket["end_time_iso"],
    )
