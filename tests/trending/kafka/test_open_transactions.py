from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from trending.errors import NotReady, ProbeFailed
from trending.kafka.connection import KafkaConnection
from trending.kafka.open_transactions import Held, held_partitions
from trending.kafka.probe import run_probe

if TYPE_CHECKING:
    from fakes.trending.kafka import FakeKafka

BROKER = KafkaConnection("localhost:9092")


def hang(kafka: FakeKafka, partition: int) -> None:
    """Begin a transaction with one record, and leave it open."""
    kafka.open_since["tweets", partition] = len(kafka.logs["tweets"][partition])
    kafka.append("tweets", b"open", partition=partition)


@pytest.mark.row(34)
def test_a_partition_is_held_once_its_transaction_is_old_enough(kafka: FakeKafka) -> None:
    kafka.create("tweets", partitions=3)
    for partition in range(3):
        kafka.append("tweets", b"x", partition=partition)
    hang(kafka, 1)
    assert held_partitions(BROKER, "tweets", 5.0) == []
    kafka.clock.now += 6
    assert held_partitions(BROKER, "tweets", 5.0) == [Held(1, 1, 2)]
    kafka.append("tweets", b"younger", partition=1)
    assert held_partitions(BROKER, "tweets", 5.0) == [Held(1, 1, 3)]
    assert "partition 1 at offset 1, 2 offsets wait behind it; the broker ends it 60 to 70 s" in str(Held(1, 1, 3))
    kafka.open_since.clear()
    kafka.mark("tweets", 1)
    assert held_partitions(BROKER, "tweets", 5.0) == []


def test_a_log_without_open_transactions_is_held_nowhere(kafka: FakeKafka) -> None:
    assert held_partitions(BROKER, "tweets", 0.0) == []
    kafka.abort("tweets", b"x")
    kafka.clock.now += 60
    assert held_partitions(BROKER, "tweets", 0.0) == []


def test_a_broker_that_is_away_is_named(kafka: FakeKafka) -> None:
    kafka.unreachable = True
    with pytest.raises(NotReady, match="the transactions of tweets cannot be looked at"):
        held_partitions(BROKER, "tweets", 0.0)


@pytest.mark.row(34)
def test_a_probe_that_cannot_read_past_an_open_transaction_says_so(kafka: FakeKafka) -> None:
    hang(kafka, 0)
    kafka.clock.now += 1
    with pytest.raises(ProbeFailed, match="did not come back") as caught:
        run_probe(BROKER, "tweets", 10.0, lambda _line: None)
    assert "an open transaction holds partition 0 at offset 0" in caught.value.evidence
