"""The settings as they are written: every section with its members, defaults and descriptions."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from exporter.catalog import MetadataKind, MetadataSetting, Window, metadata_settings
from exporter.settings.addresses import Address
from exporter.settings.types import (
    BaseUrl,
    Count,
    Dollars,
    DollarsByProject,
    Duration,
    FilePath,
    ListenAddresses,
    ProxyUrl,
    Rate,
    Size,
    TelemetryPath,
    Windows,
)


class Section(BaseModel):
    """Settings that belong together. Unknown ones are refused, wrong values are not repeated."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: object) -> object:
        """Take null for empty: a section of a YAML file whose members are all commented out."""
        return {} if value is None else value


class ConfigFile(Section):
    """The settings' own file."""

    file: FilePath | None = None
    """YAML file with these settings; flags and the environment are stronger"""


class WebConfigFile(Section):
    """Security of the listener."""

    file: FilePath | None = None
    """File with TLS and basic authentication in the format of Prometheus' exporter-toolkit"""


class Web(Section):
    """What is served."""

    listen_address: ListenAddresses = (Address("", 10180),)
    """Addresses to listen on; without a host: every address of the machine"""
    systemd_socket: bool = False
    """Serve on the sockets that systemd passes to the process instead of listen_address"""
    telemetry_path: TelemetryPath = "/metrics"
    """Path of the metrics; at / they replace the status page"""
    enable_lifecycle: bool = False
    """Serve POST /-/reload, which does the same as SIGHUP"""
    config: WebConfigFile = WebConfigFile()


class Api(Section):
    """How OpenAI is asked."""

    base_url: BaseUrl = "https://api.openai.com/v1"
    """Root of the API; plain http only to a loopback address"""
    requests_per_minute: Rate = 60
    """Request rate of one organization, all endpoints together"""
    timeout: Duration = 30
    """For one request"""
    max_body: Size = 32 << 20
    """Largest page that is read, decompressed; for a larger one fewer buckets are asked for at a time"""
    proxy: ProxyUrl | None = None
    """HTTP proxy; those of the environment are not used"""
    ca_file: FilePath | None = None
    """PEM file with the authorities that are trusted instead of the system's"""


class Poll(Section):
    """How often, and how far back."""

    interval: Duration = 60
    """From the start of a usage poll to the start of the next"""
    cost_interval: Duration = 300
    """From the start of a poll of the costs to the start of the next; the organization's limits follow it"""
    directory_interval: Duration = 900
    """From one look-up of the names to the next"""
    limits_interval: Duration = 3600
    """From one look-up of the limits of projects to the next"""
    lookback_days: Count = 31
    """UTC days of usage that are kept, today counted; at bucket_width 1h it is 7 days, at 1m 24 hours"""
    cost_lookback_days: Count = 62
    """UTC days of costs that are kept, today counted"""
    refetch_days: Count = 3
    """UTC days that every poll reads again, today counted"""
    stale_after: Duration = 6 * 3600
    """Without a success for so long, the gauges of a resource vanish"""


class State(Section):
    """What outlives a restart."""

    path: FilePath | None = None
    """SQLite file; by default openai-usage-exporter/state.db in $STATE_DIRECTORY or the user's state directory"""


class Log(Section):
    """What is told on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe events that are told"""
    format: Literal["json", "console"] | None = None
    """By default json when standard error is not a terminal, else console"""


class WindowSettings(Section):
    """Which windows the openai_window_ metrics have."""

    costs: Windows = (
        Window("yesterday"),
        Window("7d"),
        Window("30d"),
        Window("month"),
        Window("previous_month"),
    )
    """Windows of costs: yesterday, month, previous_month, or spans such as 7d"""
    usage: Windows = (Window("7d"),)
    """Windows of usage; spans such as 12h or 15m for resources with a finer bucket_width"""
    usage_measures: Literal["requests", "all"] = "requests"
    """Which measures of usage have windows: those that count requests, or all"""


class _MetadataSection(Section):
    """Settings that switch rows of the metadata table on."""

    def value(self, setting: MetadataSetting) -> bool | None:
        """Return whether a setting is on, None where the grouping of the resources decides."""
        value: bool | None = getattr(self, setting.name)
        return value


class _NameSettings(_MetadataSection):
    """Which ids get names."""

    personal_data: bool = False
    """Names of users, and names that look like e-mail addresses unmasked"""


class _LimitSettings(_MetadataSection):
    """Which limits of OpenAI are exported."""


def _switches(kind: MetadataKind) -> dict[str, Any]:
    return {
        setting.name: (
            bool if setting.default is not None else bool | None,
            Field(setting.default, description=setting.description),
        )
        for setting in metadata_settings(kind)
    }


if TYPE_CHECKING:

    class NameSettings(_NameSettings):
        """A member for every setting of this kind in the metadata table."""

    class LimitSettings(_LimitSettings):
        """A member for every setting of this kind in the metadata table."""

else:
    NameSettings = create_model("NameSettings", __base__=_NameSettings, **_switches(MetadataKind.NAMES))
    LimitSettings = create_model("LimitSettings", __base__=_LimitSettings, **_switches(MetadataKind.LIMITS))


class Budgets(Section):
    """Budgets of one's own."""

    monthly_usd: Dollars | None = None
    """Budget of the organization, US dollars a month"""
    projects: DollarsByProject = {}
    """Budgets of projects by id, US dollars a month"""
