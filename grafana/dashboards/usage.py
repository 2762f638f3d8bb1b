"""Usage: requests and tokens, by endpoint, model and project; images, audio, tools; keys and users."""

from typing import Final

from grafana.dashboards import identities, media, tokens, variables
from grafana.dashboards.board import Board, Row
from grafana.dashboards.endpoints import (
    CALLS,
    MODEL_REQUESTS,
    USAGE_RESOURCES,
    calls,
    calls_per_day,
    has_windows,
    read_age,
)
from grafana.dashboards.links import PROJECT_OF_SERIES
from grafana.dashboards.panels import PanelBuilder, daily_bars, figure, lines, ranking
from grafana.dashboards.promql import (
    accrued,
    across,
    by,
    by_project,
    growth,
    owned,
    rate_per_minute,
    usage,
    window_usage,
)
from grafana.dashboards.tokens import IN_RANGE, LATE, NOTHING, PER_DAY, batch_share, share
from grafana.dashboards.vocabulary import COUNT, PROJECT_NAME, SECONDS, SHARE, Query, Size, Words

_FRESH: Final = ((None, "green"), (300.0, "orange"), (1800.0, "red"))
_NUMBER: Final = Size(6, 3)


def _now() -> Row:
    def number(title: str, description: str, expression: str, unit: str = COUNT) -> PanelBuilder:
        return figure(Words(title, f"{description} {LATE}", "no usage"), expression, unit=unit, size=_NUMBER)

    week = across(f"openai_window_{MODEL_REQUESTS}_requests", 'window="7d"')
    language = "(completions|decisions|embeddings|moderations)"
    return Row(
        "Now",
        [
            number(
                "Requests today",
                "Requests to models on the current UTC day so far, all endpoints.",
                by("", across(f"openai_{MODEL_REQUESTS}_requests")),
            ),
            number("Requests, 7 days", "Requests to models on seven UTC days, today so far included.", by("", week)),
            number(
                "Input tokens today",
                "Input tokens on the current UTC day so far, cached ones included.",
                by("", across(f"openai_{language}_input_tokens")),
            ),
            number(
                "Output tokens today",
                "Output tokens on the current UTC day so far.",
                by("", across("openai_(completions|decisions)_output_tokens")),
            ),
            number(
                "Cached share",
                f"Input tokens of language models that came from the cache. {IN_RANGE}",
                share(
                    by("", growth(accrued("completions_input_cached_tokens"))),
                    by("", growth(accrued("completions_input_tokens"))),
                ),
                SHARE,
            ),
            number(
                "Batch share",
                "Requests to language models of 7 days that came in batches, which cost half.",
                batch_share(""),
                SHARE,
            ),
            number(
                "Models in use",
                "Models with any request in 7 days.",
                f"count({by('model', week)} > 0)",
            ),
            figure(
                Words(
                    "Usage was read",
                    "Time since usage was last read from OpenAI, of the endpoint where it is longest.",
                    "not read yet",
                ),
                read_age(USAGE_RESOURCES),
                unit=SECONDS,
                size=_NUMBER,
                steps=_FRESH,
            ),
        ],
    )


def _requests() -> Row:
    windowed = [measure for measure, _ in CALLS if has_windows(measure)]
    week = across(f"openai_window_{MODEL_REQUESTS}_requests", 'window="7d"')
    untold = "Endpoints that know no model are shown whichever models are chosen."
    return Row(
        "Requests",
        [
            lines(
                Words("Requests per minute", f"By endpoint, as they were reported. {untold} {LATE}", NOTHING),
                *calls(accrued, wrap=rate_per_minute),
                unit=COUNT,
                size=Size(12, 9),
                interval="5m",
            ),
            daily_bars(
                Words("Requests per day", f"By endpoint. {PER_DAY} {untold} {LATE}", NOTHING),
                *calls_per_day(),
                unit=COUNT,
                size=Size(12, 9),
            ),
            ranking(
                Words("Today by endpoint", f"Calls on the current UTC day so far. {untold} {LATE}", NOTHING),
                *calls(usage),
                unit=COUNT,
                size=Size(8, 9),
            ),
            ranking(
                Words("Last 7 days by endpoint", f"Calls on seven UTC days, today included. {untold} {LATE}", NOTHING),
                *calls(window_usage, names=windowed),
                unit=COUNT,
                size=Size(8, 9),
            ),
            ranking(
                Words("Last 7 days by project", f"Requests to models of the fifteen busiest projects. {LATE}", NOTHING),
                Query(owned(f"topk(15, {by_project(week)})"), PROJECT_NAME),
                unit=COUNT,
                size=Size(8, 9),
                links=[PROJECT_OF_SERIES],
            ),
        ],
    )


def board() -> Board:
    """Return the dashboard."""
    return Board(
        "openai-usage",
        "OpenAI / Usage",
        f"What is used of OpenAI: requests, tokens, images, audio and tools. {LATE}",
        [variables.source(), variables.organization(), variables.project(), variables.model_of_usage()],
        [
            _now(),
            _requests(),
            tokens.language_models(),
            tokens.decisions(),
            media.embeddings_and_moderations(),
            media.images(),
            media.audio(),
            media.tools(),
            identities.who(),
        ],
        since="now-7d",
    )
