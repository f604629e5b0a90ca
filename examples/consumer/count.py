"""A consumer of one's own, without Spark: it counts hashtags by window, and each tweet once even if it is killed.

The offsets are in the same transaction as the counts. So either both are written or neither is, and a new life goes on exactly
where the counts end: Kafka's own committed offsets are not needed.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable

LENGTH = int(os.environ.get("WINDOW_SECONDS", "60"))
TABLE = os.environ.get("RESULTS_TABLE", "ranking")
GONE_FOR_NOW = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._PARTITION_EOF}  # noqa: SLF001 - their names
"""Errors that the client gets over by itself: it connects again."""


def cell(message: Message) -> tuple[int, str] | None:
    """Return window and hashtag of a message; None where it is no tweet with a hashtag."""
    try:
        tweet = json.loads(message.value() or b"")
        hashtag, seconds = tweet["hashtag_principal"], float(tweet["timestamp"])
    except (ValueError, KeyError, TypeError):
        return None
    if os.environ.get("WINDOW_TIME") != "event":
        seconds = message.timestamp()[1] / 1000
    return (int(seconds // LENGTH * LENGTH), hashtag) if isinstance(hashtag, str) and hashtag else None


def prepare(database: sqlite3.Connection) -> None:
    """Make the tables where they are not there yet."""
    database.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (window, hashtag, count, PRIMARY KEY (window, hashtag))")
    database.execute("CREATE TABLE IF NOT EXISTS offsets (partition PRIMARY KEY, next)")


def write(database: sqlite3.Connection, messages: Iterable[Message]) -> None:
    """Add the messages' counts and note where to go on, all or nothing."""
    counts: Counter[tuple[int, str]] = Counter()
    ends: dict[int, int] = {}
    for message in messages:
        ends[message.partition() or 0] = (message.offset() or 0) + 1
        found = cell(message)
        if found is not None:
            counts[found] += 1
    upsert = f"INSERT INTO {TABLE} VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"  # noqa: S608 - ours
    with database:
        database.executemany(upsert, [(*key, number) for key, number in counts.items()])
        database.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?)", ends.items())


def places(consumer: Consumer, database: sqlite3.Connection, topic: str) -> list[TopicPartition]:
    """Return where to begin in each partition: where the counts end, or at 0."""
    known = dict(database.execute("SELECT partition, next FROM offsets"))
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    return [TopicPartition(topic, number, known.get(number, 0)) for number in partitions]


def main() -> None:
    """Count until a signal comes."""
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: asked.append(received))
    settings = {"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP"], "group.id": "my-consumer", "enable.auto.commit": False}
    with closing(sqlite3.connect(os.environ["RESULTS_FILE"])) as database, closing(Consumer(settings)) as consumer:
        prepare(database)
        consumer.assign(places(consumer, database, os.environ["KAFKA_TOPIC"]))
        while not asked:
            messages = consumer.consume(1_000, timeout=0.2)
            for error in filter(None, (each.error() for each in messages)):
                if error.code() not in GONE_FOR_NOW:
                    raise KafkaException(error)
            if good := [each for each in messages if each.error() is None]:
                write(database, good)


if __name__ == "__main__":
    main()
