"""From settings of resources to plans."""

import pytest

from exporter.catalog import CATALOG, ApiFamily, Kind, Plan
from exporter.settings import load

_KEY = {"OPENAI_ADMIN_KEY": "sk-admin-example"}


def _plans(*words: str) -> dict[str, Plan]:
    (organization,) = load("run", words, _KEY).organizations
    return {plan.resource.name: plan for plan in organization.plans}


def _windows(plan: Plan) -> dict[str, list[str]]:
    return {measure.name: [window.name for window in windows] for measure, windows in plan.windows}


def test_every_row_of_the_catalog_has_its_default_plan() -> None:
    """Grouping and measures come from the catalog, intervals and look-back from the API family."""
    plans = _plans()

    assert [row.name for row in CATALOG] == list(plans)
    for plan in plans.values():
        costs = plan.resource.branch is ApiFamily.COSTS
        assert (set(plan.resource.group_by), (), "1d") == (set(plan.group_by), plan.filters, plan.width)
        assert plan.resource.select() == plan.measures
        assert (300 if costs else 60, 62 if costs else 31, 3) == (plan.interval, plan.lookback_days, plan.refetch_days)
        assert (21600, 50_000) == (plan.stale_after, plan.max_series)


def test_windows_default_to_costs_and_requests() -> None:
    """Costs have six, request measures one, levels none."""
    plans = _plans()

    six = ["yesterday", "7d", "30d", "month", "previous_month", "previous_month_end"]
    assert {"cost_usd": six, "cost_other_currency": six} == _windows(plans["costs"])
    assert {"completions_requests": ["7d"]} == _windows(plans["completions"])
    assert {"web_search_calls": ["7d"], "web_search_calls_model_requests": ["7d"]} == _windows(
        plans["web_search_calls"]
    )
    assert {} == _windows(plans["vector_stores"])


def test_all_measures_of_usage_can_have_windows() -> None:
    """Levels still have none, because they are never summed."""
    plans = _plans("--windows.usage-measures", "all")

    for plan in plans.values():
        flows = [measure.name for measure in plan.measures if measure.kind is Kind.FLOW]
        assert flows == list(_windows(plan))


def test_a_shared_window_applies_where_it_fits() -> None:
    """Hours apply to the one resource with hourly buckets, days to all."""
    plans = _plans(
        "--resources.images.bucket-width",
        "1h",
        "--windows.usage",
        "12h",
        "--windows.usage",
        "7d",
        "--windows.usage",
        "31d",
    )

    assert {"images_requests": ["12h", "7d"]} == _windows(plans["images"])
    assert {"completions_requests": ["7d", "31d"]} == _windows(plans["completions"])


@pytest.mark.parametrize("windows", [["1h", "168h", "7d", "yesterday"], ["7d"]])
def test_hours_allow_windows_of_hours_up_to_a_page(windows: list[str]) -> None:
    """Seven days are kept at a width of an hour."""
    words = [word for window in windows for word in ("--resources.images.windows", window)]
    plan = _plans("--resources.images.bucket-width", "1h", *words)["images"]

    assert ("1h", {"images_processed": windows, "images_requests": windows}) == (plan.width, _windows(plan))


def test_minutes_allow_windows_of_minutes_up_to_a_page() -> None:
    """24 hours are kept at a width of a minute; a duplicate window counts once."""
    words = [word for window in ("15m", "1440m", "24h", "1d", "15m") for word in ("--resources.images.windows", window)]
    plan = _plans("--resources.images.bucket-width", "1m", *words)["images"]

    assert ["15m", "1440m", "24h", "1d"] == _windows(plan)["images_requests"]


def test_a_longer_lookback_allows_longer_windows() -> None:
    """The limit is the setting, not a constant."""
    plans = _plans(
        "--poll.cost-lookback-days",
        "90",
        "--windows.costs",
        "90d",
        "--poll.lookback-days=62",
        "--resources.images.windows",
        "previous_month",
    )

    assert ["90d"] == _windows(plans["costs"])["cost_usd"]
    assert ["previous_month"] == _windows(plans["images"])["images_requests"]


def test_a_shorter_lookback_drops_default_windows_silently() -> None:
    """Only a configured window is refused."""
    assert ["yesterday", "7d"] == _windows(_plans("--poll.cost-lookback-days", "7")["costs"])["cost_usd"]


def test_a_window_without_enabled_resources_is_accepted() -> None:
    """With costs disabled there is nothing to check the window against."""
    plans = _plans("--resources.costs.enabled=false", "--windows.costs", "90d")

    assert "costs" not in plans


def test_the_order_of_choices_does_not_matter() -> None:
    """The same choice in another order is the same plan, which keeps its baseline."""
    one = _plans(
        "--resources.costs.group-by",
        "line_item",
        "--resources.costs.group-by",
        "project_id",
        "--resources.costs.line-items",
        "b",
        "--resources.costs.line-items",
        "a",
    )
    other = _plans(
        "--resources.costs.group-by",
        "project_id",
        "--resources.costs.group-by",
        "line_item",
        "--resources.costs.group-by",
        "line_item",
        "--resources.costs.line-items",
        "a",
        "--resources.costs.line-items",
        "b",
        "--resources.costs.line-items",
        "a",
    )

    assert one == other
    assert (("line_items", "a"), ("line_items", "b")) == one["costs"].filters


@pytest.mark.parametrize(("written", "value"), [("true", "true"), ("false", "false")])
def test_batch_filters_both_ways(written: str, value: str) -> None:
    """False is a filter too, not its absence."""
    assert (("batch", value),) == _plans(f"--resources.completions.batch={written}")["completions"].filters


def test_detail_measures_are_exported_when_named() -> None:
    """In addition to the default ones, or alone; measures that are always exported stay."""
    selected = _plans("--resources.costs.measures", "default", "--resources.costs.measures", "cost_quantity")["costs"]
    alone = _plans("--resources.images.measures", "images_requests")["images"]

    assert ["cost_usd", "cost_other_currency", "cost_quantity"] == [measure.name for measure in selected.measures]
    assert ["images_requests"] == [measure.name for measure in alone.measures]


def test_interval_and_max_series_can_be_set_for_one_resource() -> None:
    """They override the general settings."""
    plans = _plans(
        "--max-series",
        "10",
        "--resources.images.max-series",
        "5",
        "--resources.images.interval",
        "10m",
        "--poll.interval",
        "2m",
        "--poll.stale-after",
        "1h",
        "--poll.refetch-days",
        "4",
    )

    assert (5, 600) == (plans["images"].max_series, plans["images"].interval)
    assert (10, 120) == (plans["completions"].max_series, plans["completions"].interval)
    assert (3600, 4) == (plans["images"].stale_after, plans["images"].refetch_days)


def test_a_resource_can_narrow_the_organizations_filter() -> None:
    """Its own project filter is within the organization's."""
    (organization,) = load(
        "run", ["--resources.costs.project-ids", "proj_a"], _KEY | {"OPENAI_PROJECT_ID": "proj_a"}
    ).organizations

    assert {(("project_ids", "proj_a"),)} == {plan.filters for plan in organization.plans}
