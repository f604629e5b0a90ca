from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError
from examples import examples
from fakes.trending.kafka import MIDNIGHT, FakeMessage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trending.errors import NotReady
from trending.kafka.answers import AGAIN
from trending.kafka.connection import KafkaConnection
from trending.kafka.log_reader import (
    SEEK_GAP,
    SILENCE_SECONDS,
    Record,
    ends_of,
    log_ends,
    offsets_at,
    read_log,
    read_places,
    to_record,
    topic_id,
)
from trending.kafka.open_transactions import held_partitions

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fakes.trending.kafka import FakeKafka

BROKER = KafkaConnection("localhost:9092")


def fill(kafka: FakeKafka, partitions: int, records: int) -> None:
    kafka.create("tweets", partitions)
    for partition in range(partitions):
        for offset in range(records):
            kafka.append("tweets", f"{partition}:{offset}".encode(), partition=partition)


def places(records: list[Record]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for record in records:
        found.setdefault(record.partition, []).append(record.offset)
    return found


def record_of(message: FakeMessage) -> Record:
    disguised: Any = message
    return to_record(disguised)


def test_a_message_becomes_a_record_with_the_brokers_time_in_seconds() -> None:
    message = FakeMessage("tweets", 2, 7, MIDNIGHT * 1000 + 1_234, b"value", None, [("id", b"run:1")])
    assert record_of(message) == Record(2, 7, MIDNIGHT + 1.234, b"value", {"id": b"run:1"}, None, (("id", b"run:1"),))


def test_of_several_headers_of_a_name_all_are_kept_and_the_last_one_counts() -> None:
    message = FakeMessage("tweets", 0, 0, 0, b"", None, [("h", "1"), ("h", None), ("h", b"2")])
    record = record_of(message)
    assert (record.headers, record.all_headers) == ({"h": b"2"}, (("h", b"1"), ("h", None), ("h", b"2")))


def test_headers_may_be_missing_text_or_empty() -> None:
    assert record_of(FakeMessage("tweets", 0, 0)).headers == {}
    assert record_of(FakeMessage("tweets", 0, 0, _headers=[("a", "ñ"), ("b", None)])).headers == {"a": "ñ".encode(), "b": None}


def test_a_message_that_is_an_error_is_no_record() -> None:
    error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
    with pytest.raises(NotReady) as caught:
        record_of(FakeMessage("tweets", 0, None, _error=error))
    assert caught.value.cause == "tweets cannot be read"
    assert caught.value.evidence == error.str()


def test_the_ends_of_every_partition_are_found(kafka: FakeKafka) -> None:
    fill(kafka, 3, 4)
    kafka.append("tweets", b"more", partition=1)
    kafka.forget_before("tweets", 2, 3)
    assert log_ends(BROKER, "tweets") == {0: (0, 4), 1: (0, 5), 2: (3, 4)}
    assert all(consumer.closed for consumer in kafka.consumers)


@pytest.mark.parametrize("given_up", [1, AGAIN])
@pytest.mark.parametrize(
    "look",
    [
        lambda: log_ends(BROKER, "tweets")[0][1] == 1,
        lambda: offsets_at(BROKER, "tweets", 0.0) == {0: 0},
        lambda: bool(topic_id(BROKER, "tweets")),
        lambda: held_partitions(BROKER, "tweets", 0.0) == [],
    ],
    ids=["ends", "times", "id", "transactions"],
)
def test_a_request_that_is_given_up_with_its_connection_is_asked_again(
    look: Callable[[], bool], given_up: int, kafka: FakeKafka
) -> None:
    """A client that has lost all its brokers for a moment begins anew, and may drop a connection with a request on it."""
    fill(kafka, 1, 1)
    kafka.given_up = given_up
    assert look()
    assert kafka.given_up == 0


def test_one_that_is_given_up_again_and_again_is_an_error(kafka: FakeKafka) -> None:
    kafka.given_up = 100
    with pytest.raises(NotReady, match="the offsets of tweets cannot be read") as caught:
        log_ends(BROKER, "tweets")
    assert "_DESTROY_BROKER" in caught.value.evidence
    assert kafka.given_up == 100 - 1 - AGAIN


def test_an_absent_broker_is_named_with_its_address(kafka: FakeKafka) -> None:
    kafka.unreachable = True
    with pytest.raises(NotReady) as caught:
        log_ends(BROKER, "tweets")
    assert BROKER.bootstrap in caught.value.cause
    assert "_TRANSPORT" in caught.value.evidence
    assert all(consumer.closed for consumer in kafka.consumers)


def test_a_topic_keeps_its_id_and_one_made_anew_has_another(kafka: FakeKafka) -> None:
    first = topic_id(BROKER, "tweets")
    assert first
    assert topic_id(BROKER, "tweets") == first
    kafka.delete("tweets")
    assert topic_id(BROKER, "tweets") is None
    kafka.create("tweets")
    assert topic_id(BROKER, "tweets") not in {None, first}


def test_a_broker_that_does_not_answer_says_nothing_about_the_topic(kafka: FakeKafka) -> None:
    kafka.unreachable = True
    with pytest.raises(NotReady, match="tweets cannot be described") as caught:
        topic_id(BROKER, "tweets")
    assert "_TRANSPORT" in caught.value.evidence
    kafka.frozen = True
    with pytest.raises(NotReady, match=BROKER.bootstrap):
        topic_id(BROKER, "tweets", timeout=3.0)


def test_the_log_is_read_from_start_to_end_exclusive(kafka: FakeKafka) -> None:
    fill(kafka, 3, 10)
    assert places(list(read_log(BROKER, "tweets", {0: 2, 1: 0}, {0: 5, 1: 10, 2: 1}))) == {
        0: [2, 3, 4],
        1: list(range(10)),
        2: [0],
    }


def test_records_behind_the_end_are_left_out_though_they_are_there(kafka: FakeKafka) -> None:
    fill(kafka, 2, 10)
    kafka.last_partition_first = True
    assert places(list(read_log(BROKER, "tweets", {}, {0: 10, 1: 1}))) == {0: list(range(10)), 1: [0]}


def test_an_empty_range_is_read_without_waiting(kafka: FakeKafka) -> None:
    fill(kafka, 2, 3)
    began = kafka.clock.monotonic()
    assert list(read_log(BROKER, "tweets", {0: 3, 1: 9}, {0: 3, 1: 3})) == []
    assert list(read_log(BROKER, "tweets", {}, {})) == []
    assert kafka.clock.monotonic() == began


def test_a_log_longer_than_one_read_is_read_whole(kafka: FakeKafka) -> None:
    fill(kafka, 1, 12_000)
    assert [record.offset for record in read_log(BROKER, "tweets", {}, {0: 12_000})] == list(range(12_000))


@pytest.mark.row(30)
def test_a_short_silence_is_waited_out(kafka: FakeKafka) -> None:
    fill(kafka, 1, 3)
    kafka.silent.add(("tweets", 0))
    kafka.clock.at(kafka.clock.now + SILENCE_SECONDS - 5, kafka.silent.clear)
    assert [record.offset for record in read_log(BROKER, "tweets", {}, {0: 3})] == [0, 1, 2]


@pytest.mark.row(30)
def test_a_long_silence_is_an_error_that_names_the_partitions(kafka: FakeKafka) -> None:
    fill(kafka, 2, 3)
    kafka.silent.add(("tweets", 1))
    began = kafka.clock.monotonic()
    with pytest.raises(NotReady) as caught:
        list(read_log(BROKER, "tweets", {}, {0: 3, 1: 3}))
    assert caught.value.cause == "tweets brought nothing for 30 s"
    assert "partitions [1]" in caught.value.evidence
    assert kafka.clock.monotonic() - began < SILENCE_SECONDS + 2


def test_a_start_that_retention_removed_is_an_error_and_no_silent_skip(kafka: FakeKafka) -> None:
    fill(kafka, 1, 10)
    kafka.forget_before("tweets", 0, 5)
    with pytest.raises(NotReady, match="tweets cannot be read"):
        list(read_log(BROKER, "tweets", {0: 2}, {0: 10}))


@pytest.mark.row(34)
def test_a_topic_whose_last_record_is_a_marker_is_read_to_its_end_at_once(kafka: FakeKafka) -> None:
    fill(kafka, 1, 3)
    kafka.mark("tweets")
    began = kafka.clock.monotonic()
    assert [record.offset for record in read_log(BROKER, "tweets", {}, {0: 4})] == [0, 1, 2]
    assert kafka.clock.monotonic() == began


@pytest.mark.row(34)
def test_aborted_records_are_not_read_and_an_open_transaction_ends_the_log(kafka: FakeKafka) -> None:
    fill(kafka, 2, 3)
    kafka.abort("tweets", b"aborted", partition=1)
    kafka.open_since["tweets", 1] = len(kafka.logs["tweets"][1])
    kafka.append("tweets", b"open", partition=1)
    ends = ends_of(log_ends(BROKER, "tweets"))
    assert ends == {0: 3, 1: 5}
    assert places(list(read_log(BROKER, "tweets", {}, ends))) == {0: [0, 1, 2], 1: [0, 1, 2]}


@pytest.mark.row(34)
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(0, 59)), st.sets(st.integers(0, 59)), st.integers(0, 60), st.integers(0, 60))
def test_gaps_anywhere_are_passed_over(kafka: FakeKafka, gone: set[int], aborted: set[int], start: int, end: int) -> None:
    fill(kafka, 1, 60)
    kafka.gone = {("tweets", 0, offset) for offset in gone}
    kafka.aborted = {("tweets", 0, offset) for offset in aborted}
    there = [offset for offset in range(start, end) if offset not in gone | aborted]
    began = kafka.clock.monotonic()
    assert [record.offset for record in read_log(BROKER, "tweets", {0: start}, {0: end})] == there
    assert kafka.clock.monotonic() - began < 1


@pytest.mark.row(34)
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sets(st.integers(0, 3 * SEEK_GAP), max_size=40),
    st.lists(st.integers(0, 3 * SEEK_GAP), max_size=9, unique=True),
    st.integers(0, SEEK_GAP),
)
def test_places_are_found_or_told_as_gone(kafka: FakeKafka, gone: set[int], wanted: list[int], low: int) -> None:
    fill(kafka, 1, 3 * SEEK_GAP + 1)
    kafka.gone = {("tweets", 0, offset) for offset in gone}
    kafka.forget_before("tweets", 0, low)
    found = {offset: record for _part, offset, record in read_places(BROKER, "tweets", {0: sorted(wanted)})}
    assert found.keys() == set(wanted)
    assert {offset for offset, record in found.items() if record is None} == {
        offset for offset in wanted if offset < low or offset in gone
    }
    assert all(record is None or record.value == f"0:{offset}".encode() for offset, record in found.items())


def test_the_reader_is_closed_also_when_nobody_reads_to_the_end(kafka: FakeKafka) -> None:
    fill(kafka, 1, 10)
    records = read_log(BROKER, "tweets", {}, {0: 10})
    assert next(records).offset == 0
    records.close()
    assert [consumer.closed for consumer in kafka.consumers] == [True]


def test_reading_commits_nothing_and_skips_nothing(kafka: FakeKafka) -> None:
    log_ends(BROKER, "tweets")
    (consumer,) = kafka.consumers
    assert consumer.configuration["enable.auto.commit"] is False
    assert consumer.configuration["auto.offset.reset"] == "error"
    assert consumer.configuration["isolation.level"] == "read_committed"
    assert consumer.configuration["bootstrap.servers"] == BROKER.bootstrap
