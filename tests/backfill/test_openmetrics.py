"""What is written is OpenMetrics that the strict parser takes, in the order that promtool needs."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from exporter.backfill import LabelError, OpenMetricsFiles, Part, Progress, Span, checked_labels
from exporter.backfill.curve import Samples
from exporter.catalog import DAY, HOUR
from exporter.exposition import Family, Type
from tests.support.openmetrics import families_of
from tests.support.scripted_api import TODAY

SPAN = Span(TODAY - 2 * DAY, TODAY, 12 * HOUR, TODAY)
PART = SPAN.parts[0]
FAMILY = Family("openai_cost_usd", 'Money, "in" dollars.', Type.GAUGE)
TIMES = np.array([TODAY - DAY, TODAY - DAY + 60], np.int64)

Series = tuple[dict[str, str], list[float | None]]


def written(folder: Path, *series: Series, family: Family = FAMILY) -> str:
    """Return what stands in the file of a part with these series."""
    values = np.array([[value or 0.0 for value in row] for _, row in series]).reshape(len(series), len(TIMES))
    shown = np.array([[value is not None for value in row] for _, row in series], np.bool_).reshape(values.shape)
    labels = [tuple(given.items()) for given, _ in series]

    async def write() -> None:
        sink = OpenMetricsFiles(folder, Progress.load(folder / "progress.json", {}, SPAN))
        await sink.open(PART)
        await sink.begin(family)
        if series:
            await sink.write(labels, Samples(labels, TIMES, values, shown))
        await sink.close(PART)
        assert sink.holds(PART)

    asyncio.run(write())
    (file,) = folder.glob("*.om")
    return file.read_text()


def test_series_by_series(tmp_path: Path) -> None:
    """Each series is written as a whole, ascending, where it has a value."""
    text = written(tmp_path, ({"project_id": "a"}, [1.5, 2.0]), ({"project_id": "b"}, [None, 3.0]))

    assert (
        '# HELP openai_cost_usd Money, \\"in\\" dollars.\n'
        "# TYPE openai_cost_usd gauge\n"
        f'openai_cost_usd{{project_id="a"}} 1.5 {TODAY - DAY}\n'
        f'openai_cost_usd{{project_id="a"}} 2.0 {TODAY - DAY + 60}\n'
        f'openai_cost_usd{{project_id="b"}} 3.0 {TODAY - DAY + 60}\n'
        "# EOF\n"
    ) == text


def test_strict_parser(tmp_path: Path) -> None:
    """The library's strict parser reads back labels with every character that needs escaping, and counters."""
    awkward = 'a"b\\c\nd'
    counter = Family("openai_accrued_cost_usd_total", "Money.", Type.COUNTER)
    (family,) = families_of(written(tmp_path, ({"line_item": awkward, "job": "openai"}, [1, 2]), family=counter))

    assert ("openai_accrued_cost_usd", "counter", "Money.") == (family.name, family.type, family.documentation)
    assert {"line_item": awkward, "job": "openai"} == family.samples[0].labels
    assert [1, 2] == [sample.value for sample in family.samples]


def test_nothing(tmp_path: Path) -> None:
    """A family without series is not named, and the end of the file is written."""
    assert "# EOF\n" == written(tmp_path)


def test_incomplete_file_has_no_final_name(tmp_path: Path) -> None:
    """A file that was not completed is not there under its name, and a later run does not take it for complete."""
    progress = Progress.load(tmp_path / "progress.json", {}, SPAN)
    sink = OpenMetricsFiles(tmp_path, progress)

    async def interrupted() -> None:
        await sink.open(PART)
        await sink.abandon()

    asyncio.run(interrupted())

    assert [] == list(tmp_path.glob("*.om"))
    assert not sink.holds(Part(0, PART.start, PART.end))


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ({"my-job": "x"}, "is not a label name"),
        ({"__name__": "x"}, "is not a label name"),
        ({"organization": "x"}, "a label of the metrics"),
        ({"model": "x"}, "a label of the metrics"),
        ({"job": ""}, "has no value"),
    ],
)
def test_labels_refused(labels: dict[str, str], complaint: str) -> None:
    """A label that Prometheus would not take, or that a metric has, is refused."""
    with pytest.raises(LabelError, match=complaint):
        checked_labels(labels, {"model"})


def test_labels_taken() -> None:
    """Those of a scrape job are taken as they are."""
    assert {"job": "openai", "instance": "a:1"} == checked_labels({"job": "openai", "instance": "a:1"}, {"model"})
