"""`backfill`: writes history as OpenMetrics, and says what to do with it."""

import asyncio
import contextlib
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from exporter.backfill import (
    LabelError,
    Source,
    Span,
    SpanError,
    Summary,
    Writer,
    backfill,
    checked_labels,
    output_to,
    partial_of,
    span_of,
)
from exporter.catalog import DAY
from exporter.cli.connecting import connect
from exporter.cli.redaction import redact
from exporter.clock import SystemClock
from exporter.openai import Silent, UpstreamError
from exporter.settings import BackfillSettings, Settings
from exporter.settings.durations import format_duration

_CANNOT_START: Final = 2
_JOB: Final = ("job", "instance")


def execute(settings: BackfillSettings) -> int:
    """Return 0 when all is written, 1 when something cannot be read or written, 2 when the flags make no sense."""
    now = time.time()
    try:
        until = settings.until.at(now) if settings.until else None
        span = span_of(settings.since.at(now), until, settings.step, now)
        labels = checked_labels(settings.labels, _own_labels(settings))
    except (SpanError, LabelError) as error:
        _say(f"error: {error}")
        return _CANNOT_START
    if missing := [name for name in _JOB if name not in labels]:
        _say(
            f"note: without --label {'=... --label '.join(missing)}=... these are other series than those that "
            "Prometheus scrapes: give the labels of the scrape job"
        )
    try:
        summary = asyncio.run(_write(settings, span, labels))
    except UpstreamError as error:
        _say(f"error: {error}")
        _say(f"{error.advice} {_left(settings.output)}")
        return 1
    except OSError as error:
        _say(f"error: {error.filename or settings.output}: {error.strerror}")
        return 1
    _say(_farewell(settings.output, span, summary))
    return 0


async def _write(settings: BackfillSettings, span: Span, labels: dict[str, str]) -> Summary:
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        sources = []
        for organization in settings.organizations:
            client = connect(organization, settings.api, clock, _Progress(organization.name))
            stack.push_async_callback(client.aclose)
            sources.append(Source(organization.name, organization.plans, client))
        with output_to(settings.output) as out:
            return await backfill(sources, span, Writer(out, span, labels), clock, _say)


def _own_labels(settings: Settings) -> set[str]:
    label_groups = [sheet for each in settings.organizations for plan in each.plans for sheet in plan.label_groups]
    return {name for sheet in label_groups for name in sheet.labels}


class _Progress(Silent):
    """Tells of what makes it slow."""

    def __init__(self, organization: str) -> None:
        self._organization = organization

    def error(self, resource: str, error: UpstreamError) -> None:
        """Say what went wrong; what can pass is tried again by the client."""
        if error.retryable:
            pause = f", which asks for a pause of {error.retry_after:.0f} s" if error.retry_after else ""
            _say(f"{self._organization}: {resource}: {error}{pause}: trying again")


def _left(output: Path) -> str:
    return "" if str(output) == "-" else f"{partial_of(output)} is incomplete; {output} was not touched."


def _farewell(output: Path, span: Span, summary: Summary) -> str:
    first, last = (f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}" for time in (span.start, span.end - DAY))
    age = int((time.time() - span.start) // DAY) + 1
    return (
        f"wrote {summary.samples:,} samples of {summary.series:,} series, {first} to {last}, to {output}\n"
        f"next:  promtool tsdb create-blocks-from openmetrics {output if str(output) != '-' else 'FILE'} BLOCKS\n"
        f"       raise --storage.tsdb.retention.time of Prometheus above {age}d: it deletes what is older\n"
        "       move the folders in BLOCKS into its --storage.tsdb.path; it takes them up within minutes\n"
        f"ask:   last_over_time(openai_cost_usd[{format_duration(span.step)}]) at any moment of a day: its costs"
    )


def _say(line: str) -> None:
    sys.stderr.write(f"{redact(line)}\n")
    sys.stderr.flush()
