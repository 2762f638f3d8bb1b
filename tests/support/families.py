"""What the exporter can expose: every family with all the labels that it may have."""

from collections.abc import Mapping
from typing import Final

from exporter.catalog import CATALOG, Kind, accrued_name, today_name, window_name
from exporter.collector import ALL as DESCRIBED
from exporter.collector import MetricDesc
from exporter.estimate import METRICS
from exporter.instruments import label_names
from exporter.telemetry import Telemetry

TARGET_LABELS: Final = frozenset({"job", "instance", "pod"})
"""What Prometheus adds at the scrape."""


def labels_of_families() -> dict[str, frozenset[str]]:
    """Return the labels of every sample's name; a histogram has three names."""
    return {**_of_catalog(), **{each.name: _labels(each) for each in (*METRICS, *DESCRIBED)}, **_own()}


def counters() -> set[str]:
    """Return the names whose values only rise."""
    suffixes = ("_total", "_bucket", "_sum", "_count")
    return {name for name in labels_of_families() if name.endswith(suffixes)}


def optional() -> dict[str, str]:
    """Return the families of the table that are not exported by default, each with the reason."""
    reasons: dict[str, str] = {}
    for row in CATALOG:
        for measure in row.measures:
            if measure.detail:
                views = (today_name, window_name, accrued_name) if measure.kind is Kind.FLOW else (today_name,)
                reasons |= {face(measure): "a detail measure: exported only on request" for face in views}
            elif row.name != "costs" and not measure.requests and measure.kind is Kind.FLOW:
                reasons[window_name(measure)] = "only requests have windows unless windows.usage_measures is all"
    return reasons


def _of_catalog() -> dict[str, frozenset[str]]:
    labels: dict[str, frozenset[str]] = {}
    for row in CATALOG:
        for measure in row.measures:
            extra = [measure.extra.label] if measure.extra else []
            own = frozenset({"organization", *row.dimensions, *extra})
            labels[today_name(measure)] = own
            if measure.kind is Kind.FLOW:
                labels[window_name(measure)] = own | {"window"}
                labels[accrued_name(measure)] = own
    return labels


def _labels(described: MetricDesc) -> frozenset[str]:
    return frozenset((*described.labels, *described.optional))


def _own() -> Mapping[str, frozenset[str]]:
    telemetry = Telemetry()
    found: dict[str, frozenset[str]] = {}
    ours = {
        family.name: frozenset(label_names(instrument))
        for instrument in telemetry.families
        for family in instrument.describe()
    }
    for family in telemetry.registry.collect():
        sampled = frozenset(label for sample in family.samples for label in sample.labels)
        labels = ours.get(family.name, sampled)
        match family.type:
            case "counter":
                found[f"{family.name}_total"] = labels
            case "histogram":
                found |= {f"{family.name}_{part}": labels for part in ("sum", "count")}
                found[f"{family.name}_bucket"] = labels | {"le"}
            case _:
                found[family.name] = labels
    return found
