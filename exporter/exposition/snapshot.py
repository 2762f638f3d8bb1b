"""The immutable snapshot that scrapes and the status page are served from; every publish makes a new one."""

from dataclasses import dataclass, field
from enum import StrEnum


class Format(StrEnum):
    """The exposition formats, by their Content-Type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a body, as plain text and compressed."""

    texts: tuple[bytes, ...]
    deflated: bytes
    """Raw deflate, not ended, up to a byte boundary (full flush), so that another deflate stream can follow."""
    length: int
    """Bytes of the texts."""
    crc: int
    """CRC-32 of the texts."""


@dataclass(frozen=True, slots=True)
class Body:
    """One format's families, without the exporter's own."""

    pieces: tuple[Piece, ...] = ()
    length: int = 0
    """Bytes before compression."""
    crc: int = 0
    """CRC-32 of the bytes before compression."""


class DegradedReason(StrEnum):
    """Why a resource is exported with something missing: values of `reason` of `openai_exporter_resource_degraded`."""

    UNSUPPORTED = "unsupported"
    """The host does not have the endpoint."""
    LEGACY = "legacy"
    """The legacy billing endpoints are read instead."""
    GAP = "gap"
    """Days are missing that the API no longer serves."""
    GROUP_BY_REFUSED = "group_by_refused"
    """The API refuses the configured grouping."""
    ORGANIZATION_CHANGED = "organization_changed"
    """The key belongs to another organization than the state."""


@dataclass(frozen=True, slots=True)
class ResourceReport:
    """How one resource of one organization is doing."""

    name: str
    first_poll_done: bool = False
    """Whether a poll has succeeded or failed yet."""
    up: bool = False
    series: int | None = None
    """Label sets of a ledger, or samples of a resource without one; None where nothing is exported per series."""
    interval: float = 0.0
    """Seconds: the cadence now in force."""
    last_success: float | None = None
    """Unix seconds."""
    last_change: float | None = None
    """Unix seconds of the last poll that changed a value."""
    error: str = ""
    """The last failure, as a sentence; empty after a success."""
    advice: str = ""
    """What to do about it."""
    degraded: tuple[DegradedReason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Reported money of an organization or a project in US dollars, None where it is not known."""

    today: float | None = None
    yesterday: float | None = None
    week: float | None = None
    """The last 7 UTC days, today included."""
    month: float | None = None
    """The UTC month to date."""
    previous_month: float | None = None
    projected_month: float | None = None
    """The month to date, and for the days that are left the mean of the last six full days."""
    change: float | None = None
    """The last 7 full UTC days less the 7 before."""
    change_ratio: float | None = None
    """The change as a share of the 7 days before; None where those had no costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is to be spent in a month at most, US dollars; None where there is no such bound."""

    budget: float | None = None
    """Of the settings."""
    budget_runway_days: float | None = None
    """An estimate."""
    limit: float | None = None
    """OpenAI's spend limit."""
    limit_enforced: bool = False
    """Whether OpenAI refuses requests beyond the limit."""
    alert_thresholds: tuple[float, ...] = ()
    """Month to date at which OpenAI sends its spend alerts, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSpend(Amounts):
    """Money of one project."""

    id: str
    name: str = ""
    """Empty while it is not known."""
    status: str = ""
    """`active`, `archived` or `deleted`; empty while it is not known."""
    estimated_today: float | None = None
    """An estimate, not reported by OpenAI."""
    bounds: Bounds = Bounds()
    daily: tuple[float, ...] = ()
    """Dollars of each day of the organization's `daily`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend(Amounts):
    """Money of one organization."""

    daily: tuple[tuple[int, float], ...] = ()
    """UTC midnight (Unix seconds) and dollars of each day of the look-back, ascending."""
    line_items: tuple[tuple[str, float], ...] = ()
    """Name and dollars over the last 7 days, largest first."""
    projects: tuple[ProjectSpend, ...] = ()
    """The most expensive of the month first; empty where costs are not grouped by project."""
    bounds: Bounds = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateReport:
    """Estimates of one organization, none of them reported by OpenAI: US dollars, None where there is none."""

    today: float | None = None
    """The current UTC day so far, with the usage that no cost contains yet."""
    coverage_ratio: float | None = None
    """Share of today's requests whose usage has a price."""
    prepaid_balance: float | None = None
    prepaid_runway_days: float | None = None


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What one model did over the last 7 days, all resources together."""

    model: str
    tokens: float
    requests: float


@dataclass(frozen=True, slots=True)
class OrganizationReport:
    """The status page's view of one organization."""

    name: str
    resources: tuple[ResourceReport, ...] = ()
    spend: Spend | None = None
    estimate: EstimateReport | None = None
    models: tuple[ModelUse, ...] = ()
    requests_per_minute: float = 0.0
    """The rate now allowed."""
    paused_until: float | None = None
    """Unix seconds until which no endpoint is asked."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is published, as of one moment."""

    bodies: dict[Format, Body] = field(default_factory=dict)
    organizations: tuple[OrganizationReport, ...] = ()
    state_writable: bool = True
    """False after the last commit of the state failed."""
    published: float = 0.0
    """Unix seconds."""
    ready: bool = False
    """Whether the result of every bucket endpoint's first poll is in the snapshot."""
