"""What a day is estimated to cost so far."""

import pytest

from tests.support.estimation import MODEL, TODAY, Accounts

MILLION = 1_000_000
OURS = ("p", MODEL)


def test_usage_that_is_not_billed_yet_costs_what_was_last_paid() -> None:
    """Tokens without a cost are valued by direction, cached or not, at the prices of the last complete days."""
    accounts = Accounts()
    accounts.history()
    accounts.use(
        0, input_tokens=3 * MILLION, input_cached_tokens=MILLION, output_tokens=MILLION // 2, num_model_requests=1
    )

    assert {OURS: 2 * 2 + 0.5 + 4} == accounts.estimate()
    assert 1.0 == accounts.estimator.coverage


def test_what_is_billed_is_not_valued_again() -> None:
    """Of usage that is partly billed only the rest is added to what was reported."""
    accounts = Accounts()
    accounts.history()
    accounts.use(0, input_tokens=3 * MILLION, output_tokens=MILLION)
    accounts.pay(0, f"{MODEL}, input", "4", 2 * MILLION)

    assert {OURS: 4 + 2 + 8} == accounts.estimate()


def test_without_quantities_money_says_what_is_billed() -> None:
    """Costs without `quantity` are compared with the value of the usage."""
    accounts = Accounts()
    for day in range(2, 8):
        accounts.use(day, input_tokens=MILLION, output_tokens=MILLION)
        accounts.pay(day, f"{MODEL}, input", "2")
        accounts.pay(day, f"{MODEL}, output", "8")
    accounts.pay(1, f"{MODEL}, input", "0.01")
    accounts.use(0, input_tokens=2 * MILLION, output_tokens=MILLION)
    accounts.pay(0, f"{MODEL}, output", "5")

    assert {OURS: 4 + 8} == accounts.estimate()


def test_a_price_changed_today_holds_for_the_rest_of_the_day() -> None:
    """The newest price that was paid values what is not billed yet."""
    accounts = Accounts()
    accounts.history()
    accounts.use(0, input_tokens=2 * MILLION)
    accounts.pay(0, f"{MODEL}, input", "3", MILLION)

    assert {OURS: 3 + 3} == accounts.estimate()


def test_batch_jobs_have_their_discount() -> None:
    """Usage in batches costs what batches were billed at; a model that never ran in a batch gets others' discount."""
    accounts = Accounts()
    accounts.history()
    other = {"model": "gpt-4o"}
    for day in range(2, 6):
        accounts.use(day, labels=other, input_tokens=MILLION)
        accounts.use(day, labels=other | {"batch": "true"}, input_tokens=MILLION)
        accounts.pay(day, "gpt-4o, input", "1", MILLION)
        accounts.pay(day, "batch | gpt-4o, input", "0.5", MILLION)
    accounts.use(0, labels=other | {"batch": "true"}, input_tokens=MILLION)
    accounts.use(0, labels={"batch": "true"}, input_tokens=MILLION)

    assert {("p", "gpt-4o"): 0.5, OURS: 1.0} == accounts.estimate()


def test_a_service_tier_has_its_own_price_where_usage_has_it() -> None:
    """Grouped by `service_tier`, usage of a dearer tier is valued at its price."""
    accounts = Accounts({"completions": ("project_id", "model", "service_tier")})
    for day in range(2, 6):
        for tier, prefix, usd in (("default", "", "2"), ("priority", "priority | ", "4")):
            accounts.use(day, labels={"service_tier": tier}, input_tokens=MILLION)
            accounts.pay(day, f"{prefix}{MODEL}, input", usd, MILLION)
    accounts.pay(1, f"{MODEL}, input", "0.01", 5000)
    accounts.use(0, labels={"service_tier": "priority"}, input_tokens=MILLION)

    assert {OURS: 4.0} == accounts.estimate()


def test_a_project_pays_what_the_organization_pays() -> None:
    """A project without a complete day is valued at the model's price in the organization."""
    accounts = Accounts()
    accounts.history()
    accounts.use(0, labels={"project_id": "new"}, output_tokens=MILLION)

    assert {("new", MODEL): 8.0} == accounts.estimate()


def test_a_new_snapshot_costs_what_its_family_costs() -> None:
    """A model that was never billed has the price of another snapshot of the same model."""
    accounts = Accounts()
    accounts.history()
    accounts.use(0, labels={"model": "gpt-5.5-2026-11-17"}, output_tokens=MILLION, num_model_requests=1)

    assert {("p", "gpt-5.5-2026-11-17"): 8.0} == accounts.estimate()
    assert 1.0 == accounts.estimator.coverage


def test_a_model_without_a_price_is_left_out_and_counted_as_such() -> None:
    """Usage of an unknown model adds nothing; the coverage is the share of requests that has a price."""
    accounts = Accounts()
    accounts.history()
    accounts.use(0, output_tokens=MILLION, num_model_requests=30)
    accounts.use(0, labels={"model": "gpt-7-nova"}, output_tokens=MILLION, num_model_requests=10)

    assert {OURS: 8.0} == accounts.estimate()
    assert 0.75 == accounts.estimator.coverage


def test_the_first_costs_of_a_model_are_its_price() -> None:
    """As soon as anything of a new model is billed, the rest of its usage is valued at that."""
    accounts = Accounts()
    accounts.history()
    accounts.use(0, labels={"model": "gpt-7-nova"}, output_tokens=MILLION, num_model_requests=10)
    accounts.pay(0, "gpt-7-nova, output", "1", 50_000)

    assert {("p", "gpt-7-nova"): 20.0} == accounts.estimate()
    assert 1.0 == accounts.estimator.coverage


def test_a_free_allowance_is_used_up_first() -> None:
    """Where the first units of every day were free, they are free today; beyond them the price is the full one."""
    accounts = Accounts()
    for day, used in enumerate((3, 5, 2, 6, 4, 3), 2):
        accounts.use(day, output_tokens=used * MILLION)
        accounts.pay(day, f"{MODEL}, output", str(8 * (used - 1)), used * MILLION)
    accounts.pay(1, f"{MODEL}, output", "0.01", MILLION + 1250)
    accounts.use(0, output_tokens=MILLION // 2)

    assert {} == accounts.estimate()

    accounts.use(0, output_tokens=2 * MILLION)

    assert {OURS: 8 * 1.5} == accounts.estimate()

    accounts.pay(0, f"{MODEL}, output", "4", 3 * MILLION // 2)

    assert {OURS: 8 * 1.5} == accounts.estimate()


def test_credits_lower_the_estimate_and_no_price() -> None:
    """A negative row counts when it is reported, as a cost of no model; what others cost does not change."""
    accounts = Accounts()
    accounts.history()
    accounts.pay(2, "promotional credit", "-5")
    accounts.use(0, output_tokens=MILLION)
    accounts.pay(0, "promotional credit", "-3")

    assert {OURS: 8.0, ("p", "none"): -3.0} == accounts.estimate()


def test_money_in_another_currency_is_no_estimate() -> None:
    """Prices are learned in US dollars only: usage that was paid otherwise has none."""
    accounts = Accounts()
    for day in range(2, 6):
        accounts.use(day, output_tokens=MILLION)
        accounts.pay(day, f"{MODEL}, output", "8", MILLION, currency="eur")
    accounts.use(0, output_tokens=MILLION, num_model_requests=1)

    assert {} == accounts.estimate()
    assert 0.0 == accounts.estimator.coverage


def test_line_items_that_mean_nothing_are_costs_all_the_same() -> None:
    """What is billed for nothing that usage reports is part of the day as reported."""
    accounts = Accounts()
    accounts.history()
    accounts.use(0, output_tokens=MILLION)
    accounts.pay(0, "gpt-5.5-2026-04-23, training", "7", 1000)
    accounts.pay(0, "???", "1")

    assert {OURS: 8.0 + 7.0, ("p", "none"): 1.0} == accounts.estimate()


def test_line_items_that_name_only_the_model_are_split_by_a_fit() -> None:
    """Input and output get the prices that explain the costs of the complete days."""
    accounts = Accounts()
    for day, (used, made) in enumerate(((5, 1), (3, 2), (8, 1), (2, 4), (6, 3)), 2):
        accounts.use(day, input_tokens=used * MILLION, output_tokens=made * MILLION)
        accounts.pay(day, MODEL, str(2 * used + 8 * made))
    accounts.pay(1, MODEL, "0.01")
    accounts.use(0, output_tokens=MILLION)

    assert 8.0 == pytest.approx(accounts.estimate()[OURS], rel=0.001)


def test_calls_and_storage_are_valued_too() -> None:
    """Tool calls and bytes held cost what they last did, as costs of no model."""
    accounts = Accounts()
    gibibyte = 2**30
    for day in range(2, 6):
        accounts.use(day, "web_search_calls", num_requests=200)
        accounts.use(day, "vector_stores", usage_bytes=10 * gibibyte)
        accounts.pay(day, "web search tool calls", "2", 200, unit="unknown")
        accounts.pay(day, "Vector storage", "0.96", 240, unit="gibibyte_hours")
    accounts.pay(1, "web search tool calls", "0.01", 1, unit="unknown")
    accounts.use(0, "web_search_calls", num_requests=50)
    accounts.use(0, "vector_stores", usage_bytes=10 * gibibyte)

    assert {("p", "none"): 0.5 + 0.48} == accounts.estimate()


def test_units_of_the_bill_need_not_be_those_of_usage() -> None:
    """A quantity in thousands of tokens is converted to tokens."""
    accounts = Accounts()
    for day in range(2, 6):
        accounts.use(day, output_tokens=MILLION)
        accounts.pay(day, f"{MODEL}, output", "8", 1000, unit="1000_tokens")
    accounts.pay(1, f"{MODEL}, output", "0.008", 1, unit="1000_tokens")
    accounts.use(0, output_tokens=MILLION)
    accounts.pay(0, f"{MODEL}, output", "2", 250, unit="1000_tokens")

    assert {OURS: 8.0} == accounts.estimate()
    assert [(MODEL, f"{MODEL}, output", "1000_tokens", 0.008)] == [
        (price.model, price.line_item, price.unit, round(price.usd, 12)) for price in accounts.estimator.prices
    ]


def test_without_projects_the_estimate_has_none() -> None:
    """Where costs are not grouped by project, the estimate is not either."""
    accounts = Accounts({"costs": ("line_item",)})
    accounts.history()
    accounts.use(0, output_tokens=MILLION)
    accounts.use(0, labels={"project_id": "q"}, output_tokens=MILLION)

    assert {(MODEL,): 16.0} == accounts.estimate()


def test_costs_that_are_not_split_by_line_item_are_passed_through() -> None:
    """Without line items nothing has a price: the estimate is what was reported, and the coverage says 0."""
    accounts = Accounts({"costs": ("project_id",)})
    for day in range(2, 6):
        accounts.use(day, output_tokens=MILLION)
        accounts.pay(day, "", "8")
    accounts.use(0, output_tokens=MILLION, num_model_requests=5)
    accounts.pay(0, "", "2")

    assert {("p", "none"): 2.0} == accounts.estimate()
    assert 0.0 == accounts.estimator.coverage


def test_yesterday_is_estimated_until_its_costs_are_there() -> None:
    """A day that ended keeps its estimate while costs come in, and is exactly what was reported in the end."""
    accounts = Accounts()
    accounts.history()
    accounts.use(0, output_tokens=MILLION)
    accounts.estimate()
    accounts.later(1)
    accounts.pay(1, f"{MODEL}, output", "3", 375_000)

    assert {OURS: 8.0} == accounts.estimate(1)

    accounts.later(2)
    accounts.clear("costs", 3)
    accounts.pay(3, f"{MODEL}, output", "7.123456789", MILLION)
    accounts.pay(1, f"{MODEL}, output", "1", 125_000)

    assert {OURS: 7.123457} == accounts.estimate(3)


def test_the_counter_adds_up_to_the_days() -> None:
    """The counter is the highest that the sum of all days has stood at: an estimate too high is made up for."""
    accounts = Accounts()
    accounts.history()
    accounts.estimate()

    assert 0.0 == accounts.counter()

    accounts.use(0, output_tokens=MILLION)
    accounts.estimate()

    assert 8.0 == accounts.counter()

    accounts.pay(0, f"{MODEL}, output", "6", MILLION)
    accounts.estimate()

    assert 8.0 == accounts.counter()

    accounts.later(1)
    accounts.use(0, output_tokens=MILLION)
    accounts.estimate()

    assert 12.0 == accounts.counter()


def test_nothing_is_estimated_again_when_nothing_changed() -> None:
    """Only a poll or a new day makes a new estimate."""
    accounts = Accounts()
    accounts.history()
    accounts.estimate()

    assert not accounts.estimator.update(accounts.now)
    assert accounts.estimator.update(float(TODAY + 86400 + 60))
