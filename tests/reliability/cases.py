"""The faults that docs/reliability.md has a row for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from exporter.catalog import DAY, HOUR, MINUTE


class Way(Enum):
    """How a fault is brought about."""

    API = "api"
    """By the simulated API: `fault` and `options` are those of `exporter.simulator.faults`."""
    REFUSED = "refused"
    """The host refuses connections."""
    NAME = "name"
    """`api.base_url` has a name that does not resolve. From a restart on, and mended by another."""
    EXPIRED = "expired"
    """The host's certificate has expired. Likewise."""
    WRONG_NAME = "wrong_name"
    """The host's certificate is for another name. Likewise."""
    PROXY = "proxy"
    """The proxy is not there. Likewise."""
    PROXY_PASSWORD = "proxy_password"
    """The proxy wants another password. Likewise."""
    DOWN = "down"
    """The exporter does not run."""
    CLOCK = "clock"
    """The wall clock of the exporter is set by `options["seconds"]`, and set right at the end."""
    DISK = "disk"
    """The process can write no file."""
    LOCK = "lock"
    """Another program holds the write lock of the state."""
    RESTART = "restart"
    """The exporter is restarted, at the beginning and at the end."""
    KILLED = "killed"
    """The exporter ends without saving anything, and is started again, every `options["every"]` seconds."""
    RELOADED = "reloaded"
    """The exporter reloads every minute, as at SIGHUP."""
    WEB_CONFIG = "web_config"
    """The web configuration becomes one that cannot be used."""
    MIDNIGHT = "midnight"
    """The UTC day ends."""


@dataclass(frozen=True, slots=True)
class Case:
    """One fault."""

    name: str
    """As the table names it."""
    way: Way = Way.API
    fault: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    lasts: int = HOUR
    """Seconds."""
    step: int = MINUTE
    """Seconds between scrapes."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Environment variables without their prefix."""

    in_tests: bool = False
    """Whether the tests measure it again."""

    @property
    def id(self) -> str:
        """A value for the label `organization` that no other case has."""
        return self.name.lower().replace(" ", "-").replace(",", "").replace("`", "").replace("'", "")


def _status(status: int, body: str, *, in_tests: bool = False, **options: Any) -> Case:  # noqa: ANN401 # any JSON value
    given = {"status": status, "body": body, **options}
    return Case(f"{status}, {body}", fault="status", options=given, in_tests=in_tests)


_IMPATIENT: Final = {"API__TIMEOUT": "200ms"}

CASES: Final = (
    _status(400, "json"),
    _status(400, "html"),
    _status(401, "empty"),
    _status(401, "json", code="invalid_api_key"),
    _status(403, "html"),
    _status(403, "json"),
    _status(404, "json"),
    _status(404, "html"),
    _status(408, "empty"),
    _status(409, "json"),
    _status(413, "html"),
    _status(418, "text"),
    _status(422, "json"),
    Case("429 with Retry-After", fault="rate_limited", options={"retry_after": 20}, lasts=2 * HOUR),
    Case("429, quota exceeded", fault="billing"),
    Case("429, slow down", fault="slow_down", lasts=2 * HOUR),
    Case("500", fault="server_error"),
    Case("502, html", fault="bad_gateway"),
    Case("503 with Retry-After", fault="unavailable", options={"retry_after": 30}),
    _status(504, "html"),
    _status(520, "empty"),
    Case("redirect", fault="redirect"),
    Case("200 that is not JSON", fault="not_json"),
    Case("200 nested 100,000 deep", fault="nested"),
    Case("200 cut off", fault="truncated"),
    Case("200 larger than `api.max_body`", fault="huge", options={"bytes": 2**21}, settings={"API__MAX_BODY": "1MiB"}),
    Case("another organization", fault="organization"),
    Case("bucket missing", fault="missing_bucket"),
    Case("cursor repeated", fault="repeated_cursor"),
    Case("a row that is `null`", fault="odd_row"),
    Case("a bucket in the year 2100", fault="odd_bucket", options={"fields": {"start_time": 4_102_444_800}}),
    Case("every second answer 500", fault="server_error", options={"probability": 0.5, "seed": 1}),
    Case("connection reset in the body", fault="reset"),
    Case("no response (hang)", fault="never", settings=_IMPATIENT, lasts=40 * MINUTE),
    Case(
        "a byte a second (drip)",
        fault="slow",
        options={"pause": 1.0, "piece": 1},
        settings=_IMPATIENT,
        lasts=40 * MINUTE,
    ),
    Case("connection refused", Way.REFUSED),
    Case("DNS failure after a restart", Way.NAME),
    Case("TLS certificate expired", Way.EXPIRED, in_tests=True),
    Case("TLS certificate for another name", Way.WRONG_NAME),
    Case("proxy gone", Way.PROXY),
    Case("proxy refuses the password", Way.PROXY_PASSWORD),
    Case("`Date` of the API an hour ahead", fault="clock_skew"),
    Case("clock set back an hour", Way.CLOCK, options={"seconds": -HOUR}, in_tests=True),
    Case("clock two days ahead, then set right", Way.CLOCK, options={"seconds": 2 * DAY}),
    Case("disk full", Way.DISK, lasts=20 * MINUTE, in_tests=True),
    Case("state locked by another program", Way.LOCK, lasts=20 * MINUTE),
    Case("exporter restarted", Way.RESTART, lasts=20 * MINUTE),
    Case("killed every 5 minutes (SIGKILL)", Way.KILLED, options={"every": 5 * MINUTE}, in_tests=True),
    Case("killed every 2 minutes (SIGKILL)", Way.KILLED, options={"every": 2 * MINUTE}),
    Case("killed every 15 minutes (SIGKILL)", Way.KILLED, options={"every": 15 * MINUTE}),
    Case("SIGHUP every minute", Way.RELOADED),
    Case("broken web configuration", Way.WEB_CONFIG, lasts=20 * MINUTE, in_tests=True),
    Case("midnight", Way.MIDNIGHT, lasts=20 * MINUTE, step=5 * MINUTE, in_tests=True),
    Case("API gone for a night", Way.REFUSED, lasts=9 * HOUR, step=5 * MINUTE),
    Case(
        "API gone for a week",
        Way.REFUSED,
        lasts=7 * DAY,
        step=5 * MINUTE,
        settings={"POLL__INTERVAL": "15m", "POLL__COST_INTERVAL": "15m"},
    ),
    Case("exporter down for a night", Way.DOWN, lasts=9 * HOUR, step=5 * MINUTE),
    Case("exporter down for a week", Way.DOWN, lasts=7 * DAY, step=5 * MINUTE),
)
