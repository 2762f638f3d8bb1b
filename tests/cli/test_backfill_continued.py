"""What a run of `backfill` makes of what an interrupted one left."""

import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from exporter.backfill import DamageError
from exporter.backfill.bucket_cache import BucketCache
from exporter.catalog import CATALOG, Bucket, BucketRows, Plan
from exporter.cli import main
from exporter.settings import Poll
from exporter.simulator import Simulator, keys

TENANT = "--remote-write-header=X-Scope-OrgID"


class Receiver(ThreadingHTTPServer):
    """Takes the first request and refuses all others, until `open` is set; it cannot be queried."""

    def __init__(self) -> None:
        self.open = False
        self.taken = 0
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        takes = self.path.endswith("/write") and (self.server.open or not self.server.taken)
        self.server.taken += takes
        self.send_response(204 if takes else 400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class Interrupted:
    """A backfill of three parts, of which the receiver took the first."""

    receiver: Receiver
    words: list[str]
    progress: Path
    secrets: list[str] = field(default_factory=lambda: [keys.FULL, "first-tenant"])

    @property
    def kept(self) -> list[Path]:
        """The files with what was read."""
        return sorted(Path(f"{self.progress}.buckets").iterdir())


@pytest.fixture
def interrupted(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Interrupted]:
    """Give a backfill that was interrupted after its first part."""
    progress = tmp_path / "progress.json"
    words = ["backfill", "--since=20d", "--until=4d", "--step=6h", "--dense-days=1", "--api.requests-per-minute=60000"]
    words += [f"--resources.{each.name.replace('_', '-')}.enabled=false" for each in CATALOG if each != EMBEDDINGS]
    words += [f"--api.base-url={url}", f"--state.path={tmp_path / 'state.db'}", f"{TENANT}=first-tenant"]
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        words += [f"--remote-write=http://127.0.0.1:{receiver.server_port}/api/v1/write"]
        words += [f"--remote-write-progress={progress}"]
        assert 1 == main(words)
        assert 1 == receiver.taken
        capsys.readouterr()
        receiver.open = True
        try:
            yield Interrupted(receiver, words, progress)
        finally:
            receiver.shutdown()
            thread.join()


EMBEDDINGS = next(each for each in CATALOG if each.name == "embeddings")


@pytest.mark.parametrize(
    ("word", "differing"),
    [
        ("--resources.embeddings.measures=embeddings_requests", "default: resources.embeddings.measures"),
        ("--resources.embeddings.group-by=model", "default: resources.embeddings.group_by"),
        ("--resources.embeddings.models=a", "default: resources.embeddings.filters"),
        ("--resources.embeddings.windows=2d", "default: resources.embeddings.windows"),
        ("--max-series=77", "default: resources.embeddings.max_series"),
        ("--poll.lookback-days=40", "default: resources.embeddings.lookback_days"),
        ("--names.personal-data=true", "default: names"),
        ("--names.projects=false", "default: names"),
        (f"{TENANT}=second-tenant", "--remote-write-header"),
        ("--remote-write-username=second --remote-write-password-file=password", "--remote-write-username"),
        ("--label=job=openai", "--label"),
        ("OPENAI_ORG_ID=org-second", "default: OPENAI_ORG_ID"),
        ("--api.base-url=http://localhost", "default: api.base_url"),
    ],
)
def test_other_options(
    interrupted: Interrupted,
    word: str,
    differing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An option that changes what is written, or where, is named, and nothing is sent; its value is not kept."""
    words = word.split() if word.startswith("--") else []
    if not words:
        monkeypatch.setenv(*word.split("="))
    status = main([*interrupted.words, *words])
    said = capsys.readouterr().err

    assert 2 == status
    assert "remove it and what was written, and start again." in said
    assert f"What differs: {differing}\n" in said
    assert 1 == interrupted.receiver.taken
    text = interrupted.progress.read_text()
    assert [] == [secret for secret in interrupted.secrets if secret in text]


def test_another_key(
    interrupted: Interrupted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a key of another organization it does not continue; with another key of the same one it does."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", keys.OTHER_ORGANIZATION)
    assert 1 == main(interrupted.words)
    assert "error: default: the key belongs to another organization than what" in capsys.readouterr().err

    monkeypatch.setenv("OPENAI_ADMIN_KEY", keys.USAGE_ONLY)
    assert 0 == main(interrupted.words), capsys.readouterr().err
    assert not Path(f"{interrupted.progress}.buckets").exists()


@pytest.mark.parametrize("content", [b"", b"garbage", zlib.compress(b"{}"), b"half", None])
def test_damaged_buckets(
    interrupted: Interrupted, simulator: Simulator, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file with what was read that is damaged, or gone, is named, and nothing is read again or sent."""
    requests = len(simulator.requests)
    for file in interrupted.kept:
        if content is None:
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[:-9] if content == b"half" else content)
    status = main(interrupted.words)
    said = capsys.readouterr().err

    assert 1 == status
    assert f"error: {interrupted.progress}.buckets/" in said
    assert f"remove {interrupted.progress} and what was written, and start again\n" in said
    assert (1, requests) == (interrupted.receiver.taken, len(simulator.requests))


@pytest.mark.parametrize(
    "change",
    [
        ('"done":[0]', '"done":null'),
        ('"done":[0]', '"done":[[1]]'),
        ('"done":[0]', '"done":[9]'),
        ('"span":{', '"span":{"x":3,'),
        ('"step":', '"steps":'),
        ('"end":', '"end":-'),
        ("{", "[" * 100_000),
        ("{", "\udcff"),
        ("{", ""),
    ],
    ids=lambda change: change[1][:20],
)
def test_damaged_progress(
    interrupted: Interrupted, change: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A progress file that cannot be used is named and not overwritten."""
    text = interrupted.progress.read_text()
    assert change[0] in text
    damaged = text.replace(*change, 1).encode(errors="surrogateescape")
    interrupted.progress.write_bytes(damaged)

    assert 1 == main(interrupted.words)
    said = capsys.readouterr().err
    assert f"error: {interrupted.progress} is damaged" in said
    assert "and what was written, and start again\n" in said
    assert damaged == interrupted.progress.read_bytes()


def test_buckets_of_other_measures(tmp_path: Path) -> None:
    """What was kept of some measures is not read as others."""
    first, second, *_ = EMBEDDINGS.measures
    cache = BucketCache(tmp_path / "progress.buckets")
    rows = BucketRows.of([(("a",), (1.0,))], [first])
    cache.save(plan(first.name), [Bucket(0, 3600, (rows,))], "key")

    assert (("model",), [Bucket(0, 3600, (rows,))]) == cache.load(plan(first.name), "key")
    with pytest.raises(DamageError, match="has other measures or labels than the settings"):
        cache.load(plan(second.name), "key")


def plan(measure: str) -> Plan:
    """Return a plan of one measure of embeddings by model."""
    poll = Poll()
    return Plan(
        resource=EMBEDDINGS,
        group_by=("model",),
        filters=(),
        width="1h",
        measures=tuple(each for each in EMBEDDINGS.measures if each.name == measure),
        windows=(),
        interval=poll.interval,
        lookback_days=poll.lookback_days,
        refetch_days=poll.refetch_days,
        stale_after=poll.stale_after,
        max_series=100,
    )
