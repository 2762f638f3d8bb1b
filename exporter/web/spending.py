"""The money of the status page: amounts, estimates, budgets and limits, and the table of projects."""

from collections.abc import Container, Iterable, Sequence
from typing import Final

from exporter.exposition import Amounts, Bounds, EstimateReport, OrganizationReport, ProjectSpend, Spend
from exporter.web.chart import share_bar
from exporter.web.formatting import (
    UNKNOWN,
    change,
    change_percent,
    count,
    dollars,
    dollars_element,
    name,
    percent,
    text_of,
)

AMOUNTS: Final = (
    ("today", "Today so far"),
    ("yesterday", "Yesterday"),
    ("week", "Last 7 days"),
    ("month", "This month"),
    ("projected_month", "Projected month"),
    ("previous_month", "Last month"),
)
"""Attributes of `Amounts` with their titles."""

ESTIMATE_NOTE: Final = "Estimate, not reported by OpenAI"

_SHOWN: Final = 12
"""Projects that are always shown."""
_LISTED: Final = 200
"""Further projects that the page lists."""
_NAMELESS: Final = {"unknown": "No project in OpenAI's data", "other": "Other projects, beyond max_series"}
_ALMOST: Final = 0.8
"""Share of a budget or a limit from which its bar warns."""
_COLUMNS: Final = ("Today", "Yesterday", "This month", "Projected", "Last month", "Change")
_CHANGE_NOTE: Final = "the last 7 full days against the 7 before"


def overview_amounts(amounts: Amounts, estimate: float | None, partial: Container[str] = ()) -> str:
    """Return the cells of one row of the overview; `partial` are attributes of a total that lacks an organization."""
    cells = []
    for key, title in AMOUNTS:
        note = '<span class="note">partial</span>' if key in partial else ""
        cells.append(_cell(dollars_element(getattr(amounts, key)) + note, title))
    estimated = estimate_element(estimate) if estimate is not None else '<span class="unknown">none</span>'
    return "".join((*cells, _cell(estimated, "Today, estimated")))


def total(organizations: Iterable[OrganizationReport]) -> tuple[Amounts, float | None]:
    """Return the sum of everything that is known, and of today's estimates."""
    spends = [each.spend for each in organizations if each.spend]
    sums = {key: _sum(getattr(each, key) for each in spends) for key, _ in AMOUNTS}
    return Amounts(**sums), _sum(each.estimate.today for each in organizations if each.estimate)


def estimate_element(amount: float) -> str:
    """Return an estimated amount, marked as such."""
    return f'<span class="estimate">\N{ALMOST EQUAL TO}\N{NO-BREAK SPACE}{dollars_element(amount)}</span>'


def amounts_section(spend: Spend | None, estimate: EstimateReport | None) -> str:
    """Return the amounts of one organization: reported ones, and estimates apart from them."""
    if spend is None:
        reported = '<p class="unknown">The costs of this organization are not known yet.</p>'
    else:
        tiles = "".join(
            f"<div><dt>{title}</dt><dd>{dollars_element(getattr(spend, key))}{_note(key, spend, estimate)}</dd></div>"
            for key, title in AMOUNTS
        )
        reported = f'<dl class="tiles" aria-label="Costs as reported by OpenAI">{tiles}</dl>'
    return reported + _prepaid(estimate) + (_bounds(spend.bounds, spend) if spend else "")


def projects_section(spend: Spend, index: int) -> str:
    """Return the table of projects, the most expensive of the month first; nothing without projects."""
    if not spend.projects:
        return ""
    names = [_label(each) for each in spend.projects]
    repeated = {label for label in names if names.count(label) > 1} if len(names) <= _LISTED else set()
    shown, rest = spend.projects[:_SHOWN], spend.projects[_SHOWN:]
    largest = max((each.month or 0.0 for each in spend.projects), default=0.0)
    rows = "".join(_project(each, largest, repeated) for each in shown)
    foot = f'<tfoot><tr><th scope="row">All projects</th>{_project_amounts(spend, None)}</tr></tfoot>'
    more = ""
    if rest:
        others = "".join(_project(each, largest, repeated) for each in rest[:_LISTED])
        hidden = len(rest) - _LISTED
        note = f'<p>{count(hidden, "more project")} in <a href="api/costs.csv">the daily costs (CSV)</a>.</p>'
        more = (
            f'<details class="more" id="projects-{index}"><summary>{count(len(rest), "more project")}</summary>'
            f"{_table('More projects', others)}{note if hidden > 0 else ''}</details>"
        )
    return f"<h3>Projects</h3>{_table('Costs of each project in US dollars', rows, foot)}{more}"


def _table(caption: str, rows: str, foot: str = "") -> str:
    *plain, last = _COLUMNS
    heads = "".join(f'<th scope="col" class="number">{title}</th>' for title in plain)
    heads += f'<th scope="col" class="number"><abbr title="{_CHANGE_NOTE}">{last}</abbr></th>'
    return (
        f'<div class="scroll" role="region" aria-label="{caption}" tabindex="0"><table class="cards projects">'
        f'<caption class="hidden">{caption}</caption>'
        f'<thead><tr><th scope="col">Project</th>{heads}</tr></thead><tbody>{rows}</tbody>{foot}</table></div>'
    )


def _project(project: ProjectSpend, largest: float, repeated: set[str]) -> str:
    label = _label(project)
    suffix = f' <span class="id">{text_of(project.id)}</span>' if label in repeated and label != project.id else ""
    status = (
        f' <span class="badge">{text_of(project.status)}</span>' if project.status in ("archived", "deleted") else ""
    )
    bar = share_bar((project.month or 0.0) / largest if largest > 0 else 0.0)
    bars = bar + "".join(_bound_lines(project.bounds, project))
    return (
        f'<tr><th scope="row"><span title="{text_of(project.id)}">{name(label)}</span>{suffix}{status}{bars}</th>'
        f"{_project_amounts(project, project.estimated_today)}</tr>"
    )


def _project_amounts(amounts: Amounts, estimated: float | None) -> str:
    today = dollars_element(amounts.today)
    if estimated is not None:
        today += f"<br>{estimate_element(estimated)}"
    cells = (
        today,
        dollars_element(amounts.yesterday),
        dollars_element(amounts.month),
        dollars_element(amounts.projected_month),
        dollars_element(amounts.previous_month),
        _change(amounts),
    )
    return "".join(_cell(content, label) for content, label in zip(cells, _COLUMNS, strict=True))


def _change(amounts: Amounts) -> str:
    if amounts.change is None:
        return UNKNOWN
    share = "" if amounts.change_ratio is None else f" ({change_percent(amounts.change_ratio)})"
    return f"{dollars_element(amounts.change, change)}{share}"


def _label(project: ProjectSpend) -> str:
    return _NAMELESS.get(project.id) or project.name or project.id


def _note(key: str, spend: Spend, estimate: EstimateReport | None) -> str:
    if key == "today" and estimate is not None and estimate.today is not None:
        ratio = estimate.coverage_ratio
        priced = "" if ratio is None or ratio >= 1 else f"; {percent(ratio)} of the requests have a price"
        return f'{estimate_element(estimate.today)}<span class="note">{ESTIMATE_NOTE}{priced}</span>'
    if key == "today":
        return '<span class="note">OpenAI reports costs hours late</span>'
    if key == "week" and spend.change is not None:
        return f'<span class="note">{_change(spend)}: {_CHANGE_NOTE}</span>'
    return ""


def _prepaid(estimate: EstimateReport | None) -> str:
    if estimate is None or estimate.prepaid_balance is None:
        return ""
    days = estimate.prepaid_runway_days
    lasts = f"; it lasts about {_days(days)}" if days is not None else ""
    return f'<p class="prepaid">Prepaid credit left: {estimate_element(estimate.prepaid_balance)}{lasts} (estimate)</p>'


def _bounds(bounds: Bounds, amounts: Amounts) -> str:
    items = "".join(f"<li>{line}</li>" for line in _bound_lines(bounds, amounts))
    return f'<ul class="bounds">{items}</ul>' if items else ""


def _bound_lines(bounds: Bounds, amounts: Amounts) -> Iterable[str]:
    if bounds.budget is not None:
        yield _bound("Budget", bounds.budget, amounts, _runway(bounds, amounts))
    if bounds.limit is not None:
        kind = "requests beyond it are refused" if bounds.limit_enforced else "not enforced"
        yield _bound("OpenAI's spend limit", bounds.limit, amounts, kind, bounds.alert_thresholds)
    elif bounds.alert_thresholds:
        yield _alerts(bounds.alert_thresholds, amounts)


def _bound(title: str, bound: float, amounts: Amounts, note: str, alerts: Sequence[float] = ()) -> str:
    """Return the bar of a month's budget or limit, with what is left, and marks where OpenAI sends alerts."""
    notes = (note, f"alerts at {_listed(alerts)}" if alerts else "")
    note = "".join(f" \N{MIDDLE DOT} {each}" for each in notes if each)
    if amounts.month is None:
        return f'<div class="bound">{title} {dollars(bound)} a month; this month\'s costs are not known yet</div>'
    share = amounts.month / bound if bound > 0 else float(amounts.month > 0)
    left = bound - amounts.month
    rest = f"<strong>{dollars(left)} left</strong>" if left >= 0 else f"<strong>{dollars(-left)} over</strong>"
    projected = amounts.projected_month
    over = projected is not None and projected > bound
    if projected is not None and bound > 0 and left >= 0:
        note = f" \N{MIDDLE DOT} projected: {percent(projected / bound)}{note}"
    kind = "over" if left < 0 else "almost" if over or share >= _ALMOST else "inside"
    return (
        f'<div class="bound {kind}">{title}: {rest} of {dollars(bound)} ({percent(share)} used){note}'
        f"{share_bar(share, [alert / bound for alert in alerts if 0 < alert <= bound])}</div>"
    )


def _alerts(thresholds: Sequence[float], amounts: Amounts) -> str:
    """Return the bar of OpenAI's alerts where there is no limit: its end is the last of them."""
    title, highest = f"OpenAI sends alerts at {_listed(thresholds)} a month", thresholds[-1]
    if amounts.month is None or highest <= 0:
        return f'<div class="bound">{title}</div>'
    month = amounts.month
    ahead = [threshold for threshold in thresholds if threshold > month]
    rest = f"{dollars(ahead[0] - month)} left to the next" if ahead else "all were reached this month"
    kind = "inside" if len(ahead) == len(thresholds) else "almost" if ahead else "over"
    marks = [threshold / highest for threshold in thresholds if threshold > 0]
    return f'<div class="bound {kind}">{title}: <strong>{rest}</strong>{share_bar(month / highest, marks)}</div>'


def _listed(amounts: Sequence[float]) -> str:
    *others, last = map(dollars, amounts)
    return f"{', '.join(others)} and {last}" if others else last


def _runway(bounds: Bounds, amounts: Amounts) -> str:
    """Return how long the budget lasts, where it does not last to the end of the month."""
    runway, projected = bounds.budget_runway_days, amounts.projected_month
    if not runway or bounds.budget is None or projected is None or projected <= bounds.budget:
        return ""
    return f"lasts about {_days(runway)} (estimate)"


def _days(days: float) -> str:
    if days < 1:
        return "less than a day"
    return "more than a year" if days > 365 else count(round(days), "day")  # noqa: PLR2004 - a year


def _cell(content: str, label: str) -> str:
    """Return a table cell with the label that a narrow screen shows."""
    return f'<td class="number" data-label="{label}">{content}</td>'


def _sum(amounts: Iterable[float | None]) -> float | None:
    known: Sequence[float] = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None
