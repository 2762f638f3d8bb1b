"""What the status page shows, for programs: one JSON document, and the daily costs as CSV."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

from exporter.catalog import day_of
from exporter.exposition import Amounts, Bounds, OrganizationReport, ProjectSpend, ResourceReport, Snapshot, Spend
from exporter.web.formatting import iso_date, iso_time
from exporter.web.problems import DEGRADED, State, organization_state, problems, resource_state
from exporter.web.spending import total

Json: TypeAlias = dict[str, Any]

COSTS_COLUMNS: Final = ("organization", "date", "project_id", "project_name", "cost_usd", "day_complete")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""First characters with which spreadsheets begin a formula."""


def status_json(snapshot: Snapshot, *, version: str, now: float) -> str:
    """Return the status as of `now` (Unix seconds): amounts in US dollars, times as RFC 3339."""
    organizations = snapshot.organizations
    reported, estimated = total(organizations)
    found = problems(snapshot, now)
    states = [organization_state(each, now) for each in organizations] + [each.state for each in found]
    document = {
        "version": version,
        "time": iso_time(now),
        "published": _time(snapshot.published or None),
        "ready": snapshot.ready,
        "state": _state(max(states, default=State.WAITING)),
        "problems": [
            {
                "state": _state(each.state),
                "meaning": each.meaning,
                "advice": each.advice,
                "where": [{"organization": name, "resources": list(names)} for name, names in each.where],
            }
            for each in found
        ],
        "total": {
            "costs_usd": _amounts(reported),
            "estimated_today_usd": _number(estimated),
            "organizations_without_costs": [each.name for each in organizations if each.spend is None],
        },
        "organizations": [_organization(each, now) for each in organizations],
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"


def costs_csv(snapshot: Snapshot, *, now: float) -> str:
    """Return the daily costs of the look-back: one row for each organization, UTC day and project with costs."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COSTS_COLUMNS)
    for organization in snapshot.organizations:
        if organization.spend:
            writer.writerows(_cost_rows(organization.name, organization.spend, now))
    return text.getvalue()


def _cost_rows(organization: str, spend: Spend, now: float) -> Iterator[tuple[str, ...]]:
    owner, today = _cell(organization), day_of(now)
    projects = [(_cell(each.id), _cell(each.name), each.daily) for each in spend.projects]
    for index, (day, usd) in enumerate(spend.daily):
        date, complete = iso_date(day), "true" if day < today else "false"
        for project_id, project_name, daily in projects or [("", "", ())]:
            if amount := daily[index] if daily else usd:
                yield owner, date, project_id, project_name, repr(amount), complete


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _organization(organization: OrganizationReport, now: float) -> Json:
    spend, estimate = organization.spend, organization.estimate
    return {
        "name": organization.name,
        "state": _state(organization_state(organization, now)),
        "requests_per_minute": _number(organization.requests_per_minute),
        "paused_until": _time(organization.paused_until if (organization.paused_until or 0) > now else None),
        "costs_usd": _amounts(spend) if spend else None,
        "budget": _budget(spend.bounds, spend) if spend else None,
        "spend_limit": _limit(spend.bounds, spend) if spend else None,
        "spend_alerts_usd": list(spend.bounds.alert_thresholds) if spend else [],
        "estimate": estimate
        and {
            "today_usd": _number(estimate.today),
            "coverage_ratio": _number(estimate.coverage_ratio),
            "prepaid_balance_usd": _number(estimate.prepaid_balance),
            "prepaid_runway_days": _number(estimate.prepaid_runway_days),
        },
        "projects": [_project(each) for each in spend.projects] if spend else [],
        "daily": _daily(spend.daily if spend else (), now),
        "line_items": [{"line_item": item, "cost_usd": _number(usd)} for item, usd in spend.line_items]
        if spend
        else [],
        "models": [
            {"model": each.model, "tokens": _number(each.tokens), "requests": _number(each.requests)}
            for each in organization.models
        ],
        "resources": [_resource(each, now) for each in organization.resources],
    }


def _project(project: ProjectSpend) -> Json:
    return {
        "project_id": project.id,
        "project_name": project.name or None,
        "status": project.status or None,
        "costs_usd": _amounts(project),
        "estimated_today_usd": _number(project.estimated_today),
        "budget": _budget(project.bounds, project),
        "spend_limit": _limit(project.bounds, project),
        "spend_alerts_usd": list(project.bounds.alert_thresholds),
    }


def _amounts(amounts: Amounts) -> Json:
    return {
        "today": _number(amounts.today),
        "yesterday": _number(amounts.yesterday),
        "last_7_days": _number(amounts.week),
        "month": _number(amounts.month),
        "previous_month": _number(amounts.previous_month),
        "projected_month": _number(amounts.projected_month),
        "change_7_full_days": _number(amounts.change),
        "change_7_full_days_ratio": _number(amounts.change_ratio),
    }


def _budget(bounds: Bounds, amounts: Amounts) -> Json | None:
    if bounds.budget is None:
        return None
    return {
        "monthly_usd": _number(bounds.budget),
        "left_usd": _left(bounds.budget, amounts),
        "estimated_runway_days": _number(bounds.budget_runway_days),
    }


def _limit(bounds: Bounds, amounts: Amounts) -> Json | None:
    if bounds.limit is None:
        return None
    return {
        "monthly_usd": _number(bounds.limit),
        "left_usd": _left(bounds.limit, amounts),
        "enforced": bounds.limit_enforced,
    }


def _left(bound: float, amounts: Amounts) -> float | None:
    return None if amounts.month is None else _number(bound - amounts.month)


def _daily(daily: Sequence[tuple[int, float]], now: float) -> list[Json]:
    return [{"date": iso_date(day), "cost_usd": _number(usd), "day_complete": day < day_of(now)} for day, usd in daily]


def _resource(resource: ResourceReport, now: float) -> Json:
    return {
        "name": resource.name,
        "state": _state(resource_state(resource, now)),
        "last_success": _time(resource.last_success),
        "last_change": _time(resource.last_change),
        "interval_seconds": _number(resource.interval),
        "series": resource.series,
        "error": resource.error or None,
        "advice": resource.advice or None,
        "degraded": [
            {"reason": reason.value, "meaning": DEGRADED[reason].meaning, "advice": DEGRADED[reason].advice}
            for reason in resource.degraded
        ],
    }


def _state(state: State) -> str:
    return "ok" if state is State.FINE else state.name.lower()


def _time(time: float | None) -> str | None:
    return None if time is None else iso_time(time)


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
