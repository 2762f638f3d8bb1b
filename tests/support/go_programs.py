"""Programs built from Go modules by deploy/install/go.sh, and the schemas that kubeconform judges by."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from deploy.chart import KUBERNETES

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "openai-usage-exporter"
_PROMETHEUS_CRDS: Final = "prometheus-operator/example/prometheus-operator-crd/monitoring.coreos.com"
_GRAFANA_CRDS: Final = "grafana-operator/config/crd/bases/grafana.integreatly.org"

_KINDS: Final = (
    "configmap-v1",
    "deployment-apps-v1",
    "networkpolicy-networking-v1",
    "persistentvolumeclaim-v1",
    "poddisruptionbudget-policy-v1",
    "secret-v1",
    "service-v1",
    "serviceaccount-v1",
)
_PROMETHEUS_KINDS: Final = ("servicemonitors", "podmonitors", "prometheusrules")


def program(name: str) -> str:
    """Return the path of a program; without it the test is skipped."""
    found = shutil.which(name, path=f"{CACHE / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if not found:
        pytest.skip(f"{name} is not installed: run deploy/install/go.sh, which needs Go and its module proxy")
    return found


def write_schemas(folder: Path) -> None:
    """Write the strict JSON schemas of Kubernetes and of both operators where kubeconform finds them by kind.

    Without the operators' modules the test is skipped.
    """
    crds = [CACHE / "modules" / f"{_PROMETHEUS_CRDS}_{kind}.yaml" for kind in _PROMETHEUS_KINDS]
    crds.append(CACHE / "modules" / f"{_GRAFANA_CRDS}_grafanadashboards.yaml")
    if not all(crd.is_file() for crd in crds):
        pytest.skip("the CRDs of the operators are not here: run deploy/install/go.sh")
    source = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{KUBERNETES}-local-strict"
    definitions = json.loads((source / "_definitions.json").read_text())["$defs"]
    for name in _KINDS:
        schema = json.loads((source / f"{name}.json").read_text())
        (folder / f"{name}.json").write_text(json.dumps(_inlined(schema, definitions)))
    for path in crds:
        crd = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        group = crd["spec"]["group"].partition(".")[0]
        for version in crd["spec"]["versions"]:
            name = f"{crd['spec']['names']['kind'].lower()}-{group}-{version['name']}.json"
            (folder / name).write_text(json.dumps(_strict(version["schema"]["openAPIV3Schema"])))


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - any part of a schema
    """Replace references by what they refer to: kubeconform reads each schema alone."""
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(reference := schema.get("$ref"), str):
        return _inlined(definitions[reference.rpartition("/")[2]], definitions)
    return {name: _inlined(value, definitions) for name, value in schema.items()}


def _strict(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Refuse properties that a structural schema does not name, as the API server does with strict validation."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _strict(value) for name, value in schema.items()}
    if isinstance(made.get("properties"), dict) and not made.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if made.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    return made


def invalid(text: str) -> list[str]:
    """Return the lines of kubeconform's output that name an invalid object."""
    return re.findall(r"^.*(?:failed validation|is invalid).*$", text, re.MULTILINE)
