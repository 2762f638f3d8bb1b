"""Compares the two tables of endpoints with the types and resources of the installed `openai` package."""

from drift.compare import differences

__all__ = ["differences"]
