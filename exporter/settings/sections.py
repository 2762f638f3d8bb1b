"""The sections of the settings, each with its members, their defaults and descriptions."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator

from exporter.catalog import CATALOG, MetadataKind, MetadataSetting, Window, metadata_settings
from exporter.settings.types import (
    AS_SEVERAL,
    Address,
    BaseUrl,
    Count,
    Days,
    Dollars,
    DollarsByProject,
    Duration,
    DurationOrZero,
    FilePath,
    Id,
    ListenAddresses,
    NonEmptyIds,
    NonEmptyTexts,
    ProxyUrl,
    Rate,
    Size,
    TelemetryPath,
    Text,
    Texts,
    Time,
    Windows,
    not_empty,
)


class Section(BaseModel):
    """A group of settings. Unknown names are refused; error messages do not repeat values."""

    model_config = ConfigDict(
        defer_build=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_empty(cls, value: object) -> object:
        """Accept a section of a YAML file whose members are all commented out."""
        return {} if value is None else value


class ConfigFile(Section):
    """The settings file."""

    file: FilePath | None = None
    """YAML file with these settings; flags and environment variables take precedence"""


class WebConfigFile(Section):
    """Security of the listener."""

    file: FilePath | None = None
    """File with TLS and basic authentication settings, in the format of Prometheus' exporter-toolkit"""


class Web(Section):
    """The HTTP server."""

    listen_address: ListenAddresses = (Address("", 10180),)
    """Addresses to listen on; without a host, all addresses of the machine"""
    systemd_socket: bool = False
    """Serve on the sockets that systemd passes to the process instead of listen_address"""
    telemetry_path: TelemetryPath = "/metrics"
    """Path of the metrics; at / they replace the status page"""
    created_series: bool = True
    """Export a _created series for every counter in OpenMetrics"""
    enable_lifecycle: bool = False
    """Serve POST /-/reload, which does the same as SIGHUP"""
    config: WebConfigFile = WebConfigFile()


class Api(Section):
    """Requests to the OpenAI API."""

    base_url: BaseUrl = "https://api.openai.com/v1"
    """Base URL of the API; plain http is allowed for loopback addresses only"""
    requests_per_minute: Rate = 60
    """Request rate for one organization, shared by all endpoints"""
    timeout: Duration = 30
    """Timeout of one request"""
    max_body: Size = 32 << 20
    """Largest response body, decompressed; a larger page is requested again with fewer buckets"""
    proxy: ProxyUrl | None = None
    """HTTP proxy, without credentials; the proxy variables of the environment are ignored"""
    proxy_auth_file: FilePath | None = None
    """File with user:password for the proxy; alternatively the variable OPENAI_EXPORTER_PROXY_AUTH"""
    ca_file: FilePath | None = None
    """PEM file with the certificate authorities to trust instead of the system's"""


class Poll(Section):
    """How often the API is polled, and how far back."""

    interval: Duration = 60
    """Interval between usage polls, from start to start"""
    cost_interval: Duration = 300
    """Interval between cost polls, from start to start; also used for the organization's limits"""
    directory_interval: Duration = 900
    """Interval between polls of names"""
    limits_interval: Duration = 3600
    """Interval between polls of project limits"""
    reconciliation_interval: DurationOrZero = 24 * 3600
    """Interval between comparisons of the exported costs with their ungrouped total; 0 for none"""
    lookback_days: Days = 31
    """UTC days of usage to keep, including today; with bucket_width 1h it is 7 days, with 1m 24 hours"""
    cost_lookback_days: Days = 62
    """UTC days of costs to keep, including today"""
    refetch_days: Days = 3
    """UTC days that every poll reads again, including today"""
    stale_after: Duration = 6 * 3600
    """Stop exporting the gauges of a resource after this long without a successful poll"""


class State(Section):
    """What is kept across restarts."""

    path: FilePath | None = None
    """SQLite file; default: openai-usage-exporter/state.db in $STATE_DIRECTORY or the user's state directory"""
    same_organization: Texts = ()
    """OpenAI ids (org-...) of one organization: a state of one of them continues with a key of another"""


class Log(Section):
    """The log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Minimum log level"""
    format: Literal["json", "console"] | None = None
    """Log format; default: console on a terminal, json otherwise"""


class WindowSettings(Section):
    """The windows of the openai_window_ metrics."""

    costs: Windows = (
        Window("yesterday"),
        Window("7d"),
        Window("30d"),
        Window("month"),
        Window("previous_month"),
        Window("previous_month_end"),
    )
    """Windows of costs: yesterday, month, previous_month, previous_month_end, or a number of days such as 7d"""
    usage: Windows = (Window("7d"),)
    """Windows of usage; also hours and minutes such as 12h or 15m for resources with a finer bucket_width"""
    usage_measures: Literal["requests", "all"] = "requests"
    """Which usage measures have windows: only request counts, or all"""


class _MetadataSection(Section):
    """Settings that enable rows of the metadata table."""

    def value(self, setting: MetadataSetting) -> bool | None:
        """Return whether a setting is enabled; None where the grouping of the resources decides."""
        value: bool | None = getattr(self, setting.name)
        return value


class _NameSettings(_MetadataSection):
    """Which IDs are resolved to names."""

    personal_data: bool = False
    """Export the names of users, and do not mask names that look like e-mail addresses"""


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
    """Budgets to compare spending with."""

    monthly_usd: Dollars | None = None
    """Monthly budget of the organization in US dollars"""
    projects: DollarsByProject = {}
    """Monthly budgets by project ID in US dollars"""


class TopUp(Section):
    """Prepaid credit."""

    balance_usd: Dollars
    """Balance on the billing page at that time, or what was bought then, in US dollars"""
    as_of: Time
    """UTC date, or time such as 2026-01-31T18:00:00Z"""


TopUps = Annotated[tuple[TopUp, ...], AS_SEVERAL]


FILE_ONLY: Final[dict[str, Any]] = {"source": "file"}
PREPAID: Final = "Prepaid credit to estimate what is left of: a balance and its time; later top-ups follow in the list"


class _ResourceSettings(Section):
    enabled: bool | None = None
    """Poll this resource; default: true"""
    group_by: Texts | None = None
    """Dimensions to use as labels, [] for none; default: those in bold in docs/settings.md"""
    measures: NonEmptyTexts | None = None
    """Names of measures, or default, or all; detail measures are exported only when named here"""
    windows: Windows | None = None
    """Windows of the exported measures, [] for none; default: windows.costs or windows.usage where they fit"""
    bucket_width: Text | None = None
    """Bucket width: 1d, 1h or 1m where the endpoint supports it; default: 1d"""
    interval: Duration | None = None
    """Interval between polls, from start to start; default: poll.interval or poll.cost_interval"""
    max_series: Count | None = None
    """Maximum number of label sets; default: max_series"""

    def filters(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the API parameter and the values of every filter that is set."""
        for parameter in FILTERS:
            match getattr(self, parameter):
                case bool() as flag:
                    yield parameter, (str(flag).lower(),)
                case tuple() as values:
                    yield parameter, values

    def overridden(self, other: Self) -> Self:
        """Return these settings with those replaced that are set in `other`."""
        return self.model_copy(update={name: getattr(other, name) for name in other.model_fields_set})


FILTERS: Final = tuple(dict.fromkeys(parameter for row in CATALOG for parameter in row.filters))
"""Every filter that any endpoint of the catalog has."""


def _filter_field(parameter: str) -> tuple[Any, Any]:
    """Return the type and description of a filter.

    The API names a list after its dimension in the plural (`models`); one with the dimension's own name is a boolean.
    """
    dimensions = {dimension for row in CATALOG for dimension in row.dimensions}
    if parameter in dimensions:
        return bool | None, Field(None, description=f"Filter: only rows where {parameter} is true, or false")
    plural = parameter.replace("_", " ").replace("api ", "API ").replace(" ids", " IDs")
    values = NonEmptyIds if parameter.endswith("_ids") else NonEmptyTexts
    return values | None, Field(None, description=f"Filter: only these {plural}")


class _Resources(Section):
    def of(self, name: str) -> "ResourceSettings":
        """Return the settings of the resource with this name."""
        settings: ResourceSettings = getattr(self, name)
        return settings


if TYPE_CHECKING:

    class ResourceSettings(_ResourceSettings):
        """Settings of one resource: None where the catalog's or the general setting applies; a member per filter."""

    class Resources(_Resources):
        """A member for every resource of the catalog."""

else:
    ResourceSettings = create_model(
        "ResourceSettings",
        __base__=_ResourceSettings,
        **{parameter: _filter_field(parameter) for parameter in FILTERS},
    )
    Resources = create_model(
        "Resources", __base__=_Resources, **{row.name: (ResourceSettings, ResourceSettings()) for row in CATALOG}
    )


class OrganizationSection(Section):
    """One of several organizations."""

    name: Text
    """Value of the label `organization`"""
    admin_key_file: FilePath | None = None
    """File with the admin key; read again when it changes"""
    admin_key_env: Text | None = None
    """Name of the environment variable with the admin key"""
    project_ids: NonEmptyIds | None = None
    """Only these projects"""
    organization_id: Id | None = None
    """Value of the request header OpenAI-Organization"""
    base_url: BaseUrl | None = None
    """Base URL of the API; default: api.base_url"""
    requests_per_minute: Rate | None = None
    """Request rate; default: api.requests_per_minute"""
    budgets: Budgets = Budgets()
    prepaid: TopUps = Field((), json_schema_extra=FILE_ONLY, description=PREPAID)
    resources: Resources = Resources()
    """Overrides of the resource settings"""


OrganizationList = Annotated[tuple[OrganizationSection, ...], AfterValidator(not_empty)]
