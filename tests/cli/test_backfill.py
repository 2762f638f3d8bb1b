"""`backfill` as a command: the file, the messages and the exit status."""

import contextlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from exporter.catalog import CATALOG, DAY, day_of
from exporter.cli import main
from exporter.simulator import Simulator, keys
from exporter.store import Store
from tests.support.ledger_harness import LedgerHarness, costs, dollars
from tests.support.openmetrics import total_at

FAST = ("--api.requests-per-minute", "60000")


def text_of(directory: Path) -> str:
    """Return the text of all files of a history."""
    return "".join(file.read_text() for file in sorted(directory.glob("*.om")))


def only(*names: str) -> list[str]:
    """Return the flags that disable all other resources."""
    others = [row.name.replace("_", "-") for row in CATALOG if row.name not in names]
    return [f"--resources.{name}.enabled=false" for name in others]


def test_truth(url: str, simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each day's samples add up to the API's report of that day, over several pages."""
    output = tmp_path / "history"
    words = ["backfill", "--since", "30d", "--until", "1d", "--step=6h", "--dense-days=2", "--output", str(output)]
    labels = ["--label=job=openai", "--label=instance=a:1"]
    status = main([*words, *FAST, *labels, "--api.base-url", url, *only("costs", "embeddings")])

    texts = [file.read_text() for file in sorted(output.glob("*.om"))]
    said = capsys.readouterr()
    assert (0, "") == (status, said.out)
    assert all(text.endswith("# EOF\n") for text in texts)
    assert all('job="openai"' in text for text in texts)
    today = day_of(simulator.now())
    for ago, text in ((30, texts[0]), (25, texts[0]), (20, texts[1])):
        day = today - ago * DAY
        late = day + DAY - 8 * 60
        truth = simulator.scenario.truth("costs", since=day, until=day + DAY)
        assert total_at(text, "openai_cost_usd", late) == pytest.approx(
            sum(float(row["values"]["amount"]) for row in truth)
        )
        rows = simulator.scenario.truth("embeddings", ("project_id",), since=day, until=day + DAY)
        assert sum(row["values"]["input_tokens"] for row in rows) == total_at(
            text, "openai_embeddings_input_tokens", late
        )
    assert "openai_project_info{" in texts[-1]
    assert "openai_accrued" not in "".join(texts)
    assert "counters of costs, embeddings are left out" in said.err
    assert "promtool tsdb create-blocks-from --max-block-duration=486h openmetrics" in said.err
    assert "--storage.tsdb.retention.time of Prometheus above 31d" in said.err
    assert "without --label" not in said.err


def test_continues(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run leaves complete files alone; with other options it is refused, and they are kept."""
    output = tmp_path / "history"
    words = ["backfill", "--since=20d", "--until=4d", "--step=6h", f"--output={output}", *FAST, "--api.base-url", url]
    words += only("embeddings")
    assert 0 == main(words)
    files = {file: file.stat().st_mtime_ns for file in output.glob("*.om")}
    (first, *_) = sorted(files)
    first.unlink()
    capsys.readouterr()

    assert 0 == main(words)
    said = capsys.readouterr().err
    assert "part 2 of 3" in said
    assert 2 == said.count("already there")
    again = {file: file.stat().st_mtime_ns for file in output.glob("*.om")}
    assert {file: time for file, time in files.items() if file != first} == {
        file: time for file, time in again.items() if file != first
    }
    assert 2 == main([*words, "--label=job=x"])
    assert "of a backfill with other options" in capsys.readouterr().err


def test_printed_commands(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The loop that is printed gives `promtool` every file of a directory whose name has spaces and quotes."""
    output = tmp_path / "it's a $(history)"
    words = ["backfill", "--since=20d", "--until=4d", "--step=6h", f"--output={output}", *FAST, "--api.base-url", url]
    assert 0 == main([*words, *only("embeddings")])
    loop = capsys.readouterr().err.partition("next:")[2].partition("done\n")[0] + "done"
    promtool = tmp_path / "promtool"
    promtool.write_text('#!/bin/sh\nprintf "%s\\n" "$5"\n')
    promtool.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-euc", loop], env=path, capture_output=True, text=True, check=True, timeout=30)

    assert [str(file) for file in sorted(output.glob("*.om"))] == done.stdout.splitlines()


def test_dry_run(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run says how many samples there would be, sends nothing and leaves no file."""
    words = ["backfill", "--since=20d", "--until=4d", "--step=6h", "--dry-run", *FAST, "--api.base-url", url]
    progress = tmp_path / "progress.json"
    receiver = ["--remote-write=http://127.0.0.1:9/write", f"--remote-write-progress={progress}"]
    assert 0 == main([*words, *receiver, *only("embeddings")])
    assert 0 == main([*words, f"--output={tmp_path / 'history'}", *only("embeddings")])

    counts = [line.split()[2] for line in capsys.readouterr().err.splitlines() if line.startswith("would write")]
    assert counts[0] == counts[1]
    assert int(counts[0].replace(",", "")) > 1000
    assert [] == list(tmp_path.iterdir())


def test_refused_key(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key without access ends it with status 1 and advice, and no file has a final name."""
    output = tmp_path / "history"
    monkeypatch.setenv("OPENAI_ADMIN_KEY", keys.ORDINARY)
    status = main(["backfill", "--since=5d", f"--output={output}", *FAST, "--api.base-url", url])

    said = capsys.readouterr().err
    assert 1 == status
    assert [] == list(output.glob("*.om"))
    assert "Missing scopes: api.usage.read" in said
    assert "Run the same command again to continue." in said
    assert keys.ORDINARY not in said


def test_retries(url: str, simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A temporary failure is printed and retried."""
    simulator.faults.add("rate_limited", path="costs", count=1, retry_after=1)
    output = tmp_path / "history"
    words = ["backfill", "--since=5d", "--step=6h", f"--output={output}", *FAST, "--api.base-url", url]
    status = main([*words, *only("costs")])

    said = capsys.readouterr().err
    assert 0 == status
    assert "retrying in 1 s, as requested" in said


def test_refused_grouping(url: str, simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A grouping that the API refuses is narrowed, as `run` does."""
    simulator.set_policy(costs_by_user_and_project=False)
    grouping = [f"--resources.costs.group-by={name}" for name in ("project_id", "user_id")]
    output = tmp_path / "history"
    words = ["backfill", "--since=5d", "--step=6h", f"--output={output}", *FAST, "--api.base-url", url]
    status = main([*words, *grouping, *only("costs")])

    assert 0 == status
    assert "without user_id, which the API refuses" in capsys.readouterr().err
    assert "project_id=" in text_of(output)


def test_counters_of_a_refused_grouping(url: str, simulator: Simulator, tmp_path: Path) -> None:
    """Where the API refuses a label, as it did when the live counters began, they have their history."""
    simulator.set_policy(costs_by_user_and_project=False)
    state, output = tmp_path / "state.db", tmp_path / "history"
    now = time.time()
    with contextlib.closing(Store(state)) as store:
        exporter = LedgerHarness(costs(group_by=("project_id",)), store, now=now)
        exporter.report(day_of(now) - DAY, ("proj_a",), dollars("12.5"))
        exporter.poll()
    words = ["backfill", "--since=5d", "--new-prometheus", f"--output={output}", f"--state.path={state}", *FAST]
    grouping = [f"--resources.costs.group-by={name}" for name in ("project_id", "user_id")]
    status = main([*words, *grouping, "--resources.costs.measures=cost_usd", *only("costs"), "--api.base-url", url])

    assert 0 == status
    assert f'openai_accrued_cost_usd_total{{organization="default",project_id="proj_a"}} 12.5 {int(now)}' in text_of(
        output
    )


@pytest.mark.parametrize("status", [400, 401, 403])
def test_names_that_cannot_be_read_now(
    url: str, simulator: Simulator, tmp_path: Path, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A history whose names were refused is not complete; the same command adds them once they can be read."""
    simulator.faults.add("status", path="organization/projects", status=status)
    output = tmp_path / "history"
    words = ["backfill", "--since=2d", "--dense-days=1", f"--output={output}", *FAST, "--api.base-url", url]
    refused = main([*words, *only("costs")])
    said = capsys.readouterr().err
    without = text_of(output)
    simulator.faults.active.clear()
    again = main([*words, *only("costs")])

    assert (1, 0) == (refused, again)
    assert "names cannot be read now; they are all that is missing" in said
    assert "openai_cost_usd{" in without
    assert "openai_project_info{" not in without
    assert "openai_project_info{" in text_of(output)


@pytest.mark.parametrize(("path", "family"), [("projects", "openai_project_info"), ("users", "openai_user_info")])
def test_one_404_costs_no_name(url: str, simulator: Simulator, tmp_path: Path, path: str, family: str) -> None:
    """What answers once as if it did not exist is asked again."""
    simulator.faults.add("status", path=f"organization/{path}", status=404, count=1)
    output = tmp_path / "history"
    words = ["backfill", "--since=2d", "--dense-days=1", f"--output={output}", *FAST, "--api.base-url", url]
    grouping = "--resources.embeddings.group-by=project_id,user_id"
    status = main([*words, *only("embeddings"), "--names.users=true", grouping])

    assert 0 == status
    assert f"{family}{{" in text_of(output)


def test_names_that_the_key_may_not_read(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the scope for names the history is complete, and it is said which scope is missing."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", keys.USAGE_ONLY)
    output = tmp_path / "history"
    words = ["backfill", "--since=2d", "--dense-days=1", f"--output={output}", *FAST, "--api.base-url", url]
    status = main([*words, *only("costs")])

    assert 0 == status
    assert "default: names of projects: left out: " in capsys.readouterr().err
    assert "openai_cost_usd{" in text_of(output)


def test_refused_request(url: str, simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal for another reason ends the command."""
    simulator.faults.add("status", status=400, message="No such thing.")
    words = ["backfill", "--since=5d", f"--output={tmp_path / 'history.om'}", *FAST, "--api.base-url", url]

    assert 1 == main([*words, *only("vector_stores")])
    assert "No such thing." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--since=2026-01-05", "--until=2026-01-05"], "there is no history between"),
        (["--since=5d", "--label", "model=x"], "'model' is a label of the metrics"),
    ],
)
def test_contradictory_flags(url: str, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Contradictory flags end it with status 2 before any request."""
    status = main(["backfill", "--output=unused", *words, "--api.base-url", url])

    assert 2 == status
    assert message in capsys.readouterr().err


def test_unwritable_directory(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names a directory that cannot be made and says what to set."""
    (tmp_path / "file").write_text("")
    status = main(["backfill", "--since=5d", f"--output={tmp_path / 'file' / 'history'}", *FAST, "--api.base-url", url])

    error = capsys.readouterr().err

    assert 1 == status
    assert f"{tmp_path / 'file' / 'history'}: Not a directory\nSet --output to a directory" in error
