"""Calls of all endpoints: one query for each, so that a disabled endpoint is left out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from exporter.catalog import CATALOG, ApiFamily, Kind
from grafana.dashboards.model import Query
from grafana.dashboards.promql import ORGANIZATION, by, daily_usage, select

USAGE_RESOURCES: Final = "|".join(row.name for row in CATALOG if row.branch is ApiFamily.USAGE)
"""As a regular expression for the label `resource`."""

_LEGENDS: Final = {
    "completions": "language models",
    "decisions": "decision models",
    "audio_speeches": "speech",
    "audio_transcriptions": "transcription",
    "web_search_calls": "web searches",
    "file_search_calls": "file searches",
}
"""By endpoint, where its name says too little."""


def _calls() -> Iterator[tuple[str, str]]:
    for row in CATALOG:
        flows = [each.name for each in row.measures if each.kind is Kind.FLOW and not each.detail]
        requests = [each.name for each in row.measures if each.requests]
        if row.branch is ApiFamily.USAGE and flows:
            yield (requests or flows)[0], _LEGENDS.get(row.name, row.name.replace("_", " "))


CALLS: Final = tuple(_calls())
"""The measure that counts the calls of each endpoint, and its legend."""

MODEL_REQUESTS: Final = "({})".format(
    "|".join(
        row.name
        for row in CATALOG
        if "model" in row.group_by and f"{row.name}_requests" in {each.name for each in row.measures}
    )
)
"""The endpoints of models, as a part of metric names."""


def has(measure: str, dimension: str) -> bool:
    """Return whether a measure is grouped by a dimension by default."""
    return any(dimension in row.group_by for row in CATALOG for each in row.measures if each.name == measure)


def has_windows(measure: str) -> bool:
    """Return whether a measure has a 7-day window by default."""
    return any(each.requests for row in CATALOG for each in row.measures if each.name == measure)


def calls(
    view: Callable[..., str], *, wrap: Callable[[str], str] = str, labels: str = "", names: Sequence[str] = ()
) -> list[Query]:
    """Return a query for each endpoint: the sum of its calls, as day gauge, window gauge or counter.

    `wrap` is applied to the selector; `names` limits the measures.
    """
    return [
        Query(by(labels, wrap(view(measure, model=has(measure, "model")))), legend)
        for measure, legend in CALLS
        if not names or measure in names
    ]


def calls_per_day() -> list[Query]:
    """Return a query for each endpoint: its calls on the day that begins at the evaluated midnight."""
    return [Query(daily_usage("", measure, model=has(measure, "model")), legend) for measure, legend in CALLS]


def read_age(resources: str) -> str:
    """Return the seconds since these resources were last read, of the one where it is longest."""
    metric = select("openai_exporter_last_success_timestamp_seconds", ORGANIZATION, f'resource=~"{resources}"')
    return f"time() - min({metric})"
