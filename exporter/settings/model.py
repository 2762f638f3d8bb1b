"""One settings class for each command."""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from exporter.settings.addresses import Address
from exporter.settings.organizations import OrganizationList
from exporter.settings.points_in_time import PointInTime, parse_point_in_time
from exporter.settings.resources import Resources
from exporter.settings.sections import (
    Api,
    Budgets,
    ConfigFile,
    LimitSettings,
    Log,
    NameSettings,
    Poll,
    State,
    Web,
    WindowSettings,
)
from exporter.settings.types import Count, Duration, DurationOrZero, FilePath, Labels, ListenAddresses

PREFIX: Final = "OPENAI_EXPORTER_"
DELIMITER: Final = "__"

_FILE_ONLY: Final[dict[str, Any]] = {"source": "file"}
_FLAG_ONLY: Final[dict[str, Any]] = {"source": "flag"}

PastPointInTime = Annotated[PointInTime, BeforeValidator(parse_point_in_time)]


class CommandSettings(BaseSettings):
    """What all commands share: one file and one environment serve them all."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_ignore_empty=True,
        enable_decoding=False,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    config: ConfigFile = ConfigFile()
    web: Web = Web()
    api: Api = Api()
    poll: Poll = Poll()
    new_counter_hold: DurationOrZero = 150
    """So long a new counter is shown at its start before it rises: at least twice the slowest scraper's interval"""
    max_series: Count = 50_000
    """Label sets of one organization and resource, before measures and faces; the rest is folded into one"""
    windows: WindowSettings = WindowSettings()
    names: NameSettings = NameSettings()
    limits: LimitSettings = LimitSettings()
    budgets: Budgets = Budgets()
    state: State = State()
    log: Log = Log()
    resources: Resources = Resources()
    organizations: OrganizationList | None = Field(None, json_schema_extra=_FILE_ONLY)
    """Several organizations; without it there is one, named default, with the key of the environment"""


class Run(CommandSettings):
    """Polls and serves."""


class Check(CommandSettings):
    """Asks each endpoint once."""


class Metrics(CommandSettings):
    """Prints the metric reference."""


class Backfill(CommandSettings):
    """Writes history."""

    since: PastPointInTime = Field(json_schema_extra=_FLAG_ONLY)
    """How far back: a span such as 90d, or a UTC date such as 2026-01-31"""
    until: PastPointInTime | None = Field(None, json_schema_extra=_FLAG_ONLY)
    """Where to stop, written like --since; by default where the live metrics take over"""
    output: FilePath = Field(json_schema_extra=_FLAG_ONLY)
    """File to write, - for standard output"""
    step: Duration = Field(24 * 3600, json_schema_extra=_FLAG_ONLY)
    """Time between two samples of a series; at 4m plain queries see every moment, in a file 360 times as large"""
    label: Labels = Field({}, json_schema_extra=_FLAG_ONLY)
    """A label for every sample, such as job=openai; may be repeated"""


class _SimulatorWeb(Web):
    listen_address: ListenAddresses = (Address("127.0.0.1", 10181),)
    """Where to listen; loopback by default"""


class _DemoWeb(Web):
    listen_address: ListenAddresses = (Address("127.0.0.1", 10180),)
    """Where to listen; loopback by default"""


class _Simulated(CommandSettings):
    seed: int = Field(1, json_schema_extra=_FLAG_ONLY)
    """The same seed gives the same organization"""


class Simulate(_Simulated):
    """Serves the simulated Admin API."""

    web: _SimulatorWeb = _SimulatorWeb()


class Demo(_Simulated):
    """Serves the metrics of a simulated organization."""

    web: _DemoWeb = _DemoWeb()


COMMANDS: Final[dict[str, type[CommandSettings]]] = {
    model.__name__.lower(): model for model in (Run, Check, Backfill, Simulate, Demo, Metrics)
}

KEYLESS: Final[frozenset[type[CommandSettings]]] = frozenset({Simulate, Demo, Metrics})
"""The commands that ask nobody and read no key."""
