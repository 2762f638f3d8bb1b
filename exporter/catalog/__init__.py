"""The table of everything that OpenAI reports in buckets, and the words that it is written in."""

from exporter.catalog.calendar import DAY, HOUR, MINUTE, Window, day_of, month_start
from exporter.catalog.plan import WIDTHS, Plan
from exporter.catalog.table import CATALOG, resource
from exporter.catalog.words import (
    QUANTA,
    Answer,
    Branch,
    Bucket,
    Extra,
    Kind,
    Measure,
    Only,
    Resource,
    Row,
    Sheet,
    accrued_name,
    today_name,
    window_name,
)

__all__ = [
    "CATALOG",
    "DAY",
    "HOUR",
    "MINUTE",
    "QUANTA",
    "WIDTHS",
    "Answer",
    "Branch",
    "Bucket",
    "Extra",
    "Kind",
    "Measure",
    "Only",
    "Plan",
    "Resource",
    "Row",
    "Sheet",
    "Window",
    "accrued_name",
    "day_of",
    "month_start",
    "resource",
    "today_name",
    "window_name",
]
