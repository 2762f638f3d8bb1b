"""Weeks of recording rules in minutes: a real Prometheus evaluates them by range, one after the other.

Samples go in by remote write and results come back by range queries, so the engine, its storage and its staleness are
Prometheus' own. Rules are evaluated for some hours at once instead of minute by minute, in the order in which they read
each other; a rule that reads what a later one records sees it up to as many hours later.
"""

import re
import struct
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray

from tests.support.prometheus import running
from tests.support.promtool import RULES

_TIMESTAMP_BYTES: Final = 6
_STALE: Final = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
_NAME: Final = re.compile(r"\bopenai[:_][a-zA-Z0-9_:]+|\bup\b|\bprocess_start_time_seconds\b")
_FLAGS: Final = (
    "--web.enable-remote-write-receiver",
    "--storage.tsdb.min-block-duration=100d",
    "--storage.tsdb.max-block-duration=100d",
    "--storage.tsdb.retention.time=10y",
    "--query.lookback-delta=5m",
)

Labels = tuple[tuple[str, str], ...]
Values = NDArray[np.float64]
Series = dict[Labels, Values]
Rule = dict[str, Any]


def needed(paths: Iterable[Path], goals: Iterable[str], *, absent: str = "^$") -> list[Rule]:
    """Return the recording rules that some records depend on, in the order of evaluation.

    Records whose names match the pattern `absent` are left out: nothing is stored that they read.
    """
    rules = [
        rule
        for path in paths
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule and not re.search(absent, rule["record"])
    ]
    wanted, reached = set(), list(goals)
    while reached:
        name = reached.pop()
        if name not in wanted:
            wanted.add(name)
            reached += [other for rule in rules if rule["record"] == name for other in _names(rule)]
    return _ordered([rule for rule in rules if rule["record"] in wanted])


def _names(rule: Rule) -> set[str]:
    return set(_NAME.findall(rule["expr"]))


def _ordered(rules: Sequence[Rule]) -> list[Rule]:
    """Return the rules record by record, each behind those that it reads in the same minute."""
    ordered: list[Rule] = []
    rest = list(dict.fromkeys(rule["record"] for rule in rules))
    while rest:
        ready = [
            name for name in rest if not any(_now(rule) & {*rest} - {name} for rule in rules if rule["record"] == name)
        ]
        record = (ready or rest)[0]
        rest.remove(record)
        ordered += [rule for rule in rules if rule["record"] == record]
    return ordered


def _now(rule: Rule) -> set[str]:
    """Return what a rule reads of the same minute: neither its own past nor anything over days."""
    plain = re.sub(r"[\w:]+(?:\{[^}]*\})?(?:\[\d+[dwh](?::\w+)?\])?(?: offset \d+\w)", "", rule["expr"])
    plain = re.sub(r"[\w:]+\[(?:7d|11d|48h|5h)\]", "", plain)
    return set(_NAME.findall(plain))


class RuleReplay:
    """Recording rules and the Prometheus that evaluates them."""

    def __init__(
        self,
        client: httpx.Client,
        rules: Sequence[Rule],
        series: Mapping[tuple[str, Labels], Values],
        *,
        step: int,
        hours: int,
        origin: int = 0,
    ) -> None:
        """`client` asks a Prometheus; `series` are what is scraped: a value every `step` seconds, NaN for none.

        `origin` is the Unix time of the first scrape.
        """
        self._client, self._rules, self._scraped, self._step = client, rules, series, step
        self._origin = origin
        self._size = hours * 3600 // step
        self._last: dict[tuple[int, Labels], bool] = {}

    def run(self, days: float, wanted: Container[str]) -> Iterator[tuple[str, int, Series]]:
        """Evaluate all rules; yield the results of the records `wanted`, with the step at which each piece begins."""
        for first in range(0, int(days * 86400) // self._step, self._size):
            span = slice(first, first + self._size)
            self._write(-1, first, {_key(*key): values[span] for key, values in self._scraped.items()})
            for number, rule in enumerate(self._rules):
                result = self._evaluate(rule, first)
                self._write(number, first, result)
                if rule["record"] in wanted:
                    yield rule["record"], first, result

    def _evaluate(self, rule: Rule, first: int) -> Series:
        start = self._origin + first * self._step
        query = {
            "query": rule["expr"],
            "start": start,
            "end": start + (self._size - 1) * self._step,
            "step": self._step,
        }
        answer = self._client.post("/api/v1/query_range", data=query)
        answer.raise_for_status()
        result: Series = {}
        for series in msgspec.json.decode(answer.content)["data"]["result"]:
            labels = {name: value for name, value in series["metric"].items() if name != "__name__"}
            key = _key(rule["record"], tuple({**labels, **rule.get("labels", {})}.items()))
            pairs = series["values"]
            steps = (np.array([pair[0] for pair in pairs]) - start).astype(np.int64) // self._step
            values = result.setdefault(key, np.full(self._size, np.nan))
            if not np.isnan(values[steps]).all():
                raise ValueError(f"{rule['record']} would record one series twice: {key}")
            values[steps] = [float(pair[1]) for pair in pairs]
        return result

    def _write(self, number: int, first: int, result: Series) -> None:
        before = {key: True for (owner, key), there in self._last.items() if owner == number and there}
        body = bytearray()
        for key in {**result, **before}:
            values = result.get(key, np.full(self._size, np.nan))
            there = ~np.isnan(values)
            ended = ~there & np.concatenate([[key in before], there[:-1]])
            shown = np.where(ended, _STALE, values)
            steps = np.flatnonzero(there | ended)
            body += _field(
                1, _labels(key) + _samples(shown[steps], (self._origin + (first + steps) * self._step) * 1000)
            )
            self._last[number, key] = bool(there[-1])
        if body:
            headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
            answer = self._client.post("/api/v1/write", content=_snappy(bytes(body)), headers=headers)
            answer.raise_for_status()


def timing(alert: str) -> tuple[int, int]:
    """Return for how many minutes an alert has to be true, and for how many it then goes on firing."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    (rule,) = [rule for group in groups for rule in group["rules"] if rule.get("alert") == alert]
    return int(rule["for"].removesuffix("m")), int(rule["keep_firing_for"].removesuffix("m"))


def episodes(minutes: Iterable[int], hold: int, keep: int, *, step: int = 1) -> list[tuple[int, int]]:
    """Return from when to when an alert fires that is true in these minutes, one of `step` evaluated."""
    found: list[tuple[int, int]] = []
    since = last = -2 * step
    for minute in minutes:
        since, last = (since if minute - last <= step else minute), minute
        if found and minute - found[-1][1] <= keep:
            found[-1] = found[-1][0], minute
        elif minute - since >= hold:
            found.append((minute, minute))
    return found


@contextmanager
def replaying(
    folder: Path,
    rules: Sequence[Rule],
    series: Mapping[tuple[str, Labels], Values],
    *,
    step: int = 60,
    hours: int = 4,
    origin: int = 0,
) -> Iterator[RuleReplay]:
    """Run a Prometheus in a folder while the block lasts; it evaluates every `step` seconds, `hours` at once.

    The first scrape is at the Unix time `origin`.
    """
    with (
        running(folder, *_FLAGS) as server,
        httpx.Client(base_url=server.url, timeout=600, trust_env=False) as client,
    ):
        yield RuleReplay(client, rules, series, step=step, hours=hours, origin=origin)


def _key(name: str, labels: Labels) -> Labels:
    return tuple(sorted({"__name__": name, **{label: value for label, value in labels if value}}.items()))


def _labels(key: Labels) -> bytes:
    return b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in key)


def _samples(values: Values, milliseconds: NDArray[np.int64]) -> bytes:
    """Encode samples, all at once: each has a double and a timestamp of six bytes."""
    data = np.zeros((len(values), 18), np.uint8)
    data[:, 0], data[:, 1], data[:, 2], data[:, 11] = 0x12, 16, 0x09, 0x10
    data[:, 3:11] = np.ascontiguousarray(values, "<f8").view(np.uint8).reshape(-1, 8)
    for byte in range(_TIMESTAMP_BYTES):
        more = 0x80 if byte < _TIMESTAMP_BYTES - 1 else 0
        data[:, 12 + byte] = (milliseconds >> (7 * byte)) & 0x7F | more
    return data.tobytes()


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >> 7:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _snappy(content: bytes) -> bytes:
    """Frame content as a snappy block that is one literal."""
    return _varint(len(content)) + b"\xfc" + struct.pack("<I", len(content) - 1) + content
