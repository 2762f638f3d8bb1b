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
    """Return how many transactions the write-ahead log holds: frames that end one tell the size of the database."""
    log = Path(f"{path}-wal").read_bytes()
    page = int.from_bytes(log[8:12], "big")
    frames = range(_WAL_HEADER, len(log), _FRAME_HEADER + page)
    return sum(int.from_bytes(log[frame + 4 : frame + 8], "big") > 0 for frame in frames)


def rows(path: Path, table: str, columns: str = "rowid, start") -> set[tuple[object, ...]]:
    """Return what a reader beside the exporter sees; a row that is written again gets another rowid."""
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found = set(reader.execute(f"SELECT {columns} FROM {table}"))  # noqa: S608 # our own names
    reader.close()
    return found


def desk_of(store: Store, **changes: object) -> LedgerHarness:
    """Return a desk that has read five days of one row."""
    desk = LedgerHarness(plan(**changes), store)  # type: ignore[arg-type] # fields of a plan
    for age in range(5):
        desk.report(TODAY - age * DAY, A, 100)
    desk.poll()
    return desk


def test_a_snapshot_of_several_ledgers_is_one_transaction(store: Store, path: Path) -> None:
    """A crash leaves all of it or nothing."""
    tracked_ledgers = [desk_of(store), LedgerHarness(costs(), store)]
    tracked_ledgers[1].report(TODAY, ("a", "gpt"), dollars("1"))
    tracked_ledgers[1].poll()
    for desk in tracked_ledgers:
        desk.now += 60
    tracked_ledgers[0].report(TODAY, A, 105)
    tracked_ledgers[1].report(TODAY, ("a", "gpt"), dollars("2"))
    before = commits(path)
    for desk in tracked_ledgers:
        desk.poll(publish=False)
    tracked_ledgers[0].coordinator.commit(tracked_ledgers, {"default": "org-1"}, tracked_ledgers[0].moment)

    assert before + 1 == commits(path)


def test_nothing_is_written_while_nothing_happens(store: Store, path: Path) -> None:
    """A publish that only time has called for does not touch the disk."""
    desk = desk_of(store)
    desk.wait()
    before = commits(path)
    desk.wait(1)

    assert before == commits(path)


@pytest.mark.parametrize("table", ["bucket_rows", "bucket_values"])
def test_only_changed_buckets_are_written(store: Store, path: Path, table: str) -> None:
    """The others keep the rows that they had."""
    desk = desk_of(store)
    before = rows(path, table)
    desk.report(YESTERDAY, A, 101)
    desk.poll()

    assert {YESTERDAY} == {start for _, start in rows(path, table) - before}
    assert {YESTERDAY} == {start for _, start in before - rows(path, table)}


def test_a_poll_without_news_writes_no_values(store: Store, path: Path) -> None:
    """Only that it was."""
    desk = desk_of(store)
    desk.wait()
    tables = ("bucket_rows", "bucket_values", "counters")
    before = [rows(path, table, "rowid, *") for table in tables]
    desk.now += 60
    desk.poll()

    assert before == [rows(path, table, "rowid, *") for table in tables]
    assert desk.now in {time for (time,) in rows(path, "buckets", "read_at")}


def test_a_few_changes_among_many_series_are_cheap_to_write(store: Store, path: Path) -> None:
    """A poll that changes 2 % of today's rows writes today, not the look-back."""
    desk = LedgerHarness(plan(max_series=5000, lookback_days=20), store)
    sets = [("a", f"model-{number}") for number in range(1000)]
    for age in range(20):
        for number, labels in enumerate(sets):
            desk.report(TODAY - age * DAY, labels, 1000 + number * 7 + age)
    desk.poll()
    whole = Path(f"{path}-wal").stat().st_size
    for number, labels in enumerate(sets[::50]):
        desk.report(TODAY, labels, 50_000 + number)
    desk.poll()

    assert Path(f"{path}-wal").stat().st_size - whole < whole / 3


def test_old_buckets_leave_the_file(store: Store, path: Path) -> None:
    """The look-back moves on, and what it has left is gone from every table."""
    desk = desk_of(store)
    desk.wait()
    desk.now += 3 * DAY
    desk.report(TODAY + 3 * DAY, A, 1)
    desk.poll()
    horizon = TODAY - DAY

    assert [(horizon,)] * 3 == [
        *(pair for table in ("buckets", "bucket_rows", "bucket_values") for pair in rows(path, table, "min(start)"))
    ]


def test_forgotten_series_leave_the_file(store: Store, path: Path) -> None:
    """With their last bucket."""
    desk = desk_of(store)
    desk.wait()
    for age in range(1, 6):
        desk.now += DAY
        desk.report(TODAY + age * DAY, B, 1)
        desk.poll()

    assert {('["b", "m"]',)} == rows(path, "label_sets", "labels")
    desk.restart()
    assert [B] == desk.ledger.stores[0].rows.sets


def test_the_file_does_not_grow_with_time(store: Store, path: Path) -> None:
    """Months of days take the room of one look-back."""
    desk = desk_of(store)
    sizes = []
    for age in range(1, 80):
        desk.now += DAY
        desk.report(TODAY + age * DAY, A, age)
        desk.poll()
        sizes.append(path.stat().st_size)

    assert sizes[40] >= sizes[-1]
    assert store.size >= path.stat().st_size


def test_another_identity_takes_the_place_of_the_old_one(store: Store, path: Path) -> None:
    """What was kept under another grouping is of no use to anybody."""
    desk = desk_of(store)
    desk.restart(replace(desk.plan, group_by=("project_id",)))
    desk.reported.clear()
    desk.report(TODAY, ("a",), 100)
    desk.poll()

    assert {('["a"]',)} == rows(path, "label_sets", "labels")
    assert 5 == len(rows(path, "buckets", "start"))


def test_organizations_names_and_refusals_are_kept(path: Path) -> None:
    """Whom the state bucket_jobs, what things were called, and what the API refused."""
    store = Store(path)
    desk = desk_of(store)
    desk.refusal = Refusal(("batch",), 17.5)
    desk.unsaved = True
    names = [Name("default", "project", "a", {"name": 'Äpöllo "1"'}), Name("default", "user", "u", {})]
    desk.coordinator.commit([desk], {"default": "org-1"}, desk.moment, names)
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


def test_measures_that_are_switched_off_leave_the_file(store: Store, path: Path) -> None:
    """And come back as new ones: with a baseline of their own."""
    both = ["completions_input_tokens", "completions_requests"]
    desk = LedgerHarness(plan(measures=both), store)
    desk.report(TODAY, A, 100, 1)
    desk.poll()
    desk.restart(plan(measures=both[:1]))
    desk.reported.clear()
    desk.report(TODAY, A, 100)
    desk.poll()

    assert {(both[0],)} == rows(path, "bucket_values", "measure") == rows(path, "counters", "measure")
    desk.restart(plan(measures=both))
    desk.reported.clear()
    desk.report(TODAY, A, 100, 7)
    assert [both[1]] == [measure.name for measure in desk.poll().baseline]


def test_a_save_that_goes_wrong_leaves_no_transaction_open(store: Store) -> None:
    """The next one begins where the last good one ended."""
    desk = desk_of(store)
    with pytest.raises(TypeError):
        store.save([], {"default": "org-2"}, [Name("default", "project", "a", {"name": object()})])  # type: ignore[dict-item] # what is wrong
    store.save([], {})
    desk.restart()

    assert "" == store.organization("default")
    assert 1 == desk.ledger.series


def test_a_measure_that_is_switched_on_has_every_bucket_decoded_once(store: Store) -> None:
    """What was read before is still known to have been read, until a complete sync has read all of it again."""
    both = ["completions_input_tokens", "completions_requests"]
    desk = LedgerHarness(plan(measures=both[:1]), store)
    desk.report(TODAY, A, 100)
    desk.ledger.apply(_with_digests(desk.answer()))
    desk.unsaved = True
    desk.publish()
    read = dict(desk.ledger.digests)
    desk.restart(plan(measures=both))

    assert (read, {}) == (desk.ledger.digests, desk.ledger.known)
    desk.reported.clear()
    desk.report(TODAY, A, 100, 7)
    desk.ledger.apply(_with_digests(desk.answer()))
    assert read == desk.ledger.known


def _with_digests(answer: PollResult) -> PollResult:
    return replace(answer, buckets=tuple(replace(bucket, digest=b"digest") for bucket in answer.buckets))


def test_the_baseline_is_remembered_when_its_buckets_are_gone(store: Store, path: Path) -> None:
    """When it was taken, and what every bucket held then: for history that ends where the counters begin."""
    desk = LedgerHarness(costs(), store)
    row = ("a", "gpt")
    desk.report(YESTERDAY, row, dollars("1.25"))
    desk.report(TODAY, row, dollars("0.1"))
    desk.poll()
    taken = desk.now
    for age in range(1, 8):
        desk.now += DAY
        desk.report(TODAY + age * DAY, ("b", "gpt"), dollars("7"))
        desk.poll()
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
    """What is remembered is where the present counters began."""
    desk = desk_of(store)
    desk.now += DAY
    desk.restart(replace(desk.plan, group_by=("project_id",)))
    desk.reported.clear()
    desk.report(TODAY + DAY, ("a",), 9)
    desk.poll()
    (found,) = store.baselines("default")

    assert (("project_id",), desk.now) == (found.label_names, found.baseline.taken_at)
