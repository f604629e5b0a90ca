from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.kafka.log_reader import Record
from trending.report.comparison import SHOWN_LEADERS, SHOWN_MINUTES, Written, ages, follow, minutes, totals, tweet_way
from trending.settings import Rule, WindowTime
from trending.tweets.wire_format import Tweet, encode

NOON = 1_800_000_000.0
BATCHES = [Written(2, {0: 5, 1: 2}, NOON + 20), Written(1, {0: 3}, NOON + 10), Written(3, {0: 5, 1: 2}, NOON + 30)]


def record(offset: int, *, partition: int = 0, value: bytes | None = None, sent: float = NOON, **headers: bytes) -> Record:
    tweet = Tweet("@a", "hola #Spark", "#Spark", sent)
    return Record(partition, offset, NOON + 1, encode(tweet) if value is None else value, dict(headers))


def test_a_tweet_was_counted_by_the_first_batch_that_ended_behind_it() -> None:
    records = [record(0), record(2), record(3), record(4), record(5), record(1, partition=1), record(0, partition=7)]
    found = follow(records, BATCHES, Rule())
    assert [(each.record.partition, each.record.offset, each.batch, each.served - NOON) for each in found] == [
        (0, 0, 1, 10),
        (0, 2, 1, 10),
        (0, 3, 2, 20),
        (0, 4, 2, 20),
        (1, 1, 2, 20),
    ]


def test_what_is_no_tweet_or_lacks_a_field_is_not_followed() -> None:
    bare = msgspec.json.encode({"hashtag_principal": "#Spark", "timestamp": NOON})
    foreign = msgspec.json.encode({"mensaje": "Hola", "contador": 1})
    assert follow([record(0, value=bare), record(1, value=foreign), record(2, value=b"{")], BATCHES, Rule()) == []


def test_the_way_is_that_of_the_last_tweet_with_an_id_that_the_store_has() -> None:
    window = int(NOON) // 60 * 60
    followed = follow([record(1, id=b"run:1"), record(2, id=b"run:2"), record(3)], BATCHES, Rule())
    way = tweet_way(followed, {(window, "#Spark"): 12})
    assert way is not None
    assert (way.record_id, way.offset, way.batch, way.seconds, way.count) == ("run:2", 2, 1, 10.0, 12)
    assert tweet_way(followed, {}) is None
    assert tweet_way([], {(window, "#Spark"): 12}) is None


def test_windows_are_compared_hashtag_by_hashtag_since_totals_can_cancel() -> None:
    stream = {(0, "#A"): 5, (0, "#B"): 3, (60, "#A"): 1}
    batch = {(0, "#A"): 3, (0, "#C"): 5, (60, "#A"): 1}
    first, second = minutes(stream, batch)
    assert (first.stream, first.batch, first.hashtags, first.differing) == (8, 8, 3, 3)
    assert [(line.hashtag, line.stream, line.batch) for line in first.leaders] == [("#A", 5, 3), ("#B", 3, 0), ("#C", 0, 5)]
    assert (second.start, second.differing) == (60, 0)
    whole = totals({Rule(): stream}, {Rule(): batch}, 4.5)
    assert (whole.windows, whole.tweets, whole.hashtags, whole.pairs, whole.differing) == (2, 9, 3, 4, 3)
    assert whole.tweets_per_second == 2.0
    assert totals({}, {}, 0.0).tweets_per_second == 0.0


def test_windows_of_two_rules_are_two_though_they_begin_together() -> None:
    stream = {Rule(): {(0, "#A"): 5}, Rule(window_seconds=10): {(0, "#A"): 2}}
    batch = {Rule(): {(0, "#A"): 4}, Rule(window_seconds=10): {(0, "#A"): 3}}
    whole = totals(stream, batch, 7.0)
    assert (whole.windows, whole.tweets, whole.hashtags, whole.pairs, whole.differing) == (2, 7, 1, 2, 2)


def test_a_followed_tweet_lies_in_a_window_of_the_rules_length() -> None:
    (found,) = follow([record(0)], BATCHES, Rule(window_seconds=10))
    assert found.window == int(found.record.append_time) // 10 * 10


def test_by_original_times_a_timestamp_is_of_the_file_so_nobody_knows_how_old_a_tweet_was_when_it_was_counted() -> None:
    assert follow([record(0)], BATCHES, Rule(WindowTime.ORIGINAL)) == []


def test_only_the_last_windows_and_the_first_hashtags_are_kept() -> None:
    counts = {(start * 60, f"#{name:02}"): 1 for start in range(20) for name in range(20)}
    found = minutes(counts, counts)
    assert [minute.start for minute in found] == [start * 60 for start in range(20 - SHOWN_MINUTES, 20)]
    assert {len(minute.leaders) for minute in found} == {SHOWN_LEADERS}
    assert {minute.stream for minute in found} == {20}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_ages_are_in_order_and_the_longest_is_there(seconds: list[float]) -> None:
    found = ages(seconds)
    assert found is not None
    assert found.median <= found.p95 <= found.longest
    assert found.longest == pytest.approx(max(seconds), abs=1e-3)
    assert found.tweets == len(seconds)


def test_without_ages_there_is_no_figure() -> None:
    assert ages([]) is None
