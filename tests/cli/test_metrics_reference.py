"""docs/metrics.md is made from the code, names everything that can be exposed and nothing else."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.catalog import CATALOG
from exporter.cli import main
from exporter.collector import ALL
from exporter.estimate import METRICS
from exporter.exposition import Format, reference, render
from exporter.telemetry import Telemetry

_DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
_ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<type>\w+) \| (?P<labels>[^|]*) \|", re.MULTILINE)


@pytest.fixture(scope="module")
def document() -> str:
    """Give the committed text."""
    return _DOCUMENT.read_text()


def documented(document: str) -> dict[str, tuple[str, list[str]]]:
    """Return type and label names of every family."""
    return {row["name"]: (row["type"], re.findall(r"\w+", row["labels"])) for row in _ROW.finditer(document)}


def test_no_drift(document: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the committed text; after a change, run `make docs`."""
    status = main(["metrics"])

    assert (0, document) == (status, capsys.readouterr().out)


def test_complete(document: str) -> None:
    """Every family is listed once: those of both tables, and the exporter's own."""
    own = text_string_to_metric_families(render(Telemetry().registry, Format.TEXT).decode())
    expected = [
        *(family.name for family in reference()),
        *(each.name for each in (*METRICS, *ALL)),
        *(f"{family.name}_total" if family.type == "counter" else family.name for family in own),
    ]

    assert sorted(expected) == sorted(row["name"] for row in _ROW.finditer(document))


@pytest.mark.parametrize(
    ("name", "kind", "labels"),
    [
        ("openai_cost_usd", "gauge", ["organization", "project_id", "line_item"]),
        ("openai_cost_quantity", "gauge", ["organization", "project_id", "line_item", "unit"]),
        ("openai_window_cost_usd", "gauge", ["organization", "project_id", "line_item", "window"]),
        (
            "openai_accrued_completions_requests_total",
            "counter",
            ["organization", "project_id", "model", "batch"],
        ),
        ("openai_project_info", "gauge", ["organization", "project_id", "project_name", "status"]),
        ("openai_exporter_api_errors_total", "counter", ["organization", "resource", "reason"]),
        ("openai_exporter_poll_duration_seconds", "histogram", ["organization"]),
        ("process_cpu_seconds_total", "counter", []),
    ],
)
def test_rows(document: str, name: str, kind: str, labels: list[str]) -> None:
    """A row has the family's type and labels."""
    assert (kind, labels) == documented(document)[name]


def test_levels(document: str) -> None:
    """A level has neither windows nor a counter."""
    assert "openai_vector_stores_usage_bytes" in documented(document)
    assert "vector_stores_usage_bytes" not in document.replace("`openai_vector_stores_usage_bytes`", "")


def test_fields(document: str) -> None:
    """Every measure is listed with the API field that it comes from."""
    for resource in CATALOG:
        for measure in resource.measures:
            assert f"| `{resource.path}` `{measure.field}` |" in document


def test_opt_in(document: str) -> None:
    """Opt-in measures say so."""
    lines = {line.split("`")[1]: line for line in document.splitlines() if line.startswith("| `openai_")}
    for resource in CATALOG:
        for measure in resource.measures:
            assert measure.detail is ("opt-in" in lines[f"openai_{measure.name}"])
