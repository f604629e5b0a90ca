"""The proof strip: store and ledger are added up each for itself, and a row that is missing is told at the next look."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.trending import counting
from fakes.trending.memory import folder_in_memory
from hypothesis import given
from hypothesis import strategies as st

from trending.kafka.rejects import Rejects
from trending.page.board import Board
from trending.page.moving import proof as strip
from trending.page.moving.ledger_totals import look_at_ledgers
from trending.page.moving.store_totals import Totals
from trending.producer import redriven
from trending.producer.ledger import read_ledger
from trending.producer.ledger_writer import LedgerWriter
from trending.producer.places.opened import opened
from trending.producer.places.tables import REDRIVEN
from trending.producer.redriven import Redriven
from trending.replay import booked as replays
from trending.serving.counts import Batch
from trending.serving.seals import StoredSeal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes.trending.page import PageHome

T0 = 1_765_843_860  # 2025-12-16 00:11:00 UTC, the start of a minute


@pytest.fixture
def ledger(home: PageHome) -> Iterator[LedgerWriter]:
    made = LedgerWriter(home.root / "ledger.sqlite", "run", counting.TOPIC_ID)
    made.reserve(100)
    yield made
    made.close()


@pytest.fixture
def board(home: PageHome, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    monkeypatch.setattr(strip, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(strip, "SHARE", 0)
    made = Board(home.spec(ledgers=(home.root / "ledger.sqlite",)))
    yield made
    made.close()


def count(home: PageHome, number: int, end: int, tweets: dict[tuple[int, str], int], *rejects: Rejects) -> None:
    home.store.write("checkpoint", Batch(number, T0 + number, tweets, {}, rejects), {0: end})


def begin(home: PageHome) -> None:
    home.store.take_over(counting.epoch("checkpoint"))


def proof(board: Board, now: float = T0 + 60.0) -> dict[str, Any]:
    section: dict[str, Any] = board.look(now)["proof"]
    return section


def test_what_is_counted_and_what_is_in_flight_make_up_what_was_acknowledged(
    home: PageHome, board: Board, ledger: LedgerWriter
) -> None:
    begin(home)
    ledger.acknowledge_run(range(10), 0, 0)
    ledger.commit()
    count(home, 0, 7, {(T0, "#a"): 4, (T0, "#b"): 2}, Rejects.of(0, "late", [6]))
    found = proof(board)
    assert (found["acknowledged"], found["counted"], found["in_flight"]) == (10, 7, 3)
    assert (found["state"], found["missing"], found["proved"]) == ("holds", 0, "")
    ledger.acknowledge_run(range(10, 12), 0, 10)
    ledger.commit()
    found = proof(board)
    assert (found["acknowledged"], found["counted"], found["in_flight"]) == (12, 7, 5)


def test_a_row_that_is_missing_in_the_store_turns_it_red(home: PageHome, board: Board, ledger: LedgerWriter) -> None:
    begin(home)
    ledger.acknowledge_run(range(7), 0, 0)
    ledger.commit()
    count(home, 0, 7, {(T0, "#a"): 4, (T0, "#b"): 3})
    assert proof(board)["state"] == "holds"
    with closing(sqlite3.connect(home.path)) as connection, connection:
        connection.execute("DELETE FROM ranking WHERE hashtag = '#b'")
    found = proof(board)
    assert (found["state"], found["missing"], found["counted"]) == ("missing", 3, 4)


def test_more_counted_than_acknowledged_is_told_once_the_ledger_had_time(
    home: PageHome, board: Board, ledger: LedgerWriter
) -> None:
    begin(home)
    ledger.acknowledge_run(range(3), 0, 0)
    ledger.commit()
    count(home, 0, 5, {(T0, "#a"): 5})
    assert proof(board)["state"] == "holds"
    found = proof(board, T0 + 61.0 + strip.PATIENCE_SECONDS)
    assert (found["state"], found["more"]) == ("more", 2)
    ledger.acknowledge_run(range(3, 5), 0, 3)
    ledger.commit()
    assert proof(board, T0 + 90.0)["state"] == "holds"


def test_nothing_lost_is_said_with_the_time_of_the_audit_that_proved_it(
    home: PageHome, board: Board, ledger: LedgerWriter
) -> None:
    begin(home)
    ledger.commit()
    count(home, 0, 0, {})
    home.store.seal(StoredSeal(counting.TOPIC_ID, 1, T0 + 5.0, "{}", {}), {})
    assert proof(board)["proved"] == "00:11:05"
    home.store.break_seals()
    assert proof(board)["proved"] == ""


def test_tweets_are_sampled_of_the_stacks_producer_and_of_a_replay_beside_it(home: PageHome, ledger: LedgerWriter) -> None:
    place = home.root / "ledger.sqlite"
    totals = Totals(counting.TOPIC_ID, first=True, starts={}, ends={0: 0}, counted=0, proved_at=None)
    ledger.acknowledge(0, 0, 4, T0, "#producer")
    ledger.commit()
    for run, hashtag, offset in (("redrive", "#redriven", 5), ("replay", "#replayed", 6)):
        with closing(LedgerWriter(place, run, counting.TOPIC_ID, guest=True)) as other:
            other.reserve(1)
            other.acknowledge(0, 0, offset, T0, hashtag)
    opened_ledger = opened(place)
    letter = Redriven("redrive", 0, "letters", 0, 0, 0)
    opened_ledger.write(lambda connection: redriven.book(connection, REDRIVEN, [letter]))
    opened_ledger.write(lambda connection: replays.book(connection, "replay"))
    opened_ledger.close()
    found = look_at_ledgers([place], totals, T0 + 1.0)
    assert (found.latest, found.ends, found.acknowledged_to) == ({"#producer": 1, "#replayed": 1}, {0: 7}, {0: 7})
    later = look_at_ledgers([place], totals, T0 + 1_000.0)
    assert later.latest == {}
    ledger.acknowledge(1, 0, 7, T0 + 960, "#producer")
    ledger.commit()
    assert look_at_ledgers([place], totals, T0 + 1_000.0).latest == {"#producer": 1}, "long after the replay has ended"


def test_a_ledger_of_an_earlier_version_is_added_up_once_a_producer_has_opened_it(home: PageHome, board: Board) -> None:
    place = home.root / "ledger.sqlite"
    with closing(LedgerWriter(place, "run", counting.TOPIC_ID)) as before:
        before.reserve(10)
        before.acknowledge(0, 0, 0, T0, "#a")
    with closing(sqlite3.connect(place)) as connection, connection:
        for name in ("sent_at", "tweet"):
            connection.execute(f"ALTER TABLE by_hand DROP COLUMN {name}")
        connection.execute("INSERT INTO by_hand VALUES ('typed')")
        connection.execute("DROP TABLE replays")
    begin(home)
    count(home, 0, 1, {(T0, "#a"): 1})
    assert proof(board)["state"] == "unknown", "the page only reads"
    opened(place).close()
    found = proof(board, T0 + 70.0)
    assert (found["state"], found["acknowledged"], found["counted"]) == ("holds", 1, 1)
    assert board.look(T0 + 70.0)["pipeline"]["by_hand"] == [], "what it was is not known"


def test_without_a_ledger_or_before_an_epoch_nothing_is_claimed(home: PageHome, board: Board) -> None:
    assert proof(board)["state"] == "unknown"
    home.write(T0, {"#a": 1})
    recorded = Board(home.spec())
    found = proof(recorded)
    recorded.close()
    assert (found["state"], found["acknowledged"]) == ("unrecorded", None)


def test_a_ledger_that_cannot_be_read_is_not_known_and_stops_nothing(home: PageHome, board: Board) -> None:
    begin(home)
    count(home, 0, 5, {(T0, "#a"): 5})
    (home.root / "ledger.sqlite").write_bytes(b"something else " * 300)
    sections = board.look(T0 + 60.0)
    assert sections["proof"]["state"] == "unknown"
    assert sections["ranking"]["tweets"] == 5


def test_expired_records_before_what_is_counted_make_it_unknown(home: PageHome, board: Board, ledger: LedgerWriter) -> None:
    home.store.take_over(counting.epoch("checkpoint", starts={0: 4}))
    ledger.acknowledge_run(range(7), 0, 0)
    ledger.commit()
    count(home, 0, 7, {(T0, "#a"): 3})
    assert proof(board)["state"] == "holds"
    with closing(sqlite3.connect(home.root / "ledger.sqlite")) as connection, connection:
        connection.execute("INSERT INTO expired VALUES ('run', 0, 2)")
    assert proof(board)["state"] == "unknown"


def test_a_heavy_store_is_added_up_seldom(
    home: PageHome, board: Board, ledger: LedgerWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(home)
    ledger.acknowledge_run(range(1), 0, 0)
    ledger.commit()
    count(home, 0, 1, {(T0, "#a"): 1})
    assert proof(board)["counted"] == 1
    monkeypatch.setattr(strip, "SHARE", 50)
    board._proof._took = 100.0
    count(home, 1, 2, {(T0, "#a"): 2})
    assert proof(board)["counted"] == 1
    board._proof._began = time.monotonic() - 100.0 * strip.SHARE
    assert proof(board)["counted"] == 2


intervals = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 5), st.integers(0, 4), st.booleans()), min_size=1, max_size=8)


@given(intervals, st.integers(0, 12), st.integers(0, 12))
def test_the_database_adds_up_what_the_ledger_in_memory_does(
    drawn: list[tuple[int, int, int, bool]], start: int, more: int
) -> None:
    with folder_in_memory() as folder:
        path = Path(folder) / "ledger.sqlite"
        check_sums(path, drawn, start, start + more)


def check_sums(path: Path, drawn: list[tuple[int, int, int, bool]], start: int, end: int) -> None:
    writer = LedgerWriter(path, "run", counting.TOPIC_ID)
    writer.reserve(100)
    sequence, offsets = 0, {0: 0, 1: 0}
    for partition, length, gap, placed in drawn:
        first, sequences = offsets[partition] + gap, range(sequence, sequence + length)
        if placed:
            writer.acknowledge_run(sequences, partition, first)
            offsets[partition] = first + length
        else:
            writer.acknowledge_unplaced(sequences, partition, first, offsets[partition] + 2 * gap + length)
            offsets[partition] = offsets[partition] + 2 * gap + length
        sequence += length
    writer.close()
    starts, ends = {0: start}, {0: end, 1: end}
    found = look_at_ledgers(
        [path], Totals(counting.TOPIC_ID, first=True, starts=starts, ends=ends, counted=0, proved_at=None), T0
    )
    ledger = read_ledger(path)
    before = sum(each.before(starts.get(each.partition, 0)) for each in ledger.intervals)
    assert found.records == ledger.acknowledged - before
    reached: dict[int, int] = {}
    for each in ledger.intervals:
        reached[each.partition] = max(reached.get(each.partition, 0), each.end_offset)
    assert found.acknowledged_to == reached
    behind = sum(each.behind(ends[each.partition]) for each in ledger.intervals)
    if not any(each.unplaced_end is not None and each.before(starts.get(each.partition, 0)) for each in ledger.intervals):
        assert found.behind == behind
    other = look_at_ledgers([path], Totals("another", first=False, starts=starts, ends=ends, counted=0, proved_at=None), T0)
    assert (other.records, other.behind, other.expired, other.acknowledged_to) == (0, 0, 0, {})
