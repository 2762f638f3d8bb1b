"""The exporter's own metrics against what the library makes of the same registry."""

import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition import Body, Encoder, Format, Tail, of_samples, render
from exporter.telemetry import Telemetry
from tests.support.bodies import inflate

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def told(tail: Tail, format_: Format) -> list[str]:
    """Return all lines but those that tell of the machine."""
    return list(_steady(inflate(tail.many(Body(), format_)) + tail.others(format_)))


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


@pytest.mark.parametrize("format_", Format)
@given(st.lists(st.tuples(NAMES, NAMES, st.floats(0, 1e12)), max_size=6))
def test_it_is_what_the_library_renders(format_: Format, events: list[tuple[str, str, float]]) -> None:
    """Family by family and byte for byte, asked again after every event."""
    telemetry = Telemetry()
    tail = Tail(telemetry)
    for organization, resource, value in events:
        telemetry.begin(organization, resource, buckets=True)
        telemetry.api_requests.labels(organization, resource).inc(value)
        telemetry.last_success_timestamp_seconds.labels(organization, resource).set(value)
        telemetry.resource_degraded.labels(organization, resource, "gap").set(1)
        telemetry.poll_duration_seconds.labels(organization).observe(value)

        assert expected(telemetry, format_) == told(tail, format_)
    assert expected(telemetry, format_) == told(tail, format_)


def test_it_comes_behind_the_snapshot() -> None:
    """As one stream with one length and one checksum, which leaves the snapshot's own body as it was."""
    telemetry = Telemetry()
    telemetry.begin("acme", "costs", buckets=True)
    body = Encoder().encode([of_samples("openai_x", "1.", [({"a": "b"}, 1.0)])])[Format.TEXT]
    tail = Tail(telemetry)
    whole = tail.many(body, Format.TEXT)
    text = inflate(whole)

    assert text.startswith(inflate(body) + b"# HELP openai_exporter_resource_up")
    assert (len(text), zlib.crc32(text)) == (whole.length, whole.crc)
    assert body.pieces == whole.pieces[: len(body.pieces)]


def test_every_instrument_is_told_once() -> None:
    """Each is either among those with many series or among the others."""
    telemetry = Telemetry()

    assert set(telemetry.families) <= {*telemetry.labelled, *telemetry.others}
    assert not {*telemetry.labelled} & {*telemetry.others}
