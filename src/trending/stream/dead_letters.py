"""Dead letters: records that can't be used, sent whole to a topic of their own with reason, partition and offset."""

from __future__ import annotations

import time
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

from trending.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from trending.kafka.connection import KafkaConnection
    from trending.serving.store import Reject

MAX_LETTER_BYTES = 2_097_152
"""Room for the largest record a broker takes by default (1 MiB) and its headers."""
SEEK_GAP = 500
"""Offsets worth reading over instead of seeking."""
DEADLINE_SECONDS = 30.0


class DeadLetters:
    """Writes each reject once, also when Spark replays a batch; opens its connections at the first reject."""

    def __init__(self, connection: KafkaConnection, topic: str, dead_letter_topic: str, known_up_to: int) -> None:
        self._connection = connection
        self._topic = topic
        self._dead_letter_topic = dead_letter_topic
        self._next_offset = known_up_to
        self._written: set[tuple[int, int]] | None = None

    @property
    def next_offset(self) -> int:
        """The dead-letter topic's offset behind the last letter known to be there."""
        return self._next_offset

    def write(self, rejects: Iterable[Reject]) -> int:
        """Send the rejects that are not there yet and return their number; raises LabError when one is not acknowledged."""
        if self._written is None:
            self._written = set(self._read_back())
        written = self._written
        fresh = [reject for reject in rejects if (reject.partition, reject.offset) not in written]
        if not fresh:
            return 0
        failures: list[KafkaError] = []

        def delivered(reject: Reject, error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(error)
                return
            written.add((reject.partition, reject.offset))
            if (offset := message.offset()) is not None:
                self._next_offset = max(self._next_offset, offset + 1)

        own = {
            "enable.idempotence": True,
            "message.max.bytes": MAX_LETTER_BYTES,
            "message.timeout.ms": int(DEADLINE_SECONDS * 1000),
        }
        producer = Producer(self._connection.client(own, silent=False))
        for reject, value in self._originals(fresh):
            place = f"{reject.partition}:{reject.offset}"
            headers: list[tuple[str, str | bytes | None]] = [
                ("reason", reject.reason),
                ("topic", self._topic),
                ("partition", str(reject.partition)),
                ("offset", str(reject.offset)),
            ]
            while True:
                try:
                    producer.produce(
                        self._dead_letter_topic,
                        value,
                        key=place,
                        headers=headers,
                        partition=0,
                        on_delivery=partial(delivered, reject),
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
        left = producer.flush(DEADLINE_SECONDS)
        if left or failures:
            cause = f"{left + len(failures)} dead letters were not acknowledged by {self._dead_letter_topic}"
            raise LabError(cause, str(failures[0]) if failures else "no answer in time", "make status")
        return len(fresh)

    def _consumer(self) -> Consumer:
        own = {
            "group.id": "trending-dead-letters",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
            "auto.offset.reset": "error",
        }
        return Consumer(self._connection.client(own, silent=False))

    def _read_back(self) -> Iterator[tuple[int, int]]:
        """Yield the places of the letters behind the last written batch: what a killed driver sent and did not book."""
        consumer = self._consumer()
        try:
            place = TopicPartition(self._dead_letter_topic, 0)
            low, high = consumer.get_watermark_offsets(place, timeout=DEADLINE_SECONDS)
            start = max(low, self._next_offset)
            if start >= high:
                return
            consumer.assign([TopicPartition(self._dead_letter_topic, 0, start or OFFSET_BEGINNING)])
            for message in read_until(consumer, high):
                place_of_record = letter_place(dict(message.headers() or []))
                if place_of_record is not None:
                    yield place_of_record
            self._next_offset = high
        finally:
            consumer.close()

    def _originals(self, rejects: list[Reject]) -> Iterator[tuple[Reject, bytes | None]]:
        consumer = self._consumer()
        try:
            ordered = sorted(rejects, key=lambda reject: (reject.partition, reject.offset))
            for partition, group in groupby(ordered, key=attrgetter("partition")):
                position: int | None = None
                for reject in group:
                    if position is None or not 0 <= reject.offset - position <= SEEK_GAP:
                        consumer.assign([TopicPartition(self._topic, partition, reject.offset)])
                    message = _at(consumer, reject.offset)
                    position = reject.offset + 1
                    yield reject, message.value()
        finally:
            consumer.close()


def letter_place(headers: Mapping[str, str | bytes | None]) -> tuple[int, int] | None:
    """Return partition and offset of the record that a letter with these headers holds, or None where it is not one of ours."""
    try:
        return int(headers["partition"] or ""), int(headers["offset"] or "")
    except (KeyError, ValueError):
        return None


def read_until(consumer: Consumer, end: int) -> Iterator[Message]:
    """Yield the messages of the one assigned partition up to offset ``end`` (exclusive); raises LabError when they stop."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is None:
            continue
        if message.error() is not None:
            cause = f"offset {end} of {message.topic()} cannot be read"
            raise LabError(cause, str(message.error()), "make status")
        offset = message.offset() or 0
        if offset < end:
            yield message
        if offset >= end - 1:
            return
        deadline = time.monotonic() + DEADLINE_SECONDS
    cause = f"the log was not readable up to offset {end} within {DEADLINE_SECONDS:.0f} s"
    raise LabError(cause, "", "make status")


def _at(consumer: Consumer, offset: int) -> Message:
    for message in read_until(consumer, offset + 1):
        if message.offset() == offset:
            return message
    cause = f"offset {offset} is not in the log any more"
    raise LabError(cause, "retention or compaction removed it before it was dead-lettered", "make status")
