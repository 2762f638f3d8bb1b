"""An exporter process of completions alone, whose figures grow by the second, and what its state is like."""

from pathlib import Path

from exporter.catalog import CATALOG
from tests.support.exposed import Exposed
from tests.support.processes import Child

SETTINGS = {
    "NEW_COUNTER_HOLD": "0",
    "POLL__INTERVAL": "1s",
    "POLL__COST_INTERVAL": "1s",
    "API__REQUESTS_PER_MINUTE": "30000",
} | {f"RESOURCES__{row.name.upper()}__ENABLED": "false" for row in CATALOG if row.name != "completions"}
TOKENS = "openai_completions_input_tokens"
ACCRUED = "openai_accrued_completions_input_tokens_total"
WRITABLE = "openai_exporter_state_writable"


def path_of(child: Child) -> Path:
    """Return where the exporter keeps its state."""
    return Path(child.environment["OPENAI_EXPORTER_STATE__PATH"])


def metrics(child: Child) -> Exposed:
    """Return what a scrape gets."""
    return Exposed(child.get("/metrics").text)
