"""The metadata table: a row for every endpoint of the Admin API that answers with anything but buckets."""

from collections.abc import Iterator
from typing import Final

from exporter.catalog.metadata_model import (
    EntryLabel,
    MetadataFamily,
    MetadataKind,
    MetadataResource,
    MetadataSetting,
    Pagination,
    PollInterval,
    Scope,
    ValueKind,
)

_PROJECT: Final = "organization/projects/{project_id}"
_STATUS: Final = EntryLabel("status", "status")

_PROJECTS: Final = MetadataSetting(MetadataKind.NAMES, "projects", "Names of projects", default=True)
_API_KEYS: Final = MetadataSetting(
    MetadataKind.NAMES,
    "api_keys",
    "Names and times of API keys; by default when a resource is grouped by api_key_id",
    default=None,
    grouped_by="api_key_id",
)
_ADMIN_API_KEYS: Final = MetadataSetting(MetadataKind.NAMES, "admin_api_keys", "Names and times of admin keys")
_USERS: Final = MetadataSetting(
    MetadataKind.NAMES,
    "users",
    "Roles of users; by default when a resource is grouped by user_id",
    default=None,
    grouped_by="user_id",
)
_GROUPS: Final = MetadataSetting(MetadataKind.NAMES, "groups", "Groups and their members: a request for each group")
_SERVICE_ACCOUNTS: Final = MetadataSetting(
    MetadataKind.NAMES, "service_accounts", "Names of service accounts: a request for each project"
)
_CERTIFICATES: Final = MetadataSetting(
    MetadataKind.NAMES, "certificates", "Names and expiry of the organization's certificates"
)
_PROJECT_CERTIFICATES: Final = MetadataSetting(
    MetadataKind.NAMES,
    "project_certificates",
    "Names and expiry of the certificates of projects: a request for each project",
)
_ORGANIZATION_LIMITS: Final = MetadataSetting(
    MetadataKind.LIMITS, "organization", "Spend limit and spend alerts of the organization", default=True
)
_PROJECT_LIMITS: Final = MetadataSetting(
    MetadataKind.LIMITS, "projects", "Spend limits and spend alerts of every project: two requests for each project"
)
_RATE_LIMITS: Final = MetadataSetting(
    MetadataKind.LIMITS, "rate_limits", "Rate limits of every project: a request for each project"
)


def _key_times(prefix: str, what: str) -> tuple[MetadataFamily, ...]:
    return (
        MetadataFamily(
            f"{prefix}_last_used_timestamp_seconds",
            f"Unix time at which the {what} was last used",
            ValueKind.NUMBER,
            "last_used_at",
        ),
        MetadataFamily(
            f"{prefix}_expires_timestamp_seconds",
            f"Unix time at which the {what} expires",
            ValueKind.NUMBER,
            "expires_at",
        ),
    )


def _certificates(owner: str) -> tuple[MetadataFamily, ...]:
    prefix, field = f"openai_{owner}_certificate", "certificate_details.expires_at"
    return (
        MetadataFamily(
            f"{prefix}_info",
            f"1 for every certificate of the {owner}",
            labels=(EntryLabel("certificate_name", "name", is_name=True), EntryLabel("active", "active")),
        ),
        MetadataFamily(
            f"{prefix}_expires_timestamp_seconds",
            f"Unix time at which the certificate of the {owner} expires",
            ValueKind.NUMBER,
            field,
        ),
    )


def _spend_limit(owner: str) -> tuple[MetadataFamily, ...]:
    return (
        MetadataFamily(
            f"openai_{owner}_spend_limit_usd",
            f"Spend limit of the {owner}, US dollars a month",
            ValueKind.US_CENTS,
            "threshold_amount",
        ),
        MetadataFamily(
            f"openai_{owner}_spend_limit_enforcing",
            f"1 while the spend limit blocks requests of the {owner}",
            ValueKind.ENFORCING,
            "enforcement.status",
        ),
    )


def _spend_alerts(owner: str) -> tuple[MetadataFamily, ...]:
    return (
        MetadataFamily(
            f"openai_{owner}_spend_alert_threshold_usd",
            f"Spend of the {owner}, US dollars a month, at which OpenAI sends a notification",
            ValueKind.US_CENTS,
            "threshold_amount",
        ),
    )


def _rate_limit(what: str, unit: str, field: str) -> MetadataFamily:
    return MetadataFamily(
        f"openai_project_rate_limit_{unit}", f"{what} that OpenAI allows the project", ValueKind.RATE_LIMIT, field
    )


METADATA: Final[tuple[MetadataResource, ...]] = (
    MetadataResource(
        name="projects",
        path="organization/projects",
        query=(("include_archived", "true"),),
        kind=MetadataKind.NAMES,
        setting=_PROJECTS,
        interval=PollInterval.DIRECTORY,
        id_label="project_id",
        remembered=True,
        keeps_deleted=True,
        families=(
            MetadataFamily(
                "openai_project_info",
                "1 for every project that is listed or shown; an unresolved name is the id",
                labels=(EntryLabel("project_name", "name", is_name=True), _STATUS),
            ),
        ),
    ),
    MetadataResource(
        name="api_keys",
        path=f"{_PROJECT}/api_keys",
        query=(("owner_project_access", "any"),),
        scope=Scope.PROJECT,
        kind=MetadataKind.NAMES,
        setting=_API_KEYS,
        interval=PollInterval.DIRECTORY,
        id_label="api_key_id",
        remembered=True,
        families=(
            MetadataFamily(
                "openai_api_key_info",
                "1 for every API key that is listed or shown; an unresolved name is the id",
                labels=(EntryLabel("api_key_name", "name", is_name=True), EntryLabel("owner_type", "owner.type")),
            ),
            *_key_times("openai_api_key", "API key"),
        ),
    ),
    MetadataResource(
        name="admin_api_keys",
        path="organization/admin_api_keys",
        pagination=Pagination.LAST_ROW,
        page_size=20,  # the documented default; the largest that the endpoint allows is not documented
        kind=MetadataKind.NAMES,
        setting=_ADMIN_API_KEYS,
        interval=PollInterval.DIRECTORY,
        id_label="api_key_id",
        families=(
            MetadataFamily(
                "openai_admin_api_key_info",
                "1 for every admin key",
                labels=(EntryLabel("api_key_name", "name", is_name=True),),
            ),
            *_key_times("openai_admin_api_key", "admin key"),
        ),
    ),
    MetadataResource(
        name="users",
        path="organization/users",
        kind=MetadataKind.NAMES,
        setting=_USERS,
        interval=PollInterval.DIRECTORY,
        id_label="user_id",
        remembered=True,
        families=(
            MetadataFamily(
                "openai_user_info",
                "1 for every user that is listed or shown",
                labels=(EntryLabel("role", "role"), EntryLabel("user_name", "name", is_name=True, personal=True)),
            ),
        ),
    ),
    MetadataResource(
        name="groups",
        path="organization/groups",
        pagination=Pagination.NEXT,
        kind=MetadataKind.NAMES,
        setting=_GROUPS,
        interval=PollInterval.DIRECTORY,
        id_label="group_id",
        also_read=("name",),
    ),
    MetadataResource(
        name="group_members",
        path="organization/groups/{group_id}/users",
        pagination=Pagination.NEXT,
        scope=Scope.GROUP,
        kind=MetadataKind.NAMES,
        setting=_GROUPS,
        interval=PollInterval.DIRECTORY,
        id_label="user_id",
        families=(
            MetadataFamily(
                "openai_group_info",
                "1 for every member of every group",
                labels=(EntryLabel("group_name", "name", is_name=True, of_parent=True),),
            ),
        ),
    ),
    MetadataResource(
        name="service_accounts",
        path=f"{_PROJECT}/service_accounts",
        scope=Scope.PROJECT,
        kind=MetadataKind.NAMES,
        setting=_SERVICE_ACCOUNTS,
        interval=PollInterval.DIRECTORY,
        id_label="service_account_id",
        families=(
            MetadataFamily(
                "openai_service_account_info",
                "1 for every service account of the projects in use",
                labels=(EntryLabel("service_account_name", "name", is_name=True), EntryLabel("role", "role")),
            ),
        ),
    ),
    MetadataResource(
        name="certificates",
        path="organization/certificates",
        kind=MetadataKind.NAMES,
        setting=_CERTIFICATES,
        interval=PollInterval.DIRECTORY,
        id_label="certificate_id",
        families=_certificates("organization"),
    ),
    MetadataResource(
        name="project_certificates",
        path=f"{_PROJECT}/certificates",
        scope=Scope.PROJECT,
        kind=MetadataKind.NAMES,
        setting=_PROJECT_CERTIFICATES,
        interval=PollInterval.DIRECTORY,
        id_label="certificate_id",
        families=_certificates("project"),
    ),
    MetadataResource(
        name="spend_limit",
        path="organization/spend_limit",
        pagination=None,
        kind=MetadataKind.LIMITS,
        setting=_ORGANIZATION_LIMITS,
        interval=PollInterval.COSTS,
        absent="none is set",
        families=_spend_limit("organization"),
    ),
    MetadataResource(
        name="spend_alerts",
        path="organization/spend_alerts",
        kind=MetadataKind.LIMITS,
        setting=_ORGANIZATION_LIMITS,
        interval=PollInterval.COSTS,
        id_label="alert_id",
        absent="none is set",
        families=_spend_alerts("organization"),
    ),
    MetadataResource(
        name="project_spend_limit",
        path=f"{_PROJECT}/spend_limit",
        pagination=None,
        scope=Scope.PROJECT,
        kind=MetadataKind.LIMITS,
        setting=_PROJECT_LIMITS,
        interval=PollInterval.LIMITS,
        absent="none is set",
        families=_spend_limit("project"),
    ),
    MetadataResource(
        name="project_spend_alerts",
        path=f"{_PROJECT}/spend_alerts",
        scope=Scope.PROJECT,
        kind=MetadataKind.LIMITS,
        setting=_PROJECT_LIMITS,
        interval=PollInterval.LIMITS,
        id_label="alert_id",
        absent="none is set",
        families=_spend_alerts("project"),
    ),
    MetadataResource(
        name="rate_limits",
        path=f"{_PROJECT}/rate_limits",
        scope=Scope.PROJECT,
        kind=MetadataKind.LIMITS,
        setting=_RATE_LIMITS,
        interval=PollInterval.LIMITS,
        id_field="model",
        id_label="model",
        families=(
            _rate_limit("Requests to the model per minute", "requests_per_minute", "max_requests_per_1_minute"),
            _rate_limit("Tokens of the model per minute", "tokens_per_minute", "max_tokens_per_1_minute"),
            _rate_limit("Images of the model per minute", "images_per_minute", "max_images_per_1_minute"),
            _rate_limit(
                "Megabytes of audio for the model per minute",
                "audio_megabytes_per_minute",
                "max_audio_megabytes_per_1_minute",
            ),
            _rate_limit("Requests to the model per day", "requests_per_day", "max_requests_per_1_day"),
            _rate_limit(
                "Input tokens of batch jobs for the model per day",
                "batch_tokens_per_day",
                "batch_1_day_max_input_tokens",
            ),
        ),
    ),
    MetadataResource(
        name="credit_grants",
        path="dashboard/billing/credit_grants",
        pagination=None,
        kind=MetadataKind.LIMITS,
        setting=None,
        interval=PollInterval.COSTS,
        legacy=True,
        families=(
            MetadataFamily(
                "openai_credit_granted_usd",
                "Prepaid credit that was ever granted, US dollars",
                ValueKind.NUMBER,
                "total_granted",
            ),
            MetadataFamily(
                "openai_credit_used_usd", "Prepaid credit that is used up, US dollars", ValueKind.NUMBER, "total_used"
            ),
            MetadataFamily(
                "openai_credit_available_usd",
                "Prepaid credit that is left, US dollars",
                ValueKind.NUMBER,
                "total_available",
            ),
        ),
    ),
)


def metadata_settings(kind: MetadataKind) -> Iterator[MetadataSetting]:
    """Yield the settings of a section, in the order of the table, none twice."""
    settings = dict.fromkeys(row.setting for row in METADATA)
    yield from (setting for setting in settings if setting and setting.kind is kind)
