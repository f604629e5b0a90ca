"""Reading the topic itself: ends of its partitions, and its records from one offset to another."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from trending.errors import NotReady

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trending.kafka.connection import KafkaConnection

SILENCE_SECONDS = 30.0
"""How long a read may bring nothing before it counts as failed."""
_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the log; ``append_time`` is the broker's, in seconds since the epoch."""

    partition: int
    offset: int
    append_time: float
    value: bytes | None
    headers: dict[str, bytes | None]


def open_consumer(connection: KafkaConnection) -> Consumer:
    """Return a consumer that belongs to no group and commits nothing."""
    own = {"group.id": "trending-reader", "enable.auto.commit": False, "auto.offset.reset": "error", "fetch.wait.max.ms": 100}
    return Consumer(connection.client(own))


def log_ends(connection: KafkaConnection, topic: str, timeout: float = 10.0) -> dict[int, tuple[int, int]]:
    """Return partition → (first offset, offset behind the last record); raises NotReady when no broker answers."""
    consumer = open_consumer(connection)
    try:
        metadata = consumer.list_topics(topic, timeout=timeout).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)  # noqa: TRY301 - told like the others, below
        partitions = metadata.partitions
        return {
            partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout)
            for partition in sorted(partitions)
        }
    except KafkaException as error:
        cause = f"the offsets of {topic} cannot be read from {connection.bootstrap}"
        raise NotReady(cause, str(error), "make status") from error
    finally:
        consumer.close()


def offsets_at(connection: KafkaConnection, topic: str, at: float, timeout: float = 10.0) -> dict[int, int]:
    """Return partition → offset of the first record appended at ``at`` (seconds since the epoch) or later, else the log's end.

    Raises NotReady when no broker answers.
    """
    consumer = open_consumer(connection)
    try:
        partitions = consumer.list_topics(topic, timeout=timeout).topics[topic].partitions
        times = [TopicPartition(topic, partition, int(at * 1000)) for partition in partitions]
        offsets = consumer.offsets_for_times(times, timeout=timeout)
        # librdkafka answers OFFSET_END, a negative number, where every record is older.
        return {
            place.partition: place.offset if place.offset >= 0 else consumer.get_watermark_offsets(place, timeout=timeout)[1]
            for place in offsets
        }
    except KafkaException as error:
        cause = f"the offsets of {topic} cannot be read from {connection.bootstrap}"
        raise NotReady(cause, str(error), "make status") from error
    finally:
        consumer.close()


def topic_id(connection: KafkaConnection, topic: str, timeout: float = 10.0) -> str | None:
    """Return the id the cluster gave the topic when it was made, or None where a broker says that there is none.

    Raises NotReady when no broker answers: that says nothing about the topic.
    """
    admin = AdminClient(connection.client())
    try:
        view = admin.describe_topics(TopicCollection([topic]), request_timeout=timeout)[topic].result(timeout)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        cause = f"{topic} cannot be described"
        raise NotReady(cause, str(error), "make status") from error
    except TimeoutError as error:
        cause = f"no broker answers at {connection.bootstrap}"
        raise NotReady(cause, f"{timeout} s", "make status") from error
    return str(view.topic_id)


def read_log(connection: KafkaConnection, topic: str, start: dict[int, int], end: dict[int, int]) -> Iterator[Record]:
    """Yield every record from ``start`` to ``end`` (partition → offset, exclusive) in the order of each partition.

    Raises NotReady when nothing arrives for 30 s or a partition cannot be read.
    """
    consumer = open_consumer(connection)
    open_partitions = {partition for partition, offset in end.items() if start.get(partition, 0) < offset}
    try:
        consumer.assign([TopicPartition(topic, partition, start.get(partition, 0)) for partition in open_partitions])
        silent_since = time.monotonic()
        while open_partitions:
            messages = consumer.consume(_CHUNK, timeout=0.3)
            if not messages and time.monotonic() - silent_since > SILENCE_SECONDS:
                cause = f"{topic} brought nothing for {SILENCE_SECONDS:.0f} s"
                raise NotReady(cause, f"partitions {sorted(open_partitions)} end at {end}", "make status")
            for message in messages:
                silent_since = time.monotonic()
                record = to_record(message)
                if record.offset < end[record.partition]:
                    yield record
                if record.offset >= end[record.partition] - 1:
                    open_partitions.discard(record.partition)
    finally:
        consumer.close()


def to_record(message: Message) -> Record:
    """Return a message as a record; raises NotReady for a message that is an error."""
    error: KafkaError | None = message.error()
    if error is not None:
        cause = f"{message.topic()} cannot be read"
        raise NotReady(cause, error.str(), "make status")
    headers: dict[str, bytes | None] = {}
    for pair in message.headers() or []:
        name, value = pair[0], pair[1]
        headers[str(name)] = value.encode() if isinstance(value, str) else value
    return Record(message.partition() or 0, message.offset() or 0, message.timestamp()[1] / 1000, message.value(), headers)
