"""The status page in a real browser: figures, refresh, keyboard, accessibility tree, and every width and scheme."""

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from exporter.catalog import CATALOG, DAY, month_start, window_name
from exporter.exposition.snapshot import OrganizationReport, Snapshot
from exporter.simulator import keys
from exporter.web.formatting import date
from tests.support.browser import Browser, browser
from tests.support.clock import ManualClock
from tests.support.exporter_harness import NOW, TODAY, RunningExporter, run, running_exporter, simulated
from tests.support.exposed import Exposed
from tests.support.reports import HOSTILE, organization, spend, troubled
from tests.support.site import NOON, Site, serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium: apt-get install chromium"),
]

NAME = "<script>alert(1)</script>\"'&"

_READ = """(() => {
  const exact = element => [...element.querySelectorAll("data")].map(data => Number(data.value));
  const table = title => [...document.querySelectorAll("h3, summary")]
    .filter(head => head.textContent.startsWith(title))
    .flatMap(head => [...head.parentElement.querySelectorAll("tbody tr")])
    .map(row => [(row.querySelector("bdi, time") ?? row).textContent, ...exact(row)]);
  return {
    spend: [...document.querySelectorAll("dt")].map(term => [term.textContent, exact(term.nextElementSibling)[0]]),
    estimates: [...document.querySelectorAll("dd .estimate data")].map(data => Number(data.value)),
    projects: [...document.querySelectorAll(".projects tbody tr")]
      .map(row => [row.querySelector("bdi").textContent, exact(row.cells[3])[0]]),
    items: table("Top line items"),
    models: table("Top models"),
    days: table("Table of daily costs"),
    figures: document.querySelectorAll("data").length,
    names: [...document.querySelectorAll("bdi")].map(name => [name.textContent, name.childElementCount]),
    scripts: document.querySelectorAll("body script:not(:last-child), img, iframe, object, embed, [onerror]").length,
  };
})()"""
"""What the page shows."""

_FAINT = """(() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => channels(colour).slice(0, 3)
    .map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = element => {
    const colour = getComputedStyle(element).backgroundColor;
    return channels(colour)[3] === 0 && element.parentElement ? behind(element.parentElement) : colour;
  };
  return [...document.querySelectorAll("body *")]
    .filter(element => !element.closest("svg") && [...element.childNodes].some(node => node.nodeType === 3))
    .filter(element => {
      const [dim, bright] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => a - b);
      return (bright + 0.05) / (dim + 0.05) < 4.5;
    })
    .map(element => element.outerHTML);
})()"""
"""Elements whose text has less contrast than WCAG's level AA requires."""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Give one browser to all tests."""
    with browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Give one server to all tests, which exchange what it shows."""
    with serving() as running:
        yield running


async def _seen(tab: Browser, exporter: RunningExporter) -> tuple[dict[str, Any], Exposed]:
    """Return the page and a scrape of the same moment: time passes only when a test says so."""
    url = str(exporter.http.base_url)
    await asyncio.to_thread(tab.open, url)

    assert [url.rstrip("/") + "/"] == [address for address in tab.asked if not address.startswith("data:")]
    assert [] == tab.complaints
    return await asyncio.to_thread(tab.evaluate, _READ), await exporter.scrape()


def _summed(scrape: Exposed, label: str, *names: str, **labels: str) -> dict[str, float]:
    """Return the sums of families, by a label."""
    sums: dict[str, float] = {}
    for name in names:
        for sample in scrape.samples(name):
            if labels.items() <= sample.labels.items():
                sums[sample.labels[label]] = sums.get(sample.labels[label], 0.0) + sample.value
    return sums


def _windows(*, tokens: bool) -> list[str]:
    """Return the window families of a model's tokens, or of its requests."""
    return [
        window_name(measure)
        for row in CATALOG
        if "model" in row.group_by
        for measure in row.select()
        if (measure.field in {"input_tokens", "output_tokens"} if tokens else measure.requests)
    ]


def _largest(ranked: Mapping[str, float], *others: Mapping[str, float]) -> list[list[object]]:
    """Return what a table of the page should show: names and figures, the largest first."""
    names = sorted((name for name, value in ranked.items() if value), key=lambda name: -ranked[name])[:10]
    return [[name, *(pytest.approx(figures[name]) for figures in (ranked, *others))] for name in names]


def _spend(scrape: Exposed) -> list[list[object]]:
    """Return what the tiles of the page should show; what a scrape does not have is null."""
    windows = {"Yesterday": "yesterday", "Last 7 days": "7d", "This month": "month", "Last month": "previous_month"}
    families: dict[str, tuple[str, dict[str, str]]] = {"Today so far": ("openai_cost_usd", {})}
    families |= {title: ("openai_window_cost_usd", {"window": window}) for title, window in windows.items()}
    return [
        [title, pytest.approx(scrape.sum(name, **labels)) if scrape.series(name, **labels) else None]
        for title, (name, labels) in families.items()
    ]


def _projection(scrape: Exposed, moment: float) -> float:
    """Return the projected month as the recording rules calculate it."""
    month, week = (scrape.sum("openai_window_cost_usd", window=window) for window in ("month", "7d"))
    left = (month_start(moment, -1) - moment) / DAY
    return month + max(week - scrape.sum("openai_cost_usd"), 0.0) / 6 * left


def test_figures_are_those_of_a_scrape(tab: Browser) -> None:
    """The page shows what /metrics has: before midnight, right after it, and once polled."""
    environ = {"OPENAI_ADMIN_KEY": keys.FULL, "OPENAI_EXPORTER_WINDOWS__USAGE_MEASURES": "all"}
    midnight = TODAY + DAY

    async def watch() -> None:
        async with running_exporter(clock=ManualClock(midnight - 60), environ=environ) as exporter:
            for moment in (midnight - 20, midnight + 2, midnight + 700):
                await exporter.advance_to(moment)
                page, scrape = await _seen(tab, exporter)
                costs = _summed(scrape, "line_item", "openai_window_cost_usd", window="7d")
                tokens = _summed(scrape, "model", *_windows(tokens=True), window="7d")
                requests = _summed(scrape, "model", *_windows(tokens=False), window="7d")

                shown = dict(page["spend"])
                projected = shown.pop("Projected month")
                assert _spend(scrape) == [[title, usd] for title, usd in shown.items()]
                if scrape.series("openai_cost_usd"):
                    assert pytest.approx(_projection(scrape, moment), rel=0.01) == projected
                estimated = [pytest.approx(scrape.sum("openai_estimated_cost_usd"))]
                assert (estimated if scrape.series("openai_estimated_cost_usd") else []) == page["estimates"]
                assert _projects(scrape) == page["projects"]
                assert _largest(costs) == page["items"]
                assert _largest(tokens, requests) == page["models"]
                week = [date(moment - ago * DAY) for ago in range(7)]
                assert pytest.approx(sum(costs.values())) == sum(dict(page["days"]).get(day, 0) for day in week)
                assert len(page["days"]) > 60

    run(watch())


def _projects(scrape: Exposed) -> list[list[object]]:
    """Return names and this month's costs of the projects, the most expensive first."""
    names = {each.labels["project_id"]: each.labels["project_name"] for each in scrape.samples("openai_project_info")}
    month = _summed(scrape, "project_id", "openai_window_cost_usd", window="month")
    ranked = sorted(month, key=lambda project: (-month[project], project))
    return [[names.get(project, project), pytest.approx(month[project])] for project in ranked]


def test_hostile_names_stay_text(tab: Browser) -> None:
    """Names of projects, line items and models are shown as they are, and nothing of them runs."""

    async def watch() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock)
        scenario = simulator.scenario
        scenario.rename_project(0, NAME)
        scenario.add_usage("costs", {"amount": "5000.25"}, {"project_id": 0, "line_item": NAME}, time=TODAY)
        used = {"input_tokens": 10**12, "output_tokens": 7, "num_model_requests": 3}
        scenario.add_usage("completions", used, {"project_id": 0, "model": NAME, "batch": False}, time=TODAY)
        scenario.quiet()
        async with running_exporter(simulator, clock) as exporter:
            page, scrape = await _seen(tab, exporter)

            assert NAME in {sample.labels["project_name"] for sample in scrape.samples("openai_project_info")}
            assert [NAME, 5000.25] == page["items"][0]
            assert NAME in dict(page["projects"])
            assert [NAME, 10**12 + 7, 3] == page["models"][0]
            assert 0 == page["scripts"]

    run(watch())


PAGES = {
    "fine": (organization(),),
    "hostile": (organization(HOSTILE), organization(HOSTILE * 20)),
    "troubled": (troubled(), organization("other", 1e6)),
    "many": tuple(organization(f"team-{number}", 10.0**number) for number in range(12)),
}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("organizations", PAGES.values(), ids=PAGES)
def test_everything_can_be_read(
    tab: Browser,
    site: Site,
    organizations: tuple[OrganizationReport, ...],
    width: int,
    dark: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """From phone to desktop, light and dark, nothing overflows sideways and all text has enough contrast."""
    site.snapshot = Snapshot(organizations=organizations, published=NOON)
    tab.open(f"http://127.0.0.1:{site.port}/", width=width, dark=dark)
    tab.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")

    assert [] == tab.complaints
    assert width == tab.evaluate("Math.max(document.documentElement.scrollWidth, innerWidth)")
    assert [] == tab.evaluate(_FAINT)
    assert ("rgb(15, 20, 19)" if dark else "rgb(246, 247, 246)") == tab.evaluate(
        "getComputedStyle(document.body).backgroundColor"
    )


_READER = """(() => {
  document.getElementById("days-1").open = true;
  document.getElementById("projects-1").open = true;
  document.querySelector("#projects-1 summary").focus();
  getSelection().selectAllChildren(document.querySelector("footer p"));
  scrollTo(0, 700);
  window.marked = document.querySelector(".projects tbody tr");
  return scrollY;
})()"""
"""Opens details, focuses, selects, scrolls, and remembers an element."""

_PLACE = """(() => [
  [...document.querySelectorAll("details")].filter(details => details.open).map(details => details.id),
  document.activeElement.textContent,
  getSelection().toString().slice(0, 20),
  scrollY,
  window.marked.isConnected,
])()"""
"""What the reader opened, focused, selected and scrolled to, and whether the element is still there."""


def test_a_refresh_keeps_the_place(tab: Browser, site: Site) -> None:
    """New figures and problems appear without a reload; details, focus, selection and scroll position stay."""
    site.snapshot = Snapshot(organizations=(organization(),), published=NOON)
    tab.open(f"http://127.0.0.1:{site.port}/")
    top = tab.evaluate(_READER)
    before = tab.evaluate(_PLACE)
    site.snapshot = Snapshot(organizations=(organization(scale=2.0),), published=NOON)
    tab.evaluate("Date.now = (now => () => now() + 31000)(Date.now)")

    assert tab.wait_for(f'document.querySelector("dd data").value === "{spend(scale=2.0).today!r}"')
    assert 700 == top
    assert ["days-1", "projects-1"] == before[0]
    assert before == tab.evaluate(_PLACE)
    assert [] == tab.complaints


def test_a_refresh_that_fails_is_announced(tab: Browser, site: Site) -> None:
    """While the server does not answer with the page, a status line says that the figures are out of date."""
    site.snapshot = Snapshot(organizations=(organization(),), published=NOON)
    tab.open(f"http://127.0.0.1:{site.port}/?organization=acme")
    later = "Date.now = (now => () => now() + 31000)(Date.now)"
    site.snapshot = Snapshot(organizations=(organization("other"),), published=NOON)
    tab.evaluate(later)

    line = 'document.querySelector("#refresh[role=status]").textContent'
    assert tab.wait_for(f'{line}.startsWith("These figures are out of date: the exporter answers with status 404")')
    site.snapshot = Snapshot(organizations=(organization(),), published=NOON)
    tab.evaluate(later)
    assert tab.wait_for(f'{line} === ""')


def test_the_keyboard_reaches_everything(tab: Browser, site: Site) -> None:
    """Links, details and scrolling tables are reached with the tab key, in the order of the page, and visibly."""
    site.snapshot = Snapshot(organizations=(organization(),), published=NOON)
    tab.open(f"http://127.0.0.1:{site.port}/", width=390)
    reachable = tab.evaluate(
        "[...document.querySelectorAll('a, summary, [tabindex=\"0\"]')].filter(each => each.checkVisibility()).length"
    )
    seen = []
    for _ in range(reachable):
        tab.press("Tab")
        seen.append(
            tab.evaluate(
                "[document.activeElement.textContent.slice(0, 30), "
                "getComputedStyle(document.activeElement).outlineStyle]"
            )
        )

    assert reachable >= 8
    assert len({text for text, _ in seen}) == reachable
    assert {"solid"} == {outline for _, outline in seen}
    assert ["Metrics", "JSON", "Daily costs (CSV)", "Ready"] == [text for text, _ in seen[:4]]


@pytest.mark.parametrize("width", [390, 1280])
def test_a_screen_reader_finds_tables(tab: Browser, site: Site, width: int) -> None:
    """The accessibility tree has named tables with row and column headers, also where a phone shows cards."""
    site.snapshot = Snapshot(organizations=(organization(), organization("other")), published=NOON)
    tab.open(f"http://127.0.0.1:{site.port}/", width=width)
    nodes = tab.accessibility_tree()

    roles = [node["role"]["value"] for node in nodes if not node.get("ignored")]
    tables = {node["name"]["value"] for node in nodes if node["role"]["value"] == "table"}
    assert {"Costs of all organizations in US dollars", "Costs of each project in US dollars"} <= tables
    assert roles.count("rowheader") > 30
    assert roles.count("columnheader") > 20
    assert {"main", "banner", "contentinfo", "navigation", "status"} <= set(roles)
    assert "" not in {node["name"]["value"] for node in nodes if node["role"]["value"] in {"region", "image", "link"}}


def test_without_scripts_the_page_is_complete(tab: Browser, site: Site) -> None:
    """Where scripts are disabled all figures are there, and a sentence says how to get newer ones."""
    site.snapshot = Snapshot(organizations=(organization(),), published=NOON)
    with tab.without_scripts():
        tab.open(f"http://127.0.0.1:{site.port}/")
        text = tab.text()

    assert "Without JavaScript this page does not refresh: reload it." in text
    assert "$3,308" in text
