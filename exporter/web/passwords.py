"""Basic authentication against bcrypt hashes: off the event loop, bounded, and remembered once right."""

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import bcrypt

_SIGNIFICANT: Final = 72
"""Bytes of a password that bcrypt looks at."""

_REMEMBERED: Final = 128
_WAITING: Final = 32
"""Checks in the queue; at cost 12 the last one waits about 8 s."""

_WAITING_PER_PEER: Final = 4


class TooManyChecksError(Exception):
    """The queue is full and this check was the oldest of the peer with the most."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user, and what was given as the password."""

    user: str
    password: bytes

    @classmethod
    def parse(cls, authorization: str) -> "Credentials | None":
        """Return what an Authorization header holds; None unless it is well-formed Basic."""
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, found, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
            return cls(user.decode(), password) if found else None
        except (binascii.Error, ValueError):
            return None


@dataclass(slots=True, eq=False)
class _Check:
    password: bytes
    hashed: bytes
    digest: bytes
    result: asyncio.Future[bool]


class Passwords:
    """Decides who may read.

    One comparison runs at a time, on a thread, and peers take turns. Only right passwords are remembered, under a keyed
    hash that is worth nothing elsewhere.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._closed = False
        self._right: dict[bytes, None] = {}
        self._waiting: dict[str, deque[_Check]] = {}
        self._comparing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")

    def remembers(self, credentials: Credentials, users: Mapping[str, bytes]) -> bool:
        """Return whether this password was right before, for the same user and hash. Never waits."""
        hashed = users.get(credentials.user)
        return hashed is not None and self._digest(credentials, hashed) in self._right

    async def check(self, credentials: Credentials, users: Mapping[str, bytes], peer: str = "") -> bool:
        """Return whether the password is right. Raises TooManyChecksError; cancelling leaves the queue.

        An unknown user takes as long as a known one: the password is compared with the hash of some user.
        """
        if self._closed:
            return False
        if self.remembers(credentials, users):
            return True
        hashed = users.get(credentials.user) or self._substitute(credentials.user, users)
        digest = self._digest(credentials, hashed)
        check = _Check(credentials.password, hashed, digest, asyncio.get_running_loop().create_future())
        self._enqueue(check, peer)
        try:
            right = await check.result and credentials.user in users
        finally:
            self._remove(check, peer)
        if right:
            self._remember(digest)
        return right

    def close(self) -> None:
        """End the thread; pending checks fail."""
        self._closed = True
        for queue in self._waiting.values():
            for check in queue:
                _settle(check, right=False)
        self._waiting.clear()
        if self._comparing:
            self._comparing.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _enqueue(self, check: _Check, peer: str) -> None:
        own = self._waiting.setdefault(peer, deque())
        own.append(check)
        if len(own) > _WAITING_PER_PEER:
            self._displace(own)
        elif sum(map(len, self._waiting.values())) > _WAITING:
            self._displace(max(self._waiting.values(), key=len))
        if self._comparing is None or self._comparing.done():
            self._comparing = asyncio.get_running_loop().create_task(self._compare_all(), name="bcrypt")

    def _displace(self, queue: deque[_Check]) -> None:
        oldest = queue.popleft()
        if not oldest.result.done():
            oldest.result.set_exception(TooManyChecksError())

    def _remove(self, check: _Check, peer: str) -> None:
        queue = self._waiting.get(peer)
        if queue is not None:
            if check in queue:
                queue.remove(check)
            if not queue:
                del self._waiting[peer]

    async def _compare_all(self) -> None:
        loop = asyncio.get_running_loop()
        while check := self._next():
            if check.digest in self._right:
                _settle(check, right=True)
                continue
            right = False
            try:
                right = await loop.run_in_executor(self._thread, _matches, check.password, check.hashed)
            finally:
                _settle(check, right=right)

    def _next(self) -> _Check | None:
        """Take the first check of the peer whose turn it is, and move that peer to the end."""
        while self._waiting:
            peer = next(iter(self._waiting))
            queue = self._waiting.pop(peer)
            if not queue:
                continue
            check = queue.popleft()
            if queue:
                self._waiting[peer] = queue
            if not check.result.done():
                return check
        return None

    def _remember(self, digest: bytes) -> None:
        if len(self._right) >= _REMEMBERED:
            self._right.pop(next(iter(self._right)))
        self._right[digest] = None

    def _substitute(self, user: str, users: Mapping[str, bytes]) -> bytes:
        """Return always the same hash for the same unknown user."""
        hashes = sorted(users.values())
        return hashes[int.from_bytes(self._keyed_hash(user.encode()), "big") % len(hashes)]

    def _digest(self, credentials: Credentials, hashed: bytes) -> bytes:
        return self._keyed_hash(credentials.user.encode(), hashed, credentials.password)

    def _keyed_hash(self, *parts: bytes) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()


def _settle(check: _Check, *, right: bool) -> None:
    if not check.result.done():
        check.result.set_result(right)


def _matches(password: bytes, hashed: bytes) -> bool:
    return bcrypt.checkpw(password[:_SIGNIFICANT], hashed)
