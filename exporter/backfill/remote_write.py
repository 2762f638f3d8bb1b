"""History by Prometheus' remote write protocol, version 1: snappy-compressed protobuf over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exporter.backfill.curve import Samples
from exporter.backfill.progress import Progress
from exporter.backfill.protocol import compress, label_bytes
from exporter.backfill.sink import Labels
from exporter.backfill.span import Part
from exporter.backfill.stored import Key, Stored, key_of
from exporter.exposition import Family

BATCH: Final = 20_000
"""Samples, at least, of a request, where there are as many."""

_IN_FLIGHT: Final = 2
_SAMPLE_BYTES: Final = 18
_VALUE: Final = slice(3, 11)
_TIME_BYTES: Final = 6
_MILLISECONDS: Final = 1000
_LOW_BITS: Final = 0x7F
_MORE: Final = 0x80
"""The bit of a varint's byte that says that another follows."""

Post = Callable[[bytes], Awaitable[None]]


class RemoteWrite:
    """Sends the parts in order; within a part, two requests at once have different series."""

    def __init__(self, post: Post, progress: Progress, stored: Stored | None = None) -> None:
        """`post` sends one request body and returns when it is stored; series that `stored` has are not sent."""
        self.samples = self.stored = 0
        self.bytes = 0
        """Sent, compressed."""
        self._post, self._progress, self._receiver = post, progress, stored
        self._name = ""
        self._counts: dict[Key, int] = {}
        self._batch: list[bytes] = []
        self._batched = 0
        self._sending: set[asyncio.Task[None]] = set()

    def holds(self, part: Part) -> bool:
        """Return whether a part was stored by an earlier run."""
        return self._progress.has(part.number)

    async def open(self, part: Part) -> None:
        """Ask which series of the part are stored."""
        if self._receiver:
            end = self._progress.span.end
            await self._receiver.begin(part.start, part.end + 1 if part.end == end else part.end - 1)

    async def begin(self, family: Family) -> None:
        """Begin a family."""
        self._name = family.name
        self._counts = await self._receiver.counts(family.name) if self._receiver else {}

    async def write(self, labels: Sequence[Labels], samples: Samples) -> None:
        """Send series, several in a request. Raises what `post` raises."""
        encoded = _encoded(samples.times, samples.values)
        for pairs, body, shown in zip(labels, encoded, samples.shown, strict=True):
            count = int(shown.sum())
            if not count:
                continue
            if self._counts and self._counts.get(key_of(pairs)) == count:
                self.stored += count
                continue
            content = body.tobytes() if count == len(shown) else body[shown].tobytes()
            self._batch.append(series_bytes(label_bytes((("__name__", self._name), *pairs)) + content))
            self._batched += count
            self.samples += count
            if self._batched >= BATCH:
                await self._flush()

    async def close(self, part: Part) -> None:
        """Send the rest, wait until everything is stored, and record the part."""
        await self._flush()
        await self._wait(0)
        self._progress.add(part.number)

    async def abandon(self) -> None:
        """Stop sending."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _flush(self) -> None:
        if not self._batch:
            return
        body = compress(b"".join(self._batch))
        self._batch, self._batched = [], 0
        self.bytes += len(body)
        await self._wait(_IN_FLIGHT - 1)
        self._sending.add(asyncio.create_task(self._send(body)))
        await asyncio.sleep(0)

    async def _send(self, body: bytes) -> None:
        await self._post(body)

    async def _wait(self, most: int) -> None:
        """Wait until no more requests than that are under way. Raises what one of them raised."""
        while len(self._sending) > most:
            done, self._sending = await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
            if failures := [error for task in done if (error := task.exception())]:
                raise failures[0]


def series_bytes(content: bytes) -> bytes:
    """Return a series as a field of a write request: tag, length, content."""
    length, size = bytearray(), len(content)
    while size > _LOW_BITS:
        length.append(size & _LOW_BITS | _MORE)
        size >>= 7
    length.append(size)
    return b"\x0a" + bytes(length) + content


def _encoded(times: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the samples of each series as fields of the message TimeSeries: series x times x bytes.

    Every message Sample is a double and a varint of six bytes, which any time in milliseconds from 1971 to 2109 is.
    """
    fields = np.zeros((*values.shape, _SAMPLE_BYTES), np.uint8)
    fields[:, :, :3] = 0x12, _SAMPLE_BYTES - 2, 0x09
    fields[:, :, _VALUE] = np.ascontiguousarray(values, "<f8").view(np.uint8).reshape(*values.shape, 8)
    fields[:, :, _VALUE.stop] = 0x10
    shifts = 7 * np.arange(_TIME_BYTES)
    digits = (times[:, None] * _MILLISECONDS >> shifts) & _LOW_BITS
    digits[:, :-1] |= _MORE
    fields[:, :, _VALUE.stop + 1 :] = digits.astype(np.uint8)
    return fields
