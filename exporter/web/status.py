"""The status page: what is wrong, what was spent, how recent it is. One document that loads nothing else."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from exporter.exposition import OrganizationReport, Snapshot
from exporter.web.formatting import ago, clock, count, name, text_of
from exporter.web.organizations import badge, organization_section, overview
from exporter.web.problems import Problem, State, problems, resource_state


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_STYLE: Final = Path(__file__).with_name("status.css").read_text(encoding="utf-8")
_SCRIPT: Final = Path(__file__).with_name("status.js").read_text(encoding="utf-8")

CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Only the page's own style and script apply, by their hashes, and the script may ask only this server."""

_ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cg fill='%230f766e'%3E"
    "%3Crect x='1' y='9' width='3' height='6'/%3E%3Crect x='6' y='5' width='3' height='10'/%3E"
    "%3Crect x='11' y='1' width='3' height='14'/%3E%3C/g%3E%3C/svg%3E"
)
_UNFOLDED: Final = 3
"""Organizations up to which every section is open."""
_SECTIONS: Final = 20
"""Organizations up to which all have a section; of more, each has a page."""

_NAMED: Final = 5
"""Organizations that one problem names before it counts the rest."""


def status_page(
    snapshot: Snapshot, *, version: str, now: float, telemetry_path: str = "/metrics", single: bool = False
) -> str:
    """Return the page as of `now`, Unix seconds; `single` where the snapshot holds one organization of many."""
    organizations = snapshot.organizations
    has_sections = len(organizations) <= _SECTIONS
    found = problems(snapshot, now)
    title = f"{count(len(found), 'problem')} \N{MIDDLE DOT} " if found else ""
    sections = "".join(
        organization_section(organization, index, now, folded=len(organizations) > _UNFOLDED)
        for index, organization in enumerate(organizations if has_sections else (), 1)
    )
    table = overview(organizations, now, has_sections=has_sections) if len(organizations) > 1 else ""
    back = '<p class="back"><a href="./">All organizations</a></p>' if single else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<title>{title}OpenAI usage exporter</title><link rel="icon" href="{_ICON}">'
        f"<style>{_STYLE}</style></head><body>"
        f'{_header(snapshot, version, now, telemetry_path)}<p id="refresh" role="status"></p>'
        f'<main id="status">{back}{_verdict(organizations, found, now)}{table}{sections}</main>{_FOOTER}'
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def _header(snapshot: Snapshot, version: str, now: float, telemetry_path: str) -> str:
    published = f", published {ago(snapshot.published, now)}" if snapshot.published else ""
    metrics = telemetry_path.lstrip("/")
    links = {metrics: "Metrics", "api/status": "JSON", "api/costs.csv": "Daily costs (CSV)", "-/ready": "Ready"}
    items = " ".join(f'<a href="./{quote(path)}">{title}</a>' for path, title in links.items())
    return (
        f'<header><h1>OpenAI usage exporter <span class="version">{text_of(version)}</span></h1>'
        f'<nav aria-label="Data">{items}</nav><p id="as-of">As of {clock(now)}{published}</p></header>'
    )


_FOOTER: Final = (
    "<footer><p>Days and months are UTC. OpenAI revises usage for minutes and costs for days, up and down; a day "
    "without costs may be one that is not reported yet, and a month is complete about three days after its end. "
    "Projected: the month to date, and for the days that are left the mean of the last six full days. Amounts marked "
    "\N{ALMOST EQUAL TO} are estimates of the exporter, not reported by OpenAI.</p>"
    "<noscript><p>Without JavaScript this page does not refresh: reload it.</p></noscript></footer>"
)


def _verdict(organizations: Sequence[OrganizationReport], found: Sequence[Problem], now: float) -> str:
    if found:
        worst = "failing" if found[0].state is State.FAILING else "degraded"
        items = "".join(_problem(problem, several_organizations=len(organizations) > 1) for problem in found)
        return _section(worst, count(len(found), "problem"), f"<ul>{items}</ul>")
    states = [resource_state(resource, now) for each in organizations for resource in each.resources]
    waiting = states.count(State.WAITING)
    if not states or waiting == len(states):
        return _section("waiting", "Starting", "<p>The first polls are in progress: there is no data yet.</p>")
    if waiting:
        text = f"{count(len(states) - waiting, 'resource')} of {len(states):,} polled so far, without an error."
        return _section("waiting", "Starting", f"<p>{text}</p>")
    fine = count(states.count(State.FINE), "resource")
    text = f"{fine} of {count(len(organizations), 'organization')} polled on time, without an error."
    return _section("fine", "Everything is up to date", f"<p>{text}</p>")


def _section(kind: str, title: str, content: str) -> str:
    return f'<section class="verdict {kind}" aria-labelledby="verdict"><h2 id="verdict">{title}</h2>{content}</section>'


def _problem(problem: Problem, *, several_organizations: bool) -> str:
    where = "; ".join(
        (f"{name(organization)}: " if several_organizations else "") + ", ".join(map(name, resources))
        for organization, resources in problem.where[:_NAMED]
    )
    rest = len(problem.where) - _NAMED
    more = f"; and {count(rest, 'more organization')}" if rest > 0 else ""
    places = f'<p class="where">{where}{more}</p>' if where else ""
    advice = f'<p class="advice"><strong>What to do:</strong> {text_of(problem.advice)}</p>' if problem.advice else ""
    return f"<li>{badge(problem.state)} <strong>{text_of(problem.meaning)}</strong>{places}{advice}</li>"
