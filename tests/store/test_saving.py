"""What a snapshot costs on disk: one transaction, and only what has changed."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.catalog import DAY, PollResult
from exporter.store import Name, Refusal, Store, read_baselines
from tests.support.ledger_harness import TODAY, YESTERDAY, A, B, LedgerHarness, costs, dollars, plan

_WAL_HEADER, _FRAME_HEADER = 32, 24


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return a state that nothing has been saved to."""
    store = Store(tmp_path / "state.db")
    yield store
    store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the state is."""
    return tmp_path / "state.db"


def commits(path: Path) -> int:
    """Return how many transactions the write-ahead log holds: frames that end one have the size of the database."""
    log = Path(f"{path}-wal").read_bytes()
    page = int.from_bytes(log[8:12], "big")
    frames = range(_WAL_HEADER, len(log), _FRAME_HEADER + page)
    return sum(int.from_bytes(log[frame + 4 : frame + 8], "big") > 0 for frame in frames)


def rows(path: Path, table: str, columns: str = "rowid, start") -> set[tuple[object, ...]]:
    """Return the data that another reader sees; a row that is written again gets another rowid."""
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found = set(reader.execute(f"SELECT {columns} FROM {table}"))  # noqa: S608 # our own names
    reader.close()
    return found


def harness_of(store: Store, **changes: object) -> LedgerHarness:
    """Return a harness that has read five days of one row."""
    harness = LedgerHarness(plan(**changes), store)  # type: ignore[arg-type] # fields of a plan
    for age in range(5):
        harness.report(TODAY - age * DAY, A, 100)
    harness.poll()
    return harness


def test_a_snapshot_of_several_ledgers_is_one_transaction(store: Store, path: Path) -> None:
    """A crash leaves all of it or nothing."""
    harnesses = [harness_of(store), LedgerHarness(costs(), store)]
    harnesses[1].report(TODAY, ("a", "gpt"), dollars("1"))
    harnesses[1].poll()
    for harness in harnesses:
        harness.now += 60
    harnesses[0].report(TODAY, A, 105)
    harnesses[1].report(TODAY, ("a", "gpt"), dollars("2"))
    before = commits(path)
    for harness in harnesses:
        harness.poll(publish=False)
    harnesses[0].coordinator.commit(harnesses, {"default": "org-1"}, harnesses[0].moment)

    assert before + 1 == commits(path)


def test_nothing_is_written_while_nothing_happens(store: Store, path: Path) -> None:
    """A publish that only time has called for does not touch the disk."""
    harness = harness_of(store)
    harness.wait()
    before = commits(path)
    harness.wait(1)

    assert before == commits(path)


def test_only_changed_buckets_are_written(store: Store, path: Path) -> None:
    """The others keep the rows that they had."""
    harness = harness_of(store)
    before = rows(path, "bucket_values")
    harness.report(YESTERDAY, A, 101)
    harness.poll()

    assert {YESTERDAY} == {start for _, start in rows(path, "bucket_values") - before}
    assert {YESTERDAY} == {start for _, start in before - rows(path, "bucket_values")}


def test_a_poll_without_news_writes_no_values(store: Store, path: Path) -> None:
    """Only that it was."""
    harness = harness_of(store)
    harness.wait()
    tables = ("bucket_values", "counters")
    before = [rows(path, table, "rowid, *") for table in tables]
    harness.now += 60
    harness.poll()

    assert before == [rows(path, table, "rowid, *") for table in tables]
    harness.restart()
    assert harness.now in harness.ledger.coverage.read.values()


def test_a_few_changes_among_many_series_are_cheap_to_write(store: Store, path: Path) -> None:
    """A poll that changes 2 % of today's rows writes today, not the look-back."""
    harness = LedgerHarness(plan(max_series=5000, lookback_days=20), store)
    sets = [("a", f"model-{number}") for number in range(1000)]
    for age in range(20):
        for number, labels in enumerate(sets):
            harness.report(TODAY - age * DAY, labels, 1000 + number * 7 + age)
    harness.poll()
    whole = Path(f"{path}-wal").stat().st_size
    for number, labels in enumerate(sets[::50]):
        harness.report(TODAY, labels, 50_000 + number)
    harness.poll()

    assert Path(f"{path}-wal").stat().st_size - whole < whole / 3


def test_old_buckets_leave_the_file(store: Store, path: Path) -> None:
    """Days that leave the look-back are deleted from every table."""
    harness = harness_of(store)
    harness.wait()
    harness.now += 3 * DAY
    harness.report(TODAY + 3 * DAY, A, 1)
    harness.poll()
    horizon = TODAY - DAY

    assert {(horizon,)} == rows(path, "bucket_values", "min(start)")
    harness.restart()
    assert horizon == min(harness.ledger.coverage.read)


def test_forgotten_series_leave_the_file(store: Store, path: Path) -> None:
    """With their last bucket."""
    harness = harness_of(store)
    harness.wait()
    for age in range(1, 6):
        harness.now += DAY
        harness.report(TODAY + age * DAY, B, 1)
        harness.poll()

    assert {('["b", "m"]',)} == rows(path, "label_sets", "labels")
    harness.restart()
    assert [B] == harness.ledger.stores[0].rows.sets


def test_the_file_does_not_grow_with_time(store: Store, path: Path) -> None:
    """Months of days take the room of one look-back."""
    harness = harness_of(store)
    sizes = []
    for age in range(1, 80):
        harness.now += DAY
        harness.report(TODAY + age * DAY, A, age)
        harness.poll()
        sizes.append(path.stat().st_size)

    assert sizes[40] >= sizes[-1]
    assert store.size >= path.stat().st_size


def test_another_identity_replaces_the_old_one(store: Store, path: Path) -> None:
    """Data of another grouping is deleted."""
    harness = harness_of(store)
    harness.restart(replace(harness.plan, group_by=("project_id",)))
    harness.reported.clear()
    harness.report(TODAY, ("a",), 100)
    harness.poll()

    assert {('["a"]',)} == rows(path, "label_sets", "labels")
    harness.restart()
    assert 5 == len(harness.ledger.coverage.read)


def test_organizations_names_and_refusals_are_kept(path: Path) -> None:
    """Whom the state bucket_jobs, what things were called, and what the API refused."""
    store = Store(path)
    harness = harness_of(store)
    harness.refusal = Refusal(("batch",), 17.5)
    harness.unsaved = True
    names = [Name("default", "project", "a", {"name": 'Äpöllo "1"'}), Name("default", "user", "u", {})]
    harness.coordinator.commit([harness], {"default": "org-1"}, harness.moment, names)
    store.close()
    again = Store(path)

    assert ("org-1", "") == (again.organization("default"), again.organization("another"))
    assert names == sorted(again.names("default"), key=lambda name: name.id)
    assert [] == again.names("another")
    assert (Refusal(("batch",), 17.5), Refusal()) == (
        again.refusal("default", "completions"),
        again.refusal("default", "costs"),
    )
    again.close()


def test_measures_that_are_switched_off_are_forgotten(store: Store) -> None:
    """They come back as new ones: with a baseline of their own."""
    both = ["completions_input_tokens", "completions_requests"]
    harness = LedgerHarness(plan(measures=both), store)
    harness.report(TODAY, A, 100, 1)
    harness.poll()
    harness.restart(plan(measures=both[:1]))
    harness.reported.clear()
    harness.report(TODAY, A, 100)
    harness.poll()
    harness.restart(plan(measures=both))
    harness.reported.clear()
    harness.report(TODAY, A, 100, 7)

    assert [both[1]] == [measure.name for measure in harness.poll().baseline]


def test_a_save_that_goes_wrong_leaves_no_transaction_open(store: Store) -> None:
    """The next one begins where the last good one ended."""
    harness = harness_of(store)
    with pytest.raises(TypeError):
        store.save([], {"default": "org-2"}, [Name("default", "project", "a", {"name": object()})])  # type: ignore[dict-item] # what is wrong
    store.save([], {})
    harness.restart()

    assert "" == store.organization("default")
    assert 1 == harness.ledger.series


def test_a_measure_that_is_switched_on_has_every_bucket_decoded_once(store: Store) -> None:
    """Coverage is kept until a complete sync has read everything again."""
    both = ["completions_input_tokens", "completions_requests"]
    harness = LedgerHarness(plan(measures=both[:1]), store)
    harness.report(TODAY, A, 100)
    harness.ledger.apply(_with_digests(harness.answer()))
    harness.unsaved = True
    harness.publish()
    read = dict(harness.ledger.digests)
    harness.restart(plan(measures=both))

    assert (read, {}) == (harness.ledger.digests, harness.ledger.known)
    harness.reported.clear()
    harness.report(TODAY, A, 100, 7)
    harness.ledger.apply(_with_digests(harness.answer()))
    assert read == harness.ledger.known


def _with_digests(answer: PollResult) -> PollResult:
    return replace(answer, buckets=tuple(replace(bucket, digest=b"digest") for bucket in answer.buckets))


def test_the_baseline_is_remembered_when_its_buckets_are_gone(store: Store, path: Path) -> None:
    """The baseline has its time and the value of every bucket, so that history can end where the counters begin."""
    harness = LedgerHarness(costs(), store)
    row = ("a", "gpt")
    harness.report(YESTERDAY, row, dollars("1.25"))
    harness.report(TODAY, row, dollars("0.1"))
    harness.poll()
    taken = harness.now
    for age in range(1, 8):
        harness.now += DAY
        harness.report(TODAY + age * DAY, ("b", "gpt"), dollars("7"))
        harness.poll()
    own = {found.measure: found for found in store.baselines("default")}
    (other,) = [found for found in read_baselines(path, "default") if found.measure == "cost_usd"]

    assert {"cost_usd", "cost_other_currency"} == own.keys()
    for found in (own["cost_usd"], other):
        baseline = found.baseline
        assert ("costs", ("project_id", "line_item"), taken) == (found.resource, found.label_names, baseline.taken_at)
        values = {start: values.tolist() for start, (values, _) in baseline.buckets.items() if values.any()}
        assert (row,) == baseline.label_sets
        assert {YESTERDAY: [dollars("1.25")], TODAY: [dollars("0.1")]} == values
    assert [] == store.baselines("another")


def test_another_baseline_replaces_the_one_before(store: Store) -> None:
    """The stored baseline is that of the current counters."""
    harness = harness_of(store)
    harness.now += DAY
    harness.restart(replace(harness.plan, group_by=("project_id",)))
    harness.reported.clear()
    harness.report(TODAY + DAY, ("a",), 9)
    harness.poll()
    (found,) = store.baselines("default")

    assert (("project_id",), harness.now) == (found.label_names, found.baseline.taken_at)
