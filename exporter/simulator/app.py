"""The simulated API as one ASGI application, and a server for it."""

import asyncio
import contextlib
import hashlib
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, fields
from email.utils import formatdate
from itertools import count
from typing import Any, Final
from urllib.parse import unquote

import uvicorn

from exporter.catalog import CATALOG
from exporter.clock import Clock, SystemClock
from exporter.simulator.control import control
from exporter.simulator.faults import UNSUPPORTED, Fault, Faults, alter, rate_limited, replacement
from exporter.simulator.keys import CREDENTIALS, MANAGEMENT, USAGE, Credential, redacted
from exporter.simulator.organization import Shape
from exporter.simulator.policy import Policy, Throttle
from exporter.simulator.request import Request
from exporter.simulator.responses import (
    ApiError,
    Receive,
    Response,
    ResponseSender,
    Scope,
    Send,
    json_response,
    unknown_url,
)
from exporter.simulator.scenario import ALL, Scenario, Tenant

_BUCKETS: Final = {tuple(row.path.split("/")): row for row in CATALOG}
_LOGGED: Final = 100_000
_LEGACY: Final = ("dashboard", "usage", "organizations")
_RATELIMIT_HEADERS: Final = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-reset-requests": "1s",
}


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A line of the request log."""

    time: float
    """Unix seconds by the simulator's clock."""
    method: str
    path: str
    query: str
    key: str
    """The kind of key: `full usage_only management_only ordinary other_organization session unknown none`."""
    status: int
    request_id: str


class Simulator:
    """An OpenAI Admin API with two realistic organizations. An instance is the ASGI application."""

    def __init__(
        self,
        seed: int = 1,
        clock: Clock | None = None,
        *,
        shape: Shape | None = None,
        delays: Mapping[str, float] | None = None,
        policy: Policy | None = None,
    ) -> None:
        """Take the seed of all data, the clock (default: the system clock) and the size of the first organization.

        `delays` are seconds of reporting lag by resource, `*` for all others.
        """
        self._clock = clock or SystemClock()
        self.policy = policy or Policy()
        self.faults = Faults()
        self.requests: deque[LoggedRequest] = deque(maxlen=_LOGGED)
        by_resource = dict(delays or {})
        default = by_resource.pop(ALL, 0.0)
        lags = {row.name: default for row in CATALOG} | by_resource
        shape = shape or Shape()
        shapes = (shape, Shape(activity=shape.activity))
        self.tenants = [Tenant(seed, index, each, lags, self.policy) for index, each in enumerate(shapes)]
        self.scenarios = [Scenario(tenant, self.now) for tenant in self.tenants]
        self._throttles = [Throttle() for _ in self.tenants]
        self._lock = threading.RLock()
        self._sender = ResponseSender()
        self._served = count(1)

    @property
    def scenario(self) -> Scenario:
        """The script of the first organization."""
        return self.scenarios[0]

    def now(self) -> float:
        """Return the simulated Unix time."""
        return self._clock.now()

    def set_policy(self, **switches: Any) -> None:  # noqa: ANN401 -- each switch has its own type
        """Change switches of the policy. Raises ValueError for one that does not exist."""
        known = {field.name for field in fields(Policy)}
        if unknown := set(switches) - known:
            raise ValueError(f"no switch {', '.join(sorted(unknown))}: there are {', '.join(sorted(known))}")
        for name, value in switches.items():
            setattr(self.policy, name, value)

    @property
    def waiting(self) -> int:
        """How many clients are being kept waiting by a fault."""
        return self._sender.waiting

    def release(self) -> None:
        """Disconnect every waiting client, before a server stops."""
        self._sender.release()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI 3)."""
        request = Request(
            scope["method"],
            scope["path"],
            scope["query_string"].decode("ascii", "replace"),
            {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
            await self._sender.body(receive),
            (scope.get("client") or ("",))[0],
        )
        with self._lock:
            response = control(self, request) if request.parts[0] == "simulator" else self.response(request)
        await self._sender.deliver(response, receive, send, bodyless=request.method == "HEAD")

    def response(self, request: Request) -> Response:
        """Return the response to an API request."""
        now = self.now()
        credential = CREDENTIALS.get(request.key)
        faults = self.faults.matching(request.target) if credential else []
        response = self._replacement(faults, now) or self._api_response(request, credential, faults, now)
        request_id = "req_" + hashlib.sha256(f"{next(self._served)} {request.target}".encode()).hexdigest()[:32]
        response.headers |= {
            "x-request-id": request_id,
            "openai-version": "2020-10-01",
            "openai-processing-ms": str(12 + len(response.body) // 4096),
        }
        response.headers.setdefault("date", formatdate(now, usegmt=True))
        if credential and self.policy.organization_header:
            response.headers["openai-organization"] = self.tenants[credential.organization].organization.id
        if self.policy.ratelimit_headers:
            response.headers |= _RATELIMIT_HEADERS
        for fault in faults:
            alter(response, fault, now, gzip_accepted="gzip" in request.headers.get("accept-encoding", ""))
        kind = credential.kind if credential else "unknown" if request.key else "none"
        self.requests.append(
            LoggedRequest(now, request.method, request.path, request.query_string, kind, response.status, request_id)
        )
        return response

    @staticmethod
    def _replacement(faults: list[Fault], now: float) -> Response | None:
        return next((response for fault in faults if (response := replacement(fault, now))), None)

    def _api_response(
        self, request: Request, credential: Credential | None, faults: list[Fault], now: float
    ) -> Response:
        try:
            if credential is None:
                raise _unauthorized(request.key)
            if wait := self._throttles[credential.organization].wait(now, self.policy):
                return rate_limited(Fault("rate_limited", options={"retry_after": wait, "form": "ms"}), now)
            return self._route(request, credential, faults, now)
        except ApiError as error:
            return error.response()

    def _route(self, request: Request, credential: Credential, faults: list[Fault], now: float) -> Response:
        parts = [unquote(part) for part in request.parts]
        if parts[0] == "v1":
            del parts[0]
        elif parts[0] != "dashboard":
            raise unknown_url(request.method, request.path)
        if any(fault.kind == UNSUPPORTED for fault in faults):
            raise unknown_url(request.method, request.path)
        if request.method not in {"GET", "HEAD"}:
            raise ApiError(
                405, f"Not allowed to {request.method} on {request.path}. (HINT: Perhaps you meant to use GET)"
            )
        tenant = self.tenants[credential.organization]
        content = None
        if parts and parts[0] in _LEGACY:
            content = tenant.legacy.content(parts, request, now, credential)
        elif parts and parts[0] == "organization":
            if row := _BUCKETS.get(tuple(parts[1:])):
                self._check_scope(credential, USAGE)
                return tenant.reports.response(row, request.query, now, faults)
            self._check_scope(credential, MANAGEMENT)
            content = tenant.directory.content(parts[1:], request.query, now)
        if content is None:
            raise unknown_url(request.method, request.path)
        return json_response(content)

    def _check_scope(self, credential: Credential, scope: str) -> None:
        if scope not in credential.scopes:
            raise ApiError(
                self.policy.scope_status,
                f"You have insufficient permissions for this operation. Missing scopes: {scope}. Check that you "
                "have the correct role in your organization, and if you're using a restricted API key, that it has the "
                "necessary scopes.",
                kind="server_error",
                plain=self.policy.scope_error == "string",
            )


def _unauthorized(key: str) -> ApiError:
    if not key:
        return ApiError(
            401, "You didn't provide an API key. You need to provide your API key in an Authorization header."
        )
    return ApiError(
        401,
        f"Incorrect API key provided: {redacted(key)}. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    )


PREFIX: Final = "/v1"
"""The path at the end of base URLs."""

REALISTIC_DELAYS: Final = {ALL: 45.0, "costs": 600.0}
"""Reporting lag in seconds of `simulate` and `demo`."""


class _Server(uvicorn.Server):
    """A server that installs no signal handlers, and disconnects waiting clients when it stops."""

    def __init__(self, simulator: Simulator) -> None:
        config = uvicorn.Config(
            simulator,
            interface="asgi3",
            lifespan="off",
            ws="none",
            http="h11",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self._simulator = simulator

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._simulator.release()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> tuple[socket.socket, str]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(256)
    name, bound = listener.getsockname()[:2]
    return listener, f"http://{f'[{name}]' if ':' in name else name}:{bound}{PREFIX}"


@contextlib.asynccontextmanager
async def serve(simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve in the running event loop, and yield the base URL (`http://127.0.0.1:PORT/v1`)."""
    listener, url = _listen(host, port)
    server = _Server(simulator)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield url
    finally:
        server.should_exit = True
        await task


@contextlib.contextmanager
def serving(simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve in a separate thread, and yield the base URL."""
    listener, url = _listen(host, port)
    server = _Server(simulator)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="simulator", daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join()
