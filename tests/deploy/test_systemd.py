"""deploy/systemd: the unit is one that systemd takes, and what it names exists."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deployment import COMMAND, DEPLOY, ROOT, settings_of
from tests.support.processes import Child, free_port
from tests.support.site import everything

UNIT = DEPLOY / "systemd" / f"{COMMAND}.service"
SOCKET = UNIT.with_suffix(".socket")

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


def values(name: str, unit: Path = UNIT) -> list[str]:
    """Return the values of a directive, in order."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Give the unit, its socket next to it, with the program where one is on this machine."""
    listener = re.sub(r"^Documentation=.*\n", "", SOCKET.read_text(), flags=re.MULTILINE)
    (tmp_path / SOCKET.name).write_text(listener)
    unit = tmp_path / UNIT.name
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE)
    unit.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE))
    return unit


def test_command(tmp_path: Path) -> None:
    """The command and the variables load, with the credential as the key and the state in the state directory."""
    (command,) = values("ExecStart")
    program, *words = shlex.split(command)
    (credential,) = values("LoadCredential")
    (directory,) = values("StateDirectory")
    environ = dict(pair.split("=", 1) for pair in values("Environment"))
    key = tmp_path / "key"
    key.write_text("sk-admin-x")
    settings = settings_of(words, environ | {"STATE_DIRECTORY": f"/var/lib/{directory}"}, key)

    assert f"/opt/{COMMAND}/bin/{COMMAND}" == program
    assert f"%d/{credential.partition(':')[0]}" == environ["OPENAI_ADMIN_KEY_FILE"]
    assert Path("/var/lib") / directory / "state.db" == settings.state_path


def test_documented() -> None:
    """Every path of the unit is in the instructions, and the instructions' requirements are in the tree."""
    text = (ROOT / "docs" / "deploy.md").read_text()

    for path in (f"/opt/{COMMAND}/bin/{COMMAND}", "/etc/openai-usage-exporter/admin-key", f"/var/lib/{COMMAND}"):
        assert path in text
    for path in re.findall(r"(?:requirements|deploy)/[\w./-]+\w", text):
        assert (ROOT / path).exists(), path


@needs_systemd
def test_verified(installed: Path) -> None:
    """`systemd-analyze verify` finds nothing to complain about in either unit."""
    units = [str(installed), str(installed.with_suffix(".socket"))]
    finished = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60, check=False
    )

    assert (0, "", "") == (finished.returncode, finished.stdout, finished.stderr)


@needs_systemd
def test_hardened(installed: Path) -> None:
    """`systemd-analyze security` rates it 1.5 or better, of 10."""
    words = ["systemd-analyze", "security", "--offline=yes", "--threshold=15", "--no-pager", str(installed)]
    finished = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert 0 == finished.returncode, finished.stdout[-300:]


_PROTECTED = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, which what is executed inherits
    sys.exit("this kernel cannot")
os.execv(sys.executable, [sys.executable, "-m", "exporter", "demo", "--web.listen-address=" + sys.argv[1]])
"""


@pytest.mark.slow
def test_no_writable_code(tmp_path: Path) -> None:
    """The exporter polls and serves where no memory can be made executable, as MemoryDenyWriteExecute has it."""
    with free_port() as port:
        command = [sys.executable, "-c", _PROTECTED, f"127.0.0.1:{port}"]
        child = Child("exporter", port, command, environment={}, log=tmp_path / "log", ready="/-/ready")
        child.start()
        try:
            child.wait_until_serving()
            assert "openai_cost_usd{" in child.get("/metrics").text
        except AssertionError:
            if "this kernel cannot" in child.said:
                pytest.skip("the kernel has no PR_SET_MDWE")
            raise
        finally:
            child.stop()


_ACTIVATED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, "-m", "exporter", "demo"])
"""


def test_socket(tmp_path: Path) -> None:
    """With the documented variable the exporter serves on the passed socket, also who connected before it started."""
    (variable,) = re.findall(r"line (\S+=true) into", SOCKET.read_text())
    key = tmp_path / "key"
    key.write_text("sk-admin-x")
    settings = settings_of(["run"], {"OPENAI_ADMIN_KEY_FILE": "x"}, key)
    assert values("ListenStream", SOCKET) == [str(address.port) for address in settings.web.listen_address]

    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as early:
        early.settimeout(60)
        early.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        started = subprocess.Popen(
            [sys.executable, "-c", _ACTIVATED, str(listener.fileno())],
            env=os.environ | dict([variable.split("=")]),
            pass_fds=(listener.fileno(),),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert everything(early).startswith(b"HTTP/1.1 200 OK\r\n")
        finally:
            started.terminate()
            started.wait(60)


def test_start_time_stays_visible() -> None:
    """/proc/stat is not hidden: without it there is no process_start_time_seconds, which alerts need."""
    assert [] == values("ProcSubset")
