"""The values that people act on, compared with what the simulated organizations spent and used."""

from collections.abc import Mapping

import pytest

from exporter.catalog import DAY
from tests.support.audit import UsageLog, week
from tests.support.dashboards import QueryContext, dashboard
from tests.support.exporter_runs import BUDGETS, INTERVAL, NOW, PROJECT, PROJECT_BUDGET, SPAN, TODAY, ExporterRuns
from tests.support.loaded_prometheus import QueryResult

pytestmark = pytest.mark.slow

LATE_COSTS = 3600
LATE_USAGE = 60
MONTH = TODAY - 17 * DAY
"""2026-11-01 00:00 UTC."""

MODEL = "gpt-5.5-2026-04-23"

Chosen = Mapping[str, str | tuple[str, ...]]


class DashboardHarness:
    """The dashboards' values, and the usage logs of the organizations."""

    def __init__(self, runs: ExporterRuns) -> None:
        self._prometheus = runs.prometheus
        first, second = runs.simulators["weeks"].scenarios
        self.acme, self.globex = UsageLog(first), UsageLog(second)
        self.media_lab = first.project(PROJECT).id

    def shown(self, uid: str, panel: str, ref: str = "A", chosen: Chosen | None = None) -> QueryResult:
        """Return the result of a panel's query now."""
        context = QueryContext(chosen or {}, span=SPAN, scrape=INTERVAL)
        result = self._prometheus.run_query(dashboard(uid).target(panel, ref), context, NOW)

        assert "" == result.error
        return result

    def spend(self, panel: str, ref: str = "A", chosen: Chosen | None = None) -> QueryResult:
        """Return the result of a query of the spend dashboard now."""
        return self.shown("openai-spend", panel, ref, chosen)

    def both(self, since: float, until: float = NOW) -> float:
        """Return the costs of both organizations."""
        return sum(log.dollars(since, until)[""] for log in (self.acme, self.globex))


@pytest.fixture(scope="module")
def harness(runs: ExporterRuns) -> DashboardHarness:
    """Return the harness of the run of two weeks."""
    return DashboardHarness(runs)


@pytest.mark.parametrize(
    ("panel", "since", "until"),
    [
        ("Today, reported", TODAY, NOW),
        ("Yesterday", TODAY - DAY, TODAY),
        ("Last 7 days", *week(NOW)),
        ("Month to date", MONTH, NOW),
    ],
)
def test_spend_is_what_was_spent(harness: DashboardHarness, panel: str, since: float, until: float) -> None:
    """Costs of all organizations and projects add up to what was spent."""
    assert pytest.approx(harness.both(since, until)) == harness.spend(panel).value


def test_spend_of_a_selection(harness: DashboardHarness) -> None:
    """Selecting an organization, a project or a model selects its costs."""
    by_item = harness.acme.dollars(*week(NOW), by="line_item")
    of_model = sum(dollars for item, dollars in by_item.items() if MODEL in item)

    assert pytest.approx(harness.acme.dollars(MONTH, NOW)[""]) == (
        harness.spend("Month to date", chosen={"organization": ("acme",)}).value
    )
    assert pytest.approx(harness.acme.dollars(MONTH, NOW, by="project_id")[harness.media_lab]) == (
        harness.spend("Month to date", chosen={"project": (harness.media_lab,)}).value
    )
    assert pytest.approx(of_model) == (
        harness.spend("Last 7 days", chosen={"organization": ("acme",), "model": (MODEL,)}).value
    )


def test_two_values_are_the_sum_of_each(harness: DashboardHarness) -> None:
    """Selecting several values adds them up."""
    models = (MODEL, "gpt-5-mini-2025-08-07")
    each = [harness.spend("Last 7 days", chosen={"model": (model,)}).value for model in models]

    assert pytest.approx(sum(each)) == harness.spend("Last 7 days", chosen={"model": models}).value
    assert pytest.approx(harness.spend("Last 7 days").value) == (
        harness.spend("Last 7 days", chosen={"organization": ("acme", "globex")}).value
    )


def test_the_month_is_projected(harness: DashboardHarness) -> None:
    """Month to date, and the mean of the last six whole days for each of the 12.25 days that are left."""
    month, mean = harness.both(MONTH), harness.both(TODAY - 6 * DAY, TODAY) / 6

    assert pytest.approx(month + mean * 12.25) == harness.spend("Projected month").value


def test_budgets_and_limits_are_shares_of_the_whole_month(harness: DashboardHarness) -> None:
    """Budgets and limits are by organization, regardless of the selected project."""
    months = {"acme": harness.acme.dollars(MONTH, NOW)[""], "globex": harness.globex.dollars(MONTH, NOW)[""]}
    chosen = {"project": (harness.media_lab,)}
    limits = harness.spend("Organizations, budgets and limits", "G").last("organization")

    assert pytest.approx({name: month / BUDGETS[name] for name, month in months.items()}) == (
        harness.spend("Budget used", chosen=chosen).last("organization")
    )
    assert pytest.approx({name: months[name] / limit for name, limit in limits.items()}) == (
        harness.spend("OpenAI limit used", chosen=chosen).last("organization")
    )
    assert limits


def test_projected_shares_are_of_each_organization(harness: DashboardHarness) -> None:
    """The projected month is compared with the budget of each organization."""
    month, mean = harness.acme.dollars(MONTH, NOW)[""], harness.acme.dollars(TODAY - 6 * DAY, TODAY)[""] / 6
    table = "Organizations, budgets and limits"

    assert (
        pytest.approx((month + mean * 12.25) / BUDGETS["acme"])
        == harness.spend(table, "E").last("organization")["acme"]
    )
    assert BUDGETS == harness.spend(table, "D").last("organization")


def test_projects_are_listed_by_name(harness: DashboardHarness) -> None:
    """The table has a row for every project with its name, its money and its budget."""
    chosen = {"organization": ("acme",)}
    week_costs = harness.spend("Projects", "A", chosen)
    names = {labels["project_id"]: labels["project_name"] for labels, _ in week_costs.series}

    assert pytest.approx(harness.acme.dollars(*week(NOW), by="project_id")) == week_costs.last("project_id")
    shared = {name for project, name in names.items() if name.endswith(f" …{project[-4:]}")}

    assert {"checkout-assistant", PROJECT, 'Ünïcode "quoted" \\ 🚀 prototypes'} <= set(names.values())
    assert 2 == len(shared)
    assert {True} == {name.startswith("sandbox ") for name in shared}
    assert {harness.media_lab: PROJECT_BUDGET} == harness.spend("Projects", "I", chosen).last("project_id")
    assert (
        pytest.approx(harness.acme.dollars(MONTH, NOW, by="project_id")[harness.media_lab] / PROJECT_BUDGET)
        == (harness.spend("Projects", "J", chosen).last("project_id")[harness.media_lab])
    )


def test_each_day_has_its_bar(harness: DashboardHarness) -> None:
    """A bar is at the midnight that begins its day; yesterday's includes what was reported late."""
    days: dict[float, float] = {}
    for _, points in harness.spend("Spend per day", chosen={"organization": ("acme",)}).series:
        for time, dollars in points:
            days[time] = days.get(time, 0) + dollars
    truth = {
        TODAY - ago * DAY: harness.acme.dollars(TODAY - ago * DAY, min(TODAY - (ago - 1) * DAY, NOW))[""]
        for ago in range(8)
    }

    assert pytest.approx(truth) == days


def test_movers_differ_most_from_the_week_before(harness: DashboardHarness) -> None:
    """The project that pays three times the price since a week leads, with the difference as money."""
    project = harness.shown("openai-project", "Change since last week", chosen={"project": (harness.media_lab,)}).value
    now = harness.acme.dollars(*week(NOW), by="project_id")[harness.media_lab]
    then = harness.acme.dollars(week(NOW)[0] - SPAN, NOW - SPAN - LATE_COSTS, by="project_id")[harness.media_lab]
    movers = harness.spend("Largest changes since last week")

    assert pytest.approx(now - then) == project
    assert 10 == len(movers.series)
    assert PROJECT == max(movers.series, key=lambda series: series[1][-1][1])[0]["project_name"]


def test_models_are_read_from_line_items(harness: DashboardHarness) -> None:
    """Tiers and modalities of a model are its money too; tools and storage name no model."""
    by_item = harness.acme.dollars(*week(NOW), by="line_item")
    shown = harness.spend("Models, last 7 days", chosen={"organization": ("acme",)}).last("model")

    assert pytest.approx(sum(dollars for item, dollars in by_item.items() if MODEL in item)) == shown[MODEL]
    assert pytest.approx(sum(dollars for item, dollars in by_item.items() if "," not in item)) == shown["no model"]
    assert pytest.approx(sum(by_item.values())) == sum(shown.values())


def test_what_was_reported_in_the_range(harness: DashboardHarness) -> None:
    """Totals of a range are exactly what was reported in it."""
    spent = harness.acme.dollars(NOW - SPAN - LATE_COSTS, NOW - LATE_COSTS)[""]
    tokens = harness.acme.used("completions", "input_tokens", NOW - SPAN - LATE_USAGE, NOW - LATE_USAGE, by="model")
    chosen = {"organization": ("acme",)}

    assert pytest.approx(spent, rel=1e-6) == harness.spend("Reported in range", chosen=chosen).value
    assert pytest.approx(tokens) == (
        harness.shown("openai-usage", "Models in this time range", "B", chosen).last("model")
    )


def test_usage_is_what_was_used(harness: DashboardHarness) -> None:
    """Requests and tokens of today and of seven days, by endpoint and in all."""
    chosen = {"organization": ("globex",)}
    today = harness.globex.used("completions", "num_model_requests", TODAY, NOW)[""]
    days = harness.globex.used("completions", "num_model_requests", *week(NOW))[""]
    tokens = harness.globex.used("completions", "output_tokens", TODAY, NOW)[""]

    assert today == harness.shown("openai-usage", "Requests today", chosen=chosen).value
    assert days == harness.shown("openai-usage", "Requests, 7 days", chosen=chosen).value
    assert tokens == harness.shown("openai-usage", "Output tokens today", chosen=chosen).value
    assert today == harness.shown("openai-usage", "Today by endpoint", chosen=chosen).value
    assert days == harness.shown("openai-usage", "Last 7 days by endpoint", chosen=chosen).value


def test_shares_of_cache_and_batch(harness: DashboardHarness) -> None:
    """Cached input by all input; requests in batches by all requests."""
    chosen = {"organization": ("acme",)}
    span = NOW - SPAN - LATE_USAGE, NOW - LATE_USAGE
    cached, read = (
        harness.acme.used("completions", field, *span)[""] for field in ("input_cached_tokens", "input_tokens")
    )
    batches = harness.acme.used("completions", "num_model_requests", *week(NOW), by="batch")

    assert pytest.approx(cached / read) == harness.shown("openai-usage", "Cached share", chosen=chosen).value
    assert pytest.approx(batches["True"] / sum(batches.values())) == (
        harness.shown("openai-usage", "Batch share", chosen=chosen).value
    )


def test_unit_costs(harness: DashboardHarness) -> None:
    """Money of a model by its requests, and by its tokens."""
    chosen = {"organization": ("acme",)}
    by_item = harness.acme.dollars(*week(NOW), by="line_item")
    requests = harness.acme.used("completions", "num_model_requests", *week(NOW), by="model")[MODEL]
    thousand = sum(dollars for item, dollars in by_item.items() if MODEL in item) / requests * 1000
    table = "Unit costs by model"
    spent, tokens = (harness.spend("Costs of tokens", ref, chosen).last("model")[MODEL] for ref in "AB")
    reported = harness.acme.dollars(NOW - SPAN - LATE_COSTS, NOW - LATE_COSTS, by="line_item")

    assert pytest.approx(thousand) == harness.spend(table, "C", chosen).last("model")[MODEL]
    assert (
        pytest.approx(thousand)
        == harness.spend("Cost per 1,000 requests over time", chosen=chosen).last("model")[MODEL]
    )
    assert pytest.approx(sum(dollars for item, dollars in reported.items() if MODEL in item), rel=1e-6) == spent
    assert pytest.approx(spent / tokens * 1e6) == harness.spend("Costs of tokens", "C", chosen).last("model")[MODEL]


def test_freshness_goes_by_the_last_poll(harness: DashboardHarness) -> None:
    """Everything was read at the last scrape but names and limits; one request failed on the way."""
    since = harness.shown("openai-exporter", "Endpoints", "B", {"organization": ("acme",)}).last("resource")

    assert 0 <= since["costs"] < 60
    assert 0 <= harness.spend("Last cost update").value < 60
    assert 1 == harness.shown("openai-exporter", "Errors in range").value
    assert {"acme": 1, "globex": 1} == harness.shown("openai-exporter", "Up").last("organization")
    assert harness.shown("openai-exporter", "Counter excess").last("measure")["moderations_requests"] > 0


def test_other_currencies_stay_apart(harness: DashboardHarness) -> None:
    """Euros are shown as euros, with the project's name."""
    ((labels, points),) = harness.spend("Costs in other currencies").series

    assert (PROJECT, "eur", 12.5) == (labels["project_name"], labels["currency"], points[-1][1])
