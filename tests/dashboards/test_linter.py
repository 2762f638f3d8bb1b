"""The rules of the public dashboard linter, by its names, with the exclusions and their reasons."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import promql_parser as promql
import pytest
import yaml

from tests.support.dashboards import FOLDER, Dashboard, QueryContext, dashboards

Rule = Callable[[Dashboard], Iterator[str]]

EXCLUDED: dict[str, dict[str, str]] = yaml.safe_load((FOLDER / ".lint").read_text())["exclusions"]
"""The linter's own file: rules that are not followed, or not by every query."""

NARROWED = {"target-rate-interval-rule", "target-counter-agg-rule"}
"""Excluded for totals alone: the tests below hold all other queries to them."""

RATES_EXCEPT = r"increase\([a-z_{][^\[]*\[(\$__range|1d)\]"
"""`increase()` for totals of a time range or a day, where a counter was reset: see `growth`."""


def template_datasource_rule(board: Dashboard) -> Iterator[str]:
    """There is one variable for the data source, with the usual name and label."""
    sources = [variable.json for variable in board.variables if variable.kind == "datasource"]
    if [("datasource", "Data source")] != [(source["name"], source["label"]) for source in sources]:
        yield f"{sources}"


def template_label_promql_rule(board: Dashboard) -> Iterator[str]:
    """The arguments of label_values and query_result are PromQL."""
    for variable in board.variables:
        if variable.kind == "query":
            inner = re.sub(r"^(label_values|query_result)\(|(, \w+)?\)$", "", variable.query)
            yield from _parse(inner)


def template_on_time_change_reload_rule(board: Dashboard) -> Iterator[str]:
    """Variables are refreshed when the time range changes."""
    yield from (each.name for each in board.variables if each.kind == "query" and 2 != each.json["refresh"])


def panel_datasource_rule(board: Dashboard) -> Iterator[str]:
    """Panels query the selected data source."""
    yield from (panel["title"] for panel in board.panels if "${datasource}" != panel["datasource"]["uid"])


def panel_title_description_rule(board: Dashboard) -> Iterator[str]:
    """Panels have a title and a description."""
    yield from (str(panel["id"]) for panel in board.panels if not (panel.get("title") and panel.get("description")))


def panel_units_rule(board: Dashboard) -> Iterator[str]:
    """Panels have a unit."""
    yield from (panel["title"] for panel in board.panels if not panel["fieldConfig"]["defaults"].get("unit"))


def panel_no_targets_rule(board: Dashboard) -> Iterator[str]:
    """Panels have queries."""
    yield from (panel["title"] for panel in board.panels if not panel.get("targets"))


def target_promql_rule(board: Dashboard) -> Iterator[str]:
    """Queries are PromQL once the variables are filled in."""
    for target in board.targets:
        yield from _parse(target.expr)


def target_rate_interval_rule(board: Dashboard) -> Iterator[str]:
    """Rates use the interval that Grafana calculates."""
    for target in board.targets:
        rates = re.findall(r"(?:rate|irate|increase)\([^\[]*\[([^\]]+)\]", re.sub(RATES_EXCEPT, "", _bare(target.expr)))
        if set(rates) - {"$__rate_interval"}:
            yield target.key


def target_counter_agg_rule(board: Dashboard) -> Iterator[str]:
    """Counters are part of a rate, or of a difference, which is not extrapolated."""
    shape = r"\(\(max_over_time\((\w+)\{.*?\bincrease\(\1\{[^}]*\}\[(\$__range|1d)\]( offset -1d)?\)\)"
    for target in board.targets:
        rest = re.sub(r"rate\(\w+(\{[^}]*\})?\[\$__rate_interval\]\)", "", re.sub(shape, "", _bare(target.expr)))
        if re.search(r"\w_total\b", rest):
            yield target.key


def uneditable_dashboard_rule(board: Dashboard) -> Iterator[str]:
    """Dashboards cannot be changed in the browser."""
    if board.json["editable"]:
        yield board.uid


RULES: list[Rule] = [
    template_datasource_rule,
    template_label_promql_rule,
    template_on_time_change_reload_rule,
    panel_datasource_rule,
    panel_title_description_rule,
    panel_units_rule,
    panel_no_targets_rule,
    target_promql_rule,
    target_rate_interval_rule,
    target_counter_agg_rule,
    uneditable_dashboard_rule,
]


@pytest.mark.parametrize("board", dashboards(), ids=lambda board: board.uid)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_dashboards_follow_the_linter(rule: Rule, board: Dashboard) -> None:
    """The linter would find nothing."""
    assert [] == list(rule(board))


def test_every_rule_is_followed_or_excluded() -> None:
    """The fifteen rules for Prometheus dashboards are all decided, each exclusion with a reason."""
    followed = {rule.__name__.replace("_", "-") for rule in RULES}

    assert 15 == len(followed | set(EXCLUDED))
    assert NARROWED == followed & set(EXCLUDED)
    assert all(excluded["reason"] for excluded in EXCLUDED.values())


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        (panel_units_rule, {"fieldConfig": {"defaults": {}}}),
        (panel_no_targets_rule, {"targets": []}),
        (panel_title_description_rule, {"description": ""}),
        (panel_datasource_rule, {"datasource": {"uid": "prometheus"}}),
        (target_promql_rule, {"expr": "rate(openai_exporter_api_requests_total)"}),
        (target_rate_interval_rule, {"expr": "rate(openai_exporter_api_requests_total[5m])"}),
        (target_counter_agg_rule, {"expr": "sum(openai_exporter_api_requests_total)"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_rules_find_something(rule: Rule, change: dict[str, Any]) -> None:
    """Each rule fails a panel that breaks it."""
    expr = change.get("expr", "openai_exporter_up")
    target = {"refId": "A", "expr": expr, "instant": True, "legendFormat": ""}
    panel = {
        "id": 1,
        "type": "stat",
        "title": "broken",
        "description": "Broken.",
        "datasource": {"uid": "${datasource}"},
        "fieldConfig": {"defaults": {"unit": "none"}},
        "targets": [target],
        **{key: value for key, value in change.items() if key != "expr"},
    }

    assert 1 == len(list(rule(Dashboard("broken", {"panels": [panel], "templating": {"list": []}}))))


def _bare(expr: str) -> str:
    """Return a query without its strings, which may hold brackets."""
    return re.sub(r'"[^"]*"', '""', expr)


def _parse(expr: str) -> Iterator[str]:
    try:
        promql.parse(QueryContext().fill(expr))
    except ValueError as error:
        yield f"{error}: {expr}"
