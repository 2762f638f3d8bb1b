"""The table itself: a row for every endpoint of the Admin API that answers with buckets."""

from typing import Final

from exporter.catalog.model import ApiFamily, ExtraLabel, Kind, Measure, Resource, RowFilter

_COST_WIDTHS: Final = {"1d": 180}
_USAGE_WIDTHS: Final = {"1d": 31, "1h": 168, "1m": 1440}

_COSTS_BY_KEY_SINCE: Final = 1764979200
"""2025-12-06: costs cannot be grouped by API key before it."""

_IDENTITY: Final = ("project_id", "user_id", "api_key_id", "model")
_IDENTITY_FILTERS: Final = ("project_ids", "user_ids", "api_key_ids", "models")
_DROPPABLE: Final = ("api_source", "service_tier", "user_id", "api_key_id", "context_level", "batch")


def _requests(prefix: str, what: str) -> Measure:
    return Measure(f"{prefix}_requests", "num_model_requests", f"Requests to {what}", required=True, requests=True)


def _language_model(prefix: str, what: str) -> tuple[Measure, ...]:
    def tokens(direction: str, breakdown: str, meaning: str, *, detail: bool = True) -> Measure:
        field = "_".join(filter(None, (direction, breakdown, "tokens")))
        return Measure(f"{prefix}_{field}", field, meaning, required=not breakdown, detail=detail)

    return (
        tokens(
            "input",
            "",
            f"Input tokens of {what}: cached, cache-write and uncached, all modalities",
            detail=False,
        ),
        tokens("output", "", f"Output tokens of {what}, all modalities", detail=False),
        tokens(
            "input",
            "cached",
            f"Input tokens of {what} that were read from the cache, all modalities",
            detail=False,
        ),
        tokens("input", "audio", f"Uncached audio input tokens of {what}", detail=False),
        tokens("output", "audio", f"Audio output tokens of {what}", detail=False),
        _requests(prefix, what),
        tokens(
            "input",
            "uncached",
            f"Input tokens of {what} that were neither read from nor written to the cache",
        ),
        tokens("input", "cache_write", f"Input tokens of {what} that were written to the cache"),
        tokens("input", "cache_write_30m", f"Input tokens of {what} that were written to the 30-minute cache"),
        tokens("input", "cache_write_12h", f"Input tokens of {what} that were written to the 12-hour cache"),
        tokens("input", "text", f"Uncached text input tokens of {what}"),
        tokens("input", "image", f"Uncached image input tokens of {what}"),
        tokens("input", "cached_text", f"Cached text input tokens of {what}"),
        tokens("input", "cached_audio", f"Cached audio input tokens of {what}"),
        tokens("input", "cached_image", f"Cached image input tokens of {what}"),
        tokens("output", "text", f"Text output tokens of {what}"),
        tokens("output", "image", f"Image output tokens of {what}"),
    )


CATALOG: Final[tuple[Resource, ...]] = (
    Resource(
        name="costs",
        path="costs",
        object="organization.costs.result",
        dimensions=("project_id", "user_id", "line_item", "api_key_id", "api_source"),
        group_by=("project_id", "line_item"),
        filters=("project_ids", "api_key_ids", "line_items"),
        measures=(
            Measure(
                "cost_usd",
                "amount.value",
                "Costs in US dollars; 0 can mean not reported yet",
                exact=True,
                only=RowFilter("amount.currency", "usd"),
            ),
            Measure(
                "cost_other_currency",
                "amount.value",
                "Costs in the currency of the label, which is not US dollars; 0 can mean not reported yet",
                exact=True,
                extra=ExtraLabel("currency", "amount.currency"),
                only=RowFilter("amount.currency", "usd", negate=True),
                always=True,
            ),
            Measure(
                "cost_quantity",
                "quantity",
                "Quantity that was billed, in the unit of the label",
                exact=True,
                extra=ExtraLabel("unit", "quantity_unit"),
                detail=True,
            ),
        ),
        branch=ApiFamily.COSTS,
        widths=_COST_WIDTHS,
        droppable_dimensions=("user_id", "api_source", "api_key_id"),
        not_before={"api_key_id": _COSTS_BY_KEY_SINCE},
    ),
    Resource(
        name="completions",
        path="usage/completions",
        object="organization.usage.completions.result",
        dimensions=(*_IDENTITY, "batch", "service_tier", "api_source"),
        group_by=("project_id", "model", "batch"),
        filters=(*_IDENTITY_FILTERS, "batch"),
        measures=_language_model("completions", "language models (Chat Completions and Responses)"),
        branch=ApiFamily.USAGE,
        widths=_USAGE_WIDTHS,
        droppable_dimensions=_DROPPABLE,
    ),
    Resource(
        name="decisions",
        path="usage/decisions",
        object="organization.usage.decisions.result",
        dimensions=(*_IDENTITY, "batch", "service_tier", "api_source"),
        group_by=("project_id", "model", "batch"),
        filters=(*_IDENTITY_FILTERS, "batch"),
        measures=_language_model("decisions", "decision models"),
        branch=ApiFamily.USAGE,
        widths=_USAGE_WIDTHS,
        droppable_dimensions=_DROPPABLE,
    ),
    Resource(
        name="embeddings",
        path="usage/embeddings",
        object="organization.usage.embeddings.result",
        dimensions=_IDENTITY,
        group_by=("project_id", "model"),
        filters=_IDENTITY_FILTERS,
        measures=(
            Measure("embeddings_input_tokens", "input_tokens", "Input tokens of embedding models", required=True),
            _requests("embeddings", "embedding models"),
        ),
        branch=ApiFamily.USAGE,
        widths=_USAGE_WIDTHS,
        droppable_dimensions=_DROPPABLE,
    ),
    Resource(
        name="moderations",
        path="usage/moderations",
        object="organization.usage.moderations.result",
        dimensions=_IDENTITY,
        group_by=("project_id", "model"),
        filters=_IDENTITY_FILTERS,
        measures=(
            Measure("moderations_input_tokens", "input_tokens", "Input tokens of moderation models", required=True),
            _requests("moderations", "moderation models"),
        ),
        branch=ApiFamily.USAGE,
        widths=_USAGE_WIDTHS,
        droppable_dimensions=_DROPPABLE,
    ),
    Resource(
        name="images",
        path="usage/images",
        object="organization.usage.images.result",
        dimensions=(*_IDENTITY, "size", "source"),
        group_by=("project_id", "model", "size", "source"),
        filters=(*_IDENTITY_FILTERS, "sizes", "sources"),
        measures=(
            Measure("images_processed", "images", "Images generated, edited or varied", required=True),
            _requests("images", "image models"),
        ),
        branch=ApiFamily.USAGE,
        widths=_USAGE_WIDTHS,
        droppable_dimensions=_DROPPABLE,
    ),
    Resource(
        name="audio_speeches",
        path="usage/audio_speeches",
        object="organization.usage.audio_speeches.result",
        dimensions=_IDENTITY,
        group_by=("project_id", "model"),
        filters=_IDENTITY_FILTERS,
        measures=(
            Measure("audio_speeches_characters", "characters", "Characters turned into speech", required=True),
            _requests("audio_speeches", "speech models"),
        ),
        branch=ApiFamily.USAGE,
        widths=_USAGE_WIDTHS,
        droppable_dimensions=_DROPPABLE,
    ),
    Resource(
        name="audio_transcriptions",
        path="usage/audio_transcriptions",
        object="organization.usage.audio_transcriptions.result",
        dimensions=_IDENTITY,
        group_by=("project_id", "model"),
        filters=_IDENTITY_FILTERS,
        measures=(
            Measure("audio_transcriptions_seconds", "seconds", "Seconds of audio transcribed", required=True),
            _requests("audio_transcriptions", "transcription models"),
        ),
        branch=ApiFamily.USAGE,
        widths=_USAGE_WIDTHS,
        droppable_dimensions=_DROPPABLE,
    ),
    Resource(
        name="vector_stores",
        path="usage/vector_stores",
        object="organization.usage.vector_stores.result",
        dimensions=("project_id",),
        group_by=("project_id",),
        filters=("project_ids",),
        measures=(
            Measure(
                "vector_stores_usage_bytes",
                "usage_bytes",
                "Bytes stored in vector stores",
                kind=Kind.LEVEL,
                required=True,
            ),
        ),
        branch=ApiFamily.USAGE,
        widths=_USAGE_WIDTHS,
    ),
    Resource(
        name="code_interpreter_sessions",
        path="usage/code_interpreter_sessions",
        object="organization.usage.code_interpreter_sessions.result",
        dimensions=("project_id",),
        group_by=("project_id",),
        filters=("project_ids",),
        measures=(Measure("code_interpreter_sessions", "num_sessions", "Code interpreter sessions", required=True),),
        branch=ApiFamily.USAGE,
        widths=_USAGE_WIDTHS,
    ),
    Resource(
        name="file_search_calls",
        path="usage/file_search_calls",
        object="organization.usage.file_searches.result",
        dimensions=("project_id", "user_id", "api_key_id", "vector_store_id"),
        group_by=("project_id",),
        filters=("project_ids", "user_ids", "api_key_ids", "vector_store_ids"),
        measures=(Measure("file_search_calls", "num_requests", "File search calls", required=True, requests=True),),
        branch=ApiFamily.USAGE,
        widths=_USAGE_WIDTHS,
        droppable_dimensions=_DROPPABLE,
    ),
    Resource(
        name="web_search_calls",
        path="usage/web_search_calls",
        object="organization.usage.web_searches.result",
        dimensions=(*_IDENTITY, "context_level", "api_source"),
        group_by=("project_id", "model", "context_level"),
        filters=(*_IDENTITY_FILTERS, "context_levels"),
        measures=(
            Measure("web_search_calls", "num_requests", "Web search calls", required=True, requests=True),
            Measure(
                "web_search_calls_model_requests",
                "num_model_requests",
                "Model requests that searched the web",
                required=True,
                requests=True,
            ),
        ),
        branch=ApiFamily.USAGE,
        widths=_USAGE_WIDTHS,
        droppable_dimensions=_DROPPABLE,
    ),
)


def resource(name: str) -> Resource:
    """Return the row of this name. Raises KeyError."""
    return next((row for row in CATALOG if row.name == name), None) or _absent(name)


def _absent(name: str) -> Resource:
    raise KeyError(f"no resource {name!r}: there are {', '.join(row.name for row in CATALOG)}")
