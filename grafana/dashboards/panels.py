"""The kinds of panels that the dashboards are made of, each with the house's units, colours and words for nothing."""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.dashboards.links import Link
from grafana.dashboards.vocabulary import (
    BLANK,
    NEUTRAL,
    PLAIN,
    Column,
    Meanings,
    Query,
    Sheet,
    Size,
    Steps,
    Style,
    Words,
)

PanelBuilder: TypeAlias = Builder[model.Panel]

SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

DAY: Final = "1d"

_NARROWEST: Final = 100
"""Pixels of a column of a table, at least."""

_WIDTHS: Final = {"Project": 155, "Line item": 205, "Model": 200, "Endpoint": 200, "Organization": 115}
"""Pixels by heading."""

_CROWDED: Final = 3.5
"""Columns of the grid, of 64 pixels or so, below which a column of a table is cramped."""


def figure(
    words: Words,
    *queries: Query | str,
    unit: str,
    size: Size,
    steps: Steps = NEUTRAL,
    decimals: int | None = None,
    meanings: Meanings | None = None,
) -> PanelBuilder:
    """Return one or a few large numbers, as of now."""
    panel = (
        stat.Panel()
        .graph_mode(options.BigValueGraphMode.NONE)
        .color_mode(options.BigValueColorMode.VALUE)
        .justify_mode(options.BigValueJustifyMode.AUTO)
        .text_mode(options.BigValueTextMode.AUTO)
        .reduce_options(_last())
        .orientation(options.VizOrientation.AUTO)
        .thresholds(_thresholds(steps))
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    )
    if decimals is not None:
        panel.decimals(decimals)
    nothing = model.ValueMappingResult(text=words.nothing, color="text")
    absent = model.SpecialValueMap(
        model.DashboardSpecialValueMapOptions(match=model.SpecialValueMatch.NULL, result=nothing)
    )
    panel.mappings([absent, *([_meant(meanings)] if meanings else [])])
    return _finish(panel, words, unit, size, [_instant(query) for query in _queries(queries)])


def ranking(
    words: Words,
    *queries: Query,
    unit: str,
    size: Size,
    links: Sequence[Link] = (),
) -> PanelBuilder:
    """Return horizontal bars, one for each answer, as of now."""
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
    )
    return _finish(panel, words, unit, size, [_instant(query) for query in queries])


def lines(
    words: Words,
    *queries: Query,
    unit: str,
    size: Size,
    interval: str = "",
    stacked: bool = False,
    styles: Mapping[int, Style] | None = None,
    links: Sequence[Link] = (),
    maximum: float | None = None,
) -> PanelBuilder:
    """Return lines over time; `interval` is the least step, `styles` go by the place of the query."""
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
    for place, style in (styles or {}).items():
        panel.override_by_query(ascii_uppercase[place], _styled(style))
    return _finish(panel, words, unit, size, [_range(query, interval) for query in queries])


def states(words: Words, query: Query, *, size: Size, meanings: Meanings) -> PanelBuilder:
    """Return a bar for each answer that tells over time which of the meanings it had."""
    panel = (
        statetimeline.Panel()
        .merge_values(merge_values=True)
        .show_value(options.VisibilityMode.NEVER)
        .row_height(0.8)
        .line_width(0)
        .fill_opacity(70)
        .mappings([_meant(meanings)])
        .legend(common.VizLegendOptions().show_legend(show_legend=False))
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.SINGLE))
    )
    return _finish(panel, words, PLAIN, size, [_range(query, "")])


def daily_bars(words: Words, *queries: Query, unit: str, size: Size, links: Sequence[Link] = ()) -> PanelBuilder:
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
    return _finish(panel, words, unit, size, [_range(query, DAY) for query in queries])


def sheet(words: Words, content: Sheet, *, size: Size) -> PanelBuilder:
    """Return a table, as of now: a row for each label set that any column has."""
    values = {
        key: column.name
        for letter, column in zip(ascii_uppercase, content.columns, strict=False)
        for key in ((f"Value #{letter}", "Value") if letter == "A" else (f"Value #{letter}",))
    }
    order = [*content.hidden, *content.labels, *values]
    panel = (
        table.Panel()
        .show_header(show_header=True)
        .filterable(filterable=False)
        .min_width(_NARROWEST)
        .sort_by([common.TableSortByFieldState().display_name(content.sort).desc(desc=True)])
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": dict.fromkeys(("Time", *content.dropped), True),
                    "indexByName": {name: place for place, name in enumerate(order)},
                    "renameByName": {**content.labels, **values},
                },
            )
        )
    )
    for column in content.columns:
        panel.override_by_name(column.name, _column(column))
    for heading, width in _widths(content, size).items():
        panel.override_by_name(heading, [model.DynamicConfigValue("custom.width", width)])
    for label in content.hidden:
        panel.override_by_name(label, [model.DynamicConfigValue("custom.hidden", value=True)])
    for heading, links in content.links.items():
        shown = [link.plain() for link in links]
        panel.override_by_name(heading, [model.DynamicConfigValue("links", shown)])
    queries = [_tabular(Query(column.expression)) for column in content.columns]
    return _finish(panel, words, PLAIN, size, queries)


def _finish(
    panel: "stat.Panel | bargauge.Panel | timeseries.Panel | statetimeline.Panel | table.Panel",
    words: Words,
    unit: str,
    size: Size,
    targets: Sequence[prometheus.Dataquery],
) -> PanelBuilder:
    for letter, target in zip(ascii_uppercase, targets, strict=False):
        panel.with_target(target.ref_id(letter).datasource(SOURCE))
    return (
        panel.title(words.title)
        .description(words.description)
        .datasource(SOURCE)
        .unit(unit)
        .no_value(words.nothing)
        .span(size.width)
        .height(size.height)
    )


def _over_time(unit: str, links: Sequence[Link]) -> timeseries.Panel:
    return (
        timeseries.Panel()
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
    asked = prometheus.Dataquery().expr(query.expression).legend_format(query.legend).range()
    return asked.interval(interval) if interval else asked


def _tabular(query: Query) -> prometheus.Dataquery:
    return _instant(query).format(PromQueryFormat.TABLE)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False).fields("")


def _thresholds(steps: Steps) -> build.ThresholdsConfig:
    return (
        build.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=bound, color=color) for bound, color in steps])
    )


def _stacking(*, stacked: bool) -> common.StackingConfig:
    mode = options.StackingMode.NORMAL if stacked else options.StackingMode.NONE
    return common.StackingConfig().mode(mode).group("A")


def _styled(style: Style) -> list[model.DynamicConfigValue]:
    line = {"fill": "dash", "dash": [10, 10]} if style.dashed else {"fill": "solid"}
    return [
        model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": style.color}),
        model.DynamicConfigValue("custom.lineStyle", line),
        model.DynamicConfigValue("custom.fillOpacity", 0),
        model.DynamicConfigValue("custom.stacking", {"mode": "none", "group": "limit"}),
    ]


def _widths(content: Sheet, size: Size) -> dict[str, int]:
    """Return pixels by heading: names get what figures can spare where a table has many of them."""
    crowded = len(content.labels) + len(content.columns) > size.width / _CROWDED
    return {heading: _WIDTHS[heading] for heading in content.labels.values() if crowded and heading in _WIDTHS}


def _column(column: Column) -> list[model.DynamicConfigValue]:
    properties = [model.DynamicConfigValue("unit", column.unit), model.DynamicConfigValue("noValue", BLANK)]
    if column.steps:
        properties += [
            model.DynamicConfigValue("custom.displayMode", "color-text"),
            model.DynamicConfigValue("thresholds", _thresholds(column.steps).build()),
        ]
    if column.meanings:
        properties += [
            model.DynamicConfigValue("custom.displayMode", "color-text"),
            model.DynamicConfigValue("mappings", [_meant(column.meanings)]),
        ]
    return properties


def _meant(meanings: Meanings) -> model.ValueMap:
    return model.ValueMap(
        {
            value: model.ValueMappingResult(text=text, color=color, index=place)
            for place, (value, (text, color)) in enumerate(meanings.items())
        }
    )
