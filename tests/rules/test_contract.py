"""The rules, their documents and Alertmanager's configuration agree with each other and with the exporter."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import promql_parser
import pytest
import yaml

from alerting.__main__ import texts
from exporter.catalog import CATALOG, Kind, accrued_name
from exporter.collector import ALL
from exporter.estimate import METRICS
from exporter.exposition import reference
from exporter.telemetry import Telemetry
from tests.support.promtool import ROOT, RULES, Replay

ALERTMANAGER: Final = ROOT / "deploy/alertmanager/alertmanager.yml"

Rule = dict[str, Any]


def _rules() -> list[Rule]:
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


ALERTS: Final = [rule for rule in _rules() if "alert" in rule]
RECORDS: Final = [rule for rule in _rules() if "record" in rule]
_IDS: Final = [f"{rule['alert']}-{rule['labels']['severity']}" for rule in ALERTS]


def _run(*command: str | Path) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert 0 == run.returncode, run.stdout + run.stderr
    return run.stdout.strip()


def test_promtool_finds_no_fault() -> None:
    """Every lint of promtool passes, on rules and configuration."""
    _run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *RULES)
    _run("promtool", "check", "config", "--lint=all", "--lint-fatal", "deploy/prometheus/prometheus.yml")


def test_amtool_finds_no_fault() -> None:
    """Alertmanager takes its configuration."""
    _run("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize("rule", ALERTS, ids=_IDS)
def test_route(rule: Rule) -> None:
    """Critical pages, warning notifies, info is shown."""
    receiver = {"critical": "page", "warning": "notify", "info": "show"}[rule["labels"]["severity"]]
    labels = (f"alertname={rule['alert']}", f"severity={rule['labels']['severity']}", "organization=acme")

    assert receiver in _run("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels)


@pytest.mark.parametrize("rule", ALERTS, ids=_IDS)
def test_annotations(rule: Rule) -> None:
    """An alert says what it is, with figures, what to do, and where to look."""
    annotations = rule["annotations"]
    dashboard = re.findall(r"/d/([\w-]+)", annotations["dashboard_url"])

    assert {"summary", "description", "runbook_url", "dashboard_url"} == set(annotations)
    assert "{{" not in annotations["summary"]
    assert "$labels." in annotations["description"]
    assert annotations["runbook_url"].endswith(f"docs/runbooks/{rule['alert']}.md")
    assert {*dashboard} <= _dashboards()
    assert 1 == len(dashboard)


def test_generated_files_are_up_to_date() -> None:
    """The rule files are what `make rules` writes."""
    for name, text in texts().items():
        assert text == (ROOT / "deploy/prometheus/rules" / name).read_text(), name


def test_every_endpoint_is_watched_for_spikes() -> None:
    """Whatever a usage endpoint of the table counts as calls or tokens has a rule that reads its counter."""
    counters = {
        match for rule in RECORDS for match in re.findall(r"increase\((openai_accrued_\w+)\[5m\]\)", rule["expr"])
    }
    for row in CATALOG:
        flows = [measure for measure in row.measures if measure.kind is Kind.FLOW and measure.required]
        if row.name != "costs" and flows:
            assert counters & {accrued_name(measure) for measure in flows}, row.name
        if row.name not in {"costs", "moderations"}:
            tokens = [measure for measure in flows if measure.name.endswith(("_input_tokens", "_output_tokens"))]
            assert {accrued_name(measure) for measure in tokens} <= counters, row.name


@pytest.mark.parametrize("external", [True, False], ids=["with-base", "without-base"])
def test_links(tmp_path: Path, external: bool) -> None:  # noqa: FBT001 # both values are the cases
    """Links are absolute where the own rules name a base, relative to it otherwise."""
    own = tmp_path / "own.yml"
    (example,) = re.findall(r"```yaml\n(groups:.*?)```", _section("## Links"), re.DOTALL)
    own.write_text(example)
    replay = Replay(tmp_path, rules=[*RULES, *([own] if external else [])])
    target = {"job": "openai-usage-exporter", "instance": "exporter:10180"}
    replay.add("openai_exporter_state_writable", target, [0.0] * 9)

    said = replay.annotations("OpenAIExporterStateNotWritable", 30 * 60)

    runbook, dashboard = "docs/runbooks/OpenAIExporterStateNotWritable.md", "/d/openai-exporter?from=-19800000&to=now"
    base = "https://github.com/example/openai-usage-exporter/blob/main/" if external else ""
    assert base + runbook == said["runbook_url"]
    assert ("https://grafana.example.com" if external else "") + dashboard == said["dashboard_url"]


def _section(title: str) -> str:
    text = (ROOT / "docs/alerts.md").read_text()
    return text[text.index(title) :].partition("\n## ")[0]


def _dashboards() -> set[str]:
    return {json.loads(path.read_text())["uid"] for path in (ROOT / "grafana").glob("*.json")}


def test_what_pages() -> None:
    """Spikes, budgets and limits about to break, and a blind exporter page; nothing else does."""
    assert {
        "OpenAIRequestSpike",
        "OpenAITokenSpike",
        "OpenAISpendRateSpike",
        "OpenAISpendSpike",
        "OpenAIBudgetSpent",
        "OpenAIBudgetProjected",
        "OpenAIPrepaidCreditLow",
        "OpenAISpendLimitNear",
        "OpenAISpendLimitProjected",
        "OpenAISpendLimitEnforcing",
        "OpenAIExporterDown",
        "OpenAIExporterCredentialsRefused",
        "OpenAIExporterDataStale",
        "OpenAIExporterOrganizationChanged",
    } == {rule["alert"] for rule in ALERTS if rule["labels"]["severity"] == "critical"}


def test_runbooks() -> None:
    """Every runbook belongs to an alert and names possible causes, remedies and how to tune it."""
    pages = list((ROOT / "docs/runbooks").glob("*.md"))

    assert {rule["alert"] for rule in ALERTS} == {page.stem for page in pages}
    for page in pages:
        text = page.read_text()
        assert text.startswith(f"# {page.stem}\n")
        assert ["Possible causes", "What to do", "False positives"] == re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert set(re.findall(r"openai:threshold:\w+", text)) <= {rule["record"] for rule in RECORDS}


def test_list_of_alerts() -> None:
    """docs/alerts.md has every alert with its severities, and every threshold with its default."""
    text = (ROOT / "docs/alerts.md").read_text()
    severities: dict[str, set[str]] = {}
    for rule in ALERTS:
        severities.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    defaults = {
        rule["record"].removeprefix("openai:threshold:"): f"vector({_default(text, rule['record'])})"
        for rule in _thresholds()
    }

    rows = re.findall(r"^\| \[(\w+)\]\(runbooks/\1\.md\) \| ([^|]*) \|", text, re.MULTILINE)
    assert severities == {name: set(told.split(", ")) for name, told in rows}
    assert {rule["record"].removeprefix("openai:threshold:"): rule["expr"] for rule in _thresholds()} == defaults
    assert len(_thresholds()) == len(re.findall(r"^\| `\w+` \|", text, re.MULTILINE))


def _thresholds() -> list[Rule]:
    return [rule for rule in RECORDS if rule["record"].startswith("openai:threshold:")]


def _default(text: str, record: str) -> str:
    name = record.removeprefix("openai:threshold:")
    found = re.search(rf"^\| `{name}` \| ([^|]*) \|", text, re.MULTILINE)
    assert found, name
    return found[1]


def test_every_threshold_can_be_overridden() -> None:
    """Each has the same rule that looks for the most particular series, and each is used."""
    forms = {
        rule["expr"].replace(rule["record"].removeprefix("openai:owner_threshold:"), "NAME")
        for rule in RECORDS
        if rule["record"].startswith("openai:owner_threshold:")
    }
    used = " ".join(rule["expr"] for rule in _rules())

    assert 1 == len(forms)
    for rule in _thresholds():
        owner = rule["record"].replace(":threshold:", ":owner_threshold:")
        assert owner in {each["record"] for each in RECORDS}
        assert re.search(rf"{owner}\b", used), owner


def test_example_of_a_threshold_loads(tmp_path: Path) -> None:
    """The example of the docs is a rule file that promtool takes."""
    (example,) = re.findall(r"```yaml\n(groups:.*?)```", _section("## Thresholds"), re.DOTALL)
    path = tmp_path / "own.yml"
    path.write_text(example)

    _run("promtool", "check", "rules", path)


def _exported() -> set[str]:
    names = (
        {family.name for family in reference()} | {family.name for family in METRICS} | {family.name for family in ALL}
    )
    for family in Telemetry().families:
        names |= {metric.name for metric in family.describe()} | {
            f"{metric.name}_total" for metric in family.describe()
        }
    return names | {"up", "process_start_time_seconds"}


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: str(rule.get("record") or rule.get("alert")))
def test_asks_for_what_there_is(rule: Rule) -> None:
    """Every series that a rule names is exported or recorded; every pattern of names matches some."""
    known = _exported() | {each["record"] for each in RECORDS}
    promql_parser.parse(rule["expr"])
    plain = re.sub(r'"[^"]*"', '""', rule["expr"])
    patterns = re.findall(r'__name__=~"([^"]*)"', rule["expr"])

    assert set(re.findall(r"\bopenai[:_][a-z0-9_:]+", plain)) <= known
    for pattern in patterns:
        assert [name for name in known if re.fullmatch(pattern, name)], pattern


@pytest.mark.parametrize("rule", RECORDS, ids=lambda rule: str(rule["record"]))
def test_keeps_the_organization(rule: Rule) -> None:
    """No recorded sum mixes organizations: only constants of the calendar and thresholds are without one."""
    if rule["record"].startswith(("openai:threshold:", "openai:month:", "openai:clock:")):
        assert "openai_" not in rule["expr"]
        return
    for grouping in re.findall(r"\b(?:sum|max|min|group|count) by \(([^)]*)\)", rule["expr"]):
        assert "organization" in grouping
    assert not re.search(r"\b(sum|avg|min|count)\(", rule["expr"])
