"""The table of everything that OpenAI reports in buckets, and the words that it is written in."""

from exporter.catalog.calendar import DAY, HOUR, MINUTE, Window, day_of, month_start
from exporter.catalog.model import (
    QUANTA,
    ApiFamily,
    Bucket,
    ExtraLabel,
    Kind,
    LabelGroup,
    Measure,
    PollResult,
    Resource,
    Row,
    RowFilter,
    accrued_name,
    today_name,
    window_name,
)
from exporter.catalog.query_plan import WIDTHS, Plan
from exporter.catalog.resources import CATALOG, resource

__all__ = [
    "CATALOG",
    "DAY",
    "HOUR",
    "MINUTE",
    "QUANTA",
    "WIDTHS",
    "ApiFamily",
    "Bucket",
    "ExtraLabel",
    "Kind",
    "LabelGroup",
    "Measure",
    "Plan",
    "PollResult",
    "Resource",
    "Row",
    "RowFilter",
    "Window",
    "accrued_name",
    "day_of",
    "month_start",
    "resource",
    "today_name",
    "window_name",
]
