"""The differences between the tables and the `openai` package, each as a line for a person."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from drift.sdk import Endpoint, endpoints
from exporter.catalog import CATALOG, METADATA, MetadataResource, Pagination, Resource

_COMMON_PARAMETERS: Final = {"start_time", "end_time", "bucket_width", "group_by", "limit", "page"}
_PAGINATION: Final = {
    "": None,
    "ConversationCursorPage": Pagination.LAST_ID,
    "CursorPage": Pagination.LAST_ROW,
    "NextCursorPage": Pagination.NEXT,
}

UNUSED_ENDPOINTS: Final = frozenset(
    {
        "/organization/audit_logs",
        "/organization/data_retention",
        "/organization/external_keys",
        "/organization/external_storage",
        "/organization/groups/{group_id}/roles",
        "/organization/invites",
        "/organization/projects/{project_id}/data_retention",
        "/organization/projects/{project_id}/groups",
        "/organization/projects/{project_id}/hosted_tool_permissions",
        "/organization/projects/{project_id}/model_permissions",
        "/organization/projects/{project_id}/service_tier_settings",
        "/organization/projects/{project_id}/users",
        "/organization/roles",
        "/organization/users/{user_id}/roles",
        "/organization/workload_identity_providers",
        "/organization/workload_identity_providers/{workload_identity_provider_id}/federation_rules",
    }
)
"""What the exporter has no use for. Endpoints of a single entry of a list (`.../{id}`) need not be listed."""

UNUSED_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "projects": frozenset({"archived_at", "external_key_id", "residency"}),
    "api_keys": frozenset({"owner", "owner_project_access", "redacted_value"}),
    "admin_api_keys": frozenset({"owner", "redacted_value"}),
    "users": frozenset(
        {
            "added_at",
            "api_key_last_used_at",
            "created",
            "developer_persona",
            "email",
            "is_default",
            "is_scale_tier_authorized_purchaser",
            "is_scim_managed",
            "is_service_account",
            "projects",
            "technical_level",
            "user",
        }
    ),
    "groups": frozenset({"group_type", "is_scim_managed"}),
    "group_members": frozenset({"email", "name"}),
    "certificates": frozenset({"certificate_details.valid_at"}),
    "project_certificates": frozenset({"certificate_details.valid_at"}),
    "spend_limit": frozenset({"interval"}),
    "spend_alerts": frozenset({"interval", "notification_channel"}),
    "project_spend_limit": frozenset({"interval"}),
    "project_spend_alerts": frozenset({"interval", "notification_channel"}),
    "rate_limits": frozenset({"id"}),
}
"""What the exporter has no use for, by row; an object stands for all of its fields."""

_UNUSED_EVERYWHERE: Final = {"object", "created_at"}


def differences(
    resources: Iterable[Resource] = CATALOG, metadata: Iterable[MetadataResource] = METADATA
) -> Iterator[str]:
    """Yield every difference, nothing where the tables and the installed package agree."""
    known = endpoints()
    resources, metadata = list(resources), [row for row in metadata if not row.legacy]
    paths = {*(_path(row) for row in resources), *(f"/{row.path}" for row in metadata)}
    for path in sorted(known.keys() - paths - UNUSED_ENDPOINTS):
        if not path.endswith("}"):
            yield f"{path}: not in the tables"
    for path in sorted(UNUSED_ENDPOINTS & (paths | (UNUSED_ENDPOINTS - known.keys()))):
        yield f"{path}: listed as unused, but {'in the tables' if path in paths else 'unknown to the package'}"
    for resource in resources:
        path = _path(resource)
        yield from _bucket(resource, known[path]) if path in known else [f"{path}: unknown to the package"]
    for row in metadata:
        path = f"/{row.path}"
        yield from _metadata(row, known[path]) if path in known else [f"{path}: unknown to the package"]


def _path(row: Resource) -> str:
    return f"/organization/{row.path}"


def _bucket(row: Resource, endpoint: Endpoint) -> Iterator[str]:
    yield from _compare(row.path, "dimension", row.dimensions, endpoint.choices("group_by"))
    yield from _compare(row.path, "filter", row.filters, endpoint.parameters.keys() - _COMMON_PARAMETERS)
    yield from _compare(row.path, "bucket_width", row.widths, endpoint.choices("bucket_width"))
    for width, limit in row.widths.items():
        documented = endpoint.limits.get(width, endpoint.limits.get(""))
        if documented != limit:
            yield f"{row.path}: limit {limit} for {width} in the table, {documented} in the package"
    fields = endpoint.results.get(row.object)
    if fields is None:
        yield f"{row.path}: object {row.object} is unknown to the package"
        return
    used = {"object", *row.dimensions}
    for measure in row.measures:
        used |= {measure.field}
        used |= {measure.only.field} if measure.only else set()
        used |= {measure.extra.field} if measure.extra else set()
    yield from _compare(row.path, "field", used, fields)


def _metadata(row: MetadataResource, endpoint: Endpoint) -> Iterator[str]:
    if (pagination := _PAGINATION.get(endpoint.page, endpoint.page)) is not row.pagination:
        yield f"{row.path}: pagination {row.pagination} in the table, {pagination} in the package"
    for name, _ in row.query:
        if name not in endpoint.parameters:
            yield f"{row.path}: parameter {name} is unknown to the package"
    if row.page_size > endpoint.limits.get("", row.page_size):
        yield f"{row.path}: limit {row.page_size} in the table, {endpoint.limits['']} in the package"
    used = {*row.text_fields, *row.number_fields, *([row.id_field] if row.pagination else [])}
    for name in sorted(used - endpoint.fields):
        yield f"{row.path}: field {name} is unknown to the package"
    unused = UNUSED_FIELDS.get(row.name, frozenset()) | _UNUSED_EVERYWHERE
    for name in sorted(endpoint.fields - used):
        if not unused & {name, name.partition(".")[0]}:
            yield f"{row.path}: field {name} is not in the table"
    known = endpoint.fields | {name.partition(".")[0] for name in endpoint.fields}
    for name in sorted(UNUSED_FIELDS.get(row.name, frozenset()) - known):
        yield f"{row.path}: field {name}, listed as unused, is unknown to the package"


def _compare(path: str, what: str, table: Collection[str], package: Collection[str]) -> Iterator[str]:
    for name in sorted(set(table) - set(package)):
        yield f"{path}: {what} {name} is unknown to the package"
    for name in sorted(set(package) - set(table)):
        yield f"{path}: {what} {name} is not in the table"
