"""What headers say about the next request."""

import pytest

from exporter.openai.retry import RateLimitHeaders, backoff, duration, rate_limit, retry_after, server_time

NOW = 1_795_016_537.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "46"}, 46.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "46", "retry-after-ms": "45190"}, 45.19),
        ({"retry-after": "46", "retry-after-ms": "soon"}, 46.0),
        ({"retry-after": "Wed, 18 Nov 2026 15:43:17 GMT"}, 60.0),
        ({"retry-after": "Wed, 18 Nov 2026 12:01:30 GMT", "date": "Wed, 18 Nov 2026 12:00:00 GMT"}, 90.0),
        ({"retry-after": "86400"}, 900.0),
        ({"retry-after": "Thu, 19 Nov 2026 15:43:17 GMT"}, 900.0),
    ],
)
def test_a_pause_is_taken_from_every_form_of_the_header(headers: dict[str, str], seconds: float) -> None:
    """Seconds, milliseconds and dates are understood, and no pause is longer than 15 minutes."""
    assert seconds == retry_after(headers, NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry-after": ""},
        {"retry-after": "soon"},
        {"retry-after": "-5"},
        {"retry-after": "0"},
        {"retry-after": "nan"},
        {"retry-after": "inf"},
        {"retry-after": "9" * 400},
        {"retry-after": "Wed, 18 Nov 2020 15:43:17 GMT"},
        {"retry-after": "Wed, 99 Nov 2026 15:43:17 GMT"},
    ],
)
def test_nonsense_is_no_pause(headers: dict[str, str]) -> None:
    """A header that makes no sense, or names a moment that is over, counts as absent."""
    assert retry_after(headers, NOW) is None


def test_backoff_doubles_up_to_its_ceiling() -> None:
    """Failures in a row wait 1, 2, 4 ... seconds, however many there are."""
    assert [1.0, 2.0, 4.0, 8.0, 60.0, 60.0] == [backoff(failures, 0.0) for failures in (1, 2, 3, 4, 7, 100_000)]


def test_jitter_takes_up_to_a_quarter() -> None:
    """The chance that is passed in spreads the pauses."""
    assert (4.0, 3.5, 3.0) == (backoff(3, 0.0), backoff(3, 0.5), backoff(3, 1.0))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("51.189s", 51.189),
        ("1m30s", 90.0),
        ("1h2m3s", 3723.0),
        ("1d", 86400.0),
        ("5us", 5e-6),
        ("5µs", 5e-6),
        ("0", 0.0),
        ("12", 12.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("1m soon", None),
        ("-1s", None),
        ("s", None),
    ],
)
def test_durations_are_read_as_go_writes_them(text: str | None, seconds: float | None) -> None:
    """One or more numbers with units, or a bare number of seconds; anything else is nothing."""
    assert seconds == (found if (found := duration(text)) is None else pytest.approx(found))


def test_rate_limit_headers_are_read() -> None:
    """Limit, remaining and reset of requests are understood, thousands separators included."""
    headers = {
        "x-ratelimit-limit-requests": "30,000",
        "x-ratelimit-remaining-requests": "29999",
        "x-ratelimit-reset-requests": "2ms",
    }

    assert RateLimitHeaders(30000, 29999, 0.002) == rate_limit(headers)


def test_rate_limit_headers_may_be_absent_or_nonsense() -> None:
    """Invalid headers are ignored, and a limit of 0 is no limit."""
    headers = {"x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "many"}

    assert RateLimitHeaders() == rate_limit(headers)
    assert RateLimitHeaders() == rate_limit({})


def test_the_server_time_is_read() -> None:
    """The header `Date` is a moment, when it is there."""
    assert server_time({"date": "Wed, 18 Nov 2026 15:42:17 GMT"}) == NOW
    assert server_time({}) is None
