"""Basic authentication against bcrypt hashes: off the event loop, cheap from the second time on."""

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import bcrypt

_SIGNIFICANT: Final = 72
"""Bytes of a password that bcrypt looks at."""

_REMEMBERED: Final = 128


class Passwords:
    """Who may come in. Only what was right is remembered, under a keyed hash that is worth nothing elsewhere."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._closed = False
        self._right: dict[bytes, None] = {}
        self._one_at_a_time = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")

    async def admit(self, authorization: str, users: Mapping[str, bytes]) -> bool:
        """Tell whether an Authorization header names a user and the right password.

        An unknown user takes as long as a known one: the password is compared all the same, with the hash of some user.
        """
        if (credentials := _credentials(authorization)) is None:
            return False
        user, password = credentials
        hashed = users.get(user) or self._somebody(user, users)
        digest = self._digest(user.encode(), hashed, password)
        if digest in self._right:
            return True
        loop = asyncio.get_running_loop()
        try:
            right = await loop.run_in_executor(self._one_at_a_time, _matches, password, hashed)
        except (asyncio.CancelledError, RuntimeError):
            if not self._closed:
                raise
            right = False
        if not right or user not in users:
            return False
        if len(self._right) >= _REMEMBERED:
            self._right.pop(next(iter(self._right)))
        self._right[digest] = None
        return True

    def close(self) -> None:
        """End the thread; who is still waiting stays out."""
        self._closed = True
        self._one_at_a_time.shutdown(wait=False, cancel_futures=True)

    def _somebody(self, user: str, users: Mapping[str, bytes]) -> bytes:
        """Return always the same hash for the same unknown user."""
        hashes = sorted(users.values())
        return hashes[int.from_bytes(self._digest(user.encode()), "big") % len(hashes)]

    def _digest(self, *parts: bytes) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()


def _credentials(authorization: str) -> tuple[str, bytes] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, found, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (user.decode(), password) if found else None
    except (binascii.Error, ValueError):
        return None


def _matches(password: bytes, hashed: bytes) -> bool:
    return bcrypt.checkpw(password[:_SIGNIFICANT], hashed)
