"""Queries name what the exporter exports, and every exported family and row of both tables is in a panel."""

import re
from functools import cache

import promql_parser as promql
import pytest

from exporter.catalog import CATALOG, METADATA, MetadataResource, Resource, accrued_name, today_name, window_name
from tests.support.dashboards import Dashboard, QueryContext, Target, dashboards, every_target
from tests.support.families import counters, labels_of_families, optional
from tests.support.syntax import RISING, MistakeError, Selector, result_labels, selectors

FAMILIES = labels_of_families()
BOARDS = pytest.mark.parametrize("board", dashboards(), ids=lambda board: board.uid)

ALERT_LABELS = frozenset({"alertname", "alertstate", "organization", "project_id", "line_item", "resource"})

EXEMPT = {
    **optional(),
    "process_virtual_memory_bytes": "address space is not memory",
    "python_info": "the version is in openai_exporter_build_info",
    "openai_exporter_api_request_duration_seconds_count": "openai_exporter_api_requests_total counts them",
    "openai_exporter_api_request_duration_seconds_sum": "quantiles are more useful than the mean",
    "openai_exporter_poll_duration_seconds_count": "polls go by their interval",
    "openai_exporter_poll_duration_seconds_sum": "quantiles are more useful than the mean",
}


@cache
def asked(target: Target) -> tuple[Selector, ...]:
    """Return the selectors of a query."""
    return tuple(selectors(filled(target.expr), FAMILIES))


def filled(expr: str) -> str:
    """Return a query as it is sent when all is chosen."""
    return QueryContext().fill(expr)


@BOARDS
def test_queries_name_families_and_labels_that_are_there(board: Dashboard) -> None:
    """Selectors, groupings, joins and legends use only what the exporter exposes."""
    for target in board.targets:
        labels = result_labels(filled(target.expr), FAMILIES)
        labelled = set(re.findall(r"\{\{(\w+)\}\}", target.legend))

        assert set() == labelled - labels


@BOARDS
def test_tables_show_labels_that_their_queries_give(board: Dashboard) -> None:
    """Every label with a heading is a label of a column's query."""
    for panel in board.panels:
        if panel["type"] != "table":
            continue
        organize = panel["transformations"][2]["options"]
        shown = {name for name in organize["indexByName"] if re.fullmatch("[a-z_]+", name)}
        columns = [result_labels(filled(target["expr"]), FAMILIES) for target in panel["targets"]]
        assert shown <= frozenset[str]().union(*columns), panel["title"]
        identity = shown - {"status", "owner_type", "role", "user_name", "version", "pythonversion"}
        assert all(identity <= labels for labels in columns), panel["title"]


@BOARDS
def test_variables_ask_for_what_is_there(board: Dashboard) -> None:
    """Selectors and labels of the variables' queries are the exporter's."""
    for variable in board.variables:
        if variable.kind != "query":
            continue
        values = re.fullmatch(r"label_values\((.+), (\w+)\)", variable.query)
        result = re.fullmatch(r"query_result\((.+)\)", variable.query)
        assert values or result, variable.query
        if values:
            assert values[2] in result_labels(filled(values[1]), FAMILIES)
        elif result:
            named = set(re.findall(r"(\w+)=\"", variable.regex))
            assert named == result_labels(filled(result[1]), FAMILIES)


def charted() -> set[str]:
    """Return the families that panels query."""
    return {name for target in every_target() for selector in asked(target) for name in selector.names}


def test_every_exported_family_is_charted() -> None:
    """A family that no panel queries is listed with the reason."""
    assert set() == set(FAMILIES) - charted() - set(EXEMPT)


def test_what_is_exempt_is_exported_and_not_charted() -> None:
    """The list has no entry that is not needed."""
    assert set() == set(EXEMPT) - set(FAMILIES)
    assert set() == set(EXEMPT) & charted()


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.name)
def test_every_row_of_buckets_is_charted(row: Resource) -> None:
    """Every measure that is exported by default is in a panel, as day gauge, window gauge or counter."""
    shown = charted()
    views = {each.name: {today_name(each), window_name(each), accrued_name(each)} & shown for each in row.select()}

    assert [] == [name for name, names in views.items() if not names]


@pytest.mark.parametrize("row", METADATA, ids=lambda row: row.name)
def test_every_row_of_metadata_is_charted(row: MetadataResource) -> None:
    """Every family of names, keys, certificates and limits is in a panel."""
    assert set() == {family.name for family in row.families} - charted()


@BOARDS
def test_annotations_query_what_is_there(board: Dashboard) -> None:
    """Annotations name families and labels that the exporter exposes, or the alerts of Prometheus."""
    for annotation in board.annotations:
        result_labels(filled(annotation["expr"]), {**FAMILIES, "ALERTS": ALERT_LABELS})


@BOARDS
def test_window_queries_select_one_window(board: Dashboard) -> None:
    """Windows overlap: a sum over several would count twice."""
    for target in board.targets:
        for selector in asked(target):
            windows = [(operator, value) for label, operator, value in selector.matchers if label == "window"]
            of_windows = {name.startswith("openai_window_") for name in selector.names}

            assert {True} != of_windows or 1 == len(windows), target.expr
            assert {"MatchOp.Equal"} >= {operator for operator, _ in windows}
            assert {True} == of_windows or not windows


@BOARDS
def test_nothing_under_rate_is_a_gauge(board: Dashboard) -> None:
    """`rate()` and similar functions treat every decrease as a reset."""
    for target in board.targets:
        for selector in asked(target):
            if RISING & set(selector.functions):
                assert set() == selector.names - counters(), target.expr


@BOARDS
def test_counters_are_shown_by_their_growth(board: Dashboard) -> None:
    """Counters are shown by their growth: their values depend on when the exporter was installed."""
    for target in board.targets:
        for selector in asked(target):
            if selector.names & counters():
                assert grows(selector), target.expr


@BOARDS
def test_totals_are_differences(board: Dashboard) -> None:
    """`increase()` extrapolates: it replaces the difference only where a counter was reset."""
    for target in board.targets:
        for selector in asked(target):
            functions = selector.functions
            assert "sum_over_time" not in functions
            assert not {"increase", "resets"} & set(functions) or guarded(selector), target.expr


@BOARDS
def test_sums_go_by_organization_or_by_nothing(board: Dashboard) -> None:
    """A query that uses the variable `organization` uses it in every selector whose metric has the label."""
    for target in board.targets:
        variables = set(re.findall(r"\$([a-z]+)", target.expr))
        for selector in selectors(filled(target.expr), FAMILIES):
            chosen = {label for label, _, _ in selector.matchers}
            infos = all(name.endswith("_info") for name in selector.names)
            organizations = all("organization" in FAMILIES[name] for name in selector.names)
            assert "organization" not in variables or infos or not organizations or "organization" in chosen, (
                target.expr
            )


@pytest.mark.parametrize(
    ("expr", "mistake"),
    [
        ("openai_cost_euro", "no family"),
        ('openai_cost_usd{model="a"}', "no label model"),
        ("sum by (model) (openai_cost_usd)", "no label model"),
        ("openai_cost_usd * on (user) group_left (role) openai_user_info", "no label user"),
        ("openai_cost_usd * on (user_id) group_left (email) openai_user_info", "no label email"),
        ('label_replace(openai_cost_usd, "x", "$1", "model", "(.*)")', "no label model"),
        ('{__name__=~"openai_money_.+"}', "no family"),
    ],
)
def test_a_wrong_query_is_seen(expr: str, mistake: str) -> None:
    """The checks of these tests find mistakes."""
    with pytest.raises(MistakeError, match=mistake):
        result_labels(expr, FAMILIES)


def grows(selector: Selector) -> bool:
    """Return whether a counter's selector is part of a rate, or of a difference of the counter's values."""
    if {*RISING, "max_over_time", "min_over_time"} & set(selector.functions):
        return True
    operators = [node for node in selector.path if isinstance(node, promql.BinaryExpr)]
    return bool(operators) and "or" == str(operators[-1].op) and "min_over_time" in operators[-1].rhs.prettify()


def guarded(selector: Selector) -> bool:
    """Return whether an `increase()` follows `unless resets() > 0 or`."""
    return any(
        isinstance(node, promql.BinaryExpr)
        and "or" == str(node.op)
        and "unless" in node.lhs.prettify()
        and "resets" in node.lhs.prettify()
        and "max_over_time" in node.lhs.prettify()
        for node in selector.path
    )
