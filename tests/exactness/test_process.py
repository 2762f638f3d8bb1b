"""Random runs with real processes: what counters show after every change, kill and restart, for two organizations."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from exporter.catalog import CATALOG, DAY, HOUR, MINUTE, day_of
from tests.support.exactness import Labels, MeasureModel, Model
from tests.support.exposed import Exposed
from tests.support.processes import Child, exporter, free_port, until

SEEDS = (11, 12)
STEPS = 8
"""Changes of each run; about every third one is made while the process is dead."""

ORGANIZATIONS = ("east", "west")
"""Both have projects of the same ids."""
PROJECTS = ("proj_1", "proj_2")
LINE_ITEMS = ("input", "output")
CURRENCIES = ("usd", "eur")
CENT = 10**28
COSTS, TOKENS = "cost_usd", "completions_input_tokens"

Key = tuple[str, ...]


@dataclass
class Reported:
    """What one organization's API reports: cents and tokens by bucket and label set."""

    costs: dict[int, dict[Key, int]] = field(default_factory=dict)
    """Labels are project, line item and currency."""
    tokens: dict[int, dict[Key, int]] = field(default_factory=dict)
    """Labels are project and model."""


class Api:
    """An Admin API of two organizations, distinguished by the first segment of the path."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reported = {name: Reported() for name in ORGANIZATIONS}

    def answer(self, path: str) -> dict[str, Any]:
        """Return a page of buckets."""
        address = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        grouped = "group_by[]" in query or "group_by" in query
        organization = address.path.split("/")[1]
        width = {"1m": MINUTE, "1h": HOUR, "1d": DAY}[query["bucket_width"]]
        start = int(query.get("page", query["start_time"])) // width * width
        limit = int(query["limit"])
        now = int(time.time())
        starts = [*range(start, now + 1, width)]
        with self.lock:
            reported = self.reported[organization]
            rows = _cost_rows if address.path.endswith("/costs") else _token_rows
            data = [
                {
                    "object": "bucket",
                    "start_time": at,
                    "end_time": at + width,
                    "results": rows(reported, at, grouped=grouped),
                }
                for at in starts[:limit]
            ]
        following = str(starts[limit]) if len(starts) > limit else None
        return {"object": "page", "data": data, "has_more": following is not None, "next_page": following}


def _cost_rows(reported: Reported, start: int, *, grouped: bool) -> list[dict[str, Any]]:
    rows = reported.costs.get(start, {})
    if not grouped:
        sums = {c: sum(cents for key, cents in rows.items() if key[2] == c) for c in CURRENCIES}
        rows = {("", "", currency): cents for currency, cents in sums.items() if cents}
    return [
        {
            "object": "organization.costs.result",
            "amount": {"value": f"{cents / 100:.2f}", "currency": currency},
            "project_id": project or None,
            "line_item": line_item or None,
        }
        for (project, line_item, currency), cents in rows.items()
    ]


def _token_rows(reported: Reported, start: int, *, grouped: bool) -> list[dict[str, Any]]:
    assert grouped
    return [
        {
            "object": "organization.usage.completions.result",
            "input_tokens": tokens,
            "output_tokens": 0,
            "num_model_requests": 1,
            "project_id": project,
            "model": model,
        }
        for (project, model), tokens in reported.tokens.get(start, {}).items()
    ]


@contextmanager
def serving(api: Api) -> Iterator[str]:
    """Serve the API on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            known = self.path.split("?")[0].endswith(("/organization/costs", "/organization/usage/completions"))
            body = json.dumps(api.answer(self.path) if known else {"error": {"message": "not found"}}).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Run:
    """One exporter of two organizations, what is reported to it, and what its counters must show."""

    def __init__(self, api: Api, child: Child, width: int, random: Random) -> None:
        self.api, self.child, self.width, self.random = api, child, width, random
        self.lookback_days = 6
        self.models = {
            (organization, measure): Model(0, {measure: MeasureModel(promised=measure == TOKENS)})
            for organization in ORGANIZATIONS
            for measure in (COSTS, TOKENS)
        }
        self.alive = False
        self.kills = 0

    def change(self) -> None:
        """Let one of both organizations report something else."""
        random, reported = self.random, self.api.reported[self.random.choice(ORGANIZATIONS)]
        day = day_of(time.time()) - random.randint(0, 4) * DAY
        project, item = random.choice(PROJECTS), random.choice(LINE_ITEMS)
        cents = random.randint(1, 500)
        with self.api.lock:
            match random.choice(("charge", "credit", "move", "currency", "tokens", "tokens", "down")):
                case "charge":
                    _add(reported.costs, day, (project, item, "usd"), cents)
                case "credit":
                    _add(reported.costs, day, (project, item, "usd"), -cents)
                case "move":
                    moved = reported.costs.get(day, {}).pop((project, item, "usd"), 0)
                    _add(reported.costs, day_of(time.time()), (random.choice(PROJECTS), item, "usd"), moved)
                case "currency":
                    moved = reported.costs.get(day, {}).pop((project, item, "usd"), 0)
                    _add(reported.costs, day, (project, item, "eur"), moved)
                case "tokens":
                    _add(reported.tokens, self._bucket(), (project, item), cents)
                case "down":
                    _add(reported.tokens, self._bucket(), (project, item), 0)
                    rows = next(iter(reported.tokens.values()))
                    key = next(iter(rows))
                    rows[key] = rows[key] // 2

    def end(self) -> None:
        """Kill the process; the next one may look back over fewer or more days, so that series leave and return."""
        self.child.kill()
        self.alive = False
        self.kills += 1
        if self.random.random() < 0.6:
            self.lookback_days = 2 if self.lookback_days == 6 else 6
            environment = dict(self.child.environment)
            environment["OPENAI_EXPORTER_POLL__COST_LOOKBACK_DAYS"] = str(self.lookback_days)
            self.child.environment = environment

    def look(self) -> None:
        """Start the process if it is dead, wait until the counters show what they must, and see that they stay."""
        started = not self.alive
        if started:
            self.child.start()
            self.child.wait_until_serving()
            self.alive = True
        now = time.time()
        for (organization, measure), model in [*self.models.items()]:
            current = model.restarted() if started else model
            self.models[organization, measure] = current
            costs = measure == COSTS
            lookback = day_of(now) - (self.lookback_days - 1) * DAY if costs else self._lookback(now)
            current.apply({measure: self._reported(organization, measure, lookback, now)}, lookback, full=True)
            current.publish(now)
        expected = {name: self._expected(*name) for name in self.models}
        until(lambda: self._found() == expected or time.time() > now + 60, "what must be shown", 65)
        assert expected == self._found()
        time.sleep(1.2)
        assert expected == self._found()

    def _reported(
        self, organization: str, measure: str, lookback: int, now: float
    ) -> dict[int, dict[Labels, int | None]]:
        reported = self.api.reported[organization]
        if measure == TOKENS:
            starts = range(lookback, int(now) + 1, self.width)
            return {at: {**reported.tokens.get(at, {})} for at in starts}
        days = range(lookback, int(now) + 1, DAY)
        return {
            day: {key[:2]: cents * CENT for key, cents in reported.costs.get(day, {}).items() if key[2] == "usd"}
            for day in days
        }

    def _expected(self, organization: str, measure: str) -> tuple[dict[Labels, float], float]:
        model = self.models[organization, measure].measures[measure]
        unit = 100 * CENT if measure == COSTS else 1
        shown = {labels: value / unit for labels, value in model.released.items()}
        return shown, sum(model.net(labels) for labels in model.highest) / unit

    def _found(self) -> dict[tuple[str, str], tuple[dict[Labels, float], float]]:
        scraped = Exposed(self.child.get("/metrics").text)
        return {name: self._counters(scraped, *name) for name in self.models}

    def _counters(self, scraped: Exposed, organization: str, measure: str) -> tuple[dict[Labels, float], float]:
        names = ("project_id", "line_item" if measure == COSTS else "model")
        series = scraped.series(f"openai_accrued_{measure}_total", organization=organization)
        shown = {tuple(dict(labels)[name] for name in names): value for labels, value in series.items()}
        excess = scraped.value("openai_exporter_accrued_excess", organization=organization, measure=measure) or 0.0
        return shown, round(sum(shown.values()) - excess, 6)

    def _bucket(self) -> int:
        age = self.random.randint(2 * HOUR, 20 * HOUR)
        return int(time.time() - age) // self.width * self.width

    def _lookback(self, now: float) -> int:
        buckets = 24 * 60 if self.width == MINUTE else 7 * 24
        return (int(now) // self.width + 1 - buckets) * self.width


def _add(amounts: dict[int, dict[Key, int]], start: int, key: Key, amount: int) -> None:
    rows = amounts.setdefault(start, {})
    rows[key] = rows.get(key, 0) + amount


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """Return a run whose exporter has taken its baseline of some costs and tokens."""
    seed: int = request.param
    random = Random(seed)  # noqa: S311 # a run must be repeatable
    width = MINUTE if seed % 2 else HOUR
    api = Api()
    with serving(api) as url, free_port() as port:
        config = tmp_path / "exporter.yml"
        settings: dict[str, dict[str, Any]] = {
            row.name: {"enabled": row.name in ("costs", "completions")} for row in CATALOG
        }
        settings["completions"] |= {
            "bucket_width": "1m" if width == MINUTE else "1h",
            "group_by": ["project_id", "model"],
            "windows": [],
        }
        organizations = [
            {"name": name, "admin_key_env": "KEY", "base_url": f"{url}/{name}/v1"} for name in ORGANIZATIONS
        ]
        config.write_text(
            json.dumps(
                {
                    "resources": settings,
                    "organizations": organizations,
                    "names": {"projects": False},
                    "limits": {"organization": False},
                    "windows": {"costs": []},
                }
            )
        )
        child = exporter(
            port,
            tmp_path,
            url,
            "",
            NEW_COUNTER_HOLD="0",
            POLL__INTERVAL="1s",
            POLL__COST_INTERVAL="1s",
            POLL__COST_LOOKBACK_DAYS="6",
            POLL__REFETCH_DAYS="6",
            API__REQUESTS_PER_MINUTE="30000",
            CONFIG__FILE=str(config),
        )
        environment = dict(child.environment) | {"KEY": "sk-admin-test-of-random-runs-0123456789"}
        environment.pop("OPENAI_ADMIN_KEY")
        environment.pop("OPENAI_EXPORTER_API__BASE_URL")
        child.environment = environment
        made = Run(api, child, width, random)
        for reported in api.reported.values():
            for age in range(5):
                _add(reported.costs, day_of(time.time()) - age * DAY, ("proj_1", "input", "usd"), 1000)
            _add(reported.costs, day_of(time.time()) - 4 * DAY, ("proj_2", "output", "usd"), 700)
            _add(reported.tokens, made._bucket(), ("proj_1", "input"), 5000)
        yield made
        child.stop()


@pytest.mark.slow
@pytest.mark.parametrize("run", SEEDS, indirect=True, ids=str)
def test_counters_and_net_figures_are_exact_after_every_change(run: Run) -> None:
    """Of two organizations with equal ids, through late data, credits, currencies, kills and series that return."""
    run.look()
    for _ in range(STEPS):
        if run.random.random() < 0.35:
            run.end()
        for _ in range(run.random.randint(1, 3)):
            run.change()
        run.look()

    assert run.kills > 0
