"""The kinds of panels, with the units, colours and empty texts that they share."""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import bargauge, common, prometheus, statetimeline
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import stat as stat_builders
from grafana_foundation_sdk.builders import table as table_builders
from grafana_foundation_sdk.builders import text as text_builders
from grafana_foundation_sdk.builders import timeseries as timeseries_builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.text import TextMode

from grafana.dashboards.model import (
    BLANK,
    DOLLARS,
    NEUTRAL,
    PLAIN,
    Column,
    Link,
    PanelText,
    Query,
    SeriesStyle,
    Size,
    TableSpec,
    Thresholds,
    ValueMappings,
)
from grafana.dashboards.promql import with_column

PanelBuilder: TypeAlias = Builder[model.Panel]

SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

DAY: Final = "1d"

_COLUMN: Final = "column"
"""The label that names the column of a table's query."""

_SERIES_NAME: Final = "${__series.name}"
"""Names a bar that is alone, too: without a display name Grafana leaves the name of a single bar out."""

_MINIMUM_WIDTH: Final = 100
"""Pixels of a column of a table."""

_WIDTHS: Final = {"Project": 155, "Line item": 240, "Model": 200, "Endpoint": 200, "Organization": 115}
"""Pixels by heading."""

_CROWDED: Final = 3.5
"""Columns of the grid, of 64 pixels or so, below which a column of a table is cramped."""


def stat(
    text: PanelText,
    *queries: Query | str,
    unit: str,
    size: Size,
    thresholds: Thresholds = NEUTRAL,
    decimals: int | None = None,
    mappings: ValueMappings | None = None,
) -> PanelBuilder:
    """Return one or a few large numbers, as of now."""
    panel = (
        stat_builders.Panel()
        .graph_mode(options.BigValueGraphMode.NONE)
        .color_mode(options.BigValueColorMode.VALUE)
        .justify_mode(options.BigValueJustifyMode.AUTO)
        .text_mode(options.BigValueTextMode.AUTO)
        .reduce_options(_last())
        .orientation(options.VizOrientation.AUTO)
        .thresholds(_thresholds(thresholds))
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    )
    if decimals is not None:
        panel.decimals(decimals)
    empty = model.ValueMappingResult(text=text.no_value, color="text")
    absent = model.SpecialValueMap(
        model.DashboardSpecialValueMapOptions(match=model.SpecialValueMatch.NULL, result=empty)
    )
    panel.mappings([absent, *([_value_map(mappings)] if mappings else [])])
    return _finish(panel, text, unit, size, [_instant(query) for query in _queries(queries)])


def bar_gauge(text: PanelText, *queries: Query, unit: str, size: Size, links: Sequence[Link] = ()) -> PanelBuilder:
    """Return horizontal bars, one for each series, as of now."""
    panel = (
        bargauge.Panel()
        .display_mode(options.BarGaugeDisplayMode.BASIC)
        .value_mode(options.BarGaugeValueMode.TEXT)
        .orientation(options.VizOrientation.HORIZONTAL)
        .show_unfilled(show_unfilled=False)
        .reduce_options(_last())
        .min(0)
        .thresholds(_thresholds(NEUTRAL))
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .data_links([link.builder() for link in links])
        .display_name(_SERIES_NAME)
    )
    if unit == DOLLARS:
        panel.decimals(2)
    return _finish(panel, text, unit, size, [_instant(query) for query in queries])


def timeseries(
    text: PanelText,
    *queries: Query,
    unit: str,
    size: Size,
    interval: str = "",
    stacked: bool = False,
    styles: Mapping[int, SeriesStyle] | None = None,
    links: Sequence[Link] = (),
    maximum: float | None = None,
) -> PanelBuilder:
    """Return lines over time; `interval` is the minimum step, the keys of `styles` are indexes of queries."""
    panel = (
        _over_time(unit, links)
        .line_width(1)
        .fill_opacity(25 if stacked else 0)
        .show_points(options.VisibilityMode.AUTO)
        .stacking(_stacking(stacked=stacked))
        .axis_soft_min(0)
    )
    if maximum is not None:
        panel.max(maximum)
    for index, style in (styles or {}).items():
        panel.override_by_query(ascii_uppercase[index], _styled(style))
    return _finish(panel, text, unit, size, [_range(query, interval) for query in queries])


def state_timeline(text: PanelText, query: Query, *, size: Size, mappings: ValueMappings) -> PanelBuilder:
    """Return a bar for each series, coloured by its state over time."""
    panel = (
        statetimeline.Panel()
        .merge_values(merge_values=True)
        .show_value(options.VisibilityMode.NEVER)
        .row_height(0.8)
        .line_width(0)
        .fill_opacity(70)
        .mappings([_value_map(mappings)])
        .legend(common.VizLegendOptions().show_legend(show_legend=False))
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.SINGLE))
    )
    return _finish(panel, text, PLAIN, size, [_range(query, "")])


def daily_bars(text: PanelText, *queries: Query, unit: str, size: Size, links: Sequence[Link] = ()) -> PanelBuilder:
    """Return stacked bars, one a UTC day; the queries are evaluated at the midnight that begins the day."""
    panel = (
        _over_time(unit, links)
        .draw_style(options.GraphDrawStyle.BARS)
        .bar_alignment(options.BarAlignment.AFTER)
        .line_width(0)
        .fill_opacity(80)
        .stacking(_stacking(stacked=True))
        .axis_soft_min(0)
        .max_data_points(1000)
        .interval(DAY)
    )
    return _finish(panel, text, unit, size, [_range(query, DAY) for query in queries])


def table(text: PanelText, spec: TableSpec, *, size: Size) -> PanelBuilder:
    """Return a table, as of now: a row for each label set that any column has.

    Queries return time series, not tables: a result without series then has no fields, and every version of Grafana
    shows the panel's text for no value instead of an empty header.
    """
    order = [*spec.hidden, *spec.labels, *(column.name for column in spec.columns)]
    panel = (
        table_builders.Panel()
        .show_header(show_header=True)
        .filterable(filterable=False)
        .min_width(_MINIMUM_WIDTH)
        .sort_by([common.TableSortByFieldState().display_name(spec.sort).desc(desc=True)])
        .with_transformation(
            model.DataTransformerConfig(id_val="labelsToFields", options={"mode": "columns", "valueLabel": _COLUMN})
        )
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": dict.fromkeys(("Time", *spec.dropped), True),
                    "indexByName": {name: index for index, name in enumerate(order)},
                    "renameByName": dict(spec.labels),
                },
            )
        )
    )
    for column in spec.columns:
        panel.override_by_name(column.name, _column(column))
    for heading, width in _widths(spec, size).items():
        panel.override_by_name(heading, [model.DynamicConfigValue("custom.width", width)])
    for label in spec.hidden:
        panel.override_by_name(label, [model.DynamicConfigValue("custom.hidden", value=True)])
    for heading, links in spec.links.items():
        shown = [link.override() for link in links]
        panel.override_by_name(heading, [model.DynamicConfigValue("links", shown)])
    queries = [_instant(Query(with_column(column.expression, _COLUMN, column.name))) for column in spec.columns]
    return _finish(panel, text, PLAIN, size, queries)


def markdown(title: str, content: str, *, size: Size) -> PanelBuilder:
    """Return a panel of text, which queries nothing."""
    return (
        text_builders.Panel().title(title).mode(TextMode.MARKDOWN).content(content).span(size.width).height(size.height)
    )


def _finish(
    panel: "stat_builders.Panel | bargauge.Panel | timeseries_builders.Panel | statetimeline.Panel"
    " | table_builders.Panel",
    text: PanelText,
    unit: str,
    size: Size,
    targets: Sequence[prometheus.Dataquery],
) -> PanelBuilder:
    for letter, target in zip(ascii_uppercase, targets, strict=False):
        panel.with_target(target.ref_id(letter).datasource(SOURCE))
    return (
        panel.title(text.title)
        .description(text.description)
        .datasource(SOURCE)
        .unit(unit)
        .no_value(text.no_value)
        .span(size.width)
        .height(size.height)
    )


def _over_time(unit: str, links: Sequence[Link]) -> timeseries_builders.Panel:
    return (
        timeseries_builders.Panel()
        .unit(unit)
        .legend(
            common.VizLegendOptions()
            .show_legend(show_legend=True)
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
            .calcs([])
        )
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING))
        .data_links([link.builder() for link in links])
    )


def _queries(given: Sequence[Query | str]) -> list[Query]:
    return [query if isinstance(query, Query) else Query(query) for query in given]


def _instant(query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expression).legend_format(query.legend).instant()


def _range(query: Query, interval: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expression).legend_format(query.legend).range()
    return target.interval(interval) if interval else target


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False).fields("")


def _thresholds(thresholds: Thresholds) -> build.ThresholdsConfig:
    return (
        build.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=bound, color=color) for bound, color in thresholds])
    )


def _stacking(*, stacked: bool) -> common.StackingConfig:
    mode = options.StackingMode.NORMAL if stacked else options.StackingMode.NONE
    return common.StackingConfig().mode(mode).group("A")


def _styled(style: SeriesStyle) -> list[model.DynamicConfigValue]:
    line = {"fill": "dash", "dash": [10, 10]} if style.dashed else {"fill": "solid"}
    hidden = {"legend": not style.in_legend, "tooltip": False, "viz": False}
    return [
        model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": style.color}),
        model.DynamicConfigValue("custom.hideFrom", hidden),
        model.DynamicConfigValue("custom.lineStyle", line),
        model.DynamicConfigValue("custom.fillOpacity", 0),
        model.DynamicConfigValue("custom.stacking", {"mode": "none", "group": "limit"}),
    ]


def _widths(spec: TableSpec, size: Size) -> dict[str, int]:
    """Return pixels by heading: in a crowded table names are wider than numbers."""
    crowded = len(spec.labels) + len(spec.columns) > size.width / _CROWDED
    return {heading: _WIDTHS[heading] for heading in spec.labels.values() if crowded and heading in _WIDTHS}


def _column(column: Column) -> list[model.DynamicConfigValue]:
    properties = [model.DynamicConfigValue("unit", column.unit), model.DynamicConfigValue("noValue", BLANK)]
    if column.decimals is not None:
        properties.append(model.DynamicConfigValue("decimals", column.decimals))
    if column.thresholds:
        properties += [
            model.DynamicConfigValue("custom.displayMode", "color-text"),
            model.DynamicConfigValue("thresholds", _thresholds(column.thresholds).build()),
        ]
    if column.mappings:
        properties += [
            model.DynamicConfigValue("custom.displayMode", "color-text"),
            model.DynamicConfigValue("mappings", [_value_map(column.mappings)]),
        ]
    return properties


def _value_map(mappings: ValueMappings) -> model.ValueMap:
    return model.ValueMap(
        {
            value: model.ValueMappingResult(text=text, color=color, index=index)
            for index, (value, (text, color)) in enumerate(mappings.items())
        }
    )
