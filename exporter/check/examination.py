"""The examination of one organization: every endpoint once, costs first."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from exporter.catalog import ApiFamily, MetadataResource, Plan, PollResult, Scope
from exporter.check.advice import explain
from exporter.check.assessment import judge
from exporter.check.finding import Finding, Grade
from exporter.check.lookups import consequence_of, query_of
from exporter.check.measurement import Reading
from exporter.check.patience import PatientObserver
from exporter.check.target import REFUSED_KEYS, CheckTarget
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
    Timeout,
    Unauthorized,
    UpstreamError,
    negotiate,
)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What it comes to."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def readable(self) -> bool:
        """Whether usage and costs can be read."""
        return not any(finding.grade in {Grade.FAILED, Grade.NOT_ASKED} for finding in self.findings)

    def __str__(self) -> str:
        """Say it in one line."""
        failed = [finding for finding in self.findings if finding.grade is Grade.FAILED]
        notes = sum(finding.grade is Grade.NOTE for finding in self.findings)
        if failed:
            first, *others = failed
            more = f" (and {len(others)} more)" if others else ""
            return f"{self.name}: usage and costs cannot be read: {first.topic}: {first.words}{more}"
        noted = f", with {notes} note{'' if notes == 1 else 's'}" if notes else ""
        return f"{self.name}: usage and costs can be read{noted}"


async def examine(
    subject: CheckTarget, connect: Callable[[Observer], Client], clock: Clock, tell: Callable[[Finding], None]
) -> CheckResult:
    """Ask every endpoint once; `tell` is called with each finding as it comes, `connect` makes the client."""
    examination = _Examination(subject, connect, clock, tell)
    try:
        await examination.run()
    finally:
        await examination.client.aclose()
    return CheckResult(subject.name, tuple(examination.findings))


@dataclass(slots=True)
class _Examination:
    subject: CheckTarget
    connect: Callable[[Observer], Client]
    clock: Clock
    tell: Callable[[Finding], None]
    client: Client = field(init=False)
    findings: list[Finding] = field(default_factory=list)
    _observer: PatientObserver = field(init=False)
    _readings: list[Reading] = field(default_factory=list)
    _parents: dict[Scope, str] = field(default_factory=dict)
    """The project, and the group, that is asked about."""
    _over: bool = False
    """Whether what happened to one endpoint would happen to all others."""

    def __post_init__(self) -> None:
        self._observer = PatientObserver(self.subject.patience)
        self.client = self.connect(self._observer)
        if self.subject.project_ids:
            self._parents[Scope.PROJECT] = self.subject.project_ids[0]

    async def run(self) -> None:
        plans = sorted(self.subject.plans, key=lambda plan: plan.resource.branch is not ApiFamily.COSTS)
        for plan in plans:
            if not self._over:
                await self._read(plan)
        for lookup in self.subject.lookups:
            if not self._over:
                await self._look_up(lookup)
        if self._over:
            self._leave_out(plans)
        for finding in judge(self.subject, self.findings, self._readings, self.client.skew):
            self._found(finding)

    def _found(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.tell(finding)

    async def _read(self, plan: Plan) -> None:
        name = plan.resource.name
        try:
            accepted, answer, _ = await negotiate(plan, self._ask)
        except NotFound as error:
            fatal = plan.resource.branch is ApiFamily.COSTS
            words, advice = explain(error, self.subject)
            self._found(Finding(Grade.FAILED if fatal else Grade.UNSUPPORTED, name, words, advice if fatal else ""))
            return
        except UpstreamError as error:
            self._fail(Grade.FAILED, name, error)
            return
        reading = Reading(accepted, answer)
        self._readings.append(reading)
        if refused := [dimension for dimension in plan.group_by if dimension not in accepted.group_by]:
            gone = ", ".join(refused)
            words = f"{reading}; the API refuses to group it by {gone}"
            advice = f"The exporter goes on without the label. Leave {gone} out of resources.{name}.group_by."
            self._found(Finding(Grade.NOTE, name, words, advice))
        else:
            self._found(Finding(Grade.OK, name, str(reading)))

    async def _ask(self, plan: Plan) -> PollResult:
        now = self.clock.now()
        page = plan.open_end(now) - plan.max_limit * plan.width_seconds
        start = max(plan.lookback_start(now), page)
        priority = Priority.COSTS if plan.resource.branch is ApiFamily.COSTS else Priority.USAGE
        answer = await self._observer.wait(self.client.poll(plan, start, due=now, priority=priority))
        if missing := Coverage().audit(plan, answer).missing:
            raise MissingBucket(f"{len(missing)} of the buckets that were asked for are not there")
        return answer

    async def _look_up(self, lookup: MetadataResource) -> None:
        scope, without = lookup.scope, f"; {consequence_of(lookup)}"
        parent = self._parents.get(scope, "")
        if scope is not Scope.ORGANIZATION and not parent:
            self._found(Finding(Grade.NOTE, lookup.name, f"there is no {scope.value.removesuffix('_id')} to ask about"))
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
        words, advice = explain(error, self.subject)
        unanswered = isinstance(error, (NetworkError, Timeout)) and not self._observer.answered
        refused = isinstance(error, Unauthorized) and (
            self.subject.key_kind in REFUSED_KEYS or not isinstance(error, MissingScopes)
        )
        self._over = unanswered or refused or isinstance(error, RateLimited)
        self._found(Finding(grade, topic, f"{words}{consequence}", advice))

    def _leave_out(self, plans: list[Plan]) -> None:
        told = {finding.topic for finding in self.findings}
        names = [*(plan.resource.name for plan in plans), *(lookup.name for lookup in self.subject.lookups)]
        if left := [name for name in names if name not in told]:
            unread = any(plan.resource.name in left for plan in plans)
            grade = Grade.NOT_ASKED if unread else Grade.NOTE
            self._found(Finding(grade, ", ".join(left), "the answer would be the same"))


def _first_id(rows: list[Any]) -> str:
    """Return the id of the first entry that is not archived, empty where there is none."""
    for row in rows:
        if isinstance(row, dict) and row.get("status", "active") == "active" and isinstance(row.get("id"), str):
            return str(row["id"])
    return ""
