"""What is wrong with a key, an organization or the way to the API: each endpoint asked once, each trouble in words."""

from exporter.check.examination import CheckResult, examine
from exporter.check.finding import Finding, Grade
from exporter.check.lookups import Lookup, lookups
from exporter.check.target import CheckTarget

__all__ = ["CheckResult", "CheckTarget", "Finding", "Grade", "Lookup", "examine", "lookups"]
