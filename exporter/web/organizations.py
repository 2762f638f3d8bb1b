"""The parts of the status page: the table of all organizations, and the section of one."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from exporter.durations import approximate_duration
from exporter.exposition import Amounts, ModelUse, OrganizationReport, ResourceReport
from exporter.web.chart import daily_chart, share_bar
from exporter.web.formatting import ago, clock, count, dollars_element, name, quantity_element, text_of
from exporter.web.problems import State, organization_state, resource_problems, resource_state
from exporter.web.spending import AMOUNTS, ESTIMATE_NOTE, amounts_section, overview_amounts, projects_section, total

_TOP: Final = 10
"""Line items and models that are shown."""
_UNKNOWN: Final = Amounts()


def overview(organizations: Sequence[OrganizationReport], now: float, *, has_sections: bool) -> str:
    """Return the table of all organizations with their total; names link to sections, or to pages without these."""
    heads = "".join(f'<th scope="col" class="number">{title}</th>' for _, title in AMOUNTS)
    heads += f'<th scope="col" class="number"><abbr title="{ESTIMATE_NOTE}">Today, estimated</abbr></th>'
    rows = "".join(
        f'<tr><th scope="row"><a href="{_link(each, index, has_sections=has_sections)}">{name(each.name)}</a></th>'
        f'<td data-label="State">{badge(organization_state(each, now))}</td>'
        f"{overview_amounts(each.spend or _UNKNOWN, each.estimate.today if each.estimate else None)}</tr>"
        for index, each in enumerate(organizations, 1)
    )
    amounts, estimated = total(organizations)
    partial = {
        key
        for key, _ in AMOUNTS
        if getattr(amounts, key) is not None
        and any(getattr(each.spend or _UNKNOWN, key) is None for each in organizations)
    }
    missing = sum(each.spend is None for each in organizations)
    without = f' <span class="note">without {count(missing, "organization")}</span>' if missing else ""
    return (
        '<section aria-labelledby="all"><h2 id="all">Organizations</h2>'
        '<div class="scroll" role="region" aria-labelledby="all" tabindex="0"><table class="cards overview">'
        '<caption class="hidden">Costs of all organizations in US dollars</caption>'
        f'<thead><tr><th scope="col">Organization</th><th scope="col">State</th>{heads}</tr></thead>'
        f'<tbody>{rows}</tbody><tfoot><tr><th scope="row">Total{without}</th><td data-label="State"></td>'
        f"{overview_amounts(amounts, estimated, partial)}</tr></tfoot></table></div></section>"
    )


def organization_section(organization: OrganizationReport, index: int, now: float, *, folded: bool) -> str:
    """Return everything about one organization; `folded` where there are many."""
    state = organization_state(organization, now)
    spend = organization.spend
    content = (
        f"{amounts_section(spend, organization.estimate)}"
        f"{daily_chart(spend.daily, now, index) if spend else ''}"
        f"{projects_section(spend, index) if spend else ''}"
        f'<div class="tops">{_line_items(spend.line_items if spend else ())}{_models(organization.models)}</div>'
        f"{_resources(organization, index, now)}"
    )
    if folded:
        return (
            f'<details class="organization" id="fold-{index}"><summary><h2>{name(organization.name)}</h2> '
            f'{badge(state)}</summary><div id="organization-{index}">{content}</div></details>'
        )
    title = f'<h2 id="organization-{index}">{name(organization.name)} {badge(state)}</h2>'
    return f'<section class="organization" aria-labelledby="organization-{index}">{title}{content}</section>'


def badge(state: State) -> str:
    """Return the state as coloured text."""
    return f'<span class="badge {state.name.lower()}">{state.title}</span>'


def _link(organization: OrganizationReport, index: int, *, has_sections: bool) -> str:
    return f"#organization-{index}" if has_sections else f"./?organization={quote(organization.name, safe='')}"


def _rate(organization: OrganizationReport, now: float) -> str:
    allowed = f"Allowed now: {count(round(organization.requests_per_minute), 'request')} a minute"
    if organization.paused_until and organization.paused_until > now:
        rest = approximate_duration(organization.paused_until - now)
        return f"{allowed}. <strong>Paused</strong> until {clock(organization.paused_until)}, for another {rest}."
    return f"{allowed}."


def _line_items(items: Sequence[tuple[str, float]]) -> str:
    largest = max((amount for _, amount in items), default=0.0)
    rows = "".join(
        f'<tr><th scope="row">{name(item)}{share_bar(amount / largest if largest > 0 else 0)}</th>'
        f'<td class="number">{dollars_element(amount)}</td></tr>'
        for item, amount in items[:_TOP]
    )
    return _top("Top line items", ("Line item", "Costs"), rows)


def _models(models: Sequence[ModelUse]) -> str:
    largest = max((model.tokens for model in models), default=0.0)
    rows = "".join(
        f'<tr><th scope="row">{name(model.model)}{share_bar(model.tokens / largest if largest > 0 else 0)}</th>'
        f'<td class="number">{quantity_element(model.tokens)}</td>'
        f'<td class="number">{quantity_element(model.requests)}</td></tr>'
        for model in models[:_TOP]
    )
    return _top("Top models", ("Model", "Tokens", "Requests"), rows)


def _top(title: str, columns: tuple[str, ...], rows: str) -> str:
    if not rows:
        return f'<div><h3>{title}, last 7 days</h3><p class="unknown">None reported yet.</p></div>'
    first, *others = columns
    heads = f'<th scope="col">{first}</th>' + "".join(
        f'<th scope="col" class="number">{other}</th>' for other in others
    )
    return (
        f'<div><h3>{title}, last 7 days</h3><table class="top"><caption class="hidden">{title} of the last 7 days'
        f"</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _resources(organization: OrganizationReport, index: int, now: float) -> str:
    """Return the table of polled resources, which is folded while all is well."""
    rows = "".join(_resource(resource, now) for resource in organization.resources)
    opened = "" if organization_state(organization, now) is State.FINE else " open"
    return (
        f'<details class="polled" id="resources-{index}"{opened}><summary><h3>Resources</h3></summary>'
        f'<p class="rate">{_rate(organization, now)}</p>'
        '<div class="scroll" role="region" aria-label="Resources" tabindex="0">'
        '<table class="resources"><caption class="hidden">State of each polled resource</caption>'
        '<thead><tr><th scope="col">Resource</th>'
        '<th scope="col">State</th><th scope="col">Last success</th>'
        '<th scope="col"><abbr title="when a poll last changed a value: shows how far OpenAI is behind">'
        'Last new data</abbr></th><th scope="col" class="number extra">Interval</th>'
        f'<th scope="col" class="number extra">Series</th></tr></thead><tbody>{rows}</tbody></table></div></details>'
    )


def _resource(resource: ResourceReport, now: float) -> str:
    state = resource_state(resource, now)
    cells = (
        f'<tr><th scope="row">{name(resource.name)}</th><td>{badge(state)}</td>'
        f'<td data-label="Success">{ago(resource.last_success, now)}</td>'
        f'<td data-label="New data">{ago(resource.last_change, now)}</td>'
        f'<td class="number extra">{approximate_duration(resource.interval) if resource.interval else "unknown"}</td>'
        f'<td class="number extra">{_series(resource)}</td></tr>'
    )
    problems = "".join(
        f"<p>{text_of(meaning)}{f' <em>{text_of(advice)}</em>' if advice else ''}</p>"
        for _, meaning, advice in resource_problems(resource, now)
    )
    return cells + (f'<tr class="problem"><td colspan="6">{problems}</td></tr>' if problems else "")


def _series(resource: ResourceReport) -> str:
    """Return the number of series; no number where there cannot be one, or nothing exists at OpenAI."""
    if resource.series is None:
        return '<span class="unknown">does not apply</span>'
    if resource.series == 0:
        return f'<span class="unknown">{"none" if resource.last_success is not None else "none yet"}</span>'
    return f"{resource.series:,}"
