from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from trending.errors import NotReady
from trending.kafka.connection import KafkaConnection
from trending.kafka.spy import follow

if TYPE_CHECKING:
    from fakes.trending.kafka import FakeKafka


def spy(kafka: FakeKafka, limit: int = 0) -> tuple[int, list[str]]:
    """Follow the topic for a minute of the fake clock."""
    stop, shown = threading.Event(), list[str]()
    kafka.clock.at(kafka.clock.now + 60, stop.set)
    return follow(KafkaConnection("localhost:9092"), "tweets", stop, shown.append, limit), shown


def test_the_topic_is_shown_from_its_beginning(kafka: FakeKafka) -> None:
    for number in range(3):
        kafka.append("tweets", f"tweet {number} ñ".encode())
    assert spy(kafka) == (3, ["tweet 0 ñ", "tweet 1 ñ", "tweet 2 ñ"])


def test_the_beginning_is_where_retention_has_left_it(kafka: FakeKafka) -> None:
    for number in range(3):
        kafka.append("tweets", f"tweet {number}".encode())
    kafka.forget_before("tweets", 0, 2)
    assert spy(kafka) == (1, ["tweet 2"])


def test_every_partition_is_followed(kafka: FakeKafka) -> None:
    kafka.create("tweets", partitions=3)
    for partition in range(3):
        kafka.append("tweets", f"tweet {partition}".encode(), partition=partition)
    assert sorted(spy(kafka)[1]) == ["tweet 0", "tweet 1", "tweet 2"]


def test_what_arrives_later_is_followed(kafka: FakeKafka) -> None:
    kafka.append("tweets", b"early")
    late = iter([b"late"])
    kafka.clock.at(kafka.clock.now + 30, lambda: [kafka.append("tweets", value) for value in late])
    assert spy(kafka) == (2, ["early", "late"])


def test_a_limit_ends_it(kafka: FakeKafka) -> None:
    for number in range(9):
        kafka.append("tweets", f"tweet {number}".encode())
    began = kafka.clock.monotonic()
    assert spy(kafka, limit=2) == (2, ["tweet 0", "tweet 1"])
    assert kafka.clock.monotonic() == began


def test_poison_is_shown_harmlessly(kafka: FakeKafka) -> None:
    for value in (None, b"", b"\xff\xfe", b"\x1b[2J\r\n", "\u202egnp".encode(), b"<script>"):
        kafka.append("tweets", value)
    assert spy(kafka)[1] == ["null", "", "��", "\\x1b[2J\\r\\n", "\\u202egnp", "<script>"]


def test_an_absent_broker_is_an_error_and_the_connection_is_closed(kafka: FakeKafka) -> None:
    kafka.unreachable = True
    with pytest.raises(NotReady, match="localhost:9092"):
        spy(kafka)
    assert all(consumer.closed for consumer in kafka.consumers)
