"""What the texts of line items say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.estimate.line_items import BATCH, NO_MODEL, STANDARD, Kind, LineItem, family, parse, usage_models


@pytest.mark.parametrize(
    ("text", "model", "variant", "kind"),
    [
        ("gpt-5.5-2026-04-23, input", "gpt-5.5-2026-04-23", STANDARD, Kind.INPUT),
        ("gpt-6-astra, input_tokens", "gpt-6-astra", STANDARD, Kind.INPUT),
        ("gpt-5.5-2026-04-23, cached input", "gpt-5.5-2026-04-23", STANDARD, Kind.CACHED_INPUT),
        ("gpt-5.5-2026-04-23, cache writes", "gpt-5.5-2026-04-23", STANDARD, Kind.INPUT),
        ("priority | gpt-5.6-sol, output, long context", "gpt-5.6-sol", "priority", Kind.OUTPUT),
        ("batch | gpt-4o, output", "gpt-4o", BATCH, Kind.OUTPUT),
        ("gpt-4o (batch), input", "gpt-4o", BATCH, Kind.INPUT),
        ("gpt-4o, batch input", "gpt-4o", BATCH, Kind.INPUT),
        ("gpt-image-2.5-sunburst text, cached input", "gpt-image-2.5-sunburst", STANDARD, Kind.CACHED_INPUT),
        ("gpt-audio-mini-2025-12-15 audio, input", "gpt-audio-mini-2025-12-15", STANDARD, Kind.AUDIO_INPUT),
        ("gpt-audio-mini-2025-12-15 audio, output", "gpt-audio-mini-2025-12-15", STANDARD, Kind.AUDIO_OUTPUT),
        ("gpt-audio-mini-2025-12-15, input", "gpt-audio-mini-2025-12-15", STANDARD, Kind.INPUT),
        ("ft-gpt-4o-2024-08-06, input", "ft-gpt-4o-2024-08-06", STANDARD, Kind.INPUT),
        ("ft:gpt-4o-2024-08-06:acme::a1, output", "ft:gpt-4o-2024-08-06:acme::a1", STANDARD, Kind.OUTPUT),
        ("gpt-4o-2024-08-06, training", "gpt-4o-2024-08-06", STANDARD, None),
        ("whisper-1", "whisper-1", STANDARD, None),
        ("Image models", NO_MODEL, STANDARD, None),
        ("Text tokens", NO_MODEL, STANDARD, None),
        ("input_tokens", NO_MODEL, STANDARD, None),
        ("promotional credit", NO_MODEL, STANDARD, None),
    ],
)
def test_a_line_item_names_model_variant_and_kind(text: str, model: str, variant: str, kind: Kind | None) -> None:
    """Of every spelling that was seen, model, discount and kind of usage are found."""
    assert LineItem(model, variant, kind) == parse(text)


@pytest.mark.parametrize(
    ("text", "resource", "kind"),
    [
        ("web search tool calls", "web_search_calls", Kind.CALLS),
        ("file search tool calls", "file_search_calls", Kind.CALLS),
        ("code interpreter sessions", "code_interpreter_sessions", Kind.SESSIONS),
        ("Vector storage", "vector_stores", Kind.STORAGE),
    ],
)
def test_tools_are_billed_for_the_usage_of_a_resource(text: str, resource: str, kind: Kind) -> None:
    """A line item of a tool names the endpoint that reports its calls."""
    assert LineItem(NO_MODEL, STANDARD, kind, resource) == parse(text)


@given(st.text())
def test_no_text_breaks_anything(text: str) -> None:
    """Any text is a line item, if only one that names nothing."""
    assert parse(text).model


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-5.5-2026-04-23", "gpt-5.5"),
        ("gpt-4-0613", "gpt-4"),
        ("gpt-5.6-sol", "gpt-5.6-sol"),
        ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
    ],
)
def test_a_family_is_the_model_without_its_date(model: str, expected: str) -> None:
    """Snapshots of one model are one family; sizes of it are not."""
    assert expected == family(model)


def test_a_line_item_without_the_date_means_the_only_snapshot_in_use() -> None:
    """`gpt-4o` on the bill is `gpt-4o-2024-08-06` in the usage, unless two snapshots are in use."""
    assert {"gpt-4o": "gpt-4o-2024-08-06", "o3": "o3"} == usage_models(["gpt-4o", "o3"], ["gpt-4o-2024-08-06", "o3"])
    assert {"gpt-4o": "gpt-4o"} == usage_models(["gpt-4o"], ["gpt-4o-2024-08-06", "gpt-4o-2024-11-20"])
