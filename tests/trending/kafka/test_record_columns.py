from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError
from examples import examples
from fakes.trending.kafka import FakeMessage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trending.errors import NotReady
from trending.kafka.connection import KafkaConnection
from trending.kafka.log_reader import Record, read_log
from trending.kafka.record_columns import by_columns, read_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fakes.trending.kafka import FakeKafka

    from trending.kafka.record_columns import RecordColumns

BROKER = KafkaConnection("localhost:9092")


def one_by_one(batches: Iterable[RecordColumns]) -> dict[int, list[Record]]:
    """Return partition → records in the order in which they came."""
    found: dict[int, list[Record]] = {}
    for batch in batches:
        assert len(batch)
        found.setdefault(batch.partition, []).extend(batch.record(row) for row in range(len(batch)))
    return found


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["record", "header", "marker", "abort"])), max_size=40),
    st.dictionaries(st.integers(0, 2), st.integers(0, 12)),
    st.dictionaries(st.integers(0, 2), st.integers(0, 15)),
)
def test_by_columns_the_same_records_are_read(
    kafka: FakeKafka, written: list[tuple[int, str]], start: dict[int, int], end: dict[int, int]
) -> None:
    kafka.delete("tweets")
    kafka.create("tweets", 3)
    for number, (partition, what) in enumerate(written):
        if what == "marker":
            kafka.mark("tweets", partition)
        elif what == "abort":
            kafka.abort("tweets", b"gone", partition=partition)
        else:
            headers = [("id", f"run:{number}".encode())] if what == "header" else []
            kafka.append("tweets", f"{number}".encode(), partition=partition, headers=headers)
    ends = {part: min(offset, kafka.end(("tweets", part), committed=True)) for part, offset in end.items()}
    alone: dict[int, list[Record]] = {}
    for record in read_log(BROKER, "tweets", start, ends):
        alone.setdefault(record.partition, []).append(replace(record, all_headers=()))
    assert one_by_one(read_columns(BROKER, "tweets", start, ends)) == alone


def test_what_may_wait_in_the_client_does_not_grow_with_the_partitions(kafka: FakeKafka) -> None:
    for partitions in (1, 50):
        kafka.create(f"tweets-{partitions}", partitions)
        for partition in range(partitions):
            kafka.append(f"tweets-{partitions}", b"a", partition=partition)
        list(read_columns(BROKER, f"tweets-{partitions}", {}, dict.fromkeys(range(partitions), 1)))
    one, many = (consumer.configuration for consumer in kafka.consumers)
    for setting in ("queued.min.messages", "queued.max.messages.kbytes"):
        assert many[setting] * 50 <= 1.6 * one[setting]


def test_the_reader_is_closed_also_when_nobody_reads_to_the_end(kafka: FakeKafka) -> None:
    kafka.create("tweets")
    kafka.append("tweets", b"a")
    batches = read_columns(BROKER, "tweets", {}, {0: 9})
    next(batches)
    batches.close()
    assert [consumer.closed for consumer in kafka.consumers] == [True]


def test_a_partition_that_cannot_be_read_is_told(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka.create("tweets")
    kafka.append("tweets", b"a")
    broken = FakeMessage("tweets", 0, None, _error=KafkaError(KafkaError.OFFSET_OUT_OF_RANGE))
    monkeypatch.setattr("fakes.trending.kafka.FakeConsumer.consume", lambda *_args, **_more: [broken])
    with pytest.raises(NotReady, match="cannot be read"):
        list(read_columns(BROKER, "tweets", {}, {0: 1}))


def test_rows_of_a_batch_keep_their_headers() -> None:
    records = [Record(0, offset, 1.5, b"v", {"id": b"run:1"} if offset == 3 else {}, b"k") for offset in range(5)]
    (batch,) = by_columns(records)
    assert one_by_one([batch.rows(2, 5)]) == {0: records[2:]}
