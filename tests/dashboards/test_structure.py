"""The files load as they are: ids, grid, units, words, variables, and nothing that was edited by hand."""

import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.dashboards.files import contents, drifted, write
from tests.support.dashboards import FOLDER, Dashboard, dashboards

UIDS = ["openai-exporter", "openai-project", "openai-spend", "openai-usage"]
BOARDS = pytest.mark.parametrize("board", dashboards(), ids=lambda board: board.uid)

UNITS = {"currencyUSD", "short", "s", "suffix: h", "bytes", "percentunit", "none", "dateTimeFromNow"}


def test_there_are_the_four_dashboards() -> None:
    """The uids are fixed: links and bookmarks go by them."""
    assert UIDS == [board.uid for board in dashboards()]


def test_the_files_are_what_the_code_makes() -> None:
    """Nobody has edited a file by hand, or forgotten to make it anew."""
    assert [] == drifted(FOLDER)


def test_drift_is_told_by_name(tmp_path: Path) -> None:
    """A changed file, a missing one and one that nothing makes are all found."""
    first, *others = sorted(contents())
    missing = [path.name for path in drifted(tmp_path)]
    write(tmp_path)
    (tmp_path / first).write_text("{}\n")
    (tmp_path / "stray.json").write_text("{}\n")

    assert [first, *others] == missing
    assert [first, "stray.json"] == [path.name for path in drifted(tmp_path)]


@pytest.mark.slow
def test_the_command_checks() -> None:
    """`--check` is silent and succeeds while code and files agree."""
    command = [sys.executable, "-m", "grafana.dashboards", "--check"]
    result = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, timeout=60, check=False)

    assert (0, "") == (result.returncode, result.stderr)


@BOARDS
def test_what_every_dashboard_says_of_itself(board: Dashboard) -> None:
    """UTC, not editable in the browser, tagged, described, and written in the schema of the oldest Grafana meant."""
    assert "utc" == board.json["timezone"]
    assert board.json["editable"] is False
    assert 37 == board.json["schemaVersion"]
    assert ["openai", "openai-usage-exporter"] == board.json["tags"]
    assert board.json["title"].startswith("OpenAI / ")
    assert board.json["description"]
    assert "__inputs" not in board.json


@BOARDS
def test_dashboards_lead_to_each_other(board: Dashboard) -> None:
    """Every dashboard lists those of the same tag, and takes variables and times along."""
    (link,) = board.json["links"]

    assert ("dashboards", ["openai-usage-exporter"], True, True) == (
        link["type"],
        link["tags"],
        link["includeVars"],
        link["keepTime"],
    )


@BOARDS
def test_ids_are_there_once(board: Dashboard) -> None:
    """Panels have ids of their own, and the queries of a panel have letters of their own."""
    ids = [panel["id"] for panel in board.everything]

    assert sorted(set(ids)) == ids
    for panel in board.panels:
        refs = [target["refId"] for target in panel["targets"]]
        assert [chr(ord("A") + place) for place in range(len(refs))] == refs


@BOARDS
def test_titles_are_there_once(board: Dashboard) -> None:
    """A title names one panel of its dashboard."""
    titles = [panel["title"] for panel in board.panels]

    assert sorted(set(titles)) == sorted(titles)


@BOARDS
def test_the_grid_holds(board: Dashboard) -> None:
    """Panels stay inside the 24 columns and lie beside, not over, each other."""
    open_panels = board.json["panels"]
    folded = [panel["panels"] for panel in open_panels if panel.get("panels")]
    for panels in (open_panels, *folded):
        for panel in panels:
            place = panel["gridPos"]
            assert place["x"] >= 0
            assert place["x"] + place["w"] <= 24, panel["title"]
        for one, other in combinations(panels, 2):
            assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


@BOARDS
def test_rows_that_stand_open_hold_their_panels_below(board: Dashboard) -> None:
    """Grafana drops panels inside a row that is not folded."""
    for row in board.everything:
        if row["type"] == "row":
            assert row["collapsed"] is bool(row["panels"])


@BOARDS
def test_panels_have_words_and_a_unit(board: Dashboard) -> None:
    """Title, a description in sentences, a unit of the list, words for nothing, and the chosen data source."""
    for panel in board.panels:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS, panel["title"]
        assert defaults["noValue"], panel["title"]
        assert panel["type"] in {"stat", "timeseries", "state-timeline", "bargauge", "table"}
        for asked in (panel, *panel["targets"]):
            assert {"type": "prometheus", "uid": "${datasource}"} == asked["datasource"]


@BOARDS
def test_titles_fit(board: Dashboard) -> None:
    """On a screen of 1,600 pixels, beside the sign that holds the description."""
    assert [] == [panel["title"] for panel in board.panels if len(panel["title"]) > 9 * panel["gridPos"]["w"] - 14]


@BOARDS
def test_words_for_nothing_fit(board: Dashboard) -> None:
    """In the place of a large number there is room for a few."""
    numbers = [panel for panel in board.panels if panel["type"] == "stat"]

    assert numbers
    assert [] == [panel["title"] for panel in numbers if len(panel["fieldConfig"]["defaults"]["noValue"]) > 12]


@BOARDS
def test_charts_begin_at_nought(board: Dashboard) -> None:
    """Half a bar is half the amount; what is below nought is still seen."""
    charts = [panel for panel in board.panels if panel["type"] == "timeseries"]

    assert charts
    assert {0} == {panel["fieldConfig"]["defaults"]["custom"]["axisSoftMin"] for panel in charts}


@BOARDS
def test_an_empty_cell_is_no_empty_table(board: Dashboard) -> None:
    """The words for a table without rows would be wrong in a row that merely lacks a figure."""
    tables = [panel for panel in board.panels if panel["type"] == "table"]
    overrides = [override["properties"] for panel in tables for override in panel["fieldConfig"]["overrides"]]
    figures = [{each["id"]: each["value"] for each in properties} for properties in overrides]

    assert tables
    assert {"-"} == {figure["noValue"] for figure in figures if "unit" in figure}


@BOARDS
def test_money_is_in_dollars(board: Dashboard) -> None:
    """What is asked of dollar metrics alone is shown in dollars, or as a share of dollars."""
    for panel in board.panels:
        units = {panel["fieldConfig"]["defaults"]["unit"]} if panel["type"] != "table" else set()
        if units and all("_usd" in target["expr"] for target in panel["targets"]):
            assert units <= {"currencyUSD", "percentunit"}, panel["title"]


@BOARDS
def test_variables_are_defined_and_used(board: Dashboard) -> None:
    """Every variable that a query names is there, and every one that is there is named by a query."""
    asked = [target.expr for target in board.targets] + [variable.query for variable in board.variables]
    named = {name for text in asked for name in re.findall(r"\$([a-z_]+)", text) if not name.startswith("__")}

    assert {variable.name for variable in board.variables} - {"datasource"} == named


@BOARDS
def test_variables_take_one_several_and_all(board: Dashboard) -> None:
    """All but the data source are multiple, start at All, and are asked again when the time range changes."""
    source, *others = board.variables
    assert ("datasource", "datasource", "prometheus") == (source.name, source.kind, source.query)
    for variable in others:
        options = variable.json
        assert options["multi"] is True
        assert options["includeAll"] is True
        assert ".*" == options["allValue"]
        assert ["$__all"] == options["current"]["value"]
        assert 2 == options["refresh"]
        assert "${datasource}" == options["datasource"]["uid"]
        assert options["label"]


@BOARDS
def test_tables_name_the_columns_that_they_format(board: Dashboard) -> None:
    """An override that matches no column would be silent: every one names a heading or a hidden label."""
    for panel in board.panels:
        if panel["type"] != "table":
            continue
        organize = panel["transformations"][1]["options"]
        headings = set(organize["renameByName"].values())
        hidden = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]} - headings
        assert hidden <= {"project_id", "organization"}, panel["title"]
        assert panel["options"]["sortBy"][0]["displayName"] in headings
        letters = [target["refId"] for target in panel["targets"]]
        assert {f"Value #{letter}" for letter in letters} <= set(organize["renameByName"])


@BOARDS
def test_projects_are_a_click_away(board: Dashboard) -> None:
    """Every table that names projects leads to the project's dashboard, with its id."""
    for panel in board.panels:
        names_projects = "project_name" in str(panel.get("transformations", ""))
        if panel["type"] == "table" and names_projects and board.uid != "openai-project":
            assert "/d/openai-project?" in str(panel["fieldConfig"]["overrides"]), panel["title"]


@BOARDS
def test_descriptions_say_how_late_the_figures_are(board: Dashboard) -> None:
    """Whoever reads a figure from OpenAI is told how long it may take to be there."""
    for panel in board.panels:
        queries = " ".join(target["expr"] for target in panel["targets"])
        if re.search(r"openai_(window_|accrued_)?(cost|completions|decisions|embeddings|images|audio)", queries):
            assert re.search(r"(hours|minutes) late|newest day", panel["description"]), panel["title"]


def test_alerts_lead_to_dashboards_that_are_there() -> None:
    """The annotation of every alert is the path of one of these dashboards, with variables that it has."""
    rules = yaml.safe_load((FOLDER.parent / "deploy/prometheus/rules/alerts.yml").read_text())
    paths = [rule["annotations"]["dashboard"] for group in rules["groups"] for rule in group["rules"]]
    variables = {board.uid: {variable.name for variable in board.variables} for board in dashboards()}

    assert paths
    for path in paths:
        uid = path.removeprefix("/d/").partition("?")[0]
        assert uid in variables
        assert set(re.findall(r"[?&]var-(\w+)=", path)) <= variables[uid]


def test_provisioning_loads_this_folder() -> None:
    """The provider is for files that nobody edits in the browser, the data source a Prometheus."""
    provider = _yaml("dashboards/openai-usage-exporter.yaml")["providers"][0]
    source = _yaml("datasources/prometheus.yaml")["datasources"][0]

    assert ("file", False) == (provider["type"], provider["allowUiUpdates"])
    assert ("prometheus", "POST") == (source["type"], source["jsonData"]["httpMethod"])


def test_the_documentation_lists_the_dashboards() -> None:
    """Title, uid and where it was last seen, for each."""
    text = (FOLDER.parent / "docs/dashboards.md").read_text()
    listed = re.findall(r"^\| (OpenAI / \w+) \| `([a-z-]+)` \| .+ \| (\S.*) \|$", text, re.MULTILINE)

    assert {(board.json["title"], board.uid) for board in dashboards()} == {(title, uid) for title, uid, _ in listed}


def _yaml(path: str) -> dict[str, list[dict[str, Any]]]:
    parsed: dict[str, list[dict[str, Any]]] = yaml.safe_load((FOLDER / "provisioning" / path).read_text())
    return parsed


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )
