"""deploy/compose.yaml: everything that it names is there, and nothing is open to others."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import exporter
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
        assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", service["image"])


def test_image(stack: dict[str, Any]) -> None:
    """The exporter's image is built from the tree, and is of its version."""
    service = stack["services"]["exporter"]

    assert f"openai-usage-exporter:{exporter.__version__}" == service["image"]
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


@pytest.mark.parametrize("command", ["run", "demo --web.listen-address=:10180"])
def test_exporter(stack: dict[str, Any], command: str, tmp_path: Path) -> None:
    """Both commands that the file describes load with its variables, and listen where the port is published."""
    text = (DEPLOY / "compose.yaml").read_text()
    service = stack["services"]["exporter"]
    key = tmp_path / "key"
    key.write_text("sk-admin-x")
    settings = settings_of(shlex.split(command), service["environment"], key)

    assert command in text
    assert "${EXPORTER_COMMAND:-run}" == service["command"]
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
    told = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=30, check=False)
    flags = {flag.partition("=")[0] for flag in stack["services"][service]["command"]}

    assert {flag for flag in flags if f"{flag}=" in told.stdout + told.stderr} == flags


def test_grafana(stack: dict[str, Any]) -> None:
    """The dashboards lie where the provider looks for them, and the data source is the stack's Prometheus."""
    mounted = mounts(stack, "grafana")
    provisioning = DEPLOY / mounted["/etc/grafana/provisioning"]
    (provider,) = yaml.safe_load(next((provisioning / "dashboards").glob("*.yaml")).read_text())["providers"]
    (source,) = yaml.safe_load(next((provisioning / "datasources").glob("*.yaml")).read_text())["datasources"]

    assert list((DEPLOY / mounted[provider["options"]["path"]]).glob("*.json"))
    assert "http://prometheus:9090" == source["url"]


def test_health(stack: dict[str, Any]) -> None:
    """Every service but the exporter, whose image has one, has a health check on a port of its own."""
    for name in SERVICES[1:]:
        service = stack["services"][name]
        port = service["ports"][0].rpartition(":")[2]
        assert f"//127.0.0.1:{port}/" in service["healthcheck"]["test"][-1]
