"""`backfill`: writes history as OpenMetrics, and prints how to import it."""

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
from exporter.cli.service import connect
from exporter.clock import SystemClock
from exporter.durations import DAY, format_duration
from exporter.openai import SilentObserver, UpstreamError
from exporter.redaction import print_redacted
from exporter.settings import BackfillSettings, Settings

_USAGE_ERROR: Final = 2
_TARGET_LABELS: Final = ("job", "instance")


def execute(settings: BackfillSettings) -> int:
    """Return 0 when everything is written, 1 when something cannot be read or written, 2 when flags contradict."""
    now = time.time()
    try:
        until = settings.until.at(now) if settings.until else None
        span = span_of(settings.since.at(now), until, settings.step, now)
        labels = checked_labels(settings.labels, _own_labels(settings))
    except (SpanError, LabelError) as error:
        _say(f"error: {error}")
        return _USAGE_ERROR
    if missing := [name for name in _TARGET_LABELS if name not in labels]:
        _say(
            f"note: without --label {'=... --label '.join(missing)}=... these are not the series that Prometheus "
            "scrapes: give the labels of the scrape job"
        )
    try:
        summary = asyncio.run(_write(settings, span, labels))
    except UpstreamError as error:
        _say(f"error: {error}")
        _say(f"{error.advice} {_partial_file(settings.output)}")
        return 1
    except OSError as error:
        _say(f"error: {error.filename or settings.output}: {error.strerror}")
        return 1
    _say(_summary(settings.output, span, summary))
    return 0


async def _write(settings: BackfillSettings, span: Span, labels: dict[str, str]) -> Summary:
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        sources = []
        for organization in settings.organizations:
            client = connect(organization, settings, clock, _Progress(organization.name))
            stack.push_async_callback(client.aclose)
            sources.append(Source(organization.name, organization.plans, client))
        with output_to(settings.output) as out:
            return await backfill(sources, span, Writer(out, span, labels), clock, _say)


def _own_labels(settings: Settings) -> set[str]:
    groups = [group for each in settings.organizations for plan in each.plans for group in plan.label_groups]
    return {name for group in groups for name in group.labels}


class _Progress(SilentObserver):
    """Prints errors that are retried."""

    def __init__(self, organization: str) -> None:
        self._organization = organization

    def error(self, resource: str, error: UpstreamError) -> None:
        """Print an error that the client retries."""
        if error.retryable:
            pause = f" in {error.retry_after:.0f} s, as requested" if error.retry_after else ""
            _say(f"{self._organization}: {resource}: {error}: retrying{pause}")


def _partial_file(output: Path) -> str:
    return "" if str(output) == "-" else f"{partial_of(output)} is incomplete; {output} was not changed."


def _summary(output: Path, span: Span, summary: Summary) -> str:
    first, last = (f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}" for time in (span.start, span.end - DAY))
    age = int((time.time() - span.start) // DAY) + 1
    return (
        f"wrote {summary.samples:,} samples of {summary.series:,} series, {first} to {last}, to {output}\n"
        f"next:  promtool tsdb create-blocks-from openmetrics {output if str(output) != '-' else 'FILE'} BLOCKS\n"
        f"       set --storage.tsdb.retention.time of Prometheus above {age}d: it deletes older blocks\n"
        "       move the directories in BLOCKS to its --storage.tsdb.path; it loads them within minutes\n"
        f"query: last_over_time(openai_cost_usd[{format_duration(span.step)}]) returns the costs of a day at any time"
    )


def _say(line: str) -> None:
    print_redacted(line, file=sys.stderr)
