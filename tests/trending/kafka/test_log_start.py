from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.trending.kafka import MIDNIGHT

from trending.errors import NotReady
from trending.kafka import log_start as module
from trending.kafka.connection import KafkaConnection
from trending.kafka.log_start import LOOK_SECONDS, MARGIN_SECONDS, LogStart, LogStartWatch, log_start

if TYPE_CHECKING:
    from fakes.trending.kafka import FakeKafka

BEGIN = MIDNIGHT + 1000
"""The fake's time when a test begins."""
CONNECTION = KafkaConnection("localhost:9092")


@pytest.fixture(autouse=True)
def _time(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", kafka.clock)


@pytest.fixture
def two(kafka: FakeKafka) -> FakeKafka:
    """Two partitions with a record a minute, by turns."""
    kafka.create("tweets", 2)
    assert kafka.clock.time() == BEGIN
    for number in range(10):
        kafka.append("tweets", b"x", partition=number % 2)
        kafka.clock.sleep(60)
    return kafka


def test_it_is_where_retention_has_left_each_partition_and_since_the_earlier_of_their_first_records(two: FakeKafka) -> None:
    assert log_start(CONNECTION, "tweets") == LogStart({0: 0, 1: 0}, BEGIN)
    two.forget_before("tweets", 0, 3)
    two.forget_before("tweets", 1, 1)
    assert log_start(CONNECTION, "tweets") == LogStart({0: 3, 1: 1}, BEGIN + 3 * 60)
    assert all(consumer.closed for consumer in two.consumers)


def test_a_partition_without_records_holds_nothing_back(two: FakeKafka) -> None:
    two.forget_before("tweets", 0, 5)
    assert log_start(CONNECTION, "tweets") == LogStart({0: 5, 1: 0}, BEGIN + 60)
    two.forget_before("tweets", 1, 5)
    assert log_start(CONNECTION, "tweets") == LogStart({0: 5, 1: 5}, BEGIN + 600)


def test_a_marker_at_the_beginning_is_passed_over(two: FakeKafka) -> None:
    two.gone.add(("tweets", 0, 0))
    assert log_start(CONNECTION, "tweets") == LogStart({0: 0, 1: 0}, BEGIN + 60)


def test_what_was_appended_two_hours_before_the_first_record_is_gone() -> None:
    assert LogStart({0: 9}, MIDNIGHT + 0.9).gone_until == MIDNIGHT - MARGIN_SECONDS


def test_a_partition_that_brings_nothing_in_time_is_no_answer(two: FakeKafka) -> None:
    two.silent.add(("tweets", 1))
    before = two.clock.now
    with pytest.raises(NotReady, match="first record of tweets cannot be read within 2 s") as caught:
        log_start(CONNECTION, "tweets")
    assert two.clock.now - before == pytest.approx(2, abs=0.1)
    assert caught.value.evidence == "partition 1, offset 0"


def test_a_program_looks_once_a_minute_and_not_at_once(two: FakeKafka) -> None:
    watch = LogStartWatch(CONNECTION, "tweets")
    now = two.clock.time()
    looks = [second for second in range(180) if watch.look(now + second) is not None]
    assert looks == [LOOK_SECONDS, 2 * LOOK_SECONDS]


def test_a_clock_that_was_set_back_stops_no_looking(two: FakeKafka) -> None:
    watch = LogStartWatch(CONNECTION, "tweets")
    now = two.clock.time()
    watch.look(now)
    assert watch.look(now - 3600) is not None


def test_where_nobody_answers_it_looks_again_a_minute_later(two: FakeKafka) -> None:
    watch = LogStartWatch(CONNECTION, "tweets")
    now = two.clock.time()
    watch.look(now)
    two.unreachable = True
    assert watch.look(now + 60) is None
    two.unreachable = False
    assert watch.look(now + 61) is None
    assert watch.look(now + 120) is not None
