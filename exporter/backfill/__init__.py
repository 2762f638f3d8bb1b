"""History as the exporter would have exported it: OpenMetrics files, or remote write."""

from exporter.backfill.backfill import History, Job, backfill
from exporter.backfill.baselines import candidates_of
from exporter.backfill.bucket_cache import DamageError, ProgressError
from exporter.backfill.openmetrics import PROGRESS_FILE, OpenMetricsFiles
from exporter.backfill.progress import Progress, digest
from exporter.backfill.protocol import AVAILABLE as REMOTE_WRITE_AVAILABLE
from exporter.backfill.protocol import EXTRA, decoded
from exporter.backfill.reader import Source
from exporter.backfill.receiver import Receiver, ReceiverError, Target
from exporter.backfill.remote_write import RemoteWrite
from exporter.backfill.sink import DryRun, LabelError, Sink, checked_labels
from exporter.backfill.span import HEAD, Part, Span, SpanError, format_time, span_of
from exporter.backfill.stored import Stored, query_url

__all__ = [
    "EXTRA",
    "HEAD",
    "PROGRESS_FILE",
    "REMOTE_WRITE_AVAILABLE",
    "DamageError",
    "DryRun",
    "History",
    "Job",
    "LabelError",
    "OpenMetricsFiles",
    "Part",
    "Progress",
    "ProgressError",
    "Receiver",
    "ReceiverError",
    "RemoteWrite",
    "Sink",
    "Source",
    "Span",
    "SpanError",
    "Stored",
    "Target",
    "backfill",
    "candidates_of",
    "checked_labels",
    "decoded",
    "digest",
    "format_time",
    "query_url",
    "span_of",
]
