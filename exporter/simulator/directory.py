"""Metadata endpoints: projects, users, keys, groups, certificates and limits."""

from collections.abc import Callable, Mapping
from typing import Final

from exporter.catalog import DAY, HOUR, METADATA, MetadataResource, Pagination
from exporter.simulator.limits import Limits
from exporter.simulator.organization import AdminKey, ApiKey, Organization, Project, ServiceAccount, User
from exporter.simulator.paging import list_by_last_id, list_by_last_row, list_by_next
from exporter.simulator.request import Query
from exporter.simulator.responses import ApiError, Json

_ACCESS: Final = ("active", "inactive", "any")
_ORDERS: Final = ("asc", "desc")
_GROUPS: Final = ("everyone", "finance", "research")


class Directory:
    """The metadata endpoints of one organization."""

    def __init__(self, organization: Organization, limits: Limits) -> None:
        """Take the organization and its limits."""
        self._organization = organization
        self._limits = limits
        self._lists: Mapping[str, Callable[[Query, float], Json]] = {
            "projects": self._projects,
            "users": self._users,
            "admin_api_keys": self._admin_keys,
            "spend_limit": lambda _query, _now: self._spend_limit("", "organization"),
            "spend_alerts": lambda query, _now: self._spend_alerts("", "organization", query),
            "groups": _groups,
            "roles": _roles,
            "invites": _empty_list,
            "certificates": lambda query, now: _certificates("organization", 2, query, now),
            "audit_logs": _empty_list,
            "data_retention": lambda _query, _now: _retention("organization"),
        }
        self._single: Mapping[str, Callable[[str, float], Json]] = {
            "projects": lambda key, _now: _project(self._project(key)),
            "users": self._user,
            "admin_api_keys": self._admin_key,
        }
        self._of_project: Mapping[str, Callable[[Project, Query, float], Json]] = {
            "api_keys": _api_keys,
            "certificates": lambda _project, query, now: _certificates("organization.project", 1, query, now),
            "service_accounts": _service_accounts,
            "users": _members,
            "rate_limits": self._rate_limits,
            "spend_limit": lambda project, _query, _now: self._spend_limit(project.id, "project"),
            "spend_alerts": lambda project, query, _now: self._spend_alerts(project.id, "project", query),
            "service_tier_settings": lambda _project, _query, _now: _TIERS,
            "model_permissions": lambda _project, _query, _now: _PERMISSIONS,
            "hosted_tool_permissions": lambda _project, _query, _now: _TOOLS,
            "data_retention": lambda _project, _query, _now: _retention("project"),
        }

    def content(self, parts: list[str], query: Query, now: float) -> Json | None:
        """Return the content at a path below `/organization/`, None for an unknown path. Raises ApiError."""
        match parts:
            case [name] if name in self._lists:
                return self._lists[name](query, now)
            case [name, key] if name in self._single:
                return self._single[name](key, now)
            case ["projects", key, name] if name in self._of_project:
                return self._of_project[name](self._project(key), query, now)
            case ["projects", key, "api_keys", api_key]:
                project = self._project(key)
                return next(
                    (_api_key(found, now) for found in project.api_keys if found.id == api_key), None
                ) or _not_found("API key", api_key)
            case ["groups", key, "users"]:
                return self._group_users(key, query)
        row = next((row for row in METADATA if _matches(row, ["organization", *parts])), None)
        return _generic(row, query) if row else None

    def _group_users(self, key: str, query: Query) -> Json:
        if key not in _group_ids():
            _not_found("group", key)
        people = [user for user in self._organization.users if not user.service_account]
        members = people[_group_ids().index(key) :]
        return list_by_next(query, [{"id": user.id, "name": user.name, "email": user.email} for user in members])

    def _project(self, key: str) -> Project:
        return self._organization.project(key) or _not_found("project", key)

    def _projects(self, query: Query, _now: float) -> Json:
        include_archived = query.flag("include_archived") or False
        rows = [
            _project(project)
            for project in self._organization.projects
            if not project.deleted and (include_archived or project.archived_at is None)
        ]
        return list_by_last_id(query, rows)

    def _users(self, query: Query, now: float) -> Json:
        emails = query.texts("emails")
        rows = [_user(user, now) for user in self._organization.users if not emails or user.email in emails]
        return list_by_last_id(query, rows)

    def _user(self, key: str, now: float) -> Json:
        found = next((user for user in self._organization.users if user.id == key), None)
        return _user(found, now) if found else _not_found("user", key)

    def _admin_keys(self, query: Query, now: float) -> Json:
        rows = [_admin_key(key, now) for key in self._organization.admin_keys]
        if query.choice("order", _ORDERS, "asc") == "desc":
            rows.reverse()
        return list_by_last_row(query, rows)

    def _admin_key(self, key: str, now: float) -> Json:
        found = next((row for row in self._organization.admin_keys if row.id == key), None)
        return _admin_key(found, now) if found else _not_found("admin API key", key)

    def _spend_limit(self, owner: str, scope: str) -> Json:
        limit = self._limits.spend.get(owner)
        return limit.content(scope) if limit else _not_found("spend limit", scope)

    def _spend_alerts(self, owner: str, scope: str, query: Query) -> Json:
        rows = [alert.content(scope) for alert in self._limits.alerts.get(owner, ())]
        if query.choice("order", _ORDERS, "asc") == "desc":
            rows.reverse()
        return list_by_last_id(query, rows, lowest=0)

    def _rate_limits(self, project: Project, query: Query, _now: float) -> Json:
        rows = [limit.content() for limit in self._limits.rates.get(project.id, ())]
        return list_by_last_id(query, rows, default=100, maximum=1000)


_TIERS: Final = {"object": "project.service_tier_settings", "default": "standard", "enabled_tiers": ["flex", "fast"]}
_PERMISSIONS: Final = {"object": "project.model_permissions", "mode": "deny_list", "model_ids": []}
_TOOLS: Final = {
    tool: {"enabled": True} for tool in ("code_interpreter", "file_search", "image_generation", "mcp", "web_search")
}


def _retention(scope: str) -> Json:
    return {
        "object": f"{scope}.data_retention",
        "type": "organization_default" if scope == "project" else "zero_data_retention",
    }


def _empty_list(query: Query, _now: float) -> Json:
    return list_by_last_id(query, [])


def _groups(query: Query, _now: float) -> Json:
    rows = [
        {
            "id": f"group_{name}",
            "name": name,
            "created_at": 1738368000,
            "group_type": "group",
            "is_scim_managed": name == "everyone",
        }
        for name in _GROUPS
    ]
    return list_by_next(query, rows)


def _group_ids() -> list[str]:
    return [f"group_{name}" for name in _GROUPS]


def _certificates(scope: str, count: int, query: Query, now: float) -> Json:
    rows = [
        {
            "object": f"{scope}.certificate",
            "id": f"cert_{scope.replace('.', '_')}_{number}",
            "name": f"mutual TLS {number}",
            "active": number == 0,
            "created_at": int(now) // DAY * DAY - 300 * DAY,
            "certificate_details": {
                "valid_at": int(now) // DAY * DAY - 300 * DAY,
                "expires_at": int(now) // DAY * DAY + (65 + number) * DAY,
            },
        }
        for number in range(count)
    ]
    if query.choice("order", _ORDERS, "desc") == "desc":
        rows.reverse()
    return list_by_last_id(query, rows)


def _matches(row: MetadataResource, parts: list[str]) -> bool:
    expected = row.path.split("/")
    return len(expected) == len(parts) and all(
        part.startswith("{") or part == given for part, given in zip(expected, parts, strict=True)
    )


def _generic(row: MetadataResource, query: Query) -> Json:
    """Return made-up content for any row of the catalog: each field with a value of its type."""
    if row.pagination is None:
        return _generic_entry(row, 0)
    paged = {
        Pagination.LAST_ID: list_by_last_id,
        Pagination.LAST_ROW: list_by_last_row,
        Pagination.NEXT: list_by_next,
    }[row.pagination]
    return paged(query, [_generic_entry(row, number) for number in range(2)])


def _generic_entry(row: MetadataResource, number: int) -> Json:
    entry: dict[str, Json] = {"id": f"{row.name}_{number}"}
    texts = {name: f"{name.replace('.', ' ')} {number}" for name in (row.id_field, *row.text_fields) if name != "id"}
    for name, value in {**texts, **dict.fromkeys(row.number_fields, 100 + number)}.items():
        *outer, last = name.split(".")
        target = entry
        for part in outer:
            target = target.setdefault(part, {})
        target[last] = value
    return entry


def _roles(query: Query, _now: float) -> Json:
    rows = [
        {
            "id": f"role_{name}",
            "object": "role",
            "name": name,
            "description": None,
            "permissions": ["api.usage.read"],
            "predefined_role": True,
            "resource_type": "api.organization",
        }
        for name in ("owner", "reader")
    ]
    return list_by_next(query, rows)


def _not_found(what: str, key: str) -> Json:
    raise ApiError(404, f"No such {what}: {key}", code="not_found")


def _project(project: Project) -> Json:
    return {
        "id": project.id,
        "object": "organization.project",
        "name": project.name,
        "created_at": project.created_at,
        "archived_at": project.archived_at,
        "status": project.status,
        "external_key_id": None,
        "residency": project.residency,
    }


def _used_at(now: float, step: int = HOUR) -> int:
    return int(now) // step * step


def _user(user: User, now: float) -> Json:
    return {
        "object": "organization.user",
        "id": user.id,
        "name": None if user.service_account else user.name,
        "email": None if user.service_account else user.email,
        "role": user.role,
        "added_at": user.added_at,
        "created": user.added_at,
        "is_default": False,
        "is_service_account": user.service_account,
        "is_scim_managed": not user.service_account,
        "api_key_last_used_at": _used_at(now),
    }


def _owner(owner: User | ServiceAccount) -> Json:
    if isinstance(owner, ServiceAccount):
        named = {"id": owner.id, "name": owner.name, "role": owner.role, "created_at": owner.created_at}
        return {"type": "service_account", "service_account": named}
    role = "owner" if owner.role == "owner" else "member"
    named = {"id": owner.id, "name": owner.name, "email": owner.email, "role": role, "created_at": owner.added_at}
    return {"type": "user", "user": named}


def _api_key(key: ApiKey, now: float) -> Json:
    if not key.listed:
        return None
    prefix = "sk-svcacct" if isinstance(key.owner, ServiceAccount) else "sk-proj"
    return {
        "object": "organization.project.api_key",
        "id": key.id,
        "name": key.name,
        "redacted_value": f"{prefix}-****{key.id[-4:]}",
        "created_at": key.created_at,
        "last_used_at": _used_at(now) if key.access == "active" else None,
        "expires_at": key.expires_at,
        "owner_project_access": key.access,
        "owner": _owner(key.owner),
    }


def _api_keys(project: Project, query: Query, now: float) -> Json:
    access = query.choice("owner_project_access", _ACCESS, "active")
    rows = [_api_key(key, now) for key in project.api_keys if key.listed and access in {"any", key.access}]
    return list_by_last_id(query, rows)


def _service_accounts(project: Project, query: Query, _now: float) -> Json:
    _reject_archived(project)
    rows = [
        {
            "object": "organization.project.service_account",
            "id": account.id,
            "name": account.name,
            "role": account.role,
            "created_at": account.created_at,
        }
        for account in project.service_accounts
    ]
    return list_by_last_id(query, rows)


def _members(project: Project, query: Query, _now: float) -> Json:
    _reject_archived(project)
    rows = [
        {
            "object": "organization.project.user",
            "id": user.id,
            "name": user.name,
            "email": user.email,
            "role": "owner" if user.role == "owner" else "member",
            "added_at": max(project.created_at, user.added_at),
        }
        for user in project.users
    ]
    return list_by_last_id(query, rows)


def _reject_archived(project: Project) -> None:
    if project.archived_at is not None:
        raise ApiError(400, f"Project {project.id} is archived.", code="project_archived")


def _admin_key(key: AdminKey, now: float) -> Json:
    service = isinstance(key.owner, ServiceAccount)
    created = key.owner.created_at if isinstance(key.owner, ServiceAccount) else key.owner.added_at
    return {
        "object": "organization.admin_api_key",
        "id": key.id,
        "name": key.name,
        "redacted_value": f"sk-admin-****{key.id[-4:]}",
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at or _used_at(now, DAY),
        "owner": {
            "type": "service_account" if service else "user",
            "object": f"organization.{'service_account' if service else 'user'}",
            "id": key.owner.id,
            "name": key.owner.name,
            "created_at": created,
            "role": key.owner.role,
        },
    }
