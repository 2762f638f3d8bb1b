"""What the organization uses adds up, whichever way one asks, and is the same for the same seed."""

from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest

from exporter.catalog import CATALOG, ApiFamily, Kind, Resource, resource
from exporter.simulator import Shape
from tests.support.simulation import DAY, NOW, TODAY, Json, Simulation, simulation

FLOWS = [row for row in CATALOG if row.branch is ApiFamily.USAGE and row.measures[0].kind is Kind.FLOW]
LANGUAGE = [row for row in CATALOG if "batch" in row.dimensions]


def names(row: Resource) -> str:
    """Return the test id of a catalog row."""
    return row.name


def totals(rows: list[dict[str, Json]]) -> Counter[str]:
    """Return the sum of every field over rows."""
    sums: Counter[str] = Counter()
    for row in rows:
        figures = {
            name: value
            for name, value in row.items()
            if isinstance(value, int) and not isinstance(value, bool) and name != "start_time"
        }
        sums.update(figures)
    return sums


@pytest.mark.parametrize("row", FLOWS, ids=names)
def test_minutes_make_hours_and_hours_make_days(steady: Simulation, row: Resource) -> None:
    """The buckets of a day add up to the same totals at every width."""
    span = {"start_time": TODAY - DAY, "end_time": TODAY}
    days = totals(steady.rows(row.path, **span))
    hours = totals(steady.rows(row.path, **span, bucket_width="1h", limit=24))
    minutes = totals(steady.rows(row.path, **span, bucket_width="1m", limit=1440))

    assert days == hours == minutes
    assert all(days[measure.field] > 0 for measure in row.measures if measure.required)


@pytest.mark.parametrize("row", FLOWS, ids=names)
def test_every_grouping_has_the_same_totals(steady: Simulation, row: Resource) -> None:
    """Grouping by any dimension, or by all, changes no total; the ungrouped answer is one row."""
    span = {"start_time": TODAY - 2 * DAY, "end_time": TODAY - DAY}
    plain = steady.rows(row.path, **span)
    groupings = [[name] for name in row.dimensions] + [list(row.dimensions)]

    assert 1 == len(plain)
    assert [totals(plain)] * len(groupings) == [
        totals(steady.rows(row.path, **span, group_by=grouping)) for grouping in groupings
    ]


@pytest.mark.parametrize("row", LANGUAGE, ids=names)
def test_token_breakdowns_explain_their_sums(steady: Simulation, row: Resource) -> None:
    """Input is cached, cache-write and uncached input, each the sum of its parts; output that of its modalities."""
    rows = steady.rows(row.path, start_time=TODAY - 2 * DAY, group_by=list(row.dimensions))
    for result in rows:
        get = result.__getitem__

        assert get("input_tokens") == sum(
            map(get, ("input_cached_tokens", "input_cache_write_tokens", "input_uncached_tokens"))
        )
        assert get("input_uncached_tokens") == sum(
            map(get, ("input_text_tokens", "input_audio_tokens", "input_image_tokens"))
        )
        assert get("input_cached_tokens") == sum(
            map(get, ("input_cached_text_tokens", "input_cached_audio_tokens", "input_cached_image_tokens"))
        )
        assert get("input_cache_write_tokens") == sum(
            map(get, ("input_cache_write_30m_tokens", "input_cache_write_12h_tokens"))
        )
        assert get("output_tokens") == sum(
            map(get, ("output_text_tokens", "output_audio_tokens", "output_image_tokens"))
        )

    assert totals(rows)["input_tokens"] > 0


@pytest.mark.parametrize("row", FLOWS, ids=names)
def test_filters_let_through_what_grouping_shows(steady: Simulation, row: Resource) -> None:
    """A filter by any value gives the rows that grouping by its dimension gives for that value."""
    span = {"start_time": TODAY - DAY, "end_time": TODAY}
    for name in row.filters:
        dimension = name.removesuffix("s")
        for shown in steady.rows(row.path, **span, group_by=[dimension]):
            value = shown[dimension]
            if value is not None:
                sent = str(value).lower() if isinstance(value, bool) else [value]
                alone = steady.rows(row.path, **span, **{name: sent})

                assert totals([shown]) == totals(alone)


def test_a_filter_that_nothing_matches_gives_empty_buckets(steady: Simulation) -> None:
    """Buckets without rows are still there, with an empty list of results."""
    page = steady.page("usage/completions", start_time=TODAY - DAY, models=["gpt-nothing"])

    assert [[], []] == [bucket["results"] for bucket in page["data"]]


def test_today_grows_as_the_clock_passes() -> None:
    """At a hundred times the ordinary rate every second adds requests to today's bucket, and to no other."""
    with simulation(shape=Shape(activity=100)) as running:
        seen = []
        for _ in range(10):
            seen.append(
                [row["num_model_requests"] for row in running.rows("usage/completions", start_time=TODAY - DAY)]
            )
            running.clock.pass_by(1)
        yesterdays = {yesterday for yesterday, _ in seen}

        assert 1 == len(yesterdays)
        assert all(earlier < later for (_, earlier), (_, later) in pairwise(seen))


def test_a_seed_is_an_organization() -> None:
    """The same seed at the same time gives the same bytes; another seed gives others."""
    ask: dict[str, Json] = {"start_time": TODAY - 5 * DAY, "group_by": ["project_id", "line_item", "api_key_id"]}
    with simulation(seed=3) as one, simulation(seed=3) as same, simulation(seed=4) as other:
        bodies = [running.get("organization/costs", **ask).content for running in (one, same, other)]

    assert bodies[0] == bodies[1]
    assert bodies[0] != bodies[2]


def test_the_past_does_not_depend_on_when_it_is_asked(steady: Simulation) -> None:
    """A simulator that starts weeks later shows the same closed days."""
    ask = {"start_time": TODAY - 3 * DAY, "end_time": TODAY, "group_by": ["model"]}
    with simulation(now=NOW + 30 * DAY) as later:
        assert steady.page("usage/completions", **ask) == later.page("usage/completions", **ask)


def test_costs_follow_from_usage_and_prices(steady: Simulation) -> None:
    """The quantity of a line item is the usage behind it, and its amount the quantity times the list price."""
    span = {"start_time": TODAY - DAY, "end_time": TODAY}
    item = "gpt-4o-mini-2024-07-18, output"
    (cost,) = steady.rows("costs", **span, group_by=["line_item"], line_items=[item])
    usage = steady.rows("usage/completions", **span, models=["gpt-4o-mini-2024-07-18"], batch="false")

    assert totals(usage)["output_tokens"] == cost["quantity"]
    assert Decimal(cost["quantity"]) * Decimal("0.0000006") == Decimal(str(cost["amount"]["value"]))


def test_costs_have_the_same_total_by_every_grouping(steady: Simulation) -> None:
    """Costs add up to the last decimal in every grouping."""
    groupings: tuple[list[str], ...] = ([], ["project_id"], ["line_item"], ["user_id"], ["api_key_id", "api_source"])
    sums = {
        sum(Decimal(entry["values"]["amount"]) for entry in steady.simulator.scenario.truth("costs", grouping))
        for grouping in groupings
    }

    assert 1 == len(sums)
    assert sums.pop() > 1000


def test_line_items_have_their_units(steady: Simulation) -> None:
    """Tokens, images, characters, seconds and gibibyte-hours are billed in their units, tool calls in none."""
    rows = steady.rows("costs", start_time=TODAY - DAY, limit=1, group_by=["line_item"])
    units = {row["line_item"]: row["quantity_unit"] for row in rows}

    assert {"tokens", "images", "characters", "duration_seconds", "gibibyte_hours", None} == set(units.values())
    assert units["web search tool calls"] is None
    assert "priority | gpt-5.6-sol, output" in units


def test_quantity_needs_the_line_item(steady: Simulation) -> None:
    """Without grouping by line item there is no quantity."""
    (row,) = steady.rows("costs", start_time=TODAY - DAY, limit=1)

    assert (None, None, None) == (row["quantity"], row["quantity_unit"], row["line_item"])


def test_stored_bytes_are_a_height_and_never_fall(steady: Simulation) -> None:
    """Vector stores report their size at the end of each bucket."""
    heights = [row["usage_bytes"] for row in steady.rows("usage/vector_stores", start_time=TODAY - 5 * DAY)]

    assert sorted(heights) == heights
    assert heights[-1] < 2 * heights[0]


def test_weekends_are_quiet_and_the_years_go_up(steady: Simulation) -> None:
    """Office workloads are low on Saturday and Sunday, and grow from year to year."""
    week = [
        row["num_model_requests"]
        for row in steady.rows("usage/decisions", start_time=TODAY - 9 * DAY, end_time=TODAY - 2 * DAY, limit=7)
    ]
    before = steady.rows("usage/decisions", start_time=TODAY - 364 * DAY, end_time=TODAY - 363 * DAY)

    assert max(week[5:]) < min(week[:5])
    assert before[0]["num_model_requests"] < week[2] * 1.2


def test_an_organization_has_a_beginning(steady: Simulation) -> None:
    """Before its foundation buckets exist and are empty."""
    page = steady.page("usage/completions", start_time=1_600_000_020, end_time=1_600_100_000)

    assert [[], []] == [bucket["results"] for bucket in page["data"]]


def test_a_large_organization_has_as_many_label_sets_as_asked() -> None:
    """Projects times models times batch is the number of rows of a busy day."""
    with simulation(shape=Shape(projects=20, models=10, activity=100)) as running:
        rows = running.rows("usage/completions", start_time=TODAY, group_by=["project_id", "model", "batch"])

    assert 19 * 10 * 2 == len(rows)


def test_truth_is_what_the_answers_say(steady: Simulation) -> None:
    """The truth has the same values as the pages, for usage and, exactly, for costs."""
    scenario = steady.simulator.scenario
    for row in CATALOG:
        shown = steady.rows(row.path, start_time=TODAY - 3 * DAY, group_by=list(row.group_by))
        truth = scenario.truth(row.name, row.group_by, since=TODAY - 3 * DAY)

        assert [(each["start_time"], *(each[name] for name in row.group_by), _figure(each, row)) for each in shown] == [
            (each["start_time"], *(each["dimensions"][name] for name in row.group_by), _true(each, row))
            for each in truth
        ]


def _figure(shown: dict[str, Json], row: Resource) -> object:
    if row.branch is ApiFamily.COSTS:
        return shown["amount"]["value"], shown["amount"]["currency"]
    return [shown[measure.field] for measure in row.measures]


def _true(each: dict[str, Json], row: Resource) -> object:
    if row.branch is ApiFamily.COSTS:
        return float(each["values"]["amount"]), each["dimensions"]["currency"]
    return [each["values"][measure.field] for measure in row.measures]


def test_truth_refuses_a_grouping_that_there_is_not(steady: Simulation) -> None:
    """Grouping the truth by an unknown dimension is an error that names it."""
    with pytest.raises(ValueError, match="vector_stores cannot be grouped by model"):
        steady.simulator.scenario.truth(resource("vector_stores").name, ["model"])
