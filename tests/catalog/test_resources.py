"""What every row of the table has to be like."""

from itertools import chain

import pytest

from exporter.catalog import CATALOG, Kind, Resource, RowFilter, accrued_name, resource, today_name, window_name
from exporter.exposition import reference

every = pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.name)


@every
def test_a_row_agrees_with_itself(row: Resource) -> None:
    """What it groups by, filters or starts late with are dimensions that it has."""
    dimensions = set(row.dimensions)

    assert len(row.dimensions) == len(dimensions)
    assert set(row.group_by) | row.not_before.keys() <= dimensions
    assert "project_id" not in row.droppable_dimensions
    assert {name.removesuffix("s") for name in row.filters if name != "batch"} <= dimensions
    assert "1d" in row.widths


@every
def test_a_row_has_measures_by_default(row: Resource) -> None:
    """All of them with other names, details only on request."""
    names = [measure.name for measure in row.measures]

    assert len(names) == len(set(names))
    assert row.select() == row.select(["default"]) != ()
    assert row.measures == row.select(["all"])
    assert not any(measure.detail for measure in row.select())


@every
def test_levels_are_alone(row: Resource) -> None:
    """A level has no flow in addition that could be mistaken for its sum."""
    kinds = {measure.kind for measure in row.measures}

    assert 1 == len(kinds)


@every
def test_the_first_sheet_has_the_grouped_labels_alone(row: Resource) -> None:
    """Measures with a label of their own come after it."""
    first, *others = row.label_groups(row.group_by, row.measures)

    assert row.group_by == first.labels
    assert "" == first.key
    assert all(sheet.labels == (*row.group_by, sheet.key) for sheet in others)


def test_names_of_metrics_are_unique() -> None:
    """Over all resources and faces."""
    names = [family.name for family in reference()]

    assert len(names) == len(set(names))
    measures = list(chain.from_iterable(row.measures for row in CATALOG))
    flows = [measure for measure in measures if measure.kind is Kind.FLOW]
    assert {today_name(measure) for measure in measures} | {
        name(measure) for name in (window_name, accrued_name) for measure in flows
    } == set(names)


def test_measures_are_chosen_by_name() -> None:
    """In the order of the table; what is always exported is there without being named."""
    costs = resource("costs")

    assert ["cost_usd", "cost_other_currency"] == [measure.name for measure in costs.select()]
    assert ["cost_other_currency", "cost_quantity"] == [measure.name for measure in costs.select(["cost_quantity"])]
    assert ["cost_usd", "cost_other_currency", "cost_quantity"] == [
        measure.name for measure in costs.select(["cost_quantity", "default"])
    ]


def test_a_measure_that_does_not_exist_is_refused_with_those_that_do() -> None:
    """The message is what the operator reads."""
    with pytest.raises(ValueError, match=r"embeddings has no measure nonsense: it has embeddings_input_tokens, embed"):
        resource("embeddings").select(["nonsense", "default"])


def test_a_resource_that_does_not_exist_is_refused_with_those_that_do() -> None:
    """Likewise."""
    with pytest.raises(KeyError, match="no resource 'nonsense': there are costs, completions"):
        resource("nonsense")


@pytest.mark.parametrize(
    ("value", "negate", "admitted"),
    [
        ("usd", False, True),
        ("USD", False, True),
        ("eur", False, False),
        (None, False, False),
        ("", True, True),
        (None, True, True),
        ("Usd", True, False),
    ],
)
def test_currencies_compare_in_any_case(value: str | None, negate: bool, admitted: bool) -> None:  # noqa: FBT001 # from the table above
    """What has no currency is not dollars."""
    assert admitted is RowFilter("amount.currency", "usd", negate=negate).admits(value)
