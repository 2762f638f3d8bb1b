"""What the bundled rules make of given series, told by the real promtool."""

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import yaml

ROOT: Final = Path(__file__).parents[2]
RULES: Final = tuple(sorted((ROOT / "deploy/prometheus/rules").glob("*.yml")))

_ORDER: Final = (
    *("thresholds", "usage", "spend", "spend-month", "budgets", "exporter", "flow", "owners", "spend-day"),
    *("calendar", "established", "requests", "tokens", "moderations", "estimated-cost-usd", "spend-causes"),
    *("spike-alerts", "budget-alerts", "quota-alerts", "exporter-alerts"),
)
"""Groups from what is read to what reads it: Prometheus gets there within a few intervals, promtool in one."""

_SELDOM: Final = 5
"""Steps of a watch from one look at the words to the next."""

Labels = Mapping[str, str]
Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a query's result."""

    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Watched:
    """What alerts did over some days."""

    fired: dict[tuple[str, ...], list[int]]
    """By name, severity and the other labels' values: the times (seconds) at the ends of steps in which they fired."""
    said: dict[tuple[str, str], dict[str, str]]
    """By name and organization: the last annotations."""

    @property
    def texts(self) -> list[str]:
        """All annotations."""
        return [text for annotations in self.said.values() for text in annotations.values()]


def alert_names(rules: Iterable[str | Path]) -> list[str]:
    """Return the names of the alerts of some rule files, each once."""
    groups = (group for path in rules for group in yaml.safe_load(Path(path).read_text())["groups"])
    return list(dict.fromkeys(rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule))


def unclear(texts: Iterable[str]) -> list[str]:
    """Return the annotations whose templates failed or lack a figure."""
    return [text for text in texts if re.search(r"<error|%!|<no value>|map\[|  |of  ", text)]


class Replay:
    """Series from Unix time 0 (a Thursday, the first of a month) on, and the rules that watch them."""

    def __init__(self, folder: Path, *, step: str = "5m", rules: Iterable[Path] = RULES) -> None:
        """`folder` is for promtool's input; `step` is the scrape and evaluation interval."""
        self._folder, self._step, self._rules = folder, step, [str(path) for path in rules]
        self._series: dict[str, str] = {}

    def add(self, name: str, labels: Labels, values: Values) -> None:
        """Add a series; None is a scrape that did not have it."""
        text = ",".join(f"{label}={_quoted(value)}" for label, value in labels.items())
        self._series[f"{name}{{{text}}}"] = _notation(values)

    def query(self, expression: str, times: Iterable[int]) -> list[list[Sample]]:
        """Return the result of an instant query at each of these times (seconds), which must be increasing."""
        moments = list(times)
        return _results(self._run({"promql_expr_test": _tests(expression, moments)}), len(moments))

    def firing(self, *times: int) -> set[tuple[str, ...]]:
        """Return the alerts that fire at any of these times: name, severity, then the other labels' values."""
        results = self.query('ALERTS{alertstate="firing"}', times)
        return {_told(sample.labels) for result in results for sample in result}

    def watch(self, start: int, end: int, *, every: int = 1800, words: bool = True) -> Watched:
        """Return the alerts that fired between two times (seconds), in steps of `every` seconds, and their `words`."""
        times = range(start + every, end + 1, every)
        expression = f'max_over_time(ALERTS{{alertstate="firing"}}[{every - 1}s])'
        names = alert_names(self._rules) if words else ()
        alerts = [{"alertname": alert, "eval_time": f"{at}s"} for at in times[::_SELDOM] for alert in names]
        output = self._run({"promql_expr_test": _tests(expression, times), "alert_rule_test": alerts})
        fired: dict[tuple[str, ...], list[int]] = {}
        for at, result in zip(times, _results(output, len(times)), strict=True):
            for alert in {_told(sample.labels) for sample in result}:
                fired.setdefault(alert, []).append(at)
        said = {
            (dict(_LABEL.findall(labels))["alertname"], dict(_LABEL.findall(labels))["organization"]): dict(
                _LABEL.findall(annotations)
            )
            for labels, annotations in _SAID.findall(output)
            if 'organization="' in labels
        }
        return Watched(fired, said)

    def annotations(self, alert: str, at: int) -> dict[str, str]:
        """Return the annotations of an alert that fires once at a time (seconds)."""
        output = self._run({"alert_rule_test": [{"alertname": alert, "eval_time": f"{at}s"}]})
        ((_, annotations),) = _SAID.findall(output)
        return {name: value.encode().decode("unicode_escape") for name, value in _LABEL.findall(annotations)}

    def _run(self, tests: Mapping[str, object]) -> str:
        path = self._folder / "test.yml"
        document = {
            "rule_files": self._rules,
            "evaluation_interval": self._step,
            "group_eval_order": [f"openai-{group}" for group in _ORDER],
            "tests": [
                {
                    "interval": self._step,
                    "input_series": [{"series": name, "values": values} for name, values in self._series.items()],
                    **tests,
                }
            ],
        }
        path.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper, width=10**9))
        run = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False)
        return run.stdout + run.stderr


_GOT: Final = re.compile(r"^\s*got: (.*)$", re.MULTILINE)
_SAID: Final = re.compile(r"^\s*Labels:\{(.*)\}\n\s*Annotations:\{(.*)\},?$", re.MULTILINE)
_SAMPLE: Final = re.compile(r"\{((?:[^}\"]|\"(?:\\.|[^\"])*\")*)\} ([-+\w.]+)")
_LABEL: Final = re.compile(r"(\w+)=\"((?:\\.|[^\"])*)\"")
_HIDDEN: Final = {"__name__", "alertname", "alertstate", "severity"}


def _tests(expression: str, times: Iterable[int]) -> list[dict[str, str]]:
    return [{"expr": f"({expression}) or on () vector(-1e99)", "eval_time": f"{at}s"} for at in times]


def _results(output: str, count: int) -> list[list[Sample]]:
    found = [[sample for sample in _samples(got) if sample.labels] for got in _GOT.findall(output)]
    if len(found) != count:
        raise AssertionError(f"promtool answered {len(found)} of {count} times:\n{output[:4000]}")
    return found


def _samples(got: str) -> list[Sample]:
    return [Sample(dict(_LABEL.findall(labels)), float(value)) for labels, value in _SAMPLE.findall(got)]


def _told(labels: Labels) -> tuple[str, ...]:
    others = (value for name, value in sorted(labels.items()) if name not in _HIDDEN)
    return (labels["alertname"], labels["severity"], *others)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _notation(values: Values) -> str:
    """Write values as promtool wants them: runs in short, and a staleness marker where a series ends."""
    words = ["_" if value is None else f"{value:.12g}" for value in values]
    for place in range(1, len(words)):
        if words[place] == "_" and words[place - 1] not in {"_", "stale"}:
            words[place] = "stale"
    return " ".join(_run_of(text, len(list(run))) for text, run in groupby(words))


def _run_of(text: str, count: int) -> str:
    if text == "_":
        return f"_x{count}"
    return text if count == 1 else f"{text}x{count - 1}"
