"""A replay into a Kafka without broker, beside the stack's producer and over several lives of its own."""

from __future__ import annotations

import threading
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from fakes.trending.kafka import MIDNIGHT
from fakes.trending.sources.replays import Stage

from trending.producer import ledger_writer
from trending.producer.ledger import read_ledger
from trending.producer.places.opened import OpenedLedger, opened
from trending.producer.program import main
from trending.programs.heartbeat import FINISHED
from trending.replay import source
from trending.replay.items import Item, Pace, compressed
from trending.replay.posts import Post
from trending.replay.source import WAITING
from trending.settings import Rule
from trending.tweets.fates import label_of
from trending.tweets.rule import classify
from trending.tweets.wire_format import decode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fakes.trending.kafka import FakeKafka


def posts(number: int, apart: int = 1_000_000) -> list[Post]:
    return [Post(place * apart, place, "@a", f"text {place}", f"#{place % 3}") for place in range(number)]


@pytest.fixture
def stage(kafka: FakeKafka, tmp_path: Path) -> Stage:
    return Stage(kafka, tmp_path)


def test_tweets_come_when_they_are_due_from_the_next_window_on_and_then_it_ends(stage: Stage) -> None:
    stage.kafka.clock.now = 10.0
    replayed, beat = stage.replay(compressed(posts(100), Pace(0, Fraction(10))))
    assert replayed.begin_at == (MIDNIGHT + 60) * 1_000_000
    records = stage.kafka.records("tweets")
    assert len(records) == 100
    for number, record in enumerate(records):
        timestamp = decode(record.value() or b"").timestamp
        assert timestamp == MIDNIGHT + 60 + number / 10
        assert 0 <= record.timestamp()[1] / 1000 - timestamp < 0.3
        assert dict(record.headers() or [])["origin.time"] == f"1970-01-01T00:{number // 60:02}:{number % 60:02}Z".encode()
    assert (beat.figures["sent"], beat.figures["acknowledged"]) == (100, 100)
    assert stage.phases[0] == WAITING
    assert replayed.phase(0) == FINISHED
    stage.require_booked()


def test_many_partitions_take_turns(stage: Stage) -> None:
    stage.kafka.create("tweets", 3)
    stage.replay(compressed(posts(3_000, 10_000), Pace(0, Fraction(10))))
    assert all(len(stage.kafka.records("tweets", partition)) > 300 for partition in range(3))
    stage.require_booked()


def test_an_item_may_have_a_partition_and_a_key_of_its_own_and_be_no_tweet(stage: Stage) -> None:
    stage.kafka.create("tweets", 2)
    bad = label_of(classify(b"{", 0.0, Rule()))
    gone = label_of(classify(None, 0.0, Rule()))
    items = [
        Item(0, b"{", bad, partition=1, key=b"orders:17", headers=(("trace", b"7"),)),
        Item(0, None, gone, partition=1),
        Item(5, b'{"hashtag_principal":"","timestamp":1}', "", partition=7),
    ]
    replayed, _beat = stage.replay(items)
    (first, second) = stage.kafka.records("tweets", 1)
    assert first.key() == b"orders:17"
    assert first.headers() == [("trace", b"7"), ("id", f"{replayed.run}:0".encode())]
    assert (second.key(), second.value()) == (f"t1:{replayed.run}:1".encode(), None)
    assert [each.key() for each in stage.kafka.records("tweets", 0)] == [f"t1:{replayed.run}:2".encode()]
    stage.require_booked()


def test_what_cannot_be_sent_in_time_comes_whole_windows_later(stage: Stage) -> None:
    asleep = iter([2_500])
    stage.at(100, lambda: setattr(stage.kafka.clock, "now", stage.kafka.clock.now + next(asleep, 0)))
    replayed, beat = stage.replay(compressed(posts(300), Pace(0, Fraction(1))))
    ((at, seconds),) = replayed.shifted
    assert seconds % 60 == 0
    assert beat.figures["acknowledged"] == 300
    times = [decode(record.value() or b"").timestamp for record in stage.kafka.records("tweets")]
    gaps = {number + 1: later - earlier for number, (earlier, later) in enumerate(pairwise(times)) if later - earlier != 1}
    assert gaps == {at: seconds + 1}
    assert 75 < at < 85
    lateness = [record.timestamp()[1] / 1000 - time for record, time in zip(stage.kafka.records("tweets"), times, strict=True)]
    assert max(lateness) < 60


def test_where_nothing_is_late_nothing_is_shifted(stage: Stage) -> None:
    asleep = iter([2_500])
    stage.at(100, lambda: setattr(stage.kafka.clock, "now", stage.kafka.clock.now + next(asleep, 0)))
    replayed, _beat = stage.replay(compressed(posts(300), Pace(0, Fraction(1))), shifts=False)
    times = [decode(record.value() or b"").timestamp for record in stage.kafka.records("tweets")]
    assert replayed.shifted == []
    assert times == [MIDNIGHT + 1_020 + number for number in range(300)]


def test_the_start_is_chosen_when_the_first_items_are_read(stage: Stage) -> None:
    def sorting() -> Iterable[Item]:
        stage.kafka.clock.now += 1_000
        yield from compressed(posts(3), Pace(0, Fraction(1)))

    replayed, _beat = stage.replay(sorting())
    assert replayed.begin_at == (MIDNIGHT + 2_040) * 1_000_000


def test_a_replay_that_is_stopped_has_booked_what_it_has_sent(stage: Stage) -> None:
    _source, beat = stage.replay(compressed(posts(1_000), Pace(0, Fraction(1))), 100)
    assert 50 < beat.figures["acknowledged"] < 110
    stage.require_booked()


@pytest.mark.parametrize("arrived", [0, 1, 3])
def test_what_a_replay_had_sent_when_it_was_killed_is_booked_by_the_next_one(
    stage: Stage, arrived: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    ledgers: list[OpenedLedger] = []
    for module in (ledger_writer, source):
        monkeypatch.setattr(module, "opened", lambda path: ledgers.append(opened(path)) or ledgers[-1])

    def killed() -> None:
        raise KilledError

    stage.at(40, lambda: setattr(stage.kafka, "frozen", True))
    stage.at(45, killed)
    with pytest.raises(KilledError):
        stage.replay(compressed(posts(1_000), Pace(0, Fraction(1))))
    stage.kafka.clock._at_sleep = None
    stage.kafka.frozen = False
    for ledger in ledgers:
        ledger.close()
    for queued in stage.kafka.producers[-1].abandon()[:arrived]:
        stage.kafka.append(queued.topic, queued.value, key=queued.key, headers=queued.headers, partition=queued.partition)
    before = len(stage.kafka.records("tweets"))
    stage.replay(compressed(posts(10), Pace(0, Fraction(1))))
    assert len(stage.kafka.records("tweets")) == before + 10
    stage.require_booked()


def test_the_stacks_producer_does_not_take_a_replay_for_its_last_life(stage: Stage) -> None:
    stage.replay(compressed(posts(10), Pace(0, Fraction(1))))
    stop = threading.Event()
    stage.at(5, stop.set)
    main(stage.spec("producer"), stop)
    stage.require_booked()
    stage.replay(compressed(posts(10), Pace(0, Fraction(1))))
    stage.require_booked()


def test_no_row_of_a_replay_grows_once_it_is_written(stage: Stage) -> None:
    stage.replay(compressed(posts(60), Pace(0, Fraction(1))))
    intervals = read_ledger(stage.directory / "ledger.sqlite").intervals
    assert len(intervals) > 20, "a producer that prunes the ledger may have summarised a row that is written"


def test_the_asked_rate_is_that_of_the_file_and_what_is_unproven_is_overdue_from_its_due_time_on(stage: Stage) -> None:
    stage.kafka.clock.now = 10.0
    replayed, _beat = stage.replay(compressed(posts(30), Pace(0, Fraction(1))))
    assert replayed.asked(0.0) == replayed.rate
    end = MIDNIGHT + 60 + 29
    assert replayed.overdue(replayed.position, 0.0, end + 100.0) == 0.0, "all of it is proven"
    assert replayed.overdue(29, 0.0, end + 5.0) == pytest.approx(5.0)
