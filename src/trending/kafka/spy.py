"""The spy: prints the topic from the beginning and follows it, as Kafka's console consumer does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import TopicPartition

from trending.kafka.log_reader import log_ends, open_consumer, to_record
from trending.text import printable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from trending.kafka.connection import KafkaConnection


def follow(connection: KafkaConnection, topic: str, stop: threading.Event, show: Callable[[str], None], limit: int = 0) -> int:
    """Print each record's value, control characters escaped, until ``stop`` or ``limit`` records; returns their number."""
    consumer = open_consumer(connection)
    shown = 0
    try:
        starts = log_ends(connection, topic)
        consumer.assign([TopicPartition(topic, partition, first) for partition, (first, _end) in starts.items()])
        while not stop.is_set() and not (limit and shown >= limit):
            message = consumer.poll(0.2)
            if message is None:
                continue
            value = to_record(message).value
            show("null" if value is None else printable(value.decode("utf-8", "replace")))
            shown += 1
    finally:
        consumer.close()
    return shown
