"""Rates of requests, tokens, moderations and estimated spend, what is expected of them, and what exceeds it."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from alerting.text import Group, Record, rule_file
from exporter.catalog import CATALOG, ApiFamily, Kind, Measure, Resource, accrued_name, today_name, window_name

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


def usage_rules() -> str:
    """Return flow.yml."""
    every = quantities()
    established = "\n".join(
        (
            '  group by (organization, project_id) (openai:owner_cost_usd:established{project_id!=""})',
            "or",
            "  group by (organization, project_id) (",
            "    " + "\n  or\n    ".join(f"{each.prefix}:per_hour offset 1w" for each in every),
            "  )",
        )
    )
    groups = [
        Group("openai-flow", [record for each in every for record in _increases(each)]),
        Group(
            "openai-established",
            [
                Record(
                    "openai:project:established",
                    established,
                    comment="Projects that are not new: spend before the last seven days, or usage a week ago.",
                )
            ],
        ),
        *(Group(f"openai-{each.name.replace('_', '-')}", _records(each)) for each in every),
    ]
    return rule_file("Usage per hour from counters, the rate expected at this time of the week, and spikes.", groups)


def _increases(quantity: Quantity) -> Iterator[Record]:
    for source in quantity.sources:
        labels = {"resource": source.resource} | ({"direction": source.direction} if source.direction else {})
        yield Record(
            f"openai:project_model_{quantity.name}:increase5m",
            f"sum by (organization, project_id, model) (increase({source.counter}[5m]))",
            labels,
        )


def _records(quantity: Quantity) -> Iterable[Record]:
    yield from _rates(quantity)
    yield from _expectations(quantity)
    yield from _spikes(quantity)
    yield from _levels(quantity)


def _rates(quantity: Quantity) -> Iterator[Record]:
    name = f"{quantity.prefix}:per_hour"
    yield Record(
        name,
        f"""
          12
        * sum by (organization, project_id) (
              openai:project_model_{quantity.name}:increase5m
            and on (organization, resource)
              openai:resource:steady10m
          )
        """,
        {"over": "5m"},
        "All rates are per hour; `over` is the time over which they are averaged. There is none for ten minutes after"
        " a poll was missed, so that what is caught up with does not look like a spike.",
    )
    yield Record(name, f'avg_over_time({name}{{over="5m"}}[10m])', {"over": "15m"})
    yield Record(name, f'avg_over_time({name}{{over="5m"}}[55m])', {"over": "1h"})
    measures = [source.measure for source in quantity.sources if source.measure]
    if not measures:
        return
    yield Record(f"{quantity.prefix}:sum", _sum("organization, project_id", map(today_name, measures)))
    yield Record(
        f"openai:project_window_{quantity.name}:sum",
        _sum("organization, project_id, window", map(window_name, measures)),
    )


def _sum(labels: str, names: Iterable[str]) -> str:
    pattern = "|".join(names)
    return f"""
    sum by ({labels}) (
      {{__name__=~"{pattern}"}}
    )
    """


def _mean(quantity: Quantity) -> str:
    own = f"""
      avg_over_time({quantity.prefix}:usual{{over="1h"}}[6d:1h] offset 1h)
    and
      {quantity.prefix}:usual{{over="1h"}} offset 1w
    """
    own = f"sum without (over) (\n{_indented(own, 2)}\n)"
    if not any(source.measure for source in quantity.sources):
        return own
    window = f"""
        clamp_min(
          openai:project_window_{quantity.name}:sum{{window="7d"}} - ignoring (window) {quantity.prefix}:sum,
          0
        )
      / 144
    or
    """
    return textwrap.dedent(window).strip("\n") + "\n" + _indented(own, 2)


def _indented(text: str, spaces: int) -> str:
    return textwrap.indent(textwrap.dedent(text).strip("\n"), " " * spaces)


def _expectations(quantity: Quantity) -> Iterator[Record]:
    prefix, threshold = quantity.prefix, f"openai:owner_threshold:{quantity.threshold}_spike_ratio"
    usual, rate, ordinary = f"{prefix}:usual", f"{prefix}:per_hour", f"{prefix}:ordinary"
    yield Record(
        f"{prefix}:mean_hour",
        _mean(quantity),
        comment="The mean hour of the last six full days, from the exporter's window if it has one, else from history.",
    )
    yield Record(
        ordinary,
        f"""
        max by (organization, project_id, over) (
            label_replace(max_over_time({usual}[2h] offset 167h), "of", "1 week ago", "", "")
          or
            label_replace(max_over_time({usual}[2h] offset 335h), "of", "2 weeks ago", "", "")
          or
            label_replace(max_over_time({usual}[2h] offset 503h), "of", "3 weeks ago", "", "")
          or
            label_replace(max_over_time({usual}[2h] offset 671h), "of", "4 weeks ago", "", "")
          or
            label_replace(
                0.6 * max_over_time({usual}[2h] offset 23h)
              and on ()
                (day_of_week() != 1 and day_of_week() != 6),
              "of", "share of yesterday", "", ""
            )
          or
            label_replace(
                (
                    max_over_time({usual}[2h] offset 23h) and on () day_of_week() != 6
                  unless on (organization, project_id)
                    {usual}{{over="1h"}} offset 2w
                )
              or
                (
                    max_over_time({usual}[2h] offset 23h)
                  and on (organization, project_id)
                    last_over_time({prefix}:new_level[7d])
                ),
              "of", "yesterday", "", ""
            )
          or
            label_replace(
                0 * {rate}
              + on (organization, project_id) group_left ()
                (
                    (
                        {prefix}:mean_hour
                      * on (organization, project_id)
                        openai:owner_threshold:mean_hour_share
                      and on (organization, project_id)
                        {usual}{{over="1h"}} offset 2w
                    )
                  or
                    {prefix}:mean_hour
                ),
              "of", "mean", "", ""
            )
        )
        and on (organization, project_id)
          ({usual}{{over="1h"}} offset 1w or {usual}{{over="1h"}} offset 2w)
        """,
        comment="The largest of: the same time one to four weeks ago, give or take an hour; a share of yesterday's, all"
        " of it until there are two weeks of history or while there is a new level; a share of the mean hour.",
    )
    yield Record(
        f"{prefix}:expected",
        f"""
          (
              max by (organization, project_id, over) (
                  {ordinary}
                or
                  label_replace(max_over_time({rate}[4d:1h] offset 28d), "of", "last month end", "", "")
              )
            and on (organization, project_id)
              {rate}{{over="1h"}} offset 31d
            and on ()
              openai:month:edge
          )
        or
          (
              max_over_time({ordinary}[1d])
            * on (organization, project_id) group_left ()
              openai:owner_threshold:month_end_ratio
            and on ()
              openai:month:edge
          )
        or
          {ordinary}
        or
            0 * {rate}
          + on (organization, project_id) group_left ()
            (
                ({prefix}:mean_hour > 0)
              * on (organization, project_id)
                (openai:owner_threshold:first_week_hour_ratio / {threshold})
            )
        """,
        comment="Around the turn of a month, what the last one brought; before one was seen, a multiple of the day's"
        " peak. In the first week, a day's usage in an hour.",
    )
    yield Record(
        usual,
        f"""
          ({rate} and on (organization, project_id) last_over_time({prefix}:new_level[7d]))
        or
          ({rate} <= {ordinary})
        or
          ({ordinary} and {rate} and on () openai:month:edge)
        or
          ({rate} <= {ordinary} * on (organization, project_id) group_left () {threshold})
        or
          ({rate} unless {ordinary})
        """,
        comment="The history that later weeks are compared with: without spikes, late data and month ends.",
    )


def _spikes(quantity: Quantity) -> Iterator[Record]:
    prefix, threshold = quantity.prefix, f"openai:owner_threshold:{quantity.threshold}_spike"
    rate, expected, usual = f"{prefix}:per_hour", f"{prefix}:expected", f"{prefix}:usual"
    yield Record(
        f"{prefix}:behind",
        f"""
          {rate}{{over="1h"}}
        < 0.25 * min by (organization, project_id, over) (
              label_replace(min_over_time({usual}{{over="1h"}}[2h] offset 167h), "of", "1 week ago", "", "")
            or
              label_replace(min_over_time({usual}{{over="1h"}}[2h] offset 335h), "of", "2 weeks ago", "", "")
          )
        """,
        comment="Less than a quarter of the lowest rate known for this time: data is late, and will be caught up with.",
    )
    yield Record(
        f"{prefix}:spike_ratio",
        f"""
          sum by (organization, project_id) (
              (
                  {rate}{{over="15m"}}
                > on (organization, project_id) group_left ()
                  {threshold}_floor
              )
            / {expected}
          )
        > on (organization, project_id)
          {threshold}_ratio
        and on (organization, project_id)
          min_over_time({rate}{{over="5m"}}[10m]) > 1.2 * {expected}
        and on (organization, project_id)
          {rate}{{over="5m"}} offset 10m
        and on (organization, project_id)
          (
              (
                  {rate}{{over="15m"}}
                unless on (organization, project_id)
                  last_over_time({prefix}:behind[12h])
              )
            or
              (
                  avg_over_time({rate}{{over="1h"}}[5h])
                /
                  (avg_over_time({rate}{{over="1h"}}[5h] offset 1w) or on (organization, project_id) {prefix}:mean_hour)
              )
              > on (organization, project_id) group_left ()
                openai:owner_threshold:late_hours_ratio
          )
        and on (organization, project_id)
          openai:project:established
        """,
        {"path": "sustained"},
        "Above the expected rate over 15 minutes, and in each of them: late data arrives in one piece. If data was"
        " late in the last twelve hours, six hours together have to exceed what was due in them.",
    )
    yield Record(
        f"{prefix}:spike_ratio",
        f"""
          sum by (organization, project_id) (
              (
                  {rate}{{over="1h"}}
                > on (organization, project_id) group_left ()
                  {threshold}_floor
              )
            / max_over_time({expected}{{over="1h"}}[1d])
          )
        > on (organization, project_id)
          {threshold}_ratio
        and on (organization, project_id)
          (
              ({rate}{{over="1h"}} > 3 * max_over_time({expected}{{over="1h"}}[1d]))
            or
              (
                  {rate}{{over="1h"}} offset 1h
                > max_over_time({expected}{{over="1h"}}[1d])
                * on (organization, project_id) group_left ()
                  {threshold}_ratio
              )
          )
        and on (organization, project_id)
          (
              avg_over_time({rate}{{over="1h"}}[11h])
            > 1.2 * (
                max by (organization, project_id, over) (
                    label_replace(avg_over_time({rate}{{over="1h"}}[11h] offset 1w), "of", "1 week ago", "", "")
                  or
                    label_replace(avg_over_time({rate}{{over="1h"}}[11h] offset 2w), "of", "2 weeks ago", "", "")
                )
              )
          )
        and on (organization, project_id)
          openai:project:established
        """,
        {"path": "hourly"},
        "What comes in bursts is compared by the hour with the whole last day, and has to come twice or be three times"
        " as much, and twelve hours together have to exceed those of a week ago.",
    )


def _levels(quantity: Quantity) -> Iterator[Record]:
    prefix, threshold = quantity.prefix, f"openai:owner_threshold:{quantity.threshold}_spike_ratio"
    hour = f'{prefix}:per_hour{{over="1h"}}'
    yield Record(
        f"{prefix}:new_level",
        f"""
          count by (organization, project_id) (
              max by (organization, project_id) (count_over_time({prefix}:spike_ratio[1d]))
            > on (organization, project_id)
              0.33 * sum by (organization, project_id) (count_over_time({prefix}:per_hour{{over="15m"}}[1d]))
          )
        """,
        comment="A third of a day above what was expected is a new level: for a week, only more than its peak counts.",
    )
    yield Record(
        f"{prefix}:spike",
        f"""
          max by (organization, project_id) ({prefix}:spike_ratio)
        unless on (organization, project_id)
          (
              {hour}
            < max_over_time({hour}[7d:1h] offset 1h)
            * on (organization, project_id) group_left ()
              {threshold}
            and on (organization, project_id)
              last_over_time({prefix}:new_level[7d])
          )
        """,
    )
    model = f"openai:project_model_{quantity.name}"
    yield Record(
        f"{model}:excess",
        f"""
        clamp_min(
            sum by (organization, project_id, model) (avg_over_time({model}:increase5m[10m]))
          - (
                sum by (organization, project_id, model) (avg_over_time({model}:increase5m[2h] offset 167h))
              or
                0 * sum by (organization, project_id, model) (avg_over_time({model}:increase5m[10m]))
            ),
          0
        )
        and on (organization, project_id)
          {prefix}:spike
        """,
        comment="During a spike, what each model uses beyond last week, and its share of that.",
    )
    yield Record(
        f"{model}:spike_share",
        f"""
          {model}:excess
        / on (organization, project_id) group_left ()
          sum by (organization, project_id) ({model}:excess)
        """,
    )
