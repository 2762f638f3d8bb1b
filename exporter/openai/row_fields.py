"""Which fields of rows the label groups of a resource name, and what for."""

from collections.abc import Iterable, Sequence

from exporter.catalog import LabelGroup, Measure, RowFilter


def separate_labels(label_groups: Sequence[LabelGroup]) -> dict[int, tuple[str, str]]:
    """Return for each label group with an extra label that selects nothing the fields of the label and the value."""
    first = (group.measures[0] for group in label_groups)
    return {
        index: (measure.extra.field, measure.field)
        for index, measure in enumerate(first)
        if measure.extra and not measure.only
    }


def measures_of(label_groups: Iterable[LabelGroup]) -> list[Measure]:
    """Return the measures of all groups."""
    return [measure for group in label_groups for measure in group.measures]


def dimensions_of(label_groups: Sequence[LabelGroup]) -> tuple[str, ...]:
    """Return the fields of the labels that all measures have."""
    group = label_groups[0]
    return group.labels[:-1] if group.key else group.labels


def selecting_fields(label_groups: Iterable[LabelGroup]) -> list[str]:
    """Return the fields by which measures select rows, or that are labels of one measure (a currency, a unit)."""
    sources = [source for measure in measures_of(label_groups) for source in (measure.extra, measure.only)]
    return [source.field for source in sources if source]


def selecting_groups(label_groups: Sequence[LabelGroup]) -> dict[str, set[int]]:
    """Return for each field by which measures select rows (a currency) the label groups of those measures."""
    groups: dict[str, set[int]] = {}
    for index, group in enumerate(label_groups):
        for measure in group.measures:
            if measure.only:
                groups.setdefault(measure.only.field, set()).add(index)
    return groups


def selection_of(label_groups: Sequence[LabelGroup]) -> tuple[RowFilter, str] | None:
    """Return the filter of the measure that counts only rows with a certain value, and the measure's field."""
    return next(
        ((each.only, each.field) for each in measures_of(label_groups) if each.only and not each.only.negate), None
    )


def blank_group(label_groups: Sequence[LabelGroup]) -> tuple[int, int, int] | None:
    """Return which label group has the rows without a selecting value, and group and position of the selection."""
    selection = selection_of(label_groups)
    if selection is None:
        return None
    sources = [
        index
        for index, group in enumerate(label_groups)
        if group.measures[0].extra and group.measures[0].extra.field == selection[0].field
    ]
    targets = [
        (index, position)
        for index, group in enumerate(label_groups)
        for position, measure in enumerate(group.measures)
        if measure.only == selection[0]
    ]
    return (sources[0], *targets[0]) if sources else None
