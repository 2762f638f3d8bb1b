"""The figures that people act on, held against the books of the simulated organizations."""

from collections.abc import Mapping

import pytest

from exporter.catalog import DAY
from tests.support.audit import UsageLog, week
from tests.support.dashboards import Asking, dashboard
from tests.support.restarts import BUDGETS, INTERVAL, NOW, PROJECT, PROJECT_BUDGET, SPAN, TODAY, Lives
from tests.support.warehouse import Reply

pytestmark = pytest.mark.slow

LATE_COSTS = 3600
LATE_USAGE = 60
MONTH = TODAY - 17 * DAY
"""2026-11-01 00:00 UTC."""

MODEL = "gpt-5.5-2026-04-23"

Chosen = Mapping[str, str | tuple[str, ...]]


class LedgerHarness:
    """Where the dashboards' figures and the books lie side by side."""

    def __init__(self, lives: Lives) -> None:
        self._prometheus = lives.prometheus
        first, second = lives.simulators["weeks"].scenarios
        self.acme, self.globex = UsageLog(first), UsageLog(second)
        self.media_lab = first.project(PROJECT).id

    def shown(self, uid: str, panel: str, ref: str = "A", chosen: Chosen | None = None) -> Reply:
        """Return what a panel shows now."""
        asking = Asking(chosen or {}, span=SPAN, scrape=INTERVAL)
        reply = self._prometheus.ask(dashboard(uid).target(panel, ref), asking, NOW)

        assert "" == reply.error
        return reply

    def spend(self, panel: str, ref: str = "A", chosen: Chosen | None = None) -> Reply:
        """Return what a panel of the spend dashboard shows now."""
        return self.shown("openai-spend", panel, ref, chosen)

    def both(self, since: float, until: float = NOW) -> float:
        """Return what both organizations cost."""
        return sum(books.dollars(since, until)[""] for books in (self.acme, self.globex))


@pytest.fixture(scope="module")
def desk(lives: Lives) -> LedgerHarness:
    """Open the books."""
    return LedgerHarness(lives)


@pytest.mark.parametrize(
    ("panel", "since", "until"),
    [
        ("Today, reported", TODAY, NOW),
        ("Yesterday", TODAY - DAY, TODAY),
        ("Last 7 days", *week(NOW)),
        ("Month to date", MONTH, NOW),
    ],
)
def test_spend_is_what_was_spent(desk: LedgerHarness, panel: str, since: float, until: float) -> None:
    """All organizations and projects together."""
    assert pytest.approx(desk.both(since, until)) == desk.spend(panel).value


def test_spend_of_what_is_chosen(desk: LedgerHarness) -> None:
    """One organization, one project, one model: each narrows the figure."""
    by_item = desk.acme.dollars(*week(NOW), by="line_item")
    of_model = sum(dollars for item, dollars in by_item.items() if MODEL in item)

    assert pytest.approx(desk.acme.dollars(MONTH, NOW)[""]) == (
        desk.spend("Month to date", chosen={"organization": ("acme",)}).value
    )
    assert pytest.approx(desk.acme.dollars(MONTH, NOW, by="project_id")[desk.media_lab]) == (
        desk.spend("Month to date", chosen={"project": (desk.media_lab,)}).value
    )
    assert pytest.approx(of_model) == (
        desk.spend("Last 7 days", chosen={"organization": ("acme",), "model": (MODEL,)}).value
    )


def test_two_choices_are_the_sum_of_each(desk: LedgerHarness) -> None:
    """Several values mean any of them."""
    models = (MODEL, "gpt-5-mini-2025-08-07")
    each = [desk.spend("Last 7 days", chosen={"model": (model,)}).value for model in models]

    assert pytest.approx(sum(each)) == desk.spend("Last 7 days", chosen={"model": models}).value
    assert pytest.approx(desk.spend("Last 7 days").value) == (
        desk.spend("Last 7 days", chosen={"organization": ("acme", "globex")}).value
    )


def test_the_month_is_projected(desk: LedgerHarness) -> None:
    """Month to date, and the mean of the last six whole days for each of the 12.25 days that are left."""
    month, mean = desk.both(MONTH), desk.both(TODAY - 6 * DAY, TODAY) / 6

    assert pytest.approx(month + mean * 12.25) == desk.spend("Projected month").value


def test_budgets_and_limits_are_shares_of_the_whole_month(desk: LedgerHarness) -> None:
    """By organization, and whatever project is chosen."""
    months = {"acme": desk.acme.dollars(MONTH, NOW)[""], "globex": desk.globex.dollars(MONTH, NOW)[""]}
    chosen = {"project": (desk.media_lab,)}
    limits = desk.spend("Organizations, budgets and limits", "G").last("organization")

    assert pytest.approx({name: month / BUDGETS[name] for name, month in months.items()}) == (
        desk.spend("Budget used", chosen=chosen).last("organization")
    )
    assert pytest.approx({name: months[name] / limit for name, limit in limits.items()}) == (
        desk.spend("OpenAI limit used", chosen=chosen).last("organization")
    )
    assert limits


def test_projected_shares_are_of_each_organization(desk: LedgerHarness) -> None:
    """The table tells the month's end against the budget."""
    month, mean = desk.acme.dollars(MONTH, NOW)[""], desk.acme.dollars(TODAY - 6 * DAY, TODAY)[""] / 6
    table = "Organizations, budgets and limits"

    assert (
        pytest.approx((month + mean * 12.25) / BUDGETS["acme"]) == desk.spend(table, "E").last("organization")["acme"]
    )
    assert BUDGETS == desk.spend(table, "D").last("organization")


def test_projects_are_told_by_name(desk: LedgerHarness) -> None:
    """The table has a row for every project with its name, its money and its budget."""
    chosen = {"organization": ("acme",)}
    week_costs = desk.spend("Projects", "A", chosen)
    names = {labels["project_id"]: labels["project_name"] for labels, _ in week_costs.series}

    assert pytest.approx(desk.acme.dollars(*week(NOW), by="project_id")) == week_costs.last("project_id")
    shared = {name for project, name in names.items() if name.endswith(f" …{project[-4:]}")}

    assert {"checkout-assistant", PROJECT, 'Ünïcode "quoted" \\ 🚀 prototypes'} <= set(names.values())
    assert 2 == len(shared)
    assert {True} == {name.startswith("sandbox ") for name in shared}
    assert {desk.media_lab: PROJECT_BUDGET} == desk.spend("Projects", "I", chosen).last("project_id")
    assert (
        pytest.approx(desk.acme.dollars(MONTH, NOW, by="project_id")[desk.media_lab] / PROJECT_BUDGET)
        == (desk.spend("Projects", "J", chosen).last("project_id")[desk.media_lab])
    )


def test_each_day_has_its_bar(desk: LedgerHarness) -> None:
    """A bar stands at the midnight that begins its day; today's grows; yesterday's holds what came late."""
    days: dict[float, float] = {}
    for _, points in desk.spend("Spend per day", chosen={"organization": ("acme",)}).series:
        for time, dollars in points:
            days[time] = days.get(time, 0) + dollars
    truth = {
        TODAY - ago * DAY: desk.acme.dollars(TODAY - ago * DAY, min(TODAY - (ago - 1) * DAY, NOW))[""]
        for ago in range(8)
    }

    assert pytest.approx(truth) == days


def test_movers_differ_most_from_the_week_before(desk: LedgerHarness) -> None:
    """The project that pays three times the price since a week leads, with the difference as money."""
    project = desk.shown("openai-project", "Change since last week", chosen={"project": (desk.media_lab,)}).value
    now = desk.acme.dollars(*week(NOW), by="project_id")[desk.media_lab]
    then = desk.acme.dollars(week(NOW)[0] - SPAN, NOW - SPAN - LATE_COSTS, by="project_id")[desk.media_lab]
    movers = desk.spend("Largest changes since last week")

    assert pytest.approx(now - then) == project
    assert 10 == len(movers.series)
    assert PROJECT == max(movers.series, key=lambda series: series[1][-1][1])[0]["project_name"]


def test_models_are_read_from_line_items(desk: LedgerHarness) -> None:
    """Tiers and modalities of a model are its money too; tools and storage name no model."""
    by_item = desk.acme.dollars(*week(NOW), by="line_item")
    shown = desk.spend("Models, last 7 days", chosen={"organization": ("acme",)}).last("model")

    assert pytest.approx(sum(dollars for item, dollars in by_item.items() if MODEL in item)) == shown[MODEL]
    assert pytest.approx(sum(dollars for item, dollars in by_item.items() if "," not in item)) == shown["no model"]
    assert pytest.approx(sum(by_item.values())) == sum(shown.values())


def test_what_was_reported_in_the_range(desk: LedgerHarness) -> None:
    """Counters tell what came in since a week ago, no more and no less."""
    spent = desk.acme.dollars(NOW - SPAN - LATE_COSTS, NOW - LATE_COSTS)[""]
    tokens = desk.acme.used("completions", "input_tokens", NOW - SPAN - LATE_USAGE, NOW - LATE_USAGE, by="model")
    chosen = {"organization": ("acme",)}

    assert pytest.approx(spent, rel=1e-6) == desk.spend("Reported in range", chosen=chosen).value
    assert pytest.approx(tokens) == (desk.shown("openai-usage", "Models in this time range", "B", chosen).last("model"))


def test_usage_is_what_was_used(desk: LedgerHarness) -> None:
    """Requests and tokens of today and of seven days, by endpoint and in all."""
    chosen = {"organization": ("globex",)}
    today = desk.globex.used("completions", "num_model_requests", TODAY, NOW)[""]
    days = desk.globex.used("completions", "num_model_requests", *week(NOW))[""]
    tokens = desk.globex.used("completions", "output_tokens", TODAY, NOW)[""]

    assert today == desk.shown("openai-usage", "Requests today", chosen=chosen).value
    assert days == desk.shown("openai-usage", "Requests, 7 days", chosen=chosen).value
    assert tokens == desk.shown("openai-usage", "Output tokens today", chosen=chosen).value
    assert today == desk.shown("openai-usage", "Today by endpoint", chosen=chosen).value
    assert days == desk.shown("openai-usage", "Last 7 days by endpoint", chosen=chosen).value


def test_shares_of_cache_and_batch(desk: LedgerHarness) -> None:
    """Cached input by all input; requests in batches by all requests."""
    chosen = {"organization": ("acme",)}
    span = NOW - SPAN - LATE_USAGE, NOW - LATE_USAGE
    cached, read = (
        desk.acme.used("completions", field, *span)[""] for field in ("input_cached_tokens", "input_tokens")
    )
    batches = desk.acme.used("completions", "num_model_requests", *week(NOW), by="batch")

    assert pytest.approx(cached / read) == desk.shown("openai-usage", "Cached share", chosen=chosen).value
    assert pytest.approx(batches["True"] / sum(batches.values())) == (
        desk.shown("openai-usage", "Batch share", chosen=chosen).value
    )


def test_unit_costs(desk: LedgerHarness) -> None:
    """Money of a model by its requests, and by its tokens."""
    chosen = {"organization": ("acme",)}
    by_item = desk.acme.dollars(*week(NOW), by="line_item")
    requests = desk.acme.used("completions", "num_model_requests", *week(NOW), by="model")[MODEL]
    thousand = sum(dollars for item, dollars in by_item.items() if MODEL in item) / requests * 1000
    table = "Unit costs by model"
    spent, tokens = (desk.spend("Costs of tokens", ref, chosen).last("model")[MODEL] for ref in "AB")
    reported = desk.acme.dollars(NOW - SPAN - LATE_COSTS, NOW - LATE_COSTS, by="line_item")

    assert pytest.approx(thousand) == desk.spend(table, "C", chosen).last("model")[MODEL]
    assert (
        pytest.approx(thousand) == desk.spend("Cost per 1,000 requests over time", chosen=chosen).last("model")[MODEL]
    )
    assert pytest.approx(sum(dollars for item, dollars in reported.items() if MODEL in item), rel=1e-6) == spent
    assert pytest.approx(spent / tokens * 1e6) == desk.spend("Costs of tokens", "C", chosen).last("model")[MODEL]


def test_freshness_goes_by_the_last_poll(desk: LedgerHarness) -> None:
    """Everything was read at the last scrape but names and limits; one request failed on the way."""
    since = desk.shown("openai-exporter", "Endpoints", "B", {"organization": ("acme",)}).last("resource")

    assert 0 <= since["costs"] < 60
    assert 0 <= desk.spend("Last cost update").value < 60
    assert 1 == desk.shown("openai-exporter", "Errors in range").value
    assert {"acme": 1, "globex": 1} == desk.shown("openai-exporter", "Up").last("organization")
    assert desk.shown("openai-exporter", "Counter excess").last("measure")["moderations_requests"] > 0


def test_other_currencies_stay_apart(desk: LedgerHarness) -> None:
    """Euros are told as euros, with the project's name."""
    ((labels, points),) = desk.spend("Costs in other currencies").series

    assert (PROJECT, "eur", 12.5) == (labels["project_name"], labels["currency"], points[-1][1])
