"""OpenMetrics, read by the library's strict parser."""

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families


def families_of(text: str) -> list[Metric]:
    """Return the families of an exposition. Raises ValueError for what is not OpenMetrics."""
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def total_at(text: str, name: str, time: int) -> float:
    """Return the sum over the samples of a gauge's family at one moment, Unix seconds."""
    wanted = (f"# HELP {name} ", f"# TYPE {name} ", f"{name}{{")
    lines = [line for line in text.splitlines(keepends=True) if line.startswith(wanted)]
    (family,) = families_of("".join(line for line in lines if line[0] == "#" or f" {time}" in line) + "# EOF\n")
    at_time = (sample for sample in family.samples if sample.timestamp is not None and float(sample.timestamp) == time)
    return sum((sample.value for sample in at_time), 0.0)
