from __future__ import annotations

import hashlib
import math
import resource
import sqlite3
from array import array
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from examples import examples
from fakes.trending import counting
from fakes.trending.counting import epoch, write
from fakes.trending.memory import folder_in_memory
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.schema import CreateTable

from trending import database
from trending.errors import REBUILD, ConfigurationConflict, LabError
from trending.kafka.rejects import Rejects
from trending.serving import pruning
from trending.serving.counts import Batch
from trending.serving.ranking_query import RankingQuery
from trending.serving.seals import StoredSeal
from trending.serving.store import FORMAT, Store, metadata
from trending.settings import Rule, Spelling, WindowTime

MINUTE = 1765845060


def batch(number: int, tweets: dict[tuple[int, str], int], *rejects: Rejects, foreign: dict[int, int] | None = None) -> Batch:
    return Batch(number, MINUTE + number, tweets, foreign or {}, rejects)


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {table: sorted(connection.execute(f"SELECT * FROM {table}")) for table in tables}  # noqa: S608 - our own names


def ranked(store: Store, start: int | None = None, as_of: float = math.inf) -> list[tuple[int, str, int]]:
    """Return (window start, hashtag, tweets) of the ranking of a window, the latest one if none is given."""
    window = store.ranking(RankingQuery(start, as_of))
    return [(window.start, hashtag, tweets) for hashtag, tweets in window.ranked] if window else []


def last_batch(store: Store, checkpoint: str) -> int | None:
    return max(store.written(checkpoint), default=None)


def test_an_empty_store_has_nothing_to_show(store: Store) -> None:
    assert store.ranking() is None
    assert (
        counting.counts(store),
        store.foreign(),
        counting.untagged(store),
        counting.rejects(store),
        counting.dropped(store),
    ) == ({}, 0, {}, {}, 0)
    assert (last_batch(store, "c"), store.dead_letter_offset("c")) == (None, 0)


@pytest.mark.row(20)
def test_a_replayed_batch_changes_nothing(store: Store, path: Path) -> None:
    whole = batch(3, {(MINUTE, "#a"): 5, (MINUTE, "#b"): 3}, Rejects.of(0, "tombstone", [17]), foreign={MINUTE: 2})
    write(store, "c", whole)
    once = everything(path)
    write(store, "c", whole)
    assert everything(path) == once
    assert counting.counts(store) == {(MINUTE, "#a"): 5, (MINUTE, "#b"): 3}


def test_an_older_batch_that_comes_again_takes_nothing_back(store: Store, path: Path) -> None:
    older = batch(1, {(MINUTE, "#a"): 2}, foreign={MINUTE: 1})
    write(store, "c", older)
    write(store, "c", batch(2, {(MINUTE, "#a"): 5}, foreign={MINUTE: 4}))
    before = everything(path)
    write(store, "c", older)
    assert everything(path) == before
    assert (counting.counts(store), store.foreign()) == ({(MINUTE, "#a"): 5}, 4)


def test_untagged_records_are_absolute_by_window_and_added_up_over_checkpoints(store: Store, path: Path) -> None:
    write(store, "first", Batch(1, MINUTE, {}, {}, untagged={MINUTE: 2}))
    write(store, "first", Batch(2, MINUTE, {}, {}, untagged={MINUTE: 5, MINUTE + 60: 1}))
    before = everything(path)
    write(store, "first", Batch(1, MINUTE, {}, {}, untagged={MINUTE: 2}))
    assert everything(path) == before
    write(store, "second", Batch(0, MINUTE, {}, {}, untagged={MINUTE: 3}))
    assert counting.untagged(store) == {MINUTE: 8, MINUTE + 60: 1}
    assert (counting.counts(store), store.foreign()) == ({}, 0)


def test_the_ranking_is_the_whole_window_though_a_batch_carries_only_what_changed(store: Store) -> None:
    write(store, "c", batch(1, {(MINUTE, "#a"): 5, (MINUTE, "#b"): 3}))
    write(store, "c", batch(2, {(MINUTE, "#c"): 1}))
    write(store, "c", batch(3, {}))
    assert ranked(store) == [(MINUTE, "#a", 5), (MINUTE, "#b", 3), (MINUTE, "#c", 1)]


def test_only_the_latest_window_is_shown_and_older_ones_stay_to_be_asked_for(store: Store) -> None:
    write(store, "c", batch(1, {(MINUTE, "#a"): 5}))
    write(store, "c", batch(2, {(MINUTE + 60, "#b"): 1, (MINUTE, "#a"): 6}))
    assert ranked(store) == [(MINUTE + 60, "#b", 1)]
    assert ranked(store, MINUTE) == [(MINUTE, "#a", 6)]
    assert ranked(store, MINUTE + 120) == []


def test_ties_are_ranked_by_name(store: Store) -> None:
    names = ["#b", "#ñ", "#a", "#B", "#aa", "a", "😀", "#ä", "#", "\x00", "\uffff"]
    write(store, "c", batch(1, {(MINUTE, name): 4 for name in names} | {(MINUTE, "zz"): 5}))
    assert [hashtag for _start, hashtag, _tweets in ranked(store)] == ["zz", *sorted(names)]


def test_the_counts_of_epochs_of_one_rule_add_up(store: Store) -> None:
    write(store, "first", batch(0, {(MINUTE, "#a"): 5, (MINUTE, "#b"): 4}, foreign={MINUTE: 1}))
    write(store, "second", batch(0, {(MINUTE, "#b"): 2}, foreign={MINUTE: 2}))
    assert ranked(store) == [(MINUTE, "#b", 6), (MINUTE, "#a", 5)]
    assert (counting.counts(store), store.foreign()) == ({(MINUTE, "#a"): 5, (MINUTE, "#b"): 6}, 3)


@pytest.mark.parametrize("other", [Rule(WindowTime.EVENT), Rule(spelling=Spelling.FOLDED)])
def test_the_counts_of_epochs_of_two_rules_are_never_added(store: Store, other: Rule) -> None:
    write(store, "first", batch(0, {(MINUTE, "#a"): 5, (MINUTE + 60, "#old"): 4}))
    store.take_over(epoch("second", rule=other))
    write(store, "second", batch(0, {(MINUTE, "#a"): 2}))
    assert ranked(store) == ranked(store, MINUTE) == [(MINUTE, "#a", 2)]
    assert dict(store.view().counts) == {
        ("first", MINUTE, "#a"): 5,
        ("first", MINUTE + 60, "#old"): 4,
        ("second", MINUTE, "#a"): 2,
    }


def test_a_window_of_another_clocks_future_does_not_hide_the_present_one(store: Store) -> None:
    write(store, "c", batch(0, {(MINUTE, "#a"): 5, (MINUTE + 3600, "#b"): 1}))
    assert ranked(store, as_of=MINUTE + 59) == [(MINUTE, "#a", 5)]
    assert ranked(store, as_of=MINUTE + 3600) == [(MINUTE + 3600, "#b", 1)]
    assert ranked(store, as_of=MINUTE - 1) == []


def test_batches_are_numbered_by_checkpoint(store: Store) -> None:
    write(store, "first", batch(9, {}))
    write(store, "second", batch(0, {}))
    assert [last_batch(store, each) for each in ("first", "second", "third")] == [9, 0, None]
    assert set(store.written("second")) == {0}
    assert store.written("third") == {}


def test_of_batches_only_the_last_ones_are_kept(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trending.serving.store.KEPT_BATCHES", 10)
    write(store, "c", batch(16, {}))
    assert [row[1] for row in everything(path)["batches"]] == list(range(6, 17))
    assert last_batch(store, "c") == 16


def test_a_reject_is_booked_once_by_its_place(store: Store) -> None:
    write(store, "c", batch(1, {}, Rejects.of(1, "tombstone", [4]), Rejects.of(0, "late", [9])))
    write(store, "c", batch(2, {}, Rejects.of(0, "late", [9, 10])))
    assert counting.rejects(store) == {(0, "late"): array("q", [9, 10]), (1, "tombstone"): array("q", [4])}


@pytest.mark.thorough
@pytest.mark.row(34)
def test_rejects_take_a_row_a_partition_batch_and_reason_whatever_their_number(store: Store, path: Path) -> None:
    flood = [Rejects.of(partition, reason, range(first, 200_000, 2)) for partition in (0, 1) for first, reason in enumerate("ab")]
    for number in (1, 2, 2):
        write(store, "c", batch(number, {}, *flood))
    rows = everything(path)["rejected"]
    assert [row[:5] for row in rows] == [("c", p, n, r, 100_000) for p in (0, 1) for n in (1, 2) for r in "ab"]
    assert max(len(row[5]) for row in rows) < 2_000


@pytest.mark.row(34)
def test_the_rejects_of_an_older_store_are_adopted(path: Path) -> None:
    Store(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        older.execute("PRAGMA user_version = 0")
        older.execute('CREATE TABLE rejects (checkpoint TEXT, "partition" INTEGER, "offset" INTEGER, reason TEXT)')
        older.executemany("INSERT INTO rejects VALUES (?, ?, ?, ?)", [("c", 0, 7, "late"), ("c", 0, 3, "late"), ("d", 1, 5, "x")])
    for _again in range(2):
        with closing(Store(path)) as store:
            assert counting.rejects(store) == {(0, "late"): array("q", [3, 7]), (1, "x"): array("q", [5])}
    assert "rejects" not in everything(path)


def test_a_store_that_forgets_is_empty(store: Store, path: Path) -> None:
    write(store, "c", batch(1, {(MINUTE, "#a"): 5}, Rejects.of(0, "late", [9]), foreign={MINUTE: 1}))
    store.note_dead_letters("c", 3)
    store.note_dropped("c", "run", 1)
    store.forget()
    assert not any(everything(path).values())


def test_a_reject_seen_under_two_checkpoints_is_one_reject(store: Store) -> None:
    for checkpoint in ("first", "second"):
        write(store, checkpoint, batch(1, {}, Rejects.of(0, "late", [9])))
    assert counting.rejects(store) == {(0, "late"): array("q", [9])}


def test_the_dead_letters_end_is_remembered_by_checkpoint(store: Store) -> None:
    store.note_dead_letters("first", 3)
    store.note_dead_letters("first", 8)
    store.note_dead_letters("second", 1)
    assert (store.dead_letter_offset("first"), store.dead_letter_offset("second")) == (8, 1)


def test_dropped_groups_are_the_last_word_of_each_run_added_up(store: Store) -> None:
    store.note_dropped("c", "run 1", 2)
    store.note_dropped("c", "run 1", 5)
    store.note_dropped("c", "run 2", 1)
    assert counting.dropped(store) == 6


def test_what_was_written_is_there_after_closing(path: Path) -> None:
    with closing(Store(path)) as store:
        write(store, "c", batch(1, {(MINUTE, "#a"): 5}, Rejects.of(0, "late", [1])))
        store.note_dead_letters("c", 1)
    with closing(Store(path)) as store:
        assert ranked(store) == [(MINUTE, "#a", 5)]
        assert (counting.rejects(store), last_batch(store, "c"), store.dead_letter_offset("c")) == (
            {(0, "late"): array("q", [1])},
            1,
            1,
        )


@pytest.mark.row(29)
def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    place = tmp_path / "serving.sqlite"
    place.mkdir()
    with pytest.raises(LabError) as caught:
        Store(place)
    assert str(place) in caught.value.cause
    assert "unable to open" in caught.value.evidence
    assert "make rebuild" not in caught.value.next_command, "the counts are not the reason"
    assert f"df -h {tmp_path}" in caught.value.next_command


@pytest.mark.row(29)
def test_a_full_disk_is_no_reason_to_count_anew(path: Path) -> None:
    """A limit of the process plays the disk: SQLite can make the file, and not write it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(LabError, match="cannot be opened") as caught:
            Store(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.evidence in {"disk I/O error", "database or disk is full"}
    assert "no count is lost" in caught.value.next_command


@pytest.mark.row(29)
def test_readers_are_not_blocked_by_a_writer(store: Store, path: Path) -> None:
    write(store, "c", batch(1, {(MINUTE, "#a"): 5}))
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE ranking SET tweets = 99")
        assert ranked(store) == [(MINUTE, "#a", 5)]
        writer.execute("ROLLBACK")


TAGS = st.sampled_from(["#a", "#b", "#c", "#ñ", "😀"]) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
WINDOWS = st.sampled_from([MINUTE - 60, MINUTE, MINUTE + 60])
MICRO_BATCH = st.lists(st.tuples(WINDOWS, TAGS), max_size=12)


@pytest.mark.row(23)
@settings(max_examples=examples(20))
@given(st.lists(st.tuples(st.sampled_from(["first", "second"]), MICRO_BATCH, st.integers(1, 3)), max_size=6))
def test_the_store_agrees_with_a_plain_counter(history: list[tuple[str, list[tuple[int, str]], int]]) -> None:
    seen: dict[str, Counter[tuple[int, str]]] = {"first": Counter(), "second": Counter()}
    with folder_in_memory() as directory, closing(Store(Path(directory) / "serving.sqlite")) as store:
        for checkpoint in ("first", "second"):
            batches = [(tweets, times) for name, tweets, times in history if name == checkpoint]
            for number, (tweets, times) in enumerate(batches):
                seen[checkpoint].update(tweets)
                # Update mode: absolute counts of the groups that this batch touched, and of no others.
                changed = batch(number, {key: seen[checkpoint][key] for key in tweets})
                for _ in range(times):
                    write(store, checkpoint, changed)
        total = seen["first"] + seen["second"]
        assert counting.counts(store) == dict(total)
        for window in {window for window, _ in total}:
            expected = sorted(((-times, tag) for (start, tag), times in total.items() if start == window))
            assert [(-tweets, tag) for _start, tag, tweets in ranked(store, window)] == expected
        latest = max((window for window, _ in total), default=MINUTE)
        assert ranked(store) == ranked(store, latest)


def test_the_number_of_the_form_is_raised_with_every_change_of_a_table() -> None:
    """A file that has the number is not looked at: a table or column that came without a new number would be missing in it."""
    tables = "".join(str(CreateTable(table)) for table in metadata.sorted_tables)
    assert (FORMAT, hashlib.sha256(tables.encode()).hexdigest()[:12]) == (5, "f31ade1209c2")


def grown(store: Store, checkpoint: str = "c", windows: int = 4) -> None:
    """Write a window of three hashtags in each batch, with an untagged and a foreign record, and a batch without rows."""
    known = store.known_epochs()
    first = next((each.last_batch + 1 for each in known if each.checkpoint == checkpoint and each.last_batch is not None), 0)
    for number in range(windows):
        start = MINUTE + 60 * number
        tweets = {(start, f"#{name}"): 2 for name in "abc"}
        counting.write(store, checkpoint, Batch(first + number, start, tweets, {start: 1}, (), {start: 1}))
    counting.write(store, checkpoint, Batch(first + windows, MINUTE, {}, {}))


@pytest.mark.row(33)
def test_a_pruned_window_leaves_its_totals(store: Store) -> None:
    grown(store)
    assert store.prune("c", MINUTE + 2 * 60 + 59, {}) == 2
    view = store.view()
    assert {window for _checkpoint, window, _hashtag in view.counts} == {MINUTE + 120, MINUTE + 180}
    assert (sum(view.counts.values()), view.summarised) == (12, {"c": (MINUTE + 120, 12, 2)})
    assert len(view.untagged) == 2
    assert store.foreign() == 4
    assert store.prune("c", MINUTE + 2 * 60 + 59, {}) == 0
    assert store.view() == view


def test_a_pruning_takes_whole_windows_and_no_more_rows_than_it_may(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MOST_ROWS", 7)
    grown(store, windows=5)
    pruned = [store.prune("c", MINUTE + 1000, {}) for _pass in range(5)]
    assert pruned == [2, 2, 1, 0, 0]
    monkeypatch.setattr(pruning, "MOST_ROWS", 1)
    grown_later = Batch(7, MINUTE, {(MINUTE + 600, f"#{number}"): 1 for number in range(9)}, {})
    counting.write(store, "c", grown_later)
    counting.write(store, "c", Batch(8, MINUTE, {}, {}))
    assert store.prune("c", MINUTE + 1000, {}) == 1, "a window larger than that goes whole"


def test_a_window_that_was_summarised_is_refused_when_it_grows(store: Store) -> None:
    grown(store)
    store.prune("c", MINUTE + 60, {})
    before = store.view()
    for batch in (
        Batch(5, MINUTE, {(MINUTE, "#a"): 3}, {}),
        Batch(5, MINUTE, {}, {MINUTE: 3}),
        Batch(5, MINUTE, {}, {}, (), {MINUTE: 3}),
    ):
        with pytest.raises(ConfigurationConflict, match="window grows that was summarised") as caught:
            counting.write(store, "c", batch)
        assert caught.value.next_command == REBUILD
    assert store.view() == before
    counting.write(store, "c", Batch(5, MINUTE, {(MINUTE + 60, "#a"): 3}, {}))


def test_epochs_of_the_same_topic_are_pruned_too_and_those_of_another_are_not(store: Store) -> None:
    grown(store, "elsewhere")
    store.take_over(counting.epoch("before", topic_id="topic-2"))
    grown(store, "before")
    store.take_over(counting.epoch("c", topic_id="topic-2"))
    grown(store, "c")
    assert store.prune("c", MINUTE + 1000, {}) == 8, "of a closed epoch the last batch's window too: nothing comes again"
    assert {checkpoint for checkpoint, _window, _hashtag in store.view().counts} == {"elsewhere"}
    sums = (MINUTE + 240, 24, 4)
    assert store.view().summarised == {"before": sums, "c": sums}


def test_a_job_whose_epoch_is_closed_prunes_nothing(store: Store) -> None:
    grown(store)
    store.take_over(counting.epoch("next"))
    before = store.view()
    with pytest.raises(ConfigurationConflict, match="not wanted any more"):
        store.prune("c", MINUTE + 1000, {})
    assert store.view() == before


def test_a_store_that_cannot_be_written_is_pruned_another_time(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    grown(store)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(database, "BUSY_SECONDS", 0)
        with closing(Store(path)) as impatient:
            assert impatient.prune("c", MINUTE + 1000, {}) == 0
        other.rollback()
    assert "nothing is pruned this time: database is locked" in caplog.text
    assert store.prune("c", MINUTE + 1000, {}) == 4


@pytest.mark.row(33)
def test_rejects_that_the_log_has_lost_are_a_number_by_partition_and_reason(store: Store, path: Path) -> None:
    for number in range(5):
        rejects = (Rejects.of(0, "tombstone", [10 * number, 10 * number + 1]), Rejects.of(1, "not valid JSON", [number]))
        counting.write(store, "c", batch(number, {}, *rejects))
    counting.write(store, "c", batch(5, {}))
    store.prune("c", 0, {0: 21, 1: 3})
    found = store.view().rejects
    assert found["c", 0, "tombstone"].tolist() == [20, 21, 30, 31, 40, 41], "a row that the log's beginning cuts stays whole"
    assert found["c", 1, "not valid JSON"].tolist() == [3, 4]
    store.prune("c", 0, {0: 100, 1: 100})
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute('SELECT "partition", reason, records FROM rejected ORDER BY 1').fetchall()
    assert rows == [(0, "tombstone", 10), (1, "not valid JSON", 5)]


OLDER = {
    "before seals": ("DROP TABLE seals", "DROP TABLE sealed_windows"),
    "before retention": ("DROP TABLE summaries",),
    "before both": ("DROP TABLE seals", "DROP TABLE sealed_windows", "DROP TABLE summaries"),
}


@pytest.mark.parametrize("age", OLDER)
def test_an_older_store_can_be_pruned_and_sealed(age: str, store: Store, path: Path) -> None:
    """Either came alone with the number 2, to stores that nobody has."""
    grown(store)
    reject = Rejects.of(0, "tombstone", [1])
    counting.write(store, "c", batch(5, {}, reject))
    store.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in (*OLDER[age], "ALTER TABLE rejected DROP COLUMN digest", "PRAGMA user_version = 2"):
            connection.execute(statement)
    with closing(Store(path)) as newer:
        counting.write(newer, "c", batch(6, {}))
        sealed = newer.view({}, {"c": 5}).booked
        newer.seal(StoredSeal("topic-1", 1, 5.0, "{}", {}), {})
        assert newer.prune("c", MINUTE + 1000, {0: 2}) == 4
        view = newer.view({}, {"c": 5})
        assert (view.summarised["c"].tweets, view.booked) == (24, sealed)
        assert view.rejects == {}
        assert list(newer.known_seals()) == ["topic-1"]
