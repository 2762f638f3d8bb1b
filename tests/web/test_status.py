"""The status page: its content, and that names on it are text only."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import Final

import pytest

from exporter.exposition import (
    Bounds,
    DegradedReason,
    EstimateReport,
    ModelUse,
    OrganizationReport,
    ProjectSpend,
    ResourceReport,
    Snapshot,
    Spend,
)
from exporter.web.api import status_json
from exporter.web.problems import DEGRADED
from exporter.web.status import CONTENT_SECURITY_POLICY, status_page
from tests.support.reports import HOSTILE, organization, resource, spend, troubled
from tests.support.site import NOON, Site, raw, serving

_VOID: Final = {"br", "link", "meta"}


class _Page(HTMLParser):
    """Reads a page, and fails where elements do not close in the order in which they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in {"style", "script"}:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def figures(self) -> list[float]:
        return [float(each["value"] or "nan") for each in self.all("data")]


def _page(*organizations: OrganizationReport, published: float = NOON - 4) -> _Page:
    return _Page(status_page(Snapshot(organizations=organizations, published=published), version="1.2.3", now=NOON))


def test_all_is_well() -> None:
    """With nothing wrong the page says so first, then what was spent."""
    text = _page(organization()).text

    assert (
        text.index("OpenAI usage exporter 1.2.3") < text.index("Everything is up to date") < text.index("Today so far")
    )
    assert "12 resources of 1 organization polled on time, without an error." in text
    assert "As of 12:00:00 UTC , published 4 s ago" in text
    assert "What to do" not in text


def test_the_figures_are_exact() -> None:
    """Every rounded figure has its exact value for programs."""
    costs = replace(spend(), projects=())
    figures = _page(organization(spend=costs, models=(), estimate=None)).figures()

    expected = [costs.today, costs.yesterday, costs.week, costs.change]
    expected += [costs.month, costs.projected_month, costs.previous_month]
    expected += [amount for _, amount in reversed(costs.daily)]
    expected += [amount for _, amount in costs.line_items]
    assert expected == figures


def test_what_is_wrong_comes_first() -> None:
    """The worst problem is named first, with its resource and advice; an unsupported resource is no problem."""
    page = _page(troubled())

    text = page.text
    order = ("3 problems", "403: the key lacks the scope", "no successful poll", "Some past days", "acme")
    assert sorted(map(text.index, order)) == list(map(text.index, order))
    assert "What to do: Make an admin key with that scope" in text
    assert "not available" in text
    assert "not polled yet" in text
    assert "Paused until 12:01:35 UTC , for another 1 min." in text


def test_one_cause_is_one_problem() -> None:
    """The same text from every resource of many organizations is shown once."""
    broken = tuple(resource(name, up=False, error="401: wrong key.") for name in ("costs", "images"))
    text = _page(*(organization(f"team-{number}", resources=broken) for number in range(9))).text

    assert "1 problem" in text
    assert "team-0 : costs , images ; team-1" in text
    assert "and 4 more organizations" in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"up": False}, "failing The last poll failed."),
        ({"last_success": NOON - 301}, "late There has been no successful poll for some time."),
    ],
)
def test_every_failure_has_text(changes: dict[str, object], expected: str) -> None:
    """Also where the poll gave no reason."""
    assert expected in _page(organization(resources=(resource("completions", **changes),))).text


def test_a_slow_cadence_is_not_late() -> None:
    """A resource is late after several of its intervals."""
    text = _page(organization(resources=(resource(last_success=NOON - 9000, interval=3600.0),))).text

    assert "Everything is up to date" in text


def test_nothing_yet() -> None:
    """Before the first polls the page says that there is no data."""
    for organizations in ((), (OrganizationReport("default", (ResourceReport("costs"),)),)):
        page = _page(*organizations, published=0.0)
        assert "The first polls are in progress: there is no data yet." in page.text
        assert [] == page.figures()
        assert "published" not in page.text


def test_half_of_it() -> None:
    """While some resources are not polled yet, the page counts those that are."""
    text = _page(organization(resources=(resource("costs"), ResourceReport("images")))).text

    assert "1 resource of 2 polled so far, without an error." in text


def test_unknown_amounts_are_not_zero() -> None:
    """An unknown amount is named so."""
    text = _page(organization(spend=Spend(today=1.5), estimate=None)).text

    assert "$1.50" in text
    assert 5 == text.count("not known yet")
    assert "No daily costs have been reported yet." in text


def test_many_organizations() -> None:
    """Twenty are a table with a sum and a section behind every link."""
    organizations = [organization(f"team-{number}", 1 / (number + 1)) for number in range(20)]
    page = _page(*organizations)

    links = [link["href"] for link in page.all("a") if (link["href"] or "").startswith("#")]
    targets = {f"#{each['id']}" for _, each in page.elements if "id" in each}
    assert 20 == len(links) == len(targets.intersection(links))
    total = sum(each.spend.month or 0 for each in organizations if each.spend)
    assert total == pytest.approx(page.figures()[20 * 7 + 3])


def test_very_many_organizations() -> None:
    """Two hundred are a table with a link to a page for each, and the page has only that organization."""
    names = [f"team {number} & <co>" for number in range(200)]
    snapshot = Snapshot(organizations=tuple(organization(name) for name in names))
    with serving(Site(snapshot=snapshot)) as site:
        whole = raw(site, b"GET / HTTP/1.0\r\n\r\n").decode().partition("\r\n\r\n")[2]
        links = [link["href"] or "" for link in _Page(whole).all("a") if "organization=" in (link["href"] or "")]
        target = links[7].removeprefix(".").encode()
        one = raw(site, b"GET %b HTTP/1.0\r\n\r\n" % target).decode().partition("\r\n\r\n")[2]
        missing = raw(site, b"GET /?organization=nobody HTTP/1.0\r\n\r\n").decode()

    assert (200, 200) == (len(links), len(set(links)))
    assert len(whole) < 300_000
    assert ["team 7 & <co>"] == [name for name in names if f"{name} up to date" in _Page(one).text]
    assert "All organizations" in _Page(one).text
    assert missing.startswith("HTTP/1.1 404")


def test_projects_have_names() -> None:
    """Projects have names, and ids where names repeat, and every amount with the estimate next to today's."""
    listed = (
        ProjectSpend(
            id="proj_1",
            name="Search",
            today=1.0,
            yesterday=2.0,
            month=30.0,
            projected_month=60.0,
            previous_month=50.0,
            change=-4.0,
            change_ratio=-0.25,
            estimated_today=1.75,
        ),
        ProjectSpend(id="proj_2", name="Search", month=20.0),
        ProjectSpend(id="proj_3", month=1.0, status="archived"),
        ProjectSpend(id="unknown", month=0.5),
    )
    text = _page(organization(spend=replace(spend(), projects=listed))).text

    assert "Search proj_1 $1.00 \N{ALMOST EQUAL TO} $1.75 $2.00 $30.00 $60.00 $50.00" in text
    assert "\N{MINUS SIGN}$4.00 (\N{MINUS SIGN}25 %)" in text
    assert "Search proj_2" in text
    assert "proj_3 archived" in text
    assert "No project in OpenAI's data" in text


def test_budgets_and_limits_are_bars_with_what_is_left() -> None:
    """A bar says what is left or over, the share used, and a projection beyond the bound."""
    costs = Spend(month=75.0, projected_month=120.0)

    def text(bounds: Bounds) -> str:
        return _page(organization(spend=replace(costs, bounds=bounds), estimate=None)).text

    assert "Budget: $25.00 left of $100.00 (75 % used) · projected: 120 %" in text(Bounds(budget=100.0))
    assert "Budget: $25.00 over of $50.00 (150 % used)" in text(Bounds(budget=50.0))
    assert "Budget: $75.00 over of $0.00" in text(Bounds(budget=0.0))
    limited = text(Bounds(limit=1000.0, limit_enforced=True))
    assert (
        "OpenAI's spend limit: $925.00 left of $1,000 (7.5 % used) · projected: 12 % · requests beyond it are refused"
        in limited
    )
    assert "projected: 120 % · lasts about 12 days (estimate)" in text(Bounds(budget=100.0, budget_runway_days=12.2))
    assert "lasts" not in text(Bounds(budget=500.0, budget_runway_days=12.2))


@pytest.mark.parametrize(
    ("limit", "thresholds", "text", "marks"),
    [
        (1000.0, (500.0, 800.0), "not enforced · alerts at $500.00 and $800.00", ["49.7", "79.7"]),
        (1000.0, (2000.0,), "not enforced · alerts at $2,000", []),
        (
            None,
            (50.0, 100.0),
            "OpenAI sends alerts at $50.00 and $100.00 a month: $25.00 left to the next",
            ["49.7", "99.7"],
        ),
        (None, (50.0,), "OpenAI sends alerts at $50.00 a month: all were reached this month", ["99.7"]),
    ],
)
def test_alerts_are_marked(limit: float | None, thresholds: tuple[float, ...], text: str, marks: list[str]) -> None:
    """OpenAI's spend alerts are marks on the bar of its limit, or have a bar where there is no limit."""
    bounds = Bounds(limit=limit, alert_thresholds=thresholds)
    page = _page(organization(spend=Spend(month=75.0, bounds=bounds), estimate=None))

    assert text in page.text
    assert marks == [each["x"] for each in page.all("rect") if each["class"] == "mark"]


def test_estimates_are_marked() -> None:
    """Every estimated amount is inside an element that is marked, with a sign and a sentence in text."""
    estimate = EstimateReport(today=41.25, coverage_ratio=0.5, prepaid_balance=99.0, prepaid_runway_days=3.0)
    html = status_page(
        Snapshot(organizations=(organization(spend=Spend(today=1.0), estimate=estimate),)), version="1", now=NOON
    )

    marked = re.findall('<span class="estimate">\N{ALMOST EQUAL TO}\N{NO-BREAK SPACE}<data value="([0-9.]+)"', html)
    assert ["41.25", "99.0"] == marked
    assert (1, 1) == (html.count('value="41.25"'), html.count('value="99.0"'))
    assert "Estimate, not reported by OpenAI; 50\N{NO-BREAK SPACE}% of the requests have a price" in html
    assert "it lasts about 3 days (estimate)" in html


@pytest.mark.parametrize("reason", DegradedReason)
def test_every_reason_is_explained(reason: DegradedReason) -> None:
    """The page says what each reason of a degraded resource means and what to do."""
    text = _page(organization(resources=(resource("completions", degraded=(reason,)),))).text

    explanation = DEGRADED[reason]
    assert explanation.meaning in text
    assert explanation.advice in text


def test_every_reason_is_a_problem_unless_the_host_lacks_the_endpoint() -> None:
    """A degraded resource needs attention; an endpoint that does not exist does not."""
    titles = {
        reason: "1 problem" in _page(organization(resources=(resource(degraded=(reason,)),))).text
        for reason in DegradedReason
    }

    assert {reason: reason is not DegradedReason.UNSUPPORTED for reason in DegradedReason} == titles


def test_resources_are_folded_while_all_is_well() -> None:
    """The table of an organization with a problem is open."""
    page = _page(organization(), troubled())

    assert {"resources-1": False, "resources-2": True} == {
        each["id"]: "open" in each for each in page.all("details") if (each["id"] or "").startswith("resources-")
    }


def test_series_are_not_zero_where_a_resource_works() -> None:
    """Without a series the page says none, or that the number does not apply."""
    rows = (
        resource("projects", series=7),
        resource("spend_limit", series=0),
        resource("reconciliation", series=None),
        resource("users", series=0, last_success=None),
    )
    text = _page(organization(resources=rows)).text

    cells = [
        re.search(rf"{row.name} .*? 1 min ([a-z0-9 ]+?)(?= spend_limit| reconciliation| users| Days)", text)
        for row in rows
    ]
    assert ["7", "none", "does not apply", "none yet"] == [cell[1] if cell else "" for cell in cells]


def test_the_sum_of_nothing_known_is_not_zero() -> None:
    """Where no organization has known costs, the total is not known."""
    page = _page(organization("a", spend=None, estimate=None), organization("b", spend=None, estimate=None))

    assert 18 == page.texts.count("not known yet")


def test_hostile_names_stay_text() -> None:
    """Names of organizations, projects, items and models, and texts of errors, cannot become markup."""
    costs = Spend(today=1.0, line_items=((HOSTILE, 1.0),), projects=(ProjectSpend(id=HOSTILE, name=HOSTILE),))
    broken = resource(HOSTILE, up=False, error=HOSTILE, advice=HOSTILE)
    report = organization(HOSTILE, spend=costs, models=(ModelUse(HOSTILE, 1, 1),))
    page = _page(report, organization("other", resources=(broken,)))

    assert (1, []) == (len(page.all("script")), page.all("img"))
    assert {"svg", "rect", "bdi"} <= {name for name, _ in page.elements}
    assert not any(key.startswith("on") or key == "style" for _, each in page.elements for key in each)
    assert '<script>alert("x")</script>' in page.text
    assert not re.search("[\u202e\x00]", page.text)


def test_screen_readers() -> None:
    """One first heading, headings in order, tables with captions and scopes, the chart with a label and a table."""
    page = _page(troubled(), organization("other"))

    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch("h[1-6]", name)]
    assert (1, [1]) == (levels.count(1), levels[:1])
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert {"row", "col"} == {each.get("scope") for each in page.all("th")}
    assert len(page.all("table")) == len(page.all("caption"))
    regions = [each for each in page.all("div") if each.get("role") == "region"]
    assert regions
    assert all(each.get("tabindex") == "0" and ("aria-label" in each or "aria-labelledby" in each) for each in regions)
    pictures = [each for each in page.all("svg") if "aria-hidden" not in each]
    assert {"img"} == {each["role"] for each in pictures}
    assert all((each["aria-label"] or "").startswith("Daily costs from 20 Sep to 20 Nov") for each in pictures)
    assert "en" == page.all("html")[0]["lang"]


def test_nothing_comes_from_elsewhere() -> None:
    """The policy allows the page's style and script by hash, requests to this server, and an inline icon."""
    with serving(Site(snapshot=Snapshot(organizations=(organization(),)))) as site:
        head, _, body = raw(site, b"GET / HTTP/1.0\r\n\r\n").decode().partition("\r\n\r\n")

    def digest(tag: str) -> str:
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", body, re.DOTALL)
        return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

    assert f"content-security-policy: {CONTENT_SECURITY_POLICY}" in head
    assert CONTENT_SECURITY_POLICY.startswith(
        f"default-src 'none'; style-src '{digest('style')}'; script-src '{digest('script')}'; connect-src 'self'; "
        "img-src data:;"
    )
    assert ["data"] == [str(link["href"]).partition(":")[0] for link in _Page(body).all("link")]
    assert not re.search(r"url\(|@import|http-equiv", body)


def test_a_state_that_cannot_be_written_is_a_problem() -> None:
    """The page and the JSON say that counters do not rise."""
    snapshot = Snapshot(organizations=(organization(),), state_writable=False)
    text = _Page(status_page(snapshot, version="1", now=NOON)).text

    assert "1 problem failing The state file cannot be written: counters do not rise" in text
    assert "failing" == json.loads(status_json(snapshot, version="1", now=NOON))["state"]


def test_a_partial_total_is_marked() -> None:
    """A total says that it is partial where an organization's amount is not known."""
    complete = organization("a", spend=Spend(today=1.0, month=2.0), estimate=None)
    text = _page(complete, organization("b", spend=Spend(month=3.0), estimate=None)).text

    assert "Total $1.00 partial not known yet not known yet $5.00 not known yet" in text
