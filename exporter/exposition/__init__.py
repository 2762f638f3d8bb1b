"""From columns of values to the bytes that a scrape gets."""

from exporter.exposition.encode import Encoder
from exporter.exposition.families import Column, Family, Type, columns_of, merge, of_measures, of_samples, reference
from exporter.exposition.snapshot import Body, Format, ModelUse, OrganizationReport, ResourceReport, Snapshot, Spend
from exporter.exposition.tail import Tail, render

__all__ = [
    "Body",
    "Column",
    "Encoder",
    "Family",
    "Format",
    "ModelUse",
    "OrganizationReport",
    "ResourceReport",
    "Snapshot",
    "Spend",
    "Tail",
    "Type",
    "columns_of",
    "merge",
    "of_measures",
    "of_samples",
    "reference",
    "render",
]
