"""Tokens of language models and of decision models: by kind, model and project; cached and batch shares."""

from typing import Final

from grafana.dashboards.layout import Row
from grafana.dashboards.model import COUNT, PROJECT_OF_ROW, SHARE, Column, PanelText, Query, Size, TableSpec
from grafana.dashboards.panels import PanelBuilder, daily_bars, table, timeseries
from grafana.dashboards.promql import accrued, by, daily_usage, growth, named, rate_per_minute, usage, window_usage

IN_RANGE: Final = (
    "What OpenAI reported during the time range of the dashboard, since the exporter was installed; downward revisions "
    "are not subtracted."
)
PER_DAY: Final = (
    "What OpenAI reported on each UTC day since the exporter was installed; earlier days if they were backfilled."
)
NOTHING: Final = "nothing reported, or not enabled"

_RATES: Final = "5m"
_SHARES: Final = "1h"


def share(part: str, whole: str) -> str:
    """Return a share; nothing where the whole is 0."""
    return f"{part} / ({whole} > 0)"


def batch_share(labels: str) -> str:
    """Return the share of the requests of 7 days that were in batches; nothing without the label `batch`."""

    def week(batch: str) -> str:
        return by(labels, window_usage("completions_requests", f'batch=~"{batch}"'))

    return share(f"({week('true')} or 0 * {week('false')})", week("true|false"))


def per_minute(endpoint: str, what: str, size: Size) -> PanelBuilder:
    """Return a panel of tokens by kind."""
    kinds = (
        ("input_tokens", "input"),
        ("input_cached_tokens", "cached input"),
        ("output_tokens", "output"),
        ("input_audio_tokens", "audio input, uncached"),
        ("output_audio_tokens", "audio output"),
    )
    return timeseries(
        PanelText(
            f"Tokens per minute of {what}",
            "By kind, when they were reported. Input includes cached and audio input; output includes audio output.",
            NOTHING,
        ),
        *(Query(by("", rate_per_minute(accrued(f"{endpoint}_{kind}"))), word) for kind, word in kinds),
        unit=COUNT,
        size=size,
        interval=_RATES,
    )


def per_day(endpoint: str, what: str, size: Size) -> PanelBuilder:
    """Return a panel of input and output tokens together, by model."""
    both = " + ".join(
        f"({daily_usage('model', f'{endpoint}_{direction}_tokens')})" for direction in ("input", "output")
    )
    return daily_bars(
        PanelText(f"Tokens per day of {what}", f"Input and output together, by model. {PER_DAY}", NOTHING),
        Query(both, "{{model}}"),
        unit=COUNT,
        size=size,
    )


def _columns(endpoint: str, view: str, labels: str) -> list[Column]:
    """Return the columns of a table of tokens: `view` is `today` or `range`."""

    def total(measure: str) -> str:
        name = f"{endpoint}_{measure}"
        return by(labels, usage(name) if view == "today" else growth(accrued(name)))

    return [
        Column("Requests", total("requests"), COUNT),
        Column("Input tokens", total("input_tokens"), COUNT),
        Column("Output tokens", total("output_tokens"), COUNT),
        Column("Cached input", total("input_cached_tokens"), COUNT),
        Column("Cached share", share(total("input_cached_tokens"), total("input_tokens")), SHARE),
        Column("Audio input", total("input_audio_tokens"), COUNT),
        Column("Audio output", total("output_audio_tokens"), COUNT),
        Column(
            "Tokens per request",
            share(f"({total('input_tokens')} + {total('output_tokens')})", total("requests")),
            COUNT,
        ),
    ]


def by_model(endpoint: str, view: str, title: str, size: Size) -> PanelBuilder:
    """Return a table of tokens by model: `view` is `today` or `range`."""
    when = "The current UTC day so far." if view == "today" else IN_RANGE
    return table(
        PanelText(title, f"{when} Input includes cached and audio input; output includes audio output.", NOTHING),
        TableSpec({"model": "Model"}, _columns(endpoint, view, "model"), sort="Requests"),
        size=size,
    )


def _by_project(endpoint: str, title: str, size: Size) -> PanelBuilder:
    columns = [
        Column(column.name, named(f"({column.expression})"), column.unit)
        for column in _columns(endpoint, "range", "organization, project_id")
    ]
    return table(
        PanelText(title, f"{IN_RANGE} Input includes cached and audio input; output includes audio output.", NOTHING),
        TableSpec(
            {"project_name": "Project", "organization": "Organization"},
            columns,
            sort="Requests",
            hidden=["project_id"],
            links={"Project": [PROJECT_OF_ROW]},
        ),
        size=size,
    )


def language_models() -> Row:
    """Return the row of Chat Completions and Responses."""

    def rate(measure: str, *matchers: str) -> str:
        return by("model", f"rate({accrued(f'completions_{measure}', *matchers)}[$__rate_interval])")

    return Row(
        "Language models (Chat Completions and Responses)",
        [
            per_minute("completions", "language models", Size(12, 9)),
            per_day("completions", "language models", Size(12, 9)),
            timeseries(
                PanelText("Cached share over time", "Of input tokens, by model.", NOTHING),
                Query(share(rate("input_cached_tokens"), rate("input_tokens")), "{{model}}"),
                unit=SHARE,
                size=Size(8, 8),
                interval=_SHARES,
                maximum=1,
            ),
            timeseries(
                PanelText("Batch share over time", "Of the requests of 7 days, by model.", NOTHING),
                Query(batch_share("model"), "{{model}}"),
                unit=SHARE,
                size=Size(8, 8),
                interval=_SHARES,
                maximum=1,
            ),
            timeseries(
                PanelText("Output tokens per request", "By model.", NOTHING),
                Query(share(rate("output_tokens"), rate("requests")), "{{model}}"),
                unit=COUNT,
                size=Size(8, 8),
                interval=_SHARES,
            ),
            by_model("completions", "range", "Models in this time range", Size(24, 8)),
            by_model("completions", "today", "Models today", Size(24, 8)),
            _by_project("completions", "Projects in this time range", Size(24, 8)),
        ],
    )


def decisions() -> Row:
    """Return the row of decision models."""
    return Row(
        "Decision models",
        [
            per_minute("decisions", "decision models", Size(12, 9)),
            per_day("decisions", "decision models", Size(12, 9)),
            by_model("decisions", "range", "Decision models in this time range", Size(24, 5)),
            by_model("decisions", "today", "Decision models today", Size(24, 5)),
        ],
        folded=True,
    )
