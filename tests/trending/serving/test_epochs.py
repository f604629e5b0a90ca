"""Who may write to the store, and what: the hand-over from one checkpoint to the next, and batches that do not belong."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from examples import examples
from fakes.trending import counting
from fakes.trending.counting import epoch, write
from fakes.trending.memory import folder_in_memory
from hypothesis import given, settings
from hypothesis import strategies as st

from trending import database
from trending.errors import ConfigurationConflict, LabError
from trending.kafka.rejects import Rejects
from trending.serving import store as module
from trending.serving.counts import Batch
from trending.serving.reader import StoreReader
from trending.serving.store import Store
from trending.settings import Rule, Spelling, WindowTime

MINUTE = 1765845060


def counted(number: int, tweets: int = 0, *rejects: Rejects) -> Batch:
    return Batch(number, MINUTE + number, {(MINUTE, "#a"): tweets} if tweets else {}, {}, rejects)


def test_an_epoch_begins_where_the_store_says_that_the_one_before_has_counted_to(store: Store) -> None:
    store.take_over(epoch("first", starts={0: 5, 1: 6}))
    store.write("first", counted(0, 3), {0: 8, 1: 6})
    store.write("first", counted(1), {0: 9, 1: 7})
    begun = store.take_over(epoch("second", starts={0: 99, 1: 99, 2: 4}))
    assert begun.starts == {0: 9, 1: 7, 2: 4}, "a partition that nobody has counted begins where it was given"
    first, second = store.known_epochs()
    assert (first.closed, first.starts, first.ends, first.last_batch) == (True, {0: 5, 1: 6}, {0: 9, 1: 7}, 1)
    assert (second.closed, second.starts, second.ends, second.last_batch) == (False, begun.starts, {}, None)


def test_an_epoch_that_counted_nothing_hands_over_where_it_began(store: Store) -> None:
    store.take_over(epoch("first", starts={0: 5}))
    assert store.take_over(epoch("second", starts={0: 99})).starts == {0: 5}


def test_another_topic_begins_where_it_is_told(store: Store) -> None:
    store.take_over(epoch("first", starts={0: 5}))
    assert store.take_over(epoch("second", topic_id="topic-2", starts={0: 2})).starts == {0: 2}
    store.write("second", counted(0), {0: 3})
    assert store.take_over(epoch("third", starts={0: 99})).starts == {0: 5}, "and the first one where it was left"


@pytest.mark.row(20)
def test_a_driver_that_wakes_up_after_the_hand_over_is_refused_and_changes_nothing(store: Store) -> None:
    write(store, "first", counted(0, 3))
    store.take_over(epoch("second"))
    for late in (counted(0, 3), counted(1, 9)):
        with pytest.raises(ConfigurationConflict, match="another checkpoint counts on"):
            store.write("first", late, {0: 1})
    assert counting.counts(store) == {(MINUTE, "#a"): 3}


@pytest.mark.row(20)
def test_who_takes_a_checkpoint_later_has_it(store: Store) -> None:
    """Every kind of write of the earlier job is refused, and changes nothing; one that takes it again goes on."""
    store.take_over(epoch("c"))
    store.hold("c")
    store.write("c", counted(0, 3), {0: 1})
    with closing(Store(store._place)) as later:
        later.hold("c")
        for work in (
            lambda: store.write("c", counted(1, 9), {0: 2}),
            lambda: store.note_dead_letters("c", 7),
            lambda: store.note_dropped("c", "run", 1),
            lambda: store.prune("c", MINUTE + 600, {}),
            lambda: store.trim("c", MINUTE, 1),
        ):
            with pytest.raises(ConfigurationConflict, match="another job has taken the checkpoint c"):
                work()
        later.write("c", counted(1, 4), {0: 2})
        store.hold("c")
        store.write("c", counted(2, 5), {0: 3})
        with pytest.raises(ConfigurationConflict, match="fencing token is not 2 any more"):
            later.write("c", counted(3, 6), {0: 4})
    assert counting.counts(store) == {(MINUTE, "#a"): 5}
    assert (store.dead_letter_offset("c"), store.dropped("c")) == (0, 0)


def test_a_store_that_was_emptied_is_nobodys(store: Store) -> None:
    store.take_over(epoch("c"))
    store.hold("c")
    with closing(Store(store._place)) as rebuilding:
        rebuilding.forget()
    with pytest.raises(ConfigurationConflict, match="the store was emptied"):
        store.write("c", counted(0, 3), {0: 1})


def test_a_job_that_nobody_submitted_is_refused(store: Store) -> None:
    with pytest.raises(ConfigurationConflict):
        store.write("stranger", counted(0, 3), {0: 1})
    assert counting.counts(store) == {}


@pytest.mark.row(20)
def test_a_batch_without_rows_moves_the_ends(store: Store) -> None:
    store.take_over(epoch("c"))
    store.write("c", counted(0), {0: 7})
    assert store.known_epochs()[0].counted_to() == {0: 7}


@pytest.mark.row(20)
def test_a_batch_that_comes_again_with_its_ends_replaces_its_rejects(store: Store) -> None:
    store.take_over(epoch("c"))
    for offsets in ([4, 5], [5]):
        store.write("c", counted(0, 3, Rejects.of(0, "late", offsets)), {0: 7})
    assert list(counting.rejects(store)[0, "late"]) == [5]
    assert counting.counts(store) == {(MINUTE, "#a"): 3}


@pytest.mark.row(21)
def test_a_batch_that_comes_again_with_other_ends_is_refused(store: Store) -> None:
    store.take_over(epoch("c"))
    store.write("c", counted(0, 3), {0: 7})
    with pytest.raises(ConfigurationConflict, match="comes again with other records") as caught:
        store.write("c", counted(0, 4), {0: 8})
    assert caught.value.next_command == "make rebuild"
    assert counting.counts(store) == {(MINUTE, "#a"): 3}


@pytest.mark.row(21)
@pytest.mark.parametrize("number", [0, 2, 7])
def test_a_batch_that_does_not_follow_the_last_one_is_refused(store: Store, path: Path, number: int) -> None:
    write(store, "c", counted(4, 3))
    with closing(sqlite3.connect(path)) as older, older:
        older.execute("DELETE FROM batches WHERE batch < 4")
    with pytest.raises(ConfigurationConflict, match=f"batch {number} does not follow on batch 4"):
        store.write("c", counted(number, 9), {0: 9})
    assert counting.counts(store) == {(MINUTE, "#a"): 3}


def test_the_first_batch_of_an_epoch_is_number_0(store: Store) -> None:
    store.take_over(epoch("c"))
    with pytest.raises(ConfigurationConflict, match="does not follow on batch None"):
        store.write("c", counted(1, 3), {0: 1})


@settings(max_examples=examples(30))
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=12))
def test_the_epochs_of_a_topic_meet_without_gap_and_overlap(history: list[tuple[int, bool]]) -> None:
    """Whatever is counted when, and whoever takes over when: every offset belongs to one epoch."""
    with folder_in_memory() as directory, closing(Store(Path(directory) / "serving.sqlite")) as store:
        store.take_over(epoch("0"))
        name, batch, end = 0, 0, 0
        for records, hand_over in history:
            end += records
            store.write(str(name), counted(batch, end), {0: end})
            batch += 1
            if hand_over:
                name, batch = name + 1, 0
                store.take_over(epoch(str(name), starts={0: 999}))
        ranges = [(each.starts[0], each.counted_to()[0]) for each in store.known_epochs()]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == end
    assert all(one[1] == other[0] for one, other in pairwise(ranges))


@pytest.mark.row(29)
@pytest.mark.parametrize("replaced", [False, True])
def test_a_store_that_is_deleted_or_replaced_under_the_job_is_noticed_before_the_next_write(
    store: Store, path: Path, *, replaced: bool
) -> None:
    write(store, "c", counted(0, 3))
    path.unlink()
    if replaced:
        Store(path).close()
    with pytest.raises(ConfigurationConflict, match="was replaced" if replaced else "was deleted") as caught:
        store.write("c", counted(1, 4), {0: 1})
    assert str(path) in caught.value.cause
    assert caught.value.next_command == "make rebuild"


@pytest.mark.row(29)
def test_a_store_that_stays_locked_is_named_with_its_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.2)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    with closing(Store(path)) as store:
        write(store, "c", counted(0, 3))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LabError) as caught:
                store.write("c", counted(1, 4), {0: 1})
            other.execute("ROLLBACK")
        assert str(path) in caught.value.cause
        assert "locked" in caught.value.evidence
        store.write("c", counted(1, 4), {0: 1})
        assert counting.counts(store) == {(MINUTE, "#a"): 4}


def test_a_store_of_before_there_were_spellings_is_read_as_exact_and_goes_on(path: Path) -> None:
    with closing(Store(path)) as store:
        store.take_over(counting.epoch("c", rule=Rule(WindowTime.EVENT)))
        write(store, "c", counted(0, 3))
    with closing(sqlite3.connect(path)) as older, older:
        older.execute("DROP VIEW trending_ranking")
        older.execute("ALTER TABLE epochs DROP COLUMN spelling")
        older.execute("PRAGMA user_version = 4")
    reader = StoreReader(path)
    assert reader.snapshot(0.0, MINUTE + 1.0).rule == Rule(WindowTime.EVENT)
    reader.close()
    with closing(Store(path)) as store:
        assert [each.rule for each in store.known_epochs()] == [Rule(WindowTime.EVENT)]
        store.take_over(counting.epoch("d", rule=Rule(WindowTime.EVENT, spelling=Spelling.FOLDED)))
        assert [each.rule.spelling for each in store.known_epochs()] == [Spelling.EXACT, Spelling.FOLDED]


def test_a_store_of_before_there_were_ends_goes_on(path: Path) -> None:
    with closing(Store(path)) as store:
        write(store, "c", counted(1, 3))
    with closing(sqlite3.connect(path)) as older, older:
        older.execute("ALTER TABLE batches DROP COLUMN ends")
        older.execute("PRAGMA user_version = 0")
    with closing(Store(path)) as store:
        store.write("c", counted(1, 3), {0: 7})
        store.write("c", counted(2, 4), {0: 9})
        assert store.known_epochs()[0].counted_to() == {0: 9}
