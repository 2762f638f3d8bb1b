"""One request and its complete response, bounded in time and in bytes, by httpx."""

import asyncio
import ssl
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final
from urllib.parse import quote, urlencode

import httpx

from exporter import __version__
from exporter.openai import errors
from exporter.openai.error_responses import excerpt, request_id_of

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_IDLE_CONNECTIONS: Final = 2
_IDLE_SECONDS: Final = 90.0
"""How long an idle connection is kept: longer than the default poll interval, because a TLS handshake costs more than
a request."""

_REFUSAL_BYTES: Final = 64 * 1024
"""How much of the body of a response other than 200 is read."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name."""
    body: bytes = field(repr=False)
    """Decompressed; only the beginning unless the status is 200."""


@dataclass(slots=True)
class _Connections:
    """A pool of connections, and how many requests use it."""

    http: httpx.AsyncClient
    requests: int = 0


class Transport:
    """The connections to one host. Follows no redirect, takes nothing from the environment.

    After a request that was cut short, later requests use a new pool: httpx does not close a connection for which the
    time is up between its establishment and its first request, and never uses it either.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        max_body: int,
        proxy: str | None = None,
        ca_file: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take seconds for a whole request and bytes of a decompressed body. Raises OSError for a bad `ca_file`."""
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout
        self._max_body = max_body
        self._new_client = partial(
            httpx.AsyncClient,
            headers={
                "User-Agent": f"openai-usage-exporter/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
            },
            timeout=timeout,
            follow_redirects=False,
            cookies=no_cookies(),
            trust_env=False,
            verify=_trust(ca_file),
            proxy=proxy,
            transport=transport,
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=_IDLE_CONNECTIONS, keepalive_expiry=_IDLE_SECONDS
            ),
        )
        self._connections = _Connections(self._new_client())

    async def get(self, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> Response:
        """Return the response with any status. Raises Timeout, NetworkError and InvalidResponse."""
        connections = self._connections
        connections.requests += 1
        try:
            async with asyncio.timeout(self._timeout):
                return await self._get(connections.http, path, query, headers)
        except TimeoutError:
            self._renew(connections)
            raise errors.Timeout(f"no complete response within {self._timeout:g} s (api.timeout)") from None
        except httpx.TimeoutException as error:
            self._renew(connections)
            phase = type(error).__name__.removesuffix("Timeout").lower()
            raise errors.Timeout(f"no complete response within {self._timeout:g} s (api.timeout): {phase}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise errors.NetworkError(_describe(error)) from None
        except asyncio.CancelledError:
            self._renew(connections)
            raise
        finally:
            connections.requests -= 1
            if connections is not self._connections and not connections.requests:
                await connections.http.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connections.http.aclose()

    def _renew(self, connections: _Connections) -> None:
        if connections is self._connections:
            self._connections = _Connections(self._new_client())

    async def _get(
        self, http: httpx.AsyncClient, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> Response:
        url = f"{self._base_url}/{path.lstrip('/')}"
        if query:
            url = f"{url}?{urlencode(query, quote_via=quote)}"
        async with http.stream("GET", url, headers=dict(headers)) as response:
            answered = {name.lower(): value for name, value in response.headers.items()}
            body = await self._body(response, answered)
        return Response(response.status_code, answered, body)

    async def _body(self, response: httpx.Response, headers: Mapping[str, str]) -> bytes:
        status = response.status_code
        good = status == HTTPStatus.OK
        limit = self._max_body if good else _REFUSAL_BYTES
        request_id = request_id_of(headers)
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in _UNPACKERS:
            if not good:
                return b""
            raise errors.NotJson(
                f"a response with content-encoding {excerpt(encoding)}", status=status, request_id=request_id
            )
        unpack = _UNPACKERS[encoding]()
        body = bytearray()
        try:
            async for chunk in response.aiter_raw():
                body += unpack(chunk, limit + 1 - len(body))
                if len(body) > limit:
                    break
            complete = unpack.complete
        except zlib.error:
            if not good:
                return b""
            raise errors.NotJson(
                "a response with content-encoding gzip that is not gzip", status=status, request_id=request_id
            ) from None
        except (httpx.ReadError, httpx.RemoteProtocolError):
            complete = False
        if good and len(body) > limit:
            raise errors.OversizedPage(limit, status=status, request_id=request_id)
        if good and not complete:
            raise errors.Interrupted(
                f"the response ended after {len(body)} bytes, before it was complete",
                status=status,
                request_id=request_id,
            )
        return bytes(body[:limit])


def no_cookies() -> CookieJar:
    """Return a jar that stores nothing: nobody needs cookies here, and a host could send more and more of them."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


@cache
def _trust(ca_file: str | None) -> ssl.SSLContext:
    """Read the authorities once for all organizations: that takes 80 ms and a megabyte."""
    return ssl.create_default_context(cafile=ca_file)


class _Identity:
    complete = True

    def __call__(self, chunk: bytes, room: int) -> bytes:
        return chunk[:room]


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)

    @property
    def complete(self) -> bool:
        return self._stream.eof

    def __call__(self, chunk: bytes, room: int) -> bytes:
        return self._stream.decompress(chunk, room)


_UNPACKERS: Final[Mapping[str, type[_Identity | _Gzip]]] = {
    "": _Identity,
    "identity": _Identity,
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Gzip,
}


def _describe(error: Exception) -> str:
    kind = type(error).__name__
    text = excerpt(str(error))
    return f"{kind}: {text}" if text else kind
