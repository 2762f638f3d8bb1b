"""The files of the dashboards: provisioned ones, and ones to import by hand or to upload to grafana.com."""

import json
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.dashboards import exporter, project, spend, usage
from grafana.dashboards.layout import Dashboard

PROVISIONED: Final = Path("grafana")
IMPORTABLE: Final = Path("deploy/grafana-import")
"""Outside of the provisioned folder: Grafana provisions subfolders too, and refuses a uid that is there twice."""

_GRAFANA: Final = "9.4.0"
_INPUT: Final = "DS_PROMETHEUS"
_PANELS: Final = {
    "bargauge": "Bar gauge",
    "stat": "Stat",
    "state-timeline": "State timeline",
    "table": "Table",
    "text": "Text",
    "timeseries": "Time series",
}


def dashboards() -> list[Dashboard]:
    """Return every dashboard, in the order in which they are read."""
    return [spend.dashboard(), usage.dashboard(), project.dashboard(), exporter.dashboard()]


def contents() -> dict[Path, str]:
    """Return the text of every file by its path in the repository."""
    texts = {}
    for dashboard in dashboards():
        document = json.loads(json.dumps(dashboard.build(), cls=JSONEncoder))
        texts[PROVISIONED / f"{dashboard.uid}.json"] = _text(document)
        texts[IMPORTABLE / f"{dashboard.uid}.json"] = _text(_importable(document))
    return texts


def write(root: Path) -> None:
    """Write the files into a checkout."""
    for path, text in contents().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def drifted(root: Path) -> list[Path]:
    """Return the files that differ from what the code makes, are missing, or are not made by it."""
    made = contents()
    found = {path.relative_to(root) for folder in (PROVISIONED, IMPORTABLE) for path in (root / folder).glob("*.json")}
    return sorted(
        path for path in found | set(made) if not (root / path).exists() or (root / path).read_text() != made.get(path)
    )


def _importable(document: dict[str, Any]) -> dict[str, Any]:
    """Return a dashboard that asks for its data source when it is imported."""
    imported: dict[str, Any] = json.loads(json.dumps(document))
    for variable in imported["templating"]["list"]:
        if variable["type"] == "datasource":
            variable["current"] = {"selected": True, "text": f"${{{_INPUT}}}", "value": f"${{{_INPUT}}}"}
    kinds = {inner["type"] for panel in document["panels"] for inner in (panel, *panel.get("panels", []))} - {"row"}
    prometheus = {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"}
    return imported | {
        "__inputs": [
            {
                "name": _INPUT,
                "label": "Prometheus",
                "description": "The Prometheus that scrapes openai-usage-exporter",
                "type": "datasource",
                "pluginId": "prometheus",
                "pluginName": "Prometheus",
            }
        ],
        "__elements": {},
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": _GRAFANA},
            prometheus,
            *({"type": "panel", "id": kind, "name": _PANELS[kind], "version": ""} for kind in sorted(kinds)),
        ],
        "id": None,
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
