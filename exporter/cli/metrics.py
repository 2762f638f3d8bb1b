"""`metrics`: prints the reference of all metrics, the source of docs/metrics.md."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from exporter.catalog import CATALOG, ApiFamily, Kind, Measure, Resource, accrued_name, today_name, window_name
from exporter.collector import ALL as DESCRIBED
from exporter.collector import MetricDesc
from exporter.estimate import METRICS
from exporter.exposition import reference as families
from exporter.instruments import label_names
from exporter.openai import MAX_LABEL_BYTES
from exporter.settings import Settings, WindowSettings
from exporter.telemetry import ERROR_REASONS, RejectionReason, Telemetry

Cells = tuple[str, ...]

_INTRODUCTION: Final = """\
# Metrics

Generated from the code by `make docs`; do not edit.

Families are listed under their full exposed names, histograms under their base names. Labels are those of the default
`group_by`; a different one (see [settings](settings.md)) changes them. Every metric about OpenAI has the label
`organization`, the configured name. A dimension that the API leaves empty has the value `unknown`; what is folded
because of `max_series` has the value `other`.

## Stability and freshness

* Names, types and label names do not change within a major version; families and label values may be added at any
  time, and a label is added or removed only with `group_by`, or when the API refuses a grouping
  (`openai_exporter_resource_degraded{reason="group_by_refused"}`).
* The result of a poll is exposed within a second of its last page. Usage is polled every `poll.interval` (60 s) and
  reaches the API some minutes late; costs are polled every `poll.cost_interval` (5 min), reach the API hours late, in
  batches, and are revised for days. A cost of 0 can therefore mean "not reported yet".
  `openai_exporter_last_change_timestamp_seconds` shows when a resource last changed.
* Days are UTC days. Gauges follow the API up and down; after `poll.stale_after` without a successful poll they are no
  longer exported. Counters never fall; late data and revisions are added when they are reported.
* No sample has a timestamp. The formats are Prometheus text 0.0.4 and OpenMetrics 1.0.
"""

_TODAY: Final = """\
The current UTC day so far, starting at 0 at 00:00 UTC. Sum them, never `rate()` them.

    sum by (project_id) (openai_cost_usd)
"""

_WINDOWS: Final = """\
Sums over a window that ends now. The label `window` is `yesterday`, `month` (to date), `previous_month`,
`previous_month_end` (its last two days), a number of UTC days such as `7d` (including today), or hours or minutes where
`bucket_width` is finer. Always select one.

    sum (openai_window_cost_usd{window="month"})
"""

_COUNTERS: Final = """\
Everything reported since the exporter first saw the organization, including late data, across restarts. `increase()`
over a range is what was reported in that range. Counters minus `openai_exporter_accrued_excess` are the net total
reported since the baseline, including downward revisions.

    sum by (model) (increase(openai_accrued_completions_requests_total[1h]))
"""

_ESTIMATES: Final = """\
What OpenAI has not billed yet, at the prices that the organization last paid. Nothing here was reported by OpenAI:
[estimate](estimate.md) says how it is made, how good it is and what it leaves out.

    sum by (organization) (openai_estimated_cost_usd)
"""

_DIRECTORY: Final = """\
Join names by ID; each ID that any metric shows has exactly one `_info` series:

    sum by (organization, project_id) (openai_cost_usd)
      * on (organization, project_id) group_left (project_name)
    max by (organization, project_id, project_name) (openai_project_info)
"""


_OWN: Final = f"""\
A `resource` is one of the endpoints above, or a kind of names or limits.
`reason` of `openai_exporter_api_errors_total` is one of {", ".join(f"`{reason}`" for reason in ERROR_REASONS)}.
`auth` and `forbidden` are refusals by OpenAI; `gateway` is a 401 or 403 without an error of the API, as a proxy or
firewall gives it.

Unusable parts of a response do not affect the rest; `openai_exporter_rows_rejected_total` counts them, with one of
these values of `reason`:

{chr(10).join(f"* `{reason}`: {reason.meaning}" for reason in RejectionReason)}

Label values from OpenAI are limited to {MAX_LABEL_BYTES} bytes: a longer value is cut and ends in a digest of the
whole value, so that values stay distinct.
"""


def execute(settings: Settings) -> int:  # noqa: ARG001 - the reference describes the defaults
    """Write the reference to standard output."""
    sys.stdout.write(markdown())
    return 0


def markdown() -> str:
    """Return docs/metrics.md."""
    head = ("metric", "type", "labels", "meaning", "API field")
    sections = (
        ("Costs and usage today", _TODAY, head, _rows(_today)),
        ("Windows", _WINDOWS, (*head[:4], "windows by default"), _rows(_window)),
        ("Counters", _COUNTERS, head, _rows(_accrued)),
        ("Estimates", _ESTIMATES, head[:4], _described(METRICS)),
        ("Names and limits", _DIRECTORY, head[:4], _described(DESCRIBED)),
        ("The exporter about itself", _OWN, head[:4], _own()),
    )
    parts = [_INTRODUCTION]
    for title, text, columns, rows in sections:
        parts += [f"## {title}\n", text, _table(columns, rows)]
    return "\n".join(parts)


def _rows(cells_of: Callable[[Resource, Measure], Cells]) -> Iterator[Cells]:
    for resource in CATALOG:
        for measure in resource.measures:
            if cells := cells_of(resource, measure):
                yield cells


def _today(resource: Resource, measure: Measure) -> Cells:
    return (*_cells(today_name(measure), resource, measure), _source(resource, measure))


def _window(resource: Resource, measure: Measure) -> Cells:
    if measure.kind is not Kind.FLOW:
        return ()
    settings = WindowSettings()
    windows = settings.costs if resource.branch is ApiFamily.COSTS else settings.usage
    has_windows = resource.branch is ApiFamily.COSTS or measure.requests
    names = " ".join(window.name for window in windows) if has_windows else "none"
    return (*_cells(window_name(measure), resource, measure, "window"), names)


def _accrued(resource: Resource, measure: Measure) -> Cells:
    if measure.kind is not Kind.FLOW:
        return ()
    return (*_cells(accrued_name(measure), resource, measure), _source(resource, measure))


def _cells(name: str, resource: Resource, measure: Measure, *further: str) -> Cells:
    group = resource.label_groups(resource.group_by, [measure])[0]
    meaning = measure.help + ("; opt-in: name it in `measures`" if measure.detail else "")
    return f"`{name}`", _TYPES[name], _labels(("organization", *group.labels, *further)), meaning


_TYPES: Final = {family.name: family.type.value for family in families()}


def _source(resource: Resource, measure: Measure) -> str:
    return f"`{resource.path}` `{measure.field}`"


def _described(metrics: Iterable[MetricDesc]) -> Iterator[Cells]:
    for each in metrics:
        optional = f" (`{'` `'.join(each.optional)}`)" if each.optional else ""
        yield f"`{each.name}`", each.type, _labels(each.labels) + optional, each.help


def _own() -> Iterator[Cells]:
    telemetry = Telemetry()
    ours = {}
    for instrument in telemetry.families:
        (family,) = instrument.describe()
        ours[family.name] = label_names(instrument)
    for family in sorted(telemetry.registry.collect(), key=lambda family: family.name not in ours):
        labels = ours.get(family.name, ())
        if family.name not in ours and family.samples:
            labels = tuple(family.samples[0].labels)
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield f"`{name}`", family.type, _labels(labels), family.documentation


def _labels(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def _table(head: Cells, rows: Iterable[Cells]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
