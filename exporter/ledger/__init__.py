"""The mirror of what OpenAI reports, and the counters that are derived from it."""

from exporter.ledger.book import Book, Changes
from exporter.ledger.columns import EXACT, Column, Mask
from exporter.ledger.coverage import Audit, Coverage
from exporter.ledger.faces import Face
from exporter.ledger.ledger import Applied, Identity, Ledger
from exporter.ledger.release import Release
from exporter.ledger.rows import OTHER, Rows
from exporter.ledger.tally import Cells, Tally

__all__ = [
    "EXACT",
    "OTHER",
    "Applied",
    "Audit",
    "Book",
    "Cells",
    "Changes",
    "Column",
    "Coverage",
    "Face",
    "Identity",
    "Ledger",
    "Mask",
    "Release",
    "Rows",
    "Tally",
]
