"""What a receiver answers, of which no more is read than is used."""

import asyncio
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import httpx

from exporter.openai import excerpt

_READ: Final = 64 << 10
"""Bytes of which an excerpt is made."""

_GZIP_OR_ZLIB: Final = 47
_COMPRESSED: Final = frozenset({"gzip", "x-gzip", "deflate"})


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    reason: str
    body: bytes
    complete: bool
    """Whether `body` is all of it."""

    @property
    def successful(self) -> bool:
        """Whether the status is 2xx."""
        return httpx.codes.is_success(self.status)

    @property
    def redirects(self) -> bool:
        """Whether the status is 3xx."""
        return httpx.codes.is_redirect(self.status)

    @property
    def fails(self) -> bool:
        """Whether the status is 5xx."""
        return httpx.codes.is_server_error(self.status)

    @property
    def is_page(self) -> bool:
        """Whether it is a web page."""
        return "html" in self.headers.get("content-type", "")

    @property
    def text(self) -> str:
        """The beginning of the body, as UTF-8."""
        return self.body[:_READ].decode("utf-8", "replace")

    def described(self) -> str:
        """Return the status and what is said: of a redirect where it leads, of a web page only that it is one."""
        if self.redirects and "location" in self.headers:
            said = f"{self.reason} to {self.headers['location']}"
        elif self.is_page:
            said = f"{self.reason} with a web page"
        else:
            said = excerpt(self.text) or self.reason
        return excerpt(f"{self.status} {said}")


async def ask(client: httpx.AsyncClient, request: httpx.Request, seconds: float, most: int = _READ) -> Answer:
    """Send a request, and return the answer with at most so many bytes of its body.

    Waits at most so many seconds for the status, and as long again for the body. Raises httpx.HTTPError and
    TimeoutError when there is no status.
    """
    request.headers["Accept-Encoding"] = "identity"
    async with asyncio.timeout(seconds):
        response = await client.send(request, stream=True)
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - the client is asynchronous
    body, complete = bytearray(), False
    try:
        with suppress(httpx.HTTPError, TimeoutError):
            async with asyncio.timeout(seconds):
                async for chunk in response.stream:
                    body += chunk[: most - len(body)]
                    if len(body) == most:
                        break
                else:
                    complete = True
    finally:
        await response.aclose()
    headers = {name.lower(): value for name, value in response.headers.items()}
    if headers.get("content-encoding", "").strip().lower() in _COMPRESSED:
        unpacked = b""
        with suppress(zlib.error):
            unpacked = zlib.decompressobj(_GZIP_OR_ZLIB).decompress(bytes(body), most)
        return Answer(response.status_code, headers, response.reason_phrase, unpacked, complete=False)
    return Answer(response.status_code, headers, response.reason_phrase, bytes(body), complete)
