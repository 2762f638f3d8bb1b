"""`check`: asks each endpoint once, and says what is wrong and what to do."""

import asyncio
import sys
from typing import Final

from exporter.check import CheckResult, CheckTarget, Finding, Grade, examine, lookups
from exporter.cli.connecting import connect
from exporter.cli.redaction import redact
from exporter.clock import SystemClock
from exporter.openai import Client, Observer
from exporter.settings import Api, OrganizationSettings, Settings

_ATTEMPTS: Final = 3
"""How many answers as slow as `api.timeout` allows are waited for."""

_INDENT: Final = 2
_GRADES: Final = max(len(grade.value) for grade in Grade)


def execute(settings: Settings) -> int:
    """Return 0 if the usage and costs of every organization can be read, else 1."""
    verdicts = asyncio.run(_examine(settings))
    print_line("")
    for verdict in verdicts:
        print_line(f"{'ok' if verdict.readable else 'failed'}: {verdict}")
    return 0 if all(verdict.readable for verdict in verdicts) else 1


def print_line(line: str) -> None:
    """Write a line to standard output at once."""
    sys.stdout.write(f"{redact(line)}\n")
    sys.stdout.flush()


async def _examine(settings: Settings) -> list[CheckResult]:
    clock = SystemClock()
    verdicts = []
    for organization in settings.organizations:
        subject = _subject(organization, settings.api)

        def connected(observer: Observer, organization: OrganizationSettings = organization) -> Client:
            return connect(organization, settings.api, clock, observer)

        print_line(f"{subject.name}: {subject.base_url}, key from {subject.key_origin}")
        verdicts.append(await examine(subject, connected, clock, Printer()))
    return verdicts


class Printer:
    """Prints findings as they come; what was said before is not repeated."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._said = ""

    def __call__(self, finding: Finding) -> None:
        """Print one."""
        margin = " " * _INDENT
        words = "likewise" if finding.words == self._said else finding.words
        self._said = finding.words
        print_line(f"{margin}{finding.grade.value:<{_GRADES}}  {finding.topic}: {words}")
        if finding.advice and finding.advice not in self._given:
            print_line(f"{margin}{'':<{_GRADES}}  -> {finding.advice}")
            self._given.add(finding.advice)


def _subject(organization: OrganizationSettings, api: Api) -> CheckTarget:
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
