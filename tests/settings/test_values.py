"""The syntax of durations, sizes, addresses, URLs and points in time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.durations import approximate_duration, format_duration, parse_duration
from exporter.settings.types import (
    Address,
    PointInTime,
    format_size,
    is_loopback,
    parse_address,
    parse_base_url,
    parse_point_in_time,
    parse_proxy,
    parse_size,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90.0),
        (0.5, 0.5),
        ("90", 90.0),
        (" 1.5 ", 1.5),
        ("90s", 90.0),
        ("5m", 300.0),
        ("6h", 21600.0),
        ("31d", 2678400.0),
        ("1h30m", 5400.0),
        ("1d2h3m4s", 93784.0),
        ("1.5h", 5400.0),
        ("0.5s", 0.5),
        ("0", 0.0),
        ("20ms", 0.02),
        ("6m0s", 360.0),
    ],
)
def test_durations_are_seconds_or_have_units(written: object, seconds: float) -> None:
    """Numbers and every unit, alone or combined, are accepted."""
    assert seconds == parse_duration(written)


@pytest.mark.parametrize(
    "written",
    ["", " ", "s", "5 m", "1.5.h", "30m1h", "1h1h", "-5", "5M", "1w", "nan", "inf", "1e3", "٣s", True, None, []],
)
def test_other_text_is_not_a_duration(written: object) -> None:
    """Units out of order, unknown units, signs and other types are refused."""
    with pytest.raises(ValueError, match="expects a duration: seconds, or a number with a unit"):
        parse_duration(written)


@given(st.integers(0, 10**9))
def test_a_formatted_duration_reads_back(seconds: float) -> None:
    """Defaults shown in the reference can be copied into a file."""
    assert seconds == parse_duration(format_duration(seconds))


@pytest.mark.parametrize(
    ("written", "size"), [(1024, 1024), ("1024", 1024), ("512KiB", 524288), ("32 MiB", 33554432), ("1GiB", 1 << 30)]
)
def test_sizes_are_bytes_or_have_binary_units(written: object, size: int) -> None:
    """Numbers and binary units are accepted."""
    assert size == parse_size(written)


@pytest.mark.parametrize("written", ["32MB", "1.5MiB", "-1", "", 1.5, True, None])
def test_other_text_is_not_a_size(written: object) -> None:
    """Ambiguous decimal units and fractions are refused."""
    with pytest.raises(ValueError, match="expects a size"):
        parse_size(written)


def test_a_fraction_of_a_second_is_formatted_too() -> None:
    """Zero and fractions have a plain form in seconds."""
    assert ["0s", "0.5s"] == [format_duration(seconds) for seconds in (0, 0.5)]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.9, "59 s"), (3599, "59 min"), (3600, "1 h"), (11520, "3 h 12 min"), (190800, "2 d 5 h")],
)
def test_an_approximate_duration_has_two_units(seconds: float, text: str) -> None:
    """People see the two largest units, rounded down."""
    assert text == approximate_duration(seconds)


@pytest.mark.parametrize("size", [0, 1, 1024, 33554432, 1536, 1 << 30])
def test_a_formatted_size_reads_back(size: int) -> None:
    """Defaults shown in the reference can be copied into a file."""
    assert size == parse_size(format_size(size))


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (":10180", Address("", 10180)),
        ("0.0.0.0:1", Address("0.0.0.0", 1)),  # noqa: S104 - nothing is bound here
        ("[::1]:9100", Address("::1", 9100)),
        ("[::]:0", Address("::", 0)),
        (" localhost:65535 ", Address("localhost", 65535)),
    ],
)
def test_addresses_have_a_host_and_a_port(written: str, address: Address) -> None:
    """The forms that Prometheus exporters accept are accepted, and formatted the same way."""
    parsed = parse_address(written)

    assert address == parsed
    assert written.strip() == str(parsed)
    assert parsed is parse_address(parsed)


@pytest.mark.parametrize(
    "written", ["", "10180", 10180, ":65536", "::1:9100", "[x]:1", "[::1]", "a b:1", "http://a:1", "a:-1"]
)
def test_other_text_is_not_an_address(written: object) -> None:
    """A port alone, an IPv6 address without brackets and a URL are refused."""
    with pytest.raises(ValueError, match="expects host:port such as :10180"):
        parse_address(written)


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://eu.api.openai.com/v1/", "https://eu.api.openai.com/v1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:1/v1//", "http://[::1]:1/v1"),
        (" http://LocalHost:1 ", "http://LocalHost:1"),
    ],
)
def test_keys_may_be_sent_over_https_or_within_the_machine(written: str, url: str) -> None:
    """A trailing slash is tolerated, plain http stays on the machine."""
    assert url == parse_base_url(written)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("http://api.openai.com/v1", "plain http would send the key"),
        ("http://localhost.example/v1", "plain http would send the key"),
        ("http://127.0.0.1.nip.io", "plain http would send the key"),
        ("http://2130706433", "plain http would send the key"),
        ("http://0.0.0.0", "plain http would send the key"),
        ("ftp://api.openai.com", "begins with https:// or http:// and a host"),
        ("api.openai.com/v1", "begins with https:// or http:// and a host"),
        ("https://", "begins with https:// or http:// and a host"),
        ("https://a:0", "begins with https:// or http:// and a host"),
        ("https://a:99999", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://a\\@b/", "in plain ASCII"),
        ("https://a b/", "in plain ASCII"),
        ("https://münchen.example", "in plain ASCII"),
        ("https://user@a", "contains credentials"),
        ("https://:secret@a", "contains credentials"),
        ("https://a/v1?key=1", "ends with a query or a fragment"),
        ("https://a/v1#x", "ends with a query or a fragment"),
        (1, "expects a URL"),
    ],
)
def test_any_other_base_url_is_refused_without_repeating_it(written: object, words: str) -> None:
    """Each unsafe URL has its own message, which does not contain the URL."""
    with pytest.raises(ValueError, match=words) as caught:
        parse_base_url(written)

    assert "secret" not in str(caught.value)


def test_a_proxy_may_be_plain_http_and_has_no_path() -> None:
    """Requests through it are encrypted end to end."""
    assert "http://proxy.example:3128" == parse_proxy("http://proxy.example:3128/")
    with pytest.raises(ValueError, match="a proxy has no path"):
        parse_proxy("http://proxy.example/x")


def test_loopback_is_the_machine_itself() -> None:
    """Only names and addresses of the machine itself are loopback."""
    hosts = ["localhost", "127.0.0.1", "::1", "10.0.0.1", "::", "example.com", ""]

    assert ["localhost", "127.0.0.1", "::1"] == [host for host in hosts if is_loopback(host)]


def test_points_in_time_are_durations_before_now_or_dates() -> None:
    """A duration depends on the current time, a date does not."""
    assert 10.0 == parse_point_in_time("90s").at(100.0)
    assert 1769817600.0 == parse_point_in_time("2026-01-31").at(100.0)
    assert PointInTime(ago=5.0) == parse_point_in_time(PointInTime(ago=5.0))
    with pytest.raises(ValueError, match="expects a duration before now such as 90d, or a UTC date"):
        parse_point_in_time("yesterday")
