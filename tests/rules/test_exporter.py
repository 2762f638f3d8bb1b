"""Alerts about the exporter itself, keys and vector stores; thresholds of one's own; what the alerts say."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.support.history import DAY, HOUR, History, Span, office, steady
from tests.support.promtool import RULES, Replay, Watched, unclear
from tests.support.rule_replay import needed

pytestmark = pytest.mark.slow

DAYS: Final = 1.6
NOON: Final = int(0.5 * DAY)

Alert = tuple[str, ...]


def _history(name: str, *, down: tuple[Span, ...] = (), unreachable: tuple[Span, ...] = ()) -> History:
    return History(name, DAYS, resources=("costs", "completions"), down=down, unreachable=unreachable)


def _between(history: History, start: float, end: float, inside: float, outside: float = 0) -> list[float]:
    return [inside if start * DAY <= at < end * DAY else outside for at in history.times]


def _labels(history: History, **more: str) -> dict[str, str]:
    return {**history.target, "organization": history.organization, **more}


def _errors(history: History, reason: str, resource: str, values: Sequence[float]) -> None:
    history.put("openai_exporter_api_errors_total", _labels(history, resource=resource, reason=reason), values)


def _refused() -> History:
    history = _history("refused", unreachable=((0.4, 0.6),))
    _errors(history, "auth", "costs", [max(0, (at - 0.4 * DAY) // HOUR) for at in history.times])
    return history


def _refused_from_the_start() -> History:
    history = _history("refused-from-the-start", unreachable=((0, 2),))
    for resource in history.resources:
        history.put("openai_exporter_last_success_timestamp_seconds", _labels(history, resource=resource), [None] * 461)
    _errors(history, "forbidden", "costs", [1.0] * len(history.times))
    return history


def _flaky() -> History:
    history = _history("flaky", unreachable=((0.4, 0.41), (0.5, 0.51)))
    _errors(history, "server", "costs", [at // HOUR for at in history.times])
    _errors(history, "auth", "costs", [0.0] * len(history.times))
    _errors(history, "rate_limited", "costs", [float(at >= NOON) for at in history.times])
    return history


def _stale_names() -> History:
    history = _history("stale-names")
    labels = _labels(history, resource="projects")
    history.put("openai_exporter_resource_up", labels, 0)
    history.put("openai_exporter_last_success_timestamp_seconds", labels, 0)
    history.put("openai_exporter_poll_interval_seconds", labels, 900)
    return history


def _unsupported() -> History:
    history = _history("unsupported")
    labels = _labels(history, resource="decisions")
    history.put("openai_exporter_resource_up", labels, 0)
    history.put("openai_exporter_poll_interval_seconds", labels, 60)
    history.put("openai_exporter_resource_degraded", {**labels, "reason": "unsupported"}, 1)
    return history


def _costs_stand_still(name: str, requests: float) -> History:
    history = _history(name)
    history.requests("p", steady(requests))
    labels = _labels(history, resource="costs")
    history.put("openai_exporter_last_change_timestamp_seconds", labels, [min(at, 0.3 * DAY) for at in history.times])
    return history


def _throttled() -> History:
    history = _history("throttled")
    _errors(history, "rate_limited", "costs", [at // 120 for at in history.times])
    return history


def _shown(name: str, metric: str, value: float, **labels: str) -> Callable[[], History]:
    def build() -> History:
        history = _history(name)
        history.put(metric, _labels(history, **labels), value)
        return history

    return build


def _clock(name: str, *, skew: float, recorded: float, unreachable: tuple[Span, ...] = ()) -> History:
    history = _history(name, unreachable=unreachable)
    history.put("openai_exporter_clock_skew_seconds", _labels(history), skew)
    success = 0.0
    times = []
    for at in history.times:
        success = success if any(a * DAY <= at < b * DAY for a, b in unreachable) else at
        times.append(success + recorded)
    for resource in history.resources:
        history.put("openai_exporter_last_success_timestamp_seconds", _labels(history, resource=resource), times)
    return history


def _refused_by_a_gateway() -> History:
    history = _history("gateway", unreachable=((0.4, 0.6),))
    _errors(history, "gateway", "costs", [max(0, (at - 0.4 * DAY) // HOUR) for at in history.times])
    return history


def _rejecting(name: str, reason: str) -> History:
    history = _history(name)
    labels = _labels(history, resource="costs", reason=reason)
    history.put("openai_exporter_rows_rejected_total", labels, [at // 60 for at in history.times])
    return history


def _missing_bucket() -> History:
    history = _history("missing-bucket")
    history.put("openai_exporter_resource_up", _labels(history, resource="costs"), 0)
    _errors(history, "invalid_response", "costs", [at // 300 for at in history.times])
    return history


def _changed_organization() -> History:
    history = _history("changed")
    for resource in history.resources:
        labels = _labels(history, resource=resource)
        history.put("openai_exporter_resource_up", labels, 0)
        history.put("openai_exporter_resource_degraded", {**labels, "reason": "organization_changed"}, 1)
        _errors(history, "forbidden", resource, [at // 600 for at in history.times])
    return history


def _restarted(name: str, every: int, count: int) -> History:
    """Return a history with restarts at noon and so many seconds after each other."""
    history = _history(name)
    starts = [float(NOON + number * every) for number in range(count)]
    values = [max([0.0, *(start for start in starts if start <= at)]) for at in history.times]
    history.put("process_start_time_seconds", history.target, values)
    return history


def _gap() -> History:
    history = _history("gap")
    labels = _labels(history, resource="costs", reason="gap")
    history.put("openai_exporter_resource_degraded", labels, _between(history, 0.4, 2, 1))
    return history


def _admin_key(name: str, days: float) -> Callable[[], History]:
    def build() -> History:
        history = _history(name)
        labels = _labels(history, api_key_id="key_1")
        history.put("openai_admin_api_key_expires_timestamp_seconds", labels, days * DAY)
        history.put("openai_admin_api_key_info", {**labels, "api_key_name": "monitoring"}, 1)
        return history

    return build


def _certificate(name: str, active: str) -> History:
    history = _history(name)
    labels = _labels(history, certificate_id="cert_1")
    history.put("openai_organization_certificate_expires_timestamp_seconds", labels, 20 * DAY)
    info = {**labels, "certificate_name": "mutual TLS", "active": active}
    history.put("openai_organization_certificate_info", info, 1)
    return history


SITUATIONS: Final[dict[str, tuple[Callable[[], History], set[Alert]]]] = {
    "all is well": (lambda: _history("well"), set()),
    "down": (lambda: _history("down", down=((0.45, 0.55),)), {("OpenAIExporterDown", "critical")}),
    "a restart": (lambda: _history("restart", down=((0.5, 0.503),)), set()),
    "a crash loop": (
        lambda: _restarted("crashes", 300, 24),
        {("OpenAIExporterCrashLooping", "warning")},
    ),
    "a crash every twelve minutes": (
        lambda: _restarted("slow-crashes", 720, 10),
        {("OpenAIExporterCrashLooping", "warning")},
    ),
    "a few restarts by hand": (lambda: _restarted("by-hand", 300, 4), set()),
    "a restart every quarter of an hour": (lambda: _restarted("quarters", 900, 20), set()),
    "the key is refused": (
        _refused,
        {
            ("OpenAIExporterCredentialsRefused", "critical"),
            ("OpenAIExporterDataStale", "critical", "costs"),
            ("OpenAIExporterDataStale", "critical", "completions"),
        },
    ),
    "the key is refused from the start": (
        _refused_from_the_start,
        {
            ("OpenAIExporterCredentialsRefused", "critical"),
            ("OpenAIExporterDataStale", "critical", "costs"),
            ("OpenAIExporterDataStale", "critical", "completions"),
        },
    ),
    "a failed poll now and then": (_flaky, set()),
    "names are not read": (_stale_names, {("OpenAIExporterDataStale", "warning", "projects")}),
    "an endpoint that the host does not have": (_unsupported, set()),
    "costs stand still": (
        lambda: _costs_stand_still("late-costs", 500),
        {("OpenAIExporterUpstreamLate", "warning")},
    ),
    "costs stand still, and so does usage": (lambda: _costs_stand_still("quiet", 0.1), set()),
    "throttled": (_throttled, {("OpenAIExporterThrottled", "warning")}),
    "series are folded": (
        _shown("folded", "openai_exporter_series_folded", 3, resource="costs"),
        {("OpenAIExporterSeriesFolded", "warning", "costs")},
    ),
    "the state cannot be written": (
        _shown("readonly", "openai_exporter_state_writable", 0),
        {("OpenAIExporterStateNotWritable", "warning")},
    ),
    "a clock that is ahead": (
        _shown("ahead", "openai_exporter_clock_skew_seconds", 90),
        {("OpenAIExporterClockSkew", "warning")},
    ),
    "a clock that is behind": (
        _shown("behind", "openai_exporter_clock_skew_seconds", -90),
        {("OpenAIExporterClockSkew", "warning")},
    ),
    "a clock that is an hour behind": (
        lambda: _clock("hour-behind", skew=-HOUR, recorded=-HOUR),
        {("OpenAIExporterClockSkew", "warning")},
    ),
    "a response date that is an hour behind": (
        lambda: _clock("late-date", skew=HOUR, recorded=0),
        {("OpenAIExporterClockSkew", "warning")},
    ),
    "a clock that is an hour ahead, and no data": (
        lambda: _clock("ahead-unreachable", skew=HOUR, recorded=HOUR, unreachable=((0.4, 0.46),)),
        {
            ("OpenAIExporterClockSkew", "warning"),
            ("OpenAIExporterDataStale", "critical", "costs"),
            ("OpenAIExporterDataStale", "critical", "completions"),
        },
    ),
    "a gateway that refuses": (
        _refused_by_a_gateway,
        {
            ("OpenAIExporterDataStale", "critical", "costs"),
            ("OpenAIExporterDataStale", "critical", "completions"),
        },
    ),
    "a reload that fails": (
        _shown("reload", "openai_exporter_config_last_reload_successful", 0),
        {("OpenAIExporterReloadFailed", "warning")},
    ),
    "rows that cannot be used": (
        lambda: _rejecting("rejecting", "invalid_field"),
        {("OpenAIExporterResponsesIncomplete", "warning", "costs")},
    ),
    "amounts that are not there": (lambda: _rejecting("no-amounts", "missing_value"), set()),
    "a bucket that is missing": (_missing_bucket, {("OpenAIExporterResponsesIncomplete", "warning", "costs")}),
    "a clock that is nearly right": (_shown("nearly", "openai_exporter_clock_skew_seconds", 45), set()),
    "another organization's key": (
        _changed_organization,
        {("OpenAIExporterOrganizationChanged", "critical")},
    ),
    "a refused grouping": (
        _shown("regrouped", "openai_exporter_resource_degraded", 1, resource="costs", reason="group_by_refused"),
        set(),
    ),
    "a gap": (_gap, {("OpenAIExporterGap", "warning", "costs")}),
    "an admin key that expires": (
        _admin_key("key", 10),
        {("OpenAIAdminKeyExpiring", "warning", "key_1")},
    ),
    "an admin key that lasts": (_admin_key("lasting-key", 100), set()),
    "an API key that expires": (
        _shown("api-key", "openai_api_key_expires_timestamp_seconds", 10 * DAY, project_id="p", api_key_id="key_2"),
        {("OpenAIApiKeyExpiring", "warning", "key_2", "p")},
    ),
    "an API key that expired long ago": (
        _shown("old-api-key", "openai_api_key_expires_timestamp_seconds", -8 * DAY, project_id="p", api_key_id="key_3"),
        set(),
    ),
    "a certificate that expires": (
        lambda: _certificate("certificate", "true"),
        {("OpenAICertificateExpiring", "warning", "cert_1")},
    ),
    "an inactive certificate that expires": (lambda: _certificate("inactive-certificate", "false"), set()),
    "costs that are not the total": (
        _shown("unreconciled", "openai_exporter_reconciliation_difference_usd", -0.5),
        {("OpenAIExporterReconciliationDifference", "warning")},
    ),
    "costs that are the total": (_shown("reconciled", "openai_exporter_reconciliation_difference_usd", 0), set()),
    "nearly full vector stores": (
        _shown("full", "openai_vector_stores_usage_bytes", 9e11, project_id="p"),
        {("OpenAIVectorStoresNearQuota", "warning", "p"), ("OpenAIVectorStoresNearQuota", "warning")},
    ),
    "vector stores with room": (_shown("room", "openai_vector_stores_usage_bytes", 1e11, project_id="p"), set()),
}


def _rules(folder: Path) -> list[Path]:
    """Return all rules but those of spikes of usage, on which no alert here depends."""
    flow = folder / "flow.yml"
    group = {"name": "flow", "interval": "1m", "rules": needed(RULES, ["openai:project_requests:per_hour"])}
    flow.write_text(yaml.safe_dump({"groups": [group]}))
    return [*(path for path in RULES if path.stem != "flow"), flow]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """All situations, side by side in one Prometheus."""
    folder = tmp_path_factory.mktemp("exporter")
    replay = Replay(folder, rules=_rules(folder))
    for build, _ in SITUATIONS.values():
        build().write(replay)
    return replay.watch(0, int(DAYS * DAY))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_fires(situation: str, watched: Watched) -> None:
    """A situation fires its alerts, and no other."""
    build, expected = SITUATIONS[situation]
    organization = build().organization
    own = {organization, f"{organization}:10180", "openai-usage-exporter"}

    assert expected == {
        tuple(word for word in alert if word not in own) for alert in watched.fired if own & set(alert) - {_JOB}
    }


_JOB: Final = "openai-usage-exporter"


def test_resolves(watched: Watched) -> None:
    """What has passed fires no longer: an exporter that is down or restarts, a refused key, a gap of yesterday."""
    last = {alert: times[-1] for alert, times in watched.fired.items()}

    assert last["OpenAIExporterDown", "critical", "down:10180", _JOB] <= 0.6 * DAY
    assert last["OpenAIExporterCrashLooping", "warning", "crashes:10180", _JOB] <= NOON + 3 * HOUR
    assert last["OpenAIExporterCredentialsRefused", "critical", "refused"] <= 0.7 * DAY
    assert last["OpenAIExporterGap", "warning", "gap", "costs"] <= 1.5 * DAY


def test_a_rolling_deployment_is_no_crash_loop(tmp_path: Path) -> None:
    """Ten instances that are restarted one after the other raise nothing."""
    replay = Replay(tmp_path, rules=_rules(tmp_path))
    for number in range(10):
        target = {"job": _JOB, "instance": f"{number}:10180"}
        replay.add("up", target, [1.0] * 30)
        replay.add("openai_exporter_build_info", target, [1.0] * 30)
        replay.add("process_start_time_seconds", target, [1.0] * (5 + number) + [300.0 * (5 + number)] * (25 - number))

    assert set() == replay.firing(*range(0, 2 * HOUR, 300))


def test_nothing_to_scrape(tmp_path: Path) -> None:
    """A Prometheus that has never seen an exporter says so."""
    replay = Replay(tmp_path, rules=_rules(tmp_path))
    replay.add("up", {"job": "other", "instance": "other:1"}, [1.0] * 50)

    assert {("OpenAIExporterDown", "critical")} == replay.firing(4 * HOUR)


def test_thresholds_of_ones_own(tmp_path: Path) -> None:
    """The most particular threshold wins: project, organization, everything, default."""
    name = "openai:threshold:spend_spike_ratio"
    override = {
        "groups": [
            {
                "name": "mine",
                "rules": [
                    {"record": name, "expr": "vector(3)", "labels": {"scope": "all"}},
                    {"record": name, "expr": "vector(4)", "labels": {"organization": "acme"}},
                    {"record": name, "expr": "vector(5)", "labels": {"organization": "acme", "project_id": "p"}},
                ],
            }
        ]
    }
    own = tmp_path / "mine.yml"
    own.write_text(yaml.safe_dump(override))
    replay = Replay(tmp_path, rules=[*_rules(tmp_path), own])
    for organization in ("acme", "other"):
        history = History(organization, 0.1)
        history.cost("p", office(1))
        history.cost("q", office(1))
        history.write(replay)

    (found,) = replay.query("openai:owner_threshold:spend_spike_ratio", [2 * HOUR])
    (floors,) = replay.query("openai:owner_threshold:spend_spike_floor_usd", [2 * HOUR])

    assert {
        ("acme", ""): 4,
        ("acme", "p"): 5,
        ("acme", "q"): 4,
        ("other", ""): 3,
        ("other", "p"): 3,
        ("other", "q"): 3,
    } == {(sample.labels["organization"], sample.labels.get("project_id", "")): sample.value for sample in found}
    assert {50} == {sample.value for sample in floors}


@pytest.mark.parametrize(
    ("alert", "organization", "words"),
    [
        ("OpenAIExporterCredentialsRefused", "refused", "for 1 of the exporter's resources"),
        ("OpenAIExporterDataStale", "refused", "was last polled successfully 3h"),
        ("OpenAIExporterUpstreamLate", "late-costs", "have not changed for 1d 6h"),
        ("OpenAIAdminKeyExpiring", "key", "expires in 8d 10h"),
        ("OpenAIVectorStoresNearQuota", "full", "holds 838.2GiB in vector stores, of a quota of 931.3GiB"),
    ],
)
def test_words(alert: str, organization: str, words: str, watched: Watched) -> None:
    """A description has its figures, in units for people."""
    assert words in watched.said[alert, organization]["description"]


def test_no_words_missing(watched: Watched) -> None:
    """No template fails, whatever fired."""
    assert [] == unclear(watched.texts)
