"""OpenMetrics, read by the library's strict parser."""

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families


def families_of(text: str) -> list[Metric]:
    """Return the families of an exposition. Raises ValueError for what is not OpenMetrics."""
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def total_at(text: str, name: str, time: int) -> float:
    """Return the sum over the samples of a family at one moment, Unix seconds."""
    return sum(
        (
            sample.value
            for family in families_of(text)
            if family.name == name
            for sample in family.samples
            if sample.timestamp is not None and float(sample.timestamp) == time
        ),
        0.0,
    )
