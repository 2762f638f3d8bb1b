"""The part of the status page that tells of one organization, and the table that tells of many."""

from collections.abc import Sequence
from typing import Final

from exporter.durations import approximate_duration
from exporter.exposition import ModelUse, OrganizationReport, ResourceReport, Spend
from exporter.web.chart import daily_chart, share_bar
from exporter.web.formatting import ago, clock, dollars_element, name, quantity_element, text_of
from exporter.web.problems import State, organization_state, resource_state, resource_troubles

_TOP: Final = 10
"""Line items and models that are shown, whatever the snapshot holds."""

_SPANS: Final = (
    ("today", "Today so far"),
    ("yesterday", "Yesterday"),
    ("week", "Last 7 days"),
    ("month", "This month"),
)
_NOTHING: Final = Spend()


def overview(organizations: Sequence[OrganizationReport], now: float) -> str:
    """Return the table of all organizations, with their sum."""
    heads = "".join(f'<th scope="col" class="number">{title}</th>' for _, title in _SPANS)
    rows = "".join(
        f'<tr><th scope="row"><a href="#organization-{index}">{name(organization.name)}</a></th>'
        f"<td>{badge(organization_state(organization, now))}</td>{_amounts(organization.spend or _NOTHING)}</tr>"
        for index, organization in enumerate(organizations, 1)
    )
    return (
        '<section aria-labelledby="all"><h2 id="all">Organizations</h2><div class="scroll"><table class="overview">'
        f'<thead><tr><th scope="col">Organization</th><th scope="col">State</th>{heads}</tr></thead>'
        f'<tbody>{rows}</tbody><tfoot><tr><th scope="row">All that is known</th><td></td>'
        f"{_amounts(_together(organizations))}</tr></tfoot></table></div></section>"
    )


def organization_section(organization: OrganizationReport, index: int, now: float, *, folded: bool) -> str:
    """Return everything about one organization; folded where there are many."""
    state = organization_state(organization, now)
    spend = organization.spend or _NOTHING
    content = (
        f'<p class="pace">{_pace(organization, now)}</p>{_spend(organization.spend)}'
        f"{daily_chart(spend.daily, now) if organization.spend else ''}"
        f'<div class="tops">{_line_items(spend.line_items)}{_models(organization.models)}</div>'
        f"{_resources(organization.resources, now)}"
    )
    if folded:
        return (
            f'<details class="organization"><summary><h2>{name(organization.name)}</h2> {badge(state)}</summary>'
            f'<div id="organization-{index}">{content}</div></details>'
        )
    title = f'<h2 id="organization-{index}">{name(organization.name)} {badge(state)}</h2>'
    return f'<section class="organization" aria-labelledby="organization-{index}">{title}{content}</section>'


def badge(state: State) -> str:
    """Return the state in a word with a colour."""
    return f'<span class="badge {state.name.lower()}">{state.words}</span>'


def _amounts(spend: Spend) -> str:
    return "".join(f'<td class="number">{dollars_element(getattr(spend, span))}</td>' for span, _ in _SPANS)


def _together(organizations: Sequence[OrganizationReport]) -> Spend:
    sums: dict[str, float | None] = {}
    for span, _ in _SPANS:
        known = [amount for each in organizations if (amount := getattr(each.spend or _NOTHING, span)) is not None]
        sums[span] = sum(known) if known else None
    return Spend(today=sums["today"], yesterday=sums["yesterday"], week=sums["week"], month=sums["month"])


def _pace(organization: OrganizationReport, now: float) -> str:
    allowed = f"Request budget: {organization.requests_per_minute:g} a minute now"
    if organization.paused_until and organization.paused_until > now:
        rest = approximate_duration(organization.paused_until - now)
        return f"{allowed}. <strong>Paused</strong> until {clock(organization.paused_until)}, for another {rest}."
    return f"{allowed}."


def _spend(spend: Spend | None) -> str:
    if spend is None:
        return '<p class="unknown">The spend of this organization is not known yet.</p>'
    tiles = "".join(
        f"<div><dt>{title}</dt><dd>{dollars_element(getattr(spend, span))}</dd></div>" for span, title in _SPANS
    )
    return f'<dl class="tiles">{tiles}</dl>'


def _line_items(items: Sequence[tuple[str, float]]) -> str:
    largest = max((amount for _, amount in items), default=0.0)
    rows = "".join(
        f'<tr><th scope="row">{name(item)}{share_bar(amount / largest if largest > 0 else 0)}</th>'
        f'<td class="number">{dollars_element(amount)}</td></tr>'
        for item, amount in items[:_TOP]
    )
    return _top("Top line items", ("Line item", "Spend"), rows)


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
        f'<div><h3>{title}, last 7 days</h3><table class="top"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _resources(resources: Sequence[ResourceReport], now: float) -> str:
    rows = "".join(_resource(resource, now) for resource in resources)
    return (
        '<h3>Resources</h3><div class="scroll"><table class="resources"><thead><tr><th scope="col">Resource</th>'
        '<th scope="col">State</th><th scope="col">Last success</th>'
        '<th scope="col"><abbr title="when a poll last changed a value: how far OpenAI is behind shows here">'
        'Last new data</abbr></th><th scope="col" class="number extra">Every</th>'
        f'<th scope="col" class="number extra">Series</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _resource(resource: ResourceReport, now: float) -> str:
    cells = (
        f'<tr><th scope="row">{name(resource.name)}</th><td>{badge(resource_state(resource, now))}</td>'
        f'<td data-label="Success">{ago(resource.last_success, now)}</td>'
        f'<td data-label="New data">{ago(resource.last_change, now)}</td>'
        f'<td class="number extra">{approximate_duration(resource.interval) if resource.interval else "unknown"}</td>'
        f'<td class="number extra">{resource.series:,}</td></tr>'
    )
    wrong = "".join(
        f"<p>{text_of(what)}{f' <em>{text_of(advice)}</em>' if advice else ''}</p>"
        for _, what, advice in resource_troubles(resource, now)
    )
    return cells + (f'<tr class="wrong"><td colspan="6">{wrong}</td></tr>' if wrong else "")
