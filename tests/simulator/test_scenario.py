"""Late data, corrections and spikes: what was reported changes, and everything still agrees."""

from collections import Counter
from decimal import Decimal

import pytest

from exporter.catalog import CATALOG, HOUR
from exporter.simulator import Shape
from tests.support.simulation import DAY, NOW, TODAY, Json, Simulation, simulation

REQUESTS = "num_model_requests"


def count(running: Simulation, path: str = "usage/completions", field: str = REQUESTS, **parameters: Json) -> int:
    """Return the sum of a field over a page."""
    return sum(row[field] for row in running.rows(path, **{"start_time": TODAY} | parameters))


def money(running: Simulation, **filters: Json) -> Decimal:
    """Return the reported costs of today and the two days before, exactly."""
    rows = running.simulator.scenario.truth("costs", ["project_id", "line_item"], since=TODAY - 2 * DAY)
    return sum(
        (
            Decimal(row["values"]["amount"])
            for row in rows
            if all(row["dimensions"].get(name, row.get(name)) == value for name, value in filters.items())
        ),
        Decimal(0),
    )


def test_usage_by_hand_lands_in_its_bucket(still: Simulation) -> None:
    """Values added at a time appear in its minute, hour and day, with consistent sums."""
    still.simulator.scenario.add_usage(
        "completions",
        {"input_tokens": 100, "input_cached_tokens": 30, "output_tokens": 7, REQUESTS: 2},
        {"project_id": 0, "model": "gpt-by-hand", "batch": False},
        time=TODAY + HOUR + 61,
    )
    ask = {"start_time": TODAY, "group_by": ["project_id", "model", "batch"], "limit": 100}
    found = {
        width: still.rows("usage/completions", **ask | {"bucket_width": width, "limit": limit})
        for width, limit in (("1d", 1), ("1h", 24), ("1m", 1440))
    }
    project = still.simulator.tenants[0].organization.projects[0].id

    assert {"1d": [TODAY], "1h": [TODAY + HOUR], "1m": [TODAY + HOUR + 60]} == {
        width: [row["start_time"] for row in rows] for width, rows in found.items()
    }
    assert 1 == len({tuple(list(row.items())[1:]) for rows in found.values() for row in rows})
    assert {
        "input_tokens": 100,
        "input_cached_tokens": 30,
        "input_cached_text_tokens": 30,
        "input_uncached_tokens": 70,
        "input_text_tokens": 70,
        "output_tokens": 7,
        "output_text_tokens": 7,
        REQUESTS: 2,
        "project_id": project,
        "model": "gpt-by-hand",
        "batch": False,
    }.items() <= found["1d"][0].items()


def test_every_resource_takes_figures_by_hand(still: Simulation) -> None:
    """For each resource an added value is reported, and removed again it is gone."""
    scenario = still.simulator.scenario
    for row in CATALOG:
        if row.name != "costs":
            field = row.measures[0].field
            scenario.add_usage(row.name, {field: 5}, {"project_id": 1})

            assert 5 == count(still, row.path, field)
            scenario.add_usage(row.name, {field: -5}, {"project_id": 1})
            assert [] == still.rows(row.path, start_time=TODAY)


def test_costs_by_hand_are_exact(still: Simulation) -> None:
    """Amounts are decimals to the picodollar, in any currency, negative ones too."""
    scenario = still.simulator.scenario
    line: dict[str, Json] = {"project_id": 0, "line_item": "gpt-by-hand, input"}
    scenario.add_usage("costs", {"amount": "0.000000000001", "quantity": "1.5"}, line)
    scenario.add_usage("costs", {"amount": "-12.50"}, line | {"line_item": "credit"})
    scenario.add_usage("costs", {"amount": 3}, line, currency="eur")
    scenario.add_usage("costs", {"amount": 4}, line, currency=None)
    body = still.get("organization/costs", start_time=TODAY, group_by=["line_item"]).text

    assert '"amount":{"value":0.000000000001,"currency":"usd"}' in body
    assert '"quantity":1.5' in body
    assert '"amount":{"value":-12.5,"currency":"usd"}' in body
    assert '"amount":{"value":3,"currency":"eur"}' in body
    assert '"amount":{"value":4,"currency":null}' in body
    with pytest.raises(ValueError, match="finer than one part"):
        scenario.add_usage("costs", {"amount": "0.0000000000001"}, line)


def test_figures_can_arrive_later(still: Simulation) -> None:
    """A change scheduled for later is visible from then on only."""
    still.simulator.scenario.add_usage("embeddings", {REQUESTS: 4}, time=TODAY - DAY, visible_in=90)
    seen = []
    for _ in range(3):
        seen.append(count(still, "usage/embeddings", start_time=TODAY - DAY))
        still.clock.pass_by(60)

    assert [0, 0, 4] == seen


def test_mistakes_by_hand_are_named(still: Simulation) -> None:
    """An unknown field, dimension, project or resource is refused by name."""
    scenario = still.simulator.scenario
    with pytest.raises(ValueError, match="no field images"):
        scenario.add_usage("completions", {"images": 1})
    with pytest.raises(ValueError, match="vector_stores has no dimension model"):
        scenario.add_usage("vector_stores", {"usage_bytes": 1}, {"model": "x"})
    with pytest.raises(ValueError, match="no project 'nobody'"):
        scenario.spike(2, "nobody")
    with pytest.raises(KeyError, match="no resource 'chats'"):
        scenario.add_usage("chats", {})


def test_usage_is_visible_after_its_delay() -> None:
    """With a delay of ten minutes the data is that of ten minutes ago."""
    with simulation() as prompt, simulation(delays={"completions": 600}) as delayed:
        then = count(prompt)
        delayed.clock.pass_by(600)
        prompt.clock.pass_by(600)
        now = count(prompt)

        assert then == count(delayed)
        assert now > then


def test_a_closed_day_fills_up_after_midnight() -> None:
    """With late data yesterday's bucket grows until the delay is over."""
    with simulation(now=TODAY + 30, delays={"*": 300, "costs": 600}, shape=Shape(activity=10)) as running:
        usage, costs = [], []
        for _ in range(12):
            usage.append(count(running, start_time=TODAY - DAY, end_time=TODAY))
            costs.append(money(running, start_time=TODAY - DAY))
            running.clock.pass_by(60)

    assert sorted(set(usage)) == usage[:6]
    assert 1 == len(set(usage[5:]))
    assert sorted(set(costs)) == costs[:11]


def test_a_growing_delay_takes_nothing_back(fresh: Simulation) -> None:
    """When the delay becomes longer, values stay the same until it has passed, and then grow."""
    seen = [count(fresh)]
    fresh.simulator.scenario.delay("*", 600)
    for _ in range(3):
        seen.append(count(fresh))
        fresh.clock.pass_by(400)

    assert seen[0] == seen[1] == seen[2] < seen[3]


def test_a_share_of_usage_can_be_later_still() -> None:
    """Some streams are reported on time and others only after an hour; in the end all are."""
    with simulation() as prompt:
        everything = count(prompt, start_time=TODAY - DAY, end_time=TODAY)
    with simulation(now=TODAY + 1) as running:
        running.clock.pass_by(-DAY)
        running.simulator.scenario.delay("completions", 0, late_percent=40, late_seconds=HOUR)
        running.clock.pass_by(DAY)
        early = count(running, start_time=TODAY - DAY, end_time=TODAY)
        running.clock.pass_by(HOUR)
        late = count(running, start_time=TODAY - DAY, end_time=TODAY)

    assert 0.3 * everything < early < everything == late


@pytest.mark.parametrize("percent", [-30, -100, 20, 100])
def test_a_closed_bucket_is_revised_everywhere(fresh: Simulation, percent: int) -> None:
    """A revision appears in days, hours, minutes and every grouping alike."""
    span: dict[str, Json] = {"start_time": TODAY - DAY, "end_time": TODAY}
    before = count(fresh, **span)
    others = count(fresh, start_time=TODAY - 2 * DAY, end_time=TODAY - DAY)
    fresh.simulator.scenario.revise("completions", percent, time=TODAY - 1)
    views: list[dict[str, Json]] = [
        {},
        {"bucket_width": "1h", "limit": 24},
        {"bucket_width": "1m", "limit": 1440},
        {"group_by": ["project_id", "model", "api_key_id"]},
    ]
    after = {count(fresh, **span | view) for view in views}

    assert [pytest.approx(before * (1 + percent / 100), rel=0.02)] == list(after)
    assert others == count(fresh, start_time=TODAY - 2 * DAY, end_time=TODAY - DAY)


def test_revisions_follow_each_other_and_never_go_below_zero(fresh: Simulation) -> None:
    """A second downward revision continues where the first ended; an empty bucket stays empty."""
    ask: dict[str, Json] = {"start_time": TODAY - DAY, "end_time": TODAY, "group_by": ["model", "project_id"]}
    seen = [count(fresh, **ask)]
    for _ in range(4):
        fresh.simulator.scenario.revise("completions", -50, time=TODAY - 1)
        seen.append(count(fresh, **ask))

    assert seen[0] > seen[1] > seen[2]
    assert 0 <= seen[-1] < seen[0] / 8
    assert all(row[REQUESTS] >= 0 for row in fresh.rows("usage/completions", **ask))


def test_a_revision_can_be_of_one_project_one_hour_and_later(fresh: Simulation) -> None:
    """Only matching usage is revised, and only from the given time on."""
    hour = TODAY + 10 * HOUR
    ask = {"start_time": TODAY, "bucket_width": "1h", "group_by": ["project_id"]}
    project = fresh.simulator.scenario.project("checkout-assistant").id
    fresh.simulator.scenario.revise(
        "completions", -50, time=hour + 5, width="1h", dimensions={"project_id": 0}, visible_in=60
    )
    before = fresh.rows("usage/completions", **ask)
    fresh.clock.pass_by(60)
    after = fresh.rows("usage/completions", **ask)
    changed = [
        (one["start_time"], one["project_id"])
        for one, other in zip(before, after, strict=False)
        if one != other and one["start_time"] < TODAY + 15 * HOUR
    ]

    assert [(hour, project)] == changed


def test_today_can_be_revised_down(fresh: Simulation) -> None:
    """The open bucket loses a part of its usage and continues to grow."""
    before = count(fresh)
    fresh.simulator.scenario.revise("completions", -20)
    revised = count(fresh)
    fresh.clock.pass_by(1800)

    assert pytest.approx(before * 0.8, rel=0.02) == revised
    assert revised < count(fresh)


def test_stored_bytes_are_revised(fresh: Simulation) -> None:
    """A level is revised in its bucket only."""
    days = {"start_time": TODAY - DAY}
    before = [row["usage_bytes"] for row in fresh.rows("usage/vector_stores", **days)]
    fresh.simulator.scenario.revise("vector_stores", -50, time=TODAY - DAY)
    after = [row["usage_bytes"] for row in fresh.rows("usage/vector_stores", **days)]

    assert [pytest.approx(before[0] / 2), before[1]] == after


def test_costs_are_revised_exactly(fresh: Simulation) -> None:
    """A closed day's costs go down and up again; response and truth agree to the last digit."""
    seen = [money(fresh)]
    for percent in (-5, 10):
        fresh.simulator.scenario.revise("costs", percent, time=TODAY - DAY)
        seen.append(money(fresh))
    shown = fresh.get("organization/costs", start_time=TODAY - 2 * DAY, group_by=["line_item", "project_id"]).text

    assert seen[1] < seen[0] < seen[2]
    for row in fresh.simulator.scenario.truth("costs", ["line_item", "project_id"], since=TODAY - 2 * DAY):
        assert f'"value":{row["values"]["amount"]},' in shown


@pytest.mark.parametrize("percent", [100.0, 40.0])
def test_cost_moves_between_line_items(fresh: Simulation, percent: float) -> None:
    """One line item loses what another gains; the total stays."""
    source, target = "gpt-5.6-sol, input", "gpt-5.6-sol, corrected input"
    before = money(fresh, line_item=source)
    total = money(fresh)
    fresh.simulator.scenario.move_cost(source, target, time=TODAY - DAY, percent=percent)
    moved = money(fresh, line_item=target)

    assert total == money(fresh)
    assert before - moved == money(fresh, line_item=source)
    assert moved > 0
    assert (money(fresh, line_item=source, start_time=TODAY - DAY) == 0) is (percent == 100)


def test_a_request_spike_multiplies_what_comes_and_changes_nothing_before(fresh: Simulation) -> None:
    """A project sends ten times as many requests until the spike ends."""
    scenario = fresh.simulator.scenario

    def step() -> Counter[str]:
        before = count_by_project()
        fresh.clock.pass_by(600)
        return count_by_project() - before

    def count_by_project() -> Counter[str]:
        rows = fresh.rows("usage/embeddings", start_time=TODAY, group_by=["project_id"])
        return Counter({row["project_id"]: row[REQUESTS] for row in rows})

    one, two = scenario.project(0).id, scenario.project(1).id
    usual = step()
    at_once = count_by_project()
    scenario.spike(10, 0)
    assert at_once == count_by_project()
    spiking = step()
    scenario.spike(1, 0)
    calm = step()

    assert spiking[one] == pytest.approx(10 * usual[one], rel=0.2)
    assert spiking[two] == pytest.approx(usual[two], rel=0.4)
    assert calm[one] == pytest.approx(usual[one], rel=0.4)


def test_a_spend_spike_makes_dearer_what_comes(fresh: Simulation) -> None:
    """A project pays five times the price from now on; usage and earlier costs stay."""
    scenario = fresh.simulator.scenario
    with simulation() as usual:
        costs = [(money(usual), money(fresh))]
        scenario.spend_spike(5, 0)
        costs.append((money(usual), money(fresh)))
        for running in (usual, fresh):
            running.clock.pass_by(600)
        costs.append((money(usual), money(fresh)))
        scenario.spend_spike(1, 0)
        for running in (usual, fresh):
            running.clock.pass_by(600)
        costs.append((money(usual), money(fresh)))
        excess = [dearer - plain for plain, dearer in costs]

        assert count(usual) == count(fresh)
        assert [0, 0] == excess[:2]
        assert 0 < excess[2]
        assert excess[3] == pytest.approx(excess[2])


def test_quiet_lets_figures_stand_still(fresh: Simulation) -> None:
    """While it is quiet there is no usage; afterwards usage continues, without a jump."""
    scenario = fresh.simulator.scenario
    scenario.quiet()
    before = count(fresh), money(fresh, line_item="gpt-5.6-sol, input")
    fresh.clock.pass_by(3600)
    during = count(fresh), money(fresh, line_item="gpt-5.6-sol, input")
    scenario.quiet(on=False)
    after = count(fresh)
    fresh.clock.pass_by(600)

    assert before == during
    assert before[0] == after < count(fresh)


def test_an_idle_organization_has_no_usage(still: Simulation) -> None:
    """With no activity every endpoint answers with empty buckets."""
    assert [] == [row for each in CATALOG for row in still.rows(each.path, start_time=TODAY - DAY)]
    assert still.simulator.now() == NOW
