"""One client's connection: HTTP, optionally over TLS, with a deadline for every phase."""

import asyncio
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Iterator
from http import HTTPStatus
from itertools import chain
from ssl import SSLContext
from typing import Any, Final, TypeAlias, cast

import h11
import structlog

from exporter.web.connection_limits import ConnectionLimiter, Phase, Slot, cut_off
from exporter.web.gzip_body import PIECE
from exporter.web.http import Answer, Headers, Request, RequestReader, Response, plain_text

_TURN: Final = 1 << 20
"""Bytes that one response may send before others get their turn."""

_WITH_HEAD: Final = 16 * 1024
"""Bytes of a body that are sent together with the head: few to copy, and enough to keep a client busy."""

Application: TypeAlias = Callable[[Request, str], Answer]
"""Answers the request of a peer."""

_UNREADABLE: Final = Request("", "", "", (), keep_alive=False)

_log = structlog.get_logger()


_received: Final = memoryview(bytearray(64 * 1024))
"""What a connection reads into, until it has taken it over: a new buffer for each read costs more than the request."""


class Connection(asyncio.BufferedProtocol):
    """HTTP on one socket: one request after the other, each response sent no faster than the client reads."""

    def __init__(
        self,
        app: Application,
        limiter: ConnectionLimiter,
        open_connections: set["Connection"],
        headers: Callable[[], Headers],
        admits: Callable[[Any], bool] | None = None,
    ) -> None:
        """`headers` are those of every response; `admits`: whether a client with this certificate may connect."""
        self.loop = asyncio.get_running_loop()
        self.limiter = limiter
        self.closed: asyncio.Future[None] = self.loop.create_future()
        """Done once the connection is."""
        self._app = app
        self._open = open_connections
        self._headers = headers
        self._admits = admits
        self._reader = RequestReader()
        self._request: Request | None = None
        """The one being answered."""
        self._making: asyncio.Task[Response] | None = None
        """Makes the response, where that takes time."""
        self._unsent: Iterator[bytes | memoryview] | None = None
        """Of the response, once it is made."""
        self._keep_alive = True
        self._writing_paused = False
        self._slot: Slot | None = None
        self._expires = 0.0
        """When the phase ends, in seconds of the loop's clock."""
        self._deadline: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection and start the first deadline."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1)
        self._open.add(self)
        if self._slot is None:
            self._slot = self.limiter.admit(transport, self.loop.time())
        if self._admits and not self._admits(transport.get_extra_info("peercert")):
            cut_off(self._transport)
        self._enter(Phase.REQUEST)

    def take_over(self, slot: Slot) -> None:
        """Use the slot that the TLS handshake was given."""
        self._slot = slot

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        """Stop what is under way and release the slot."""
        if self._deadline:
            self._deadline.cancel()
        self._unsent = None
        if self._making:
            self._making.cancel()
        self._open.discard(self)
        self.closed.set_result(None)
        if self._slot:
            self.limiter.release(self._slot.transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the protocol's
        """Return what to read into; `buffer_updated` follows at once."""
        return _received

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes of the next request; those that arrive before the last one is answered have to wait."""
        self._reader.receive(bytes(_received[:nbytes]))
        if self._request:
            self._transport.pause_reading()
        self._answer_next()

    def eof_received(self) -> bool:
        """Close, but finish sending to a client that only has nothing more to say."""
        self._keep_alive = False
        return self._unsent is not None and self._transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        """Stop sending: the client has not read what was sent."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Send on."""
        self._writing_paused = False
        self._send()

    def shutdown(self) -> None:
        """Close now, or once the response under way is sent."""
        self._keep_alive = False
        if self._request is None:
            self._transport.close()

    def _answer_next(self) -> None:
        """Answer the next request, if it is complete and no other is being answered."""
        if self._request or self._transport.is_closing():
            return
        try:
            self._request = request = self._reader.next()
        except h11.RemoteProtocolError as error:
            self._request = _UNREADABLE
            self._respond(plain_text(HTTPStatus(error.error_status_hint), "Invalid HTTP request received.\n"))
            return
        if request is None:
            if interim := self._reader.interim_response():
                self._transport.write(interim)
            if self._slot and self._slot.phase is not Phase.REQUEST:
                self._enter(Phase.REQUEST)
            return
        self._enter(Phase.ANSWER)
        try:
            answer = self._app(request, self._slot.peer if self._slot else "")
        except Exception as error:  # noqa: BLE001 - logged with its traceback
            self._fail(error)
            return
        if isinstance(answer, Response):
            self._respond(answer)
        else:
            self._making = self.loop.create_task(answer, name="response")
            self._making.add_done_callback(self._made)

    def _made(self, making: asyncio.Task[Response]) -> None:
        self._making = None
        if making.cancelled():
            return
        if error := making.exception():
            self._fail(error)
        else:
            self._respond(making.result())

    def _fail(self, error: BaseException) -> None:
        _log.error("request_failed", path=self._request and self._request.path, exc_info=error)
        self._respond(plain_text(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error\n"))

    def _respond(self, response: Response) -> None:
        """Begin to send a response. One that refuses the request closes the connection."""
        request = self._request
        if request is None or self._transport.is_closing():
            return
        self._keep_alive = self._keep_alive and request.keep_alive and response.status < HTTPStatus.BAD_REQUEST
        head = response.head(self._headers(), keep_alive=self._keep_alive)
        pieces = iter(response.content.pieces if request.method != "HEAD" else ())
        first = memoryview(next(pieces, b""))
        self._unsent = chain((first[_WITH_HEAD:],), pieces)
        self._transport.write(b"".join((head, first[:_WITH_HEAD])))
        self._send()

    def _send(self) -> None:
        sent = 0
        while self._unsent is not None and not self._writing_paused and not self._transport.is_closing():
            piece = next(self._unsent, None)
            if piece is None:
                self._finish()
                return
            if piece:
                self._transport.write(piece)
            sent += len(piece)
            if sent >= _TURN:
                self.loop.call_soon(self._send)
                return

    def _finish(self) -> None:
        """Close, or wait for the next request, which may have arrived already."""
        self._unsent = self._request = None
        if not self._keep_alive:
            self._transport.close()
        elif self._reader.within_message:
            self._enter(Phase.REQUEST)
            self._transport.resume_reading()
            self.loop.call_soon(self._answer_next)
        else:
            self._enter(Phase.IDLE)

    def _enter(self, phase: Phase) -> None:
        now = self.loop.time()
        self._expires = now + self.limiter.limits.seconds(phase)
        if self._slot:
            self._slot.phase, self._slot.since = phase, now
        if self._deadline is None or self._deadline.when() > self._expires:
            self._check_deadline()

    def _check_deadline(self) -> None:
        """Cut the connection off if its phase has taken too long, else look again when it will have.

        A later deadline leaves the timer as it is: one scrape after the other needs no other timer.
        """
        if self._deadline:
            self._deadline.cancel()
        if self.loop.time() >= self._expires:
            cut_off(self._transport)
        else:
            self._deadline = self.loop.call_at(self._expires, self._check_deadline)


class Handshake(SSLProtocol):
    """TLS below a connection.

    Each connection gets one, so that it uses the certificate that is valid when it arrives, and so that a client that
    never finishes its handshake has a slot and a deadline like every other.
    """

    max_size = PIECE

    def __init__(self, connection: Connection, context: SSLContext) -> None:
        super().__init__(
            loop=connection.loop,
            app_protocol=connection,
            sslcontext=context,
            waiter=cast("asyncio.Future[Any]", None),
            server_side=True,
            ssl_handshake_timeout=cast("int", connection.limiter.limits.request),
            ssl_shutdown_timeout=1.0,
        )
        self._connection = connection
        self._socket_transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection and begin the handshake."""
        self._socket_transport = transport
        connection = self._connection
        connection.take_over(connection.limiter.admit(transport, connection.loop.time()))
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Release the slot, also where no HTTP was ever spoken."""
        if self._socket_transport:
            self._connection.limiter.release(self._socket_transport)
        super().connection_lost(exc)
