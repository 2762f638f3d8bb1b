"""Bucket endpoints: usage and costs."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from exporter.catalog import ApiFamily, Resource
from exporter.simulator.corruption import corrupt
from exporter.simulator.demand import Values
from exporter.simulator.faults import Fault
from exporter.simulator.paging import BucketPage, bucket_page
from exporter.simulator.policy import Policy
from exporter.simulator.prices import DOLLAR, QUANTUM
from exporter.simulator.request import Query
from exporter.simulator.responses import ApiError, Json, Response, number
from exporter.simulator.usage_log import Key, Rows, UsageLog
from exporter.simulator.workloads import Dimension, RowLayout, row_layout

_DEFAULT_LIMITS: Final = {"1d": 7, "1h": 24, "1m": 60}
_CACHED_BYTES: Final = 64 * 2**20
_FLAGS: Final = frozenset({"batch"})


@dataclass(frozen=True, slots=True)
class Selection:
    """Grouping and filters of a request."""

    group_by: tuple[str, ...]
    filters: tuple[tuple[str, tuple[Dimension, ...]], ...]
    """Dimensions with their accepted values."""

    def regroup(self, resource: Resource, rows: Rows) -> Rows:
        """Return the rows that pass the filters, summed over the other dimensions, which become null."""
        names = resource.dimensions
        layout = row_layout(resource)
        filters = [(names.index(name), frozenset(values)) for name, values in self.filters]
        indexes = [index if name in self.group_by else None for index, name in enumerate(names)]
        indexes += range(len(names), len(names) + len(layout.extra_dimensions))
        summed: Rows = {}
        for key, values in rows.items():
            if all(key[index] in accepted for index, accepted in filters):
                group = tuple(None if index is None else key[index] for index in indexes)
                held = summed.get(group)
                summed[group] = values if held is None else [a + b for a, b in zip(held, values, strict=True)]
        return summed


class Reports:
    """The bucket endpoints of one organization."""

    def __init__(self, usage_log: UsageLog, policy: Policy) -> None:
        """Take the usage log and the policy."""
        self._usage_log = usage_log
        self._policy = policy
        self._encoded: OrderedDict[object, bytes] = OrderedDict()
        self._encoded_bytes = 0

    def response(self, resource: Resource, query: Query, now: float, faults: Sequence[Fault] = ()) -> Response:
        """Return one page. Raises ApiError for a request that the API refuses."""
        width = query.choice("bucket_width", tuple(resource.widths), "1d")
        selection = self._selection(resource, query)
        self._check_costs(resource, query, selection)
        page = bucket_page(
            query,
            now,
            width,
            resource.widths[width],
            _DEFAULT_LIMITS[width],
            clamp=self._policy.over_limit == "clamp",
            keep_future=self._policy.future_end == "keep",
        )
        headers = {"content-type": "application/json"}
        if not faults:
            return Response(200, self._encode(resource, selection, page), headers)
        content = {
            "object": "page",
            "data": [self.bucket(resource, selection, span, page.instant) for span in page.spans],
            "has_more": page.next is not None,
            "next_page": str(page.next) if page.next else None,
        }
        for fault in faults:
            content = corrupt(content, fault, query)
        return Response(200, msgspec.json.encode(content), headers)

    def bucket(self, resource: Resource, selection: Selection, span: tuple[int, int], as_of: float) -> Json:
        """Return one bucket as the API shows it at `as_of`."""
        start, end = span
        summed = selection.regroup(resource, self._usage_log.rows(resource.name, start, end, as_of))
        bucket: dict[str, Json] = {"object": "bucket", "start_time": start, "end_time": end}
        if self._policy.iso_times:
            bucket["start_time_iso"] = datetime.fromtimestamp(start, UTC).isoformat()
            bucket["end_time_iso"] = datetime.fromtimestamp(end, UTC).isoformat()
        make_row, layout = _cost_row if resource.branch is ApiFamily.COSTS else _usage_row, row_layout(resource)
        bucket["results"] = [
            make_row(resource, layout, key, values, self._usage_log.units) for key, values in summed.items()
        ]
        return bucket

    def _encode(self, resource: Resource, selection: Selection, page: BucketPage) -> bytes:
        buckets = b",".join(self._encoded_bucket(resource, selection, span, page.instant) for span in page.spans)
        cursor = b'"%s"' % str(page.next).encode() if page.next else b"null"
        more = b"true" if page.next else b"false"
        return b'{"object":"page","data":[%s],"has_more":%s,"next_page":%s}' % (buckets, more, cursor)

    def _encoded_bucket(self, resource: Resource, selection: Selection, span: tuple[int, int], as_of: float) -> bytes:
        name = resource.name
        cache_key = (
            name,
            selection,
            span,
            self._usage_log.visible_until(name, *span, as_of),
            tuple(id(correction) for correction in self._usage_log.corrections(name, *span, as_of)),
            self._policy.iso_times,
            tuple(self._usage_log.allowances.items()),
        )
        if (encoded := self._encoded.get(cache_key)) is None:
            encoded = self._encoded[cache_key] = msgspec.json.encode(self.bucket(resource, selection, span, as_of))
            self._encoded_bytes += len(encoded)
            while self._encoded_bytes > _CACHED_BYTES:
                self._encoded_bytes -= len(self._encoded.popitem(last=False)[1])
        else:
            self._encoded.move_to_end(cache_key)
        return encoded

    def _selection(self, resource: Resource, query: Query) -> Selection:
        filters: list[tuple[str, tuple[Dimension, ...]]] = []
        for name in resource.filters:
            if name in _FLAGS:
                flag = query.flag(name)
                if flag is not None:
                    filters.append((name, (flag,)))
            elif values := query.texts(name):
                filters.append((name.removesuffix("s"), values))
        return Selection(tuple(sorted(query.choices("group_by", resource.dimensions))), tuple(filters))

    def _check_costs(self, resource: Resource, query: Query, selection: Selection) -> None:
        if resource.branch is not ApiFamily.COSTS:
            return
        by_project = "project_id" in selection.group_by or bool(query.texts("project_ids"))
        if not self._policy.costs_by_user_and_project and by_project and "user_id" in selection.group_by:
            raise ApiError(
                400,
                "Combining 'user_id' with 'project_id' is not supported for this organization and time range.",
                param="group_by",
                code="invalid_value",
            )
        start = query.whole("start_time") or 0
        for dimension, since in resource.not_before.items():
            if self._policy.costs_by_key_since and dimension in selection.group_by and start < since:
                raise ApiError(
                    400,
                    f"Grouping by '{dimension}' is supported only for a 'start_time' of {since} or later.",
                    param="start_time",
                    code="invalid_value",
                )


def _usage_row(
    resource: Resource, layout: RowLayout, key: Key, values: Values, _units: Mapping[str, str | None]
) -> dict[str, Json]:
    return {
        "object": resource.object,
        **layout.field_values(values),
        **dict(zip(resource.dimensions, key, strict=True)),
    }


def _cost_row(
    resource: Resource, _layout: RowLayout, key: Key, values: Values, units: Mapping[str, str | None]
) -> dict[str, Json]:
    *dimensions, currency = key
    amount, quantity = values
    named = dict(zip(resource.dimensions, dimensions, strict=True))
    item = named["line_item"]
    return {
        "object": resource.object,
        "amount": {"value": msgspec.Raw(number(amount, DOLLAR).encode()), "currency": currency},
        **named,
        "quantity": msgspec.Raw(number(quantity, QUANTUM).encode()) if item is not None else None,
        "quantity_unit": units.get(item) if isinstance(item, str) else None,
    }
