"""Commits of many ledgers: each writes some of them, and what waits shows what was committed before."""

from itertools import count

import pytest

from exporter.publisher import commit
from exporter.publisher.commit import CommitCoordinator
from tests.support.ledger_harness import TODAY, A, LedgerHarness, plan


@pytest.fixture(autouse=True)
def few_ledgers_per_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand ledgers would take long."""
    monkeypatch.setattr(commit, "_LEDGERS_PER_COMMIT", 20)


def organizations(number: int) -> list[LedgerHarness]:
    """Return one ledger for each organization, which has been polled and not committed."""
    coordinator = CommitCoordinator(None, 0.0)
    harnesses = [LedgerHarness(plan(lookback_days=2), organization=f"org-{index}", hold=0.0) for index in range(number)]
    for harness in harnesses:
        harness.coordinator = coordinator
        harness.report(TODAY, A, 100)
        harness.poll(publish=False)
    return harnesses


def shown(harnesses: list[LedgerHarness], view: str, value: float) -> int:
    """Return how many ledgers show a value."""
    return sum((harness.shown(view) or {}).get(A) == value for harness in harnesses)


def test_ledgers_beyond_one_commit_wait_in_their_order() -> None:
    """Gauges show at once what was polled, counters what was committed; a ledger that changes again waits no longer."""
    harnesses = organizations(45)
    coordinator = harnesses[0].coordinator
    counters, pending, first = [], [], []
    for turn in count(1):
        coordinator.commit(harnesses, {}, harnesses[0].moment)
        counters.append(shown(harnesses, "accrued", 0.0))
        pending.append(coordinator.pending)
        first.append(coordinator.first_pending)
        assert len(harnesses) == shown(harnesses, "today", 100)
        if not coordinator.pending:
            break
        for harness in harnesses[:3]:
            harness.ledger.apply(harness.answer())
            harness.unsaved = True
        assert turn < 10

    assert [20, 40, 45] == counters
    assert [True, True, False] == pending
    assert [True, True, False] == first


def test_time_alone_changes_nothing_while_ledgers_wait() -> None:
    """The next publish is due by the order of commits, not at once."""
    harnesses = organizations(25)
    coordinator = harnesses[0].coordinator
    coordinator.commit(harnesses, {}, harnesses[0].moment)
    for harness in harnesses:
        harness.views()

    assert coordinator.pending
    assert coordinator.until_change(harnesses[0].moment) > 0
