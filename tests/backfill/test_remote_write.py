"""Requests of remote write: what they contain, what is retried, and what a refusal advises."""

import asyncio
import contextlib
import errno
import socket
import ssl
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest

from exporter.backfill import DamageError, Progress, Receiver, ReceiverError, RemoteWrite, Span, Target, decoded
from exporter.backfill.curve import Samples
from exporter.backfill.sink import Labels
from exporter.catalog import DAY
from exporter.exposition import Family, Type
from tests.support.certificates import Authority
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

    asyncio.run(send(RemoteWrite(post, Progress.load(tmp_path / "progress.json", {}, SPAN))))
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
        asyncio.run(send(RemoteWrite(refuse, Progress.load(path, {}, SPAN))))
    assert not Progress.load(path, {}, SPAN).has(0)

    asyncio.run(send(RemoteWrite(accept, Progress.load(path, {}, SPAN))))
    assert Progress.load(path, {}, Span(0, 1, 1, 1)).has(0)
    assert SPAN == Progress.load(path, {}, Span(0, 1, 1, 1)).span


@pytest.mark.parametrize("content", ["[]", "x", '{"key": "k"}'])
def test_foreign_progress(tmp_path: Path, content: str) -> None:
    """A file of something else is refused, not overwritten."""
    path = tmp_path / "progress.json"
    path.write_text(content)

    with pytest.raises(DamageError, match="or no progress file of this version: choose another path"):
        Progress.load(path, {}, SPAN)
    assert content == path.read_text()


def tls_error(reason: str) -> ssl.SSLError:
    """Return an error as OpenSSL raises it."""
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


Answers = (
    list[Callable[[], httpx.Response]]
    | Callable[[httpx.Request], httpx.Response]
    | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]
)


def posted(answers: Answers, timeout: float = 60.0) -> tuple[list[str], list[httpx.Request], float]:
    """Send one request to a receiver that answers so; return the reports, the requests and the seconds waited."""
    requests: list[httpx.Request] = []
    reports: list[str] = []
    clock = ManualClock()
    begun = clock.monotonic()

    def answer(request: httpx.Request) -> httpx.Response:
        assert isinstance(answers, list)
        requests.append(request)
        return answers[min(len(requests), len(answers)) - 1]()

    async def post() -> None:
        transport = httpx.MockTransport(answer if isinstance(answers, list) else answers)
        async with httpx.AsyncClient(transport=transport) as client:
            target = Target("http://receiver/api/v1/write")
            receiver = Receiver(target, client, clock, reports.append, oldest=clock.now() - 90 * DAY, timeout=timeout)
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
        (400, "Client sent an HTTP request to an HTTPS server.", "use https://"),
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


@pytest.mark.parametrize("charset", ["utf-16", "hex", "rot13", "idna", "undefined", '"a\x00b"'])
def test_a_refusal_in_an_odd_charset(charset: str) -> None:
    """A refusal is shown as UTF-8, whatever it says of itself."""
    headers = {"Content-Type": f"text/plain; charset={charset}"}
    with pytest.raises(ReceiverError, match=r"400 no\. no$"):
        posted([lambda: httpx.Response(400, content=b"no. no", headers=headers)])


@pytest.mark.parametrize("status", [400, 302])
def test_nothing_of_a_refusal_controls_the_terminal(status: int) -> None:
    """Escape sequences and line breaks of the receiver are left out."""
    text = "\x1b[31m\x9b2J no\x00\x07\r\n\u202eno"
    with pytest.raises(ReceiverError) as raised:
        posted([lambda: httpx.Response(status, text=text, headers={b"Location": text.encode("latin-1", "replace")})])

    assert "no" in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_redirect_to_no_url() -> None:
    """A redirect is not retried, though where it leads is no URL."""
    with pytest.raises(ReceiverError, match="check the path of the URL"):
        posted([lambda: httpx.Response(302, headers={"Location": "http://x/" + "a" * 100_000})])


def test_a_huge_refusal_is_not_read() -> None:
    """Of a refusal that unpacks to 64 MiB, and of one without an end, little is read."""
    packed = zlib.compress(b"no " * 20_000_000, wbits=31)
    read = 0

    async def bomb() -> AsyncIterator[bytes]:
        yield packed

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1000
            yield b"no " * 333 + b"\n"

    tracemalloc.start()
    try:
        for content, headers in ((bomb(), {"Content-Encoding": "gzip"}), (endless(), {})):
            with pytest.raises(ReceiverError, match="400 no no no"):
                posted([partial(httpx.Response, 400, content=content, headers=headers)])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 << 20
    assert read < 100_000


@pytest.mark.parametrize("status", [204, 400])
def test_an_answer_without_an_end_is_not_waited_for(status: int) -> None:
    """The status counts, though what follows it never ends."""

    async def endless() -> AsyncIterator[bytes]:
        yield b"no"
        await asyncio.Event().wait()

    expected = pytest.raises(ReceiverError, match=r"400 no$") if status == 400 else contextlib.nullcontext()
    with expected:
        posted([partial(httpx.Response, status, content=endless())], timeout=0.05)


def test_no_answer_is_retried() -> None:
    """A request that is not answered in time is sent again, for up to five minutes."""
    requests = 0

    async def silent(_: httpx.Request) -> httpx.Response:
        nonlocal requests
        requests += 1
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(ReceiverError, match=r"no answer within 0\.01 s: check the scheme, host and port"):
        posted(silent, timeout=0.01)
    assert 11 == requests


@pytest.mark.parametrize(
    ("failure", "requests", "advice"),
    [
        (ssl.SSLCertVerificationError(1, "self-signed certificate"), 1, "set --remote-write-ca-file"),
        (tls_error("WRONG_VERSION_NUMBER"), 1, "use http://"),
        (tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), 1, "--remote-write-cert-file"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), 11, "its host name is not known here"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), 11, "check the scheme, host and port"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_connection(failure: OSError, requests: int, advice: str) -> None:
    """What cannot pass is not retried, and the message says what to set."""
    seen = 0

    def fail(_: httpx.Request) -> httpx.Response:
        nonlocal seen
        seen += 1
        raise httpx.ConnectError(str(failure)) from failure

    with pytest.raises(ReceiverError, match=advice):
        posted(fail)
    assert requests == seen


@pytest.mark.parametrize(("speaks_tls", "advice"), [(True, "set --remote-write-ca-file"), (False, "use http://")])
def test_tls(tmp_path: Path, advice: str, *, speaks_tls: bool) -> None:
    """A certificate that cannot be verified, and a port without TLS, end it at the first request."""
    pair = Authority(tmp_path).issue("receiver")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    clock = ManualClock()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def post() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context if speaks_tls else None)
        async with server:
            port = server.sockets[0].getsockname()[1]
            target = Target(f"https://127.0.0.1:{port}/api/v1/write")
            async with target.client() as client:
                await Receiver(target, client, clock, pytest.fail, oldest=0.0).post(b"body")

    with pytest.raises(ReceiverError, match=advice):
        asyncio.run(post())


def test_cookies_are_not_kept() -> None:
    """A cookie of the receiver is not sent back."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async def post() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            target = Target(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1/write")
            async with target.client() as client:
                receiver = Receiver(target, client, ManualClock(), pytest.fail, oldest=0.0)
                await receiver.post(b"")
                await receiver.post(b"")

    asyncio.run(post())
    assert [False, False] == [b"cookie" in each.lower() for each in received]
