"""The status page for people: what is wrong, what was spent, how fresh it is; no script, and nothing fetched."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from exporter.exposition import OrganizationReport, Snapshot
from exporter.web.formatting import ago, clock, name, several, text_of
from exporter.web.organizations import badge, organization_section, overview
from exporter.web.problems import State, Trouble, resource_state, troubles

_STYLE: Final = Path(__file__).with_name("status.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing runs, nothing is fetched, and of styles only the one that this module writes counts."""

_ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cg fill='%230f766e'%3E"
    "%3Crect x='1' y='9' width='3' height='6'/%3E%3Crect x='6' y='5' width='3' height='10'/%3E"
    "%3Crect x='11' y='1' width='3' height='14'/%3E%3C/g%3E%3C/svg%3E"
)
_UNFOLDED: Final = 3
"""Organizations up to which everything is shown at once."""

_PLACES: Final = 5
"""Organizations that one trouble names before it counts the rest."""


def status_page(snapshot: Snapshot, *, version: str, now: float) -> str:
    """Return the page as of `now`, Unix seconds."""
    organizations = snapshot.organizations
    found = troubles(organizations, now)
    title = f"{len(found)} wrong \N{MIDDLE DOT} " if found else ""
    sections = "".join(
        organization_section(organization, index, now, folded=len(organizations) > _UNFOLDED)
        for index, organization in enumerate(organizations, 1)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<title>{title}OpenAI usage exporter</title><link rel="icon" href="{_ICON}">'
        f"<style>{_STYLE}</style></head><body>"
        f"{_header(snapshot, version, now)}<main>{_verdict(organizations, found, now)}"
        f"{overview(organizations, now) if len(organizations) > 1 else ''}{sections}</main>{_footer()}</body></html>\n"
    )


def _header(snapshot: Snapshot, version: str, now: float) -> str:
    published = f", published {ago(snapshot.published, now)}" if snapshot.published else ""
    return (
        f'<header><h1>OpenAI usage exporter <span class="version">{text_of(version)}</span></h1>'
        '<nav aria-label="Endpoints"><a href="/metrics">/metrics</a> <a href="/-/ready">/-/ready</a> '
        f'<a href="/-/healthy">/-/healthy</a></nav><p>As of {clock(now)}{published}</p></header>'
    )


def _footer() -> str:
    return (
        "<footer><p>Days are UTC days. OpenAI revises usage for minutes and costs for days, up and down; "
        "a day without costs may be a day that is not reported yet.</p></footer>"
    )


def _verdict(organizations: Sequence[OrganizationReport], found: Sequence[Trouble], now: float) -> str:
    if found:
        worst = "failing" if found[0].state is State.FAILING else "degraded"
        items = "".join(_trouble(trouble, several_organizations=len(organizations) > 1) for trouble in found)
        title = several(len(found), "thing needs attention", "things need attention")
        return f'<section class="verdict {worst}"><h2>{title}</h2><ul>{items}</ul></section>'
    states = [resource_state(resource, now) for each in organizations for resource in each.resources]
    waiting = states.count(State.WAITING)
    if not states or waiting == len(states):
        words = "The first polls are under way: there is no data yet. Reload in a minute."
        return f'<section class="verdict waiting"><h2>Starting</h2><p>{words}</p></section>'
    if waiting:
        words = f"{several(len(states) - waiting, 'resource')} of {len(states):,} polled so far, none with an error."
        return f'<section class="verdict waiting"><h2>Starting</h2><p>{words}</p></section>'
    fine = states.count(State.FINE)
    of_whom = several(len(organizations), "organization")
    words = f"{several(fine, 'resource')} of {of_whom} polled on time, without an error."
    return f'<section class="verdict fine"><h2>Everything is up to date</h2><p>{words}</p></section>'


def _trouble(trouble: Trouble, *, several_organizations: bool) -> str:
    places = "; ".join(
        (f"{name(organization)}: " if several_organizations else "") + ", ".join(map(name, resources))
        for organization, resources in trouble.where[:_PLACES]
    )
    rest = len(trouble.where) - _PLACES
    more = f"; and {several(rest, 'more organization')}" if rest > 0 else ""
    advice = f'<p class="advice"><strong>What to do:</strong> {text_of(trouble.advice)}</p>' if trouble.advice else ""
    return (
        f"<li>{badge(trouble.state)} <strong>{text_of(trouble.what)}</strong>"
        f'<p class="places">{places}{more}</p>{advice}</li>'
    )
