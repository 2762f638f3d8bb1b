"""The control API under `/simulator`: scenario actions, faults, policy, request log and reported totals."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Final

import msgspec

from exporter.simulator.faults import FAULT_KINDS, Fault
from exporter.simulator.request import Query, Request
from exporter.simulator.responses import ApiError, Json, Response, json_response
from exporter.simulator.scenario import Scenario

if TYPE_CHECKING:
    from exporter.simulator.app import Simulator

ACTIONS: Final = (
    "add_usage",
    "delay",
    "revise",
    "move_cost",
    "spike",
    "spend_spike",
    "change_price",
    "set_allowance",
    "launch_model",
    "quiet",
    "set_spend_limit",
    "set_spend_alerts",
    "set_rate_limit",
    "add_project",
    "rename_project",
    "archive_project",
    "delete_project",
    "delete_api_key",
)
"""The methods of Scenario that can be posted to `/simulator/scenario/<name>`, with their parameters as JSON."""

_LOOPBACK: Final = ("127.", "::1", "::ffff:127.")


def control(simulator: "Simulator", request: Request) -> Response:
    """Return the response to a request below `/simulator`; status 400 has the reason in its body."""
    if not request.client.startswith(_LOOPBACK) or "origin" in request.headers:
        return json_response({"error": "the control API is for this machine only, and not for browsers"}, 403)
    try:
        content = _content(simulator, request)
    except (ApiError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
        return json_response({"error": str(error)}, 400)
    if content is None:
        return json_response({"error": f"no endpoint {request.method} {request.path}"}, 404)
    return json_response(content)


def _content(simulator: "Simulator", request: Request) -> Json | None:
    given = msgspec.json.decode(request.body) if request.body else {}
    query = request.query
    scenario = simulator.scenarios[query.whole("organization") or 0]
    match request.method, request.parts[1:]:
        case "POST", ["scenario", name] if name in ACTIONS:
            return {"result": getattr(scenario, name)(**given)}
        case "GET", ["truth"]:
            return _truth(scenario, query)
        case _, [name]:
            handler = _HANDLERS.get((request.method, name))
            return handler(simulator, given) if handler else None
        case "GET", []:
            return _overview(simulator)
    return None


def _truth(scenario: Scenario, query: Query) -> Json:
    return scenario.truth(
        query.text("resource") or "",
        query.texts("group_by"),
        since=query.whole("since"),
        until=query.whole("until"),
        width=query.text("width") or "1d",
    )


def _requests(simulator: "Simulator", _given: Json) -> Json:
    return [asdict(request) for request in simulator.requests]


def _forget_requests(simulator: "Simulator", _given: Json) -> Json:
    simulator.requests.clear()
    return {}


def _faults(simulator: "Simulator", _given: Json) -> Json:
    return [_fault_content(fault) for fault in simulator.faults.active]


def _add_fault(simulator: "Simulator", given: Json) -> Json:
    return _fault_content(simulator.faults.add(**given))


def _clear_faults(simulator: "Simulator", _given: Json) -> Json:
    simulator.faults.clear()
    return {}


def _policy(simulator: "Simulator", given: Json) -> Json:
    simulator.set_policy(**given)
    return asdict(simulator.policy)


_HANDLERS: Final[Mapping[tuple[str, str], Callable[["Simulator", Json], Json]]] = {
    ("GET", "requests"): _requests,
    ("DELETE", "requests"): _forget_requests,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "policy"): _policy,
    ("POST", "policy"): _policy,
}


def _overview(simulator: "Simulator") -> Json:
    return {
        "organizations": [
            {
                "id": tenant.organization.id,
                "name": tenant.organization.name,
                "projects": [
                    {"id": project.id, "name": project.name, "status": project.status, "deleted": project.deleted}
                    for project in tenant.organization.projects
                ],
            }
            for tenant in simulator.tenants
        ],
        "now": simulator.now(),
        "scenario": ACTIONS,
        "faults": sorted(FAULT_KINDS),
        "policy": asdict(simulator.policy),
    }


def _fault_content(fault: Fault) -> Json:
    return {field.name: getattr(fault, field.name) for field in fields(fault) if field.init}
