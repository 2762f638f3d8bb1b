"""What is watched for spikes: requests, tokens, moderations and estimated spend, and the counters they come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from exporter.catalog import CATALOG, ApiFamily, Kind, Measure, Resource, accrued_name

_FREE: Final = "moderations"
"""Moderation requests cost nothing: they have an alert of their own, and their tokens have none."""


@dataclass(frozen=True, slots=True)
class Source:
    """A counter that contributes to a rate, and the resource whose polls feed it."""

    resource: str
    measure: Measure | None
    counter: str
    direction: str = ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something of which a project can suddenly use too much."""

    name: str
    """As in `openai:project_NAME:per_hour`."""
    threshold: str
    """As in `openai:threshold:THRESHOLD_spike_ratio` and `..._floor`."""
    sources: tuple[Source, ...]
    key_counter: str = ""
    """The counter of which the shares of API keys are shown, where it is grouped by them."""

    @property
    def prefix(self) -> str:
        """What the names of its records begin with."""
        return f"openai:project_{self.name}"

    def threshold_record(self, name: str) -> str:
        """Return the record of its `ratio` or `floor`, for each organization and project."""
        return f"openai:owner_threshold:{self.threshold}_spike_{name}"


def quantities() -> tuple[Quantity, ...]:
    """Return what is watched for spikes: every usage resource of the table that counts anything contributes."""
    rows = [row for row in CATALOG if row.branch is ApiFamily.USAGE]
    calls = [(row, _calls(row)) for row in rows]
    requests = tuple(_source(row, measure) for row, measure in calls if measure and row.name != _FREE)
    moderations = tuple(_source(row, measure) for row, measure in calls if measure and row.name == _FREE)
    tokens = tuple(_source(row, measure) for row in rows if row.name != _FREE for measure in _tokens(row))
    spend = (Source("completions", None, "openai_accrued_estimated_cost_usd_total"),)
    return (
        Quantity("requests", "request", requests, "openai_accrued_completions_requests_total"),
        Quantity("tokens", "token", tokens, "openai_accrued_completions_input_tokens_total"),
        Quantity("moderations", "moderation", moderations),
        Quantity("estimated_cost_usd", "spend_rate", spend),
    )


def _calls(row: Resource) -> Measure | None:
    """Return the measure that counts a resource's calls, None for one that has only levels."""
    flows = [measure for measure in row.measures if measure.kind is Kind.FLOW and measure.required]
    return next((measure for measure in flows if measure.requests), next(iter(flows), None))


def _tokens(row: Resource) -> Iterator[Measure]:
    """Yield the measures that hold all input and all output tokens, without their breakdowns."""
    for measure in row.measures:
        if measure.required and measure.field in {"input_tokens", "output_tokens"}:
            yield measure


def _source(row: Resource, measure: Measure) -> Source:
    direction = measure.field.partition("_")[0] if measure.field.endswith("_tokens") else ""
    return Source(row.name, measure, accrued_name(measure), direction)
