"""No secret leaves the process on any surface, however a server repeats it."""

import os
import re
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.simulator import Simulator, serving
from tests.support.echoing_proxy import EchoingProxy, echoing_proxy
from tests.support.processes import Child, free_port, until

pytestmark = pytest.mark.slow

_KEY = "Zq7KestrelPlum9412xW"
"""A key without any prefix of OpenAI's."""
_PASSWORD = "Plover&8841/Quince"
_AUTH = f"scraper:{_PASSWORD}"
_SECRETS = re.compile("Zq7KestrelPlum9412xW|Plover.{1,6}8841|c2NyYXBlcjpQbG92", re.IGNORECASE)
_FAST = ("--api.requests-per-minute=100000", "--log.level=debug", "--names.api-keys", "--limits.projects")


@pytest.fixture(scope="module")
def environment() -> Iterator[tuple[dict[str, str], EchoingProxy]]:
    """Give the environment of an exporter behind the proxy, and the proxy."""
    with serving(Simulator(7)) as url, echoing_proxy(_KEY, _AUTH) as proxy:
        yield (
            {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "STATE_"))}
            | {
                "OPENAI_ADMIN_KEY": _KEY,
                "OPENAI_EXPORTER_PROXY_AUTH": _AUTH,
                "OPENAI_EXPORTER_API__PROXY": proxy.url,
                "OPENAI_EXPORTER_API__BASE_URL": url,
            },
            proxy,
        )


@pytest.fixture(scope="module")
def surfaces(
    environment: tuple[dict[str, str], EchoingProxy], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Give everything that the commands print, log, serve and write."""
    variables, proxy = environment
    folder = tmp_path_factory.mktemp("surfaces")
    variables = variables | {"XDG_STATE_HOME": str(folder)}
    found = {}
    for name, arguments in {
        "check": ["check", *_FAST],
        "backfill": ["backfill", "--since=3d", "--step=6h", f"--output={folder / 'history'}", *_FAST],
        "help": ["run", "--help"],
        "unknown flag": ["run", f"--{_KEY}", f"--resources.costs.group-by={_KEY}"],
        "settings": ["run", "--resources.costs.group-by", _KEY, "--windows.costs", _KEY],
        "command": [_KEY],
        "assets": ["assets", str(folder / "assets")],
    }.items():
        command = [sys.executable, "-m", "exporter", *arguments]
        finished = subprocess.run(command, env=variables, capture_output=True, timeout=120, check=False)
        found[name] = (finished.stdout + finished.stderr).decode()
    crash = subprocess.run([sys.executable, "-c", _CRASH], env=variables, capture_output=True, timeout=60, check=False)
    found["traceback"] = crash.stderr.decode()
    written = [path for path in folder.glob("history/**/*") if path.is_file()]
    assert {".json", ".z"} == {path.suffix for path in written}
    found |= {f"backfill file {path.relative_to(folder)}": _text(path) for path in written}
    for form in ("json", "console"):
        found |= _served(folder, variables | {"OPENAI_EXPORTER_LOG__FORMAT": form}, form)
    found["state"] = (folder / "openai-usage-exporter" / "state.db").read_bytes().decode("latin-1")
    assert {"usage/embeddings", "usage/moderations", "usage/images", "usage/web_search_calls"} <= proxy.ways
    return found


_CRASH = f"""
import sys
from types import ModuleType
from exporter.cli import main

def execute(settings):
    raise RuntimeError('{_KEY} {_AUTH}')

module = sys.modules['exporter.cli.check'] = ModuleType('exporter.cli.check')
module.execute = execute
sys.exit(main(['check']))
"""


def _text(path: Path) -> str:
    content = path.read_bytes()
    return (zlib.decompress(content) if path.suffix == ".z" else content).decode("latin-1")


def _served(folder: Path, variables: dict[str, str], form: str) -> dict[str, str]:
    """Return what an exporter serves and logs once its first polls are done."""
    with free_port() as port:
        command = [sys.executable, "-m", "exporter", "run", f"--web.listen-address=127.0.0.1:{port}", *_FAST]
        log = folder / f"{form}.log"
        child = Child("exporter", port, command, environment=variables, log=log, ready="/-/ready")
        child.start()
        try:
            child.wait_until_serving()
            until(lambda: "openai_project_info{" in child.get("/metrics").text, "names of projects")
            os.kill(child.pid, signal.SIGHUP)
            served = {
                f"{path} with {form}": child.get(path).text
                for path in ("/metrics", "/", "/api/status", "/api/costs.csv", "/x")
            }
        finally:
            child.stop()
    return served | {f"log as {form}": log.read_text()}


def test_no_secret_is_on_any_surface(surfaces: dict[str, str]) -> None:
    """Key and proxy password are redacted in every output, log, page, metric and file that repeats them."""
    shown = {name: sorted({match[0] for match in _SECRETS.finditer(text)}) for name, text in surfaces.items()}

    assert {} == {name: matches for name, matches in shown.items() if matches}


def test_the_surfaces_show_what_was_repeated(surfaces: dict[str, str]) -> None:
    """Where a secret was repeated, its redacted form is shown: the test above covers all outputs."""
    metrics = surfaces["/metrics with json"]

    assert 'project_name="***"' in metrics
    assert 'model="***"' in metrics
    assert "RuntimeError: ***" in surfaces["traceback"]
    for name in ("check", "backfill", "log as json", "log as console", "/ with json"):
        assert "***" in surfaces[name], name
