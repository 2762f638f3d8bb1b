"""The legacy billing endpoints: they refuse every key except a browser session, unless the policy allows it."""

from datetime import UTC, datetime
from typing import Final

from exporter.catalog import CATALOG, DAY, ApiFamily, day_of
from exporter.simulator.keys import Credential
from exporter.simulator.policy import Policy
from exporter.simulator.prices import DOLLAR
from exporter.simulator.request import Query, Request
from exporter.simulator.responses import ApiError, Json
from exporter.simulator.usage_log import UsageLog

GRANTED: Final = 100_000
"""Dollars of the credit grants."""

_GRANT_DAYS: Final = 365
_EMPTY_LISTS: Final = (
    "ft_data",
    "dalle_api_data",
    "whisper_api_data",
    "tts_api_data",
    "assistant_code_interpreter_data",
    "retrieval_storage_data",
)


class Legacy:
    """The legacy endpoints of one organization."""

    def __init__(self, usage_log: UsageLog, policy: Policy) -> None:
        """Take the usage log and the policy."""
        self._usage_log = usage_log
        self._policy = policy

    def content(self, parts: list[str], request: Request, now: float, credential: Credential) -> Json | None:
        """Return the content at a path, None for an unknown path. Raises ApiError."""
        match parts:
            case ["dashboard", "billing", ("credit_grants" | "usage" | "subscription") as name]:
                self._check_session(credential, request.path)
                return {"credit_grants": self._grants, "usage": self._costs, "subscription": self._subscription}[name](
                    request.query, now
                )
            case ["usage"]:
                return self._usage(request.query, now)
            case ["organizations", key]:
                self._check_session(credential, request.path)
                return self._organization(key)
        return None

    def _is_allowed(self, credential: Credential | None = None) -> bool:
        return self._policy.legacy == "answer" or (credential is not None and credential.kind == "session")

    def _check_session(self, credential: Credential, path: str) -> None:
        if not self._is_allowed(credential):
            raise ApiError(
                403,
                f"Your request to GET {path} must be made with a session key (that is, it can only be made from the "
                "browser). You made it with the following key type: secret.",
                kind="server_error",
            )

    def spent(self, day: int, as_of: float) -> dict[str, int]:
        """Return the picodollars of each line item on a day."""
        spent: dict[str, int] = {}
        for key, (amount, _quantity) in self._usage_log.rows("costs", day, day + DAY, as_of).items():
            item = str(key[2])
            spent[item] = spent.get(item, 0) + amount
        return spent

    def _grants(self, _query: Query, now: float) -> Json:
        start = day_of(now) - 30 * DAY
        used = sum(sum(self.spent(day, now).values()) for day in range(start, int(now) + 1, DAY))
        used_dollars = used / DOLLAR
        grant = {
            "object": "credit_grant",
            "id": "grant-1",
            "grant_amount": float(GRANTED),
            "used_amount": used_dollars,
            "effective_at": float(start),
            "expires_at": float(start + _GRANT_DAYS * DAY),
        }
        return {
            "object": "credit_summary",
            "total_granted": float(GRANTED),
            "total_used": used_dollars,
            "total_available": (GRANTED * DOLLAR - used) / DOLLAR,
            "grants": {"object": "list", "data": [grant]},
        }

    def _costs(self, query: Query, now: float) -> Json:
        start, end = (_date(query, name) for name in ("start_date", "end_date"))
        days = [
            {
                "timestamp": float(day),
                "line_items": [
                    {"name": item, "cost": amount * 100 / DOLLAR} for item, amount in self.spent(day, now).items()
                ],
            }
            for day in range(start, min(end, int(now) + 1), DAY)
        ]
        total = sum(item["cost"] for day in days for item in day["line_items"])  # type: ignore[attr-defined]
        return {"object": "list", "daily_costs": days, "total_usage": total}

    def _subscription(self, _query: Query, now: float) -> Json:
        return {
            "object": "billing_subscription",
            "has_payment_method": True,
            "canceled": False,
            "access_until": day_of(now) + 30 * DAY,
            "soft_limit_usd": 40_000.0,
            "hard_limit_usd": 50_000.0,
            "plan": {"title": "Pay-as-you-go", "id": "payg"},
        }

    def _usage(self, query: Query, now: float) -> Json:
        day = _date(query, "date")
        rows = self._usage_rows(day, now) if self._is_allowed() else []
        return {"object": "list", "data": rows, **{name: [] for name in _EMPTY_LISTS}, "current_usage_usd": 0.0}

    def _usage_rows(self, day: int, now: float) -> list[Json]:
        organization = self._usage_log.organization
        row = next(row for row in CATALOG if row.branch is ApiFamily.USAGE and "batch" in row.dimensions)
        names = {project.id: project.name for project in organization.projects}
        rows = []
        for key, values in self._usage_log.rows(row.name, day, day + DAY, now).items():
            dimensions = dict(zip(row.dimensions, key, strict=True))
            cached, fresh, written = sum(values[3:6]), sum(values[0:3]), sum(values[6:8])
            rows.append(
                {
                    "organization_id": organization.id,
                    "organization_name": organization.name,
                    "aggregation_timestamp": day,
                    "n_requests": values[-1],
                    "operation": "completion",
                    "snapshot_id": dimensions["model"],
                    "n_context_tokens_total": cached + fresh + written,
                    "n_generated_tokens_total": sum(values[8:11]),
                    "n_cached_context_tokens_total": cached,
                    "email": None,
                    "api_key_id": dimensions["api_key_id"],
                    "api_key_name": None,
                    "api_key_redacted": None,
                    "api_key_type": "organization",
                    "project_id": dimensions["project_id"],
                    "project_name": names.get(str(dimensions["project_id"])),
                    "request_type": "batch" if dimensions["batch"] else "",
                }
            )
        return rows

    def _organization(self, key: str) -> Json:
        organization = self._usage_log.organization
        if key != organization.id:
            raise ApiError(404, f"No such organization: {key}", code="not_found")
        return {
            "object": "organization",
            "id": organization.id,
            "created": 1672617600,
            "title": organization.name,
            "name": organization.name.lower().replace(" ", "-"),
            "description": None,
            "personal": False,
            "is_default": True,
            "role": "owner",
        }


def _date(query: Query, name: str) -> int:
    text = query.text(name)
    try:
        return int(datetime.strptime(text or "", "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise ApiError(400, f"Invalid '{name}': expected YYYY-MM-DD.", param=name, code="invalid_value") from None
