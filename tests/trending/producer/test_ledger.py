from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from examples import examples
from fakes.audits.audited import without_known
from fakes.trending.acknowledged import acknowledged_ids
from fakes.trending.memory import folder_in_memory
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event
from sqlalchemy import event as engine_event
from sqlalchemy.exc import OperationalError

from trending import database
from trending.errors import DamagedFile
from trending.kafka.log_start import LogStart
from trending.producer import pruning
from trending.producer.known import Known, KnownRun
from trending.producer.ledger import Interval, Ledger, read_ledger
from trending.producer.ledger_writer import LedgerWriter

MINUTE = 1765845060


def acknowledged(ledger: Ledger) -> set[tuple[str, int]]:
    return acknowledged_ids(ledger, {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite"


def test_without_a_producer_run_the_ledger_is_empty_and_not_made(path: Path) -> None:
    assert read_ledger(path) == Ledger((), {}, {}, 0)
    assert not path.exists()


def test_a_damaged_ledger_is_told_with_the_way_to_set_it_aside(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else " * 300)
    with pytest.raises(DamagedFile, match="is damaged") as caught:
        read_ledger(path)
    assert f"mv {path}* {path.parent}/aside/" in caught.value.next_command
    with pytest.raises(DamagedFile):
        LedgerWriter(path, "run", "")


def test_consecutive_records_are_one_interval(path: Path) -> None:
    writer = LedgerWriter(path, "run", "topic-1")
    for sequence in range(1000):
        writer.acknowledge(sequence, 0, 50 + sequence, MINUTE, "#a")
    writer.close()
    ledger = read_ledger(path)
    assert ledger.intervals == (Interval("run", 0, 0, 999, 50),)
    assert len(ledger.intervals[0]) == 1000


@given(first=st.integers(0, 100), length=st.integers(1, 50), offset=st.integers(0, 100), start=st.integers(0, 200))
def test_an_interval_yields_the_ids_whose_offset_is_in_the_range(first: int, length: int, offset: int, start: int) -> None:
    interval = Interval("run", 0, first, first + length - 1, offset)
    expected = [("run", first + step) for step in range(length) if offset + step >= start]
    assert [(interval.run, sequence) for sequence in interval.within(start)] == expected


def test_other_producers_between_ours_break_the_interval_and_lose_nothing(path: Path) -> None:
    writer = LedgerWriter(path, "run", "topic-1")
    for sequence, offset in [(0, 0), (1, 1), (2, 5), (3, 6), (4, 9)]:
        writer.acknowledge(sequence, 0, offset, MINUTE, "#a")
    writer.close()
    ledger = read_ledger(path)
    assert [(row.first_sequence, row.last_sequence, row.first_offset) for row in ledger.intervals] == [
        (0, 1, 0),
        (2, 3, 5),
        (4, 4, 9),
    ]
    assert acknowledged_ids(ledger, {0: 6}) == {("run", 3), ("run", 4)}


INTERVALS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 9), st.integers(0, 5), st.sampled_from([None, 0, 3])), max_size=6
)


@pytest.mark.row(34)
@given(INTERVALS, st.dictionaries(st.integers(0, 2), st.integers(0, 40)), st.dictionaries(st.integers(0, 2), st.integers(0, 80)))
def test_what_was_acknowledged_within_bounds_and_behind_them_adds_up(
    pieces: list[tuple[int, int, int, int | None]], start: dict[int, int], ends: dict[int, int]
) -> None:
    intervals, places = [], {}
    sequence, offsets = 0, Counter[int]()
    for partition, length, gap, others in pieces:
        first = offsets[partition] + gap
        end = first + length + (others or 0)
        intervals.append(
            Interval("run", partition, sequence, sequence + length - 1, first, None if others is None else end),
        )
        for step in range(length):
            # Records without known places count as lying at both ends at once.
            place = (first + step, first + step) if others is None else (first, end - 1)
            places["run", sequence + step] = (partition, *place)
        sequence, offsets[partition] = sequence + length, end
    ledger = Ledger(tuple(intervals), {}, {}, 0)
    within = {key for key, (part, low, high) in places.items() if start.get(part, 0) <= low and high < ends.get(part, 10**9)}
    assert acknowledged_ids(ledger, start, ends) == within
    assert {(run, each) for run, ids in ledger.acknowledged_ranges(start, ends) for each in ids} == within
    assert ledger.acknowledged_behind(ends) == sum(high >= ends.get(part, 10**9) for part, _low, high in places.values())


MINUTES = st.integers(0, 4).map(lambda number: MINUTE + 60 * number)


@given(
    st.lists(st.tuples(MINUTES, MINUTES, MINUTES, st.sampled_from(["a", "b"]), st.sampled_from(["#a", "#b"])), max_size=30),
    st.booleans(),
)
def test_tweets_of_open_minutes_agree_with_a_log_that_has_them_within_and_with_no_other(
    tweets: list[tuple[int, int, int, str, str]],
    planted: bool,  # noqa: FBT001 - hypothesis gives its values by position
) -> None:
    found: Counter[tuple[int, str]] = Counter()
    counts: Counter[tuple[str, int, str]] = Counter()
    spread: Counter[tuple[str, int, int, str]] = Counter()
    for one, other, third, run, hashtag in tweets:
        first, at, last = sorted((one, other, third))
        found[at, hashtag] += 1
        if first == last:
            counts[run, first, hashtag] += 1
        else:
            spread[run, first, last, hashtag] += 1
    ledger = Ledger((), dict(counts), {}, 0, dict(spread))
    if planted:
        # In a minute that is no tweet's: whatever is open, this one cannot be.
        found[MINUTE + 600, "#a"] += 1
    assert (ledger.expected_minutes(found) == found) is not planted
    assert sum(ledger.expected_minutes(found).values()) == len(tweets)


@pytest.mark.row(33)
@given(
    st.lists(st.tuples(MINUTES, MINUTES, MINUTES, st.sampled_from(["#a", "#b"])), max_size=30),
    MINUTES,
    st.sampled_from(["nothing", "one more", "one less"]),
)
def test_minutes_that_the_log_has_whole_agree_whatever_it_has_lost_before_them(
    tweets: list[tuple[int, int, int, str]], horizon: int, planted: str
) -> None:
    found: Counter[tuple[int, str]] = Counter()
    counts: Counter[tuple[str, int, str]] = Counter()
    spread: Counter[tuple[str, int, int, str]] = Counter()
    for one, other, third, hashtag in tweets:
        first, at, last = sorted((one, other, third))
        found[at, hashtag] += at >= horizon
        if first == last:
            counts["run", first, hashtag] += 1
        else:
            spread["run", first, last, hashtag] += 1
    ledger = Ledger((), dict(counts), {}, 0, dict(spread))
    assert ledger.expected_minutes(found, (), horizon) == +found
    certain = next((key for key in +found if all(row[3] != key[1] for row in spread)), None)
    if planted == "one more":
        found[MINUTE + 600, "#a"] += 1
    elif planted == "one less" and certain is not None:
        found[certain] -= 1
    else:
        return
    assert ledger.expected_minutes(found, (), horizon) != +found


def test_a_tweet_outside_its_two_minutes_is_a_difference(path: Path) -> None:
    writer = LedgerWriter(path, "run", "topic-1")
    writer.acknowledge_unplaced(range(2), 0, 5, 9)
    writer.count({"#a": 2}, MINUTE, MINUTE + 60)
    writer.commit()
    writer.count({"#a": 1}, MINUTE, MINUTE + 60)
    writer.acknowledge_unplaced(range(2, 3), 0, 9, 11)
    writer.close()
    ledger = read_ledger(path)
    assert ledger.spread == {("run", MINUTE, MINUTE + 60, "#a"): 3}
    assert ledger.intervals == (Interval("run", 0, 0, 1, 5, 9), Interval("run", 0, 2, 2, 9, 11))
    for split in range(4):
        found = +Counter({(MINUTE, "#a"): split, (MINUTE + 60, "#a"): 3 - split})
        assert ledger.expected_minutes(found) == found
    for elsewhere in (MINUTE - 60, MINUTE + 120):
        found = Counter({(MINUTE, "#a"): 2, (elsewhere, "#a"): 1})
        assert ledger.expected_minutes(found) != found
    assert ledger.expected_minutes({}, without={"run"}) == {}


def test_nothing_is_reported_before_it_is_on_disk(path: Path) -> None:
    writer = LedgerWriter(path, "run", "topic-1")
    writer.acknowledge(0, 0, 0, MINUTE, "#a")
    writer.fail(1, "timed out")
    assert (writer.acknowledged, writer.failed) == (0, 0)
    assert acknowledged(read_ledger(path)) == set()
    writer.commit()
    assert (writer.acknowledged, writer.failed) == (1, 1)
    ledger = read_ledger(path)
    assert (acknowledged(ledger), ledger.failed) == ({("run", 0)}, 1)
    writer.close()


def test_what_has_failed_is_summed_over_commits(path: Path) -> None:
    writer = LedgerWriter(path, "run", "topic-1")
    for sequence in (0, 1):
        writer.fail(sequence, "timed out")
        writer.commit()
    assert writer.failed == 2
    writer.close()
    assert read_ledger(path).failed == 2


def test_committing_again_adds_nothing(path: Path) -> None:
    writer = LedgerWriter(path, "run", "topic-1")
    writer.acknowledge(0, 0, 0, MINUTE, "#a")
    writer.fail(1, "timed out")
    writer.commit()
    once = read_ledger(path)
    writer.commit()
    writer.close()
    assert read_ledger(path) == once
    assert once.counts == {("run", MINUTE, "#a"): 1}
    assert (writer.acknowledged, writer.failed) == (1, 1)


def test_an_interval_grows_over_commits(path: Path) -> None:
    writer = LedgerWriter(path, "run", "topic-1")
    for sequence in range(4):
        writer.acknowledge(sequence, 0, sequence, MINUTE, "#a")
        writer.commit()
    writer.close()
    ledger = read_ledger(path)
    assert ledger.intervals == (Interval("run", 0, 0, 3, 0),)
    assert ledger.counts == {("run", MINUTE, "#a"): 4}


def test_a_reader_may_leave_out_what_is_booked_by_minute_and_hashtag_and_nothing_else(path: Path) -> None:
    with closing(LedgerWriter(path, "run", "topic-1")) as writer:
        writer.reserve(3)
        writer.acknowledge(0, 0, 5, MINUTE, "#a")
        writer.acknowledge(1, 1, 7, MINUTE, "#b")
    whole = read_ledger(path)
    assert whole.counts
    assert read_ledger(path, counts=False) == replace(whole, counts={}, spread={})


def test_counts_go_by_append_minute_and_hashtag(path: Path) -> None:
    writer = LedgerWriter(path, "run", "topic-1")
    for sequence, (moment, hashtag) in enumerate([(0, "#a"), (59.999, "#a"), (59.999, "#b"), (60, "#a"), (-0.001, "#a")]):
        writer.acknowledge(sequence, 0, sequence, MINUTE + moment, hashtag)
    writer.close()
    assert read_ledger(path).counts == {
        ("run", MINUTE - 60, "#a"): 1,
        ("run", MINUTE, "#a"): 2,
        ("run", MINUTE, "#b"): 1,
        ("run", MINUTE + 60, "#a"): 1,
    }


def test_a_reservation_is_on_disk_at_once_and_only_the_last_one_counts(path: Path) -> None:
    writer = LedgerWriter(path, "run", "topic-1")
    writer.reserve(60)
    assert read_ledger(path).reserved == {"run": 60}
    writer.reserve(120)
    assert (writer.reserved, read_ledger(path).reserved) == (120, {"run": 120})
    writer.close()


def test_runs_keep_to_themselves(path: Path) -> None:
    for run, first_offset in (("a", 0), ("b", 2)):
        writer = LedgerWriter(path, run, "topic-1")
        writer.reserve(2)
        writer.acknowledge(0, 0, first_offset, MINUTE, "#x")
        writer.fail(1, "gone")
        writer.close()
    ledger = read_ledger(path)
    assert acknowledged(ledger) == {("a", 0), ("b", 0)}
    assert ledger.counts == {("a", MINUTE, "#x"): 1, ("b", MINUTE, "#x"): 1}
    assert (ledger.reserved, ledger.failed) == ({"a": 2, "b": 2}, 2)


def test_start_offsets_are_those_of_each_partition(path: Path) -> None:
    writer = LedgerWriter(path, "run", "topic-1")
    writer.acknowledge(0, 0, 7, MINUTE, "#a")
    writer.acknowledge(1, 1, 3, MINUTE, "#a")
    writer.close()
    ledger = read_ledger(path)
    assert acknowledged_ids(ledger, {0: 8}) == {("run", 1)}
    assert acknowledged_ids(ledger, {1: 4}) == {("run", 0)}
    assert acknowledged_ids(ledger, {0: 8, 1: 4}) == set()


def test_a_commit_that_failed_is_made_up_for_by_the_next_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    writer = LedgerWriter(path, "run", "topic-1")
    writer.acknowledge(0, 0, 0, MINUTE, "#a")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="locked"):
        writer.commit()
    assert writer.acknowledged == 0
    other.rollback()
    other.close()
    writer.acknowledge(1, 0, 1, MINUTE, "#a")
    writer.close()
    assert writer.acknowledged == 2
    ledger = read_ledger(path)
    assert (acknowledged(ledger), ledger.counts) == ({("run", 0), ("run", 1)}, {("run", MINUTE, "#a"): 2})


@dataclass(frozen=True)
class Event:
    """What befalls the next sequence: an acknowledgement behind ``gap`` records of others, a failure, or a commit."""

    kind: str
    partition: int = 0
    gap: int = 0
    minute: int = 0
    hashtag: str = "#a"


ACKNOWLEDGED = st.builds(
    Event,
    st.just("ack"),
    st.integers(0, 2),
    st.sampled_from([0, 0, 0, 1, 3]),
    st.integers(0, 2),
    st.sampled_from(["#a", "#b", "#ñ"]),
)
EVENTS = st.lists(
    st.one_of(ACKNOWLEDGED, ACKNOWLEDGED, ACKNOWLEDGED, st.builds(Event, st.sampled_from(["fail", "commit", "unknown"]))),
    max_size=40,
)


def test_a_ledger_that_is_written_meanwhile_is_read_as_of_one_moment(path: Path) -> None:
    writer = LedgerWriter(path, "run", "topic-1")
    writer.reserve(10)
    writer.acknowledge(0, 0, 0, MINUTE, "#a")
    writer.commit()

    def meanwhile(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "FROM counts" in statement and writer.acknowledged == 1:
            writer.acknowledge(1, 0, 1, MINUTE, "#a")
            writer.commit()

    event.listen(Engine, "before_cursor_execute", meanwhile)
    try:
        ledger = read_ledger(path)
    finally:
        event.remove(Engine, "before_cursor_execute", meanwhile)
        writer.close()
    assert writer.acknowledged == 2
    assert sum(map(len, ledger.intervals)) == sum(ledger.counts.values()) == 1


@pytest.mark.row(19)
@settings(max_examples=examples(25))
@given(EVENTS, st.dictionaries(st.integers(0, 2), st.integers(0, 30)))
def test_the_ledger_holds_exactly_what_was_acknowledged(events: list[Event], start: dict[int, int]) -> None:
    ends: Counter[int] = Counter()
    places: dict[int, tuple[int, int]] = {}
    counts: Counter[tuple[str, int, str]] = Counter()
    failed = 0
    with folder_in_memory() as directory:
        path = Path(directory) / "ledger.sqlite"
        writer = LedgerWriter(path, "run", "topic-1")
        for sequence, event in enumerate(events):
            if event.kind == "ack":
                offset = ends[event.partition] + event.gap
                ends[event.partition] = offset + 1
                places[sequence] = (event.partition, offset)
                minute = MINUTE + 60 * event.minute
                counts["run", minute, event.hashtag] += 1
                writer.acknowledge(sequence, event.partition, offset, minute + 30.5, event.hashtag)
            elif event.kind == "fail":
                failed += 1
                writer.fail(sequence, "gone")
            elif event.kind == "commit":
                writer.commit()
        writer.close()
        ledger = read_ledger(path)
    expected = {("run", sequence) for sequence, (partition, offset) in places.items() if offset >= start.get(partition, 0)}
    assert acknowledged_ids(ledger, start) == expected
    assert acknowledged(ledger) == {("run", sequence) for sequence in places}
    assert sum(len(interval) for interval in ledger.intervals) == len(places) == writer.acknowledged
    assert (ledger.counts, ledger.failed) == (dict(counts), failed)


KNOWN = st.builds(
    Known,
    st.dictionaries(st.integers(0, 2), st.integers(0, 5)),
    st.dictionaries(st.integers(0, 2), st.integers(0, 30)),
    st.integers(-1, 4).map(lambda minute: MINUTE + 60 * minute),
    st.dictionaries(
        st.sampled_from(["run", "other"]), st.builds(KnownRun, st.just((range(3),)), st.none() | st.integers(0, 30)), max_size=2
    ),
)


@settings(max_examples=examples(50))
@given(EVENTS, EVENTS, KNOWN)
def test_a_reader_gets_the_rows_that_it_does_not_know(events: list[Event], others: list[Event], known: Known) -> None:
    with folder_in_memory() as directory:
        path = Path(directory) / "ledger.sqlite"
        for run, each in (("run", events), ("other", others)):
            with closing(LedgerWriter(path, run, "topic-1")) as writer:
                writer.reserve(100)
                for sequence, event in enumerate(each):
                    minute = MINUTE + 60 * event.minute
                    writer.acknowledge(2 * sequence, event.partition, 3 * sequence, minute, event.hashtag)
                    end = 3 * sequence + 2 + event.gap
                    writer.acknowledge_unplaced(range(2 * sequence + 1, 2 * sequence + 2), event.partition, end - 1, end)
        whole, rest = read_ledger(path), read_ledger(path, [known])
    assert rest == replace(without_known(whole, known), topics=rest.topics)
    assert list(rest.acknowledged_ranges({}))[: len(known.runs)] == [(run, range(3)) for run in known.runs]


class OneByOne:
    """What a ledger file holds by definition: the writer of before, which looked at every record and row by itself."""

    def __init__(self) -> None:
        self.acked: dict[tuple[int, int], tuple[int, int]] = {}
        self.counts: Counter[tuple[int, str]] = Counter()
        self._last: dict[int, tuple[int, int, int]] = {}

    def acknowledge(self, sequence: int, partition: int, offset: int, minute: int, hashtag: str) -> None:
        first, last, first_offset = self._last.get(partition, (sequence, sequence - 2, offset))
        if sequence != last + 1 or offset != first_offset + sequence - first:
            first, first_offset = sequence, offset
        self._last[partition] = first, sequence, first_offset
        self.acked[partition, first] = sequence, first_offset
        self.counts[minute, hashtag] += 1


@pytest.mark.row(19)
@settings(max_examples=examples(50))
@given(EVENTS, st.sampled_from([0, 5]))
def test_the_file_is_the_one_that_a_writer_of_single_rows_would_write(events: list[Event], more: int) -> None:
    model, ends, failed = OneByOne(), Counter[int](), []
    with folder_in_memory() as directory:
        path = Path(directory) / "ledger.sqlite"
        writer = LedgerWriter(path, "run", "topic-1")
        sequence = 0
        for event in events:
            length = 1 + min(more, event.minute + event.gap)
            minute = MINUTE + 60 * event.minute
            if event.kind == "ack":
                offset = ends[event.partition] + event.gap
                ends[event.partition] = offset + length
                for step in range(length):
                    model.acknowledge(sequence + step, event.partition, offset + step, minute, event.hashtag)
                writer.acknowledge_run(range(sequence, sequence + length), event.partition, offset)
                writer.count({event.hashtag: length}, minute, minute)
                sequence += length
            elif event.kind == "fail":
                writer.fail(sequence, "gone")
                failed.append(("run", sequence, "gone"))
                sequence += 1
            elif event.kind == "commit":
                writer.commit()
            else:
                sequence += 1
        writer.close()
        file = sqlite3.connect(path)
        acked = file.execute("SELECT * FROM acked ORDER BY partition, first_sequence").fetchall()
        counts = file.execute("SELECT * FROM counts ORDER BY minute, hashtag").fetchall()
        given_up = file.execute("SELECT * FROM failed ORDER BY sequence").fetchall()
        file.close()
    assert acked == [("run", *key, *row) for key, row in sorted(model.acked.items())]
    assert counts == [("run", *key, tweets) for key, tweets in sorted(model.counts.items())]
    assert given_up == failed
    assert writer.acknowledged == sum(model.counts.values())


def test_a_commit_is_one_statement_a_table(path: Path) -> None:
    writer = LedgerWriter(path, "run", "topic-1")
    statements: list[str] = []
    engine_event.listen(writer._ledger.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    for sequence in range(300):
        writer.acknowledge(sequence, sequence % 3, sequence, MINUTE + sequence, f"#{sequence}")
        writer.fail(1000 + sequence, "gone")
    writer.commit()
    writer.close()
    assert [statement.split()[2] for statement in statements] == ["acked", "counts", "failed"]


def test_pruning_keeps_the_number_of_what_the_log_has_lost_and_nothing_else_of_it(path: Path) -> None:
    writer = LedgerWriter(path, "run", "topic-1")
    writer.reserve(100)
    for burst, partition in enumerate((0, 1, 0, 1)):
        writer.acknowledge_run(range(10 * burst, 10 * burst + 10), partition, 10 * (burst // 2))
        writer.count({"#a": 10}, MINUTE + 3600 * burst, MINUTE + 3600 * burst)
    writer.acknowledge_unplaced(range(40, 43), 0, 20, 25)
    writer.count({"#a": 3}, MINUTE + 3600, MINUTE + 7200)
    writer.fail(43, "gone")
    start = LogStart({0: 12, 1: 20}, MINUTE + 3 * 3600)
    assert writer.prune(start) == 20, "the last of a partition may grow"
    writer.close()
    other = LedgerWriter(path, "next", "topic-1")
    other.reserve(1)
    assert other.prune(start) == 10, "a life that has ended makes none longer"
    assert other.prune(start) == 0
    other.close()
    ledger = read_ledger(path)
    assert ledger.expired == {("run", 0): 10, ("run", 1): 20}
    assert ledger.intervals == (Interval("run", 0, 20, 29, 10), Interval("run", 0, 40, 42, 20, 25))
    assert {minute for _run, minute, _hashtag in ledger.counts} == {MINUTE + 3600, MINUTE + 7200, MINUTE + 10800}
    assert ledger.spread == {("run", MINUTE + 3600, MINUTE + 7200, "#a"): 3}
    assert (ledger.acknowledged, ledger.failed, ledger.reserved) == (43, 1, {"run": 100, "next": 1})
    assert ledger.begun_before({0: 12}) == {0, 1}
    assert ledger.of_topic("topic-1", "topic-0").expired == ledger.expired
    assert ledger.of_topic("topic-0", "topic-0").acknowledged == 0


def test_pruning_leaves_the_runs_of_other_topics_alone(path: Path) -> None:
    for run, topic in (("run", "topic-1"), ("next", "topic-2")):
        writer = LedgerWriter(path, run, topic)
        writer.reserve(10)
        writer.acknowledge(0, 0, 0, MINUTE, "#a")
        writer.close()
    writer = LedgerWriter(path, "last", "topic-2")
    assert writer.prune(LogStart({0: 5}, MINUTE + 86400)) == 1
    writer.close()
    ledger = read_ledger(path)
    assert ledger.intervals == (Interval("run", 0, 0, 0, 0),)
    assert (ledger.expired, ledger.counts) == ({("next", 0): 1}, {("run", MINUTE, "#a"): 1})


def test_a_pruning_deletes_whole_minutes_and_no_more_rows_than_it_may(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MOST_ROWS", 5)
    writer = LedgerWriter(path, "run", "topic-1")
    writer.reserve(100)
    for minute in range(4):
        writer.count({f"#{number}": 1 for number in range(3)}, MINUTE + 60 * minute, MINUTE + 60 * minute)
    writer.acknowledge(0, 0, 0, MINUTE, "#0")
    start = LogStart({0: 0}, MINUTE + 86400)
    left = []
    for _pass in range(5):
        writer.prune(start)
        left.append(len({minute for _run, minute, _hashtag in read_ledger(path).counts}))
    writer.close()
    assert left == [3, 2, 1, 0, 0]
