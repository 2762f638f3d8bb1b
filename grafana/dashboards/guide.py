"""The first row of every dashboard: what to do when there is no data, and how current the data is."""

from collections.abc import Sequence
from typing import Final

from grafana.dashboards.layout import Row
from grafana.dashboards.model import Size
from grafana.dashboards.panels import PanelBuilder, markdown

LATE: Final = (
    "OpenAI reports usage minutes late and costs hours late, and revises costs for days. Days and months are UTC."
)

_NO_DATA: Final = """\
**No data?**

1. *Data source* above is the Prometheus that scrapes the exporter: `openai_exporter_up` has a series in Explore. If it
   has none, the target is missing or down: see *Status → Targets* of Prometheus.
2. `openai_exporter_up` is 0: the status page of the exporter, at `/`, says why; so does `openai-usage-exporter check`.
3. It is 1, and panels are empty: *Organization*, *Project* and *Model* above select nothing, or the time range ends
   before the first scrape. An empty panel says which setting it needs.
4. Days before the first scrape appear after `openai-usage-exporter backfill`.
"""


def getting_started(*notes: str) -> Row:
    """Return the folded row; the notes are about the dashboard."""
    return Row("Getting started: no data, late data", [_text(notes)], folded=True)


def _text(notes: Sequence[str]) -> PanelBuilder:
    items = "\n".join(f"- {note}" for note in (LATE, *notes))
    return markdown("Getting started", f"{_NO_DATA}\n**How to read the figures**\n\n{items}\n", size=Size(24, 9))
