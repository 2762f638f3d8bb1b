"""Pages of buckets, as the API writes them and as it should not."""

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.catalog import CATALOG, DAY, QUANTA, ApiFamily, Bucket, Measure, Plan, Resource, RowFilter
from exporter.openai import errors
from exporter.openai.amounts import quanta
from exporter.openai.pages import Page, read_page
from tests.support.scripted_api import TODAY, bucket, cost, embeddings, encoded, page, plan

EMBEDDINGS = plan("embeddings")
COSTS = plan("costs")


def _page(body: bytes, of: Plan, known: dict[int, bytes], *, first: bool = True) -> Page:
    return read_page(body, of, known, open_end=TODAY + DAY, first=first)


def _rows(*rows: dict[str, Any], of: Plan = EMBEDDINGS) -> tuple[Any, ...]:
    read = _page(encoded(page(bucket(TODAY, *rows))), of, {}).buckets[0].rows
    assert read is not None
    return tuple(list(sheet) for sheet in read)


def _refused(body: bytes, of: Plan = EMBEDDINGS) -> errors.InvalidResponse:
    with pytest.raises(errors.InvalidResponse) as caught:
        _page(body, of, {})
    return caught.value


def test_a_page_is_buckets_and_a_cursor() -> None:
    """Times, rows and the way on are read; unknown fields of every level are ignored."""
    row = embeddings(7, 2, project_id="proj_a", model="m", shoe_size=43)
    document = page({**bucket(TODAY, row, end=TODAY + 60), "start_time_iso": "x"}, next_page="page_A==", extra=[1])
    read = _page(encoded(document), EMBEDDINGS, {})

    assert (True, "page_A==") == (read.has_more, read.next_page)
    assert [(TODAY, TODAY + 60, ([(("proj_a", "m"), (7.0, 2.0))],))] == [(b.start, b.end, b.rows) for b in read.buckets]


def test_a_bucket_without_rows_is_there() -> None:
    """No traffic is an empty bucket, not a missing one."""
    assert ([],) == _rows()
    assert ([], [], []) == _rows(of=plan("costs", measures=["all"]))


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.name)
def test_every_row_of_the_table_is_read(row: Resource) -> None:
    """Whatever the table names is found under its field, dimensions in the table's order."""
    document: dict[str, Any] = {"object": row.object, **{name: f"{name} of it" for name in row.dimensions}}
    expected: dict[str, list[object]] = {}
    for number, measure in enumerate(row.measures, 1):
        whole, _, part = measure.field.rpartition(".")
        (document.setdefault(whole, {}) if whole else document)[part] = number
        if measure.extra is None:
            expected.setdefault("", []).append(number * QUANTA if measure.exact else float(number))
    if row.name == "costs":
        document["amount"] = {"value": 1, "currency": "usd"}
    read = _rows(document, of=plan(row, measures=["all"], group_by=row.dimensions))

    assert [(tuple(f"{name} of it" for name in row.dimensions), tuple(expected[""]))] == read[0]


def test_dimensions_become_labels() -> None:
    """Null, empty and absent are unknown, booleans are text, and only grouped dimensions are labels."""
    rows = [
        {"object": "organization.usage.completions.result", "input_tokens": 1, "output_tokens": 1}
        | {"num_model_requests": 1, "user_id": "user-1"}
        | dimensions
        for dimensions in (
            {"project_id": "", "model": None, "batch": True},
            {"project_id": "proj_a", "model": "m", "batch": False},
            {"project_id": "unknown"},
        )
    ]
    read = _rows(*rows, of=plan("completions"))

    assert [
        ("unknown", "unknown", "true"),
        ("proj_a", "m", "false"),
        ("unknown", "unknown", "unknown"),
    ] == [labels for labels, _ in read[0]]


@pytest.mark.parametrize(
    ("written", "label"),
    [
        (rb"\ud83d", "\ufffd"),
        (rb"a\uDE00b", "a\ufffdb"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\ud83d\u0041", "\ufffdA"),
        (rb"\\ud83d\udc00", "\\ud83d\ufffd"),
        (b"a\xff", "a\ufffd"),
    ],
)
def test_half_a_character_is_replaced(written: bytes, label: str) -> None:
    """A name cut within a surrogate pair does not invalidate the page; complete pairs stay."""
    body = encoded(page(bucket(TODAY, embeddings(7, 2, project_id="proj_a", model="HERE")))).replace(b"HERE", written)
    rows = _page(body, EMBEDDINGS, {}).buckets[0].rows

    assert rows is not None
    assert [(("proj_a", label), (7.0, 2.0))] == list(rows[0])


def test_without_grouping_there_are_no_labels() -> None:
    """One row, no labels."""
    assert ([((), (5.0, 1.0))],) == _rows(embeddings(5, 1, project_id="proj_a"), of=plan("embeddings", group_by=[]))
    assert ([],) == _rows(of=plan("embeddings", group_by=[]))


def test_optional_fields_may_be_missing() -> None:
    """A field that an old row lacks is unknown, not 0."""
    row = {
        "object": "organization.usage.completions.result",
        "input_tokens": 10,
        "output_tokens": 2,
        "num_model_requests": 1,
        "input_cached_tokens": None,
    }

    assert [(10.0, 2.0, None, None, None, 1.0)] == [values for _, values in _rows(row, of=plan("completions"))[0]]


MISSING = object()

ODD_VALUES: list[tuple[object, float | None, str]] = [
    (MISSING, None, "missing_value"),
    (None, None, "missing_value"),
    ("", None, "invalid_value"),
    ("many", None, "invalid_value"),
    (True, None, "invalid_value"),
    ([5], None, "invalid_value"),
    ({}, None, "invalid_value"),
    (math.nan, None, "invalid_value"),
    (-math.inf, None, "invalid_value"),
    ("NaN", None, "invalid_value"),
    ("Infinity", None, "invalid_value"),
    (10**15, None, "out_of_range"),
    (-(10**15), None, "out_of_range"),
    (10**400, None, "out_of_range"),
    ("1e999", None, "out_of_range"),
    ("1e999999999", None, "out_of_range"),
    ("7", 7.0, ""),
    (" 7.5 ", 7.5, ""),
    ("-2e1", -20.0, ""),
]


@pytest.mark.parametrize(("value", "read", "reason"), ODD_VALUES, ids=lambda value: str(value)[:12])
def test_a_count_that_is_not_a_number_is_unknown_and_the_rest_counts(
    value: object, read: float | None, reason: str
) -> None:
    """The other values of the row and the other rows stay; a numeric text is a number; the rejection is counted."""
    odd = embeddings(3, 2, project_id="odd")
    odd["input_tokens"] = value
    if value is MISSING:
        del odd["input_tokens"]
    found = _page(encoded(page(bucket(TODAY, embeddings(1, 1, project_id="a"), odd))), EMBEDDINGS, {})

    assert [(("a", "unknown"), (1.0, 1.0)), (("odd", "unknown"), (read, 2.0))] == list((found.buckets[0].rows or ())[0])
    assert ({reason: 1} if reason else {}) == found.rejections


@pytest.mark.parametrize("value", [*(value for value, _, _ in ODD_VALUES), 10**15, "1e15"], ids=lambda v: str(v)[:12])
def test_an_amount_that_is_not_a_number_is_unknown_and_the_rest_counts(value: object) -> None:
    """One row of costs is unknown or read as the number that it is; its neighbour counts either way."""
    odd = cost(project_id="odd")
    if value is MISSING:
        del odd["amount"]["value"]
    else:
        odd["amount"]["value"] = value
    found = _page(
        encoded(page(bucket(TODAY, cost(2, project_id="a"), odd))), plan("costs", group_by=["project_id"]), {}
    )
    numbers = {"7": 7 * QUANTA, " 7.5 ": 15 * QUANTA // 2, "-2e1": -20 * QUANTA}
    read = numbers.get(value) if isinstance(value, str) else None

    assert [(("a",), (2 * QUANTA,)), (("odd",), (read,))] == list((found.buckets[0].rows or ())[0])
    assert (0 if read is not None else 1) == found.rejections.total()


EXPONENTS = ("1E4960001", "-1E999999999", "1E99999999999999999999", "-1E99999999999999999999")


@pytest.mark.parametrize("number", EXPONENTS)
def test_a_count_with_any_exponent_costs_its_value_alone(number: str) -> None:
    """A few bytes that would take hours to write out as an integer are rejected like any other number out of range."""
    odd = embeddings(3, 2, project_id="odd") | {"input_tokens": "@"}
    body = encoded(page(bucket(TODAY, odd, embeddings(7, project_id="b"))))
    found = _page(body.replace(b'"@"', number.encode()), EMBEDDINGS, {})

    assert [(("odd", "unknown"), (None, 2.0)), (("b", "unknown"), (7.0, 1.0))] == list((found.buckets[0].rows or ())[0])
    assert 1 == found.rejections.total()


@pytest.mark.parametrize("number", EXPONENTS)
@pytest.mark.parametrize("field", ["start_time", "end_time"])
def test_a_time_with_any_exponent_costs_its_bucket_at_most(field: str, number: str) -> None:
    """Its neighbours count; without a readable end the bucket lasts its width."""
    odd = bucket(TODAY, embeddings(7)) | {field: "@"}
    body = encoded(page(bucket(TODAY - DAY, embeddings(1)), odd))
    found = _page(body.replace(b'"@"', number.encode()), EMBEDDINGS, {})

    assert TODAY - DAY == found.buckets[0].start
    assert [(TODAY, TODAY + DAY)] * (1 - found.rejections.total()) == [(b.start, b.end) for b in found.buckets[1:]]


@pytest.mark.parametrize("number", EXPONENTS)
def test_an_amount_with_any_exponent_costs_its_value_alone(number: str) -> None:
    """Its neighbour counts, to the last digit."""
    odd = cost(project_id="odd")
    odd["amount"]["value"] = "@"
    body = encoded(page(bucket(TODAY, cost("0.1", project_id="a"), odd))).replace(b'"@"', number.encode())
    found = _page(body, plan("costs", group_by=["project_id"]), {})

    assert [(("a",), (QUANTA // 10,)), (("odd",), (None,))] == list((found.buckets[0].rows or ())[0])
    assert 1 == found.rejections.total()


@pytest.mark.parametrize("odd", [None, 5, "row", [], [{}]])
def test_a_row_that_is_not_an_object_is_ignored_and_counted(odd: object) -> None:
    """Its neighbours count."""
    found = _page(encoded(page(bucket(TODAY, embeddings(1), odd, embeddings(2)))), EMBEDDINGS, {})  # type: ignore[arg-type]

    assert [1.0, 2.0] == [values[0] for _, values in (found.buckets[0].rows or ())[0]]
    assert {"invalid_row": 1} == found.rejections
    assert {0} == found.buckets[0].incomplete


@pytest.mark.parametrize("odd", [5, 1.5, [], {"id": "m"}])
def test_a_row_with_a_dimension_of_an_unexpected_type_is_left_out(odd: object) -> None:
    """It is counted, and the bucket is incomplete."""
    found = _page(encoded(page(bucket(TODAY, embeddings(1, model=odd), embeddings(2, model="m")))), EMBEDDINGS, {})

    assert [(("unknown", "m"), (2.0, 1.0))] == list((found.buckets[0].rows or ())[0])
    assert {"invalid_field": 1} == found.rejections
    assert {0} == found.buckets[0].incomplete


def test_a_unit_of_an_unexpected_type_makes_the_quantity_unknown() -> None:
    """The amount of the row counts; only the quantities of the bucket are incomplete."""
    odd = cost(2, project_id="a") | {"quantity": 5, "quantity_unit": 17}
    settings = plan("costs", measures=["cost_usd", "cost_quantity"], group_by=["project_id"])
    (found,) = _page(encoded(page(bucket(TODAY, odd))), settings, {}).buckets
    units = next(index for index, group in enumerate(settings.label_groups) if group.key == "unit")

    assert [(("a",), (2 * QUANTA,))] == list((found.rows or ())[0])
    assert [] == list((found.rows or ())[units])
    assert {units} == found.incomplete


@pytest.mark.parametrize("row_object", [MISSING, None, 5])
def test_a_row_without_an_object_is_one_of_the_endpoint(row_object: object) -> None:
    """Only another endpoint's object is a contradiction."""
    row = embeddings(4) | {"object": row_object}
    if row_object is MISSING:
        del row["object"]

    assert [(("unknown", "unknown"), (4.0, 1.0))] == list(_rows(row)[0])


def test_a_bucket_with_a_rejection_is_decoded_at_every_poll() -> None:
    """The same bytes are rejected and counted again, so that the counter shows what is rejected now."""
    body = encoded(page(bucket(TODAY - DAY, embeddings(1)), bucket(TODAY, embeddings(None))))
    first = _page(body, EMBEDDINGS, {})
    again = _page(body, EMBEDDINGS, {found.start: found.digest for found in first.buckets})

    assert [None, ([(("unknown", "unknown"), (None, 1.0))],)] == [found.rows for found in again.buckets]
    assert {"missing_value": 1} == first.rejections == again.rejections


ODD_BUCKETS: list[tuple[object, str]] = [
    (None, "invalid_bucket"),
    ({}, "invalid_bucket"),
    (bucket(TODAY) | {"start_time": None}, "invalid_bucket"),
    (bucket(TODAY) | {"start_time": "soon"}, "invalid_bucket"),
    (bucket(TODAY) | {"start_time": TODAY + 0.5}, "invalid_bucket"),
    (bucket(TODAY) | {"results": None}, "invalid_bucket"),
    (bucket(TODAY) | {"results": {}}, "invalid_bucket"),
    (bucket(TODAY + 60), "invalid_bucket"),
    (bucket(TODAY, end=TODAY), "invalid_bucket"),
    (bucket(TODAY, end=TODAY + 2 * DAY), "invalid_bucket"),
    (bucket(TODAY + DAY, embeddings(9)), "future_bucket"),
    (bucket(10**15, embeddings(9)), "future_bucket"),
    (bucket(10**30, embeddings(9)), "future_bucket"),
    (bucket(TODAY) | {"start_time": "1e999999999"}, "future_bucket"),
    (bucket(TODAY) | {"end_time": "1e999999999"}, "invalid_bucket"),
]


@pytest.mark.parametrize(("odd", "reason"), ODD_BUCKETS)
def test_a_bucket_that_cannot_be_used_is_ignored_and_counted(odd: object, reason: str) -> None:
    """Its neighbours count."""
    found = _page(encoded(page(bucket(TODAY - DAY, embeddings(1)), odd)), EMBEDDINGS, {})  # type: ignore[arg-type]

    assert [TODAY - DAY] == [each.start for each in found.buckets]
    assert {reason: 1} == found.rejections


@pytest.mark.parametrize("end", [None, "soon", [], MISSING])
def test_a_bucket_without_a_readable_end_lasts_its_width(end: object) -> None:
    """The start alone says which bucket it is; a start that is a numeric text is read."""
    odd = bucket(TODAY, embeddings(1)) | {"start_time": str(TODAY), "end_time": end}
    if end is MISSING:
        del odd["end_time"]
    found = _page(encoded(page(odd)), EMBEDDINGS, {})

    assert [(TODAY, TODAY + DAY)] == [(each.start, each.end) for each in found.buckets]
    assert {} == found.rejections


def test_a_long_label_is_cut_and_stays_distinct() -> None:
    """A model of a megabyte becomes 256 bytes; models that differ only beyond them stay different."""
    models = ["m" * 1_000_000, "m" * 1_000_000 + "!", "m" * 256, "m" * 257]
    shown = [labels[1] for labels, _ in _rows(*(embeddings(model=model) for model in models))[0]]

    assert ["m" * 237 + "..."] * 2 == [label[:240] for label in shown[:2]]
    assert [256, 256, 256, 256] == [len(label) for label in shown]
    assert models[2] == shown[2]
    assert 4 == len(set(shown))


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        (b"1", QUANTA),
        (b"0.06", 6 * QUANTA // 100),
        (b"-2.5", -5 * QUANTA // 2),
        (b"1e-7", QUANTA // 10**7),
        (b"0.1234567890123456789012345678901234567890", 123456789012345678901234567890),
        (b"0.000000000000000000000000000000500001", 1),
        (b"0.0000000000000000000000000000005", 0),
        (b"0.0000000000000000000000000000015", 2),
        (b"999999999999999.999999999999999999999999999999", 10**45 - 1),
        (b'"12.50"', 25 * QUANTA // 2),
        (b'"0E-6176"', 0),
        (b'"0.003627500000000000000000000000000000"', 36275 * QUANTA // 10**7),
        (b'"1E-999999999"', 0),
        (b"null", None),
    ],
)
def test_amounts_are_exact_in_every_form(written: bytes, amount: int | None) -> None:
    """Numbers, numeric strings and exponents become whole quanta, rounded half to even, never by way of a float."""
    body = encoded(page(bucket(TODAY, cost("HERE")))).replace(b'"HERE"', written)
    read = _page(body, COSTS, {}).buckets[0].rows

    assert read is not None
    assert [(("proj_a", "gpt-6, input"), (amount,))] == read[0]


@given(st.integers(-(10**44), 10**44))
def test_every_amount_comes_back(whole: int) -> None:
    """Quanta written as a decimal are read as the same quanta."""
    assert whole == quanta(Decimal(f"{whole}E-30"))


def test_an_absent_amount_is_unknown() -> None:
    """The row stays with the dollars, as unknown, and adds no other currency."""
    rows = [cost() | {"amount": None}, cost(None, None), cost(None)]
    del rows[0]["amount"]
    labels = ("proj_a", "gpt-6, input")

    assert ([(labels, (None,))] * 3, []) == _rows(*rows, of=COSTS)
    assert ([(labels, (None,))], []) == _rows(cost() | {"amount": None}, of=COSTS)


@pytest.mark.parametrize(
    "odd", [MISSING, None, 5, "usd", [], {"value": 1, "currency": 5}, {"value": 1, "currency": True}]
)
def test_an_amount_that_cannot_be_attributed_to_a_currency_makes_both_incomplete(odd: object) -> None:
    """It may be dollars or not; what was billed is known."""
    settings = plan("costs", measures=["cost_usd", "cost_quantity"], group_by=["project_id"])
    row = {name: value for name, value in (cost(1) | {"amount": odd}).items() if value is not MISSING}
    (found,) = _page(encoded(page(bucket(TODAY, row, cost(2)))), settings, {}).buckets

    kinds = {group.key: index for index, group in enumerate(settings.label_groups)}
    assert {0, kinds["currency"]} == found.incomplete


def test_currencies_part_in_any_case() -> None:
    """Amounts in other currencies, or without one, are in a separate label group with the currency in lower case."""
    rows = [cost(1, "USD"), cost(2, "EUR"), cost(3, "eur"), cost(4, None), cost(5, ""), cost(None, "gbp")]
    dollars, others = _rows(*rows, of=plan("costs", group_by=["project_id"]))

    assert [(("proj_a",), (QUANTA,))] == dollars
    assert [
        (("proj_a", "eur"), (2 * QUANTA,)),
        (("proj_a", "eur"), (3 * QUANTA,)),
        (("proj_a", "unknown"), (4 * QUANTA,)),
        (("proj_a", "unknown"), (5 * QUANTA,)),
        (("proj_a", "gbp"), (None,)),
    ] == others


def test_quantities_have_their_unit() -> None:
    """A quantity is shown under its unit as written; a row without any is left out of that sheet."""
    rows = [
        cost(1, quantity=2.5, quantity_unit="1000_Tokens"),
        cost(1, quantity="3", quantity_unit=None),
        cost(1, quantity=None, quantity_unit="images"),
        cost(1),
    ]
    _, _, quantities = _rows(*rows, of=plan("costs", group_by=["project_id"], measures=["all"]))

    assert [
        (("proj_a", "1000_Tokens"), (5 * QUANTA // 2,)),
        (("proj_a", "unknown"), (3 * QUANTA,)),
        (("proj_a", "images"), (None,)),
    ] == quantities


def test_a_thirteenth_row_needs_no_code() -> None:
    """An endpoint that combines features of several rows is read by its description alone."""
    thirteenth = Resource(
        name="credits",
        path="usage/credits",
        object="organization.usage.credits.result",
        dimensions=("pool", "project_id"),
        group_by=("pool",),
        filters=(),
        measures=(
            Measure("credits_granted", "grant.amount", "Credits", exact=True, only=RowFilter("grant.currency", "usd")),
            Measure("credits_requests", "num_requests", "Requests", required=True),
            Measure("credits_rate", "rate", "Rate", exact=True, required=True),
        ),
        branch=ApiFamily.USAGE,
        widths={"1d": 31},
    )
    row = {"object": thirteenth.object, "pool": "p", "num_requests": 2, "rate": "0.5"}
    read = _rows(
        {**row, "grant": {"amount": 1, "currency": "usd"}},
        {**row, "grant": {"amount": 1, "currency": "eur"}},
        {**row, "grant": None},
        of=plan(thirteenth),
    )

    assert [
        (("p",), (QUANTA, 2.0, QUANTA // 2)),
        (("p",), (None, 2.0, QUANTA // 2)),
        (("p",), (None, 2.0, QUANTA // 2)),
    ] == read[0]
    assert [(("p",), (None, 2.0, None))] == _rows(row | {"rate": None}, of=plan(thirteenth))[0]


def test_rows_repeat() -> None:
    """Rows with the same labels are all returned: the ledger adds them up."""
    assert 2 == len(_rows(embeddings(1), embeddings(1))[0])


def test_known_buckets_are_not_read_again() -> None:
    """A bucket whose results are those of the last answer comes without rows, with its new end."""
    body = encoded(page(bucket(TODAY - DAY, embeddings(1)), bucket(TODAY, embeddings(2), end=TODAY + 60)))
    before = _page(body, EMBEDDINGS, {}).buckets
    again = encoded(page(bucket(TODAY - DAY, embeddings(3)), bucket(TODAY, embeddings(2), end=TODAY + 120)))
    after = _page(again, EMBEDDINGS, {bucket.start: bucket.digest for bucket in before}).buckets

    assert after[0].rows == ([(("unknown", "unknown"), (3.0, 1.0))],)
    assert after[1] == Bucket(TODAY, TODAY + 120, None, before[1].digest)
    assert before[0].digest != after[0].digest


def test_a_row_of_another_endpoint_is_refused() -> None:
    """The error names the endpoint of the row."""
    row = embeddings() | {"object": "organization.usage.moderations.result"}
    error = _refused(encoded(page(bucket(TODAY, row))))

    assert isinstance(error, errors.WrongObject)
    assert "organization.usage.moderations.result" in error.message


@pytest.mark.parametrize("document", [page(object="list"), page({**bucket(TODAY), "object": "page"})])
def test_an_answer_of_another_kind_is_refused(document: dict[str, Any]) -> None:
    """A list is not a page, and a page not a bucket."""
    assert "object" in _refused(encoded(document)).message


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", errors.NotJson),
        (b" \n", errors.NotJson),
        (b"<html><body>Sign in</body></html>", errors.NotJson),
        (encoded(page()) + b" trailing", errors.NotJson),
        (encoded(page(bucket(TODAY, embeddings())))[:-20], errors.Truncated),
        (b'{"more":' + b"[" * 1_000_000, errors.TooDeep),
        (b"[" * 1_000_000, errors.InvalidResponse),
        (encoded(page(bucket(TODAY, {"a": "HERE"}))).replace(b'"HERE"', b"[" * 5000 + b"]" * 5000), errors.TooDeep),
        (b"null", errors.InvalidResponse),
        (b"[]", errors.InvalidResponse),
        (b"{}", errors.InvalidResponse),
        (encoded(page(has_more="yes")), errors.InvalidResponse),
    ],
)
def test_bodies_that_are_no_page_have_their_names(body: bytes, kind: type[errors.InvalidResponse]) -> None:
    """HTML, an empty body, half a page and nested brackets have different errors."""
    assert kind is type(_refused(body))


def test_buckets_begin_on_boundaries() -> None:
    """Only the first of all may be clipped, and is known by the boundary before it."""
    clipped = encoded(page({**bucket(TODAY + 63), "end_time": TODAY + DAY}))

    assert [TODAY] == [bucket.start for bucket in _page(clipped, EMBEDDINGS, {}).buckets]
    assert {"invalid_bucket": 1} == _page(clipped, EMBEDDINGS, {}, first=False).rejections


@pytest.mark.parametrize("content", [b"NaN" * 100_000, b"-NaN" * 100_000, b'"a",' + b"Infinity" * 100_000])
def test_runs_of_what_is_no_number_are_refused_at_once(content: bytes) -> None:
    """They are no JSON, and are not repaired one after the other."""
    assert isinstance(_refused(b'{"object":"page","data":[%s],"has_more":false}' % content), errors.NotJson)


@pytest.mark.parametrize("row", [{}, 0, {"input_tokens": None}])
def test_a_bucket_of_rows_without_values_is_ignored(row: object) -> None:
    """Rows without any value are read up to ten thousand; another bucket of the page counts."""
    odd = bucket(TODAY) | {"results": [row] * 10_001}
    found = _page(encoded(page(bucket(TODAY - DAY, embeddings(7)), odd)), EMBEDDINGS, {})

    assert [TODAY - DAY] == [each.start for each in found.buckets]
    assert {"invalid_bucket": 1} == found.rejections


def test_stored_bytes_reach_further_than_counts() -> None:
    """A level is never summed, so that it is exact enough up to 10^18."""
    rows = [
        {"object": "organization.usage.vector_stores.result", "usage_bytes": size, "project_id": name}
        for name, size in (("a", 10**17), ("b", 10**18))
    ]
    found = _rows(*rows, of=plan("vector_stores", group_by=["project_id"]))

    assert [(("a",), (1e17,)), (("b",), (None,))] == found[0]
