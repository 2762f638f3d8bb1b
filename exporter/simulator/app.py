"""The simulated API as one ASGI application: who asks, what goes wrong, which endpoint answers."""

import hashlib
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from email.utils import formatdate
from itertools import count
from typing import Any, Final
from urllib.parse import unquote

from exporter.catalog import CATALOG
from exporter.clock import Clock, SystemClock
from exporter.simulator.answers import Answer, ApiError, json_answer, unknown_url
from exporter.simulator.control import control
from exporter.simulator.delivery import Delivering, Receive, Scope, Send
from exporter.simulator.faults import UNSUPPORTED, Fault, Faults, alter, rate_limited, replacement
from exporter.simulator.keys import CREDENTIALS, MANAGEMENT, USAGE, Credential, redacted
from exporter.simulator.organization import Shape
from exporter.simulator.policy import Policy
from exporter.simulator.request import Request
from exporter.simulator.scenario import ALL, Scenario
from exporter.simulator.throttle import Throttle
from exporter.simulator.world import World

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
    """An OpenAI Admin API with two believable organizations behind it. An instance is the ASGI application."""

    def __init__(
        self,
        seed: int = 1,
        clock: Clock | None = None,
        *,
        shape: Shape | None = None,
        delays: Mapping[str, float] | None = None,
        policy: Policy | None = None,
    ) -> None:
        """Take the seed that decides everything, the clock (default: the machine's), the first organization's size.

        `delays` are seconds of reporting lag by resource, `*` for all that are not named.
        """
        self._clock = clock or SystemClock()
        self.policy = policy or Policy()
        self.faults = Faults()
        self.requests: deque[LoggedRequest] = deque(maxlen=_LOGGED)
        given = dict(delays or {})
        everywhere = given.pop(ALL, 0.0)
        lags = {row.name: everywhere for row in CATALOG} | given
        shape = shape or Shape()
        shapes = (shape, Shape(activity=shape.activity))
        self.worlds = [World(seed, index, each, lags, self.policy) for index, each in enumerate(shapes)]
        self.scenarios = [Scenario(world, self.now) for world in self.worlds]
        self._throttles = [Throttle() for _ in self.worlds]
        self._lock = threading.RLock()
        self._delivering = Delivering()
        self._served = count(1)

    @property
    def scenario(self) -> Scenario:
        """The script of the first organization."""
        return self.scenarios[0]

    def now(self) -> float:
        """Return the Unix time that the simulator goes by."""
        return self._clock.now()

    def set_policy(self, **switches: Any) -> None:  # noqa: ANN401 -- each switch has its own type
        """Change switches of the policy. Raises ValueError for one that does not exist."""
        known = {field.name for field in fields(Policy)}
        if unknown := set(switches) - known:
            raise ValueError(f"no switch {', '.join(sorted(unknown))}: there are {', '.join(sorted(known))}")
        for name, value in switches.items():
            setattr(self.policy, name, value)

    def release(self) -> None:
        """Let go of every client that is being kept waiting: before a server stops."""
        self._delivering.release()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI 3)."""
        call = Request(
            scope["method"],
            scope["path"],
            scope["query_string"].decode("ascii", "replace"),
            {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
            await self._delivering.body(receive),
            (scope.get("client") or ("",))[0],
        )
        with self._lock:
            answer = control(self, call) if call.parts[0] == "simulator" else self.answer(call)
        await self._delivering.deliver(answer, receive, send, bodyless=call.method == "HEAD")

    def answer(self, call: Request) -> Answer:
        """Return the response to a request for the API."""
        now = self.now()
        credential = CREDENTIALS.get(call.key)
        faults = self.faults.striking(call.target) if credential else []
        answer = self._replaced(faults, now) or self._real(call, credential, faults, now)
        request_id = "req_" + hashlib.sha256(f"{next(self._served)} {call.target}".encode()).hexdigest()[:32]
        answer.headers |= {
            "x-request-id": request_id,
            "openai-version": "2020-10-01",
            "openai-processing-ms": str(12 + len(answer.body) // 4096),
        }
        answer.headers.setdefault("date", formatdate(now, usegmt=True))
        if credential and self.policy.organization_header:
            answer.headers["openai-organization"] = self.worlds[credential.organization].organization.id
        if self.policy.ratelimit_headers:
            answer.headers |= _RATELIMIT_HEADERS
        for fault in faults:
            alter(answer, fault, now, gzip_accepted="gzip" in call.headers.get("accept-encoding", ""))
        kind = credential.kind if credential else "unknown" if call.key else "none"
        self.requests.append(
            LoggedRequest(now, call.method, call.path, call.query_string, kind, answer.status, request_id)
        )
        return answer

    @staticmethod
    def _replaced(faults: list[Fault], now: float) -> Answer | None:
        return next((answer for fault in faults if (answer := replacement(fault, now))), None)

    def _real(self, call: Request, credential: Credential | None, faults: list[Fault], now: float) -> Answer:
        try:
            if credential is None:
                raise _unauthorized(call.key)
            if wait := self._throttles[credential.organization].wait(now, self.policy):
                return rate_limited(Fault("rate_limited", options={"retry_after": wait, "form": "ms"}), now)
            return self._routed(call, credential, faults, now)
        except ApiError as error:
            return error.answer()

    def _routed(self, call: Request, credential: Credential, faults: list[Fault], now: float) -> Answer:
        parts = [unquote(part) for part in call.parts]
        if parts[0] == "v1":
            del parts[0]
        elif parts[0] != "dashboard":
            raise unknown_url(call.method, call.path)
        if any(fault.kind == UNSUPPORTED for fault in faults):
            raise unknown_url(call.method, call.path)
        if call.method not in {"GET", "HEAD"}:
            raise ApiError(405, f"Not allowed to {call.method} on {call.path}. (HINT: Perhaps you meant to use GET)")
        world = self.worlds[credential.organization]
        content = None
        if parts and parts[0] in _LEGACY:
            content = world.legacy.content(parts, call, now, credential)
        elif parts and parts[0] == "organization":
            if row := _BUCKETS.get(tuple(parts[1:])):
                self._check_scope(credential, USAGE)
                return world.reports.answer(row, call.query, now, faults)
            self._check_scope(credential, MANAGEMENT)
            content = world.directory.content(parts[1:], call.query, now)
        if content is None:
            raise unknown_url(call.method, call.path)
        return json_answer(content)

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
