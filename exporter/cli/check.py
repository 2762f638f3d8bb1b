"""`check`: requests each endpoint once, and says what is wrong and what to do."""

import asyncio
import sys
from typing import Final

from exporter.check import CheckResult, CheckTarget, Finding, Grade, examine, lookups
from exporter.cli.service import connect
from exporter.clock import SystemClock
from exporter.openai import Client, Observer, UpstreamError
from exporter.redaction import print_redacted
from exporter.settings import Api, OrganizationSettings, Settings

_ATTEMPTS: Final = 2
"""How many responses, each as slow as `api.timeout` allows, one endpoint may take."""

_INDENT: Final = 2
_GRADES: Final = max(len(grade.value) for grade in Grade)


def execute(settings: Settings) -> int:
    """Return 0 if the usage and costs of every organization can be read, otherwise 1."""
    results = asyncio.run(_examine(settings))
    print_redacted("")
    for result in results:
        print_redacted(f"{'ok' if result.readable else 'failed'}: {result}")
    return 0 if all(result.readable for result in results) else 1


async def _examine(settings: Settings) -> list[CheckResult]:
    clock = SystemClock()
    results = []
    for organization in settings.organizations:
        target = _target(organization, settings.api)

        def connected(observer: Observer, organization: OrganizationSettings = organization) -> Client:
            return connect(organization, settings, clock, observer)

        print_redacted(f"{target.name}: {target.base_url}, key from {target.key_origin}")
        results.append(await examine(target, connected, clock, Printer(), _print_retry))
    return results


def _print_retry(resource: str, error: UpstreamError) -> None:
    print_redacted(f"{'':{_INDENT}}{'...':<{_GRADES}}  {resource}: {error}", file=sys.stderr)


class Printer:
    """Prints findings as they come; a repeated message or advice is not printed again."""

    def __init__(self) -> None:
        self._printed_advice: set[str] = set()
        self._last_message = ""

    def __call__(self, finding: Finding) -> None:
        """Print one."""
        margin = " " * _INDENT
        message = "same" if finding.message == self._last_message else finding.message
        self._last_message = finding.message
        print_redacted(f"{margin}{finding.grade.value:<{_GRADES}}  {finding.topic}: {message}")
        if finding.advice and finding.advice not in self._printed_advice:
            print_redacted(f"{margin}{'':<{_GRADES}}  -> {finding.advice}")
            self._printed_advice.add(finding.advice)


def _target(organization: OrganizationSettings, api: Api) -> CheckTarget:
    key = organization.key
    if key is None:
        raise ValueError(f"organization {organization.name} has no key")
    return CheckTarget(
        name=organization.name,
        base_url=organization.base_url,
        plans=organization.plans,
        lookups=lookups(organization.metadata),
        key=key.read,
        key_origin=key.origin,
        organization_id=organization.organization_id or "",
        project_ids=organization.project_ids,
        proxied=api.proxy is not None,
        patience=_ATTEMPTS * api.timeout + 60 / organization.requests_per_minute,
    )
