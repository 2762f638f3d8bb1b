"""The files load as they are: ids, grid, units, texts, variables, annotations; provisioned and importable."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.dashboards.files import IMPORTABLE, PROVISIONED, contents, drifted, write
from grafana.dashboards.guide import LATE
from tests.support.dashboards import FOLDER, Dashboard, dashboards

UIDS = ["openai-exporter", "openai-project", "openai-spend", "openai-usage"]
BOARDS = pytest.mark.parametrize("board", dashboards(), ids=lambda board: board.uid)

UNITS = {"prefix:$", "currencyUSD", "short", "s", "suffix:h", "bytes", "percentunit", "none", "dateTimeFromNow"}


def test_there_are_the_four_dashboards() -> None:
    """The uids are fixed: links and bookmarks go by them."""
    assert UIDS == [board.uid for board in dashboards()]


def test_the_files_are_what_the_code_makes() -> None:
    """No file was edited by hand, and none is out of date."""
    assert [] == drifted(FOLDER.parent)


def test_drift_names_files(tmp_path: Path) -> None:
    """A changed file, a missing one and one that the code does not make are all found."""
    first, *others = sorted(contents())
    missing = drifted(tmp_path)
    write(tmp_path)
    (tmp_path / first).write_text("{}\n")
    stray = PROVISIONED / "stray.json"
    (tmp_path / stray).write_text("{}\n")

    assert [first, *others] == missing
    assert [first, stray] == drifted(tmp_path)


@pytest.mark.slow
def test_the_command_checks() -> None:
    """`--check` is silent and succeeds while code and files agree."""
    command = [sys.executable, "-m", "grafana.dashboards", "--check"]
    result = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, timeout=60, check=False)

    assert (0, "") == (result.returncode, result.stderr)


@BOARDS
def test_properties_of_every_dashboard(board: Dashboard) -> None:
    """UTC, not editable in the browser, tagged, described, and in the schema of the oldest supported Grafana."""
    assert "utc" == board.json["timezone"]
    assert board.json["editable"] is False
    assert 37 == board.json["schemaVersion"]
    assert ["openai", "openai-usage-exporter"] == board.json["tags"]
    assert board.json["title"].startswith("OpenAI / ")
    assert board.json["description"]
    assert "__inputs" not in board.json


@BOARDS
def test_dashboards_lead_to_each_other(board: Dashboard) -> None:
    """Every dashboard has a dropdown of those with the same tag, which keeps variables and the time range."""
    (link,) = board.json["links"]

    assert ("dashboards", True, ["openai-usage-exporter"], True, True) == (
        link["type"],
        link["asDropdown"],
        link["tags"],
        link["includeVars"],
        link["keepTime"],
    )


@BOARDS
def test_ids_are_there_once(board: Dashboard) -> None:
    """No two panels share an id, and no two queries of a panel share a letter."""
    ids = [panel["id"] for panel in board.everything]

    assert sorted(set(ids)) == ids
    for panel in board.panels:
        refs = [target["refId"] for target in panel["targets"]]
        assert [chr(ord("A") + index) for index in range(len(refs))] == refs


@BOARDS
def test_titles_are_there_once(board: Dashboard) -> None:
    """A title names one panel of its dashboard."""
    titles = [panel["title"] for panel in board.panels]

    assert sorted(set(titles)) == sorted(titles)


@BOARDS
def test_the_grid_holds(board: Dashboard) -> None:
    """Panels stay inside the 24 columns and do not overlap."""
    open_panels = board.json["panels"]
    folded = [panel["panels"] for panel in open_panels if panel.get("panels")]
    for panels in (open_panels, *folded):
        for panel in panels:
            index = panel["gridPos"]
            assert index["x"] >= 0
            assert index["x"] + index["w"] <= 24, panel["title"]
        for one, other in combinations(panels, 2):
            assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


@BOARDS
def test_open_rows_have_their_panels_below_them(board: Dashboard) -> None:
    """Grafana drops panels inside a row that is not folded."""
    for row in board.everything:
        if row["type"] == "row":
            assert row["collapsed"] is bool(row["panels"])


@BOARDS
def test_panels_have_texts_and_a_unit(board: Dashboard) -> None:
    """Title, a description in sentences, a unit of the list, a text for no value, and the selected data source."""
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
    """On a screen of 1,600 pixels a title and the icon of the description fit."""
    assert [] == [panel["title"] for panel in board.panels if len(panel["title"]) > 9 * panel["gridPos"]["w"] - 14]


@BOARDS
def test_texts_for_no_value_fit(board: Dashboard) -> None:
    """A large number leaves room for a few words."""
    numbers = [panel for panel in board.panels if panel["type"] == "stat"]

    assert numbers
    assert [] == [panel["title"] for panel in numbers if len(panel["fieldConfig"]["defaults"]["noValue"]) > 12]


@BOARDS
def test_charts_begin_at_zero(board: Dashboard) -> None:
    """Half a bar is half the amount; negative values are still drawn."""
    charts = [panel for panel in board.panels if panel["type"] == "timeseries"]

    assert charts
    assert {0} == {panel["fieldConfig"]["defaults"]["custom"]["axisSoftMin"] for panel in charts}


@BOARDS
def test_an_empty_cell_is_no_empty_table(board: Dashboard) -> None:
    """A cell without a value is a dash: the text for a table without rows would be wrong there."""
    tables = [panel for panel in board.panels if panel["type"] == "table"]
    overrides = [override["properties"] for panel in tables for override in panel["fieldConfig"]["overrides"]]
    figures = [{each["id"]: each["value"] for each in properties} for properties in overrides]

    assert tables
    assert {"-"} == {figure["noValue"] for figure in figures if "unit" in figure}


@BOARDS
def test_money_is_in_dollars(board: Dashboard) -> None:
    """Values of dollar metrics are shown in dollars, or as a share of dollars."""
    for panel in board.panels:
        units = {panel["fieldConfig"]["defaults"]["unit"]} if panel["type"] != "table" else set()
        if units and all("_usd" in target["expr"] for target in panel["targets"]):
            assert units <= {"prefix:$", "currencyUSD", "percentunit"}, panel["title"]


@BOARDS
def test_variables_are_defined_and_used(board: Dashboard) -> None:
    """Every variable that a query names is there, and every one that is there is named by a query."""
    asked = [target.expr for target in board.targets] + [variable.query for variable in board.variables]
    named = {name for text in asked for name in re.findall(r"\$([a-z_]+)", text) if not name.startswith("__")}

    assert {variable.name for variable in board.variables} - {"datasource"} == named


@BOARDS
def test_variables_take_one_several_and_all(board: Dashboard) -> None:
    """All but the data source take several values, start at All, and are refreshed when the time range changes."""
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
        organize = panel["transformations"][2]["options"]
        columns = {_column(target["expr"]) for target in panel["targets"]}
        headings = set(organize["renameByName"].values()) | columns
        hidden = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]} - headings
        assert hidden <= {"project_id", "organization"}, panel["title"]
        assert panel["options"]["sortBy"][0]["displayName"] in headings
        assert len(panel["targets"]) == len(columns), panel["title"]
        assert columns <= set(organize["indexByName"]), panel["title"]


@BOARDS
def test_empty_tables_show_their_text(board: Dashboard) -> None:
    """Queries return time series without a range: a result without series has no fields, so that the text is shown."""
    for panel in board.panels:
        if panel["type"] == "table":
            steps = [step["id"] for step in panel["transformations"]]
            assert ["labelsToFields", "merge", "organize"] == steps
            assert {"mode": "columns", "valueLabel": "column"} == panel["transformations"][0]["options"]
            assert {(True, False, "time_series")} == {
                (target["instant"], target["range"], target.get("format", "time_series")) for target in panel["targets"]
            }


@BOARDS
def test_projects_are_a_click_away(board: Dashboard) -> None:
    """Every table that names projects leads to the project's dashboard, with its id."""
    for panel in board.panels:
        names_projects = "project_name" in str(panel.get("transformations", ""))
        if panel["type"] == "table" and names_projects and board.uid != "openai-project":
            assert "/d/openai-project?" in str(panel["fieldConfig"]["overrides"]), panel["title"]


@BOARDS
def test_late_data_is_explained_once(board: Dashboard) -> None:
    """The first row, which is folded, has the sentence about late data, and what to do when there is no data."""
    row, *_ = board.everything
    (guide,) = row["panels"]

    assert row["collapsed"]
    assert ("text", "markdown") == (guide["type"], guide["options"]["mode"])
    assert "No data?" in guide["options"]["content"]
    assert LATE in guide["options"]["content"]
    assert 1 == str(board.json).count("hours late")


@BOARDS
def test_annotations_explain_jumps(board: Dashboard) -> None:
    """Alerts that fired and restarts are marked everywhere, new line items where there are costs."""
    annotations = {each["name"]: each for each in board.json["annotations"]["list"]}
    costs = {"New line items"} if board.uid in {"openai-project", "openai-spend"} else set()

    assert {"Alerts", "Exporter restarts"} | costs == set(annotations)
    assert {"${datasource}"} == {each["datasource"]["uid"] for each in annotations.values()}
    assert "on" == annotations["Exporter restarts"]["useValueForTime"]


@pytest.mark.parametrize("uid", UIDS)
def test_the_importable_file_asks_for_a_data_source(uid: str) -> None:
    """It is the provisioned dashboard with an input for the data source, and with what it requires."""
    provisioned = json.loads((FOLDER / f"{uid}.json").read_text())
    imported = json.loads((FOLDER.parent / IMPORTABLE / f"{uid}.json").read_text())
    ((name, kind, plugin),) = [(each["name"], each["type"], each["pluginId"]) for each in imported.pop("__inputs")]
    required = {(each["type"], each["id"]) for each in imported.pop("__requires")}
    panels = {panel["type"] for panel in Dashboard(uid, provisioned).everything} - {"row"}
    (source,) = [each for each in imported["templating"]["list"] if "datasource" == each["type"]]
    (original,) = [each for each in provisioned["templating"]["list"] if "datasource" == each["type"]]

    assert ("DS_PROMETHEUS", "datasource", "prometheus") == (name, kind, plugin)
    assert {("grafana", "grafana"), ("datasource", "prometheus"), *(("panel", panel) for panel in panels)} == required
    assert ("${DS_PROMETHEUS}", "${DS_PROMETHEUS}") == (source["current"]["text"], source["current"]["value"])
    assert ({}, None) == (imported.pop("__elements"), imported.pop("id"))
    source["current"] = original["current"]
    assert provisioned == imported


def test_alerts_lead_to_dashboards_that_are_there() -> None:
    """The annotation of every alert leads to one of these dashboards, with variables that it has."""
    rules = yaml.safe_load((FOLDER.parent / "deploy/prometheus/rules/alerts.yml").read_text())
    paths = [rule["annotations"]["dashboard_url"] for group in rules["groups"] for rule in group["rules"]]
    variables = {board.uid: {variable.name for variable in board.variables} for board in dashboards()}

    assert paths
    for path in paths:
        (uid,) = re.findall(r"/d/([\w-]+)", path)
        assert set(re.findall(r"[?&]var-(\w+)=", path)) <= variables[uid]


def test_provisioning_loads_this_folder() -> None:
    """The provider is for files that nobody edits in the browser, the data source a Prometheus."""
    provider = _yaml("dashboards/openai-usage-exporter.yaml")["providers"][0]
    source = _yaml("datasources/prometheus.yaml")["datasources"][0]

    assert ("file", False) == (provider["type"], provider["allowUiUpdates"])
    assert ("prometheus", "POST") == (source["type"], source["jsonData"]["httpMethod"])


def test_the_documentation_lists_the_dashboards() -> None:
    """Title, uid and the version it was last seen in, for each."""
    text = (FOLDER.parent / "docs/dashboards.md").read_text()
    listed = re.findall(r"^\| (OpenAI / \w+) \| `([a-z-]+)` \| .+ \| (\S.*) \|$", text, re.MULTILINE)

    assert {(board.json["title"], board.uid) for board in dashboards()} == {(title, uid) for title, uid, _ in listed}


def _column(expr: str) -> str:
    match = re.search(r'"column", "([^"]+)", "", ""\)$', expr)
    assert match, expr
    return match[1]


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
