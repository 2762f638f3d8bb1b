"""What responses with buckets amount to, and what they say together about the organization."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.catalog import QUANTA, ApiFamily, Plan, PollResult
from exporter.check.model import CheckTarget, Finding, Grade
from exporter.durations import MINUTE, approximate_duration


@dataclass(frozen=True, slots=True)
class Reading:
    """The sums of one response."""

    plan: Plan
    answer: PollResult

    @property
    def label_sets(self) -> int:
        """Label sets: the series that each measure would have."""
        return len({(index, labels) for index, rows in enumerate(self._label_groups) for labels, _ in rows})

    @property
    def total(self) -> float:
        """The sum of the resource's first measure, in its unit."""
        measure = self.plan.measures[0]
        total = sum(values[0] or 0 for _, values in self._label_groups[0]) if self._label_groups else 0
        return total / QUANTA if measure.exact else float(total)

    @property
    def idle(self) -> bool:
        """Whether every value is zero."""
        return not any(value for rows in self._label_groups for _, values in rows for value in values)

    def __str__(self) -> str:
        """Return span, label sets, and the sum of money."""
        span = approximate_duration(self.answer.end - self.answer.start)
        if not self.label_sets:
            return f"nothing in {span}"
        sets = f"{self.label_sets} label set{'' if self.label_sets == 1 else 's'} in {span}"
        if self.plan.resource.branch is ApiFamily.COSTS:
            return f"{sets}, {self.total:,.2f} US dollars together"
        return f"{sets}, all of them zero" if self.idle else sets

    @property
    def _label_groups(self) -> list[list[tuple[tuple[str, ...], tuple[int | float | None, ...]]]]:
        buckets = [bucket.rows for bucket in self.answer.buckets if bucket.rows is not None]
        return [[row for rows in buckets for row in rows[index]] for index in range(len(self.plan.label_groups))]


_SKEW: Final = 30.0
"""Seconds by which the clocks may differ."""


def assess(
    target: CheckTarget, findings: Sequence[Finding], readings: Sequence[Reading], skew: float | None
) -> Iterator[Finding]:
    """Yield what concerns the organization as a whole. `skew`: seconds by which our clock is ahead of the API's."""
    yield from _support(target, findings)
    yield from _ownership(target, readings)
    yield from _spend(readings)
    if skew is not None and abs(skew) >= _SKEW:
        yield Finding(
            Grade.NOTE,
            "clock",
            f"this machine's clock is {_rounded(abs(skew))} {'ahead of' if skew > 0 else 'behind'} the API's",
            "Set it by NTP (timedatectl set-ntp true): days would begin and end at the wrong moment.",
        )


def _support(target: CheckTarget, findings: Sequence[Finding]) -> Iterator[Finding]:
    usage = {plan.resource.name for plan in target.plans if plan.resource.branch is ApiFamily.USAGE}
    without = {finding.topic for finding in findings if finding.grade is Grade.UNSUPPORTED}
    if usage and usage <= without:
        yield Finding(
            Grade.FAILED,
            "usage",
            f"{target.base_url} has none of the endpoints of usage",
            "Check api.base_url: it ends in /v1, and is the OpenAI API itself.",
        )


def _ownership(target: CheckTarget, readings: Sequence[Reading]) -> Iterator[Finding]:
    answering = next((reading.answer.organization for reading in readings), "")
    wanted = target.organization_id
    if answering and wanted and answering != wanted:
        yield Finding(
            Grade.FAILED,
            "organization",
            f"the key belongs to {answering}, not to {wanted}, which OPENAI_ORG_ID (organization_id) names",
            "Give a key of that organization, or correct or unset the id.",
        )
    elif answering:
        yield Finding(Grade.OK, "organization", f"the key belongs to {answering}")


def _spend(readings: Sequence[Reading]) -> Iterator[Finding]:
    """Yield a note about an organization without costs."""
    costs = [reading for reading in readings if reading.plan.resource.branch is ApiFamily.COSTS]
    if not costs or not all(reading.idle for reading in costs):
        return
    if any(not reading.idle for reading in readings):
        message = "there is usage, but every cost is zero: this may not be the organization that pays"
        advice = "Costs come hours late. Otherwise compare with the billing page, and create the key where it is paid."
    else:
        message = "nothing was used and every cost is zero: this may be the wrong organization"
        advice = "Switch to the organization that spends, and create the admin key there."
    if any(reading.plan.filters for reading in readings):
        advice += " Or a filter (OPENAI_PROJECT_ID, project_ids and others) leaves everything out."
    yield Finding(Grade.NOTE, "organization", message, advice)


def _rounded(skew: float) -> str:
    """Round to minutes where seconds do not matter: the API's `Date` has no fractions of a second."""
    return approximate_duration(round(skew / MINUTE) * MINUTE if skew >= 2 * MINUTE else skew)
