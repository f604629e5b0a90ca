"""A batch each minute over the run's own log: whole intervals only, ages from the interval's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from trending.kafka.log_reader import Record
from trending.report.comparison import Followed
from trending.report.defence.minutely import measure
from trending.settings import StreamSettings
from trending.tweets.wire_format import Tweet, encode

if TYPE_CHECKING:
    from collections.abc import Iterable

STREAM = StreamSettings(trigger_seconds=10)
BEGIN = 1_765_843_200


def log(seconds: Iterable[float]) -> list[Followed]:
    made = []
    for offset, second in enumerate(seconds):
        tweet = Tweet("@a", "hola #Spark", "#Spark", BEGIN + second)
        record = Record(offset % 2, offset // 2, BEGIN + second, encode(tweet), {})
        made.append(Followed(record, tweet, BEGIN, 0, BEGIN + second + 5))
    return made


def test_each_whole_minute_is_a_batch_and_its_tweets_wait_for_the_minutes_end() -> None:
    followed = log(range(30, 200, 10))  # 0:30 to 3:10; minutes 1 and 2 are whole
    asked: list[tuple[dict[int, int], dict[int, int]]] = []

    def read(start: dict[int, int], end: dict[int, int]) -> list[Record]:
        asked.append((start, end))
        return [
            each.record for each in followed if start[each.record.partition] <= each.record.offset < end[each.record.partition]
        ]

    made = measure(followed, read, STREAM, 0.8)
    assert made is not None
    assert (made.interval, made.batches, made.records) == (60, 2, 12)
    assert made.ages is not None
    assert made.ages.tweets == 12
    assert made.ages.longest == pytest.approx(60, abs=1)
    assert made.ages.median == pytest.approx(30, abs=11)
    assert made.mean_seconds <= made.longest_seconds < 1
    assert made.busy == made.mean_seconds
    assert made.stream_busy == pytest.approx(4.8)
    assert asked[0][1] == asked[1][0], "one batch goes on where the last one ended"


@pytest.mark.parametrize("seconds", [[], [1], [1, 61], [1, 2, 61]])
def test_without_a_whole_minute_there_is_nothing_to_measure(seconds: list[float]) -> None:
    assert measure(log(seconds), lambda _start, _end: (), STREAM, None) is None


def test_a_stream_that_told_no_times_has_no_time_at_work() -> None:
    made = measure(log([1, 61, 121]), lambda _start, _end: (), STREAM, None)
    assert made is not None
    assert made.stream_busy is None
    assert made.records == 0
