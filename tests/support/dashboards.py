"""The files of the dashboards as tests read them: panels, targets, variables, and queries with variables replaced."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[2] / "grafana"
ALL: Final = ".*"
"""The value of All."""

_SPECIAL: Final = re.compile(r"[$^*{}\[\]'+?.()|]")
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::[^}]+)?\}|\$([A-Za-z_]\w*)")
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Target:
    """One query of one panel."""

    uid: str
    panel: str
    ref: str
    expr: str
    instant: bool
    legend: str
    interval: float
    """The minimum step, seconds."""
    kind: str
    """The panel's type."""

    @property
    def key(self) -> str:
        """The name of the query in a failure message."""
        return f"{self.uid} / {self.panel} / {self.ref}"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable at the top of a dashboard."""

    name: str
    kind: str
    query: str
    regex: str
    json: dict[str, Any] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One file."""

    uid: str
    json: dict[str, Any]

    @property
    def panels(self) -> list[dict[str, Any]]:
        """Every panel with queries, including those of folded rows."""
        return [panel for panel in self.everything if panel["type"] not in {"row", "text"}]

    @property
    def everything(self) -> list[dict[str, Any]]:
        """Every panel and every row."""
        return [inner for panel in self.json["panels"] for inner in (panel, *panel.get("panels", []))]

    @property
    def targets(self) -> list[Target]:
        """Every query of every panel."""
        return [_target(self.uid, panel, target) for panel in self.panels for target in panel["targets"]]

    @property
    def annotations(self) -> list[dict[str, Any]]:
        """Every annotation."""
        found: list[dict[str, Any]] = self.json["annotations"]["list"]
        return found

    @property
    def variables(self) -> list[Variable]:
        """Every variable."""
        return [_variable(each) for each in self.json["templating"]["list"]]

    def target(self, panel: str, ref: str = "A") -> Target:
        """Return the query of a panel by the panel's title. Raises StopIteration."""
        return next(target for target in self.targets if (target.panel, target.ref) == (panel, ref))


def dashboards() -> list[Dashboard]:
    """Return what is in the folder."""
    files = (json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json")))
    return [Dashboard(file["uid"], file) for file in files]


def dashboard(uid: str) -> Dashboard:
    """Return one by its uid. Raises StopIteration."""
    return next(board for board in dashboards() if board.uid == uid)


def every_target() -> Iterator[Target]:
    """Yield the queries of all panels of all dashboards."""
    for board in dashboards():
        yield from board.targets


@dataclass(frozen=True, slots=True)
class QueryContext:
    """What Grafana replaces in a query: variables, the time range, the steps."""

    choices: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Values by variable; a missing one is All."""
    span: float = 7 * 86400
    """Seconds of the time range."""
    scrape: float = 60
    """The scrape interval of the data source, seconds."""
    points: int = 1000
    """Maximum data points of the panel."""

    def step(self, least: float = 0) -> float:
        """Return the seconds between two points of a range query, as Grafana rounds them."""
        return max(_round(self.span / self.points), least, self.scrape)

    def fill(self, expr: str, least: float = 0) -> str:
        """Return the query that is sent; `least` is the panel's minimum step in seconds."""
        step = self.step(least)
        rates = max(step + self.scrape, 4 * self.scrape)
        known = {
            "__rate_interval": f"{round(rates)}s",
            "__interval": f"{round(step)}s",
            "__range": f"{round(self.span)}s",
        }

        def chosen(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if name in known:
                return known[name]
            return _regex(self.choices.get(name, ALL))

        return _VARIABLE.sub(chosen, expr)


def seconds(duration: str) -> float:
    """Return the seconds of a duration such as `1d`; 0 for none."""
    match = re.fullmatch(r"(\d+)(ms|[smhd])", duration) if duration else None
    return int(match[1]) * _UNITS[match[2]] if match else 0


def _regex(chosen: str | tuple[str, ...]) -> str:
    if isinstance(chosen, tuple):
        values = [_escape(value) for value in chosen]
        return values[0] if len(values) == 1 else f"({'|'.join(values)})"
    return chosen if chosen == ALL else _escape(chosen)


def _escape(value: str) -> str:
    escaped = value.replace("\\", "\\\\\\\\").replace('"', '\\"')
    return _SPECIAL.sub(lambda match: "\\\\" + match[0], escaped)


def _round(interval: float) -> float:
    for step in (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400):
        if interval <= step:
            return step
    return 604800


def _target(uid: str, panel: dict[str, Any], target: dict[str, Any]) -> Target:
    return Target(
        uid,
        panel["title"],
        target["refId"],
        target["expr"],
        target["instant"],
        target["legendFormat"],
        max(seconds(panel.get("interval", "")), seconds(target.get("interval", ""))),
        panel["type"],
    )


def _variable(variable: dict[str, Any]) -> Variable:
    query = variable["query"]
    text = query["query"] if isinstance(query, dict) else query
    return Variable(variable["name"], variable["type"], text, variable.get("regex", ""), variable)
