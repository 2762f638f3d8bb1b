"""`backfill` as a command: the file, the messages and the exit status."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.catalog import CATALOG, DAY, day_of
from exporter.cli import main
from exporter.simulator import Simulator, keys
from tests.support.openmetrics import families_of, total_at

FAST = ("--api.requests-per-minute", "60000")


def only(*names: str) -> list[str]:
    """Return the flags that disable all other resources."""
    others = [row.name.replace("_", "-") for row in CATALOG if row.name not in names]
    return [f"--resources.{name}.enabled=false" for name in others]


def test_truth(url: str, simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each day's samples add up to the API's report of that day, over several pages."""
    output = tmp_path / "history.om"
    words = ["backfill", "--since", "70d", "--output", str(output), "--label", "job=openai", *FAST]
    status = main([*words, "--label=instance=a:1", "--api.base-url", url, *only("costs", "embeddings")])

    text = output.read_text()
    said = capsys.readouterr()
    assert (0, "") == (status, said.out)
    assert text.endswith("# EOF\n")
    assert 'job="openai"' in text
    today = day_of(simulator.now())
    for ago in (1, 40, 70):
        day = today - ago * DAY
        truth = simulator.scenario.truth("costs", since=day, until=day + DAY)
        assert total_at(text, "openai_cost_usd", day) == pytest.approx(
            sum(float(row["values"]["amount"]) for row in truth)
        )
    rows = simulator.scenario.truth("embeddings", ("project_id",), since=today - 70 * DAY, until=today - 69 * DAY)
    assert sum(row["values"]["input_tokens"] for row in rows) == total_at(
        text, "openai_embeddings_input_tokens", today - 70 * DAY
    )
    assert 0 == total_at(text, "openai_cost_usd", today)
    assert "default: costs: 70 days" in said.err
    assert "promtool tsdb create-blocks-from openmetrics" in said.err
    assert "--storage.tsdb.retention.time of Prometheus above 71d" in said.err
    assert "note:" not in said.err


def test_standard_output(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a hyphen, history is written to standard output and everything else to standard error."""
    yesterday = f"{datetime.fromtimestamp(day_of(datetime.now(UTC).timestamp()) - DAY, UTC):%Y-%m-%d}"
    status = main(["backfill", f"--since={yesterday}", "--output=-", *FAST, "--api.base-url", url, *only("embeddings")])

    said = capsys.readouterr()
    assert 0 == status
    assert ["openai_embeddings_input_tokens", "openai_embeddings_requests"] == [
        family.name for family in families_of(said.out)
    ]
    assert "note: without --label job=... --label instance=..." in said.err


def test_refused_key(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key without access ends it with status 1 and advice, and the old file is kept."""
    output = tmp_path / "history.om"
    output.write_text("old")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", keys.ORDINARY)
    status = main(["backfill", "--since=5d", f"--output={output}", *FAST, "--api.base-url", url])

    said = capsys.readouterr().err
    assert 1 == status
    assert "old" == output.read_text()
    assert "Missing scopes: api.usage.read" in said
    assert f"{output}.partial is incomplete; {output} was not changed." in said
    assert keys.ORDINARY not in said


def test_retries(url: str, simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A temporary failure is printed and retried; a missing endpoint is left out."""
    simulator.faults.add("rate_limited", path="costs", count=1, retry_after=1)
    simulator.faults.add("unsupported", path="embeddings")
    output = tmp_path / "history.om"
    words = ["backfill", "--since=5d", f"--output={output}", *FAST, "--api.base-url", url]
    status = main([*words, *only("costs", "embeddings")])

    said = capsys.readouterr().err
    assert 0 == status
    assert "retrying in 1 s, as requested" in said
    assert "default: embeddings: left out" in said
    assert "openai_embeddings" not in output.read_text()


def test_refused_grouping(url: str, simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A grouping that the API refuses is narrowed, as `run` does."""
    simulator.set_policy(costs_by_user_and_project=False)
    grouping = [f"--resources.costs.group-by={name}" for name in ("project_id", "user_id")]
    output = tmp_path / "history.om"
    words = ["backfill", "--since=5d", f"--output={output}", *FAST, "--api.base-url", url]
    status = main([*words, *grouping, *only("costs")])

    assert 0 == status
    assert "without user_id, which the API refuses" in capsys.readouterr().err
    assert "project_id=" in output.read_text()


def test_refused_request(url: str, simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal for another reason ends the command."""
    simulator.faults.add("status", status=400, message="No such thing.")
    words = ["backfill", "--since=5d", f"--output={tmp_path / 'history.om'}", *FAST, "--api.base-url", url]

    assert 1 == main([*words, *only("vector_stores")])
    assert "No such thing." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--since=1h", "--until=1h"], "there is no whole UTC day between"),
        (["--since=5d", "--label", "model=x"], "'model' is a label of the metrics themselves"),
    ],
)
def test_contradictory_flags(url: str, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Contradictory flags end it with status 2 before any request."""
    status = main(["backfill", "--output=-", *words, "--api.base-url", url])

    assert 2 == status
    assert message in capsys.readouterr().err


def test_missing_directory(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names a directory that does not exist."""
    output = tmp_path / "nowhere" / "history.om"
    status = main(["backfill", "--since=5d", f"--output={output}", *FAST, "--api.base-url", url])

    assert 1 == status
    assert f"{output}.partial: No such file or directory" in capsys.readouterr().err
