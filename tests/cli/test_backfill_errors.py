"""What `backfill` advises when a file cannot be used, or a receiver refuses what it is sent."""

import contextlib
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.catalog import CATALOG
from exporter.cli import main
from tests.support.small_disk import enlarge, small_disk

PATHS = "check the path of the URL"
NOWHERE = "http://127.0.0.1:9/api/v1/write"
OUT_OF_LABELS = (
    'received a series whose number of labels exceeds the limit (actual: 31, limit: 30) series: "openai_cost_usd"'
    " (err-mimir-max-label-names-per-series)"
)


class Refusal(NamedTuple):
    """How a receiver answers, and what is printed of it."""

    status: int
    text: str
    headers: dict[str, str]
    said: str
    advised: str


REFUSALS = [
    Refusal(400, OUT_OF_LABELS, {}, f"400 {OUT_OF_LABELS}", ""),
    Refusal(400, "invalid label name", {}, "400 invalid label name", ""),
    Refusal(422, "", {}, "422 Unprocessable Entity", ""),
    Refusal(404, "404 page not found", {}, "404 404 page not found", PATHS),
    Refusal(405, "", {}, "405 Method Not Allowed", PATHS),
    Refusal(307, "", {"Location": "/login"}, "307 Temporary Redirect to /login", PATHS),
    Refusal(200, "<h2>VictoriaMetrics</h2>", {"Content-Type": "text/html"}, "200 OK with a web page", PATHS),
    Refusal(400, "unsupported path requested: /write", {}, "400 unsupported path requested", PATHS),
    Refusal(401, "<p>", {"Content-Type": "text/html"}, "401 Unauthorized with a web page", "bearer-token-file"),
]


class _Refusing(ThreadingHTTPServer):
    """Gives every request the same answer."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """Say nothing of requests that the backfill ended."""


class _Handler(BaseHTTPRequestHandler):
    server: _Refusing

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        refusal = self.server.refusal
        self.send_response(refusal.status)
        for name, value in {"Content-Length": str(len(refusal.text)), **refusal.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(refusal.text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def refusing(refusal: Refusal) -> Iterator[str]:
    """Run a receiver that refuses everything while the block lasts; gives its URL."""
    with _Refusing(refusal) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/api/v1/write"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def words(url: str, tmp_path: Path) -> list[str]:
    """Give a short backfill of costs, without a state."""
    words = ["backfill", "--since=3d", "--step=6h", "--dense-days=1", "--api.requests-per-minute=60000"]
    words += [f"--resources.{row.name.replace('_', '-')}.enabled=false" for row in CATALOG if row.name != "costs"]
    return [*words, "--api.base-url", url, f"--state.path={tmp_path / 'state.db'}"]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.said[:40])
def test_refusals(words: list[str], tmp_path: Path, refusal: Refusal, capsys: pytest.CaptureFixture[str]) -> None:
    """What the receiver says is shown, and its path is only advised on where it may be wrong."""
    with refusing(refusal) as receiver:
        result = main([*words, f"--remote-write={receiver}", f"--remote-write-progress={tmp_path / 'progress'}"])
    error, next_step = capsys.readouterr().err.splitlines()[-2:]

    assert 1 == result
    assert error.startswith(f"error: {receiver}: {refusal.said}")
    assert refusal.advised in error
    assert (PATHS in error) is (refusal.advised == PATHS)
    assert "Run the same command again to continue." == next_step


def test_progress_that_cannot_be_written(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The advice names the option of the progress file."""
    progress = tmp_path / "missing" / "progress"
    result = main([*words, f"--remote-write={NOWHERE}", f"--remote-write-progress={progress}"])
    said = capsys.readouterr().err

    assert 1 == result
    assert f"error: {progress}.partial: No such file or directory\nSet --remote-write-progress to a file" in said
    assert "--output" not in said


@pytest.mark.parametrize("option", ["--output", "--remote-write-progress"])
def test_a_disk_that_is_full_at_the_start(
    words: list[str], tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The advice is to free room, not to set another path; once there is room, the same command gets further."""
    with small_disk(tmp_path) as disk:
        path = disk / "history"
        command = [*words, f"{option}={path}", *([] if option == "--output" else [f"--remote-write={NOWHERE}"])]
        fill(disk / "filler")
        full = main(command)
        said = capsys.readouterr().err
        enlarge(disk)
        again = main([*command, *(["--dry-run"] if option != "--output" else [])])

    assert 1 == full
    assert f"error: {path}" in said
    assert "No space left on device\nFree room there, and run the same command again: it continues." in said
    assert "Set --" not in said
    assert 0 == again, capsys.readouterr().err


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.parametrize(
    ("option", "content", "said"),
    [
        ("bearer-token-file", None, "No such file or directory"),
        ("bearer-token-file", "two\nlines\n", "expects one line of ASCII characters"),
        ("bearer-token-file", "\n", "expects one line of ASCII characters"),
        ("ca-file", None, "No such file or directory"),
        ("ca-file", "no certificate", "NO_CERTIFICATE_OR_CRL_FOUND"),
        ("cert-file", "no certificate", "PEM"),
    ],
)
def test_files_of_the_receiver(words: list[str], tmp_path: Path, option: str, content: str | None, said: str) -> None:
    """A file with which to reach the receiver that cannot be used is named, with its option, at once."""
    path = tmp_path / "file"
    if content is not None:
        path.write_text(content)
    receiver = [f"--remote-write={NOWHERE}", f"--remote-write-progress={tmp_path / 'progress'}"]
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        result = main([*words, *receiver, f"--remote-write-{option}={path}"])
    error, next_step = stderr.getvalue().splitlines()[-2:]

    assert 1 == result
    assert error.startswith(f"error: {path}: ")
    assert said in error
    assert f"Check the file of --remote-write-{option}, and run the same command again: it continues." == next_step


@pytest.mark.parametrize(
    ("header", "said"),
    [
        *((header, "expects NAME=VALUE in plain ASCII") for header in ("X Y=secret", "\u00dc=secret", "X=secr\u00e9t")),
        *((header, "expects NAME=VALUE in plain ASCII") for header in ("X=secret\nX-Y: a", "X= secret")),
        *((f"{name}=secret", f"{name} belongs to the protocol") for name in ("Content-Length", "host", "Content-Type")),
        ("Transfer-Encoding=secret", "Transfer-Encoding belongs to the protocol"),
    ],
)
def test_headers(words: list[str], tmp_path: Path, header: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A header that cannot be sent ends it before any request and any file; its value is not shown."""
    receiver = [f"--remote-write={NOWHERE}", f"--remote-write-progress={tmp_path / 'progress'}"]
    result = main([*words, *receiver, f"--remote-write-header={header}"])
    error = capsys.readouterr().err

    assert 2 == result
    assert f"--remote-write-header: {said}" in error
    assert "secr" not in error
    assert [] == list(tmp_path.iterdir())
