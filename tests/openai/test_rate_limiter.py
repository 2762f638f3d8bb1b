"""How fast an organization may be asked."""

from itertools import pairwise

import pytest

from exporter.openai.rate_limiter import AdaptiveRateLimiter, Grant, Priority, TokenBucket
from exporter.openai.retry import RateLimitHeaders

SILENT = RateLimitHeaders()


def _pace(per_minute: float = 60) -> AdaptiveRateLimiter:
    return AdaptiveRateLimiter(per_minute, 0.0, lambda: 0.0)


def _refuse(
    pace: AdaptiveRateLimiter, passage: Grant, now: float, retry_after: float | None = None, *, slower: bool = True
) -> None:
    pace.refused(passage, "costs", now, SILENT, retry_after, slower=slower)


def _until_refused(pace: AdaptiveRateLimiter, now: float = 0.0) -> None:
    _refuse(pace, pace.start(Priority.COSTS, now), now)


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
    pace = _pace()
    moments = []
    now = 0.0
    for turn in range(600):
        priority = Priority(turn % 4)
        now += pace.wait(priority, now) or 0.0
        pace.start(priority, now)
        moments.append(now)

    assert max(sum(1 for other in moments if moment <= other < moment + 60) for moment in moments) <= 70


def test_names_and_limits_get_a_tenth() -> None:
    """Without anybody else they are asked for six times a minute together, and once at the start."""
    pace = _pace()
    moments = []
    now = 0.0
    for turn in range(20):
        priority = (Priority.NAMES, Priority.LIMITS)[turn % 2]
        now += pace.wait(priority, now) or 0.0
        pace.start(priority, now)
        moments.append(now)

    assert [10.0] * 19 == pytest.approx([later - earlier for earlier, later in pairwise(moments)])
    assert pace.wait(Priority.USAGE, now) == 0


def test_a_refusal_silences_everything_until_its_time() -> None:
    """`Retry-After` is kept to exactly, whatever is asked for."""
    pace = _pace()
    _refuse(pace, pace.start(Priority.USAGE, 5.0), 6.0, 30.0)

    assert {30.0} == {pace.wait(priority, 6.0) for priority in (Priority.COSTS, Priority.USAGE)}
    assert pace.wait(Priority.NAMES, 6.0) == 30.0
    assert (36.0, None) == (pace.paused_until(6.0), pace.paused_until(36.0))


def test_one_probe_goes_out_after_a_pause() -> None:
    """The second request waits until the first has been answered."""
    pace = _pace()
    _until_refused(pace)
    probe = pace.start(Priority.COSTS, 1.0)

    assert probe.probe
    assert pace.wait(Priority.COSTS, 500.0) is None
    pace.answered(probe, "costs", 500.0, SILENT)
    assert pace.wait(Priority.COSTS, 500.0) == 0
    assert not pace.start(Priority.COSTS, 500.0).probe


def test_a_probe_that_fails_is_followed_by_a_probe() -> None:
    """Only an answer opens the gate: a broken connection leaves it closed, and locks nobody out."""
    pace = _pace()
    _until_refused(pace)
    pace.failed(pace.start(Priority.COSTS, 1.0))

    assert pace.wait(Priority.COSTS, 1.0) == 0
    assert pace.start(Priority.COSTS, 1.0).probe


def test_a_probe_that_did_not_go_is_followed_by_a_probe() -> None:
    """A cancelled probe gives its turn and its token back."""
    pace = _pace()
    _until_refused(pace)
    pace.withdraw(pace.start(Priority.NAMES, 20.0))

    assert pace.wait(Priority.NAMES, 20.0) == 0
    assert pace.start(Priority.NAMES, 20.0).probe


def test_refusals_in_a_row_wait_longer_and_longer() -> None:
    """Without `Retry-After` the pauses are 1, 2, 4 ... seconds up to a minute, and 1 again after a success."""
    pace = _pace()
    now = 0.0
    pauses = []
    for _ in range(8):
        _until_refused(pace, now)
        pause = (pace.paused_until(now) or now) - now
        pauses.append(pause)
        now += pause
    pace.answered(pace.start(Priority.COSTS, now), "costs", now, SILENT)
    _until_refused(pace, now)

    assert [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] == pauses
    assert pace.paused_until(now) == now + 1.0


def test_each_refusal_halves_the_rate_down_to_a_sixteenth() -> None:
    """429 without headers that tell the rate halves it; what is won back is won slowly."""
    pace = _pace()
    rates = []
    now = 0.0
    for _ in range(6):
        _until_refused(pace, now)
        rates.append(pace.per_minute)
        now += 60

    assert [30.0, 15.0, 7.5, 3.75, 3.75, 3.75] == rates
    for _ in range(60):
        pace.answered(pace.start(Priority.COSTS, now), "costs", now, SILENT)
        now += 60
    assert pace.per_minute == 60.0


def test_an_overload_pauses_without_slowing() -> None:
    """503 is about the server, not about the rate."""
    pace = _pace()
    _refuse(pace, pace.start(Priority.COSTS, 0.0), 0.0, slower=False)

    assert pace.per_minute == 60.0
    assert pace.paused_until(0.0) == 1.0


def test_requests_that_were_under_way_count_once() -> None:
    """Ten refusals of one burst halve the rate once and begin one pause; a longer `Retry-After` prolongs it."""
    pace = _pace()
    burst = [pace.start(Priority.USAGE, 0.0) for _ in range(10)]
    for passage in burst[:9]:
        _refuse(pace, passage, 0.0)
    rate, pause = pace.per_minute, pace.paused_until(0.0)
    _refuse(pace, burst[9], 0.5, 20.0)

    assert (30.0, 1.0) == (rate, pause)
    assert pace.paused_until(0.5) == 20.5


def test_an_answer_to_an_old_request_does_not_open_the_gate() -> None:
    """What was under way when the gate closed is no probe."""
    pace = _pace()
    old, refused = pace.start(Priority.COSTS, 0.0), pace.start(Priority.COSTS, 0.0)
    _refuse(pace, refused, 0.0, 5.0)
    pace.answered(old, "costs", 1.0, SILENT)

    assert pace.wait(Priority.COSTS, 1.0) == 4.0
    assert pace.start(Priority.COSTS, 5.0).probe


def test_headers_lower_the_rate() -> None:
    """The smallest limit that any endpoint told is kept to, and followed when it changes; it never raises the rate."""
    pace = _pace()
    for resource, limit in (("costs", 20), ("completions", 30), ("images", 500)):
        pace.answered(pace.start(Priority.COSTS, 0.0), resource, 0.0, RateLimitHeaders(limit=limit))
    lowest = pace.per_minute
    pace.answered(pace.start(Priority.COSTS, 0.0), "costs", 0.0, RateLimitHeaders(limit=40))

    assert (20, 30) == (lowest, pace.per_minute)


def test_a_refusal_that_tells_the_rate_does_not_halve_it() -> None:
    """With `x-ratelimit-limit-requests` beside the 429 there is no need to guess."""
    pace = _pace()
    pace.refused(pace.start(Priority.COSTS, 0.0), "costs", 0.0, RateLimitHeaders(limit=50), None, slower=True)

    assert pace.per_minute == 50


def test_what_remains_bounds_the_burst() -> None:
    """With two left, two go at once."""
    pace = _pace()
    pace.answered(pace.start(Priority.COSTS, 0.0), "costs", 0.0, RateLimitHeaders(remaining=2))
    pace.start(Priority.COSTS, 0.0)
    pace.start(Priority.COSTS, 0.0)

    assert pace.wait(Priority.COSTS, 0.0) == pytest.approx(1.0)


def test_nothing_left_is_a_pause_until_the_reset() -> None:
    """`remaining` 0 with a `reset` silences everything until then, for 15 minutes at most."""
    pace = _pace()
    pace.answered(pace.start(Priority.COSTS, 0.0), "costs", 0.0, RateLimitHeaders(remaining=0, reset=25.0))
    first = pace.wait(Priority.COSTS, 0.0)
    pace.answered(pace.start(Priority.COSTS, 25.0), "costs", 25.0, RateLimitHeaders(remaining=0, reset=86400.0))

    assert first == 25.0
    assert pace.wait(Priority.COSTS, 25.0) == 900.0
