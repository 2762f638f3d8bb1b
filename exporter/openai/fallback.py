"""The legacy billing endpoints, for keys that the Admin API refuses.

They have days only, no filters, no projects of costs, and of usage only a few lists. Their rows are converted to those
of the endpoint that they replace, and decoded like them.
"""

import asyncio
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import quote

import msgspec
import structlog

from exporter.catalog import DAY, ApiFamily, Bucket, Plan, PollResult, day_of
from exporter.clock import Clock
from exporter.openai import errors
from exporter.openai.client import Client, Observer, Runner, inline
from exporter.openai.rate_limiter import Priority
from exporter.openai.responses import Rejections, decimal_of, decode_object
from exporter.openai.rows import reader

_DIGEST: Final = b"legacy"
"""The digest of every bucket that comes from here."""

_RETRY_SECONDS: Final = 3600.0
"""Seconds after which an endpoint that gave nothing is requested again."""

_MAX_BODY: Final = 8 << 20
"""Bytes of a response."""

_REFUSED_FACTOR: Final = 10
_BILLING: Final = "dashboard/billing/usage"
_USAGE: Final = "usage"

_log = structlog.get_logger("poll")


class FallbackListener(Protocol):
    """Called when a resource starts or stops using the legacy endpoints."""

    def __call__(self, resource: str, *, active: bool) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class _List:
    """The list of a `usage?date=` response that has the rows of a resource, and its names of their fields."""

    name: str
    fields: Mapping[str, str]
    operation: str = ""
    """How the `operation` of the rows starts; empty for the rows of no other resource."""


_IDENTITY: Final = {"project_id": "project_id", "api_key_id": "api_key_id", "user_id": "user_id"}
_BY_MODEL: Final = {**_IDENTITY, "model": "model_id", "num_model_requests": "num_requests"}
_CONTEXT: Final = {
    **_IDENTITY,
    "model": "snapshot_id",
    "num_model_requests": "n_requests",
    "input_tokens": "n_context_tokens_total",
}
_COMPLETIONS: Final = {
    **_CONTEXT,
    "output_tokens": "n_generated_tokens_total",
    "input_cached_tokens": "n_cached_context_tokens_total",
}

_LISTS: Final[Mapping[str, _List]] = {
    "completions": _List("data", _COMPLETIONS),
    "embeddings": _List("data", _CONTEXT, "embedding"),
    "moderations": _List("data", _CONTEXT, "moderation"),
    "images": _List("dalle_api_data", {**_BY_MODEL, "images": "num_images", "size": "image_size"}),
    "audio_speeches": _List("tts_api_data", {**_BY_MODEL, "characters": "num_characters"}),
    "audio_transcriptions": _List("whisper_api_data", {**_BY_MODEL, "seconds": "num_seconds"}),
}

_Lists = dict[str, list[dict[str, Any]]]
_RowsByDay = dict[int, list[dict[str, Any]]]


class FallbackSource:
    """A source of buckets: the Admin API, or the legacy billing endpoints where it says that a scope is missing.

    Never the latter once the Admin API has answered for a resource, nor for one that is filtered.
    """

    def __init__(
        self,
        client: Client,
        observer: Observer,
        clock: Clock,
        *,
        on_change: FallbackListener,
        organization: str = "",
        organization_id: str = "",
        run: Runner = inline,
    ) -> None:
        """Take the client for both, the organization's name for the log, and its id, empty if not configured."""
        self._client, self._observer, self._clock = client, observer, clock
        self._on_change = on_change
        self._organization_id = organization_id
        self._run = run
        self._log = _log.bind(organization=organization)
        self._answered: set[str] = set()
        self._refused: dict[str, errors.MissingScopes] = {}
        self._probes: dict[str, float] = {}
        self._closed: dict[str, tuple[float, str]] = {}
        self._days: dict[int, tuple[float, _Lists]] = {}
        self._reading = asyncio.Lock()
        self._logged: set[str] = set()

    async def poll(
        self,
        plan: Plan,
        start: int,
        *,
        due: float,
        priority: Priority,
        known: Mapping[int, bytes] | None = None,
        decode_all: bool = False,
    ) -> PollResult:
        """Return the buckets of a plan from `start` (Unix seconds) to now: see `BucketSource`."""
        name, known = plan.resource.name, known or {}
        active = _DIGEST in known.values()
        if name in self._answered or plan.filters or (known and not active):
            return await self._client.poll(plan, start, due=due, priority=priority, known=known, decode_all=decode_all)
        began = self._clock.monotonic()
        probed = began >= self._probes.get(name, -math.inf)
        if probed:
            try:
                return await self._probe(plan, start, due=due, priority=priority, active=active)
            except errors.MissingScopes as refusal:
                self._refused[name] = refusal
        try:
            result = await self._legacy(plan, start, due=due, priority=priority)
        except errors.LegacyClosed as error:
            self._on_change(name, active=False)
            self._log_once("fallback_unavailable", advice=error.advice, error=error.message)
            raise
        if probed:
            self._probes[name] = began + min(plan.interval * _REFUSED_FACTOR, _RETRY_SECONDS) - plan.interval / 2
        self._on_change(name, active=True)
        self._log_once(
            "fallback_active",
            advice=self._refused[name].advice,
            title=await self._title(name, due) if not self._logged else "",
            detail="the Admin API refuses this key: days only, no projects of costs, fewer resources",
        )
        return result

    async def _probe(self, plan: Plan, start: int, *, due: float, priority: Priority, active: bool) -> PollResult:
        if active:
            start = plan.lookback_start(self._clock.now())
        result = await self._client.poll(plan, start, due=due, priority=priority)
        name = plan.resource.name
        self._answered.add(name)
        self._on_change(name, active=False)
        if active:
            self._log.info("fallback_ended", resource=name, detail="the Admin API answers: counters restart at 0")
        return replace(result, resets_counters=active)

    async def _legacy(self, plan: Plan, start: int, *, due: float, priority: Priority) -> PollResult:
        name = plan.resource.name
        refusal = self._refused[name]
        endpoint = _BILLING if plan.resource.branch is ApiFamily.COSTS else _USAGE
        if plan.width_seconds != DAY or (endpoint == _USAGE and name not in _LISTS):
            raise refusal
        days = range(day_of(start), plan.open_end(self._clock.now()), DAY)
        until, why = self._closed.get(endpoint, (-math.inf, ""))
        if self._clock.monotonic() < until:
            raise _closed(refusal, why)
        try:
            if endpoint == _BILLING:
                rows = await self._costs(days, name, due, priority)
            else:
                rows = await self._usage(days, plan, due, priority)
        except (errors.Forbidden, errors.Unauthorized, errors.NotFound, errors.BadRequest) as error:
            why = _explanation(error)
        else:
            if rows is not None:
                result, rejections = await self._run(partial(_result, plan, days, rows, self._clock.now()))
                self._observer.rejected(name, rejections)
                return result
            why = "the legacy billing endpoints answer, but have nothing for this key"
        self._closed[endpoint] = self._clock.monotonic() + _RETRY_SECONDS - plan.interval, why
        raise _closed(refusal, why)

    async def _costs(self, days: range, resource: str, due: float, priority: Priority) -> _RowsByDay | None:
        query = [("start_date", _date(days.start)), ("end_date", _date(days.stop))]
        rows: _RowsByDay = await self._client.get_json(
            _BILLING, query, resource=resource, priority=priority, due=due, read=partial(_read_costs, days)
        )
        return rows if any(rows.values()) else None

    async def _usage(self, days: range, plan: Plan, due: float, priority: Priority) -> _RowsByDay | None:
        name = plan.resource.name
        contents = {day: await self._day(day, plan, due, priority) for day in days}
        if not any(rows for content in contents.values() for rows in content.values()):
            return None
        return await self._run(lambda: {day: list(_usage_rows(name, lists)) for day, lists in contents.items()})

    async def _day(self, day: int, plan: Plan, due: float, priority: Priority) -> _Lists:
        """Return all lists of a day: one response serves every resource that is polled in the same turn."""
        async with self._reading:
            now = self._clock.monotonic()
            cached = self._days.get(day)
            if cached is None or cached[0] <= now - plan.interval / 2:
                name, query = plan.resource.name, [("date", _date(day))]
                lists = await self._client.get_json(
                    _USAGE, query, resource=name, priority=priority, due=due, read=_read_lists
                )
                self._days = {day: kept for day, kept in self._days.items() if kept[0] > now - _RETRY_SECONDS}
                cached = self._days[day] = now, lists
            return cached[1]

    async def _title(self, resource: str, due: float) -> str:
        """Return the organization's title, empty if its id is not configured or the API does not have it."""
        if not self._organization_id:
            return ""
        path = f"organizations/{quote(self._organization_id, safe='')}"
        try:
            found = await self._client.get_json(path, resource=resource, priority=Priority.NAMES, due=due)
        except errors.UpstreamError:
            return ""
        return str(found.get("title") or "") if isinstance(found, dict) else ""

    def _log_once(self, event: str, **fields: str) -> None:
        if event not in self._logged:
            self._logged.add(event)
            self._log.warning(event, **{key: text for key, text in fields.items() if text})


def _read_costs(days: range, body: bytes) -> _RowsByDay:
    rows: _RowsByDay = {}
    daily = _members(body).get("daily_costs")
    if not isinstance(daily, list):
        raise errors.InvalidResponse("the response has no list daily_costs")
    for day in _objects(daily):
        timestamp = decimal_of(day.get("timestamp"))
        if timestamp is not None and days.start <= timestamp < days.stop:
            rows.setdefault(day_of(float(timestamp)), []).extend(map(_cost, _objects(day.get("line_items"))))
    return rows


def _read_lists(body: bytes) -> _Lists:
    return {key: list(_objects(rows)) for key, rows in _members(body).items() if isinstance(rows, list)}


def _members(body: bytes) -> dict[str, Any]:
    if len(body) > _MAX_BODY:
        raise errors.InvalidResponse(f"a response of more than {_MAX_BODY >> 20} MiB")
    content = decode_object(body)
    if not isinstance(content, dict):
        raise errors.InvalidResponse("the response is not an object")
    return content


def _result(plan: Plan, days: range, rows_by_day: _RowsByDay, now: float) -> tuple[PollResult, Rejections]:
    rows = reader(plan)
    rejections = Rejections()
    buckets = []
    for day in days:
        results = [{"object": plan.resource.object, **row} for row in rows_by_day.get(day, ())]
        decoded = rows.read(msgspec.Raw(msgspec.json.encode(results)))
        rejections.update(decoded.rejections)
        buckets.append(Bucket(day, min(day + DAY, int(now)), decoded.groups, _DIGEST))
    return PollResult(days.start, days.stop, tuple(buckets), now), rejections


def _objects(content: object) -> Iterator[dict[str, Any]]:
    return (row for row in content if isinstance(row, dict)) if isinstance(content, list) else iter(())


def _cost(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of costs for a line item, whose `cost` is in cents."""
    cents = decimal_of(item.get("cost"))
    value = item.get("cost") if cents is None else str(cents.scaleb(-2))
    return {"line_item": item.get("name"), "amount": {"value": value, "currency": "usd"}}


def _usage_rows(resource: str, content: _Lists) -> Iterator[dict[str, Any]]:
    source = _LISTS[resource]
    others = tuple(each.operation for each in _LISTS.values() if each.name == source.name and each.operation)
    for row in content.get(source.name, ()):
        operation = str(row.get("operation") or "")
        if operation.startswith(source.operation or others) is bool(source.operation):
            kind = row.get("request_type")
            batch = {} if kind is None else {"batch": kind == "batch"}
            yield {field: row[legacy] for field, legacy in source.fields.items() if row.get(legacy) is not None} | batch


def _date(day: float) -> str:
    return datetime.fromtimestamp(day, UTC).strftime("%Y-%m-%d")


def _explanation(error: errors.UpstreamError) -> str:
    if "session key" in error.message:
        return "the legacy billing endpoints answer only browsers (a session key), not API keys"
    return f"the legacy billing endpoints refuse it as well ({error.message})"


def _closed(refusal: errors.MissingScopes, why: str) -> errors.LegacyClosed:
    message = f"the Admin API refuses this key (it lacks {' and '.join(refusal.scopes)}), and {why}"
    return errors.LegacyClosed(message, refusal.scopes, status=refusal.status, request_id=refusal.request_id)
