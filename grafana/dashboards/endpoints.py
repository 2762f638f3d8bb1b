"""The endpoints' figures side by side: one query for each, so that what is not used is simply not there."""

from collections.abc import Callable, Sequence
from typing import Final

from exporter.catalog import CATALOG, ApiFamily
from grafana.dashboards.promql import ORGANIZATION, by, daily_usage, select
from grafana.dashboards.vocabulary import Query

USAGE_RESOURCES: Final = "|".join(row.name for row in CATALOG if row.branch is ApiFamily.USAGE)
"""As a regular expression for the label `resource`."""

CALLS: Final = (
    ("completions_requests", "language models"),
    ("decisions_requests", "decision models"),
    ("embeddings_requests", "embeddings"),
    ("moderations_requests", "moderations"),
    ("images_requests", "images"),
    ("audio_speeches_requests", "speech"),
    ("audio_transcriptions_requests", "transcription"),
    ("web_search_calls", "web searches"),
    ("file_search_calls", "file searches"),
    ("code_interpreter_sessions", "code interpreter sessions"),
)
"""The measure of each endpoint that counts how often it was called, and its word in legends."""

MODEL_REQUESTS: Final = "(completions|decisions|embeddings|moderations|images|audio_speeches|audio_transcriptions)"
"""The endpoints that models answer at, as a part of metric names."""


def has(measure: str, dimension: str) -> bool:
    """Tell whether a measure is grouped by a dimension by default."""
    return any(dimension in row.group_by for row in CATALOG for each in row.measures if each.name == measure)


def has_windows(measure: str) -> bool:
    """Tell whether a measure has a 7-day window by default."""
    return any(each.requests for row in CATALOG for each in row.measures if each.name == measure)


def calls(
    face: Callable[..., str], *, wrap: Callable[[str], str] = str, labels: str = "", names: Sequence[str] = ()
) -> list[Query]:
    """Return a query for each endpoint: the sum of its calls in one of the faces of its measure.

    `wrap` is put around the selector; of `names`, if any are given, only those measures are asked.
    """
    return [
        Query(by(labels, wrap(face(measure, model=has(measure, "model")))), word)
        for measure, word in CALLS
        if not names or measure in names
    ]


def calls_per_day() -> list[Query]:
    """Return a query for each endpoint: its calls on the day that begins at the evaluated midnight."""
    return [Query(daily_usage("", measure, model=has(measure, "model")), word) for measure, word in CALLS]


def read_age(resources: str) -> str:
    """Return the seconds since these resources were last read, of the one where it is longest."""
    metric = select("openai_exporter_last_success_timestamp_seconds", ORGANIZATION, f'resource=~"{resources}"')
    return f"time() - min({metric})"
