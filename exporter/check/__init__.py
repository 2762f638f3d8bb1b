"""Finds out what is wrong with a key, an organization or the network: each endpoint is requested once."""

from exporter.check.examination import CheckResult, examine
from exporter.check.model import CheckTarget, Finding, Grade, Lookup, lookups

__all__ = ["CheckResult", "CheckTarget", "Finding", "Grade", "Lookup", "examine", "lookups"]
