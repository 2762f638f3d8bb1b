"""The client against servers on real sockets that misbehave."""

import asyncio
import gzip
import socket
import struct
import time
import tracemalloc
import zlib

import pytest

from exporter.catalog import PollResult
from exporter.openai import errors
from exporter.openai.client import Client
from exporter.openai.rate_limiter import Priority
from exporter.openai.throttle import Throttle
from exporter.openai.transport import Transport
from tests.support.clock import ManualClock, run
from tests.support.scripted_api import KEY, TODAY, Journal, bucket, client, embeddings, encoded, page, plan
from tests.support.wire import Saying, head, listening, saying

EMBEDDINGS = plan("embeddings")
BODY = encoded(page(bucket(TODAY, embeddings(7))))
MIB = 1024 * 1024


def _asking(asked: Client) -> asyncio.Future[PollResult]:
    return asyncio.ensure_future(asked.poll(EMBEDDINGS, TODAY, due=0.0, priority=Priority.USAGE))


def _polled(say: Saying, *, timeout: float = 5.0) -> tuple[PollResult | errors.UpstreamError, Journal]:
    """Return the result of a poll and the observed events; retries take no time."""
    journal = Journal()

    async def scene() -> PollResult | errors.UpstreamError:
        clock = ManualClock()
        async with listening(say) as base_url:
            asked = client(None, clock, base_url=base_url, timeout=timeout, observer=journal)
            try:
                return await clock.run(_asking(asked))
            except errors.UpstreamError as error:
                return error
            finally:
                await asked.aclose()

    return run(scene()), journal


def _fails(say: Saying, *, timeout: float = 5.0) -> errors.UpstreamError:
    result, _ = _polled(say, timeout=timeout)
    assert isinstance(result, errors.UpstreamError)
    return result


def _succeeds(say: Saying) -> PollResult:
    result, _ = _polled(say)
    assert isinstance(result, PollResult)
    return result


def _sized(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    return head(f"Content-Length: {len(body)}", *lines, status=status) + body


@pytest.mark.parametrize(
    "answer",
    [
        _sized(BODY),
        head("Connection: close") + BODY,
        head("Transfer-Encoding: chunked") + f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n0\r\n\r\n",
        _sized(gzip.compress(BODY), "Content-Encoding: gzip"),
        _sized(gzip.compress(BODY), "Content-Encoding: X-GZIP"),
        _sized(zlib.compress(BODY), "Content-Encoding: deflate"),
    ],
)
def test_every_proper_framing_is_understood(answer: bytes) -> None:
    """Sized, closed, chunked and compressed bodies are all the same page."""
    assert [([(("unknown", "unknown"), (7.0, 1.0))],)] == [found.rows for found in _succeeds(saying(answer)).buckets]


@pytest.mark.parametrize(
    "answer",
    [
        head(f"Content-Length: {len(BODY)}") + BODY[:-10],
        head("Transfer-Encoding: chunked") + f"{len(BODY):x}\r\n".encode() + BODY[:-10],
        _sized(gzip.compress(BODY)[:-20], "Content-Encoding: gzip"),
    ],
)
def test_a_body_that_ends_too_early_is_tried_again(answer: bytes) -> None:
    """However the end is missed, nothing of the page is used, and the connection is to blame."""
    result, journal = _polled(saying(answer))

    assert isinstance(result, errors.Interrupted)
    assert [errors.Interrupted] * 4 == [type(error) for _, error in journal.errors]


def test_a_body_that_is_cut_with_its_connection_is_half_a_document() -> None:
    """Without any length, only the document shows that it ended too early."""
    assert isinstance(_fails(saying(head("Connection: close"), BODY[:-10])), errors.Truncated)


def test_a_body_that_is_not_what_it_says_is_no_json() -> None:
    """Plain text under `Content-Encoding: gzip` is refused."""
    assert isinstance(_fails(saying(_sized(BODY, "Content-Encoding: gzip"))), errors.NotJson)


def test_an_endless_body_is_bounded() -> None:
    """Reading stops at `max_body`, however much there is to come."""

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head("Connection: close"))
        while True:
            writer.write(b"[" * 65536)
            await writer.drain()

    error = _fails(say)

    assert isinstance(error, errors.OversizedPage)
    assert "model" in error.advice


@pytest.mark.parametrize("encoding", ["br", "gzip", "deflate"])
def test_a_refusal_that_cannot_be_unpacked_keeps_its_status(encoding: str) -> None:
    """Status and headers decide: a 429 pauses the organization, whatever its body is."""
    refused = _sized(
        b"neither of them", f"Content-Encoding: {encoding}", "Retry-After: 90", status="429 Too Many Requests"
    )
    error = _fails(saying(refused))

    assert isinstance(error, errors.RateLimited)
    assert error.retry_after == 90.0


def test_a_gzip_bomb_is_bounded_while_it_is_unpacked() -> None:
    """A megabyte that unpacks to 256 never takes more memory than `max_body` and a little."""
    bomb = gzip.compress(b" " * (256 * MIB), 1)
    tracemalloc.start()
    try:
        error = _fails(saying(_sized(bomb, "Content-Encoding: gzip")))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert isinstance(error, errors.OversizedPage)
    assert peak < 16 * MIB + len(bomb)


def test_an_endless_refusal_is_read_only_so_far() -> None:
    """The body of an error is cut, and the status still counts."""

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head("Connection: close", status="400 Bad Request"))
        while True:
            writer.write(b"no " * 20000)
            await writer.drain()

    error = _fails(say)

    assert isinstance(error, errors.BadRequest)
    assert error.message.startswith("no no")


def test_a_refusal_that_breaks_off_is_still_a_refusal() -> None:
    """The status is known even where the explanation is not."""
    answer = head("Content-Length: 1000", status="403 Forbidden") + b"half"

    assert (errors.Forbidden, "half") == (type(error := _fails(saying(answer))), error.message)


def test_a_body_that_drips_is_given_up() -> None:
    """A byte now and then keeps no request alive beyond its timeout."""

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head("Content-Length: 1000"))
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    began = time.monotonic()
    error = _fails(say, timeout=0.1)

    assert isinstance(error, errors.Timeout)
    assert "api.timeout" in error.message
    assert time.monotonic() - began < 3


def test_a_server_that_says_nothing_is_given_up() -> None:
    """Silence after a request is a timeout."""

    async def say(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    assert isinstance(_fails(say, timeout=0.1), errors.Timeout)


def test_a_reset_is_a_network_error() -> None:
    """A connection that is reset, before or after the head, is tried again."""

    def resetting(first: bytes) -> Saying:
        async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(first)
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

        return say

    assert [errors.NetworkError, errors.Interrupted] == [
        type(_fails(resetting(b""))),
        type(_fails(resetting(head("Content-Length: 1000") + b"{"))),
    ]


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
def test_a_response_that_is_no_http_is_a_network_error(answer: bytes) -> None:
    """Nothing, another protocol, or a head that is nonsense."""
    assert errors.NetworkError is type(_fails(saying(answer)))


def test_a_port_that_nobody_listens_on_is_a_network_error() -> None:
    """The error of a refused connection has an advice."""

    async def scene() -> errors.UpstreamError:
        async with listening(saying(b"")) as base_url:
            pass
        clock = ManualClock()
        asked = client(None, clock, base_url=base_url)
        with pytest.raises(errors.NetworkError) as caught:
            await clock.run(_asking(asked))
        await asked.aclose()
        return caught.value

    assert "api.base_url" in run(scene()).advice


def test_a_redirect_is_not_followed() -> None:
    """The key goes nowhere else."""
    elsewhere: list[bytes] = []

    async def scene() -> errors.UpstreamError:
        async def catch(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            elsewhere.append(b"caught")
            writer.write(_sized(BODY))

        clock = ManualClock()
        async with listening(catch) as target:
            redirect = _sized(b"", f"Location: {target}", status="307 Temporary Redirect")
            async with listening(saying(redirect)) as base_url:
                asked = client(None, clock, base_url=base_url)
                with pytest.raises(errors.Redirected) as caught:
                    await clock.run(_asking(asked))
                await asked.aclose()
        return caught.value

    assert "127.0.0.1" in run(scene()).message
    assert elsewhere == []


def test_deep_nesting_is_refused() -> None:
    """A megabyte of brackets does not end the process."""
    assert isinstance(_fails(saying(_sized(b'{"more":' + b"[" * (MIB - 10)))), errors.TooDeep)


def test_the_environments_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the settings name a proxy."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert len(_succeeds(saying(_sized(BODY))).buckets) == 1


def test_a_proxy_of_the_settings_is_used() -> None:
    """Requests for a host behind a proxy reach the proxy."""

    async def scene() -> PollResult:
        clock = ManualClock()
        async with listening(saying(_sized(BODY))) as base_url:
            asked = Client(
                "http://api.invalid/v1",
                lambda: KEY,
                throttle=Throttle(clock, 60),
                clock=clock,
                proxy=base_url.removesuffix("/v1"),
            )
            answer = await clock.run(_asking(asked))
            await asked.aclose()
            return answer

    assert len(run(scene()).buckets) == 1


def test_a_cancelled_request_frees_its_slot() -> None:
    """Cancelling in the middle of a body closes the connection and lets the next request go."""

    async def scene() -> int:
        clock = ManualClock()
        started = asyncio.Event()

        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(head("Content-Length: 1000"))
            await writer.drain()
            started.set()
            await reader.read()

        async with listening(hang) as base_url:
            asked = client(None, clock, base_url=base_url)
            task = _asking(asked)
            await started.wait()
            task.cancel()
            await asyncio.wait({task})
            await asked.aclose()
        return int(task.cancelled())

    assert run(scene()) == 1


def test_no_moment_of_a_timeout_leaves_a_connection_open() -> None:
    """Whether the time is up before, during or after the establishment of a connection, the connection is closed."""
    sockets: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sockets.add(writer)
        while await reader.read(1024):
            pass
        sockets.discard(writer)
        writer.close()

    async def scene() -> int:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        transport = Transport(url, timeout=30, max_body=MIB)
        for round_ in range(300):
            asked = asyncio.ensure_future(transport.get("v1", [], {}))
            for _ in range(round_ % 30):
                await asyncio.sleep(0)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        for _ in range(200):
            await asyncio.sleep(0.01)
            if not sockets:
                break
        left = len(sockets)
        await transport.aclose()
        server.close()
        return left

    assert 0 == run(scene())
