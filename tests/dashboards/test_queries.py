"""Every query of every panel and variable, run by a real Prometheus as the panel runs it."""

import re
from typing import Final

import pytest

from tests.support.dashboards import Asking, Dashboard, Target, dashboard, dashboards
from tests.support.restarts import EMPTY, INTERVAL, LIVES, NOW, PROJECT, SPAN, Lives
from tests.support.warehouse import Reply

pytestmark = pytest.mark.slow

BOARDS = pytest.mark.parametrize("board", dashboards(), ids=lambda board: board.uid)

MEANT_FOR: Final = {
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
"""The life in which a query has data, where it is not the weeks of everything: what is opt-in, or goes wrong."""

WITHOUT_USAGE: Final = {
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
"""What the spend dashboard lacks with costs alone, no budgets, and dollars only."""

MODELS: Final = ("gpt-5.5-2026-04-23", "gpt-5-mini-2025-08-07")


def choices(lives: Lives, how_many: str) -> dict[str, tuple[str, ...]]:
    """Return what is chosen: one value of each variable, two, or nothing, which is All."""
    first, second = (simulator.organization.projects for simulator in lives.simulators["weeks"].tenants)
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


def ask(
    lives: Lives, board: Dashboard, life: str = "weeks", chosen: dict[str, tuple[str, ...]] | None = None
) -> dict[Target, Reply]:
    """Ask all queries of a dashboard at the end of a life."""
    asking = Asking(chosen or {}, span=SPAN, scrape=INTERVAL)
    return lives.prometheus.ask_all(board.targets, asking, LIVES[life].until)


@BOARDS
@pytest.mark.parametrize("how_many", ["one", "several", "All"])
def test_queries_succeed_whatever_is_chosen(lives: Lives, board: Dashboard, how_many: str) -> None:
    """No error, and no value that is not a number."""
    replies = ask(lives, board, chosen=choices(lives, how_many))

    assert {} == {target.key: reply.error for target, reply in replies.items() if reply.error}
    assert [] == [target.key for target, reply in replies.items() if reply.series and not reply.finite]


@BOARDS
@pytest.mark.parametrize("life", LIVES)
def test_queries_succeed_in_every_life(lives: Lives, board: Dashboard, life: str) -> None:
    """With costs alone, other groupings, an ordinary key, on the first scrape: no error and no NaN."""
    replies = ask(lives, board, life)

    assert {} == {target.key: reply.error for target, reply in replies.items() if reply.error}
    assert [] == [target.key for target, reply in replies.items() if reply.series and not reply.finite]


@BOARDS
def test_queries_have_data(lives: Lives, board: Dashboard) -> None:
    """Every query shows something in the life that it is meant for."""
    replies = {life: ask(lives, board, life) for life in ("weeks", "keys", "ordinary key")}

    assert [] == [target.key for target in board.targets if not replies[_meant(target)][target].series]


@BOARDS
@pytest.mark.parametrize("how_many", ["one", "several", "All"])
def test_queries_succeed_on_an_empty_prometheus(lives: Lives, board: Dashboard, how_many: str) -> None:
    """Before the first scrape there is nothing, and nothing fails; a chart without words for it says so in a row."""
    asking = Asking(choices(lives, how_many), span=SPAN, scrape=60)
    replies = lives.prometheus.ask_all(board.targets, asking, EMPTY)

    shown = {target.key: [labels for labels, _ in reply.series] for target, reply in replies.items() if reply.series}
    wordless = {"openai-exporter / Up over time / A": [{"resource": "the exporter is not scraped"}]}

    assert {} == {target.key: reply.error for target, reply in replies.items() if reply.error}
    assert (wordless if board.uid == "openai-exporter" else {}) == shown


def test_costs_alone_fill_the_spend_dashboard(lives: Lives) -> None:
    """What needs usage, or a budget, is all that is missing, and says so."""
    replies = ask(lives, dashboard("openai-spend"), "costs")
    missing: dict[str, str] = {}
    for target, reply in replies.items():
        if not reply.series:
            missing[target.panel] = missing.get(target.panel, "") + target.ref

    assert WITHOUT_USAGE == missing


def test_costs_without_projects_are_still_told(lives: Lives) -> None:
    """Grouped by user, money has no project: totals, days by model and line items remain."""
    replies = ask(lives, dashboard("openai-spend"), "users")
    told = {target.panel for target, reply in replies.items() if reply.series}

    assert {
        "Today, reported",
        "Month to date",
        "Projected month",
        "Spend per day by model",
        "Line items, last 7 days",
    } <= told


def test_the_first_scrape_fills_the_figures(lives: Lives) -> None:
    """What OpenAI knows of the past is there at once; rates, and what is held against last week, are not."""
    fresh = {life: ask(lives, dashboard(uid), "fresh") for life, uid in (("s", "openai-spend"), ("u", "openai-usage"))}
    told = {target.panel for replies in fresh.values() for target, reply in replies.items() if reply.series}

    assert {
        "Today, reported",
        "Yesterday",
        "Last 7 days",
        "Month to date",
        "Projected month",
        "Spend per day",
        "Projects",
    } <= told
    assert {"Requests today", "Requests, 7 days", "Models today", "Today by endpoint", "Requests per day"} <= told
    assert not {"Largest changes since last week", "Requests per minute"} & told


@pytest.mark.parametrize("uid", ["openai-spend", "openai-usage", "openai-project"])
def test_projects_are_chosen_by_name(lives: Lives, uid: str) -> None:
    """Names are shown as they are, quotes included; two projects of one name end with a part of their ids."""
    (variable,) = [each for each in dashboard(uid).variables if each.name == "project"]
    inner = variable.query.removeprefix("query_result(").removesuffix(")")
    reply = lives.prometheus.instant(Asking({"organization": ("acme",)}).fill(inner), NOW)
    pattern = re.compile(variable.regex[1:-1].replace("(?<", "(?P<"))
    found = [pattern.search(_as_grafana_writes(labels)) for labels, _ in reply.series]
    projects = lives.simulators["weeks"].tenants[0].organization.projects

    names = [project.name for project in projects]
    shown = {
        project.id: f"{project.name} …{project.id[-4:]}" if names.count(project.name) > 1 else project.name
        for project in projects
    }

    assert len(names) > len(set(names))
    assert shown == {match["value"]: match["text"] for match in found if match}


def test_models_are_chosen_from_usage(lives: Lives) -> None:
    """Every model that any endpoint reports can be chosen."""
    (variable,) = [each for each in dashboard("openai-usage").variables if each.name == "model"]
    models = _label_values(lives, variable.query)

    assert {"gpt-5.5-2026-04-23", "text-embedding-3-large", "gpt-image-2.5-flare", "tts-1-hd", "whisper-1"} <= models


def test_models_are_chosen_from_costs(lives: Lives) -> None:
    """Line items give their models, tools and storage give none; costs alone are enough."""
    (variable,) = [each for each in dashboard("openai-spend").variables if each.name == "model"]
    pattern = re.compile(variable.regex[1:-1])
    found = [pattern.search(item) for item in _label_values(lives, variable.query, "costs")]
    models = {match[1] for match in found if match}

    assert set(MODELS) < models
    assert not [
        model for model in models if "," in model or "|" in model or model in {"web", "file", "Vector", "batch"}
    ]


@pytest.mark.parametrize("uid", ["openai-spend", "openai-usage", "openai-project", "openai-exporter"])
def test_organizations_are_chosen(lives: Lives, uid: str) -> None:
    """Every organization is a choice, by its configured name."""
    (variable,) = [each for each in dashboard(uid).variables if each.name == "organization"]

    assert {"acme", "globex"} == _label_values(lives, variable.query)


def test_endpoints_are_chosen(lives: Lives) -> None:
    """Names and limits are endpoints too."""
    (variable,) = [each for each in dashboard("openai-exporter").variables if each.name == "resource"]

    assert {"costs", "completions", "projects", "spend_limit"} <= _label_values(lives, variable.query)


def _label_values(lives: Lives, query: str, life: str = "weeks") -> set[str]:
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert match
    selector = Asking().fill(match[1])
    return set(lives.prometheus.values(selector, match[2], LIVES[life].until, SPAN))


def _as_grafana_writes(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "} 1 0"


def _meant(target: Target) -> str:
    panel = target.key.rpartition(" / ")[0]
    return MEANT_FOR.get(target.key) or MEANT_FOR.get(panel, "weeks")
