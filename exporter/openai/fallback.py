"""What the billing endpoints of before 2024 still give to keys that the Admin API refuses.

They know days only, no filters, of costs no projects, and of usage no more than their lists have. What they give is
made into the rows of the endpoint that they stand in for, and read as those are.
"""

import asyncio
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote

import msgspec
import structlog

from exporter.catalog import DAY, ApiFamily, Bucket, Plan, PollResult, day_of
from exporter.openai import errors
from exporter.openai.client import Client
from exporter.openai.metadata import read
from exporter.openai.rate_limiter import Priority
from exporter.openai.responses import Rejections
from exporter.openai.rows import reader

_DIGEST: Final = b"legacy"
"""Stands in ledgers for the bytes of buckets that were made here."""

_REST: Final = 3600.0
"""Seconds for which an endpoint that gave nothing is left alone."""

_REFUSED_FACTOR: Final = 10
_BILLING: Final = "dashboard/billing/usage"
_USAGE: Final = "usage"

T = TypeVar("T")

_log = structlog.get_logger("poll")


class Told(Protocol):
    """Is told whether the legacy endpoints stand in for a resource."""

    def __call__(self, resource: str, *, standing_in: bool) -> None: ...  # noqa: D102


class _LineItem(msgspec.Struct, frozen=True):
    name: str
    cost: float
    """Cents."""


class _Day(msgspec.Struct, frozen=True):
    timestamp: float
    line_items: tuple[_LineItem, ...] = ()


class _Billing(msgspec.Struct, frozen=True):
    daily_costs: tuple[_Day, ...]


@dataclass(frozen=True, slots=True)
class _List:
    """Where in an answer of `usage?date=` the rows of a resource are, and what its fields are called there."""

    name: str
    fields: Mapping[str, str]
    operation: str = ""
    """What the row's operation begins with; empty for those of no other resource."""


_COMMON: Final = {"project_id": "project_id", "api_key_id": "api_key_id", "user_id": "user_id"}
_BY_MODEL: Final = {**_COMMON, "model": "model_id", "num_model_requests": "num_requests"}
_CONTEXT: Final = {
    **_COMMON,
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

_Content = dict[str, list[dict[str, Any]]]
_Rows = dict[int, list[dict[str, Any]]]


class FallbackClient(Client):
    """A client that asks the legacy billing endpoints where the Admin API says that a scope is missing.

    Never after the Admin API has answered once for a resource, and never for one that is filtered.
    """

    def __init__(self, *positional: Any, told: Told, organization: str = "", **named: Any) -> None:  # noqa: ANN401
        """Take what `Client` takes, who is told of every change, and the organization's name for the log."""
        super().__init__(*positional, **named)
        self._told = told
        self._log = _log.bind(organization=organization)
        self._settled: set[str] = set()
        self._refused: dict[str, errors.MissingScopes] = {}
        self._probes: dict[str, float] = {}
        self._closed: dict[str, tuple[float, str]] = {}
        self._days: dict[int, tuple[float, _Content]] = {}
        self._asking = asyncio.Lock()
        self._said: set[str] = set()

    async def poll(
        self,
        plan: Plan,
        start: int,
        *,
        due: float,
        priority: Priority,
        known: Mapping[int, bytes] | None = None,
        held: Mapping[int, bytes] | None = None,
    ) -> PollResult:
        """Return the buckets of a plan from `start` (Unix seconds) to now, from wherever they can be had."""
        name, known = plan.resource.name, known or {}
        held = known if held is None else held
        standing_in = _DIGEST in held.values()
        if name in self._settled or plan.filters or (held and not standing_in):
            return await super().poll(plan, start, due=due, priority=priority, known=known)
        began = self._clock.monotonic()
        probed = began >= self._probes.get(name, -math.inf)
        if probed:
            try:
                return await self._probe(plan, start, due=due, priority=priority, standing_in=standing_in)
            except errors.MissingScopes as refusal:
                self._refused[name] = refusal
        try:
            answer = await self._instead(plan, start, due=due, priority=priority)
        except errors.LegacyClosed as error:
            self._told(name, standing_in=False)
            self._say("only an admin key can read usage and costs", error.advice, error=error.message)
            raise
        if probed:
            self._probes[name] = began + min(plan.interval * _REFUSED_FACTOR, _REST) - plan.interval / 2
        self._told(name, standing_in=True)
        self._say(
            "the Admin API refuses this key: the legacy billing endpoints stand in, "
            "with days only, no projects of costs and fewer resources",
            self._refused[name].advice,
            title=await self._title(name, due) if not self._said else "",
        )
        return answer

    async def _probe(self, plan: Plan, start: int, *, due: float, priority: Priority, standing_in: bool) -> PollResult:
        if standing_in:
            start = plan.lookback_start(self._clock.now())
        answer = await super().poll(plan, start, due=due, priority=priority)
        name = plan.resource.name
        self._settled.add(name)
        self._told(name, standing_in=False)
        if standing_in:
            self._log.info("the Admin API answers: counters begin anew", resource=name)
        return replace(answer, resets_counters=standing_in)

    async def _instead(self, plan: Plan, start: int, *, due: float, priority: Priority) -> PollResult:
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
            why = _in_words(error)
        else:
            if rows is not None:
                return self._answer(plan, days, rows)
            why = "the legacy billing endpoints answer, but have nothing to tell this key"
        self._closed[endpoint] = self._clock.monotonic() + _REST - plan.interval, why
        raise _closed(refusal, why)

    async def _costs(self, days: range, resource: str, due: float, priority: Priority) -> _Rows | None:
        query = [("start_date", _date(days.start)), ("end_date", _date(days.stop))]
        content = await self.get_json(_BILLING, query, resource=resource, priority=priority, due=due)
        billing = read(_Billing, content, self._observer, resource)
        rows: _Rows = {}
        for day in billing.daily_costs:
            rows.setdefault(day_of(day.timestamp), []).extend(map(_cost, day.line_items))
        return rows if any(rows.values()) else None

    async def _usage(self, days: range, plan: Plan, due: float, priority: Priority) -> _Rows | None:
        name = plan.resource.name
        contents = {day: await self._day(day, plan, due, priority) for day in days}
        if not any(rows for content in contents.values() for rows in content.values()):
            return None
        return {day: list(_usage(name, content)) for day, content in contents.items()}

    async def _day(self, day: int, plan: Plan, due: float, priority: Priority) -> _Content:
        """Return all lists of a day: one answer serves every resource that is polled in the same turn."""
        async with self._asking:
            now = self._clock.monotonic()
            held = self._days.get(day)
            if held is None or held[0] <= now - plan.interval / 2:
                name, query = plan.resource.name, [("date", _date(day))]
                content = await self.get_json(_USAGE, query, resource=name, priority=priority, due=due)
                answer = read(dict[str, Any], content, self._observer, name)
                lists = {key: rows for key, rows in answer.items() if isinstance(rows, list)}
                self._days = {day: kept for day, kept in self._days.items() if kept[0] > now - _REST}
                held = self._days[day] = now, read(_Content, lists, self._observer, name)
            return held[1]

    def _answer(self, plan: Plan, days: range, rows: _Rows) -> PollResult:
        now = self._clock.now()
        rows_of = reader(plan)
        rejections = Rejections()
        buckets = []
        for day in days:
            results = [{"object": plan.resource.object, **row} for row in rows.get(day, ())]
            with self._reporting(plan.resource.name):
                decoded = rows_of.read(msgspec.Raw(msgspec.json.encode(results)))
            rejections.update(decoded.rejections)
            buckets.append(Bucket(day, min(day + DAY, int(now)), decoded.groups, _DIGEST))
        self._observer.rejected(plan.resource.name, rejections)
        return PollResult(days.start, days.stop, tuple(buckets), now)

    async def _title(self, resource: str, due: float) -> str:
        """Return what the organization is called, if its id is configured and the API tells."""
        if not self._organization_id:
            return ""
        path = f"organizations/{quote(self._organization_id, safe='')}"
        try:
            found = await self.get_json(path, resource=resource, priority=Priority.NAMES, due=due)
        except errors.UpstreamError:
            return ""
        return str(found.get("title") or "") if isinstance(found, dict) else ""

    def _say(self, event: str, advice: str, **facts: str) -> None:
        if event not in self._said:
            self._said.add(event)
            self._log.warning(event, advice=advice, **{key: fact for key, fact in facts.items() if fact})


def _cost(item: _LineItem) -> dict[str, Any]:
    dollars = Decimal(str(item.cost)).scaleb(-2)
    return {"line_item": item.name, "amount": {"value": str(dollars), "currency": "usd"}}


def _usage(resource: str, content: _Content) -> Iterator[dict[str, Any]]:
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


def _in_words(error: errors.UpstreamError) -> str:
    if "session key" in error.message:
        return "the legacy billing endpoints answer only browsers (a session key), not API keys"
    return f"the legacy billing endpoints refuse it as well ({error.message})"


def _closed(refusal: errors.MissingScopes, why: str) -> errors.LegacyClosed:
    message = f"the Admin API refuses this key (it lacks {' and '.join(refusal.scopes)}), and {why}"
    return errors.LegacyClosed(message, refusal.scopes, status=refusal.status, request_id=refusal.request_id)
