"""The status page (placeholder)."""

from html import escape

from exporter.exposition.snapshot import Snapshot

CONTENT_SECURITY_POLICY = "default-src 'none'"


def status_page(snapshot: Snapshot, *, version: str, now: float) -> str:
    """Return the page."""
    return f"<!doctype html><title>openai-usage-exporter</title><h1>openai-usage-exporter {escape(version)}</h1>"
