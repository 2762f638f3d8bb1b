"""The simulated API on a real socket, with a clock that the test moves."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx
import openai

from exporter.simulator import Policy, Shape, Simulator, keys, serving
from tests.support.clock import ManualClock

Json: TypeAlias = Any
"""What an answer holds, or a parameter may be."""

NOW = 1_795_016_537.0
"""2026-11-18 15:42:17 UTC, a Wednesday."""
TODAY = 1_794_960_000
DAY = 86_400


@dataclass
class Simulation:
    """A running simulator and an HTTP client of it."""

    simulator: Simulator
    clock: ManualClock
    url: str
    http: httpx.Client
    stack: ExitStack
    """Closes what else is opened."""

    def get(self, path: str, *, key: str | None = keys.FULL, **parameters: Json) -> httpx.Response:
        """GET a path under the base URL; lists become bracketed parameters."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        sent = {f"{name}[]" if isinstance(value, list | tuple) else name: value for name, value in parameters.items()}
        return self.http.get(f"{self.url}/{path}", params=sent or None, headers=headers)

    def page(self, path: str, **parameters: Json) -> Json:
        """GET one page under `/organization/` and return its JSON."""
        response = self.get(f"organization/{path}", **parameters)

        assert 200 == response.status_code, response.text
        return response.json()

    def rows(self, path: str, **parameters: Json) -> list[dict[str, Json]]:
        """Return the rows of all buckets of one page, each with the start of its bucket."""
        return [
            {"start_time": bucket["start_time"], **row}
            for bucket in self.page(path, **parameters)["data"]
            for row in bucket["results"]
        ]

    def error(self, path: str, **parameters: Json) -> tuple[int, Json]:
        """Return the status and the error of a request under `/organization/` that fails."""
        response = self.get(f"organization/{path}", **parameters)
        return response.status_code, response.json()["error"]

    def control(self, method: str, path: str, /, **content: Json) -> httpx.Response:
        """Ask one of the simulator's own endpoints."""
        url = self.url.replace("/v1", f"/simulator/{path}")
        return self.http.request(method, url, json=content) if content else self.http.request(method, url)

    def official(self, key: str = keys.FULL) -> openai.OpenAI:
        """Return the official client, pointed here, that tries once."""
        client = openai.OpenAI(admin_api_key=key, base_url=self.url, max_retries=0)
        return self.stack.enter_context(client)


@contextmanager
def simulation(
    *,
    seed: int = 7,
    now: float = NOW,
    shape: Shape | None = None,
    delays: dict[str, float] | None = None,
    policy: Policy | None = None,
) -> Iterator[Simulation]:
    """Serve a simulator on a free port for the length of a block."""
    clock = ManualClock(now)
    simulator = Simulator(seed, clock, shape=shape, delays=delays, policy=policy)
    with serving(simulator) as url, httpx.Client(timeout=30, trust_env=False) as http, ExitStack() as stack:
        yield Simulation(simulator, clock, url, http, stack)
