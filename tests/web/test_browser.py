"""The status page in a real browser: its figures are those of a scrape, and names do nothing but stand there."""

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from exporter.catalog import CATALOG, DAY, window_name
from exporter.exposition.snapshot import OrganizationReport, Snapshot
from exporter.simulator import keys
from exporter.web.formatting import date
from tests.support.browser import Browser, browser
from tests.support.clock import ManualClock
from tests.support.exporter_harness import NOW, TODAY, Stage, run, simulated, stage
from tests.support.exposed import Exposed
from tests.support.reports import HOSTILE, organization, troubled
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
    spend: [...document.querySelectorAll("dt")].map(term => [term.textContent, ...exact(term.nextElementSibling)]),
    items: table("Top line items"),
    models: table("Top models"),
    days: table("The daily figures"),
    figures: document.querySelectorAll("data").length,
    names: [...document.querySelectorAll("bdi")].map(name => [name.textContent, name.childElementCount]),
    scripts: document.querySelectorAll("script, img, iframe, object, embed, [onerror]").length,
  };
})()"""
"""What stands on the page."""

_FAINT = """(() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => channels(colour).slice(0, 3)
    .map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
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
"""Elements with words that stand out less from what is behind them than WCAG's level AA wants."""


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


async def _seen(tab: Browser, exporter: Stage) -> tuple[dict[str, Any], Exposed]:
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
    """Return what a table of the page should say: names and figures, the largest first."""
    names = sorted((name for name, value in ranked.items() if value), key=lambda name: -ranked[name])[:10]
    return [[name, *(pytest.approx(figures[name]) for figures in (ranked, *others))] for name in names]


def _spend(scrape: Exposed) -> list[list[object]]:
    """Return what the tiles of the page should say; what a scrape does not have is not known."""
    windows = {"Yesterday": "yesterday", "Last 7 days": "7d", "This month": "month"}
    families: dict[str, tuple[str, dict[str, str]]] = {"Today so far": ("openai_cost_usd", {})}
    families |= {title: ("openai_window_cost_usd", {"window": window}) for title, window in windows.items()}
    return [
        [title, *([pytest.approx(scrape.sum(name, **labels))] if scrape.series(name, **labels) else [])]
        for title, (name, labels) in families.items()
    ]


def test_figures_are_those_of_a_scrape(tab: Browser) -> None:
    """Whatever the page says, /metrics says at the same time: before midnight, at once after it, and once polled."""
    environ = {"OPENAI_ADMIN_KEY": keys.FULL, "OPENAI_EXPORTER_WINDOWS__USAGE_MEASURES": "all"}
    midnight = TODAY + DAY

    async def watch() -> None:
        async with stage(clock=ManualClock(midnight - 60), environ=environ) as exporter:
            for moment in (midnight - 20, midnight + 2, midnight + 700):
                await exporter.advance_to(moment)
                page, scrape = await _seen(tab, exporter)
                costs = _summed(scrape, "line_item", "openai_window_cost_usd", window="7d")
                tokens = _summed(scrape, "model", *_windows(tokens=True), window="7d")
                requests = _summed(scrape, "model", *_windows(tokens=False), window="7d")

                assert _spend(scrape) == page["spend"]
                assert _largest(costs) == page["items"]
                assert _largest(tokens, requests) == page["models"]
                week = [date(moment - ago * DAY) for ago in range(7)]
                assert pytest.approx(sum(costs.values())) == sum(dict(page["days"]).get(day, 0) for day in week)
                assert len(page["days"]) > 60

    run(watch())


def test_hostile_names_stay_text(tab: Browser) -> None:
    """What a project, a line item and a model are called is what stands there, and nothing of it runs."""

    async def watch() -> None:
        clock = ManualClock(NOW)
        simulator = simulated(clock)
        scenario = simulator.scenario
        scenario.rename_project(0, NAME)
        scenario.add_usage("costs", {"amount": "5000.25"}, {"project_id": 0, "line_item": NAME}, time=TODAY)
        used = {"input_tokens": 10**12, "output_tokens": 7, "num_model_requests": 3}
        scenario.add_usage("completions", used, {"project_id": 0, "model": NAME, "batch": False}, time=TODAY)
        scenario.quiet()
        async with stage(simulator, clock) as exporter:
            page, scrape = await _seen(tab, exporter)

            assert NAME in {sample.labels["project_name"] for sample in scrape.samples("openai_project_info")}
            assert [NAME, 5000.25] == page["items"][0]
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
    """From a phone to a desk, by day and by night, nothing stands out at the side or fades into what is behind it."""
    site.snapshot = Snapshot(organizations=organizations, published=NOON)
    tab.open(f"http://127.0.0.1:{site.port}/", width=width, dark=dark)
    tab.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")

    assert [] == tab.complaints
    assert width == tab.evaluate("Math.max(document.documentElement.scrollWidth, innerWidth)")
    assert [] == tab.evaluate(_FAINT)
    assert ("rgb(15, 20, 19)" if dark else "rgb(246, 247, 246)") == tab.evaluate(
        "getComputedStyle(document.body).backgroundColor"
    )
