"""One settings class per command."""

from pathlib import Path
from typing import Any, Final

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from exporter.settings.sections import (
    FILE_ONLY,
    PREPAID,
    Api,
    Budgets,
    ConfigFile,
    LimitSettings,
    Log,
    NameSettings,
    OrganizationList,
    Poll,
    Resources,
    State,
    TopUps,
    Web,
    WindowSettings,
)
from exporter.settings.types import (
    Address,
    Count,
    Duration,
    DurationOrZero,
    FilePath,
    Labels,
    ListenAddresses,
    PastPointInTime,
    RemoteWriteUrl,
    RequestHeaders,
    Text,
)

PREFIX: Final = "OPENAI_EXPORTER_"
DELIMITER: Final = "__"
PROXY_AUTH: Final = f"{PREFIX}PROXY_AUTH"
"""A secret, therefore a variable and no setting."""

_FLAG_ONLY: Final[dict[str, Any]] = {"source": "flag"}
_ARGUMENT: Final[dict[str, Any]] = {"source": "argument"}


class CommandSettings(BaseSettings):
    """The settings that all commands share: one file and one environment serve them all."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_ignore_empty=True,
        enable_decoding=False,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        defer_build=True,
    )

    config: ConfigFile = ConfigFile()
    web: Web = Web()
    api: Api = Api()
    poll: Poll = Poll()
    new_counter_hold: DurationOrZero = 150
    """How long a new counter is exported at its initial value before it rises; at least twice the scrape interval"""
    max_series: Count = 50_000
    """Maximum number of label sets per organization and resource, before measures; the rest is folded into one"""
    windows: WindowSettings = WindowSettings()
    names: NameSettings = NameSettings()
    limits: LimitSettings = LimitSettings()
    budgets: Budgets = Budgets()
    prepaid: TopUps = Field((), json_schema_extra=FILE_ONLY, description=PREPAID)
    state: State = State()
    log: Log = Log()
    resources: Resources = Resources()
    organizations: OrganizationList | None = Field(None, json_schema_extra=FILE_ONLY)
    """Several organizations; without it there is one, named default, whose key comes from the environment"""


class Run(CommandSettings):
    """Polls and serves."""


class Check(CommandSettings):
    """Requests each endpoint once."""


class Metrics(CommandSettings):
    """Prints the metric reference."""


class Backfill(CommandSettings):
    """Writes history."""

    since: PastPointInTime = Field(json_schema_extra=_FLAG_ONLY)
    """Start of the history: a duration before now such as 90d, or a UTC date such as 2026-01-31"""
    until: PastPointInTime | None = Field(None, json_schema_extra=_FLAG_ONLY)
    """End of the history, in the format of --since; default: where the live metrics begin"""
    output: FilePath | None = Field(None, json_schema_extra=_FLAG_ONLY)
    """Directory for OpenMetrics files, to be imported with promtool"""
    step: Duration = Field(30 * 60, json_schema_extra=_FLAG_ONLY)
    """Interval between two samples of a series before the last days, which have one every 4 minutes"""
    dense_days: Count = Field(16, json_schema_extra=_FLAG_ONLY)
    """Days before the end with a sample every 4 minutes; spike detection looks back over 16"""
    label: Labels = Field({}, json_schema_extra=_FLAG_ONLY)
    """Label to add to every sample, such as job=openai"""
    new_prometheus: bool = Field(False, json_schema_extra=_FLAG_ONLY)  # noqa: FBT003 - a field's default
    """The Prometheus that gets the files was never started, so that they may reach up to now"""
    dry_run: bool = Field(False, json_schema_extra=_FLAG_ONLY)  # noqa: FBT003 - a field's default
    """Read everything and count the samples, but write nothing"""
    remote_write: RemoteWriteUrl | None = Field(None, json_schema_extra=_FLAG_ONLY)
    """URL of a remote write receiver, such as http://prometheus:9090/api/v1/write"""
    remote_write_query_url: RemoteWriteUrl | None = Field(None, json_schema_extra=_FLAG_ONLY)
    """URL of instant queries, to send only what is not stored yet; default: /api/v1/query of the receiver"""
    remote_write_progress: FilePath = Field(Path("openai-backfill-progress.json"), json_schema_extra=_FLAG_ONLY)
    """File that records which parts the receiver has stored, so that an interrupted backfill can continue"""
    remote_write_bearer_token_file: FilePath | None = Field(None, json_schema_extra=_FLAG_ONLY)
    """File with the bearer token for the receiver"""
    remote_write_username: Text | None = Field(None, json_schema_extra=_FLAG_ONLY)
    """User name for the receiver"""
    remote_write_password_file: FilePath | None = Field(None, json_schema_extra=_FLAG_ONLY)
    """File with the password for the receiver"""
    remote_write_ca_file: FilePath | None = Field(None, json_schema_extra=_FLAG_ONLY)
    """File with the certificates that the receiver's certificate is verified with; default: the system's"""
    remote_write_cert_file: FilePath | None = Field(None, json_schema_extra=_FLAG_ONLY)
    """File with the client certificate for the receiver"""
    remote_write_key_file: FilePath | None = Field(None, json_schema_extra=_FLAG_ONLY)
    """File with the key of the client certificate"""
    remote_write_header: RequestHeaders = Field({}, json_schema_extra=_FLAG_ONLY)
    """Header to send to the receiver, such as X-Scope-OrgID=tenant"""


class Assets(CommandSettings):
    """Writes dashboards, rules, templates and examples."""

    directory: FilePath = Field(json_schema_extra=_ARGUMENT)
    """Directory to write to; created if it does not exist"""
    force: bool = Field(False, json_schema_extra=_FLAG_ONLY)  # noqa: FBT003 - a field's default
    """Overwrite files that differ"""


class _SimulatorWeb(Web):
    listen_address: ListenAddresses = (Address("127.0.0.1", 10181),)
    """Addresses to listen on"""


class _DemoWeb(Web):
    listen_address: ListenAddresses = (Address("127.0.0.1", 10180),)
    """Addresses to listen on"""


class _Simulated(CommandSettings):
    seed: int = Field(1, json_schema_extra=_FLAG_ONLY)
    """Seed of the simulated organization: the same seed gives the same organization"""


class Simulate(_Simulated):
    """Serves the simulated Admin API."""

    web: _SimulatorWeb = _SimulatorWeb()


class Demo(_Simulated):
    """Serves the metrics of a simulated organization."""

    web: _DemoWeb = _DemoWeb()


COMMANDS: Final[dict[str, type[CommandSettings]]] = {
    model.__name__.lower(): model for model in (Run, Check, Backfill, Simulate, Demo, Metrics, Assets)
}

KEYLESS: Final[frozenset[type[CommandSettings]]] = frozenset({Simulate, Demo, Metrics, Assets})
"""The commands that need no key."""
