"""Usage: requests and tokens by endpoint, model and project; images, audio, tools; keys, users and groups."""

from typing import Final

from grafana.dashboards import annotations, identities, media, tokens, variables
from grafana.dashboards.endpoints import (
    CALLS,
    MODEL_REQUESTS,
    USAGE_RESOURCES,
    calls,
    calls_per_day,
    has_windows,
    read_age,
)
from grafana.dashboards.guide import getting_started
from grafana.dashboards.layout import Dashboard, Row
from grafana.dashboards.model import COUNT, PROJECT_NAME, PROJECT_OF_SERIES, SECONDS, SHARE, PanelText, Query, Size
from grafana.dashboards.panels import PanelBuilder, bar_gauge, daily_bars, stat, timeseries
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
from grafana.dashboards.tokens import IN_RANGE, NOTHING, PER_DAY, batch_share, share

_FRESH: Final = ((None, "green"), (300.0, "orange"), (1800.0, "red"))
_NUMBER: Final = Size(6, 3)


def _now() -> Row:
    def number(title: str, description: str, expression: str, unit: str = COUNT) -> PanelBuilder:
        return stat(PanelText(title, f"{description}", "no usage"), expression, unit=unit, size=_NUMBER)

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
                f"Share of the input tokens of language models that were read from the cache. {IN_RANGE}",
                share(
                    by("", growth(accrued("completions_input_cached_tokens"))),
                    by("", growth(accrued("completions_input_tokens"))),
                ),
                SHARE,
            ),
            number(
                "Batch share",
                "Share of the requests to language models of 7 days that were in batches, which cost half.",
                batch_share(""),
                SHARE,
            ),
            number(
                "Models in use",
                "Models with any request in 7 days.",
                f"count({by('model', week)} > 0)",
            ),
            stat(
                PanelText(
                    "Last usage update",
                    "Time since the exporter last read usage, of the endpoint where it is longest.",
                    "not read yet",
                ),
                read_age(USAGE_RESOURCES),
                unit=SECONDS,
                size=_NUMBER,
                thresholds=_FRESH,
            ),
        ],
    )


def _requests() -> Row:
    windowed = [measure for measure, _ in CALLS if has_windows(measure)]
    week = across(f"openai_window_{MODEL_REQUESTS}_requests", 'window="7d"')
    no_model = "Endpoints without models are shown regardless of the selected models."
    return Row(
        "Requests",
        [
            timeseries(
                PanelText("Requests per minute", f"By endpoint, when it was reported. {no_model}", NOTHING),
                *calls(accrued, wrap=rate_per_minute),
                unit=COUNT,
                size=Size(12, 9),
                interval="5m",
            ),
            daily_bars(
                PanelText("Requests per day", f"By endpoint. {PER_DAY} {no_model}", NOTHING),
                *calls_per_day(),
                unit=COUNT,
                size=Size(12, 9),
            ),
            bar_gauge(
                PanelText("Today by endpoint", f"Calls on the current UTC day so far. {no_model}", NOTHING),
                *calls(usage),
                unit=COUNT,
                size=Size(8, 9),
            ),
            bar_gauge(
                PanelText("Last 7 days by endpoint", f"Calls on seven UTC days, today included. {no_model}", NOTHING),
                *calls(window_usage, names=windowed),
                unit=COUNT,
                size=Size(8, 9),
            ),
            bar_gauge(
                PanelText("Last 7 days by project", "Requests to models of the fifteen busiest projects.", NOTHING),
                Query(owned(f"topk(15, {by_project(week)})"), PROJECT_NAME),
                unit=COUNT,
                size=Size(8, 9),
                links=[PROJECT_OF_SERIES],
            ),
        ],
    )


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        "openai-usage",
        "OpenAI / Usage",
        "Requests, tokens, images, audio and tools that OpenAI reports.",
        [variables.source(), variables.organization(), variables.project(), variables.model_of_usage()],
        [
            getting_started(
                "Rates, totals of a time range and bars per day come from counters, which begin with the first scrape.",
            ),
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
        annotations=[annotations.ALERTS, annotations.RESTARTS],
    )
