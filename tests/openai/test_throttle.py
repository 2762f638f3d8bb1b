"""The queue in front of an organization's requests."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from exporter.openai.errors import Overloaded, RateLimited
from exporter.openai.rate_limiter import Priority
from exporter.openai.throttle import Throttle
from tests.support.clock import ManualClock, run

Answers = Callable[[str, int], RateLimited | Overloaded | None]
Asker = tuple[str, Priority, float]


class _Traffic:
    """Requests through a throttle: `sent` has the seconds since the start and the resource of each."""

    def __init__(self, per_minute: float = 60) -> None:
        self.clock = ManualClock()
        self.throttle = Throttle(self.clock, per_minute, chance=lambda: 0.0)
        self.sent: list[tuple[float, str]] = []
        self.answer: Answers = lambda *_: None
        self.status = 200
        self.delay = 0.0
        self._start = self.clock.monotonic()

    async def ask(self, resource: str, priority: Priority, due: float = 0.0) -> None:
        """Send one request as soon as its turn comes."""
        permit = await self.throttle.permit(resource, priority, due)
        with permit:
            self.sent.append((self.clock.monotonic() - self._start, resource))
            error = self.answer(resource, len(self.sent))
            if self.delay:
                await self.clock.sleep(self.delay)
            if error:
                permit.refused(error, {})
            else:
                permit.answered(self.status, {})

    async def ask_for_ever(self, resource: str, priority: Priority) -> None:
        """Send one request after the other."""
        while True:
            await self.ask(resource, priority, self.clock.monotonic())

    def moments(self, *resources: str) -> list[float]:
        """Return when requests were sent."""
        return [moment for moment, resource in self.sent if not resources or resource in resources]


def _during(traffic: _Traffic, seconds: float, *works: Awaitable[None]) -> None:
    async def scene() -> None:
        tasks = [asyncio.ensure_future(work) for work in works]
        await traffic.clock.advance(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(scene())


def test_all_endpoints_together_stay_within_the_rate() -> None:
    """Twelve endpoints and two directories that never rest send at most rate plus burst in any minute."""
    traffic = _Traffic()
    everybody = [(f"usage {number}", Priority.USAGE) for number in range(11)]
    everybody += [("costs", Priority.COSTS), ("limits", Priority.LIMITS), ("names", Priority.NAMES)]
    _during(traffic, 300, *(traffic.ask_for_ever(*who) for who in everybody))
    moments = traffic.moments()

    assert max(sum(1 for other in moments if moment <= other < moment + 60) for moment in moments) <= 70
    assert len(moments) == pytest.approx(310, abs=1)


def test_costs_go_before_usage_before_limits_before_names() -> None:
    """Of those that wait, the most important goes first, and of equals the one that is due longest."""
    traffic = _Traffic()
    wishes: list[Asker] = [
        ("names", Priority.NAMES, 0.0),
        ("limits", Priority.LIMITS, 0.0),
        ("late usage", Priority.USAGE, 9.0),
        ("early usage", Priority.USAGE, 3.0),
        ("costs", Priority.COSTS, 99.0),
    ]
    burst = [traffic.ask("burst", Priority.COSTS, -1.0) for _ in range(10)]
    _during(traffic, 60, *burst, *(traffic.ask(*wish) for wish in wishes))

    assert ["costs", "early usage", "late usage", "limits", "names"] == [name for _, name in traffic.sent[10:]]


def test_names_never_starve_usage() -> None:
    """A directory without end takes its tenth and leaves the rest."""
    traffic = _Traffic()
    endless = [traffic.ask_for_ever("names", Priority.NAMES) for _ in range(20)]
    _during(traffic, 600, *endless, traffic.ask_for_ever("usage", Priority.USAGE))
    names, usage = len(traffic.moments("names")), len(traffic.moments("usage"))

    assert names <= 61
    assert usage >= 540


def test_one_refusal_silences_every_endpoint() -> None:
    """After a 429 nothing at all is sent until its time is over; then one probe, and the rest after its answer."""
    traffic = _Traffic()
    traffic.answer = lambda _, number: RateLimited("slow", retry_after=120.0) if number == 1 else None
    traffic.delay = 0.5
    names = ["a", "b", "c", "d"]
    others = [traffic.ask(name, Priority.USAGE) for name in names[1:]]

    async def later() -> None:
        await traffic.clock.sleep(1.0)
        await asyncio.gather(*others)

    _during(traffic, 300, traffic.ask("a", Priority.COSTS), later())

    assert [0.0, 120.5, 121.0, 121.0] == pytest.approx(traffic.moments())


def test_an_overload_silences_every_endpoint() -> None:
    """A 503 with `Retry-After` is a pause for all of them, and another one when the probe is refused as well."""
    traffic = _Traffic()
    traffic.answer = lambda _, number: Overloaded("busy", retry_after=float(number)) if number <= 2 else None

    async def one_after_another() -> None:
        for name in ("a", "b", "c", "d"):
            await traffic.ask(name, Priority.USAGE)

    _during(traffic, 60, one_after_another())

    assert [0.0, 1.0, 3.0, 3.0] == pytest.approx(traffic.moments())


def test_a_probe_that_meets_a_server_error_lets_the_next_one_probe() -> None:
    """500 is neither refusal nor success: one at a time until an answer comes."""
    traffic = _Traffic()
    traffic.answer = lambda _, number: RateLimited("slow") if number == 1 else None
    traffic.delay = 2.0

    async def scene() -> None:
        await traffic.ask("first", Priority.USAGE)
        traffic.status = 500
        await asyncio.gather(*(traffic.ask(name, Priority.USAGE) for name in "abc"))

    _during(traffic, 60, scene())

    assert [0.0, 3.0, 5.0, 7.0] == pytest.approx(traffic.moments())


def test_a_request_without_a_response_frees_its_slot() -> None:
    """A probe whose connection breaks does not lock the others out."""
    traffic = _Traffic()
    traffic.answer = lambda _, number: RateLimited("slow") if number == 1 else None

    async def breaks() -> None:
        await traffic.ask("first", Priority.USAGE)
        with await traffic.throttle.permit("probe", Priority.COSTS, 0.0):
            await traffic.clock.sleep(3.0)
        await traffic.ask("next", Priority.USAGE)

    _during(traffic, 60, breaks())

    assert [0.0, 4.0] == pytest.approx(traffic.moments())


def test_a_cancelled_waiter_gives_its_slot_to_the_next() -> None:
    """Whoever stops waiting takes no part of the rate, and whoever waits behind moves up."""
    traffic = _Traffic(per_minute=60)

    async def scene() -> None:
        await asyncio.gather(*(traffic.ask("burst", Priority.USAGE) for _ in range(10)))
        waiting = [asyncio.ensure_future(traffic.ask("gone", Priority.COSTS)) for _ in range(30)]
        patient = asyncio.ensure_future(traffic.ask("patient", Priority.USAGE))
        await traffic.clock.advance()
        for task in waiting:
            task.cancel()
        await traffic.clock.advance(1.0)
        assert patient.done()

    run(scene())

    assert traffic.moments("patient") == pytest.approx([1.0])
    assert traffic.moments("gone") == []


def test_a_turn_that_comes_with_the_cancellation_is_given_back() -> None:
    """A waiter that is released and cancelled at the same time uses no slot."""
    traffic = _Traffic()
    traffic.answer = lambda _, number: RateLimited("slow") if number == 1 else None

    async def scene() -> None:
        await traffic.ask("first", Priority.USAGE)
        await traffic.clock.advance(600)
        with await traffic.throttle.permit("probe", Priority.USAGE, 0.0) as probe:
            gone = asyncio.ensure_future(traffic.ask("gone", Priority.USAGE))
            await traffic.clock.advance()
            probe.answered(200, {})
            gone.cancel()
        rest = [asyncio.ensure_future(traffic.ask("rest", Priority.USAGE)) for _ in range(9)]
        await traffic.clock.advance()
        assert all(task.done() for task in rest)

    run(scene())

    assert traffic.moments("gone") == []


def test_the_rate_and_the_pause_can_be_seen() -> None:
    """The current rate is per minute, and a pause ends at a Unix time."""
    traffic = _Traffic()
    seen = [(traffic.throttle.paused_until, traffic.throttle.requests_per_minute)]
    traffic.answer = lambda *_: RateLimited("slow", retry_after=30.0)
    run(traffic.ask("costs", Priority.COSTS))
    seen.append((traffic.throttle.paused_until, traffic.throttle.requests_per_minute))
    until = traffic.clock.now() + 30
    traffic.clock.pass_by(31)
    seen.append((traffic.throttle.paused_until, traffic.throttle.requests_per_minute))

    assert [(None, 60), (until, 30), (None, 30)] == seen


def test_the_wait_is_reported() -> None:
    """A permit knows how long it was waited for."""
    traffic = _Traffic()

    async def scene() -> list[float]:
        permits = [
            asyncio.ensure_future(traffic.throttle.permit("costs", Priority.COSTS, float(due))) for due in range(12)
        ]
        await traffic.clock.advance(5)
        return [(await permit).waited for permit in permits]

    assert [0.0] * 10 + [1.0, 2.0] == pytest.approx(run(scene()))
