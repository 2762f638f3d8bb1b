"""Polls one organization: which endpoint when, and what the responses change."""

from exporter.collector.bucket_job import BucketJob, LedgerStore, NoStore
from exporter.collector.client_metrics import ClientMetrics
from exporter.collector.identity import OrganizationChanged
from exporter.collector.metadata import MetadataPlan
from exporter.collector.metadata_families import ALL, MetricDesc
from exporter.collector.names import read_names
from exporter.collector.organization import Organization
from exporter.collector.poller import Job, Poller, Source, Status
from exporter.collector.schedule import Outcome, Schedule

__all__ = [
    "ALL",
    "BucketJob",
    "ClientMetrics",
    "Job",
    "LedgerStore",
    "MetadataPlan",
    "MetricDesc",
    "NoStore",
    "Organization",
    "OrganizationChanged",
    "Outcome",
    "Poller",
    "Schedule",
    "Source",
    "Status",
    "read_names",
]
