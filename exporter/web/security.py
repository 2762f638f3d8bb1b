"""Who may read what is served: TLS, client certificates, passwords and rate limit, from `web.config.file`.

The file, certificates, keys and authorities are read again when they change. A new version that is broken, or that
lacks a protection the old one has, is logged and not used.
"""

import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from exporter.web.passwords import Credentials, Passwords
from exporter.web.tls import admitted, server_context
from exporter.web.webconfig import RateLimit, WebConfig, WebConfigError, read_web_config, weakened_by

_log = structlog.get_logger()


class _TokenBucket:
    def __init__(self, limit: RateLimit, now: float) -> None:
        self._limit = limit
        self._tokens = float(limit.burst)
        self._updated = now

    def allows(self, now: float) -> bool:
        earned = (now - self._updated) / self._limit.interval
        self._tokens = min(float(self._limit.burst), self._tokens + earned)
        self._updated = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True, slots=True)
class _State:
    config: WebConfig = field(default_factory=WebConfig)
    context: ssl.SSLContext | None = None
    bucket: _TokenBucket | None = None


class Security:
    """The rules of the file as it is now. Without a file everybody may read, over plain HTTP.

    Raises WebConfigError when the file cannot be used at the start. `on_load` gets the outcome of every later attempt:
    what is wrong with the file, or an empty string.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        on_load: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._monotonic = monotonic
        self._on_load = on_load
        self._passwords = Passwords()
        self._state = _State()
        self._versions: tuple[object, ...] = ()
        if path:
            self._versions = _versions((path,))
            self._state = self._load(path)
            self._versions = self._file_versions()

    @property
    def protected(self) -> bool:
        """Whether reading needs a password or a client certificate."""
        config = self._state.config
        return bool(config.users) or bool(config.tls and config.tls.client_auth_type == "RequireAndVerifyClientCert")

    def tls_context(self) -> ssl.SSLContext | None:
        """Return what a new connection is encrypted with, None for plain HTTP."""
        return self._current().context

    def admits(self, certificate: Mapping[str, Any] | None) -> bool:
        """Return whether the client with this verified certificate may connect."""
        tls = self._current().config.tls
        return tls is None or admitted(certificate, tls.client_allowed_sans)

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers to send with every response."""
        return self._current().config.headers

    def within_rate(self) -> bool:
        """Return whether the rate limit allows one more request, and count it."""
        bucket = self._current().bucket
        return bucket is None or bucket.allows(self._monotonic())

    def decide(self, authorization: str) -> Credentials | bool:
        """Return whether a request with this Authorization header is allowed, or the credentials to check first."""
        users = self._current().config.users
        if not users:
            return True
        credentials = Credentials.parse(authorization)
        if credentials is None:
            return False
        return self._passwords.remembers(credentials, users) or credentials

    async def check(self, credentials: Credentials, peer: str) -> bool:
        """Return whether the password is right. Raises TooManyChecksError."""
        return await self._passwords.check(credentials, self._current().config.users, peer)

    def reload(self) -> None:
        """Read the files now, changed or not. Raises WebConfigError; then the last good version stays in use."""
        if self._path:
            self._replace(self._path)

    def close(self) -> None:
        """End the thread that compares passwords."""
        self._passwords.close()

    def _current(self) -> _State:
        if self._path and self._file_versions() != self._versions:
            try:
                self._replace(self._path)
            except WebConfigError as error:
                _log.error(
                    "web_config_rejected", error=str(error), advice="correct the file; the last good version is in use"
                )
        return self._state

    def _replace(self, path: Path) -> None:
        self._versions = self._file_versions()
        try:
            self._state = self._load_no_weaker(path)
        except WebConfigError as error:
            self._on_load(str(error))
            raise
        self._versions = self._file_versions()
        self._on_load("")
        _log.info("web_config_reloaded", path=str(path))

    def _load_no_weaker(self, path: Path) -> _State:
        state = self._load(path)
        if lost := weakened_by(state.config, self._state.config):
            raise WebConfigError(
                f"{path}: lacks {', '.join(lost)}, which is in use: restart the exporter to remove a protection"
            )
        return state

    def _load(self, path: Path) -> _State:
        config = read_web_config(path)
        bucket = _TokenBucket(config.rate_limit, self._monotonic()) if config.rate_limit else None
        try:
            return _State(config, server_context(config.tls) if config.tls else None, bucket)
        except WebConfigError as error:
            raise WebConfigError(f"{path}: {error}") from None
        except OSError as error:
            raise WebConfigError(f"{path}: tls_server_config: {error.strerror}") from None

    def _file_versions(self) -> tuple[object, ...]:
        tls = self._state.config.tls
        files = (tls.cert_file, tls.key_file, tls.client_ca_file) if tls else ()
        return _versions((self._path, *files))


def _versions(paths: tuple[Path | str | None, ...]) -> tuple[object, ...]:
    """Return values that change when the files do."""
    return tuple(_version(path) for path in paths if path)


def _version(path: Path | str) -> object:
    try:
        found = os.stat(path)  # noqa: PTH116 - of a string or a path alike
    except OSError as error:
        return error.errno
    except ValueError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
