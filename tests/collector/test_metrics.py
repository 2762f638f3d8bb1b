"""The words about names and limits, in the reference and on their page."""

import re
from pathlib import Path

import promql_parser
import pytest

from exporter.collector import ALL
from exporter.exposition import reference

PAGE = Path(__file__).parents[2] / "docs" / "names-and-limits.md"
QUERIES = re.findall(r"```promql\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("query", QUERIES)
def test_queries_of_the_page_use_metrics_that_there_are(query: str) -> None:
    """Every query is PromQL, of families that can be exported."""
    promql_parser.parse(query)
    known = {each.name for each in ALL} | {family.name for family in reference()}

    assert set() == set(re.findall(r"openai_\w+", query)) - known


def test_the_page_has_the_queries_that_matter() -> None:
    """The documented join, and the key behind a spike."""
    assert any("group_left (project_name)" in query for query in QUERIES)
    assert any("topk" in query and "api_key_name" in query for query in QUERIES)


def test_families_are_named_as_prometheus_wants_it() -> None:
    """Lower case, units at the end, a help text that names its source, labels that begin with the organization."""
    for described in ALL:
        assert re.fullmatch(r"openai_[a-z_]+", described.name)
        assert described.help.endswith(")." if "(" in described.help else ".")
        assert "organization" == described.labels[0]
        assert described.name.endswith(("_info", "_usd", "_seconds", "_per_minute", "_per_day", "_enforcing"))
