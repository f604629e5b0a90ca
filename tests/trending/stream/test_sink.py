from __future__ import annotations

import tracemalloc
from array import array
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from fakes.trending import counting
from fakes.trending.aggregation import table_of

from trending.errors import ConfigurationConflict, LabError
from trending.kafka.log_start import LogStart
from trending.kafka.packed_offsets import pack
from trending.kafka.rejects import Rejects
from trending.programs.refused import Refused
from trending.serving.counts import Batch
from trending.serving.ranking_query import RankingQuery, Window
from trending.serving.store import Store
from trending.settings import Rule
from trending.stream import sink
from trending.stream.sink import Pruning, RankingSink, to_batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from fakes.trending.aggregation import Row

MINUTE = 1765845060


def tweets(hashtag: str, count: int, window: int = MINUTE) -> Row:
    return ("tweet", window, hashtag, -1, b"", count)


def reject(offset: int, reason: str = "tombstone", window: int = MINUTE) -> Row:
    return ("reject", window, reason, 0, pack([offset]), 1)


UNTAGGED: Row = ("untagged", MINUTE, "", -1, b"", 3)
FOREIGN: Row = ("foreign", MINUTE, "", -1, b"", 5)
TOMBSTONE = Rejects.of(0, "tombstone", [9])


class LettersInMemory:
    """Dead letters that keep what they get, once each, as the real ones do."""

    def __init__(self) -> None:
        self.sent: list[Rejects] = []
        self.batches: list[int] = []
        self.broken = False
        self.latest: list[Refused] = []

    @property
    def read_back_from(self) -> int:
        return len(self.sent)

    def write(self, batch: int, rejects: Iterable[Rejects]) -> int:
        self.batches.append(batch)
        if self.broken:
            cause = "1 dead letters were not acknowledged by letters"
            raise LabError(cause)
        fresh = [one for one in rejects if one not in self.sent]
        self.sent.extend(fresh)
        return len(fresh)


class FrameOfRows:
    """A DataFrame with rows of its own."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def toArrow(self) -> pa.Table:  # noqa: N802 - Spark's name
        return table_of(self._rows)


class Desk:
    """A sink with everything around it."""

    def __init__(self, path: Path, window_seconds: int = 60) -> None:
        self.store = Store(path)
        self.store.take_over(counting.epoch("checkpoint", rule=Rule(window_seconds=window_seconds)))
        self.letters = LettersInMemory()
        self.shown: list[str] = []
        self.ends_shown: list[Mapping[int, int]] = []
        self.log_start: LogStart | None = None
        self.looked_at: list[float] = []
        self.passed = 0
        self.written_up_to(0)
        self.restart()

    def written_up_to(self, number: int) -> None:
        """Put batches without rows into the store."""
        counting.write(self.store, "checkpoint", Batch(number, MINUTE, {}, {}))

    def restart(self, zone: str = "UTC") -> None:
        letters: Any = self.letters
        pruning = Pruning(2, self._look, 2, lambda _batch: self.passed)
        self.sink = RankingSink(
            self.store, "checkpoint", letters, ZoneInfo(zone), self.shown.append, self.ends_of, self.ends_shown.append, pruning
        )

    def _look(self, now: float) -> LogStart | None:
        self.looked_at.append(now)
        return self.log_start

    def write(self, number: int, rows: list[Row]) -> None:
        """Write a batch as Spark hands it over."""
        self.sink.write(number, table_of(rows))

    @staticmethod
    def ends_of(number: int) -> dict[int, int]:
        """Return the ends of a batch, as the fake has them."""
        return {0: number}

    def ranked(self) -> list[list[tuple[str, str]]]:
        """Return the hashtags and counts of every printed block."""
        return [
            [
                (cells[2].strip(), cells[3].strip())
                for line in block.splitlines()
                if (cells := line.split("|"))[1:] and "{" in line
            ]
            for block in self.shown
        ]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    class Noon:
        @staticmethod
        def time() -> float:
            return MINUTE + 20.0

    monkeypatch.setattr(sink, "time", Noon)
    desk = Desk(tmp_path / "serving.sqlite")
    with closing(desk.store):
        yield desk


def test_a_batch_prints_the_contracts_block(desk: Desk) -> None:
    desk.written_up_to(11)
    desk.write(12, [tweets("#IA", 7), tweets("#BigData", 42)])
    assert desk.shown == [
        """\
=====
Batch 12 - Snapshot en 2025-12-16 00:31:20
Ventana del minuto [2025-12-16 00:31:00 , 2025-12-16 00:32:00]
Top hashtags en este minuto:
+------------------------------------------+-----------------+---------------+
|window                                    |hashtag_principal|num_ocurrencias|
+------------------------------------------+-----------------+---------------+
|{2025-12-16 00:31:00, 2025-12-16 00:32:00}|#BigData         |42             |
|{2025-12-16 00:31:00, 2025-12-16 00:32:00}|#IA              |7              |
+------------------------------------------+-----------------+---------------+
====="""
    ]


def test_a_batch_with_only_the_changed_rows_prints_the_whole_window(desk: Desk) -> None:
    desk.write(1, [tweets("#a", 5), tweets("#b", 3)])
    desk.write(2, [tweets("#c", 1)])
    desk.write(3, [tweets("#b", 6)])
    assert desk.ranked() == [
        [("#a", "5"), ("#b", "3")],
        [("#a", "5"), ("#b", "3"), ("#c", "1")],
        [("#b", "6"), ("#a", "5"), ("#c", "1")],
    ]


def test_a_batch_that_changes_nothing_prints_nothing(desk: Desk) -> None:
    desk.write(0, [])
    assert desk.shown == []
    desk.write(1, [tweets("#a", 5)])
    desk.write(2, [])
    desk.write(3, [FOREIGN, UNTAGGED])
    desk.write(4, [tweets("#a", 5)])
    assert len(desk.shown) == 1


def test_a_batch_tells_which_records_it_has_refused_and_why(desk: Desk) -> None:
    desk.letters.latest = [Refused(0, 9, "late", MINUTE, "#IA", "@a"), Refused(0, 11, "tombstone", MINUTE)]
    desk.written_up_to(11)
    desk.write(12, [reject(9, "late"), reject(11), reject(14, "late"), tweets("#a", 5)])
    assert desk.shown[0].splitlines() == [
        "refused in batch 12: 2 late: #IA of @a (partition 0, offset 9); partition 0, offset 14",
        "refused in batch 12: 1 tombstone: partition 0, offset 11",
    ]
    assert desk.ranked()[1:] == [[("#a", "5")]]


def test_a_batch_of_rejects_alone_tells_them_and_prints_no_ranking(desk: Desk) -> None:
    desk.write(1, [reject(9)])
    assert desk.shown == ["refused in batch 1: 1 tombstone: partition 0, offset 9"]


def test_rows_of_an_older_window_do_not_print_the_latest_again(desk: Desk) -> None:
    desk.write(1, [tweets("#a", 5)])
    desk.write(2, [tweets("#old", 9, MINUTE - 60)])
    assert len(desk.shown) == 1
    assert desk.store.ranking(RankingQuery(MINUTE - 60)) == Window(MINUTE - 60, 9, 1, (("#old", 9),))


def test_a_new_life_does_not_print_again_because_of_another_clocks_future(desk: Desk) -> None:
    desk.write(1, [tweets("#a", 5), tweets("#future", 1, MINUTE + 3600)])
    desk.restart()
    desk.write(2, [])
    assert desk.ranked() == [[("#a", "5")]]


def test_a_new_life_does_not_print_a_long_ranking_again(desk: Desk) -> None:
    desk.write(1, [tweets(f"#{place:03}", 1000 - place) for place in range(150)])
    desk.restart()
    desk.write(2, [])
    assert len(desk.shown) == 1


def test_a_block_has_its_times_in_the_zone_that_was_asked_for(desk: Desk) -> None:
    desk.restart("Asia/Tokyo")
    desk.write(1, [tweets("#a", 5)])
    assert "[2025-12-16 09:31:00 , 2025-12-16 09:32:00]" in desk.shown[0]


def test_a_change_below_the_rows_that_are_shown_is_one_of_the_ranking(desk: Desk) -> None:
    desk.write(1, [tweets(f"#{place:03}", 1000 - place) for place in range(150)])
    desk.write(2, [tweets("#149", 852)])
    desk.write(3, [tweets("#150", 1)])
    assert len(desk.shown) == 3
    assert desk.ranked()[0] == desk.ranked()[1] == desk.ranked()[2]
    assert [block.splitlines()[-2] for block in desk.shown] == [f"only showing top 100 rows of {n}" for n in (150, 150, 151)]


def test_a_new_minute_begins_a_new_ranking(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write(1, [tweets("#a", 5)])
    monkeypatch.setattr(sink.time, "time", lambda: MINUTE + 61.0)
    desk.write(2, [tweets("#b", 1, MINUTE + 60)])
    assert desk.ranked()[1] == [("#b", "1")]
    assert "Ventana del minuto [2025-12-16 00:32:00 , 2025-12-16 00:33:00]" in desk.shown[1]


def test_a_window_of_another_clocks_future_is_not_printed_yet(desk: Desk) -> None:
    desk.write(1, [tweets("#a", 5), tweets("#b", 1, MINUTE + 60)])
    assert desk.ranked() == [[("#a", "5")]]


def test_the_ends_of_each_batch_are_shown_once_it_is_written(desk: Desk) -> None:
    desk.write(1, [tweets("#a", 5)])
    desk.write(2, [])
    desk.letters.broken = True
    with pytest.raises(LabError):
        desk.write(3, [reject(9)])
    assert desk.ends_shown == [{0: 1}, {0: 2}]


@pytest.mark.row(20)
def test_a_batch_is_written_with_its_ends(desk: Desk) -> None:
    desk.write(1, [tweets("#a", 5)])
    desk.write(2, [])
    assert desk.store.known_epochs()[0].counted_to() == {0: 2}


@pytest.mark.row(20)
def test_a_replayed_batch_changes_and_prints_nothing(desk: Desk) -> None:
    rows = [tweets("#a", 5), FOREIGN, UNTAGGED, reject(9)]
    desk.write(1, rows)
    assert len(desk.shown) == 2
    desk.restart()
    desk.write(1, rows)
    assert len(desk.shown) == 2
    assert counting.counts(desk.store) == {(MINUTE, "#a"): 5}
    assert counting.untagged(desk.store) == {MINUTE: 3}
    assert (desk.store.foreign(), counting.rejects(desk.store)) == (5, {(0, "tombstone"): array("q", [9])})
    assert desk.letters.sent == [TOMBSTONE]


def test_rejects_go_to_the_dead_letters_and_are_booked(desk: Desk) -> None:
    desk.write(1, [reject(9), reject(10, "late"), tweets("#a", 1)])
    assert desk.letters.sent == [Rejects.of(0, "late", [10]), TOMBSTONE]
    assert desk.letters.batches == [1]
    assert counting.rejects(desk.store) == {(0, "late"): array("q", [10]), (0, "tombstone"): array("q", [9])}
    assert desk.store.dead_letter_offset("checkpoint") == 2


def test_without_rejects_the_dead_letters_are_left_alone(desk: Desk) -> None:
    desk.write(1, [tweets("#a", 1), FOREIGN])
    assert desk.letters.batches == []
    assert desk.store.foreign() == 5


@pytest.mark.row(20)
def test_a_job_that_wakes_up_late_takes_the_dead_letters_from_nobody(desk: Desk) -> None:
    desk.store.take_over(counting.epoch("next"))
    with pytest.raises(ConfigurationConflict, match="another checkpoint counts on"):
        desk.write(1, [reject(9)])
    assert desk.letters.batches == []


@pytest.mark.row(29)
def test_a_reject_that_could_not_be_sent_is_not_booked(desk: Desk) -> None:
    desk.letters.broken = True
    with pytest.raises(LabError, match="not acknowledged"):
        desk.write(1, [reject(9), tweets("#a", 1)])
    assert (counting.rejects(desk.store), counting.counts(desk.store), max(desk.store.written("checkpoint"))) == ({}, {}, 0)
    assert desk.shown == []


def test_spark_hands_over_a_frame(desk: Desk) -> None:
    frame: Any = FrameOfRows([tweets("#a", 5), tweets("#b", 7), reject(3)])
    desk.written_up_to(3)
    desk.sink(frame, 4)
    assert desk.ranked()[1:] == [[("#b", "7"), ("#a", "5")]]
    assert max(desk.store.written("checkpoint"), default=None) == 4
    empty: Any = FrameOfRows([])
    desk.sink(empty, 5)
    assert (len(desk.shown), max(desk.store.written("checkpoint"), default=None)) == (2, 5)


@pytest.mark.row(22)
def test_hostile_hashtags_are_printed_harmlessly(desk: Desk) -> None:
    desk.write(1, [tweets("\x1b[2J\n\u202e", 2)])
    assert desk.ranked() == [[("\\x1b[2J\\n\\u202e", "2")]]
    assert counting.counts(desk.store) == {(MINUTE, "\x1b[2J\n\u202e"): 2}


def test_the_rows_of_an_aggregation_are_sorted_by_what_they_are() -> None:
    rows = [tweets("#a", 5), tweets("#a", 1, MINUTE + 60), FOREIGN, UNTAGGED, reject(3, "late"), reject(7, "late", MINUTE + 60)]
    batch = to_batch(4, 1.5, table_of(rows))
    expected = {(MINUTE, "#a"): 5, (MINUTE + 60, "#a"): 1}
    assert dict(batch.tweets.items()) == expected
    assert list(batch.tweets) == list(expected)
    assert replace(batch, tweets=expected) == Batch(4, 1.5, expected, {MINUTE: 5}, (Rejects.of(0, "late", [3, 7]),), {MINUTE: 3})


def test_what_tasks_have_staged_is_told_by_attempt_and_window() -> None:
    rows: list[Row] = [("staged", MINUTE, "one", -1, b"", 5), ("staged", MINUTE + 60, "one", -1, b"", 2), tweets("#a", 3)]
    batch = to_batch(4, 1.5, table_of([*rows, ("staged", MINUTE, "two", -1, b"", 7)]))
    assert batch.staged == {("one", MINUTE): 5, ("one", MINUTE + 60): 2, ("two", MINUTE): 7}
    assert dict(batch.tweets.items()) == {(MINUTE, "#a"): 3}
    assert batch.tweet_windows() == {MINUTE, MINUTE + 60}


@pytest.mark.thorough
@pytest.mark.row(23)
def test_a_batch_of_many_hashtags_is_never_all_objects_at_once(desk: Desk) -> None:
    """A batch may have half a million. As rows of the store, and as tuples and dictionaries, they once took 0.9 kB each."""
    many = 200_000
    names = [f"#hashtag{number}" for number in range(many)]
    table = pa.table(
        {
            "kind": ["tweet"] * many,
            "window_start": [MINUTE] * many,
            "label": names,
            "partition": [-1] * many,
            "offsets": [b""] * many,
            "records": range(1, many + 1),
        }
    )
    del names
    tracemalloc.start()
    try:
        desk.sink.write(1, table)
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100 * many
    window = desk.store.ranking(RankingQuery(MINUTE, limit=1))
    assert window == Window(MINUTE, many * (many + 1) // 2, many, ((f"#hashtag{many - 1}", many),))


def test_a_batch_prints_the_latest_window_of_the_length_that_is_counted(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "serving.sqlite", window_seconds=10)
    with closing(desk.store):
        desk.written_up_to(11)
        desk.write(12, [tweets("#IA", 7), tweets("#BigData", 42, MINUTE + 10)])
    (block,) = desk.shown
    assert "Ventana [2025-12-16 00:31:10 , 2025-12-16 00:31:20]" in block
    assert desk.ranked() == [[("#BigData", "42")]]


@pytest.mark.row(23)
def test_a_window_keeps_its_first_hashtags_by_name_once_it_is_over_and_not_before(desk: Desk) -> None:
    desk.write(1, [tweets("#a", 5), tweets("#b", 3), tweets("#c", 3), tweets("#d", 1)])
    desk.write(2, [tweets("#e", 9, MINUTE + 60)])
    assert desk.store.ranking(RankingQuery(MINUTE)).hashtags == 4  # type: ignore[union-attr]
    desk.passed = MINUTE
    desk.write(3, [])
    window = desk.store.ranking(RankingQuery(MINUTE))
    assert window == Window(MINUTE, 12, 4, (("#a", 5), ("#b", 3)), other_tweets=4, other_hashtags=2)
    with pytest.raises(ConfigurationConflict, match="only the leading hashtags were kept"):
        desk.write(4, [tweets("#d", 2)])
    desk.write(4, [tweets("#f", 1, MINUTE + 60)])
    assert desk.store.ranking(RankingQuery(MINUTE)) == window


DAY = 86400


@pytest.mark.row(33)
@pytest.mark.parametrize(
    ("since", "left"),
    [(MINUTE, [1]), (MINUTE - 1.5 * DAY, [1]), (MINUTE - 4 * DAY, [1, 3]), (MINUTE - 5 * DAY, [1, 3, 5])],
    ids=["the log has nothing", "the log begins within the kept days", "the log has the second", "the log has all"],
)
def test_windows_go_that_are_older_than_the_days_they_are_kept_for_and_not_in_the_log(
    desk: Desk, since: float, left: list[int]
) -> None:
    desk.write(1, [tweets("#a", day, MINUTE - day * DAY) for day in (1, 3, 5)])
    desk.write(2, [])
    assert len(desk.store.view().counts) == 3, "nobody has said where the log begins"
    desk.log_start = LogStart({0: 0}, since)
    desk.write(3, [tweets("#a", 7)])
    assert desk.looked_at == [MINUTE + 20.0] * 3
    view = desk.store.view()
    kept = {(MINUTE - window) // DAY for _checkpoint, window, _hashtag in view.counts} - {0}
    assert sorted(kept) == left
    summarised = sum(each.tweets for each in view.summarised.values())
    assert summarised == 9 - sum(left)
    assert sum(view.counts.values()) + summarised == 9 + 7
