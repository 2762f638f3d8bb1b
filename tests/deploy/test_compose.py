"""deploy/compose.yaml: everything that it names is there, and nothing is open to others."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import exporter
from exporter.simulator import keys
from tests.support.deployment import DEPLOY, PORT, ROOT, STATE, settings_of

SERVICES = ("exporter", "prometheus", "alertmanager", "grafana")


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    """Give the parsed file."""
    parsed: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return parsed


def mounts(stack: dict[str, Any], service: str) -> dict[str, str]:
    """Return what is mounted where, by the path in the container."""
    pairs = [volume.split(":") for volume in stack["services"][service]["volumes"]]
    return {target: source for source, target, *_ in pairs}


def test_services(stack: dict[str, Any]) -> None:
    """Four services, all with a read-only root and without capabilities, each of one version."""
    assert set(SERVICES) == set(stack["services"])
    for service in stack["services"].values():
        assert service["read_only"]
        assert ["ALL"] == service["cap_drop"]
        assert ["no-new-privileges:true"] == service["security_opt"]
        assert re.fullmatch(r"(?:\$\{EXPORTER_IMAGE:-)?[\w./-]+:v?\d+\.\d+\.\d+\}?", service["image"])


def test_image(stack: dict[str, Any]) -> None:
    """The exporter's image is of the tree's version, and is built from the tree where it cannot be pulled."""
    service = stack["services"]["exporter"]

    assert f"${{EXPORTER_IMAGE:-registry.example.com/openai-usage-exporter:{exporter.__version__}}}" == service["image"]
    assert "pull_policy" not in service
    assert (ROOT / "Dockerfile") == (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).resolve()


def test_loopback(stack: dict[str, Any]) -> None:
    """Every published port is published on this host alone."""
    for service in stack["services"].values():
        assert service["ports"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_mounts(stack: dict[str, Any]) -> None:
    """Every file or folder that is mounted is in the tree, read-only; every other mount is a declared volume."""
    for service in SERVICES:
        for volume in stack["services"][service]["volumes"]:
            source, _, *mode = volume.split(":")
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source
                assert ["ro"] == mode
            else:
                assert source in stack["volumes"]


def test_secrets(stack: dict[str, Any]) -> None:
    """Secrets come from files, and no variable holds one."""
    named = {name for service in stack["services"].values() for name in service.get("secrets", [])}

    assert named == set(stack["secrets"])
    assert all({"file"} == set(secret) for secret in stack["secrets"].values())
    for service in stack["services"].values():
        for name, value in service.get("environment", {}).items():
            assert "/run/secrets/" in value or not re.search("KEY|PASSWORD|SECRET|TOKEN", name)


def test_exporter(stack: dict[str, Any], tmp_path: Path) -> None:
    """The command loads with the variables of the file, and listens where the port is published."""
    service = stack["services"]["exporter"]
    key = tmp_path / "key"
    key.write_text("sk-admin-x")
    settings = settings_of(shlex.split(service["command"]), service["environment"], key)

    assert [f"127.0.0.1:{PORT}:{settings.web.listen_address[0].port}"] == service["ports"]
    assert "" == settings.web.listen_address[0].host
    assert STATE in mounts(stack, "exporter")


def test_prometheus(stack: dict[str, Any]) -> None:
    """The configuration that is mounted finds the rules, the exporter and Alertmanager by the names of the stack."""
    flags = dict(flag.removeprefix("--").split("=", 1) for flag in stack["services"]["prometheus"]["command"])
    folder = DEPLOY / mounts(stack, "prometheus")["/etc/prometheus"]
    configuration = yaml.safe_load((folder / Path(flags["config.file"]).name).read_text())

    assert "/etc/prometheus" == str(Path(flags["config.file"]).parent)
    assert flags["storage.tsdb.path"] in mounts(stack, "prometheus")
    found = {
        file.name
        for pattern in configuration["rule_files"]
        for file in folder.glob(pattern.removeprefix("/etc/prometheus/"))
    }
    assert {file.name for file in (folder / "rules").glob("*.yml")} == found
    targets = [
        target
        for job in configuration["scrape_configs"]
        for targets in job["static_configs"]
        for target in targets["targets"]
    ]
    alerting = configuration["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert f"exporter:{PORT}" in targets
    assert ["alertmanager:9093"] == alerting


def test_alertmanager(stack: dict[str, Any]) -> None:
    """The configuration that the flag names is mounted."""
    flags = dict(flag.removeprefix("--").split("=", 1) for flag in stack["services"]["alertmanager"]["command"])
    folder = DEPLOY / mounts(stack, "alertmanager")["/etc/alertmanager"]

    assert yaml.safe_load((folder / Path(flags["config.file"]).name).read_text())["route"]
    assert flags["storage.path"] in mounts(stack, "alertmanager")


@pytest.mark.parametrize(
    ("service", "program"), [("prometheus", "prometheus"), ("alertmanager", "prometheus-alertmanager")]
)
def test_flags(stack: dict[str, Any], service: str, program: str) -> None:
    """Every flag is one that Debian's program knows as well."""
    finished = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=30, check=False)
    flags = {flag.partition("=")[0] for flag in stack["services"][service]["command"]}

    assert {flag for flag in flags if f"{flag}=" in finished.stdout + finished.stderr} == flags


def test_grafana(stack: dict[str, Any]) -> None:
    """The dashboards lie where the provider looks for them, and the data source is the stack's Prometheus."""
    mounted = mounts(stack, "grafana")
    provisioning = DEPLOY / mounted["/etc/grafana/provisioning"]
    (provider,) = yaml.safe_load(next((provisioning / "dashboards").glob("*.yaml")).read_text())["providers"]
    (source,) = yaml.safe_load(next((provisioning / "datasources").glob("*.yaml")).read_text())["datasources"]

    assert list((DEPLOY / mounted[provider["options"]["path"]]).glob("*.json"))
    assert "http://prometheus:9090" == source["url"]


def test_health(stack: dict[str, Any]) -> None:
    """Every service but the exporter, whose image has one, has a health check on its port."""
    for name in SERVICES[1:]:
        service = stack["services"][name]
        port = service["ports"][0].rpartition(":")[2]
        assert f"//127.0.0.1:{port}/" in service["healthcheck"]["test"][-1]


@pytest.fixture(scope="module")
def demo() -> dict[str, Any]:
    """Give the parsed file that adds the simulated organization."""
    parsed: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.demo.yaml").read_text())
    return parsed


@pytest.mark.parametrize("service", ["exporter", "backfill"])
def test_demo_settings(stack: dict[str, Any], demo: dict[str, Any], service: str) -> None:
    """Exporter and backfill load with the variables of the demo, and read the simulator in their own network."""
    given = demo["services"][service]
    command = shlex.split(given.get("command", stack["services"]["exporter"]["command"]))
    settings = settings_of(command, given["environment"], DEPLOY / "demo-admin-key")
    listen = demo["services"]["simulator"]["command"].partition("=")[2]
    (organization,) = settings.organizations

    assert f"http://{listen}/v1" == organization.base_url
    assert "service:exporter" == demo["services"]["simulator"]["network_mode"]
    assert (DEPLOY / demo["secrets"]["openai_admin_key"]["file"]).read_text().strip() == keys.FULL


def test_demo_history(stack: dict[str, Any], demo: dict[str, Any]) -> None:
    """Prometheus starts after the history that backfill wrote is in its storage, as the series that it will scrape."""
    services = demo["services"]
    words = shlex.split(services["backfill"]["command"])
    output = Path(words[words.index("--output") + 1])
    labels = dict(words[i + 1].split("=") for i, word in enumerate(words) if word == "--label")
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    (job,) = yaml.safe_load(text)["scrape_configs"]
    completed = {"condition": "service_completed_successfully"}

    assert f"in /history/{output.name}/history-*.om" in services["blocks"]["command"][0]
    assert [f"demo-history:{output.parent}", "exporter-state:/state:ro"] == services["backfill"]["volumes"]
    assert {"job": job["job_name"], "instance": job["static_configs"][0]["targets"][0]} == labels
    assert {"backfill": completed} == services["blocks"]["depends_on"]
    assert {"blocks": completed} == services["prometheus"]["depends_on"]
    assert stack["services"]["prometheus"]["image"] == services["blocks"]["image"]
    assert set(stack["services"]["prometheus"]["command"]) < set(services["prometheus"]["command"])
