"""Every query of every panel and variable, run by a real Prometheus as the panel runs it."""

import re
from collections.abc import Callable
from functools import cache
from typing import Final, TypeAlias

import pytest

from tests.support.dashboards import Dashboard, QueryContext, Target, dashboard, dashboards
from tests.support.exporter_runs import EMPTY, INTERVAL, NOW, PROJECT, RUNS, SPAN, ExporterRuns
from tests.support.loaded_prometheus import QueryResult

pytestmark = pytest.mark.slow

BOARDS = pytest.mark.parametrize("board", dashboards(), ids=lambda board: board.uid)

RUN_OF: Final = {
    "openai-exporter / Admin keys": "keys",
    "openai-exporter / Degraded": "keys",
    "openai-exporter / Degraded endpoints": "keys",
    "openai-exporter / Rejected rows": "keys",
    "openai-exporter / Series by endpoint / B": "keys",
    "openai-exporter / Certificates": "keys",
    "openai-project / API keys": "keys",
    "openai-project / Certificates": "keys",
    "openai-project / Service accounts": "keys",
    "openai-usage / Groups": "keys",
    "openai-usage / API keys": "keys",
    "openai-usage / Users": "keys",
    "openai-spend / Credit grants": "ordinary key",
}
"""The run in which a query has data, if it is not `weeks`: what is opt-in, or an error."""

EMPTY_WITH_COSTS_ONLY: Final = {
    "Budget used": "A",
    "Month to date, budget and limits": "B",
    "Organizations, budgets and limits": "DEF",
    "Projects": "IJ",
    "Per 1,000 requests": "A",
    "Estimate coverage": "A",
    "Prepaid credit": "AB",
    "Cost per 1,000 requests over time": "A",
    "Unit costs by model": "BC",
    "Costs of tokens": "BC",
    "Credit grants": "ABC",
    "Costs in other currencies": "ABC",
}
"""Empty queries of the spend dashboard with costs only, no budgets, and dollars only."""

Ask: TypeAlias = Callable[..., dict[Target, QueryResult]]

MODELS: Final = ("gpt-5.5-2026-04-23", "gpt-5-mini-2025-08-07")


def choices(runs: ExporterRuns, how_many: str) -> dict[str, tuple[str, ...]]:
    """Return the selected values: one of each variable, two, or none, which is All."""
    first, second = (simulator.organization.projects for simulator in runs.simulators["weeks"].tenants)
    projects = [
        project.id for project in (*first, *second) if project.name in {PROJECT, 'Ünïcode "quoted" \\ 🚀 prototypes'}
    ]
    media_lab = next(project.id for project in first if project.name == PROJECT)
    one: dict[str, tuple[str, ...]] = {
        "organization": ("acme",),
        "project": (media_lab,),
        "model": MODELS[:1],
        "resource": ("costs",),
    }
    several = {
        "organization": ("acme", "globex"),
        "project": tuple(projects),
        "model": MODELS,
        "resource": ("costs", "completions"),
    }
    return {"one": one, "several": several, "All": {}}[how_many]


@pytest.fixture(scope="module")
def ask(runs: ExporterRuns) -> Ask:
    """Give a function that runs all queries of a dashboard at the end of a run, once."""

    @cache
    def results(uid: str, run_name: str, how_many: str = "All") -> dict[Target, QueryResult]:
        context = QueryContext(choices(runs, how_many), span=SPAN, scrape=INTERVAL)
        return runs.prometheus.run_queries(dashboard(uid).targets, context, RUNS[run_name].until)

    return results


@BOARDS
@pytest.mark.parametrize("how_many", ["one", "several"])
def test_queries_succeed_for_every_selection(ask: Ask, board: Dashboard, how_many: str) -> None:
    """With selected values no query fails, and every value is finite."""
    results = ask(board.uid, "weeks", how_many)

    assert {} == {target.key: result.error for target, result in results.items() if result.error}
    assert [] == [target.key for target, result in results.items() if result.series and not result.finite]


@BOARDS
@pytest.mark.parametrize("run_name", RUNS)
def test_queries_succeed_in_every_run(ask: Ask, board: Dashboard, run_name: str) -> None:
    """With everything, costs only, other groupings, an ordinary key, and on the first scrape, no query of All fails."""
    results = ask(board.uid, run_name)

    assert {} == {target.key: result.error for target, result in results.items() if result.error}
    assert [] == [target.key for target, result in results.items() if result.series and not result.finite]


@BOARDS
def test_queries_have_data(ask: Ask, board: Dashboard) -> None:
    """Every query has data in its run."""
    results = {run_name: ask(board.uid, run_name) for run_name in ("weeks", "keys", "ordinary key")}

    assert [] == [target.key for target in board.targets if not results[_meant(target)][target].series]


@BOARDS
def test_queries_succeed_on_an_empty_prometheus(runs: ExporterRuns, board: Dashboard) -> None:
    """Without samples no query fails, and only the timeline, which has no text for no value, returns a series."""
    context = QueryContext(span=SPAN, scrape=60)
    results = runs.prometheus.run_queries(board.targets, context, EMPTY)

    shown = {target.key: [labels for labels, _ in result.series] for target, result in results.items() if result.series}
    timeline = {"openai-exporter / Up over time / A": [{"resource": "the exporter is not scraped"}]}

    assert {} == {target.key: result.error for target, result in results.items() if result.error}
    assert (timeline if board.uid == "openai-exporter" else {}) == shown


@BOARDS
@pytest.mark.parametrize("until", [*(run.until for run in RUNS.values()), EMPTY], ids=[*RUNS, "empty"])
def test_annotations_succeed(runs: ExporterRuns, board: Dashboard, until: float) -> None:
    """No query of an annotation fails."""
    queries = [QueryContext(span=SPAN, scrape=INTERVAL).fill(each["expr"]) for each in board.annotations]

    assert [] == [error for query in queries if (error := runs.prometheus.instant(query, until).error)]


def test_costs_alone_fill_the_spend_dashboard(ask: Ask) -> None:
    """Only panels that need usage or a budget are empty."""
    results = ask("openai-spend", "costs")
    missing: dict[str, str] = {}
    for target, result in results.items():
        if not result.series:
            missing[target.panel] = missing.get(target.panel, "") + target.ref

    assert EMPTY_WITH_COSTS_ONLY == missing


def test_costs_without_projects_are_shown(ask: Ask) -> None:
    """Costs that are grouped by user and not by project fill totals, days by model and line items."""
    results = ask("openai-spend", "users")
    labelled = {target.panel for target, result in results.items() if result.series}

    assert {
        "Today, reported",
        "Month to date",
        "Projected month",
        "Spend per day by model",
        "Line items, last 7 days",
    } <= labelled


def test_the_first_scrape_fills_the_figures(ask: Ask) -> None:
    """Windows and days are complete on the first scrape; rates and comparisons with last week are empty."""
    fresh = [ask(uid, "fresh") for uid in ("openai-spend", "openai-usage")]
    labelled = {target.panel for results in fresh for target, result in results.items() if result.series}

    assert {
        "Today, reported",
        "Yesterday",
        "Last 7 days",
        "Month to date",
        "Projected month",
        "Spend per day",
        "Projects",
    } <= labelled
    assert {"Requests today", "Requests, 7 days", "Models today", "Today by endpoint", "Requests per day"} <= labelled
    assert not {"Largest changes since last week", "Requests per minute"} & labelled


@pytest.mark.parametrize("uid", ["openai-spend", "openai-usage", "openai-project"])
def test_projects_are_chosen_by_name(runs: ExporterRuns, uid: str) -> None:
    """Names are shown as they are, quotes included; two projects of one name end with a part of their ids."""
    (variable,) = [each for each in dashboard(uid).variables if each.name == "project"]
    inner = variable.query.removeprefix("query_result(").removesuffix(")")
    result = runs.prometheus.instant(QueryContext({"organization": ("acme",)}).fill(inner), NOW)
    pattern = re.compile(variable.regex[1:-1].replace("(?<", "(?P<"))
    found = [pattern.search(_as_grafana_writes(labels)) for labels, _ in result.series]
    projects = runs.simulators["weeks"].tenants[0].organization.projects

    names = [project.name for project in projects]
    shown = {
        project.id: f"{project.name} …{project.id[-4:]}" if names.count(project.name) > 1 else project.name
        for project in projects
    }

    assert len(names) > len(set(names))
    assert shown == {match["value"]: match["text"] for match in found if match}


def test_models_are_chosen_from_usage(runs: ExporterRuns) -> None:
    """Every model that any endpoint reports can be chosen."""
    (variable,) = [each for each in dashboard("openai-usage").variables if each.name == "model"]
    models = _label_values(runs, variable.query)

    assert {"gpt-5.5-2026-04-23", "text-embedding-3-large", "gpt-image-2.5-flare", "tts-1-hd", "whisper-1"} <= models


def test_models_are_chosen_from_costs(runs: ExporterRuns) -> None:
    """Line items give their models, tools and storage give none; costs alone are enough."""
    (variable,) = [each for each in dashboard("openai-spend").variables if each.name == "model"]
    pattern = re.compile(variable.regex[1:-1])
    found = [pattern.search(item) for item in _label_values(runs, variable.query, "costs")]
    models = {match[1] for match in found if match}

    assert set(MODELS) < models
    assert not [
        model for model in models if "," in model or "|" in model or model in {"web", "file", "Vector", "batch"}
    ]


@pytest.mark.parametrize("uid", ["openai-spend", "openai-usage", "openai-project", "openai-exporter"])
def test_organizations_are_chosen(runs: ExporterRuns, uid: str) -> None:
    """Every organization is a choice, by its configured name."""
    (variable,) = [each for each in dashboard(uid).variables if each.name == "organization"]

    assert {"acme", "globex"} == _label_values(runs, variable.query)


def test_endpoints_are_chosen(runs: ExporterRuns) -> None:
    """Names and limits are endpoints too."""
    (variable,) = [each for each in dashboard("openai-exporter").variables if each.name == "resource"]

    assert {"costs", "completions", "projects", "spend_limit"} <= _label_values(runs, variable.query)


def _label_values(runs: ExporterRuns, query: str, run_name: str = "weeks") -> set[str]:
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert match
    selector = QueryContext().fill(match[1])
    return set(runs.prometheus.values(selector, match[2], RUNS[run_name].until, SPAN))


def _as_grafana_writes(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "} 1 0"


def _meant(target: Target) -> str:
    panel = target.key.rpartition(" / ")[0]
    return RUN_OF.get(target.key) or RUN_OF.get(panel, "weeks")
