"""The mixin: rules, alerts and dashboards of the tree, with thresholds that can be changed."""

import json
import subprocess
from pathlib import Path
from typing import Any

import _jsonnet
import pytest

from tests.support.deployment import DEPLOY, ROOT, documents

MIXIN = DEPLOY / "mixin" / "mixin.libsonnet"


def evaluated(expression: str) -> Any:  # noqa: ANN401 - any value
    """Return the value of an expression in which `mixin` is the mixin, as mixtool evaluates it."""
    return json.loads(_jsonnet.evaluate_snippet("test", f"local mixin = import '{MIXIN}'; {expression}"))


def groups(key: str) -> dict[str, Any]:
    """Return the groups of the tree with the rules that have a key, by name."""
    found = {}
    for _, document in documents(DEPLOY / "prometheus" / "rules"):
        for group in document["groups"]:
            if rules := [rule for rule in group["rules"] if key in rule]:
                found[group["name"]] = {**group, "rules": rules}
    return found


@pytest.mark.parametrize(("field", "key"), [("prometheusAlerts", "alert"), ("prometheusRules", "record")])
def test_rules(field: str, key: str) -> None:
    """Alerts and recording rules are those of the tree."""
    assert groups(key) == {group["name"]: group for group in evaluated(f"mixin.{field}.groups")}


def test_dashboards() -> None:
    """The dashboards are those of the tree."""
    expected = {file.name: json.loads(file.read_text()) for file in (ROOT / "grafana").glob("openai-*.json")}

    assert expected == evaluated("mixin.grafanaDashboards")


def test_thresholds() -> None:
    """A threshold in `_config` replaces the default, as a number or as an expression, and nothing else changes."""
    changes = "{ _config+:: { thresholds+: { spend_spike_ratio: 3.5, token_spike_floor: 'scalar(x) * 2' } } }"
    before = {
        rule["record"]: rule["expr"]
        for group in evaluated("mixin.prometheusRules.groups")
        for rule in group["rules"]
        if rule["record"].startswith("openai:threshold:")
    }
    after = {
        rule["record"]: rule["expr"]
        for group in evaluated(f"(mixin + {changes}).prometheusRules.groups")
        for rule in group["rules"]
        if rule["record"].startswith("openai:threshold:")
    }

    assert (
        before
        | {
            "openai:threshold:spend_spike_ratio": "vector(3.5)",
            "openai:threshold:token_spike_floor": "scalar(x) * 2",
        }
        == after
    )


def test_unknown_threshold() -> None:
    """A threshold that does not exist is refused by name."""
    with pytest.raises(RuntimeError, match=r"unknown thresholds spend_spike; there are .*spend_spike_ratio"):
        evaluated("(mixin + { _config+:: { thresholds+: { spend_spike: 3 } } }).prometheusRules")


@pytest.mark.parametrize("field", ["prometheusAlerts", "prometheusRules"])
def test_prometheus_accepts(field: str, tmp_path: Path) -> None:
    """Promtool accepts what the mixin gives as a file of rules."""
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(evaluated(f"mixin.{field}")))

    finished = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)

    assert 0 == finished.returncode, finished.stderr
