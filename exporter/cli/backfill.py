"""`backfill`: writes history as OpenMetrics files or by remote write, and prints how to import it."""

import asyncio
import contextlib
import errno
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

from exporter.backfill import (
    EXTRA,
    HEAD,
    PROGRESS_FILE,
    REMOTE_WRITE_AVAILABLE,
    DamageError,
    DryRun,
    History,
    Job,
    LabelError,
    OpenMetricsFiles,
    Progress,
    ProgressError,
    Receiver,
    ReceiverError,
    RemoteWrite,
    Sink,
    Source,
    Span,
    SpanError,
    Stored,
    Target,
    backfill,
    candidates_of,
    checked_labels,
    digest,
    format_time,
    query_url,
    span_of,
)
from exporter.catalog import METADATA, Kind, MetadataKind, Plan, day_of
from exporter.cli.service import connect, metadata_plan
from exporter.clock import SystemClock
from exporter.collector import read_names
from exporter.durations import DAY, approximate_duration
from exporter.exposition import Family
from exporter.openai import Client, SilentObserver, UpstreamError
from exporter.redaction import print_redacted
from exporter.settings import BackfillSettings, OrganizationSettings, RemoteWriteSettings, Settings
from exporter.store import MeasureBaseline, StateUnwritableError, read_baselines

_USAGE_ERROR: Final = 2
_TARGET_LABELS: Final = ("job", "instance")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

Baselines = dict[str, list[MeasureBaseline]]


def execute(settings: BackfillSettings) -> int:
    """Return 0 when everything is written, 1 when something cannot be read or written, 2 when flags contradict."""
    now = time.time()
    if settings.remote_write and not REMOTE_WRITE_AVAILABLE:
        _say(f"error: --remote-write needs protobuf and cramjam: pip install '{EXTRA}'")
        return _USAGE_ERROR
    try:
        labels = checked_labels(settings.labels, _own_labels(settings))
        known = _known(settings)
        baselines = _baselines(settings, known, now)
        span, end = _span(settings, baselines, now)
        progress = None if settings.dry_run else _progress(settings, span, baselines, labels)
    except (SpanError, LabelError, ProgressError) as error:
        _say(f"error: {error}")
        return 1 if isinstance(error, DamageError) else _USAGE_ERROR
    except OSError as error:
        _say_file_error(settings, error)
        return 1
    if missing := [name for name in _TARGET_LABELS if name not in labels]:
        _say(
            f"note: without --label {'=... --label '.join(missing)}=... these are not the series that Prometheus "
            "scrapes: give the labels of the scrape job"
        )
    if progress and progress.count:
        _say(f"continuing: {progress.count} of {len(progress.span.parts) + 1} parts are complete")
    span, cache = (progress.span, progress.cache) if progress else (span, None)
    counted = {name: {each.resource for each in found} for name, found in known.items()}
    return _run(settings, progress, Job(span, min(end, span.end), baselines, counted, labels, cache))


def _run(settings: BackfillSettings, progress: Progress | None, job: Job) -> int:
    """Write everything, or print what prevents it; return the exit status."""
    try:
        asyncio.run(_write(settings, progress, job))
    except UpstreamError as error:
        _say(f"error: {error}")
        _say(f"{error.advice} Run the same command again to continue.")
    except ReceiverError as error:
        _say(f"error: {error}")
        _say("Run the same command again to continue.")
    except ProgressError as error:
        _say(f"error: {error}")
    except OSError as error:
        _say_file_error(settings, error)
    else:
        return 0
    return 1


async def _write(settings: BackfillSettings, progress: Progress | None, job: Job) -> None:
    clock = SystemClock()
    began = clock.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        clients = {}
        counter = _Requests()
        for organization in settings.organizations:
            client = connect(
                organization, settings, clock, _Observer(organization.name, counter), repeat_not_found=True
            )
            stack.push_async_callback(client.aclose)
            clients[organization.name] = client
        sink = await _sink(settings, progress, job, stack)
        sources = [
            Source(each.name, each.plans, clients[each.name], partial(_admit, settings, progress, each.name))
            for each in settings.organizations
        ]

        async def names(histories: Sequence[History]) -> list[Family]:
            return [
                family
                for each in settings.organizations
                for family in await _names(settings, each, histories, clients[each.name])
            ]

        await backfill(sources, job, sink, clock, _say, names)
        took = approximate_duration(clock.monotonic() - began)
        if progress:
            progress.cache.clear()
        size = f", {sink.bytes / 1e6:,.0f} MB" if sink.bytes else ""
        verb = "would write" if settings.dry_run else "wrote"
        _say(f"{verb} {sink.samples:,} samples{size} with {counter.count:,} requests to OpenAI in {took}")
        if isinstance(sink, OpenMetricsFiles):
            _say(_next_steps(settings, job.span))


async def _sink(
    settings: BackfillSettings, progress: Progress | None, job: Job, stack: contextlib.AsyncExitStack
) -> Sink:
    if progress is None:
        return DryRun()
    if settings.remote_write is None:
        assert settings.output  # noqa: S101 - the settings have one of the two
        return OpenMetricsFiles(settings.output, progress)
    target = _target(settings.remote_write)
    client = await stack.enter_async_context(target.client())
    stored = Stored(settings.remote_write.query_url or query_url(target.url), client, job.labels, _say)
    return RemoteWrite(Receiver(target, client, SystemClock(), _say, oldest=job.span.start).post, progress, stored)


def _admit(settings: BackfillSettings, progress: Progress | None, name: str, answered: str) -> None:
    if progress:
        progress.admit(name, answered, settings.same_organization)


async def _names(
    settings: BackfillSettings, organization: OrganizationSettings, histories: Sequence[History], client: Client
) -> list[Family]:
    name = organization.name
    shown = [history for history in histories if history.organization == name]

    def left_out(resource: str, error: UpstreamError) -> None:
        _say(f"{name}: names of {resource}: left out: {error}. {error.advice}")

    try:
        return await read_names(
            name, metadata_plan(organization, settings.poll), shown, client, SystemClock(), left_out
        )
    except UpstreamError:
        _say(f"{name}: names cannot be read now; they are all that is missing")
        raise


def _known(settings: BackfillSettings) -> Baselines:
    """Return where the counters of each organization began, as far as the state knows it."""
    found: Baselines = {}
    for organization in settings.organizations:
        name = organization.name
        try:
            found[name] = read_baselines(settings.state_path, name) if settings.state_path.exists() else []
        except StateUnwritableError as error:
            _say(f"note: {error}")
            found[name] = []
    return found


def _baselines(settings: BackfillSettings, in_state: Baselines, now: float) -> Baselines:
    """Return the baselines that belong to what is read, as far as --until allows it."""
    found: Baselines = {}
    until = settings.until.at(now) if settings.until else None
    for organization in settings.organizations:
        name = organization.name
        known = [each for plan in organization.plans for each in candidates_of(plan, in_state[name])]
        if until is not None and any(each.baseline.taken_at > until for each in known):
            _say(f"note: {name}: counters are left out, since --until is before they began")
            known = []
        elif missing := sorted(
            {resource for resource, _ in _counters(organization) - {(each.resource, each.measure) for each in known}}
        ):
            _say(
                f"note: {name}: counters of {', '.join(missing)} are left out: {settings.state_path} does not know when"
                " they began. Start the exporter first, and set --state.path to its state file"
            )
        found[name] = known
    return found


def _span(settings: BackfillSettings, baselines: Baselines, now: float) -> tuple[Span, int]:
    """Return the span, and where measures without a baseline end. Raises SpanError."""
    began = [each.baseline.taken_at for known in baselines.values() for each in known]
    limit = now if settings.remote_write or settings.new_prometheus or settings.dry_run else now - HEAD
    if began and max(began) > limit:
        raise SpanError(
            f"the exporter's counters began at {format_time(max(began))}, and a Prometheus that runs takes no blocks of"
            f" its last 3 hours: run this after {format_time(max(began) + HEAD)}, use --remote-write, or give"
            " --new-prometheus if the Prometheus was never started"
        )
    live_from = min(began, default=float(day_of(now)))
    end = min(settings.until.at(now) if settings.until else live_from, limit)
    return span_of(settings.since.at(now), max([end, *began]), settings.step, settings.dense_days), int(end)


def _progress(settings: BackfillSettings, span: Span, baselines: Baselines, labels: Mapping[str, str]) -> Progress:
    """Return how far an earlier run of the same command has come. Raises ProgressError and OSError."""
    options = _options(settings, span, labels)
    for each in settings.organizations:
        began = [f"{_key(known)} {known.baseline.taken_at}" for known in baselines[each.name]]
        options |= {f"{each.name}: {name}": value for name, value in _options_of(each, began).items()}
    if settings.remote_write:
        return Progress.load(settings.remote_write.progress, options, span)
    assert settings.output  # noqa: S101 - the settings have one of the two
    settings.output.mkdir(parents=True, exist_ok=True)
    return Progress.load(settings.output / PROGRESS_FILE, options, span)


def _options(settings: BackfillSettings, span: Span, labels: Mapping[str, str]) -> dict[str, str]:
    """Return the options that decide what is written and where, by name; what may be secret is a digest."""
    remote = settings.remote_write
    headers = {name.lower(): value for name, value in remote.headers.items()} if remote else {}
    return {
        "--since": str(settings.since),
        "--until": str(settings.until),
        "--step": str(span.step),
        "--dense-days": str(settings.dense_days),
        "--label": str(sorted(labels.items())),
        "--remote-write": digest(remote.url) if remote else "",
        "--remote-write-username": digest(remote.username or "") if remote else "",
        "--remote-write-header": str([f"{name}: {digest(headers[name])}" for name in sorted(headers)]),
    }


def _options_of(organization: OrganizationSettings, began: Sequence[str]) -> dict[str, str]:
    """Return the settings of an organization that decide what is written; `began`: where its counters began."""
    names = [row.name for row in METADATA if row.kind is MetadataKind.NAMES and row.name in organization.metadata]
    options = {
        "state.path": digest(str(sorted(began))),
        "api.base_url": organization.base_url,
        "OPENAI_ORG_ID": digest(organization.organization_id or ""),
        "names": f"{names} {organization.personal_data}",
    }
    for plan in organization.plans:
        options |= {f"resources.{plan.resource.name}.{name}": value for name, value in _options_of_plan(plan).items()}
    return options


def _options_of_plan(plan: Plan) -> dict[str, str]:
    windows = [(measure.name, [window.name for window in each]) for measure, each in plan.windows]
    return {
        "group_by": str([name for name in plan.resource.dimensions if name in plan.group_by]),
        "filters": str(sorted(plan.filters)),
        "measures": str([measure.name for measure in plan.measures]),
        "windows": str(windows),
        "bucket_width": plan.width,
        "lookback_days": str(plan.lookback_days),
        "max_series": str(plan.max_series),
    }


def _target(remote: RemoteWriteSettings) -> Target:
    fields = asdict(remote)
    del fields["progress"], fields["query_url"]
    return Target(**fields)


def _counters(organization: OrganizationSettings) -> set[tuple[str, str]]:
    """Return resource and measure of every counter."""
    return {
        (plan.resource.name, measure.name)
        for plan in organization.plans
        for measure in plan.measures
        if measure.kind is Kind.FLOW
    }


def _key(baseline: MeasureBaseline) -> tuple[str, str, tuple[str, ...]]:
    return baseline.resource, baseline.measure, baseline.label_names


def _own_labels(settings: Settings) -> set[str]:
    groups = [group for each in settings.organizations for plan in each.plans for group in plan.label_groups]
    return {name for group in groups for name in group.labels}


class _Requests:
    """Counts requests to OpenAI."""

    def __init__(self) -> None:
        self.count = 0


class _Observer(SilentObserver):
    """Prints errors that are retried."""

    def __init__(self, organization: str, requests: _Requests) -> None:
        self._organization, self._requests = organization, requests

    def request(self, resource: str) -> None:  # noqa: ARG002 - all requests count
        """Count a request."""
        self._requests.count += 1

    def error(self, resource: str, error: UpstreamError) -> None:
        """Print an error that the client retries."""
        if error.retryable:
            pause = f" in {error.retry_after:.0f} s, as requested" if error.retry_after else ""
            _say(f"{self._organization}: {resource}: {error}: retrying{pause}")


def _next_steps(settings: BackfillSettings, span: Span) -> str:
    age = int((time.time() - span.start) // DAY) + 1
    return (
        f"next:  for file in {shlex.quote(str(settings.output))}/history-*.om; do\n"
        '         promtool tsdb create-blocks-from --max-block-duration=486h openmetrics "$file" BLOCKS\n'
        "       done\n"
        f"       set --storage.tsdb.retention.time of Prometheus above {age}d: it deletes older blocks\n"
        "       move the directories in BLOCKS to its --storage.tsdb.path; it loads them within minutes"
    )


def _say_file_error(settings: BackfillSettings, error: OSError) -> None:
    """Print what failed, which option names it, and that the same command continues."""
    written = settings.output or (settings.remote_write.progress if settings.remote_write else settings.state_path)
    path = Path(error.filename or written)
    _say(f"error: {path}: {error.strerror or error}")
    if error.errno in _FULL:
        advice = "Free room there"
    elif option := _read_files(settings).get(path):
        advice = f"Check the file of {option}"
    elif settings.output:
        advice = "Set --output to a directory that can be created and written"
    else:
        advice = "Set --remote-write-progress to a file in a directory that exists and can be written"
    _say(f"{advice}, and run the same command again: it continues.")


def _read_files(settings: BackfillSettings) -> dict[Path, str]:
    """Return the options of the files that are only read, by path."""
    remote = settings.remote_write
    options = {settings.state_path: "--state.path"}
    for name in ("bearer_token_file", "password_file", "ca_file", "cert_file", "key_file") if remote else ():
        if path := getattr(remote, name):
            options[path] = f"--remote-write-{name.replace('_', '-')}"
    return options


def _say(line: str) -> None:
    print_redacted(line, file=sys.stderr)
