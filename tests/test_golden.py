"""Everything that /metrics says of a small organization, kept as files: a change of it is seen in review.

`GOLDEN=1 pytest tests/test_golden.py` (`make golden`) rewrites the files.
"""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse

from exporter.catalog import CATALOG, Kind, Measure, Resource, accrued_name, today_name, window_name
from exporter.simulator import keys
from tests.support.clock import ManualClock
from tests.support.exporter_harness import NOW, OPENMETRICS, run, running_exporter
from tests.support.exposed import Exposed
from tests.support.scripted import add, scripted

ROOT = Path(__file__).parents[1]
FILES = {"text": ROOT / "tests/golden/metrics.txt", "openmetrics": ROOT / "tests/golden/metrics.openmetrics.txt"}

_VOLATILE = re.compile(
    r"""^(?:\#\ (?:HELP|TYPE|UNIT)\ )?
    (?:process_|python_info
      |openai_exporter_build_info
      |openai_exporter_(?:api_request|poll|publish)_duration_seconds
      |openai_exporter_state_size_bytes
      |openai_exporter_throttle_wait_seconds
    )""",
    re.VERBOSE,
)

_TIME = re.compile(r"(?<=} )1\.79\d*e\+09")


@cache
def exposed() -> dict[str, Exposed]:
    """Scrape in both formats: after a day's start, some use, and the hold of the counters."""

    async def scenario() -> dict[str, Exposed]:
        clock = ManualClock(NOW)
        environ = {"OPENAI_ADMIN_KEY": keys.FULL, "OPENAI_EXPORTER_API__REQUESTS_PER_MINUTE": "60000"}
        async with running_exporter(scripted(clock), clock, environ=environ) as on:
            for row in CATALOG:
                add(on.simulator, row, 0, 7)
            await on.advance(1000)
            return {"text": await on.scrape(), "openmetrics": await on.scrape(OPENMETRICS)}

    return run(scenario())


def steady(text: str) -> str:
    """Return an exposition without what no two runs have alike.

    Lines that depend on the machine are left out, the samples of a family are sorted, times are whole seconds.
    """
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if _VOLATILE.match(line):
            continue
        if line.startswith("#"):
            blocks.append([line])
        else:
            blocks[-1].append(_TIME.sub(lambda found: f"{round(float(found[0]))}", line))
    return "".join(f"{line}\n" for head, *samples in blocks for line in (head, *sorted(samples)))


@pytest.mark.parametrize("format_", FILES)
def test_metrics_are_as_they_were(format_: str) -> None:
    """Each line that does not depend on the machine, in both formats."""
    now = steady(exposed()[format_].text)
    if os.environ.get("GOLDEN"):
        FILES[format_].write_text(now)

    assert FILES[format_].read_text().splitlines() == now.splitlines()


def test_promtool_has_nothing_to_say() -> None:
    """The linter of Prometheus finds neither a bad name nor a missing word."""
    text = exposed()["text"].text
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False, timeout=30
    )

    assert (0, "", "") == (checked.returncode, checked.stdout, checked.stderr)


def test_openmetrics_is_read_by_the_strict_parser() -> None:
    """To the end, with every family of the text format in it."""
    families = {family.name for family in parse(exposed()["openmetrics"].text)}  # type: ignore[no-untyped-call]
    heads = [line.split() for line in exposed()["text"].text.splitlines() if line.startswith("# TYPE")]
    named = {head[2].removesuffix("_total") for head in heads}

    assert named == families


def test_both_text_formats_have_the_same_samples() -> None:
    """OpenMetrics adds only the start of every counter."""
    text, openmetrics = (
        [line for line in steady(FILES[format_].read_text()).splitlines() if not line.startswith("#")]
        for format_ in FILES
    )
    created = [line for line in openmetrics if "_created{" in line]

    assert text == [line for line in openmetrics if line not in created]
    assert len(created) == sum(line.startswith("openai_accrued_") for line in text)


def measures(row: Resource) -> list[Measure]:
    """Return what is exported of a row by default, where there is nothing but US dollars."""
    return [measure for measure in row.select() if measure.only is None or not measure.only.negate]


def views(measure: Measure) -> list[str]:
    """Return the names that a measure is exported under."""
    flows = [window_name(measure), accrued_name(measure)] if measure.kind is Kind.FLOW else []
    return [today_name(measure), *flows]


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.name)
def test_every_row_is_exported_golden_and_documented(row: Resource) -> None:
    """Fetched from the simulator with what was used there, in the golden file, and in docs/metrics.md."""
    scraped, golden = exposed()["text"], FILES["text"].read_text()
    document = (ROOT / "docs/metrics.md").read_text()

    assert 1.0 == scraped.value("openai_exporter_resource_up", resource=row.name)
    for measure in measures(row):
        for name in views(measure):
            assert f"`{name}`" in document
        assert 0.0 < scraped.sum(today_name(measure))
        assert f"\n{today_name(measure)}{{" in golden
        if measure.kind is Kind.FLOW:
            assert 0.0 < scraped.sum(accrued_name(measure))


def test_every_measure_of_the_table_is_documented() -> None:
    """Those that are opt-in too."""
    document = (ROOT / "docs/metrics.md").read_text()
    names = [today_name(measure) for row in CATALOG for measure in row.measures]

    assert [] == [name for name in names if f"`{name}`" not in document]


@pytest.mark.slow
def test_a_row_of_either_table_needs_no_other_code() -> None:
    """A row that is added to a table is simulated, polled, checked, exported, configurable and referenced."""
    printed = subprocess.run(
        [sys.executable, "-m", "tests.support.extra_resource"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    exposition, _, reference = printed.partition("# Metrics\n")
    scraped = Exposed(exposition)

    assert 1.0 == scraped.value("openai_exporter_resource_up", resource="dreams")
    assert {"low": 1313.0, "high": 1300.0} == scraped.by("context_level", "openai_dreams_seconds")
    assert {"low": 13.0, "high": 0.0} == scraped.by("context_level", "openai_accrued_dreams_seconds_total")
    assert {"low": 2652.0, "high": 2626.0} == scraped.by("context_level", "openai_window_dreams_requests", window="7d")
    assert 30.0 == scraped.value("openai_exporter_poll_interval_seconds", resource="dreams")
    assert "`openai_dreams_seconds`" in reference

    naps = [dict(labels) for labels in scraped.series("openai_nap_info")]
    project = naps[0]["project_id"]

    assert 1.0 == scraped.value("openai_exporter_resource_up", resource="naps")
    assert {"name 0", "name 1"} == {labels["nap_name"] for labels in naps}
    assert {"naps_0": 100.0, "naps_1": 101.0} == scraped.by(
        "nap_id", "openai_nap_ends_timestamp_seconds", project_id=project
    )
    assert "(/organization/projects/{project_id}/naps times.ends_at)" in reference
    assert "| `names.naps` |" in reference
    assert reference.endswith("organization/projects organization/projects/{project_id}/naps")
