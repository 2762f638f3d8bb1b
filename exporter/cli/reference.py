"""The reference of all metrics, as Markdown: the source of docs/metrics.md."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from exporter.catalog import CATALOG, ApiFamily, Kind, Measure, Resource, accrued_name, today_name, window_name
from exporter.collector import ALL as DESCRIBED
from exporter.exposition import reference as families
from exporter.openai import MAX_LABEL_BYTES
from exporter.settings.sections import WindowSettings
from exporter.telemetry import ERROR_REASONS, RejectionReason, Telemetry

Cells = tuple[str, ...]

_INTRODUCTION: Final = """\
# Metrics

Made from the code by `make docs`; do not edit.

Every family stands here under the name that is exposed, a histogram under its base name. Labels are those of the
default `group_by`; another one (see [settings](settings.md)) changes them. Every metric about OpenAI has the label
`organization`, the configured name. A dimension that the API leaves empty has the value `unknown`, what is folded over
`max_series` the value `other`.

## What may change, and how late it is

* Names, types and label names stay as they are within a major version; families and label values may be added at any
  time, and a label comes or goes only with `group_by`, or when the API refuses a grouping
  (`openai_exporter_resource_degraded{reason="group_by_refused"}`).
* A poll's result is exposed within a second of its last page. Usage is polled every `poll.interval` (60 s) and reaches
  the API some minutes late; costs are polled every `poll.cost_interval` (5 min), reach the API hours late, in lumps,
  and are revised for days. 0 can therefore mean "not reported yet" where costs are concerned.
  `openai_exporter_last_change_timestamp_seconds` tells when a resource last moved.
* Days are UTC days. Gauges mirror what the API says now and go up and down; after `poll.stale_after` without a success
  they vanish. Counters never fall; late data and revisions reach them when they are reported.
* No sample has a timestamp. The formats are Prometheus text 0.0.4 and OpenMetrics 1.0.
"""

_TODAY: Final = """\
The current UTC day so far; they start at 0 at 00:00 UTC. Sum them, never `rate()` them.

    sum by (project_id) (openai_cost_usd)
"""

_WINDOWS: Final = """\
Sums over a window that ends now, told by the label `window`: `yesterday`, `month` (to date), `previous_month`, `7d` and
the like (UTC days, today included), and hours or minutes where `bucket_width` is finer. Always select one.

    sum (openai_window_cost_usd{window="month"})
"""

_COUNTERS: Final = """\
All that was reported since the exporter first saw the organization, late data included, across restarts. `increase()`
over a span is what was reported in that span. Counters minus `openai_exporter_accrued_excess` are the net total
reported since the baseline, downward revisions included.

    sum by (model) (increase(openai_accrued_completions_requests_total[1h]))
"""

_DIRECTORY: Final = """\
Names are joined to figures by id; each id that any metric shows has exactly one `_info` series:

    sum by (organization, project_id) (openai_cost_usd)
      * on (organization, project_id) group_left (project_name)
    max by (organization, project_id, project_name) (openai_project_info)
"""


_OWN: Final = f"""\
A `resource` is a row of the API: one of the endpoints above, or a kind of names or limits.
`reason` of `openai_exporter_api_errors_total` is one of {", ".join(f"`{reason}`" for reason in ERROR_REASONS)}.

A part of a response that cannot be used does not harm the rest; `openai_exporter_rows_rejected_total` counts it,
with one of these as `reason`:

{chr(10).join(f"* `{reason}`: {reason.meaning}" for reason in RejectionReason)}

Label values that come from OpenAI are at most {MAX_LABEL_BYTES} bytes long: a longer one is cut, and ends in a digest
of the whole, which keeps it distinct.
"""


def markdown() -> str:
    """Return docs/metrics.md."""
    head = ("metric", "type", "labels", "meaning", "API field")
    sections = (
        ("Costs and usage today", _TODAY, head, _rows(_today)),
        ("Windows", _WINDOWS, (*head[:4], "windows by default"), _rows(_window)),
        ("Counters", _COUNTERS, head, _rows(_accrued)),
        ("Names and limits", _DIRECTORY, head[:4], _directory()),
        ("The exporter about itself", _OWN, head[:4], _own()),
    )
    parts = [_INTRODUCTION]
    for title, text, columns, rows in sections:
        parts += [f"## {title}\n", text, _table(columns, rows)]
    return "\n".join(parts)


def _rows(face: Callable[[Resource, Measure], Cells]) -> Iterator[Cells]:
    for resource in CATALOG:
        for measure in resource.measures:
            if cells := face(resource, measure):
                yield cells


def _today(resource: Resource, measure: Measure) -> Cells:
    return (*_cells(today_name(measure), resource, measure), _source(resource, measure))


def _window(resource: Resource, measure: Measure) -> Cells:
    if measure.kind is not Kind.FLOW:
        return ()
    settings = WindowSettings()
    windows = settings.costs if resource.branch is ApiFamily.COSTS else settings.usage
    shown = resource.branch is ApiFamily.COSTS or measure.requests
    names = " ".join(window.name for window in windows) if shown else "none"
    return (*_cells(window_name(measure), resource, measure, "window"), names)


def _accrued(resource: Resource, measure: Measure) -> Cells:
    if measure.kind is not Kind.FLOW:
        return ()
    return (*_cells(accrued_name(measure), resource, measure), _source(resource, measure))


def _cells(name: str, resource: Resource, measure: Measure, *further: str) -> Cells:
    sheet = resource.label_groups(resource.group_by, [measure])[0]
    meaning = measure.help + ("; opt-in: name it in `measures`" if measure.detail else "")
    return f"`{name}`", _TYPES[name], _labels(("organization", *sheet.labels, *further)), meaning


_TYPES: Final = {family.name: family.type.value for family in families()}


def _source(resource: Resource, measure: Measure) -> str:
    return f"`{resource.path}` `{measure.field}`"


def _directory() -> Iterator[Cells]:
    for each in DESCRIBED:
        optional = f" (`{'` `'.join(each.optional)}`)" if each.optional else ""
        yield f"`{each.name}`", each.type, _labels(each.labels) + optional, each.help


def _own() -> Iterator[Cells]:
    telemetry = Telemetry()
    ours = {}
    for instrument in telemetry.families:
        (family,) = instrument.describe()
        ours[family.name] = _label_names(instrument)
    for family in sorted(telemetry.registry.collect(), key=lambda family: family.name not in ours):
        labels = ours.get(family.name, ())
        if family.name not in ours and family.samples:
            labels = tuple(family.samples[0].labels)
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield f"`{name}`", family.type, _labels(labels), family.documentation


def _label_names(instrument: MetricWrapperBase) -> Cells:
    names: Cells = tuple(instrument._labelnames)  # noqa: SLF001 - the library tells them nowhere else
    return names


def _labels(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def _table(head: Cells, rows: Iterable[Cells]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
