"""What is wrong with a key, an organization or the way to the API: each endpoint asked once, each trouble in words."""

from exporter.check.examination import Verdict, examine
from exporter.check.finding import Finding, Grade
from exporter.check.lookups import Lookup, lookups
from exporter.check.subject import Subject

__all__ = ["Finding", "Grade", "Lookup", "Subject", "Verdict", "examine", "lookups"]
