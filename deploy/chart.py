"""Writes what follows from the Helm chart: the plain manifests and the table in its README. `make manifests`."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).parent / "helm" / "openai-usage-exporter"
MANIFESTS: Final = Path(__file__).parent / "kubernetes"
KUBERNETES: Final = "1.37.0"

_HEAD: Final = "# Rendered from deploy/helm/openai-usage-exporter by `make manifests`; do not edit.\n"
_ONLY_HELM: Final = re.compile(
    r"^ +(?:helm\.sh/chart: .*|helm\.sh/resource-policy: .*|app\.kubernetes\.io/managed-by: Helm|namespace: default)\n",
    re.MULTILINE,
)
_VALUE: Final = re.compile(r"^(?P<indent> *)(?P<key>[\w./-]+):")
_TABLE: Final = re.compile(r"(?<=<!-- values -->\n).*(?=<!-- end of values -->)", re.DOTALL)


def template(helm: str, values: Path, *flags: str) -> str:
    """Return what `helm template` renders with a file of values. Raises CalledProcessError when Helm refuses."""
    command = [helm, "template", "openai-usage-exporter", str(CHART), "--kube-version", KUBERNETES, "-f", str(values)]
    finished = subprocess.run([*command, *flags], capture_output=True, text=True, check=True)  # noqa: S603 - Helm
    return finished.stdout


def manifests(helm: str) -> dict[str, str]:
    """Return the plain manifests by file name: the chart's objects without the labels that only Helm uses."""
    rendered = template(helm, CHART / "ci" / "manifests-values.yaml")
    found = {}
    for document in filter(None, re.split(r"^---\n", rendered, flags=re.MULTILINE)):
        source, _, text = document.partition("\n")
        text = re.sub(r"^  annotations:\n(?!    )", "", _ONLY_HELM.sub("", text), flags=re.MULTILINE)
        found[source.rpartition("/")[2]] = f"{_HEAD}{text.rstrip()}\n"
    return found


def documented_values() -> dict[str, tuple[Any, str]]:
    """Return default and description of every value that has a description, by its dotted name."""
    text = (CHART / "values.yaml").read_text()
    defaults = yaml.safe_load(text)
    found: dict[str, tuple[Any, str]] = {}
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            comment.append(line.strip().removeprefix("#").removeprefix(" -- ").strip())
            continue
        if match := _VALUE.match(line):
            indent = len(match["indent"])
            path = [*(each for each in path if each[0] < indent), (indent, match["key"])]
            if comment:
                value = defaults
                for _, key in path:
                    value = value[key]
                found[".".join(key for _, key in path)] = (value, " ".join(comment))
        comment = []
    return found


def readme() -> str:
    """Return the chart's README with the table of values made from values.yaml."""
    rows = [f"| `{name}` | {text} | `{_flow(default)}` |\n" for name, (default, text) in documented_values().items()]
    table = "".join(["| value | meaning | default |\n", "| --- | --- | --- |\n", *rows])
    return _TABLE.sub(lambda _: table, (CHART / "README.md").read_text())


def _flow(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).partition("\n")[0]


def main() -> None:
    """Write the manifests and the README."""
    helm = sys.argv[1] if len(sys.argv) > 1 else shutil.which("helm")
    if not helm:
        sys.exit("error: helm is not on the PATH: install it, or run deploy/install/go.sh, and give its path")
    (CHART / "README.md").write_text(readme())
    for name, text in manifests(helm).items():
        (MANIFESTS / name).write_text(text)


if __name__ == "__main__":
    main()
