"""Writes the rules as a PrometheusRule: `make manifests`."""  # noqa: INP001 - a script beside what it makes

import sys
from pathlib import Path
from typing import Any, Final

import yaml

RULES: Final = Path(__file__).parents[1] / "prometheus" / "rules"

_HEAD: Final = "# Made from deploy/prometheus/rules by `make manifests`; do not edit.\n"


class _Dumper(yaml.SafeDumper):
    """Writes expressions of several lines as they are written by hand."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def manifest() -> str:
    """Return deploy/kubernetes/prometheusrule.yaml."""
    groups: list[Any] = []
    for file in sorted(RULES.glob("*.yml")):
        groups += yaml.safe_load(file.read_text())["groups"]
    document = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "openai-usage-exporter"},
        "spec": {"groups": groups},
    }
    return _HEAD + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10**9, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(manifest())
