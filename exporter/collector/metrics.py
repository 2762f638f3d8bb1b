"""The families that do not come from buckets: names, limits, budgets, credit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from exporter.exposition import Family, of_samples

_PROJECT: Final = ("organization", "project_id")
_KEY: Final = (*_PROJECT, "api_key_id")
_ADMIN_KEY: Final = ("organization", "api_key_id")


@dataclass(frozen=True, slots=True)
class MetricDesc:
    """A gauge, as the reference describes it."""

    name: str
    labels: tuple[str, ...]
    help: str
    optional: tuple[str, ...] = ()
    """Further labels, when the settings ask for them."""
    type: str = "gauge"

    def family(self, samples: Iterable[tuple[Sequence[str], float]]) -> Family:
        """Return the family with these samples; label values stand in the order of the labels."""
        names = (*self.labels, *self.optional)
        return of_samples(
            self.name, self.help, ((dict(zip(names, values, strict=False)), value) for values, value in samples)
        )


PROJECT_INFO: Final = MetricDesc(
    "openai_project_info",
    (*_PROJECT, "project_name", "status"),
    "1 for every project that is listed or shown; an unresolved name is the id (/organization/projects).",
)
API_KEY_INFO: Final = MetricDesc(
    "openai_api_key_info",
    (*_KEY, "api_key_name", "owner_type"),
    "1 for every API key that is listed or shown; an unresolved name is the id"
    " (/organization/projects/{project_id}/api_keys).",
)
API_KEY_LAST_USED: Final = MetricDesc(
    "openai_api_key_last_used_timestamp_seconds",
    _KEY,
    "Unix time at which the API key was last used (/organization/projects/{project_id}/api_keys last_used_at).",
)
API_KEY_EXPIRES: Final = MetricDesc(
    "openai_api_key_expires_timestamp_seconds",
    _KEY,
    "Unix time at which the API key expires (/organization/projects/{project_id}/api_keys expires_at).",
)
ADMIN_API_KEY_INFO: Final = MetricDesc(
    "openai_admin_api_key_info",
    (*_ADMIN_KEY, "api_key_name"),
    "1 for every admin key (/organization/admin_api_keys).",
)
ADMIN_API_KEY_LAST_USED: Final = MetricDesc(
    "openai_admin_api_key_last_used_timestamp_seconds",
    _ADMIN_KEY,
    "Unix time at which the admin key was last used (/organization/admin_api_keys last_used_at).",
)
ADMIN_API_KEY_EXPIRES: Final = MetricDesc(
    "openai_admin_api_key_expires_timestamp_seconds",
    _ADMIN_KEY,
    "Unix time at which the admin key expires (/organization/admin_api_keys expires_at).",
)
USER_INFO: Final = MetricDesc(
    "openai_user_info",
    ("organization", "user_id", "role"),
    "1 for every user that is listed or shown (/organization/users).",
    optional=("user_name",),
)
ORGANIZATION_SPEND_LIMIT: Final = MetricDesc(
    "openai_organization_spend_limit_usd",
    ("organization",),
    "Spend limit of the organization, US dollars a month (/organization/spend_limit threshold_amount).",
)
ORGANIZATION_SPEND_LIMIT_ENFORCING: Final = MetricDesc(
    "openai_organization_spend_limit_enforcing",
    ("organization",),
    "1 while the spend limit blocks the organization's requests (/organization/spend_limit enforcement.status).",
)
ORGANIZATION_SPEND_ALERT: Final = MetricDesc(
    "openai_organization_spend_alert_threshold_usd",
    ("organization", "alert_id"),
    "Spend, in US dollars a month, from which on people are told (/organization/spend_alerts threshold_amount).",
)
ORGANIZATION_BUDGET: Final = MetricDesc(
    "openai_organization_budget_usd",
    ("organization",),
    "Budget of the organization, US dollars a month (budgets.monthly_usd of the settings).",
)
PROJECT_SPEND_LIMIT: Final = MetricDesc(
    "openai_project_spend_limit_usd",
    _PROJECT,
    "Spend limit of the project, US dollars a month"
    " (/organization/projects/{project_id}/spend_limit threshold_amount).",
)
PROJECT_SPEND_LIMIT_ENFORCING: Final = MetricDesc(
    "openai_project_spend_limit_enforcing",
    _PROJECT,
    "1 while the spend limit blocks the project's requests"
    " (/organization/projects/{project_id}/spend_limit enforcement.status).",
)
PROJECT_SPEND_ALERT: Final = MetricDesc(
    "openai_project_spend_alert_threshold_usd",
    (*_PROJECT, "alert_id"),
    "Spend, in US dollars a month, from which on people are told"
    " (/organization/projects/{project_id}/spend_alerts threshold_amount).",
)
PROJECT_BUDGET: Final = MetricDesc(
    "openai_project_budget_usd",
    _PROJECT,
    "Budget of the project, US dollars a month (budgets.projects of the settings).",
)
PROJECT_RATE_LIMIT_REQUESTS: Final = MetricDesc(
    "openai_project_rate_limit_requests_per_minute",
    (*_PROJECT, "model"),
    "Requests a minute that the project may send to the model"
    " (/organization/projects/{project_id}/rate_limits max_requests_per_1_minute).",
)
PROJECT_RATE_LIMIT_TOKENS: Final = MetricDesc(
    "openai_project_rate_limit_tokens_per_minute",
    (*_PROJECT, "model"),
    "Tokens a minute that the project may use of the model"
    " (/organization/projects/{project_id}/rate_limits max_tokens_per_1_minute).",
)
CREDIT_GRANTED: Final = MetricDesc(
    "openai_credit_granted_usd",
    ("organization",),
    "Prepaid credit that was ever granted, US dollars (/dashboard/billing/credit_grants total_granted).",
)
CREDIT_USED: Final = MetricDesc(
    "openai_credit_used_usd",
    ("organization",),
    "Prepaid credit that is used up, US dollars (/dashboard/billing/credit_grants total_used).",
)
CREDIT_AVAILABLE: Final = MetricDesc(
    "openai_credit_available_usd",
    ("organization",),
    "Prepaid credit that is left, US dollars (/dashboard/billing/credit_grants total_available).",
)

ALL: Final = (
    PROJECT_INFO,
    API_KEY_INFO,
    API_KEY_LAST_USED,
    API_KEY_EXPIRES,
    ADMIN_API_KEY_INFO,
    ADMIN_API_KEY_LAST_USED,
    ADMIN_API_KEY_EXPIRES,
    USER_INFO,
    ORGANIZATION_SPEND_LIMIT,
    ORGANIZATION_SPEND_LIMIT_ENFORCING,
    ORGANIZATION_SPEND_ALERT,
    ORGANIZATION_BUDGET,
    PROJECT_SPEND_LIMIT,
    PROJECT_SPEND_LIMIT_ENFORCING,
    PROJECT_SPEND_ALERT,
    PROJECT_BUDGET,
    PROJECT_RATE_LIMIT_REQUESTS,
    PROJECT_RATE_LIMIT_TOKENS,
    CREDIT_GRANTED,
    CREDIT_USED,
    CREDIT_AVAILABLE,
)
"""Every family of this room, in the order of the reference."""
