"""`make bench-exactness`: the increases that a real Prometheus counts from four exporters over a day of faults."""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final

from exporter.catalog import accrued_name, resource
from tests.support.field import Field, open_field
from tests.support.prometheus import Labels, risen
from tests.support.truth import total

PROMPT, LATE = 15.0, 75.0
"""Reporting lag in seconds, and additional seconds for 30 % of the streams."""

NAMES: Final = {
    "exporter": "openai-usage-exporter",
    "once": "asks each closed minute once",
    "first": "keeps the first value seen",
    "deltas": "process-local deltas",
}

Counts = dict[tuple[str, Labels], float]


def main() -> None:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=4, help="of about 45 seconds, each with two kills")
    given = parser.parse_args()
    commands = [
        (strategy, (sys.executable, "-m", "bench.other_exporters", strategy))
        for strategy in NAMES
        if strategy != "exporter"
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        open_field(Path(folder), given.seed, commands, prompt=PROMPT, late=LATE) as field,
    ):
        began = time.monotonic()
        field.begin()
        for number in range(given.rounds):
            field.grow(40, kills=2)
            if number < given.rounds - 1:
                field.look()
                field.correct()
                field.thaw()
        faults = field.faults()
        field.play("quiet")
        time.sleep(PROMPT + LATE + 65)
        field.end()
        print(_table(field))
        print(
            f"\n{time.monotonic() - began:.0f} s, {field.kills} kills; faults: "
            + ", ".join(f"{hits} {kind}" for kind, hits in faults.items())
        )


def _table(field: Field) -> str:
    reported = _reported(field)
    whole = total(field.truth.most, _measures())
    lines = ["| exporter | tokens reported | counted | lost | counted twice |", "| --- | ---: | ---: | ---: | ---: |"]
    for job, name in NAMES.items():
        counted = _counted(field, job)
        keys = reported.keys() | counted.keys()
        lost = sum(max(reported.get(key, 0.0) - counted.get(key, 0.0), 0) for key in keys)
        twice = sum(max(counted.get(key, 0.0) - reported.get(key, 0.0), 0) for key in keys)
        lines.append(
            f"| {name} | {float(whole):,.0f} | {sum(counted.values()):,.0f} "
            f"| {lost / float(whole):.1%} | {twice / float(whole):.1%} |"
        )
    return "\n".join(lines)


def _measures() -> Mapping[str, str]:
    return {
        measure.name: measure.field
        for measure in resource("completions").select(["completions_input_tokens", "completions_output_tokens"])
    }


def _reported(field: Field) -> Counts:
    fields = _measures()
    zero = Fraction(0)
    return {
        (fields[name], labels): float(field.truth.most.get((name, labels), zero))
        for name, labels in field.truth.most
        if name in fields
    }


def _counted(field: Field, job: str) -> Counts:
    if job == "exporter":
        names = {accrued_name(measure): measure.field for measure in resource("completions").select(_measures())}
    else:
        names = {f"other_exporter_{name}_total": name for name in _measures().values()}
    selector = f'{{job="{job}",__name__=~"{"|".join(names)}"}}'
    return {
        (names[name], tuple(pair for pair in labels if pair[0] != "organization")): risen(samples)
        for (name, labels), samples in field.prometheus.samples(selector).items()
    }


if __name__ == "__main__":
    main()
