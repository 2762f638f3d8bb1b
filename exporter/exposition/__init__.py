"""Exposition: columns of values are encoded to the bytes of a scrape."""

from exporter.exposition.encoder import TEXT_FORMATS, Encoder
from exporter.exposition.families import Column, Family, Type, columns_of, merge, of_measures, of_samples, reference
from exporter.exposition.lines import escape, numbers
from exporter.exposition.self_metrics import SelfMetrics, render
from exporter.exposition.snapshot import (
    Amounts,
    Body,
    Bounds,
    DegradedReason,
    EstimateReport,
    Format,
    ModelUse,
    OrganizationReport,
    Piece,
    ProjectSpend,
    ResourceReport,
    Snapshot,
    Spend,
)

__all__ = [
    "TEXT_FORMATS",
    "Amounts",
    "Body",
    "Bounds",
    "Column",
    "DegradedReason",
    "Encoder",
    "EstimateReport",
    "Family",
    "Format",
    "ModelUse",
    "OrganizationReport",
    "Piece",
    "ProjectSpend",
    "ResourceReport",
    "SelfMetrics",
    "Snapshot",
    "Spend",
    "Type",
    "columns_of",
    "escape",
    "merge",
    "numbers",
    "of_measures",
    "of_samples",
    "reference",
    "render",
]
