"""The exporter's own metrics, as they end an exposition."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporter.exposition.snapshot import Format


def render(registry: CollectorRegistry, format_: Format) -> bytes:
    """Return the metrics of a registry as of now; for OpenMetrics `# EOF` stands at the end."""
    if format_ is Format.OPENMETRICS:
        text: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]
        return text
    return generate_latest(registry)
