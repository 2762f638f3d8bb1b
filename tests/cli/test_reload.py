"""Reloading, with what a file or a defect may do to it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.cli.reload import Reloader
from exporter.settings import Settings, load
from exporter.telemetry import Telemetry
from exporter.web import Security


def _reloaded(settings: Settings, security: Security | None = None) -> tuple[str, float | None]:
    """Return the reason that a reload gives, and the metric about it."""
    telemetry = Telemetry()

    async def scenario() -> str:
        reloader = Reloader(settings, telemetry, lambda: 0.0)
        reloader.security = security
        return await reloader.reload()

    error = asyncio.run(scenario())
    return error, telemetry.registry.get_sample_value("openai_exporter_config_last_reload_successful")


def _loaded(folder: Path) -> tuple[Path, Settings]:
    path = folder / "settings.yaml"
    path.write_text("")
    return path, load("run", ["--config.file", str(path)], {"OPENAI_ADMIN_KEY": "sk-admin-example"})


@pytest.mark.usefixtures("logging_restored")
@pytest.mark.parametrize("setting", ["api: {ca_file: ~nosuchuser/ca.pem}", "state: {path: ~nosuchuser/state.db}"])
def test_a_path_in_the_home_of_nobody_is_a_failed_reload(tmp_path: Path, setting: str) -> None:
    """It fails with the reason, and the metric says so."""
    path, settings = _loaded(tmp_path)
    path.write_text(setting)

    error, successful = _reloaded(settings)

    assert "begins with ~, for which there is no home directory" in error
    assert 0.0 == successful


@pytest.mark.parametrize(
    "broken",
    [f"rate_limit: {{interval: 1s, burst: {'9' * 400}}}", 'tls_server_config: {cert_file: "\\0", key_file: c}'],
)
def test_an_absurd_web_configuration_is_a_failed_reload(tmp_path: Path, broken: str) -> None:
    """It fails with the file and what is wrong in it."""
    _, settings = _loaded(tmp_path)
    web = tmp_path / "web.yml"
    web.write_text("")
    security = Security(web)
    web.write_text(broken)

    error, successful = _reloaded(settings, security)

    assert error.startswith(f"{web}: ")
    assert 0.0 == successful


def test_an_error_that_nobody_expected_is_a_failed_reload(tmp_path: Path) -> None:
    """Its reason is given, and the log has its traceback."""

    def reread() -> Settings:
        raise OverflowError("too large")

    with capture_logs() as logged:
        error, successful = _reloaded(replace(_loaded(tmp_path)[1], reread=reread))

    assert ("OverflowError: too large", 0.0) == (error, successful)
    assert ["unexpected_error", "config_reload_failed"] == [entry["event"] for entry in logged]
