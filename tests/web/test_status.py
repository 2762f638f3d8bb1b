"""The status page: what it says, and that nothing on it is more than text."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Final

import pytest

from exporter.exposition.snapshot import ModelUse, OrganizationReport, ResourceReport, Snapshot, Spend
from exporter.web.status import CONTENT_SECURITY_POLICY, status_page
from tests.support.reports import HOSTILE, organization, resource, spend, troubled
from tests.support.site import NOON, Site, raw, serving

_VOID: Final = {"meta", "link"}


class _Page(HTMLParser):
    """Reads a page, and fails where elements do not close in the order in which they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
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
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

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
    """Every figure carries the exact value behind its rounded words, days and all."""
    costs = spend()
    figures = _page(organization(spend=costs, models=())).figures()

    expected = [costs.today, costs.yesterday, costs.week, costs.month]
    expected += [amount for _, amount in reversed(costs.daily)]
    expected += [amount for _, amount in costs.line_items]
    assert expected == figures


def test_what_is_wrong_comes_first() -> None:
    """The worst trouble is named first, with where it is and what to do; what is only unsupported is none."""
    page = _page(troubled())

    text = page.text
    order = ("3 things need attention", "403: the key lacks the scope", "no successful poll", "Some past days", "acme")
    assert sorted(text.index(words) for words in order) == [text.index(words) for words in order]
    assert "What to do: Make an admin key with that scope" in text
    assert "not offered here" in text
    assert "not polled yet" in text
    assert "Paused until 12:01:35 UTC , for another 1 min." in text


def test_one_cause_is_one_trouble() -> None:
    """What every resource of many organizations says in the same words is said once."""
    broken = tuple(resource(name, up=False, error="401: wrong key.") for name in ("costs", "images"))
    text = _page(*(organization(f"team-{number}", resources=broken) for number in range(9))).text

    assert "1 thing needs attention" in text
    assert "team-0 : costs , images ; team-1" in text
    assert "and 4 more organizations" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"up": False}, "failing The last poll failed."),
        ({"last_success": NOON - 301}, "late There has been no successful poll for some time."),
        ({"degraded": ("organization_changed",)}, "degraded The key now belongs to another organization"),
        ({"degraded": ("group_by_refused",)}, "degraded The API refuses to group this by everything"),
        ({"degraded": ("brand_new",)}, "degraded Degraded: brand new."),
    ],
)
def test_every_trouble_has_words(changes: dict[str, object], words: str) -> None:
    """Also where the snapshot brings none of its own."""
    assert words in _page(organization(resources=(resource("completions", **changes),))).text


def test_a_slow_cadence_is_not_late() -> None:
    """Late is what has missed several of its own intervals."""
    text = _page(organization(resources=(resource(last_success=NOON - 9000, interval=3600.0),))).text

    assert "Everything is up to date" in text


def test_nothing_yet() -> None:
    """Before the first polls the page says that there is no data, and invents none."""
    for organizations in ((), (OrganizationReport("default", (ResourceReport("costs"),)),)):
        page = _page(*organizations, published=0.0)
        assert "The first polls are under way: there is no data yet." in page.text
        assert [] == page.figures()
        assert "published" not in page.text


def test_half_of_it() -> None:
    """While some resources are not polled yet, the page counts those that are."""
    text = _page(organization(resources=(resource("costs"), ResourceReport("images")))).text

    assert "1 resource of 2 polled so far, none with an error." in text


def test_unknown_amounts_are_words() -> None:
    """What cannot be told yet is not shown as zero."""
    text = _page(organization(spend=Spend(today=1.5))).text

    assert "$1.50" in text
    assert 3 == text.count("not known yet")
    assert "No daily costs have been reported yet." in text


def test_many_organizations() -> None:
    """Two hundred are a table with a sum, every one with a part of its own behind a link."""
    organizations = [organization(f"team-{number}", 1 / (number + 1)) for number in range(200)]
    page = _page(*organizations)

    links = [link["href"] for link in page.all("a") if (link["href"] or "").startswith("#")]
    targets = {f"#{each['id']}" for _, each in page.elements if "id" in each}
    assert 200 == len(links) == len(targets.intersection(links))
    total = sum(each.spend.month or 0 for each in organizations if each.spend)
    assert total == pytest.approx(page.figures()[200 * 4 + 3])


def test_the_sum_of_nothing_known_is_not_zero() -> None:
    """With no organization's spend known, the sum is not known either."""
    page = _page(organization("a", spend=None), organization("b", spend=None))

    assert 12 == page.words.count("not known yet")


def test_hostile_names_stay_text() -> None:
    """Names of organizations, items, models, and the words of errors, cannot become markup."""
    costs = Spend(today=1.0, line_items=((HOSTILE, 1.0),))
    broken = resource(HOSTILE, up=False, error=HOSTILE, advice=HOSTILE, degraded=(HOSTILE,))
    report = organization(HOSTILE, spend=costs, models=(ModelUse(HOSTILE, 1, 1),))
    page = _page(report, organization("other", resources=(broken,)))

    assert [] == page.all("script") == page.all("img")
    assert {"svg", "rect", "bdi"} <= {name for name, _ in page.elements}
    assert not any(key.startswith("on") or key == "style" for _, each in page.elements for key in each)
    assert '<script>alert("x")</script>' in page.text
    assert not re.search("[\u202e\x00]", page.text)


def test_readers_that_do_not_see() -> None:
    """One first heading, headings in order, every table with scoped heads, the chart with words and a table."""
    page = _page(troubled(), organization("other"))

    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch("h[1-6]", name)]
    assert (1, [1]) == (levels.count(1), levels[:1])
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert {"row", "col"} == {each.get("scope") for each in page.all("th")}
    pictures = [each for each in page.all("svg") if "aria-hidden" not in each]
    assert {"img"} == {each["role"] for each in pictures}
    assert all((each["aria-label"] or "").startswith("Daily spend from 20 Sep to 20 Nov") for each in pictures)
    assert "en" == page.all("html")[0]["lang"]


def test_nothing_is_fetched_and_nothing_runs() -> None:
    """The policy that goes with the page allows the page's own style, by its hash, and an icon in the page."""
    with serving(Site(snapshot=Snapshot(organizations=(organization(),)))) as site:
        head, _, body = raw(site, b"GET / HTTP/1.0\r\n\r\n").decode().partition("\r\n\r\n")

    style = re.search("<style>(.*)</style>", body, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"content-security-policy: {CONTENT_SECURITY_POLICY}" in head
    assert CONTENT_SECURITY_POLICY.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;")
    assert ["data"] == [str(link["href"]).partition(":")[0] for link in _Page(body).all("link")]
    assert not re.search(r"url\(|@import|http-equiv", body)
