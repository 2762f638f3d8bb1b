"""The Dockerfile: what can be read off it, and its steps, done in an empty directory."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import exporter
from tests.support.deployment import COMMAND, PORT, ROOT, STATE, USER, dockerfile, only, settings_of
from tests.support.processes import Child, free_port

_ABSOLUTE = re.compile(r"(?<![\w.:/-])/(?=(?:opt|dist|state|source|var)\b)")


def test_sources_exist() -> None:
    """What is copied is in the tree, and .dockerignore lets it through."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for instruction in dockerfile():
        if instruction.name == "COPY" and "--from" not in instruction.text:
            for source in instruction.words[:-1]:
                assert (ROOT / source).exists()
                assert source.partition("/")[0] in allowed


def test_final_stage() -> None:
    """The image that runs is built by copying alone, as a user by number, and pinned."""
    assert not [each for each in dockerfile() if (each.stage, each.name) == (1, "RUN")]
    assert f"{USER}:{USER}" == only("USER", 1).text
    assert re.fullmatch(r"PYTHON=python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", only("ARG", -1).text)
    assert ["${PYTHON} AS build", "${PYTHON}"] == [only("FROM", stage).text for stage in (0, 1)]


def test_entrypoint() -> None:
    """Entry point and command are in exec form, so that signals arrive, and run the project's own script."""
    script = only("ENTRYPOINT", 1).words

    assert [f"/opt/{COMMAND}/bin/{COMMAND}"] == script
    assert ["run"] == only("CMD", 1).words
    assert only("ENTRYPOINT", 1).text.startswith("[")
    assert f'{COMMAND} = "exporter.cli:main"' in (ROOT / "pyproject.toml").read_text()


def test_settings(tmp_path: Path) -> None:
    """The variables of the image are settings, and the state lies on the volume, which the user owns."""
    key = tmp_path / "key"
    key.write_text("sk-admin-x")
    environ = {name: value for name, value in only("ENV", 1).assignments.items() if name.startswith("OPENAI")}
    settings = settings_of(["run"], environ | {"OPENAI_ADMIN_KEY_FILE": "x"}, key)

    assert Path(STATE) == settings.state_path.parent
    assert [STATE] == only("VOLUME", 1).words
    assert f"--from=build --chown={USER}:{USER} /state {STATE}" in [
        each.text for each in dockerfile() if each.name == "COPY"
    ]
    assert str(PORT) == only("EXPOSE", 1).text
    assert PORT == settings.web.listen_address[0].port


def health_check(port: int, root: Path) -> list[str]:
    """Return the command of the health check for another port and another root."""
    _, _, command = only("HEALTHCHECK", 1).text.partition(" CMD ")
    return [_ABSOLUTE.sub(f"{root}/", str(word)).replace(f":{PORT}/", f":{port}/") for word in json.loads(command)]


@pytest.mark.slow
def test_steps(tmp_path: Path) -> None:
    """Every RUN and COPY, done in order below an empty directory, gives a program that starts and is healthy."""
    root = tmp_path / "root"
    workdir = root
    root.mkdir()
    path = os.pathsep.join([str(Path(sys.executable).resolve().parent), os.environ["PATH"]])
    environ = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HTTP", "SSL"))}
    environ |= {"PATH": path, "HOME": str(tmp_path)}
    for each in dockerfile():
        match each.name:
            case "WORKDIR":
                workdir = Path(_ABSOLUTE.sub(f"{root}/", each.text))
                workdir.mkdir(parents=True)
            case "ENV" if each.stage == 0:
                environ |= each.assignments
            case "COPY" if "--from" not in each.text:
                copy(each.words, workdir)
            case "RUN":
                run(_ABSOLUTE.sub(f"{root}/", each.text), workdir, environ)
    script = _ABSOLUTE.sub(f"{root}/", only("ENTRYPOINT", 1).words[0])
    shutil.rmtree(workdir)

    version = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60, env={}, check=True)
    assert f"{COMMAND} {exporter.__version__}\n" == version.stdout
    assert not (root / "opt" / COMMAND / "bin" / "pip").exists()

    with free_port() as port:
        assert 0 != subprocess.run(health_check(port, root), capture_output=True, timeout=30, check=False).returncode

        command = [script, "demo", f"--web.listen-address=127.0.0.1:{port}"]
        log = tmp_path / "exporter.log"
        demo = Child("exporter", port, command, environment={}, log=log, ready="/-/healthy")
        demo.start()
        try:
            demo.wait_until_serving()
            assert demo.get("/").is_success
            assert (
                0 == subprocess.run(health_check(port, root), capture_output=True, timeout=30, check=False).returncode
            )
        finally:
            demo.stop()


def copy(words: list[str], workdir: Path) -> None:
    """Do what COPY does: folders give their content to the target, files go under it."""
    *sources, target = words
    for source in sources:
        origin, destination = ROOT / source, workdir / target
        if origin.is_dir():
            shutil.copytree(origin, destination, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            destination.mkdir(parents=True, exist_ok=True)
            shutil.copy(origin, destination)


def run(script: str, workdir: Path, environ: Mapping[str, str]) -> None:
    """Do what RUN does."""
    finished = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=workdir,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )

    assert 0 == finished.returncode, finished.stdout + finished.stderr
