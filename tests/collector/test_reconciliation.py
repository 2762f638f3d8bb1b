"""The total of the costs, requested without grouping, against the sum of the exported series."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import httpx
import pytest
import structlog

from exporter.catalog import DAY, day_of
from exporter.collector import ClientMetrics, NoStore, Organization, Outcome, Poller
from exporter.openai import Throttle, inline
from exporter.telemetry import Telemetry
from tests.support.clock import ManualClock, run
from tests.support.organization_harness import metadata, running_organization
from tests.support.scripted_api import Api, bucket, client, cost, ok, page, plan, refusal
from tests.support.simulation import simulation

DIFFERENCE = "openai_exporter_reconciliation_difference_usd"


@dataclass
class Costs:
    """An Admin API with amounts of today by project, and a total that a test may set apart from them."""

    clock: ManualClock
    amounts: dict[str, str] = field(default_factory=lambda: {"proj_a": "0.1", "proj_b": "0.2"})
    missing: str = "0"
    """What the total has and the rows lack."""
    changes: Callable[[], None] = lambda: None
    """Called with every request for the total."""
    totals: int = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        grouped = bool(request.url.params.get_list("group_by[]"))
        if not grouped:
            self.totals += 1
            self.changes()
        total = sum(map(Decimal, self.amounts.values())) + Decimal(self.missing)
        rows = (
            [cost(amount, project_id=name) for name, amount in self.amounts.items()]
            if grouped
            else [cost(str(total), project_id=None, line_item=None)]
        )
        now = self.clock.now()
        days = range(int(request.url.params["start_time"]), int(now), DAY)
        return ok(page(*(bucket(day, *(rows if day == day_of(now) else [])) for day in days)))


@dataclass
class Compared:
    """An organization whose costs are compared with their total."""

    costs: Costs
    telemetry: Telemetry = field(default_factory=Telemetry)

    def __post_init__(self) -> None:
        clock = self.costs.clock
        self.organization = Organization(
            "acme",
            [plan("costs")],
            client=client(Api(self.costs), clock),
            throttle=Throttle(clock, 600),
            watch=ClientMetrics("acme", self.telemetry),
            clock=clock,
            telemetry=self.telemetry,
            run=inline,
            store=NoStore(),
            reconciliation_interval=DAY,
        )
        self._jobs = {job.name: job for job in self.organization.jobs}

    def poll(self, name: str) -> Outcome:
        """Poll a job."""
        clock = self.costs.clock
        clock.pass_by(1)
        poller = Poller("acme", self._jobs[name], clock, self.telemetry, lambda: None)
        return run(clock.run(poller.poll(clock.monotonic())))

    @property
    def difference(self) -> float | None:
        """What is exported."""
        return self.telemetry.registry.get_sample_value(DIFFERENCE, {"organization": "acme"})


def test_equal_sums_differ_by_nothing() -> None:
    """To the last digit, although 0.1 and 0.2 are no binary numbers; one request is enough."""
    compared = Compared(Costs(ManualClock()))

    assert Outcome.WAITING == compared.poll("reconciliation")
    assert (None, 0) == (compared.difference, compared.costs.totals)
    compared.poll("costs")

    assert Outcome.DATA == compared.poll("reconciliation")
    assert (0.0, 1) == (compared.difference, compared.costs.totals)


def test_a_believable_organization_reconciles() -> None:
    """The simulator's costs by project and line item are its total, exactly."""
    with simulation() as sim:

        async def story() -> None:
            async with running_organization(sim, metadata(), [plan("costs")], reconciliation_interval=DAY) as acme:
                await acme.poll("costs", "reconciliation")

                assert 0.0 == acme.telemetry.registry.get_sample_value(DIFFERENCE, {"organization": "acme"})

        run(story())


@pytest.mark.parametrize("missing", ["0.00000000000000000001", "-7.5"])
def test_a_difference_counts_when_the_next_full_sync_confirms_it(missing: str) -> None:
    """The exact amount is exported and logged, after two comparisons of the same outcome."""
    compared = Compared(Costs(ManualClock(), missing=missing))
    compared.poll("costs")

    assert (Outcome.WAITING, None) == (compared.poll("reconciliation"), compared.difference)
    assert Outcome.WAITING == compared.poll("reconciliation")
    compared.poll("costs")
    with structlog.testing.capture_logs() as logs:
        assert Outcome.DATA == compared.poll("reconciliation")

    assert (float(missing), 2) == (compared.difference, compared.costs.totals)
    assert ["reconciliation_difference"] == [entry["event"] for entry in logs if entry["log_level"] == "warning"]


def test_late_data_between_two_requests_is_no_difference() -> None:
    """Costs that arrive after the rows were read are in the rows of the next full sync."""
    costs = Costs(ManualClock())
    compared = Compared(costs)
    compared.poll("costs")

    def arrive() -> None:
        costs.amounts["proj_a"] = "5"

    costs.changes = arrive

    assert (Outcome.WAITING, None) == (compared.poll("reconciliation"), compared.difference)
    compared.poll("costs")

    assert (Outcome.DATA, 0.0) == (compared.poll("reconciliation"), compared.difference)


def test_costs_that_never_rest_are_left_for_the_next_day() -> None:
    """After five comparisons that all differ the last result stays, and nothing is requested until tomorrow."""
    costs = Costs(ManualClock())
    compared = Compared(costs)

    def arrive() -> None:
        costs.amounts["proj_a"] = str(costs.totals**2)

    costs.changes = arrive
    outcomes = []
    for _ in range(5):
        compared.poll("costs")
        outcomes.append(compared.poll("reconciliation"))

    assert [Outcome.WAITING] * 4 + [Outcome.DATA] == outcomes
    assert compared.difference is None


def test_a_failed_request_says_nothing() -> None:
    """The last result stays, and costs are not affected."""
    costs = Costs(ManualClock())
    compared = Compared(costs)
    compared.poll("costs")
    compared.poll("reconciliation")
    failing = Api(refusal(400))
    reconciliation = compared._jobs["reconciliation"]
    reconciliation._source = client(failing, costs.clock)  # type: ignore[attr-defined]
    compared.poll("costs")
    reconciliation._compared_at = float("-inf")  # type: ignore[attr-defined]

    assert Outcome.FAILED == compared.poll("reconciliation")
    assert 0.0 == compared.difference
    assert compared._jobs["costs"].status.up
