"""The Helm chart: judged by Helm and kubeconform for every file of values, and what it renders fits the exporter."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import exporter
from deploy.chart import CHART, KUBERNETES, MANIFESTS, documented_values, manifests, readme, template
from exporter.settings import load
from tests.support.deployment import DEPLOY, ROOT, documents
from tests.support.go_programs import invalid, program, write_schemas

VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
FULL = CHART / "ci" / "full-values.yaml"
each_values = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.name.removesuffix("-values.yaml"))


@pytest.fixture(scope="module")
def helm() -> str:
    """Give the path of Helm."""
    return program("helm")


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the schemas of Kubernetes and both operators."""
    folder = tmp_path_factory.mktemp("schemas")
    write_schemas(folder)
    return folder


def objects(text: str) -> list[dict[str, Any]]:
    """Return the rendered objects."""
    return [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]


def refusal(helm: str, *flags: str) -> str:
    """Return what Helm says when it refuses the default values with these flags."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        template(helm, CHART / "ci" / "default-values.yaml", *flags)
    return str(refused.value.stderr)


def conforming(text: str, schemas: Path) -> subprocess.CompletedProcess[str]:
    """Let kubeconform judge manifests."""
    location = f"{schemas}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    flags = ["-strict", "-summary", "-kubernetes-version", KUBERNETES]
    command = [program("kubeconform"), *flags, "-schema-location", location, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


@each_values
def test_lint(helm: str, values: Path) -> None:
    """`helm lint --strict` accepts the chart with every file of values."""
    command = [helm, "lint", "--strict", "--kube-version", KUBERNETES, str(CHART), "-f", str(values)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert 0 == finished.returncode, finished.stdout


@each_values
def test_conforms(helm: str, schemas: Path, values: Path) -> None:
    """Every rendered object is one that Kubernetes and the operators accept, without unknown fields."""
    finished = conforming(template(helm, values), schemas)

    assert [] == invalid(finished.stdout)
    assert 0 == finished.returncode, finished.stdout


def test_mistakes_are_found(helm: str, schemas: Path) -> None:
    """The schemas refuse an unknown field of Kubernetes and one of each operator."""
    rendered = template(helm, FULL)
    for old, new in (
        ("replicas: 1", "replica: 1"),
        ("jobLabel: ", "jobLable: "),
        ("resyncPeriod: ", "resyncPeriods: "),
    ):
        assert old in rendered
        assert 1 == len(invalid(conforming(rendered.replace(old, new, 1), schemas).stdout))


def test_every_kind_is_rendered(helm: str) -> None:
    """The files of values render every template of the chart."""
    rendered = "".join(template(helm, values) for values in VALUES)
    files = {file.name for file in (CHART / "templates").glob("*.yaml")}

    assert set() == {name for name in files if f"/templates/{name}\n" not in rendered}


@each_values
def test_settings(helm: str, values: Path, tmp_path: Path) -> None:
    """The arguments, the variables and the configuration of the pod load as settings of the exporter."""
    rendered = objects(template(helm, values))
    (pod,) = [each["spec"]["template"]["spec"] for each in rendered if each["kind"] == "Deployment"]
    (container,) = pod["containers"]
    key = tmp_path / "key"
    key.write_text("sk-admin-x")
    environ = {each["name"]: each["value"] for each in container["env"]}
    if "OPENAI_ADMIN_KEY_FILE" in environ:
        environ["OPENAI_ADMIN_KEY_FILE"] = str(key)
    arguments = container["args"]
    for each in rendered:
        if each["kind"] == "ConfigMap" and "exporter.yml" in each.get("data", {}):
            text = each["data"]["exporter.yml"].replace("/etc/openai-usage-exporter/keys", str(tmp_path))
            file = tmp_path / "exporter.yml"
            file.write_text(text)
            arguments = [
                word.replace("/etc/openai-usage-exporter/config/exporter.yml", str(file)) for word in arguments
            ]
            for name in ("research", "products"):
                (tmp_path / name).write_text("sk-admin-x")
    settings = load(arguments[0], arguments[1:], environ)

    assert container["ports"][0]["containerPort"] == settings.web.listen_address[0].port


def test_thresholds(helm: str) -> None:
    """A threshold of the values replaces the default, and every other rule is that of the tree."""
    (rule,) = [each for each in objects(template(helm, FULL)) if each["kind"] == "PrometheusRule"]
    *groups, own = rule["spec"]["groups"]
    expected = [group for _, document in documents(DEPLOY / "prometheus" / "rules") for group in document["groups"]]
    changed = {"openai:threshold:spend_spike_ratio": "vector(3)", "openai:threshold:token_spike_floor": "vector(1e+07)"}
    for group in expected:
        for each in group["rules"]:
            if each.get("record") in changed:
                each["expr"] = changed[each["record"]]

    assert expected == groups
    assert "own-thresholds" == own["name"]


def test_unknown_threshold(helm: str) -> None:
    """A threshold that does not exist is refused with the names of those that do."""
    said = refusal(helm, "--set=prometheusRule.enabled=true,prometheusRule.thresholds.spend_spike=3")

    assert "prometheusRule.thresholds.spend_spike does not exist" in said
    assert "spend_spike_ratio" in said


def test_dashboards(helm: str) -> None:
    """Every dashboard of the tree is in a ConfigMap, unchanged, and the operator's object refers to it."""
    rendered = objects(template(helm, FULL))
    maps = {each["metadata"]["name"]: each for each in rendered if each["kind"] == "ConfigMap"}
    boards = [each for each in rendered if each["kind"] == "GrafanaDashboard"]
    sources = {file.name: json.loads(file.read_text()) for file in (ROOT / "grafana").glob("openai-*.json")}
    found = {}
    for board in boards:
        reference = board["spec"]["configMapRef"]
        config = maps[reference["name"]]
        assert "1" == config["metadata"]["labels"]["grafana_dashboard"]
        found[reference["key"]] = json.loads(config["data"][reference["key"]])

    assert sources == found
    assert sources.keys() == {file.name for file in (CHART / "files" / "dashboards").iterdir()}


def test_no_key(helm: str) -> None:
    """Without an admin key the chart refuses to render, and says how to give one."""
    said = refusal(helm, "--set=secret.existing=")

    assert "secret.existing" in said
    assert "demo" in said


def test_unknown_value(helm: str) -> None:
    """A value that does not exist is refused."""
    assert "persistance" in refusal(helm, "--set=persistance.enabled=false")


def test_packaged(helm: str, tmp_path: Path) -> None:
    """The packaged chart renders what the folder renders: rules and dashboards are in it."""
    subprocess.run([helm, "package", str(CHART), "-d", str(tmp_path)], capture_output=True, timeout=60, check=True)
    package = tmp_path / f"openai-usage-exporter-{exporter.__version__}.tgz"
    command = [helm, "template", "openai-usage-exporter", str(package), "--kube-version", KUBERNETES, "-f", str(FULL)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert template(helm, FULL) == finished.stdout


def test_manifests(helm: str) -> None:
    """The plain manifests are those that the chart renders; after a change, run `make manifests`."""
    assert {file.name: file.read_text() for file in MANIFESTS.glob("*.yaml") if file.name != "kustomization.yaml"} == (
        manifests(helm)
    )


def test_readme() -> None:
    """The README of the chart lists the values as they are; after a change, run `make manifests`."""
    assert readme() == (CHART / "README.md").read_text()


def test_values_are_documented() -> None:
    """Every value has a description, and every property of the schema is a value."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    named = set(documented_values())

    def walk(value: object, node: dict[str, Any], path: str) -> None:
        if path in named:
            return
        assert isinstance(value, dict), f"{path} has no description"
        assert node["additionalProperties"] is False
        assert set(value) == set(node["properties"]) - {"global"}
        for name, each in value.items():
            walk(each, node["properties"][name], f"{path}.{name}".lstrip("."))

    walk(defaults, schema, "")


def test_versions() -> None:
    """Chart and application have the version of the package."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (exporter.__version__, exporter.__version__) == (chart["version"], chart["appVersion"])
