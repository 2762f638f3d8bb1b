"""What a backfill does about receivers that have the samples, that refuse them, and about disks that are full."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.catalog import DAY, day_of
from exporter.settings import Poll
from exporter.simulator import Simulator, keys
from tests.support.installation import Installation
from tests.support.processes import until
from tests.support.prometheus import Prometheus, running
from tests.support.small_disk import enlarge, small_disk

DAYS = 9
SPAN = (f"--since={DAYS}d", "--dense-days=1")
BEYOND = Poll().lookback_days + 14
"""Days: two parts of a history end before what the state remembers."""
TOKENS = "openai_accrued_embeddings_input_tokens_total"

pytestmark = pytest.mark.slow


def finished(
    installation: Installation, *words: str, prefix: tuple[str, ...] = (), **variables: str
) -> tuple[int, str]:
    """Run a backfill to its end; return its status and what it printed. Later words replace earlier ones."""
    command = [*prefix, *installation.command, *SPAN, *words]
    environment = installation.environment | variables
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


def test_what_is_stored_is_not_sent(installation: Installation, tmp_path: Path) -> None:
    """Without any record of an earlier run, the receiver's own answer saves every sample from being sent again."""
    first = finished(installation, f"--remote-write-progress={tmp_path / 'first'}")
    second = finished(installation, f"--remote-write-progress={tmp_path / 'second'}")

    assert 0 == first[0], first[1]
    assert 0 == second[0], second[1]
    assert "wrote 0 samples" in second[1]
    assert 2 == second[1].count("already there")


def test_a_complete_history_is_not_read_again(installation: Installation, tmp_path: Path) -> None:
    """The same command, once it is complete, asks OpenAI for nothing."""
    progress = f"--remote-write-progress={tmp_path / 'progress'}"
    assert 0 == finished(installation, progress)[0]
    status, said = finished(installation, progress)

    assert 0 == status, said
    assert "everything is there already" in said
    assert "wrote 0 samples with 0 requests to OpenAI" in said
    assert [tmp_path / "progress"] == list(tmp_path.iterdir())


@pytest.mark.parametrize("percent", [-60, 60])
def test_revision_between_interruption_and_rerun(
    installation: Installation, simulator: Simulator, tmp_path: Path, percent: int
) -> None:
    """A revision of what is written already changes nothing in the history, though the receiver cannot be queried.

    The revised days are older than what the state remembers: only what the first run has kept can tell.
    """
    start = day_of(time.time()) - BEYOND * DAY
    revised, end = start + 7 * DAY, start + 10 * DAY
    truth = simulator.scenario.truth("embeddings", since=start, until=end)
    words = [f"--remote-write-progress={tmp_path / 'progress'}", f"--label=instance=revised{percent}"]
    words += ["--remote-write-query-url=http://127.0.0.1:9/api/v1/query", f"--since={BEYOND}d"]
    installation.interrupt(*SPAN, *words)
    for day in range(start, revised, DAY):
        simulator.scenario.revise("embeddings", percent, time=day)
    status, said = finished(installation, *words)

    assert 0 == status, said
    counter = f'{TOKENS}{{instance="revised{percent}"}}'
    assert sum(row["values"]["input_tokens"] for row in truth) == installation.prometheus.value(f"sum({counter})", end)
    series = installation.prometheus.query(f"{counter}[{BEYOND + 2}d]")
    values = [[float(value) for _, value in each["values"]] for each in series]
    assert [[0.0]] * len(values) == [[after for before, after in pairwise(each) if after < before] for each in values]


def test_a_prometheus_without_a_window(installation: Installation, tmp_path: Path) -> None:
    """Debian's Prometheus refuses samples of the past, and the message says what to set."""
    scrape = "scrape_configs: [{job_name: self, scrape_interval: 1s, static_configs: [{targets: ['127.0.0.1:1']}]}]"
    with running(tmp_path, "--web.enable-remote-write-receiver", configuration=scrape) as server:
        until(lambda: bool(Prometheus(server.url).query("up")), "a first sample")
        url = f"--remote-write={server.url}/api/v1/write"
        status, said = finished(installation, url, f"--remote-write-progress={tmp_path / 'progress'}")

    assert 1 == status
    assert "set storage.tsdb.out_of_order_time_window in its configuration file to 11d or more" in said
    assert "Run the same command again to continue." in said


def test_a_wrong_path(installation: Installation, tmp_path: Path) -> None:
    """A URL where nothing receives is explained."""
    url = f"--remote-write={installation.prometheus.url}/api/v1/writes"
    status, said = finished(installation, url, f"--remote-write-progress={tmp_path / 'progress'}")

    assert 1 == status
    assert "check the path of the URL. Prometheus with --web.enable-remote-write-receiver" in said


def test_a_revoked_key(installation: Installation, tmp_path: Path) -> None:
    """A key that OpenAI refuses is named, with what to do, and nothing is sent."""
    progress = f"--remote-write-progress={tmp_path / 'progress'}"
    status, said = finished(installation, progress, OPENAI_ADMIN_KEY=keys.ORDINARY)

    assert 1 == status
    assert "samples" not in said
    assert "Run the same command again to continue." in said
    assert keys.ORDINARY not in said


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 256 KiB."""
    with small_disk(tmp_path) as disk:
        yield disk


def test_a_full_disk(installation: Installation, disk: Path) -> None:
    """When the disk is full the message says so, no incomplete file has a name, and a later run completes them."""
    output = disk / "history"
    words = [f"--output={output}", "--new-prometheus"]
    files = [word for word in installation.command if not word.startswith("--remote-write")]
    to_files = replace(installation, command=files)
    status, said = finished(to_files, *words)

    assert 1 == status
    assert "No space left on device" in said
    assert "run the same command again" in said
    assert [] == list(output.glob("*.om"))
    enlarge(disk)
    status, said = finished(to_files, *words)
    assert 0 == status, said
    assert 3 == len(list(output.glob("history-*.om")))
    assert [] == list(output.glob("*.partial"))
    assert all(path.read_text().endswith("# EOF\n") for path in output.glob("*.om"))
