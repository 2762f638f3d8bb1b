"""A bad day of an organization and its exporters, on real sockets: growth, late data, revisions, faults and SIGKILL."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx

from exporter.catalog import DAY, resource
from exporter.simulator import Simulator, keys, serving
from tests.support.exposed import Exposed
from tests.support.processes import Child, exporter, free_port, until
from tests.support.prometheus import Prometheus, scraping
from tests.support.simulation import Json
from tests.support.truth import Truth

HOLD = 6
"""Seconds for which a counter is shown before it rises: six scrapes, for a busy machine."""

SETTINGS = {
    "NEW_COUNTER_HOLD": f"{HOLD}s",
    "POLL__INTERVAL": "1s",
    "POLL__COST_INTERVAL": "1s",
    "API__REQUESTS_PER_MINUTE": "30000",
    "WINDOWS__USAGE_MEASURES": "all",
}
"""How an exporter has to be set so that a day fits into a minute. The windows are for the test to look at."""

FAULTS = (
    {"kind": "rate_limited", "probability": 0.02, "seed": 1, "retry_after": 1},
    {"kind": "bad_gateway", "probability": 0.05, "seed": 2},
    {"kind": "truncated", "probability": 0.05, "seed": 3},
    {"kind": "reset", "probability": 0.02, "seed": 4},
)


LATE_PERCENT = 30
"""Streams in a hundred that are reported later than the others."""

_FOR_EVER = 1e9


@dataclass
class Field:
    """The simulated organization, the exporters of it, and the Prometheus that scrapes them."""

    control: str
    """URL of the simulator's own endpoints."""
    exporter: Child
    others: Sequence[Child]
    """Exporters that share the fate of the first one."""
    prometheus: Prometheus
    random: Random
    prompt: float
    """Seconds after which usage is reported."""
    late: float
    """Seconds that some streams are later still."""
    truth: Truth = field(init=False)
    kills: int = 0
    missed: list[float] = field(default_factory=list)
    """Figures of completions, added up, that were reported while nobody was looking: outage by outage."""

    def __post_init__(self) -> None:
        """Take the truth from where the exporters take their answers."""
        self.truth = Truth(self.control)

    def begin(self) -> None:
        """Let everybody find figures that stand still: their baseline is then known."""
        self.freeze()
        self.truth.begin()
        self._start()
        until(self._all_shown, "every counter shown")
        for fault in FAULTS:
            self._post("faults", fault)
        self.thaw()

    def grow(self, seconds: float, kills: int) -> None:
        """Let usage go on, many times faster than usual, while the exporters die at moments that nobody chose.

        A new project brings series that were not there before.
        """
        self.play("add_project", name=f"project of outage {self.kills}")
        self.play("spike", multiplier=self.random.randint(50, 400))
        self.play("spend_spike", multiplier=self.random.randint(1, 3))
        moments = sorted(self.random.uniform(0, seconds * 0.8) for _ in range(kills))
        began = time.monotonic()
        for moment in moments:
            time.sleep(max(0.0, began + moment - time.monotonic()))
            self.outage(self.random.uniform(1.2, 2.2), revise=self.random.choice((True, False)))
        time.sleep(max(0.0, began + seconds - time.monotonic()))

    def outage(self, seconds: float, *, revise: bool = False) -> None:
        """Kill all exporters, let time pass, maybe revise a closed day up meanwhile, and start them again."""
        before = self._tokens()
        self._kill()
        if revise:
            self.play("revise", name="completions", percent=self.random.randint(1, 9), time=time.time() - DAY)
        time.sleep(seconds)
        self.missed.append(self._tokens() - before)
        self._start()

    def freeze(self) -> None:
        """Let nothing more be reported, while usage goes on."""
        self.play("delay", name="*", seconds=_FOR_EVER, late_percent=LATE_PERCENT, late_seconds=self.late)

    def thaw(self) -> None:
        """Let all be reported that was held back, and go on."""
        self.play("delay", name="*", seconds=self.prompt, late_percent=LATE_PERCENT, late_seconds=self.late)

    def look(self) -> None:
        """Let figures stand still until the exporter has committed and shown all of them: so the maxima are known."""
        self.freeze()
        until(self._all_seen, "everything seen", 60)
        self.truth.look()

    def correct(self) -> None:
        """Revise closed days and the open one up and down, and let costs move to another line item."""
        now = time.time()
        self.play("revise", name="completions", percent=-self.random.randint(5, 30), time=now - DAY)
        self.play("revise", name="completions", percent=-self.random.randint(1, 10))
        self.play("revise", name="embeddings", percent=-self.random.randint(1, 50))
        self.play("revise", name="web_search_calls", percent=self.random.randint(5, 30), time=now - 2 * DAY)
        self.play("revise", name="costs", percent=-self.random.randint(5, 30), time=now - DAY)
        self.play("revise", name="costs", percent=-self.random.randint(1, 3))
        items = sorted({dict(labels)["line_item"] for name, labels in self.truth.most if name == "cost_usd"})
        for source in self.random.sample(items, 2):
            self.play("move_cost", source=source, target=self.random.choice(items), percent=40)

    def correct_unseen(self) -> None:
        """Revise values down while no exporter runs, and add others."""
        self._kill()
        self.correct()
        self.thaw()
        time.sleep(self.random.uniform(0.5, 2))
        self._start()

    def end(self) -> None:
        """Let everything come to rest: no faults, nothing new, no hold."""
        self._request("DELETE", "faults")
        self.look()
        time.sleep(HOLD + 3)

    def play(self, action: str, **parameters: Json) -> None:
        """Change what happens in the organization."""
        self._post(f"scenario/{action}", parameters)

    def faults(self) -> dict[str, int]:
        """Return how often each kind of fault has struck."""
        return {fault["kind"]: fault["hits"] for fault in self._request("GET", "faults").json()}

    def _start(self) -> None:
        for child in (self.exporter, *self.others):
            child.start()
        for child in (self.exporter, *self.others):
            child.wait_until_serving()

    def _kill(self) -> None:
        self.kills += 1
        for child in (self.exporter, *self.others):
            child.kill()

    def _tokens(self) -> float:
        days = self.truth.days([resource("completions")])
        return float(sum(value for figures in days.values() for value in figures.values()))

    def _all_shown(self) -> bool:
        shown = Exposed(self.exporter.get("/metrics").text)
        measures = {name for name, _ in self.truth.week()}
        return all(shown.series(f"openai_accrued_{name}_total") for name in measures)

    def _all_seen(self) -> bool:
        week = self.truth.week()
        shown = Exposed(self.exporter.get("/metrics").text)
        for name in {name for name, _ in week}:
            wanted = {labels: float(value) for (measure, labels), value in week.items() if measure == name}
            seen = shown.series(f"openai_window_{name}", organization="default", window="7d")
            if any(seen.get(labels, 0) != wanted.get(labels, 0) for labels in seen.keys() | wanted):
                return False
        return True

    def _post(self, path: str, content: dict[str, Json]) -> None:
        self._request("POST", path, json=content)

    def _request(self, method: str, path: str, **content: Json) -> httpx.Response:
        answer = httpx.request(method, f"{self.control}/{path}", timeout=30, trust_env=False, **content)
        assert answer.is_success, answer.text
        return answer


@contextmanager
def open_field(
    folder: Path,
    seed: int,
    other_exporters: Sequence[tuple[str, Sequence[str]]] = (),
    *,
    prompt: float = 1.0,
    late: float = 3.0,
) -> Iterator[Field]:
    """Start a field. `other_exporters` are names and commands of other exporters.

    A command is given the base URL, a key and a port as further arguments. Usage is reported after `prompt` seconds,
    some of it another `late` seconds later.
    """
    simulator = Simulator(seed, delays={"*": prompt})
    simulator.scenario.delay("*", prompt, late_percent=LATE_PERCENT, late_seconds=late)
    with ExitStack() as stack:
        base_url = stack.enter_context(serving(simulator))
        control = base_url.replace("/v1", "/simulator")
        child = exporter(stack.enter_context(free_port()), folder, base_url, keys.FULL, **SETTINGS)
        others = []
        for name, command in other_exporters:
            port = stack.enter_context(free_port())
            arguments = [*command, base_url, keys.FULL, str(port)]
            others.append(
                Child(name, port, arguments, environment=os.environ, log=folder / f"{name}.log", ready="/metrics")
            )
        targets = {each.name: each.port for each in (child, *others)}
        prometheus = stack.enter_context(scraping(folder, targets))
        for each in (child, *others):
            stack.callback(each.stop)
        yield Field(control, child, others, prometheus, Random(seed), prompt, late)  # noqa: S311 # a run must be repeatable
