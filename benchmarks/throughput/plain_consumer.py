"""A peer of row 8: a tuned consumer in one process, a typed decoder and a Counter. It proves nothing and keeps nothing.

Arguments: bootstrap, topic. Prints records and seconds as JSON: from the first fetch until the end of each partition.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

BATCH = 10_000
MINUTE_MS = 60_000


class Hashtag(msgspec.Struct):
    """What is decoded of a tweet."""

    hashtag_principal: str


def main() -> None:
    """Count hashtags by minute of arrival from the log's beginning to its end."""
    bootstrap, topic = sys.argv[1:]
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-plain",
            "enable.auto.commit": False,
            "check.crcs": False,
            "queued.max.messages.kbytes": 262_144,
            "fetch.queue.backoff.ms": 10,
            "fetch.max.bytes": 104_857_600,
            "max.partition.fetch.bytes": 16_777_216,
        }
    )
    partitions = [
        TopicPartition(topic, number, OFFSET_BEGINNING) for number in consumer.list_topics(topic, 30).topics[topic].partitions
    ]
    left = sum(end - first for first, end in (consumer.get_watermark_offsets(each, 30) for each in partitions))
    records, counts, decode = left, Counter[tuple[int, str]](), msgspec.json.Decoder(Hashtag).decode
    began = time.monotonic()
    consumer.assign(partitions)
    while left > 0:
        messages = consumer.consume(BATCH, 1.0)
        counts.update((each.timestamp()[1] // MINUTE_MS, decode(each.value() or b"").hashtag_principal) for each in messages)
        left -= len(messages)
    seconds = time.monotonic() - began
    consumer.close()
    if counts.total() != records:
        sys.exit(f"{counts.total()} of {records} are counted")
    print(json.dumps({"records": records, "seconds": seconds}))


if __name__ == "__main__":
    main()
