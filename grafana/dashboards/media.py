"""Usage beyond language models: embeddings and moderations, images, audio, tools, stored bytes."""

from typing import Final

from grafana.dashboards.layout import Row
from grafana.dashboards.model import (
    BYTES,
    COUNT,
    HOURS,
    PROJECT_NAME,
    PROJECT_OF_SERIES,
    Column,
    PanelText,
    Query,
    Size,
    TableSpec,
)
from grafana.dashboards.panels import PanelBuilder, daily_bars, stat, table, timeseries
from grafana.dashboards.promql import by, by_project, daily_usage, latest, named_daily, owned, usage, window_usage
from grafana.dashboards.tokens import NOTHING, PER_DAY

_NONE: Final = "none today"


def _per_day(title: str, description: str, measure: str, label: str, size: Size) -> PanelBuilder:
    return daily_bars(
        PanelText(title, f"{description} {PER_DAY}", NOTHING),
        Query(daily_usage(label, measure), f"{{{{{label}}}}}"),
        unit=COUNT,
        size=size,
    )


def _projects_per_day(title: str, description: str, measure: str, size: Size) -> PanelBuilder:
    return daily_bars(
        PanelText(title, f"{description} {PER_DAY}", NOTHING),
        Query(owned(named_daily(daily_usage("organization, project_id", measure, model=False))), PROJECT_NAME),
        unit=COUNT,
        size=size,
        links=[PROJECT_OF_SERIES],
    )


def _today(title: str, size: Size, **measures: str) -> PanelBuilder:
    """Return numbers of today; the names of the arguments are the legends of the measures."""
    return stat(
        PanelText(title, "The current UTC day so far.", _NONE),
        *(Query(by("", usage(measure)), legend.replace("_", " ")) for legend, measure in measures.items()),
        unit=COUNT,
        size=size,
    )


def embeddings_and_moderations() -> Row:
    """Return the row of embedding and moderation models."""
    size = Size(9, 8)
    return Row(
        "Embeddings and moderations",
        [
            _today(
                "Embeddings today",
                Size(6, 8),
                input_tokens="embeddings_input_tokens",
                requests="embeddings_requests",
            ),
            _per_day("Embedding tokens per day", "By model.", "embeddings_input_tokens", "model", size),
            _per_day("Embedding requests per day", "By model.", "embeddings_requests", "model", size),
            _today(
                "Moderations today",
                Size(6, 8),
                input_tokens="moderations_input_tokens",
                requests="moderations_requests",
            ),
            _per_day("Moderation tokens per day", "By model.", "moderations_input_tokens", "model", size),
            _per_day("Moderation requests per day", "By model.", "moderations_requests", "model", size),
        ],
        folded=True,
    )


def images() -> Row:
    """Return the row of images."""
    return Row(
        "Images",
        [
            _today("Images today", Size(4, 8), images="images_processed", requests="images_requests"),
            _per_day(
                "Images per day by model", "Generated, edited or varied.", "images_processed", "model", Size(7, 8)
            ),
            _per_day("Images per day by size", "Generated, edited or varied.", "images_processed", "size", Size(7, 8)),
            _per_day(
                "Images per day by source", "Which call they came from.", "images_processed", "source", Size(6, 8)
            ),
        ],
        folded=True,
    )


def audio() -> Row:
    """Return the row of speech and transcription."""
    return Row(
        "Audio",
        [
            _today(
                "Speech today",
                Size(6, 8),
                characters="audio_speeches_characters",
                requests="audio_speeches_requests",
            ),
            _per_day(
                "Speech characters per day",
                "Text turned into speech.",
                "audio_speeches_characters",
                "model",
                Size(9, 8),
            ),
            _per_day("Speech requests per day", "By model.", "audio_speeches_requests", "model", Size(9, 8)),
            stat(
                PanelText("Transcribed", "Hours of audio on the current UTC day so far.", _NONE),
                f"{by('', usage('audio_transcriptions_seconds'))} / 3600",
                unit=HOURS,
                size=Size(3, 8),
            ),
            _today("Requests", Size(3, 8), requests="audio_transcriptions_requests"),
            daily_bars(
                PanelText("Audio transcribed per day", f"Hours of audio, by model. {PER_DAY}", NOTHING),
                Query(f"({daily_usage('model', 'audio_transcriptions_seconds')}) / 3600", "{{model}}"),
                unit=HOURS,
                size=Size(9, 8),
            ),
            _per_day(
                "Transcription requests per day", "By model.", "audio_transcriptions_requests", "model", Size(9, 8)
            ),
        ],
        folded=True,
    )


def tools() -> Row:
    """Return the row of searches, the code interpreter and vector stores."""
    return Row(
        "Tools: searches, code interpreter, vector stores",
        [
            _today(
                "Web searches today",
                Size(6, 8),
                searches="web_search_calls",
                model_requests_that_searched="web_search_calls_model_requests",
            ),
            _per_day(
                "Web searches per day", "By the amount of context.", "web_search_calls", "context_level", Size(9, 8)
            ),
            _per_day(
                "Requests that searched the web per day",
                "Model requests, by model.",
                "web_search_calls_model_requests",
                "model",
                Size(9, 8),
            ),
            table(
                PanelText("Models that searched the web", "Requests of 7 days by model.", NOTHING),
                TableSpec(
                    {"model": "Model"},
                    [Column("Last 7 days", by("model", window_usage("web_search_calls_model_requests")), COUNT)],
                    sort="Last 7 days",
                ),
                size=Size(6, 8),
            ),
            _projects_per_day("File searches per day", "By project.", "file_search_calls", Size(9, 8)),
            _projects_per_day(
                "Code interpreter sessions per day", "By project.", "code_interpreter_sessions", Size(9, 8)
            ),
            timeseries(
                PanelText(
                    "Stored in vector stores",
                    "Bytes by project, as of the most recent day that OpenAI reports: a level, not a sum over days.",
                    NOTHING,
                ),
                Query(owned(by_project(latest(usage("vector_stores_usage_bytes", model=False)))), PROJECT_NAME),
                unit=BYTES,
                size=Size(24, 8),
                interval="1h",
                stacked=True,
                links=[PROJECT_OF_SERIES],
            ),
        ],
        folded=True,
    )
