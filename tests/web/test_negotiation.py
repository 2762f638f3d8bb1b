"""Which format and encoding is chosen."""

import pytest

from exporter.exposition import TEXT_FORMATS, Format
from exporter.web.negotiation import accepts_gzip, exposition_format

_PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
_PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
_PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
_PROTOBUF_FIRST = f"{_PROTOBUF};q=0.6,{_PROMETHEUS_3}"


@pytest.mark.parametrize(
    "accept",
    [
        _PROMETHEUS_2,
        _PROMETHEUS_3,
        "application/openmetrics-text",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        'Application/OpenMetrics-Text; Version="1.0.0"',
        "application/openmetrics-text;q=0.5,text/plain;q=0.4",
        "application/openmetrics-text,text/plain",
        "application/openmetrics-text,*/*",
        "application/*",
        "text/plain;q=0,*/*",
        "application/openmetrics-text;version=0.0.1,application/openmetrics-text;version=1.0.0;q=0.2",
    ],
)
def test_openmetrics_when_preferred(accept: str) -> None:
    """OpenMetrics 1.0.0 is served to those who prefer it."""
    assert Format.OPENMETRICS is exposition_format(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain",
        "text/*",
        "text/plain;version=0.0.4",
        "text/plain,application/openmetrics-text",
        "text/plain, */*",
        "application/openmetrics-text;q=0.3,text/plain;q=0.4",
        "application/openmetrics-text;q=0,*/*",
        "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;version=0.0.1,text/plain;q=0.1",
        "application/json",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=",
        ";;,,;q=1,=",
    ],
)
def test_text_otherwise(accept: str) -> None:
    """Everybody else gets the text format: the default, and the fallback for what cannot be served."""
    assert Format.TEXT is exposition_format(accept)


@pytest.mark.parametrize("accept", [_PROTOBUF_FIRST, _PROTOBUF, f"{_PROTOBUF};q=0.3,text/plain;q=0.2"])
def test_protobuf_when_named_and_preferred(accept: str) -> None:
    """Prometheus prefers it once a feature needs start timestamps or native histograms."""
    assert Format.PROTOBUF is exposition_format(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "application/vnd.google.protobuf",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
        f"{_PROTOBUF};q=0.1,text/plain",
        f"{_PROTOBUF};q=0",
    ],
)
def test_no_protobuf_otherwise(accept: str) -> None:
    """Only the delimited encoding is served, and only to those who like it best."""
    assert Format.TEXT is exposition_format(accept)


def test_what_is_not_available_is_not_served() -> None:
    """The next best format is chosen instead."""
    assert Format.OPENMETRICS is exposition_format(_PROTOBUF_FIRST, TEXT_FORMATS)


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=0.5, br", True),
        ("*", True),
        ("gzip, identity", True),
        ("identity;q=0.2, gzip;q=0.3", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity, gzip;q=0.5", False),
        ("gzip;q=x", False),
    ],
)
def test_gzip(accept_encoding: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Gzip is sent to those who take it, and like it no less than plain bytes."""
    assert expected is accepts_gzip(accept_encoding)
