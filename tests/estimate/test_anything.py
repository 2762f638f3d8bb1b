"""Whatever usage and costs look like, an estimate is made of them."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.catalog import DAY
from tests.support.estimation import MODEL, TODAY, Accounts

_TEXTS = st.sampled_from(
    [f"{MODEL}, input", f"batch | {MODEL}, output", f"{MODEL}, cached input", MODEL, "gpt-4o, output", "Vector storage"]
) | st.text(max_size=12)
_COSTS = st.tuples(
    st.integers(0, 9),
    _TEXTS,
    st.decimals(-20, 20, allow_nan=False, allow_infinity=False, places=4),
    st.none() | st.integers(-1000, 10**9),
    st.sampled_from(["tokens", "1000_tokens", "unknown", "gibibyte_hours"]),
    st.sampled_from(["p", "q", "unknown"]),
)
_USAGE = st.tuples(
    st.integers(0, 9),
    st.sampled_from([MODEL, "gpt-4o-2024-08-06", "unknown"]),
    st.sampled_from(["p", "q"]),
    st.sampled_from(["true", "false"]),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
)


@settings(max_examples=40, deadline=None)
@given(costs=st.lists(_COSTS, max_size=25), usage=st.lists(_USAGE, max_size=25))
def test_an_estimate_contains_what_was_reported(costs: list[tuple], usage: list[tuple]) -> None:  # type: ignore[type-arg]
    """No estimate is below the reported costs, all are finite, and the coverage is a share."""
    accounts = Accounts()
    for day, text, usd, quantity, unit, project in costs:
        accounts.pay(day, text, str(usd), quantity, project=project, unit=unit)
    for day, model, project, batch, used, made in usage:
        labels = {"model": model, "project_id": project, "batch": batch}
        accounts.use(day, labels=labels, input_tokens=used, output_tokens=made, num_model_requests=1)
    estimates = accounts.estimate()
    reported = accounts.ledgers[0].gauges
    measure = accounts.ledgers[0].stores[0].group.measures[0]

    assert all(map(math.isfinite, estimates.values()))
    assert sum(estimates.values()) >= sum(reported.by_label(measure, "line_item", TODAY, TODAY + DAY).values()) - 1e-4
    assert accounts.estimator.coverage is None or 0 <= accounts.estimator.coverage <= 1
    assert all(math.isfinite(price.usd) for price in accounts.estimator.prices)
