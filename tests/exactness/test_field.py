"""The claim itself, on real sockets: what a real Prometheus has stored adds up to what was reported."""

import re
from pathlib import Path

import pytest

from exporter.catalog import CATALOG, Kind, accrued_name
from tests.support.field import Field, open_field
from tests.support.prometheus import Prometheus, risen
from tests.support.truth import Figures, counters

PAGE = Path(__file__).parents[2] / "docs" / "exactness.md"
MEASURES = tuple(
    measure for resource in CATALOG for measure in resource.select() if measure.kind is Kind.FLOW and not measure.extra
)


@pytest.mark.slow
def test_samples_of_a_real_prometheus_add_up_to_what_was_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Late data, revisions, faults and kills leave no token and no cent uncounted, and count none twice."""
    with open_field(tmp_path, seed=20261120) as field:
        field.begin()
        field.grow(10, kills=2)
        field.look()
        field.correct()
        field.thaw()
        field.grow(7, kills=1)
        field.look()
        field.correct_unseen()
        field.grow(5, kills=1)
        faults = field.faults()
        field.end()
        counted = {
            key: risen(samples)
            for key, samples in field.prometheus.samples(
                '{job="exporter",__name__=~"openai_accrued_.*_total",__name__!~".*_estimated_.*"}'
            ).items()
            if "currency" not in dict(key[1])
        }
        with capsys.disabled():
            print(_table(field, counted))  # noqa: T201 # the figures are what the run is for

        assert 5 == field.kills
        assert all(faults.values())
        assert all(amount > 0 for amount in field.missed)
        most = counters(field.truth.most)
        assert most.keys() == counted.keys()
        assert {} == {
            key: (float(most[key]), value)
            for key, value in counted.items()
            if abs(value - most[key]) > (1e-6 if "_usd_" in key[0] else 0)
        }
        for expression in re.findall(r"```promql\n(.*?)```", PAGE.read_text(), re.DOTALL):
            assert field.prometheus.query(expression), expression
        for measure in MEASURES:
            excess = _excess(field.prometheus, measure.name)
            reported = _sum(field.truth.look(), measure.name)
            counter = field.prometheus.value(f'sum({accrued_name(measure)}{{job="exporter"}})')
            assert abs(counter - excess - reported) <= (1e-6 if "_usd" in measure.name else 0)


def _table(field: Field, counted: dict[tuple[str, tuple[tuple[str, str], ...]], float]) -> str:
    lines = [
        "",
        f"{'measure':36} {'reported':>20} {'counted':>20} {'difference':>11} {'excess':>14} {'increase()':>20}",
    ]
    for measure in MEASURES:
        name = accrued_name(measure)
        reported = _sum(field.truth.most, measure.name)
        total = sum(value for (counter, _), value in counted.items() if counter == name)
        increase = field.prometheus.value(f'sum(increase({name}{{job="exporter"}}[10m]))')
        excess = _excess(field.prometheus, measure.name)
        lines.append(
            f"{measure.name:36} {reported:20.6f} {total:20.6f} {total - reported:11.2g} {excess:14.6f} {increase:20.6f}"
        )
    return "\n".join(lines)


def _excess(prometheus: Prometheus, measure: str) -> float:
    return prometheus.value(f'sum(openai_exporter_accrued_excess{{job="exporter",measure="{measure}"}})')


def _sum(figures: Figures, measure: str) -> float:
    return float(sum(value for (name, _), value in figures.items() if name == measure))
