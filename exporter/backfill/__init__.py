"""History as OpenMetrics, for `promtool tsdb create-blocks-from openmetrics`."""

from exporter.backfill.backfill import Source, Summary, backfill
from exporter.backfill.openmetrics import LabelError, Writer, checked_labels
from exporter.backfill.output import output_to, partial_of
from exporter.backfill.span import Span, SpanError, span_of

__all__ = [
    "LabelError",
    "Source",
    "Span",
    "SpanError",
    "Summary",
    "Writer",
    "backfill",
    "checked_labels",
    "output_to",
    "partial_of",
    "span_of",
]
