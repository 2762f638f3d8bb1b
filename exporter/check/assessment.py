"""What all the answers of one organization say together."""

from collections.abc import Iterator, Sequence
from typing import Final

from exporter.catalog import ApiFamily
from exporter.check.finding import Finding, Grade
from exporter.check.measurement import Reading
from exporter.check.target import CheckTarget
from exporter.durations import MINUTE, approximate_duration

_SKEW: Final = 30.0
"""Seconds by which the clocks may differ."""


def judge(
    subject: CheckTarget, findings: Sequence[Finding], readings: Sequence[Reading], skew: float | None
) -> Iterator[Finding]:
    """Yield what concerns the organization as a whole. `skew`: seconds by which our clock is ahead of the API's."""
    yield from _support(subject, findings)
    yield from _ownership(subject, readings)
    yield from _spend(readings)
    if skew is not None and abs(skew) >= _SKEW:
        yield Finding(
            Grade.NOTE,
            "clock",
            f"this machine's clock is {_rounded(abs(skew))} {'ahead of' if skew > 0 else 'behind'} the API's",
            "Set it by NTP (timedatectl set-ntp true): days would begin and end at the wrong moment.",
        )


def _support(subject: CheckTarget, findings: Sequence[Finding]) -> Iterator[Finding]:
    usage = {plan.resource.name for plan in subject.plans if plan.resource.branch is ApiFamily.USAGE}
    without = {finding.topic for finding in findings if finding.grade is Grade.UNSUPPORTED}
    if usage and usage <= without:
        yield Finding(
            Grade.FAILED,
            "usage",
            f"{subject.base_url} has none of the endpoints of usage",
            "Check api.base_url: it ends in /v1, and is the OpenAI API itself.",
        )


def _ownership(subject: CheckTarget, readings: Sequence[Reading]) -> Iterator[Finding]:
    answering = next((reading.answer.organization for reading in readings), "")
    wanted = subject.organization_id
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
    """Wonder about an organization that pays nothing."""
    costs = [reading for reading in readings if reading.plan.resource.branch is ApiFamily.COSTS]
    if not costs or not all(reading.idle for reading in costs):
        return
    if any(not reading.idle for reading in readings):
        words = "there is usage, but every cost is zero: this may not be the organization that pays"
        advice = "Costs come hours late. Otherwise compare with the billing page, and create the key where it is paid."
    else:
        words = "nothing was used and every cost is zero: this may be the wrong organization"
        advice = "Switch to the organization that spends, and create the admin key there."
    if any(reading.plan.filters for reading in readings):
        advice += " Or a filter (OPENAI_PROJECT_ID, project_ids and others) leaves everything out."
    yield Finding(Grade.NOTE, "organization", words, advice)


def _rounded(skew: float) -> str:
    """Round to minutes where seconds do not matter: the API's `Date` has no fractions of a second."""
    return approximate_duration(round(skew / MINUTE) * MINUTE if skew >= 2 * MINUTE else skew)
