"""What happens to a request before the application sees it: length, rate, password."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from exporter.web.app import HEALTHY, READY
from exporter.web.http import Answer, Request, Response, plain_text
from exporter.web.passwords import Credentials, TooManyChecksError
from exporter.web.security import Security

_OPEN: Final = frozenset({HEALTHY, READY})
_CHALLENGE: Final = (("WWW-Authenticate", 'Basic realm="openai-usage-exporter", charset="UTF-8"'),)
_RETRY_SOON: Final = (("Retry-After", "1"),)


class AuthMiddleware:
    """Stands before the application and refuses requests.

    Health and readiness need no password and have no rate limit: probes have none, and they reveal nothing.
    """

    def __init__(self, app: Callable[[Request], Answer], security: Security) -> None:
        self._app = app
        self._security = security

    def __call__(self, request: Request, peer: str) -> Answer:
        """Pass the request of a peer on, or refuse it."""
        if _has_ambiguous_length(request):
            return plain_text(HTTPStatus.BAD_REQUEST, "Both Content-Length and Transfer-Encoding are given.\n")
        if request.path in _OPEN:
            return self._app(request)
        if not self._security.within_rate():
            return plain_text(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests.\n", _RETRY_SOON)
        allowed = self._security.decide(request.header(b"authorization"))
        if isinstance(allowed, Credentials):
            return self._check(request, allowed, peer)
        return self._app(request) if allowed else _unauthorized()

    async def _check(self, request: Request, credentials: Credentials, peer: str) -> Response:
        try:
            right = await self._security.check(credentials, peer)
        except TooManyChecksError:
            text = "Too many passwords are being checked.\n"
            return plain_text(HTTPStatus.SERVICE_UNAVAILABLE, text, _RETRY_SOON)
        answer = self._app(request) if right else _unauthorized()
        return answer if isinstance(answer, Response) else await answer


def _unauthorized() -> Response:
    return plain_text(HTTPStatus.UNAUTHORIZED, "Unauthorized.\n", _CHALLENGE)


def _has_ambiguous_length(request: Request) -> bool:
    """Return whether two lengths are given, which is how requests are smuggled past a proxy."""
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in request.headers}
