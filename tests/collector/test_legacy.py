"""Keys that the Admin API refuses, and what the legacy billing endpoints of the simulator give instead."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from exporter.catalog import QUANTA, Plan
from exporter.collector.bucket_job import BucketJob
from exporter.ledger import Ledger
from exporter.simulator import Policy, keys
from exporter.store import Entry, Store
from tests.support.clock import run
from tests.support.organization_harness import OrganizationHarness, metadata, running_organization
from tests.support.scripted_api import plan
from tests.support.simulation import TODAY, Simulation, simulation

ANSWERING = Policy(legacy="answer")
COSTS = replace(plan("costs"), lookback_days=5, interval=300.0)
COMPLETIONS = replace(plan("completions", group_by=["model", "batch", "project_id"]), lookback_days=4)


def _ledger(acme: OrganizationHarness, name: str) -> Ledger:
    return next(bucket_job.ledger for bucket_job in acme.organization.bucket_jobs if bucket_job.name == name)


def _by(acme: OrganizationHarness, name: str, measure: int, label: str) -> dict[str, float]:
    ledger = _ledger(acme, name)
    found = ledger.gauges.by_label(ledger.plan.measures[measure], label, 0, TODAY + 86400)
    return {key: value for key, value in found.items() if value}


def _truth(sim: Simulation, name: str, field: str, label: str, days: int) -> dict[str, float]:
    rows = sim.simulator.scenario.truth(name, [label], since=TODAY - (days - 1) * 86400)
    sums: dict[str, float] = {}
    for row in rows:
        key = str(row["dimensions"][label])
        sums[key] = sums.get(key, 0.0) + float(row["values"][field])
    return {key: value for key, value in sums.items() if value}


def test_costs_come_from_daily_billing() -> None:
    """Cents become dollars, names become line items, and missing values are unknown."""
    with simulation(policy=ANSWERING) as sim:

        async def story() -> None:
            async with running_organization(sim, metadata(), [COSTS], key=keys.ORDINARY) as acme:
                status = await acme.poll("costs")

                assert (True, {"legacy"}) == (status.up, status.degraded)
                assert _truth(sim, "costs", "amount", "line_item", 5) == pytest.approx(
                    _by(acme, "costs", 0, "line_item"), rel=1e-12
                )
                assert {"unknown"} == set(_by(acme, "costs", 0, "project_id"))

        run(story())


def test_money_is_exact_to_the_last_digit() -> None:
    """A tenth of a cent is exact, without binary rounding."""
    with simulation(policy=ANSWERING) as sim:
        sim.simulator.scenario.quiet()
        tiny = {"amount": "0.001"}
        sim.simulator.scenario.add_usage("costs", tiny, {"line_item": "tiny"}, time=TODAY - 3 * 86400)

        async def story() -> None:
            async with running_organization(sim, metadata(), [COSTS], key=keys.ORDINARY) as acme:
                await acme.poll("costs")
                store = _ledger(acme, "costs").stores[0]
                index = next(index for index, labels in enumerate(store.rows.sets) if "tiny" in labels)

                assert QUANTA // 1000 == store.column(0, [TODAY - 3 * 86400])[index]

        run(story())


@pytest.mark.parametrize("number", ["1E400", "1E999999999", "1E99999999999999999999", '"1E999999999"', '"many"'])
@pytest.mark.parametrize("field", ["cost", "timestamp"])
def test_a_number_out_of_range_costs_its_line_item_alone(field: str, number: str) -> None:
    """The other line items and days of the answer count."""
    day = TODAY - 86400
    odd = {"cost": "50", "timestamp": str(day), field: number}
    body = """{"daily_costs":[{"timestamp":%d,"line_items":[{"name":"a","cost":150.0}]},
        {"timestamp":%s,"line_items":[{"name":"b","cost":%s},{"name":"c","cost":250.0}]}]}"""
    with simulation(policy=ANSWERING) as sim:
        given = body % (day, odd["timestamp"], odd["cost"])
        sim.simulator.faults.add("status", path="billing", status=200, body="text", message=given)

        async def story() -> None:
            async with running_organization(sim, metadata(), [COSTS], key=keys.ORDINARY) as acme:
                assert (await acme.poll("costs")).up
                assert ({"a": 1.5, "c": 2.5} if field == "cost" else {"a": 1.5}) == _by(acme, "costs", 0, "line_item")

        run(story())


def test_usage_comes_from_the_lists_of_a_day() -> None:
    """Every resource that the lists have is read from one answer for each day."""
    with simulation(policy=ANSWERING) as sim:
        embeddings = replace(plan("embeddings"), lookback_days=4)

        async def story() -> None:
            async with running_organization(sim, metadata(), [COMPLETIONS, embeddings], key=keys.ORDINARY) as acme:
                status = await acme.poll("completions", "embeddings")

                assert status.up
                for measure, field in ((0, "input_tokens"), (1, "output_tokens"), (5, "num_model_requests")):
                    for label in ("model", "project_id"):
                        assert _truth(sim, "completions", field, label, 4) == _by(acme, "completions", measure, label)
                assert {"true", "false"} == set(_by(acme, "completions", 5, "batch"))
                assert {"usage": 4, "organization/usage/completions": 1, "organization/usage/embeddings": 1} == Counter(
                    acme.asked()
                )

        run(story())


def test_a_resource_that_no_list_has_stays_refused() -> None:
    """A resource that the legacy endpoints lack reports the missing scope."""
    with simulation(policy=ANSWERING) as sim:

        async def story() -> None:
            async with running_organization(sim, metadata(), [plan("vector_stores")], key=keys.USAGE_ONLY) as acme:
                acme.key.text = keys.MANAGEMENT_ONLY
                status = await acme.poll("vector_stores")

                assert (False, set()) == (status.up, status.degraded)
                assert "api.usage.read" in status.advice

        run(story())


@pytest.mark.parametrize(("name", "words"), [("costs", "only browsers (a session key)"), ("completions", "nothing")])
def test_a_refusal_of_the_legacy_endpoints_is_explained(name: str, words: str) -> None:
    """The session-key refusal, and lists that are always empty, publish nothing and name the way out, once."""
    with simulation() as sim:
        plans = [replace(COSTS, lookback_days=5), COMPLETIONS, replace(plan("embeddings"), lookback_days=4)]

        async def story() -> None:
            async with running_organization(sim, metadata(), plans, key=keys.ORDINARY) as acme:
                with structlog.testing.capture_logs() as logs:
                    status = await acme.poll("embeddings", "costs", name)

                assert (False, set(), 0) == (status.up, status.degraded, _ledger(acme, name).series)
                assert words in status.error
                assert "api.usage.read" in status.error
                assert "sk-admin-" in status.advice
                assert "Admin keys" in status.advice
                assert 1 == sum(entry["event"] == "fallback_unavailable" for entry in logs)
                asked = len(acme.asked())
                status = await acme.poll(name)

                assert asked + 1 == len(acme.asked())

        run(story())


def _restless(acme: OrganizationHarness) -> int:
    return len([path for path in acme.asked() if path.startswith("organization/")])


def test_the_admin_api_is_tried_again_and_wins_for_good() -> None:
    """It is probed at the interval of refusals; its first response resets the counters; it is not left again."""
    with simulation(policy=ANSWERING) as sim:

        async def story() -> None:
            async with running_organization(sim, metadata(), [COSTS], key=keys.ORDINARY) as acme:
                for _ in range(10):
                    await acme.poll("costs")
                    sim.clock.pass_by(300)

                assert 1 == _restless(acme)
                await acme.poll("costs")

                assert 2 == _restless(acme)
                acme.key.text = keys.FULL
                sim.clock.pass_by(3000)
                status = await acme.poll("costs")

                assert (True, set()) == (status.up, status.degraded)
                assert "unknown" not in _by(acme, "costs", 0, "project_id")
                assert 0 == _ledger(acme, "costs").stores[0].counters["cost_usd"].accrued.sum()
                acme.key.text = keys.ORDINARY
                status = await acme.poll("costs")

                assert (False, set()) == (status.up, status.degraded)

        run(story())


def _kept(store: Store, acme: OrganizationHarness) -> None:
    store.save([Entry("acme", bucket_job.ledger) for bucket_job in acme.organization.bucket_jobs], {"acme": ""})


@pytest.mark.parametrize("first", [keys.FULL, keys.ORDINARY])
def test_the_state_remembers_who_answered(tmp_path: Path, first: str) -> None:
    """After a restart the legacy endpoints are still used, and for the same resources only."""
    with simulation(policy=ANSWERING) as sim:
        store = Store(tmp_path / "state.db")

        async def story() -> None:
            async with running_organization(sim, metadata(), [COSTS], key=first, store=store) as acme:
                await acme.poll("costs")
                _kept(store, acme)
            async with running_organization(sim, metadata(), [COSTS], key=keys.ORDINARY, store=store) as acme:
                status = await acme.poll("costs")

                assert (first == keys.ORDINARY) == status.up

        run(story())
        store.close()


def test_folding_opens_no_way_back(tmp_path: Path) -> None:
    """After a restart with more label sets than are kept, a key without the scope gets nothing instead."""
    with simulation(policy=ANSWERING) as sim:
        store = Store(tmp_path / "state.db")
        narrow = replace(COSTS, max_series=1)

        async def story() -> None:
            async with running_organization(sim, metadata(), [narrow], key=keys.FULL, store=store) as acme:
                await acme.poll("costs")
                _kept(store, acme)
            async with running_organization(sim, metadata(), [narrow], key=keys.ORDINARY, store=store) as acme:
                before = _by(acme, "costs", 0, "line_item")
                status = await acme.poll("costs")

                assert 0 < _ledger(acme, "costs").folded
                assert (False, set()) == (status.up, status.degraded)
                assert before == _by(acme, "costs", 0, "line_item")

        run(story())
        store.close()


@pytest.mark.parametrize(
    "of",
    [
        plan("costs", filters=[("project_ids", "proj_a")]),
        plan("completions", filters=[("models", "gpt-5.5")]),
        plan("completions", width="1h"),
    ],
)
def test_unsupported_groupings_and_filters_do_not_fall_back(of: Plan) -> None:
    """They know neither filters nor hours."""
    with simulation(policy=ANSWERING) as sim:

        async def story() -> None:
            async with running_organization(sim, metadata(), [of], key=keys.ORDINARY) as acme:
                status = await acme.poll(of.resource.name)

                assert (False, set()) == (status.up, status.degraded)
                assert 1 == len(acme.asked())

        run(story())


def test_failures_that_pass_are_only_failures() -> None:
    """A legacy endpoint that is down for a moment is asked again soon, and is not called closed."""
    with simulation(policy=ANSWERING) as sim:
        sim.simulator.faults.add("server_error", path="billing", count=4)

        async def story() -> None:
            async with running_organization(sim, metadata(), [COSTS], key=keys.ORDINARY) as acme:
                assert not (await acme.poll("costs")).up
                assert (await acme.poll("costs")).up

        run(story())


@pytest.mark.parametrize(("status", "up"), [(404, False), (400, False)])
def test_endpoints_that_are_gone_are_closed(status: int, up: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """Whatever the refusal, the advice is an admin key."""
    with simulation(policy=ANSWERING) as sim:
        sim.simulator.faults.add("status", path="billing", status=status, message="gone")

        async def story() -> None:
            async with running_organization(sim, metadata(), [COSTS], key=keys.ORDINARY) as acme:
                found = await acme.poll("costs")

                assert (up, "refuse it as well (gone)") == (
                    found.up,
                    found.error[found.error.index("refuse it") :][:24],
                )

        run(story())


@pytest.mark.parametrize("organization_id", ["", "org-none", None])
def test_the_warning_has_the_title(organization_id: str | None) -> None:
    """One line says what an ordinary key costs, and of which organization, as far as that can be had."""
    with simulation(policy=ANSWERING) as sim:
        organization = sim.simulator.tenants[0].organization
        given = organization.id if organization_id is None else organization_id

        async def story() -> None:
            async with running_organization(sim, metadata(), [COSTS], key=keys.ORDINARY, organization_id=given) as acme:
                with structlog.testing.capture_logs() as logs:
                    await acme.poll("costs", "costs")
                logged = [entry for entry in logs if entry["event"] == "fallback_active"]

                assert [organization.name if organization_id is None else None] == [
                    each.get("title") for each in logged
                ]

        run(story())


def test_credit_is_exported_in_dollars() -> None:
    """Granted, used and available, until they are stale."""
    with simulation(policy=ANSWERING) as sim:

        async def story() -> None:
            async with running_organization(sim, metadata("credit_grants", stale_after=600), key=keys.ORDINARY) as acme:
                assert [] == acme.series("openai_credit_granted_usd")
                assert (await acme.poll("credit_grants")).up
                granted, used, available = (
                    acme.series(f"openai_credit_{each}_usd")[0][1] for each in ("granted", "used", "available")
                )

                assert granted == 100_000.0
                assert used > 0
                assert granted - used == pytest.approx(available)
                sim.clock.pass_by(600)

                assert [] == acme.series("openai_credit_used_usd")

        run(story())


def test_credit_that_needs_a_browser_session_is_reported() -> None:
    """The session-key refusal is no fault of the operator's."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, metadata("credit_grants"), key=keys.ORDINARY) as acme:
                status = await acme.poll("credit_grants")

                assert not status.up
                assert "browser" in status.advice

        run(story())


def test_mirrors_know_nothing_of_it() -> None:
    """Rows of both sources come through the same reader, so that a ledger treats them alike."""
    assert "legacy" not in Path(BucketJob.__module__.replace(".", "/") + ".py").read_text()
