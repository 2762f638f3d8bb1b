"""How fast an organization may be asked."""

from itertools import pairwise

import pytest

from exporter.openai.rate_limiter import AdaptiveRateLimiter, Grant, Priority, TokenBucket
from exporter.openai.retry import RateLimitHeaders

SILENT = RateLimitHeaders()


def _limiter(per_minute: float = 60) -> AdaptiveRateLimiter:
    return AdaptiveRateLimiter(per_minute, 0.0, lambda: 0.0)


def _refuse(
    limiter: AdaptiveRateLimiter, grant: Grant, now: float, retry_after: float | None = None, *, slower: bool = True
) -> None:
    limiter.refused(grant, "costs", now, SILENT, retry_after, slower=slower)


def _until_refused(limiter: AdaptiveRateLimiter, now: float = 0.0) -> None:
    _refuse(limiter, limiter.start(Priority.COSTS, now), now)


def test_a_bucket_lets_a_burst_go_and_then_its_rate() -> None:
    """After a rest ten may go at once; from then on one every second at 60 a minute."""
    bucket = TokenBucket(60, 10, 0.0)
    moments = []
    now = 0.0
    for _ in range(13):
        now += bucket.wait(now)
        bucket.take(now)
        moments.append(now)

    assert [0.0] * 10 + [1.0, 2.0, 3.0] == pytest.approx(moments)


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    """A long rest saves nothing up, and a clock that steps back takes nothing away."""
    bucket = TokenBucket(60, 2, 1000.0)

    assert bucket.wait(100_000.0) == 0
    bucket.take(100_000.0)
    bucket.take(99_000.0)
    bucket.give_back()
    bucket.give_back()
    bucket.give_back()
    bucket.take(100_000.0)
    bucket.take(100_000.0)
    assert bucket.wait(100_000.0) == pytest.approx(1.0)


def test_no_minute_holds_more_than_rate_and_burst() -> None:
    """Whatever the priorities, any minute has at most 70 requests at 60 a minute."""
    limiter = _limiter()
    moments = []
    now = 0.0
    for turn in range(600):
        priority = Priority(turn % 4)
        now += limiter.wait(priority, now) or 0.0
        limiter.start(priority, now)
        moments.append(now)

    assert max(sum(1 for other in moments if moment <= other < moment + 60) for moment in moments) <= 70


def test_names_and_limits_get_a_tenth() -> None:
    """Without other requests they are requested six times a minute together, and once at the start."""
    limiter = _limiter()
    moments = []
    now = 0.0
    for turn in range(20):
        priority = (Priority.NAMES, Priority.LIMITS)[turn % 2]
        now += limiter.wait(priority, now) or 0.0
        limiter.start(priority, now)
        moments.append(now)

    assert [10.0] * 19 == pytest.approx([later - earlier for earlier, later in pairwise(moments)])
    assert limiter.wait(Priority.USAGE, now) == 0


def test_a_refusal_silences_everything_until_its_time() -> None:
    """`Retry-After` is respected exactly by every request."""
    limiter = _limiter()
    _refuse(limiter, limiter.start(Priority.USAGE, 5.0), 6.0, 30.0)

    assert {30.0} == {limiter.wait(priority, 6.0) for priority in (Priority.COSTS, Priority.USAGE)}
    assert limiter.wait(Priority.NAMES, 6.0) == 30.0
    assert (36.0, None) == (limiter.paused_until(6.0), limiter.paused_until(36.0))


def test_one_probe_goes_out_after_a_pause() -> None:
    """The second request waits until the first has been answered."""
    limiter = _limiter()
    _until_refused(limiter)
    probe = limiter.start(Priority.COSTS, 1.0)

    assert probe.probe
    assert limiter.wait(Priority.COSTS, 500.0) is None
    limiter.answered(probe, "costs", 500.0, SILENT)
    assert limiter.wait(Priority.COSTS, 500.0) == 0
    assert not limiter.start(Priority.COSTS, 500.0).probe


def test_a_probe_that_fails_is_followed_by_a_probe() -> None:
    """Only a response ends the pause: a broken connection does not, and blocks no request for ever."""
    limiter = _limiter()
    _until_refused(limiter)
    limiter.failed(limiter.start(Priority.COSTS, 1.0))

    assert limiter.wait(Priority.COSTS, 1.0) == 0
    assert limiter.start(Priority.COSTS, 1.0).probe


def test_a_probe_that_did_not_go_is_followed_by_a_probe() -> None:
    """A cancelled probe gives its turn and its token back."""
    limiter = _limiter()
    _until_refused(limiter)
    limiter.withdrawn(limiter.start(Priority.NAMES, 20.0))

    assert limiter.wait(Priority.NAMES, 20.0) == 0
    assert limiter.start(Priority.NAMES, 20.0).probe


def test_refusals_in_a_row_wait_longer_and_longer() -> None:
    """Without `Retry-After` the pauses are 1, 2, 4 ... seconds up to a minute, and 1 again after a success."""
    limiter = _limiter()
    now = 0.0
    pauses = []
    for _ in range(8):
        _until_refused(limiter, now)
        pause = (limiter.paused_until(now) or now) - now
        pauses.append(pause)
        now += pause
    limiter.answered(limiter.start(Priority.COSTS, now), "costs", now, SILENT)
    _until_refused(limiter, now)

    assert [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] == pauses
    assert limiter.paused_until(now) == now + 1.0


def test_each_refusal_halves_the_rate_down_to_a_sixteenth() -> None:
    """429 without rate headers halves the rate, which then recovers slowly."""
    limiter = _limiter()
    rates = []
    now = 0.0
    for _ in range(6):
        _until_refused(limiter, now)
        rates.append(limiter.per_minute(now))
        now += 60

    assert [30.0, 15.0, 7.5, 3.75, 3.75, 3.75] == rates
    for _ in range(60):
        limiter.answered(limiter.start(Priority.COSTS, now), "costs", now, SILENT)
        now += 60
    assert limiter.per_minute(now) == 60.0


def test_an_overload_pauses_without_slowing() -> None:
    """503 is about the server, not about the rate."""
    limiter = _limiter()
    _refuse(limiter, limiter.start(Priority.COSTS, 0.0), 0.0, slower=False)

    assert 60.0 == limiter.per_minute(0.0)
    assert limiter.paused_until(0.0) == 1.0


def test_requests_that_were_under_way_count_once() -> None:
    """Ten refusals of one burst halve the rate once and begin one pause; a longer `Retry-After` prolongs it."""
    limiter = _limiter()
    burst = [limiter.start(Priority.USAGE, 0.0) for _ in range(10)]
    for grant in burst[:9]:
        _refuse(limiter, grant, 0.0)
    rate, pause = limiter.per_minute(0.0), limiter.paused_until(0.0)
    _refuse(limiter, burst[9], 0.5, 20.0)

    assert (30.0, 1.0) == (rate, pause)
    assert limiter.paused_until(0.5) == 20.5


def test_an_answer_to_an_old_request_does_not_open_the_gate() -> None:
    """A request in flight when the pause begins is no probe."""
    limiter = _limiter()
    old, refused = limiter.start(Priority.COSTS, 0.0), limiter.start(Priority.COSTS, 0.0)
    _refuse(limiter, refused, 0.0, 5.0)
    limiter.answered(old, "costs", 1.0, SILENT)

    assert limiter.wait(Priority.COSTS, 1.0) == 4.0
    assert limiter.start(Priority.COSTS, 5.0).probe


def test_headers_lower_the_rate() -> None:
    """The smallest limit of any endpoint applies, also when it changes; it never raises the rate."""
    limiter = _limiter()
    for resource, limit in (("costs", 20), ("completions", 30), ("images", 500)):
        limiter.answered(limiter.start(Priority.COSTS, 0.0), resource, 0.0, RateLimitHeaders(limit=limit))
    lowest = limiter.per_minute(0.0)
    limiter.answered(limiter.start(Priority.COSTS, 0.0), "costs", 0.0, RateLimitHeaders(limit=40))

    assert (20, 30) == (lowest, limiter.per_minute(0.0))


def test_a_limit_of_the_server_expires() -> None:
    """Ten minutes after it was last repeated, the configured rate is back, also for requests that already wait."""
    limiter = _limiter()
    limiter.answered(limiter.start(Priority.COSTS, 0.0), "costs", 0.0, RateLimitHeaders(limit=1))
    limiter.answered(limiter.start(Priority.COSTS, 300.0), "costs", 300.0, RateLimitHeaders(limit=1))
    rates = [limiter.per_minute(now) for now in (0.0, 899.0, 900.0)]
    for _ in range(10):
        limiter.start(Priority.COSTS, 890.0)

    assert [1.0, 1.0, 60.0] == rates
    assert 10.0 == limiter.wait(Priority.COSTS, 890.0)
    assert 0.0 < (limiter.wait(Priority.COSTS, 900.0) or 0.0) <= 1.0


@pytest.mark.parametrize("resource", ["costs", "images"])
def test_a_limit_that_an_answer_does_not_repeat_is_over(resource: str) -> None:
    """The next answer without the header ends it, of whichever endpoint it is."""
    limiter = _limiter()
    for limited in ("costs", "completions"):
        limiter.answered(limiter.start(Priority.COSTS, 0.0), limited, 0.0, RateLimitHeaders(limit=1))
    limiter.answered(limiter.start(Priority.USAGE, 1.0), resource, 1.0, RateLimitHeaders())

    assert 60.0 == limiter.per_minute(1.0)


def test_a_refusal_that_gives_the_rate_does_not_halve_it() -> None:
    """With `x-ratelimit-limit-requests` in the 429 the rate is known."""
    limiter = _limiter()
    limiter.refused(limiter.start(Priority.COSTS, 0.0), "costs", 0.0, RateLimitHeaders(limit=50), None, slower=True)

    assert 50 == limiter.per_minute(0.0)


def test_the_remaining_requests_limit_the_burst() -> None:
    """With two left, two go at once."""
    limiter = _limiter()
    limiter.answered(limiter.start(Priority.COSTS, 0.0), "costs", 0.0, RateLimitHeaders(remaining=2))
    limiter.start(Priority.COSTS, 0.0)
    limiter.start(Priority.COSTS, 0.0)

    assert limiter.wait(Priority.COSTS, 0.0) == pytest.approx(1.0)


def test_nothing_left_is_a_pause_until_the_reset() -> None:
    """`remaining` 0 with a `reset` silences everything until then, for 15 minutes at most."""
    limiter = _limiter()
    limiter.answered(limiter.start(Priority.COSTS, 0.0), "costs", 0.0, RateLimitHeaders(remaining=0, reset=25.0))
    first = limiter.wait(Priority.COSTS, 0.0)
    limiter.answered(limiter.start(Priority.COSTS, 25.0), "costs", 25.0, RateLimitHeaders(remaining=0, reset=86400.0))

    assert first == 25.0
    assert limiter.wait(Priority.COSTS, 25.0) == 900.0
