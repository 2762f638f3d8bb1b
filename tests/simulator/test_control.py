"""The simulator's own endpoints, for scripts in other processes."""

import pytest

from exporter.simulator import Simulator, keys
from exporter.simulator.control import ACTIONS, control
from exporter.simulator.request import Request
from tests.support.simulation import DAY, NOW, TODAY, Json, Simulation


def test_the_overview_lists_organizations_actions_and_faults(steady: Simulation) -> None:
    """Organizations, projects, scenario actions, faults, policy and the time are listed."""
    overview = steady.control("GET", "").json()

    assert ["Northwind Robotics", "Southgate Labs"] == [each["name"] for each in overview["organizations"]]
    assert (NOW, list(ACTIONS)) == (overview["now"], overview["scenario"])
    assert "rate_limited" in overview["faults"]
    assert "archived" in {project["status"] for project in overview["organizations"][0]["projects"]}


def test_scripts_act_and_read_the_truth(still: Simulation) -> None:
    """Posted usage is reported, and is part of the truth."""
    posted = still.control(
        "POST",
        "scenario/add_usage",
        name="costs",
        values={"amount": "1.25"},
        dimensions={"project_id": "media-lab", "line_item": "by hand"},
        time=TODAY - DAY,
    )
    truth = still.control("GET", f"truth?resource=costs&group_by=project_id,line_item&since={TODAY - 2 * DAY}")
    project = still.simulator.scenario.project("media-lab").id

    assert (200, {"result": None}) == (posted.status_code, posted.json())
    assert [
        {
            "start_time": TODAY - DAY,
            "dimensions": {"project_id": project, "line_item": "by hand", "currency": "usd"},
            "values": {"amount": "1.25", "quantity": "0"},
        }
    ] == truth.json()


def test_the_truth_has_widths_and_ends(still: Simulation) -> None:
    """Totals are available by the hour."""
    still.simulator.scenario.add_usage("images", {"images": 3}, time=TODAY + 7300)
    ask = f"truth?resource=images&width=1h&since={TODAY}&until={TODAY + 4 * 3600}"

    assert [(TODAY + 7200, 3)] == [
        (entry["start_time"], entry["values"]["images"]) for entry in still.control("GET", ask).json()
    ]


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_is_reached(fresh: Simulation, name: str) -> None:
    """Each action can be posted, for either organization."""
    arguments: dict[str, dict[str, Json]] = {
        "add_usage": {"name": "images", "values": {"images": 1}},
        "delay": {"name": "*", "seconds": 60},
        "revise": {"name": "costs", "percent": -10, "time": TODAY - 1},
        "move_cost": {"source": "Vector storage", "target": "elsewhere", "time": TODAY - 1},
        "spike": {"multiplier": 3, "project": 0},
        "spend_spike": {"multiplier": 3},
        "change_price": {"multiplier": 2, "model": "gpt-6-astra"},
        "set_allowance": {"line_item": "Vector storage", "quantity": 1},
        "launch_model": {"model": "gpt-7-nova"},
        "quiet": {"on": True},
        "set_spend_limit": {"cents": 1},
        "set_spend_alerts": {"cents": [1, 2]},
        "set_rate_limit": {"project": 0, "model": "m", "requests_per_minute": 1, "tokens_per_minute": 2},
        "add_project": {"name": "new"},
        "rename_project": {"project": 0, "name": "new"},
        "archive_project": {"project": 0},
        "delete_project": {"project": 0},
        "delete_api_key": {"key": "key_nobody"},
    }
    response = fresh.control("POST", f"scenario/{name}?organization=1", **arguments[name])

    assert 200 == response.status_code, response.text


def test_faults_are_switched_over_http(fresh: Simulation) -> None:
    """Faults are added with their options, listed with their hits, and cleared."""
    added = fresh.control("POST", "faults", kind="rate_limited", path="projects", count=5, retry_after=9).json()
    limited = fresh.get("organization/projects")
    (listed,) = fresh.control("GET", "faults").json()
    fresh.control("DELETE", "faults")

    assert ({"retry_after": 9}, 5) == (added["options"], added["count"])
    assert (429, "9", 1) == (limited.status_code, limited.headers["retry-after"], listed["hits"])
    assert 200 == fresh.get("organization/projects").status_code
    assert [] == fresh.control("GET", "faults").json()


def test_switches_are_set_over_http(fresh: Simulation) -> None:
    """The policy is read and changed."""
    before = fresh.control("GET", "policy").json()
    after = fresh.control("POST", "policy", scope_status=401, over_limit="clamp").json()

    assert {**before, "scope_status": 401, "over_limit": "clamp"} == after
    assert 401 == fresh.get("organization/projects", key=keys.USAGE_ONLY).status_code


def test_the_request_log_has_key_path_and_time(fresh: Simulation) -> None:
    """Time, path, query, kind of key and status of every request to the API; control requests are not among them."""
    fresh.get("organization/usage/images", start_time=TODAY)
    fresh.clock.pass_by(2.5)
    fresh.get("organization/projects", key=keys.USAGE_ONLY)
    fresh.get("organization/projects", key=None)
    log = fresh.control("GET", "requests").json()
    fresh.control("DELETE", "requests")

    assert [
        (NOW, "GET", "/v1/organization/usage/images", f"start_time={TODAY}", "full", 200),
        (NOW + 2.5, "GET", "/v1/organization/projects", "", "usage_only", 403),
        (NOW + 2.5, "GET", "/v1/organization/projects", "", "none", 401),
    ] == [tuple(line[name] for name in ("time", "method", "path", "query", "key", "status")) for line in log]
    assert [] == fresh.control("GET", "requests").json()


@pytest.mark.parametrize(
    ("method", "path", "content", "expected"),
    [
        ("GET", "nothing", {}, (404, "no endpoint GET /simulator/nothing")),
        ("POST", "scenario/burn", {}, (404, "no endpoint")),
        ("GET", "truth?resource=chats", {}, (400, "no resource")),
        ("GET", "truth?resource=costs&since=soon", {}, (400, "since")),
        ("GET", "truth?resource=costs&organization=7", {}, (400, "index")),
        ("POST", "faults", {"kind": "gremlins"}, (400, "no fault 'gremlins'")),
        ("POST", "policy", {"mercy": True}, (400, "no switch mercy")),
        ("POST", "scenario/spike", {"multiplier": 2, "project": "nobody"}, (400, "no project 'nobody'")),
        ("POST", "scenario/spike", {"volume": 11}, (400, "unexpected keyword")),
    ],
)
def test_mistakes_are_explained(
    steady: Simulation, method: str, path: str, content: dict[str, Json], expected: tuple[int, str]
) -> None:
    """An invalid request gets the reason."""
    response = steady.control(method, path, **content)
    status, message = expected

    assert status == response.status_code
    assert message in response.json()["error"]


def test_a_body_that_is_no_json_is_refused(steady: Simulation) -> None:
    """A body has to be JSON."""
    response = steady.http.post(steady.url.replace("/v1", "/simulator/faults"), content=b"{kind: nan}")

    assert 400 == response.status_code


def test_browsers_do_not_control(steady: Simulation) -> None:
    """A request from a web page is refused."""
    response = steady.http.get(steady.url.replace("/v1", "/simulator"), headers={"Origin": "http://127.0.0.1"})

    assert 403 == response.status_code


@pytest.mark.parametrize(("client", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 403), ("", 403)])
def test_only_this_machine_controls(client: str, status: int) -> None:
    """The control API accepts loopback addresses only."""
    assert status == control(Simulator(1), Request("GET", "/simulator", "", {}, client=client)).status
