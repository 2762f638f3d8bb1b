"""The status page for programs: JSON and CSV."""

import base64
import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import bcrypt
import pytest

from exporter.catalog import DAY, day_of
from exporter.exposition import DegradedReason, ProjectSpend, Snapshot, Spend
from exporter.web.api import COSTS_COLUMNS, costs_csv, status_json
from exporter.web.problems import DEGRADED
from tests.support.reports import HOSTILE, organization, resource, spend, troubled
from tests.support.site import NOON, Site, raw, serving

_TODAY: Final = day_of(NOON)
_DOCUMENT: Final = Path(__file__).parents[2] / "docs/status-page.md"


def _status(*organizations: Any) -> Any:  # noqa: ANN401 - JSON
    snapshot = Snapshot(organizations=organizations, published=NOON - 4, ready=True)
    return json.loads(status_json(snapshot, version="1.2.3", now=NOON))


def _rows(spend_: Spend) -> list[list[str]]:
    return list(csv.reader(costs_csv(Snapshot(organizations=(organization(spend=spend_),)), now=NOON).splitlines()))


def _keys(value: Any) -> set[str]:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


def test_json_has_the_figures_of_the_page() -> None:
    """Amounts are exact, reported and estimated ones are apart, and budgets say what is left."""
    costs = spend()
    (answer,) = _status(organization(spend=costs))["organizations"]

    assert [costs.today, costs.month, costs.projected_month, costs.previous_month, costs.change] == [
        answer["costs_usd"][key]
        for key in ("today", "month", "projected_month", "previous_month", "change_7_full_days")
    ]
    assert {"today_usd": 141.5, "coverage_ratio": 0.98, "prepaid_balance_usd": 1250.0, "prepaid_runway_days": 8.6} == (
        answer["estimate"]
    )
    assert 4000.0 - (costs.month or 0) == answer["budget"]["left_usd"]
    assert (2500.0, True) == (answer["spend_limit"]["monthly_usd"], answer["spend_limit"]["enforced"])
    assert [each.name or None for each in costs.projects] == [each["project_name"] for each in answer["projects"]]
    assert {"date": "2025-11-20", "cost_usd": costs.today, "day_complete": False} == answer["daily"][-1]


def test_json_has_the_problems_and_the_total() -> None:
    """State, problems and total cover all organizations; unknown amounts are null."""
    answer = _status(troubled(), organization("other", spend=None, estimate=None))

    assert ("failing", ["failing", "late", "degraded"]) == (
        answer["state"],
        [each["state"] for each in answer["problems"]],
    )
    assert [{"organization": "acme", "resources": ["costs"]}] == answer["problems"][0]["where"]
    assert (spend().month, ["other"]) == (
        answer["total"]["costs_usd"]["month"],
        answer["total"]["organizations_without_costs"],
    )
    assert (None, None, []) == tuple(answer["organizations"][1][key] for key in ("costs_usd", "estimate", "projects"))


@pytest.mark.parametrize("reason", DegradedReason)
def test_json_explains_every_reason(reason: DegradedReason) -> None:
    """Each reason comes with its meaning and advice."""
    (answer,) = _status(organization(resources=(resource(degraded=(reason,)),)))["organizations"]

    expected = {"reason": reason.value, "meaning": DEGRADED[reason].meaning, "advice": DEGRADED[reason].advice}
    assert [expected] == answer["resources"][0]["degraded"]


def test_json_is_valid_whatever_the_figures() -> None:
    """A figure that is not finite is null."""
    (answer,) = _status(organization(spend=Spend(today=float("nan"), month=float("inf"))))["organizations"]

    assert (None, None) == (answer["costs_usd"]["today"], answer["costs_usd"]["month"])


def test_csv_adds_up_to_the_daily_costs() -> None:
    """There is a row for each day and project with costs; only today is incomplete."""
    costs = spend()
    head, *rows = _rows(costs)

    assert list(COSTS_COLUMNS) == head
    days: dict[str, float] = {}
    for _, date, _, _, cost, _ in rows:
        days[date] = days.get(date, 0.0) + float(cost)
    assert list(days.values()) == pytest.approx([amount for _, amount in costs.daily])
    assert {"2025-11-20"} == {row[1] for row in rows if row[5] == "false"}
    assert len(costs.projects) * len(costs.daily) == len(rows)


def test_csv_without_projects_has_the_total_of_each_day() -> None:
    """Where costs are not grouped by project, a row is a day."""
    daily = ((_TODAY - DAY, 2.5), (_TODAY, 0.0))

    assert [["acme", "2025-11-19", "", "", "2.5", "true"]] == _rows(Spend(daily=daily))[1:]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", HOSTILE, 'a "b", c'])
def test_names_are_text_in_spreadsheets(name: str) -> None:
    """No name begins a formula, and quoting keeps every name in its cell."""
    project = ProjectSpend(id="proj_1", name=name, daily=(1.0,))
    (row,) = _rows(replace(Spend(daily=((_TODAY, 1.0),)), projects=(project,)))[1:]

    assert len(COSTS_COLUMNS) == len(row)
    assert row[3] in {name, f"'{name}"}
    assert not row[3].startswith(("=", "+", "-", "@", "\t"))


def test_the_password_of_the_page_guards_them(tmp_path: Path) -> None:
    """Without the password both answer 401, with it 200 and their content types."""
    config = tmp_path / "web.yml"
    config.write_text(f"basic_auth_users:\n  finance: {bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n")
    site = Site(snapshot=Snapshot(organizations=(organization(),)))
    allowed = b"Authorization: Basic " + base64.b64encode(b"finance:secret") + b"\r\n"
    with serving(site, web_config=config) as running:
        answers = {
            path: [raw(running, b"GET %b HTTP/1.0\r\n%b\r\n" % (path, header)).decode() for header in (b"", allowed)]
            for path in (b"/", b"/api/status", b"/api/costs.csv")
        }

    assert {("401", "200")} == {(refused[9:12], answer[9:12]) for refused, answer in answers.values()}
    assert "content-type: application/json" in answers[b"/api/status"][1]
    assert "content-type: text/csv" in answers[b"/api/costs.csv"][1]
    assert not any("acme" in refused for refused, _ in answers.values())


def test_one_organization_can_be_selected() -> None:
    """`?organization=` narrows JSON and CSV; an unknown name is not found."""
    snapshot = Snapshot(organizations=(organization("a b"), organization("c")))
    with serving(Site(snapshot=snapshot)) as site:
        document = raw(site, b"GET /api/status?organization=a%20b HTTP/1.0\r\n\r\n").decode()
        table = raw(site, b"GET /api/costs.csv?organization=c HTTP/1.0\r\n\r\n").decode()
        missing = raw(site, b"GET /api/status?organization=d HTTP/1.0\r\n\r\n").decode()

    names = [each["name"] for each in json.loads(document.partition("\r\n\r\n")[2])["organizations"]]
    assert ["a b"] == names
    assert {"c"} == {line.split(",")[0] for line in table.partition("\r\n\r\n")[2].split("\r\n")[1:] if line}
    assert missing.startswith("HTTP/1.1 404")


def test_every_key_and_column_and_reason_is_documented() -> None:
    """The reference of the status page names all of them, and no key that does not exist."""
    document = _DOCUMENT.read_text()
    documented = set(re.findall(r"^\| `([a-z0-9_]+)` \|", document, re.MULTILINE))
    rows = (resource(degraded=tuple(DegradedReason)), resource(up=False))
    keys = _keys(_status(organization(resources=rows)))

    assert (keys | set(COSTS_COLUMNS) | {reason.value for reason in DegradedReason}) == documented
    for explanation in DEGRADED.values():
        assert explanation.meaning in document
        assert explanation.advice in document
