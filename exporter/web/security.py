"""Who may read what is served: TLS, client certificates and basic authentication, by `web.config.file`.

The subset of the format that is supported is told in `webconfig`. The file, certificates, keys and authorities are read
again when they change; a broken new one is logged and the last good ones stay in force.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import structlog

from exporter.web.app import Application, Message, Receive, Scope, Send, deliver, header, words
from exporter.web.passwords import Passwords
from exporter.web.tls import admitted, server_context
from exporter.web.webconfig import WebConfig, WebConfigError, read_web_config

_log = structlog.get_logger()

_OPEN: Final = frozenset({"/-/healthy", "/-/ready"})
_CHALLENGE: Final = (("WWW-Authenticate", 'Basic realm="openai-usage-exporter", charset="UTF-8"'),)


@dataclass(frozen=True, slots=True)
class _State:
    config: WebConfig = field(default_factory=WebConfig)
    context: ssl.SSLContext | None = None


class Security:
    """The rules of the file as it is now. Without a file everybody may read, over plain HTTP.

    Raises WebConfigError when the file cannot be used at the start; later ones only replace it when they are good.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._passwords = Passwords()
        self._state = _State()
        self._stamps: tuple[object, ...] = ()
        if path:
            self._stamps = _stamps((path,))
            self._state = _load(path)
            self._stamps = self._look()

    def tls_context(self) -> ssl.SSLContext | None:
        """Return what a new connection is encrypted with, None for plain HTTP."""
        return self._current().context

    def admits(self, certificate: Mapping[str, Any] | None) -> bool:
        """Tell whether the client with this verified certificate may come in."""
        tls = self._current().config.tls
        return tls is None or admitted(certificate, tls.client_allowed_sans)

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return what is sent with every answer."""
        return self._current().config.headers

    async def authenticated(self, authorization: str) -> bool:
        """Tell whether a request with this Authorization header may be answered."""
        users = self._current().config.users
        return not users or await self._passwords.admit(authorization, users)

    def close(self) -> None:
        """Let go of the thread that compares passwords."""
        self._passwords.close()

    def _current(self) -> _State:
        if self._path is None or (stamps := self._look()) == self._stamps:
            return self._state
        self._stamps = stamps
        try:
            self._state = _load(self._path)
        except WebConfigError as error:
            _log.error("web_config_refused", error=str(error), advice="the last good one stays in force")
        else:
            self._stamps = self._look()
            _log.info("web_config_reloaded", path=str(self._path))
        return self._state

    def _look(self) -> tuple[object, ...]:
        tls = self._state.config.tls
        files = (tls.cert_file, tls.key_file, tls.client_ca_file) if tls else ()
        return _stamps((self._path, *files))


class AuthMiddleware:
    """An ASGI application before another: asks for the password and adds the configured headers to every answer.

    Health and readiness are told without a password: probes have none, and there is nothing to learn from them.
    """

    def __init__(self, app: Application, security: Security) -> None:
        self._app = app
        self._security = security

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 401."""
        headers = self._security.headers()
        sending = _adding(headers, send) if headers else send
        if scope["path"] in _OPEN or await self._security.authenticated(header(scope, b"authorization")):
            await self._app(scope, receive, sending)
        else:
            answer = words(HTTPStatus.UNAUTHORIZED, "Unauthorized.\n", _CHALLENGE)
            await deliver(answer, sending, with_body=scope["method"] != "HEAD")


def _adding(headers: tuple[tuple[str, str], ...], send: Send) -> Send:
    """Return a `send` that puts these headers in the place of the answer's own of the same name."""
    added = [(name.lower().encode(), value.encode()) for name, value in headers]
    names = {name for name, _ in added}

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [pair for pair in message["headers"] if pair[0] not in names] + added
        await send(message)

    return sending


def _load(path: Path) -> _State:
    config = read_web_config(path)
    try:
        return _State(config, server_context(config.tls) if config.tls else None)
    except WebConfigError as error:
        raise WebConfigError(f"{path}: {error}") from None


def _stamps(paths: tuple[Path | str | None, ...]) -> tuple[object, ...]:
    """Return what tells one version of the files from another."""
    return tuple(_stamp(path) for path in paths if path)


def _stamp(path: Path | str) -> object:
    try:
        found = os.stat(path)  # noqa: PTH116 - of a string or a path alike
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
