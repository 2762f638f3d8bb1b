"""What is written is OpenMetrics that the strict parser takes, in the order that promtool needs."""

import io

import numpy as np
import pytest

from exporter.backfill import LabelError, Writer, checked_labels
from exporter.backfill.history import Series
from exporter.backfill.span import Span
from exporter.catalog import DAY, HOUR
from exporter.exposition import Family, Type
from tests.support.openmetrics import families_of
from tests.support.scripted_api import TODAY

SPAN = Span(TODAY - 2 * DAY, TODAY, TODAY, 12 * HOUR)
FAMILY = Family("openai_cost_usd", 'Money, "in" dollars.', Type.GAUGE)


def series(*values: float | None, **labels: str) -> Series:
    """Return a series with a value for each day."""
    known = np.array([value is not None for value in values])
    return Series(tuple(labels.items()), np.array([value or 0.0 for value in values]), known)


def written(*all_series: Series, labels: dict[str, str] | None = None) -> str:
    """Return what a writer makes of the series of one family."""
    out = io.StringIO()
    writer = Writer(out, SPAN, labels or {})
    writer.begin(FAMILY)
    for each in all_series:
        writer.write("research", each)
    writer.end()
    return out.getvalue()


def test_series_by_series() -> None:
    """Each series is written as a whole, ascending, its value at every moment of the day."""
    text = written(series(1.5, 2.0, project_id="a"), series(None, 3.0, project_id="b"))

    before, yesterday = TODAY - 2 * DAY, TODAY - DAY
    assert (
        '# HELP openai_cost_usd Money, \\"in\\" dollars.\n'
        "# TYPE openai_cost_usd gauge\n"
        f'openai_cost_usd{{organization="research",project_id="a"}} 1.5 {before}\n'
        f'openai_cost_usd{{organization="research",project_id="a"}} 1.5 {before + 12 * HOUR}\n'
        f'openai_cost_usd{{organization="research",project_id="a"}} 2.0 {yesterday}\n'
        f'openai_cost_usd{{organization="research",project_id="a"}} 2.0 {yesterday + 12 * HOUR}\n'
        f'openai_cost_usd{{organization="research",project_id="b"}} 3.0 {yesterday}\n'
        f'openai_cost_usd{{organization="research",project_id="b"}} 3.0 {yesterday + 12 * HOUR}\n'
        "# EOF\n"
    ) == text


def test_strict_parser() -> None:
    """The library's strict parser reads back labels with every character that needs escaping."""
    awkward = 'a"b\\c\nd'
    (family,) = families_of(written(series(1, 2, line_item=awkward), labels={"job": "openai"}))

    assert ("openai_cost_usd", "gauge", 'Money, "in" dollars.') == (family.name, family.type, family.documentation)
    assert {"organization": "research", "line_item": awkward, "job": "openai"} == family.samples[0].labels
    assert 4 == len(family.samples)


def test_nothing() -> None:
    """A family without series is not named; the end is there all the same."""
    assert "# EOF\n" == written()


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ({"my-job": "x"}, "no name for a label"),
        ({"__name__": "x"}, "no name for a label"),
        ({"organization": "x"}, "a label of the metrics themselves"),
        ({"model": "x"}, "a label of the metrics themselves"),
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
