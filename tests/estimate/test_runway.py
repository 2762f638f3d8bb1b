"""How long prepaid credit and budgets last."""

from structlog.testing import capture_logs

from exporter.catalog import DAY, HOUR
from exporter.estimate import Funds, TopUp
from tests.support.estimation import MODEL, TODAY, Accounts

MILLION = 1_000_000
BALANCE = "openai_prepaid_balance_usd"
RUNWAY = "openai_prepaid_runway_days"
BUDGET = "openai_organization_budget_runway_days"
PROJECT_BUDGET = "openai_project_budget_runway_days"


def _spending(*top_ups: TopUp, monthly_usd: float | None = None, projects: dict[str, float] | None = None) -> Accounts:
    """Return an organization that spends 8 dollars on each of the last ten days, and has used as much today."""
    accounts = Accounts(funds=Funds(top_ups, monthly_usd, projects or {}))
    for day in range(1, 11):
        accounts.use(day, output_tokens=MILLION)
        accounts.pay(day, f"{MODEL}, output", "8", MILLION)
    accounts.use(0, output_tokens=MILLION)
    accounts.estimate()
    return accounts


def test_the_balance_is_what_was_bought_less_what_is_spent_since() -> None:
    """Costs of whole days since the first time count, and today's usage that is not billed yet."""
    accounts = _spending(TopUp(100, TODAY - 3 * DAY), TopUp(20, TODAY - DAY))

    assert {(): 120 - 3 * 8 - 8.0} == accounts.figures(BALANCE)
    assert {(): (120 - 32) / 8} == accounts.figures(RUNWAY)


def test_a_day_counts_from_the_time_of_the_balance() -> None:
    """Of the day on which the balance was read, the part after it counts; of today the part that has passed."""
    half_a_day = _spending(TopUp(100, TODAY - 12 * HOUR))
    today = _spending(TopUp(100, TODAY + 6 * HOUR))

    assert {(): 100 - 4 - 8.0} == half_a_day.figures(BALANCE)
    assert {(): 100 - 4.0} == today.figures(BALANCE)


def test_credit_that_is_bought_later_does_not_count_yet() -> None:
    """A top-up in the future is no balance."""
    assert {} == _spending(TopUp(100, TODAY + 5 * DAY)).figures(BALANCE)


def test_a_balance_before_the_first_known_costs_is_not_guessed() -> None:
    """Costs that are no longer kept cannot be subtracted: there is no balance, and the log says once what to do."""
    with capture_logs() as logs:
        accounts = _spending(TopUp(100, TODAY - 40 * DAY))
        accounts.use(0, output_tokens=MILLION)
        accounts.estimate()

    assert {} == accounts.figures(BALANCE)
    assert ["prepaid_before_lookback"] == [entry["event"] for entry in logs]


def test_spent_credit_lasts_no_day() -> None:
    """A balance below zero is shown as it is, and its runway is 0."""
    accounts = _spending(TopUp(10, TODAY - 3 * DAY))

    assert {(): 10 - 32.0} == accounts.figures(BALANCE)
    assert {(): 0.0} == accounts.figures(RUNWAY)


def test_what_nothing_is_spent_of_has_no_end() -> None:
    """Without costs in the last week there is a balance and no runway."""
    accounts = Accounts(funds=Funds((TopUp(100, TODAY - DAY),)))
    accounts.pay(20, f"{MODEL}, output", "8", MILLION)
    accounts.estimate()

    assert {(): 100.0} == accounts.figures(BALANCE)
    assert {} == accounts.figures(RUNWAY)


def test_budgets_last_at_the_pace_of_the_last_week() -> None:
    """What the month has left is divided by a day's costs, for the organization and for each project with a budget."""
    accounts = _spending(monthly_usd=120, projects={"p": 96, "idle": 10})

    assert {(): (120 - 11 * 8) / 8} == accounts.figures(BUDGET)
    assert {("p",): (96 - 11 * 8) / 8} == accounts.figures(PROJECT_BUDGET)


def test_without_settings_nothing_is_said() -> None:
    """No prepaid credit, no budget: no series."""
    accounts = _spending()

    assert [{}] * 4 == [accounts.figures(name) for name in (BALANCE, RUNWAY, BUDGET, PROJECT_BUDGET)]
