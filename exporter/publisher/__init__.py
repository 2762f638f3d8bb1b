"""From ledgers and the time to what a scrape gets."""

from exporter.publisher.publisher import Publisher

__all__ = ["Publisher"]
