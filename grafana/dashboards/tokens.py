"""Tokens of language models and of decision models: by kind, model and project; cached and batch shares."""

from typing import Final

from grafana.dashboards.board import Row
from grafana.dashboards.links import PROJECT_OF_ROW
from grafana.dashboards.panels import PanelBuilder, daily_bars, lines, sheet
from grafana.dashboards.promql import accrued, by, daily_usage, growth, named, rate_per_minute, usage, window_usage
from grafana.dashboards.vocabulary import COUNT, SHARE, Column, Query, Sheet, Size, Words

LATE: Final = "OpenAI reports usage minutes late."
IN_RANGE: Final = (
    "What was reported in the time range of the dashboard, counted from the exporter's installation on; revisions "
    "downwards are not taken off."
)
PER_DAY: Final = (
    "What was reported on each UTC day from the exporter's installation on; days before it as backfilled, if they were."
)
NOTHING: Final = "nothing reported, or not enabled"

_RATES: Final = "5m"
_SHARES: Final = "1h"


def share(part: str, whole: str) -> str:
    """Return a share; nothing where there is no whole."""
    return f"{part} / ({whole} > 0)"


def batch_share(labels: str) -> str:
    """Return which share of the requests of 7 days came in batches; nothing where batches are not told apart."""

    def week(batch: str) -> str:
        return by(labels, window_usage("completions_requests", f'batch=~"{batch}"'))

    return share(f"({week('true')} or 0 * {week('false')})", week("true|false"))


def per_minute(endpoint: str, what: str, size: Size) -> PanelBuilder:
    """Return a panel of tokens by kind."""
    kinds = (
        ("input_tokens", "input"),
        ("input_cached_tokens", "input from the cache"),
        ("output_tokens", "output"),
        ("input_audio_tokens", "audio input, uncached"),
        ("output_audio_tokens", "audio output"),
    )
    return lines(
        Words(
            f"Tokens per minute of {what}",
            "By kind, as they were reported. Cached and audio tokens are parts of input and output, not beside them. "
            f"{LATE}",
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
        Words(f"Tokens per day of {what}", f"Input and output together, by model. {PER_DAY} {LATE}", NOTHING),
        Query(both, "{{model}}"),
        unit=COUNT,
        size=size,
    )


def _columns(endpoint: str, face: str, labels: str) -> list[Column]:
    """Return the columns of a table of tokens: `face` is `today` or `range`."""

    def total(measure: str) -> str:
        name = f"{endpoint}_{measure}"
        return by(labels, usage(name) if face == "today" else growth(accrued(name)))

    return [
        Column("Requests", total("requests"), COUNT),
        Column("Input tokens", total("input_tokens"), COUNT),
        Column("Output tokens", total("output_tokens"), COUNT),
        Column("From the cache", total("input_cached_tokens"), COUNT),
        Column("Cached share", share(total("input_cached_tokens"), total("input_tokens")), SHARE),
        Column("Audio input", total("input_audio_tokens"), COUNT),
        Column("Audio output", total("output_audio_tokens"), COUNT),
        Column(
            "Tokens per request",
            share(f"({total('input_tokens')} + {total('output_tokens')})", total("requests")),
            COUNT,
        ),
    ]


def by_model(endpoint: str, face: str, title: str, size: Size) -> PanelBuilder:
    """Return a table of tokens by model: `face` is `today` or `range`."""
    when = "The current UTC day so far." if face == "today" else IN_RANGE
    return sheet(
        Words(title, f"{when} Cached and audio tokens are parts of input and output. {LATE}", NOTHING),
        Sheet({"model": "Model"}, _columns(endpoint, face, "model"), sort="Requests"),
        size=size,
    )


def _by_project(endpoint: str, title: str, size: Size) -> PanelBuilder:
    columns = [
        Column(column.name, named(f"({column.expression})"), column.unit)
        for column in _columns(endpoint, "range", "organization, project_id")
    ]
    return sheet(
        Words(title, f"{IN_RANGE} Cached and audio tokens are parts of input and output. {LATE}", NOTHING),
        Sheet(
            {"project_name": "Project", "organization": "Organization"},
            columns,
            sort="Requests",
            hidden=["project_id"],
            links={"Project": [PROJECT_OF_ROW]},
        ),
        size=size,
    )


def language_models() -> Row:
    """Return the row of what Chat Completions and Responses used."""

    def rate(measure: str, *matchers: str) -> str:
        return by("model", f"rate({accrued(f'completions_{measure}', *matchers)}[$__rate_interval])")

    return Row(
        "Language models (Chat Completions and Responses)",
        [
            per_minute("completions", "language models", Size(12, 9)),
            per_day("completions", "language models", Size(12, 9)),
            lines(
                Words("Cached share over time", f"Of input tokens, by model. {LATE}", NOTHING),
                Query(share(rate("input_cached_tokens"), rate("input_tokens")), "{{model}}"),
                unit=SHARE,
                size=Size(8, 8),
                interval=_SHARES,
                maximum=1,
            ),
            lines(
                Words("Batch share over time", f"Of the requests of 7 days, by model. {LATE}", NOTHING),
                Query(batch_share("model"), "{{model}}"),
                unit=SHARE,
                size=Size(8, 8),
                interval=_SHARES,
                maximum=1,
            ),
            lines(
                Words("Output tokens per request", f"By model. {LATE}", NOTHING),
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
    """Return the row of what decision models used."""
    return Row(
        "Decision models",
        [
            per_minute("decisions", "decision models", Size(12, 9)),
            per_day("decisions", "decision models", Size(12, 9)),
            by_model("decisions", "range", "Decision models in this time range", Size(12, 7)),
            by_model("decisions", "today", "Decision models today", Size(12, 7)),
        ],
        folded=True,
    )
