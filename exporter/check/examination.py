"""The check of one organization: every endpoint once, costs first."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import quote

from exporter.catalog import ApiFamily, MetadataResource, Plan, PollResult, Scope
from exporter.check.advice import explain
from exporter.check.assessment import Reading, assess
from exporter.check.model import REFUSED_KEYS, CheckTarget, Finding, Grade, consequence_of, query_of
from exporter.clock import Clock
from exporter.ledger import Coverage
from exporter.openai import (
    Client,
    MissingBucket,
    MissingScopes,
    NetworkError,
    NotFound,
    Observer,
    Priority,
    RateLimited,
    ServerError,
    SilentObserver,
    Timeout,
    Unauthorized,
    UpstreamError,
    negotiate,
)

T = TypeVar("T")


_FAILING: Final = 3
"""After how many endpoints in a row that the host cannot serve the rest is not requested."""


class PatientObserver(SilentObserver):
    """Observes the client: keeps its errors, and ends a request that would take longer than the patience."""

    def __init__(self, patience: float, on_retry: Callable[[str, UpstreamError], None]) -> None:
        """Take the seconds that one endpoint may take, retries included, and what is called at each failed attempt."""
        self._patience = patience
        self._on_retry = on_retry
        self._errors: list[UpstreamError] = []
        self._too_late = asyncio.Event()
        self.answered = False
        """Whether any endpoint has answered, even with a refusal."""

    def error(self, resource: str, error: UpstreamError) -> None:
        """Keep it; a pause that is longer than the patience ends the request."""
        self._errors.append(error)
        if error.retryable:
            self._on_retry(resource, error)
        self.answered = self.answered or error.status is not None
        if (error.retry_after or 0) > self._patience:
            self._too_late.set()

    async def wait(self, work: Awaitable[T]) -> T:
        """Return the result of a request. Raises UpstreamError: the last one, if the patience ends first."""
        self._errors.clear()
        self._too_late.clear()
        asked = asyncio.ensure_future(work)
        too_late = asyncio.ensure_future(self._too_late.wait())
        try:
            await asyncio.wait({asked, too_late}, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                result = asked.result()
                self.answered = True
                return result
        finally:
            asked.cancel()
            too_late.cancel()
            await asyncio.gather(asked, too_late, return_exceptions=True)
        raise self._errors[-1] if self._errors else Timeout(f"no answer within {self._patience:g} s")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The findings about one organization."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def readable(self) -> bool:
        """Whether usage and costs can be read."""
        return not any(finding.grade in {Grade.FAILED, Grade.NOT_ASKED} for finding in self.findings)

    def __str__(self) -> str:
        """Summarise in one line."""
        failed = [finding for finding in self.findings if finding.grade is Grade.FAILED]
        notes = sum(finding.grade is Grade.NOTE for finding in self.findings)
        if failed:
            first, *others = failed
            more = f" (and {len(others)} more)" if others else ""
            return f"{self.name}: usage and costs cannot be read: {first.topic}: {first.message}{more}"
        noted = f", with {notes} note{'' if notes == 1 else 's'}" if notes else ""
        return f"{self.name}: usage and costs can be read{noted}"


async def examine(
    target: CheckTarget,
    connect: Callable[[Observer], Client],
    clock: Clock,
    on_finding: Callable[[Finding], None],
    on_retry: Callable[[str, UpstreamError], None] = lambda _resource, _error: None,
) -> CheckResult:
    """Request every endpoint once; `connect` makes the client.

    `on_finding` is called with each finding at once, `on_retry` with each attempt that failed and may be repeated.
    """
    examination = _Examination(target, connect, clock, on_finding, on_retry)
    try:
        await examination.run()
    finally:
        await examination.client.aclose()
    return CheckResult(target.name, tuple(examination.findings))


@dataclass(slots=True)
class _Examination:
    target: CheckTarget
    connect: Callable[[Observer], Client]
    clock: Clock
    on_finding: Callable[[Finding], None]
    on_retry: Callable[[str, UpstreamError], None]
    client: Client = field(init=False)
    findings: list[Finding] = field(default_factory=list)
    _observer: PatientObserver = field(init=False)
    _readings: list[Reading] = field(default_factory=list)
    _parents: dict[Scope, str] = field(default_factory=dict)
    """The project, and the group, that is asked about."""
    _over: bool = False
    """Whether every other endpoint would fail in the same way."""
    _failing: int = 0
    """How many endpoints in a row the host could not serve."""

    def __post_init__(self) -> None:
        self._observer = PatientObserver(self.target.patience, self.on_retry)
        self.client = self.connect(self._observer)
        if self.target.project_ids:
            self._parents[Scope.PROJECT] = self.target.project_ids[0]

    async def run(self) -> None:
        plans = sorted(self.target.plans, key=lambda plan: plan.resource.branch is not ApiFamily.COSTS)
        for plan in plans:
            if not self._over:
                await self._read(plan)
        for lookup in self.target.lookups:
            if not self._over:
                await self._look_up(lookup)
        if self._over:
            self._leave_out(plans)
        for finding in assess(self.target, self.findings, self._readings, self.client.skew):
            self._found(finding)

    def _found(self, finding: Finding) -> None:
        self._failing = 0 if finding.grade is Grade.OK else self._failing
        self.findings.append(finding)
        self.on_finding(finding)

    async def _read(self, plan: Plan) -> None:
        name = plan.resource.name
        try:
            accepted, answer, _ = await negotiate(plan, self._ask)
        except NotFound as error:
            fatal = plan.resource.branch is ApiFamily.COSTS
            message, advice = explain(error, self.target)
            self._found(Finding(Grade.FAILED if fatal else Grade.UNSUPPORTED, name, message, advice if fatal else ""))
            return
        except UpstreamError as error:
            self._fail(Grade.FAILED, name, error)
            return
        reading = Reading(accepted, answer)
        self._readings.append(reading)
        if refused := [dimension for dimension in plan.group_by if dimension not in accepted.group_by]:
            gone = ", ".join(refused)
            message = f"{reading}; the API refuses to group by {gone}"
            advice = f"The exporter drops the label. Remove {gone} from resources.{name}.group_by."
            self._found(Finding(Grade.NOTE, name, message, advice))
        else:
            self._found(Finding(Grade.OK, name, str(reading)))

    async def _ask(self, plan: Plan) -> PollResult:
        now = self.clock.now()
        page = plan.open_end(now) - plan.max_limit * plan.width_seconds
        start = max(plan.lookback_start(now), page)
        priority = Priority.COSTS if plan.resource.branch is ApiFamily.COSTS else Priority.USAGE
        answer = await self._observer.wait(self.client.poll(plan, start, due=now, priority=priority))
        if missing := Coverage().audit(plan, answer).missing:
            raise MissingBucket(f"{len(missing)} of the requested buckets are missing")
        return answer

    async def _look_up(self, lookup: MetadataResource) -> None:
        scope, without = lookup.scope, f"; {consequence_of(lookup)}"
        parent = self._parents.get(scope, "")
        if scope is not Scope.ORGANIZATION and not parent:
            self._found(
                Finding(Grade.NOTE, lookup.name, f"there is no {scope.value.removesuffix('_id')} to request it for")
            )
            return
        path = lookup.path.format_map({scope.value: quote(parent, safe="")})
        try:
            answer = await self._observer.wait(
                self.client.get_json(
                    path, query_of(lookup), resource=lookup.name, priority=Priority.USAGE, due=self.clock.now()
                )
            )
        except NotFound as error:
            missing = Finding(Grade.NOTE, lookup.name, f"this host does not have it: {error}{without}")
            self._found(Finding(Grade.OK, lookup.name, lookup.absent) if lookup.absent else missing)
            return
        except UpstreamError as error:
            self._fail(Grade.NOTE, lookup.name, error, without)
            return
        rows = answer.get("data") if isinstance(answer, dict) else None
        if isinstance(rows, list):
            more = "at least " if answer.get("has_more") else ""
            self._found(Finding(Grade.OK, lookup.name, f"{more}{len(rows)} found"))
            for child in Scope:
                if child.listed_by == lookup.name and (first := _first_id(rows)):
                    self._parents.setdefault(child, first)
        else:
            self._found(Finding(Grade.OK, lookup.name, "found"))

    def _fail(self, grade: Grade, topic: str, error: UpstreamError, consequence: str = "") -> None:
        message, advice = explain(error, self.target)
        unanswered = isinstance(error, (NetworkError, Timeout)) and not self._observer.answered
        refused = isinstance(error, Unauthorized) and (
            self.target.key_kind in REFUSED_KEYS or not isinstance(error, MissingScopes)
        )
        self._failing += isinstance(error, NetworkError | Timeout | ServerError) or error.from_gateway
        self._over = unanswered or refused or isinstance(error, RateLimited) or self._failing >= _FAILING
        self._found(Finding(grade, topic, f"{message}{consequence}", advice))

    def _leave_out(self, plans: list[Plan]) -> None:
        reported = {finding.topic for finding in self.findings}
        names = [*(plan.resource.name for plan in plans), *(lookup.name for lookup in self.target.lookups)]
        if left := [name for name in names if name not in reported]:
            unread = any(plan.resource.name in left for plan in plans)
            grade = Grade.NOT_ASKED if unread else Grade.NOTE
            self._found(Finding(grade, ", ".join(left), "not requested: it would fail in the same way"))


def _first_id(rows: list[Any]) -> str:
    """Return the id of the first entry that is not archived, empty where there is none."""
    for row in rows:
        if isinstance(row, dict) and row.get("status", "active") == "active" and isinstance(row.get("id"), str):
            return str(row["id"])
    return ""
