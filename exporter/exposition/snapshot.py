"""The immutable snapshot that scrapes and the status page are served from; every publish makes a new one."""

from dataclasses import dataclass, field
from enum import Enum


class Format(Enum):
    """The exposition formats that are spoken, by their Content-Type."""

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


@dataclass(frozen=True, slots=True)
class ResourceReport:
    """How one resource of one organization is doing."""

    name: str
    first_poll_done: bool = False
    """Whether a poll has succeeded or failed yet."""
    up: bool = False
    series: int = 0
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
    degraded: tuple[str, ...] = ()
    """Reasons, as in the label of `openai_exporter_resource_degraded`."""


@dataclass(frozen=True, slots=True)
class Spend:
    """Money in US dollars, None where it is not known yet."""

    today: float | None = None
    yesterday: float | None = None
    week: float | None = None
    month: float | None = None
    daily: tuple[tuple[int, float], ...] = ()
    """UTC midnight (Unix seconds) and dollars of each day of the look-back, ascending."""
    line_items: tuple[tuple[str, float], ...] = ()
    """Name and dollars over the last 7 days, largest first."""


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
    models: tuple[ModelUse, ...] = ()
    requests_per_minute: float = 0.0
    """The rate now allowed."""
    paused_until: float | None = None
    """Unix seconds until which every endpoint is silent."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is published, as of one moment."""

    bodies: dict[Format, Body] = field(default_factory=dict)
    organizations: tuple[OrganizationReport, ...] = ()
    published: float = 0.0
    """Unix seconds."""
    ready: bool = False
    """Whether the result of every bucket endpoint's first poll is in the snapshot."""
