"""The exporter's own metrics against what the library makes of the same registry."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporter.exposition import TEXT_FORMATS, Format, SelfMetrics, render
from exporter.telemetry import Telemetry
from tests.support.bodies import inflate
from tests.support.client_model import COUNTER, HISTOGRAM, families

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def lines_of(self_metrics: SelfMetrics, format_: Format) -> list[str]:
    """Return all lines except those about the process and the machine."""
    return list(_steady(inflate(self_metrics.labelled(format_)) + self_metrics.rest(format_)))


def expected(telemetry: Telemetry, format_: Format) -> list[str]:
    """Return the same as the library renders it."""
    return list(_steady(render(telemetry.registry, format_)))


def _steady(text: bytes) -> Iterator[str]:
    families: dict[str, list[str]] = {}
    family: list[str] = []
    for line in text.decode().removesuffix("# EOF\n").split("\n"):
        if line.startswith("# HELP"):
            family = families.setdefault(line, [])
        family.append(line)
    for head, lines in sorted(families.items()):
        if len(lines) > 2 and "process_" not in head:
            yield from lines


@pytest.mark.parametrize("format_", TEXT_FORMATS)
@given(st.lists(st.tuples(NAMES, NAMES, st.floats(0, 1e12)), max_size=6))
def test_self_metrics_equal_what_the_library_renders(format_: Format, events: list[tuple[str, str, float]]) -> None:
    """Family by family and byte for byte, rendered again after every event."""
    telemetry = Telemetry()
    self_metrics = SelfMetrics(telemetry)
    for organization, resource, value in events:
        telemetry.begin(organization, resource, buckets=True)
        telemetry.api_requests.labels(organization, resource).inc(value)
        telemetry.last_success_timestamp_seconds.labels(organization, resource).set(value)
        telemetry.resource_degraded.labels(organization, resource, "gap").set(1)
        telemetry.poll_duration_seconds.labels(organization).observe(value)

        assert expected(telemetry, format_) == lines_of(self_metrics, format_)
    assert expected(telemetry, format_) == lines_of(self_metrics, format_)


def test_protobuf_and_text_hold_the_same_self_metrics() -> None:
    """Every family has the same samples in both, histograms included."""
    telemetry = Telemetry()
    self_metrics = SelfMetrics(telemetry)
    telemetry.begin("acme", "costs", buckets=True)
    telemetry.api_requests.labels("acme", "costs").inc(3)
    for seconds in (0.01, 0.7, 1e6):
        telemetry.poll_duration_seconds.labels("acme").observe(seconds)
    found = families(inflate(self_metrics.labelled(Format.PROTOBUF)) + self_metrics.rest(Format.PROTOBUF))
    text = inflate(self_metrics.labelled(Format.TEXT)) + self_metrics.rest(Format.TEXT)

    def samples(family: Any) -> Iterator[tuple[str, dict[str, str], float]]:  # noqa: ANN401 -- the library's class
        for metric in family.metric:
            labels = {pair.name: pair.value for pair in metric.label}
            if family.type != HISTOGRAM:
                yield family.name, labels, (metric.counter if family.type == COUNTER else metric.gauge).value
                continue
            for bucket in metric.histogram.bucket:
                yield f"{family.name}_bucket", labels | {"le": bucket.upper_bound}, bucket.cumulative_count
            yield f"{family.name}_count", labels, metric.histogram.sample_count
            yield f"{family.name}_sum", labels, metric.histogram.sample_sum

    expected = [
        (
            sample.name,
            {name: float(value) if name == "le" else value for name, value in sample.labels.items()},
            sample.value,
        )
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    ]
    moving = ("process_", "python_gc_")

    assert [each for each in expected if not each[0].startswith(moving)] == [
        each for family in found for each in samples(family) if not each[0].startswith(moving)
    ]


def test_the_process_is_read_once_a_second() -> None:
    """A second after it was read, and no earlier, what the system knows of the process is read again."""
    seconds = [100.0]
    self_metrics = SelfMetrics(Telemetry(), lambda: seconds[0])

    def open_files() -> float:
        (line,) = re.findall(rb"^process_open_fds (\S+)$", self_metrics.rest(Format.TEXT), re.MULTILINE)
        return float(line)

    before = open_files()
    with Path(os.devnull).open(), Path(os.devnull).open():
        seconds[0] += 0.9
        soon = open_files()
        seconds[0] += 0.2
        later = open_files()

    assert (before, before + 2) == (soon, later)


def test_what_has_not_changed_is_the_same_object() -> None:
    """Without a change neither part is made again, which the end of a gzip member relies on."""
    self_metrics = SelfMetrics(telemetry := Telemetry(), lambda: 0.0)
    telemetry.begin("acme", "costs", buckets=True)

    assert self_metrics.labelled(Format.TEXT) is self_metrics.labelled(Format.TEXT)
    assert self_metrics.rest(Format.TEXT) is self_metrics.rest(Format.TEXT)


def test_every_instrument_is_rendered_once() -> None:
    """Each is either encoded incrementally or rendered by the library."""
    telemetry = Telemetry()

    assert set(telemetry.families) <= {*telemetry.vectors, *telemetry.others}
    assert not {*telemetry.vectors} & {*telemetry.others}
