"""deploy/kubernetes: what the manifests name exists, and rules and dashboards in them are those of the tree."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import exporter
from tests.support.deployment import DEPLOY, PORT, ROOT, STATE, USER, documents, only, settings_of

FOLDER = DEPLOY / "kubernetes"
GRAFANA = ROOT / "grafana"
NAME = "openai-usage-exporter"


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    """Give the manifests by kind."""
    return {document["kind"]: document for _, document in documents(FOLDER)}


@pytest.fixture(scope="module")
def pod(manifests: dict[str, Any]) -> dict[str, Any]:
    """Give the pod of the Deployment."""
    spec: dict[str, Any] = manifests["Deployment"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    """Give its only container."""
    found: dict[str, Any]
    (found,) = pod["containers"]
    return found


def test_complete(manifests: dict[str, Any]) -> None:
    """Every manifest of the folder is in the kustomization, and everything that it names is there."""
    named = manifests["Kustomization"]["resources"]
    files = {file.name for file in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}

    assert files | {"../../grafana"} == set(named)
    assert (FOLDER / "../../grafana/kustomization.yaml").exists()


def test_names(manifests: dict[str, Any]) -> None:
    """All objects have one name, and everything selects the pod by its label."""
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
    spec = {kind: manifest.get("spec", {}) for kind, manifest in manifests.items()}

    assert {NAME} == {manifest["metadata"]["name"] for kind, manifest in manifests.items() if kind != "Kustomization"}
    assert labels == spec["Deployment"]["selector"]["matchLabels"]
    assert labels == spec["Service"]["selector"]
    assert labels == spec["NetworkPolicy"]["podSelector"]["matchLabels"]
    service = manifests["Service"]["metadata"]["labels"]
    assert spec["ServiceMonitor"]["selector"]["matchLabels"].items() <= service.items()
    assert NAME == service[spec["ServiceMonitor"]["jobLabel"]]


def test_image(manifests: dict[str, Any], container: dict[str, Any]) -> None:
    """The image is of the tree's version."""
    (image,) = manifests["Kustomization"]["images"]

    assert f"{image['name']}:{exporter.__version__}" == container["image"]
    assert exporter.__version__ == image["newTag"]


def test_one_at_a_time(manifests: dict[str, Any]) -> None:
    """There are never two."""
    spec = manifests["Deployment"]["spec"]

    assert (1, "Recreate") == (spec["replicas"], spec["strategy"]["type"])
    assert ["ReadWriteOnce"] == manifests["PersistentVolumeClaim"]["spec"]["accessModes"]


def test_restricted(pod: dict[str, Any], container: dict[str, Any]) -> None:
    """The pod meets the restricted pod security standard, as the image's user, with a read-only root."""
    security = pod["securityContext"]

    assert security["runAsNonRoot"]
    assert {f"{security['runAsUser']}:{security['runAsGroup']}"} == {only("USER", 1).text}
    assert USER == security["fsGroup"]
    assert "RuntimeDefault" == security["seccompProfile"]["type"]
    assert not pod["automountServiceAccountToken"]
    assert not pod["enableServiceLinks"]
    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    } == container["securityContext"]


def test_settings(pod: dict[str, Any], container: dict[str, Any], tmp_path: Path) -> None:
    """The command and the variables load; the state is on the volume, the key in the secret's folder."""
    key = tmp_path / "key"
    key.write_text("sk-admin-x")
    environ = {each["name"]: each["value"] for each in container["env"]}
    settings = settings_of(container["args"], environ, key)
    mounted = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["volumes"]}

    assert "state" == mounted[str(settings.state_path.parent)] == mounted[STATE]
    assert NAME == volumes["state"]["persistentVolumeClaim"]["claimName"]
    given = Path(environ["OPENAI_ADMIN_KEY_FILE"])
    assert "keys" == mounted[str(given.parent)]
    assert "admin-key" == given.name
    assert 0o440 == volumes["keys"]["secret"]["defaultMode"]
    (port,) = container["ports"]
    assert (port["containerPort"], "http") == (settings.web.listen_address[0].port, port["name"])


def test_ports(manifests: dict[str, Any], container: dict[str, Any]) -> None:
    """Probes, service, monitor and policy mean the port by the name that the container gives it."""
    (port,) = manifests["Service"]["spec"]["ports"]
    (endpoint,) = manifests["ServiceMonitor"]["spec"]["endpoints"]

    assert ("http", PORT, "http") == (port["name"], port["port"], port["targetPort"])
    assert "http" == endpoint["port"]
    assert "http" == manifests["NetworkPolicy"]["spec"]["ingress"][0]["ports"][0]["port"]
    assert {"http"} == {container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")}


def test_rules(manifests: dict[str, Any]) -> None:
    """The rules are those of the tree; after a change, run `make manifests`."""
    groups = [group for _, document in documents(DEPLOY / "prometheus" / "rules") for group in document["groups"]]

    assert groups == manifests["PrometheusRule"]["spec"]["groups"]


def test_dashboards() -> None:
    """Every dashboard of the tree is a ConfigMap that Grafana's sidecar finds and that etcd takes."""
    kustomization = yaml.safe_load((GRAFANA / "kustomization.yaml").read_text())
    files = [file for each in kustomization["configMapGenerator"] for file in each["files"]]

    assert sorted(file.name for file in GRAFANA.glob("*.json")) == sorted(files)
    assert {"grafana_dashboard": "1"} == kustomization["generatorOptions"]["labels"]
    assert all((GRAFANA / file).stat().st_size < 2**20 for file in files)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_rendered() -> None:
    """Kustomize makes of it what is in the folder, with the image and the dashboards put in."""
    made = subprocess.run(["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, timeout=60, check=True)
    rendered = list(yaml.safe_load_all(made.stdout))
    (deployment,) = [each for each in rendered if each["kind"] == "Deployment"]
    dashboards = [each for each in rendered if each["kind"] == "ConfigMap"]

    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert f"registry.example.com/{NAME}:{exporter.__version__}" == image
    assert {name: text for each in dashboards for name, text in each["data"].items()} == {
        file.name: file.read_text() for file in GRAFANA.glob("*.json")
    }
