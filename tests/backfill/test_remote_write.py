"""Requests of remote write: what they contain, what is retried, and what a refusal advises."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from exporter.backfill import Progress, ProgressError, Receiver, ReceiverError, RemoteWrite, Span, Target, decoded
from exporter.backfill.curve import Samples
from exporter.backfill.sink import Labels
from exporter.catalog import DAY
from exporter.exposition import Family, Type
from tests.support.clock import ManualClock
from tests.support.scripted_api import TODAY

SPAN = Span(TODAY - 9 * DAY, TODAY, 1800, TODAY)
FAMILY = Family("openai_cost_usd", "Money.", Type.GAUGE)
TIMES = np.array([TODAY - DAY, TODAY - DAY + 240], np.int64)
LABELS: list[Labels] = [(("project_id", "b"), ("job", "openai")), (("project_id", "a"), ("job", "openai"))]


async def send(sink: RemoteWrite) -> None:
    """Send two series in the first part; the second has no first sample."""
    samples = Samples(LABELS, TIMES, np.array([[0.0, 1.5], [7.0, -2.0]]), np.array([[True, True], [False, True]]))
    await sink.open(SPAN.parts[0])
    await sink.begin(FAMILY)
    await sink.write(LABELS, samples)
    await sink.close(SPAN.parts[0])


def test_what_protobuf_reads(tmp_path: Path) -> None:
    """The library reads names, sorted labels, values and times in milliseconds out of a request."""
    bodies: list[bytes] = []

    async def post(body: bytes) -> None:
        bodies.append(body)

    asyncio.run(send(RemoteWrite(post, Progress.load(tmp_path / "progress.json", "key", SPAN))))
    (body,) = bodies
    first, second = decoded(body)

    assert [("__name__", "openai_cost_usd"), ("job", "openai"), ("project_id", "b")] == [
        (label.name, label.value) for label in first.labels
    ]
    assert [(0.0, (TODAY - DAY) * 1000), (1.5, (TODAY - DAY + 240) * 1000)] == [
        (sample.value, sample.timestamp) for sample in first.samples
    ]
    assert [(-2.0, (TODAY - DAY + 240) * 1000)] == [(sample.value, sample.timestamp) for sample in second.samples]


def test_only_stored_parts_are_complete(tmp_path: Path) -> None:
    """A part is recorded once the receiver has stored all of it; a later run knows it."""
    path = tmp_path / "progress.json"

    async def refuse(body: bytes) -> None:
        raise ReceiverError(str(len(body)))

    async def accept(body: bytes) -> None:
        del body

    with pytest.raises(ReceiverError):
        asyncio.run(send(RemoteWrite(refuse, Progress.load(path, "key", SPAN))))
    assert not Progress.load(path, "key", SPAN).has(0)

    asyncio.run(send(RemoteWrite(accept, Progress.load(path, "key", SPAN))))
    assert Progress.load(path, "key", Span(0, 1, 1, 1)).has(0)
    assert SPAN == Progress.load(path, "key", Span(0, 1, 1, 1)).span


@pytest.mark.parametrize(("content", "message"), [("[]", "other options"), ("x", "not a progress file")])
def test_foreign_progress(tmp_path: Path, content: str, message: str) -> None:
    """A progress file of something else is refused, not overwritten."""
    path = tmp_path / "progress.json"
    path.write_text(content)

    with pytest.raises(ProgressError, match=message):
        Progress.load(path, "key", SPAN)


def posted(answers: list[Callable[[], httpx.Response]]) -> tuple[list[str], list[httpx.Request], float]:
    """Send one request to a receiver that answers so; return the reports, the requests and the seconds waited."""
    requests: list[httpx.Request] = []
    reports: list[str] = []
    clock = ManualClock()
    begun = clock.monotonic()

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return answers[min(len(requests), len(answers)) - 1]()

    async def post() -> None:
        transport = httpx.MockTransport(answer)
        async with httpx.AsyncClient(transport=transport) as client:
            target = Target("http://receiver/api/v1/write")
            receiver = Receiver(target, client, clock, reports.append, oldest=clock.now() - 90 * DAY)
            sending = asyncio.create_task(receiver.post(b"body"))
            while not sending.done():
                await asyncio.sleep(0)
                await clock.advance(1.0)
            await sending

    asyncio.run(post())
    return reports, requests, clock.monotonic() - begun


def test_passing_failures_are_retried() -> None:
    """After 500 and 429 the same body is sent again, not before `Retry-After` says."""
    answers: list[Callable[[], httpx.Response]] = [
        lambda: httpx.Response(500, text="busy"),
        lambda: httpx.Response(429, headers={"Retry-After": "17"}),
        lambda: httpx.Response(204),
    ]
    reports, requests, waited = posted(answers)

    assert [b"body"] * 3 == [request.content for request in requests]
    assert 18 <= waited < 30
    assert "500 busy: retrying in 1 s" in reports[0]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("17", 17), ("1.5", 2), ("9999999", 120), ("0", 1), ("\xb2", 1), ("soon", 1), ("1e999", 1)],
)
def test_no_wait_that_a_receiver_asks_for_breaks_it(asked: str, seconds: float) -> None:
    """Up to two minutes are waited; what makes no sense, or is less, is the wait of the first repetition."""
    _, requests, waited = posted(
        [
            lambda: httpx.Response(429, headers={b"Retry-After": asked.encode("latin-1")}),
            lambda: httpx.Response(204),
        ]
    )

    assert 2 == len(requests)
    assert seconds <= waited <= seconds + 2


def test_a_date_to_wait_for() -> None:
    """A wait that ends at a time is measured by the receiver's own clock."""
    headers = {"Date": "Wed, 18 Nov 2026 15:42:00 GMT", "Retry-After": "Wed, 18 Nov 2026 15:42:40 GMT"}
    _, _, waited = posted([lambda: httpx.Response(503, headers=headers), lambda: httpx.Response(204)])

    assert 40 <= waited <= 42


@pytest.mark.parametrize(
    ("status", "text", "advice"),
    [
        (400, "out of bounds", "storage.tsdb.out_of_order_time_window in its configuration file to 92d or more"),
        (400, "out of order sample", "storage.tsdb.out_of_order_time_window"),
        (400, "duplicate sample for timestamp", "end before them with --until"),
        (401, "", "--remote-write-bearer-token-file"),
        (404, "remote write receiver needs to be enabled", "--web.enable-remote-write-receiver"),
        (400, "unsupported path requested", "VictoriaMetrics: /api/v1/write. Mimir: /api/v1/push"),
        (302, "", "check the path of the URL"),
        (413, "", "distributor.max-recv-msg-size"),
    ],
)
def test_refusals_say_what_to_set(status: int, text: str, advice: str) -> None:
    """A refusal is not retried, and its message says what to set."""
    with pytest.raises(ReceiverError, match=advice):
        posted([lambda: httpx.Response(status, text=text)])


def test_a_web_page_is_no_receiver() -> None:
    """A page that is answered with 200, as by a URL without a path, does not count as stored."""
    with pytest.raises(ReceiverError, match="check the path of the URL"):
        posted([lambda: httpx.Response(200, html="<h2>Single-node VictoriaMetrics</h2>")])
