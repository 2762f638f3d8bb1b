"""What may explain a jump in a chart: alerts that fired, restarts of the exporter, new line items."""

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from grafana.dashboards.panels import SOURCE
from grafana.dashboards.promql import ORGANIZATION, PROJECT, select


@dataclass(frozen=True, slots=True)
class Annotation(Builder[model.AnnotationQuery]):
    """A Prometheus query whose samples are marked in every chart over time."""

    name: str
    expression: str
    title: str
    """May contain labels, as `{{alertname}}`."""
    color: str
    step: str = "60s"
    value_is_time: bool = False
    """Whether the value is the time of the event in milliseconds."""

    def build(self) -> model.AnnotationQuery:
        """Return the annotation as Grafana's model."""
        return _PrometheusAnnotation(self)


class _PrometheusAnnotation(model.AnnotationQuery):
    """The generic model with the fields of the Prometheus data source."""

    def __init__(self, annotation: Annotation) -> None:
        super().__init__(
            name=annotation.name,
            datasource=SOURCE,
            icon_color=annotation.color,
            built_in=None,
            hide=False,
            expr=annotation.expression,
        )
        self._annotation = annotation

    def to_json(self) -> dict[str, object]:
        return super().to_json() | {
            "step": self._annotation.step,
            "titleFormat": self._annotation.title,
            "tagKeys": "organization,project_id,line_item,resource,instance",
            "useValueForTime": "on" if self._annotation.value_is_time else False,
        }


ALERTS: Final = Annotation(
    "Alerts",
    select("ALERTS", 'alertname=~"OpenAI.+"', 'alertstate="firing"', ORGANIZATION),
    "{{alertname}}",
    "red",
)
RESTARTS: Final = Annotation(
    "Exporter restarts",
    "process_start_time_seconds * 1000 and on (job, instance) openai_exporter_build_info",
    "Exporter restarted",
    "blue",
    value_is_time=True,
)


def new_line_items() -> Annotation:
    """Mark the hour in which a line item first cost something, in an organization that was seen before it."""
    items = select("openai_window_cost_usd", ORGANIZATION, PROJECT, 'window="7d"')
    labels, before = "organization, line_item", f"{items} offset 1h"
    return Annotation(
        "New line items",
        f"sum by ({labels}) ({items}) > 0 unless on ({labels}) {before} and on (organization) {before}",
        "New line item",
        "purple",
        step="15m",
    )
