"""A dashboard: its variables, links, annotations, and its rows of panels on the grid."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from grafana.dashboards.panels import PanelBuilder

SCHEMA_VERSION: Final = 37
"""Of Grafana 9.4, the oldest supported version: newer ones migrate a dashboard when they load it."""

TAG: Final = "openai-usage-exporter"
"""The tag of all dashboards, by which the dropdown of links finds them."""

_COLUMNS: Final = 24


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading, from left to right and down. A folded row runs no query until it is opened."""

    title: str
    panels: Sequence[PanelBuilder]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard."""

    uid: str
    title: str
    description: str
    variables: Sequence[Builder[model.VariableModel]]
    rows: Sequence[Row]
    since: str = "now-30d"
    annotations: Sequence[Builder[model.AnnotationQuery]] = ()

    def build(self) -> model.Dashboard:
        """Return the dashboard as Grafana's model."""
        dashboard = (
            build.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags(["openai", TAG])
            .timezone("utc")
            .readonly()
            .time(self.since, "now")
            .refresh("5m")
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .variables(list(self.variables))
            .annotations(list(self.annotations))
            .links([_to_the_others()])
            .build()
        )
        dashboard.schema_version = SCHEMA_VERSION
        dashboard.panels = list(_laid_out(self.rows))
        return dashboard


def _to_the_others() -> build.DashboardLink:
    """Return a dropdown of the other dashboards, which keeps variables and the time range."""
    return (
        build.DashboardLink("OpenAI dashboards")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(as_dropdown=True)
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )


def _laid_out(rows: Sequence[Row]) -> Iterator[model.Panel | model.RowPanel]:
    ids, y = count(1), 0
    for row in rows:
        heading = build.Row(row.title).id(next(ids)).collapsed(row.folded).build()
        heading.grid_pos = model.GridPos(x=0, y=y, w=_COLUMNS, h=1)
        panels = list(_positioned(row.panels, y + 1, ids))
        if row.folded:
            heading.panels = panels
            y += 1
        else:
            y = max(panel.grid_pos.y + panel.grid_pos.h for panel in panels if panel.grid_pos)
        yield heading
        if not row.folded:
            yield from panels


def _positioned(builders: Sequence[PanelBuilder], top: int, ids: Iterator[int]) -> Iterator[model.Panel]:
    x, y, height = 0, top, 0
    for builder in builders:
        panel = builder.build()
        size = panel.grid_pos or model.GridPos()
        if x + size.w > _COLUMNS:
            x, y, height = 0, y + height, 0
        panel.id_val = next(ids)
        panel.grid_pos = model.GridPos(x=x, y=y, w=size.w, h=size.h)
        x, height = x + size.w, max(height, size.h)
        yield panel
